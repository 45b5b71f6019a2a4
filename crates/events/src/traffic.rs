//! The traffic event: a jam, an accident or a speed camera on a road.

use std::borrow::Cow;

use uuid::Uuid;

use crate::encode;

/// One event, as `schemas/traffic_event.avsc` describes it.
///
/// It is one flat record for all kinds: which of the optional fields belong to which `event_type` is the contract's
/// business, so that a field in the wrong place is reported by name.
#[derive(Debug, Clone, PartialEq)]
pub struct TrafficEvent {
    /// Identity of this event, UUID version 7, or what the source gives.
    pub event_id: Uuid,
    /// `TRAFFIC_JAM`, `ACCIDENT` or `SPEED_CAMERA`.
    pub event_type: Cow<'static, str>,
    /// Nearest city.
    pub city: Cow<'static, str>,
    /// Road, such as `A6`.
    pub road: Cow<'static, str>,
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
    /// When it was observed, in milliseconds since 1970 UTC.
    pub occurred_at_ms: i64,
    /// Of a jam `LOW`, `MEDIUM` or `HIGH`; of an accident `MINOR` or `MAJOR`.
    pub severity: Option<Cow<'static, str>>,
    /// Of a jam: mean speed in it.
    pub avg_speed_kmh: Option<i32>,
    /// Of a jam: its length.
    pub length_m: Option<i32>,
    /// Of an accident: lanes that it blocks.
    pub lanes_blocked: Option<i32>,
    /// Of an accident: whether somebody is hurt.
    pub injuries_reported: Option<bool>,
    /// Of a camera: the limit that it enforces.
    pub speed_limit_kmh: Option<i32>,
    /// Of a camera: `N`, `S`, `E` or `W`.
    pub direction: Option<Cow<'static, str>>,
    /// Of a camera: whether it is in use.
    pub active: Option<bool>,
}

impl TrafficEvent {
    /// Full name of the record.
    pub const NAME: &str = "turnpike.TrafficEvent";
    /// The Avro schema, as it is registered.
    pub const SCHEMA: &str = include_str!("../../../schemas/traffic_event.avsc");

    /// Appends the event as bare Avro, without the registry's framing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let int = |value: i32, out: &mut Vec<u8>| encode::long(value.into(), out);
        encode::uuid(self.event_id, out);
        encode::bytes(self.event_type.as_bytes(), out);
        encode::bytes(self.city.as_bytes(), out);
        encode::bytes(self.road.as_bytes(), out);
        encode::double(self.latitude, out);
        encode::double(self.longitude, out);
        encode::long(self.occurred_at_ms, out);
        encode::optional(self.severity.as_deref().map(str::as_bytes), encode::bytes, out);
        encode::optional(self.avg_speed_kmh, int, out);
        encode::optional(self.length_m, int, out);
        encode::optional(self.lanes_blocked, int, out);
        encode::optional(self.injuries_reported, encode::boolean, out);
        encode::optional(self.speed_limit_kmh, int, out);
        encode::optional(self.direction.as_deref().map(str::as_bytes), encode::bytes, out);
        encode::optional(self.active, encode::boolean, out);
    }
}
