//! The toll passage: one vehicle passing one lane of a toll plaza.

use std::borrow::Cow;

use uuid::Uuid;

use crate::encode;

/// One passage, as `schemas/toll_passage.avsc` describes it.
///
/// Ranges are the contract's business, not the type's: a generator must be able to say what a broken sender says.
/// What is optional here is not known to every source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TollPassage {
    /// Identity of this passage, UUID version 7; version 5 where the source gives none.
    pub event_id: Uuid,
    /// Pseudonym of one vehicle, the same at each of its passages.
    pub vehicle_id: Uuid,
    /// Number of the toll transponder.
    pub transponder_id: Option<i32>,
    /// `car`, `truck`, `van`, `bus` or `motorcycle`.
    pub vehicle_type: Cow<'static, str>,
    /// Plaza, 4000 to 4010.
    pub toll_plaza_id: i32,
    /// Lane of the plaza, from 1.
    pub lane: Option<i32>,
    /// Toll charged, in hundredths of the currency's unit.
    pub amount_cents: Option<i64>,
    /// ISO 4217 code.
    pub currency: Option<Cow<'static, str>>,
    /// When the vehicle passed, in milliseconds since 1970 UTC.
    pub occurred_at_ms: i64,
}

impl TollPassage {
    /// Full name of the record.
    pub const NAME: &str = "turnpike.TollPassage";
    /// The Avro schema, as it is registered.
    pub const SCHEMA: &str = include_str!("../../../schemas/toll_passage.avsc");

    /// Appends the passage as bare Avro, without the registry's framing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let int = |value: i32, out: &mut Vec<u8>| encode::long(value.into(), out);
        encode::uuid(self.event_id, out);
        encode::uuid(self.vehicle_id, out);
        encode::optional(self.transponder_id, int, out);
        encode::bytes(self.vehicle_type.as_bytes(), out);
        int(self.toll_plaza_id, out);
        encode::optional(self.lane, int, out);
        encode::optional(self.amount_cents, encode::decimal, out);
        encode::optional(self.currency.as_deref().map(str::as_bytes), encode::bytes, out);
        encode::long(self.occurred_at_ms, out);
    }
}
