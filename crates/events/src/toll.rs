//! The toll passage: one vehicle passing one lane of a toll plaza.

use std::borrow::Cow;

use uuid::Uuid;

use crate::encode;

/// One passage, as `schemas/toll_passage.avsc` describes it.
///
/// Ranges are the contract's business, not the type's: a generator must be able to say what a broken sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TollPassage {
    /// Identity of this passage, UUID version 7.
    pub event_id: Uuid,
    /// Pseudonym of one vehicle, the same at each of its passages.
    pub vehicle_id: Uuid,
    /// Number of the toll transponder.
    pub transponder_id: i32,
    /// `car`, `truck`, `van`, `bus` or `motorcycle`.
    pub vehicle_type: Cow<'static, str>,
    /// Plaza, 4000 to 4010.
    pub toll_plaza_id: i32,
    /// Lane of the plaza, from 1.
    pub lane: i32,
    /// Toll charged, in hundredths of the currency's unit.
    pub amount_cents: i64,
    /// ISO 4217 code.
    pub currency: Cow<'static, str>,
    /// When the vehicle passed, in milliseconds since 1970 UTC.
    pub occurred_at_ms: i64,
}

impl TollPassage {
    /// The Avro schema, as it is registered.
    pub const SCHEMA: &str = include_str!("../../../schemas/toll_passage.avsc");

    /// Appends the passage as bare Avro, without the registry's framing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut uuid = Uuid::encode_buffer();
        encode::bytes(self.event_id.hyphenated().encode_lower(&mut uuid).as_bytes(), out);
        encode::bytes(self.vehicle_id.hyphenated().encode_lower(&mut uuid).as_bytes(), out);
        encode::long(self.transponder_id.into(), out);
        encode::bytes(self.vehicle_type.as_bytes(), out);
        encode::long(self.toll_plaza_id.into(), out);
        encode::long(self.lane.into(), out);
        encode::decimal(self.amount_cents, out);
        encode::bytes(self.currency.as_bytes(), out);
        encode::long(self.occurred_at_ms, out);
    }
}
