//! The three JSON shapes of traffic events: what they have in common, and what each kind adds.

use chrono_tz::Tz;
use events::TrafficEvent;

use crate::{
    Fault,
    json::{self, Object},
};

/// Reads any of the three shapes. The fields of a kind are copied wherever they stand: which of them belong to the
/// `event_type` is a rule of the contract, which names the field that is out of place.
pub(crate) fn read(value: &[u8]) -> Result<TrafficEvent, Fault> {
    let object = Object::parse(value)?;
    Ok(TrafficEvent {
        event_id: object.required("event_id", json::uuid)?,
        event_type: object.required("event_type", json::text)?.into(),
        city: object.required("city", json::text)?.into(),
        road: object.required("road", json::text)?.into(),
        latitude: object.required("lat", json::number)?,
        longitude: object.required("lon", json::number)?,
        // The field's name says the zone of a time that names no offset.
        occurred_at_ms: object.time("ts_utc", Tz::UTC)?,
        severity: object.optional("severity", json::text)?.map(Into::into),
        avg_speed_kmh: object.optional("avg_speed_kmh", json::int)?,
        length_m: object.optional("length_m", json::int)?,
        lanes_blocked: object.optional("lanes_blocked", json::int)?,
        injuries_reported: object.optional("injuries_reported", json::boolean)?,
        speed_limit_kmh: object.optional("speed_limit_kmh", json::int)?,
        direction: object.optional("direction", json::text)?.map(Into::into),
        active: object.optional("active", json::boolean)?,
    })
}
