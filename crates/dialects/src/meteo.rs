//! The weather JSON: `{"sensor_id": 1, "température": 22.85, "city": "Paris", "timestamp": "2025-12-10 14:43:52"}`.

use chrono_tz::Tz;
use events::WeatherReading;

use crate::{
    Fault, Origin, identity,
    json::{self, Object},
};

/// The spellings of the temperature's field: as the pipeline writes it, with the accent as a character of its own, without.
const TEMPERATURE: [&str; 3] = ["température", "tempe\u{301}rature", "temperature"];

pub(crate) fn read(value: &[u8], origin: &Origin<'_>, zone: Tz) -> Result<WeatherReading, Fault> {
    let object = Object::parse(value)?;
    Ok(WeatherReading {
        event_id: identity::event_id(origin, value),
        sensor_id: object.required("sensor_id", json::int)?,
        city: object.required("city", json::text)?.into(),
        temperature_c: object.required(object.spelling(&TEMPERATURE), json::number)?,
        humidity_pct: None,
        wind_speed_mps: None,
        surface_temperature_c: None,
        observed_at_ms: object.time("timestamp", zone)?,
    })
}
