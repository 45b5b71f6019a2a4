//! The weather reading: what one roadside sensor measured at one moment.

use std::borrow::Cow;

use uuid::Uuid;

use crate::encode;

/// One reading, as `schemas/weather_reading.avsc` describes it. What a station has no device for is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct WeatherReading {
    /// Identity of this reading, UUID version 7; version 5 where the source gives none.
    pub event_id: Uuid,
    /// Number of the sensor, from 1.
    pub sensor_id: i32,
    /// Where the sensor stands.
    pub city: Cow<'static, str>,
    /// Air temperature, degrees Celsius.
    pub temperature_c: f64,
    /// Relative humidity, 0 to 100.
    pub humidity_pct: Option<f64>,
    /// Mean wind speed, metres a second.
    pub wind_speed_mps: Option<f64>,
    /// Temperature of the road's surface, degrees Celsius.
    pub surface_temperature_c: Option<f64>,
    /// When it was measured, in milliseconds since 1970 UTC.
    pub observed_at_ms: i64,
}

impl WeatherReading {
    /// Full name of the record.
    pub const NAME: &str = "turnpike.WeatherReading";
    /// The Avro schema, as it is registered.
    pub const SCHEMA: &str = include_str!("../../../schemas/weather_reading.avsc");

    /// Appends the reading as bare Avro, without the registry's framing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode::uuid(self.event_id, out);
        encode::long(self.sensor_id.into(), out);
        encode::bytes(self.city.as_bytes(), out);
        encode::double(self.temperature_c, out);
        encode::optional(self.humidity_pct, encode::double, out);
        encode::optional(self.wind_speed_mps, encode::double, out);
        encode::optional(self.surface_temperature_c, encode::double, out);
        encode::long(self.observed_at_ms, out);
    }
}
