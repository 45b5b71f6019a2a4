//! The world of roadside weather: sensors around five cities that read air, humidity, wind and the road's surface in
//! turn.
//!
//! The weather itself is a function of the time; what is drawn for a reading is the noise of its devices.

mod climate;
mod faults;
mod sensors;

use std::borrow::Cow;

use events::WeatherReading;

use crate::{
    Random, Seed, World,
    demand::Curve,
    draw,
    faults::{Kind, Outcome},
};
use climate::{CITIES, Climate, Sky};
use sensors::Sensor;

/// The most sensors a world may have.
pub const SENSORS_MAX: u32 = 100_000;

/// How long a sky is taken to stay the same.
const SKY_MS: i64 = 60_000;

/// Settings of a [`WeatherWorld`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many sensors there are, 1 to [`SENSORS_MAX`].
    pub sensors: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { sensors: 240 }
    }
}

/// All sensors, and the weather that they are in.
#[derive(Debug)]
pub struct WeatherWorld {
    climate: Climate,
    /// The minute that `skies` are of.
    minute: Option<i64>,
    skies: [Sky; climate::COUNT],
    sensors: Vec<Sensor>,
    /// Whose turn it is.
    turn: usize,
    noise: Random,
    event_ids: Random,
}

impl World for WeatherWorld {
    type Options = Options;
    type Event = WeatherReading;

    fn new(seed: Seed, options: &Options) -> Self {
        let sensors = options.sensors.clamp(1, SENSORS_MAX) as i32;
        WeatherWorld {
            climate: Climate::new(seed.child("climate")),
            minute: None,
            skies: [Sky::default(); climate::COUNT],
            sensors: (1..=sensors).map(|id| Sensor::new(seed.child("sensors"), id)).collect(),
            turn: 0,
            noise: seed.child("noise").random(),
            event_ids: seed.child("event-ids").random(),
        }
    }

    /// Sensors read by day and by night.
    fn demand() -> Curve {
        Curve::new([1.0; 24], [1.0; 24])
    }

    fn next(&mut self, now_ms: i64) -> WeatherReading {
        let minute = now_ms.div_euclid(SKY_MS);
        if self.minute != Some(minute) {
            self.minute = Some(minute);
            self.skies = self.climate.skies(minute * SKY_MS);
        }
        let sensor = &self.sensors[self.turn];
        self.turn = (self.turn + 1) % self.sensors.len();
        let measured = sensor.measure(&self.skies[sensor.city], now_ms, &mut self.noise);
        WeatherReading {
            event_id: draw::event_id(now_ms, &mut self.event_ids),
            sensor_id: sensor.id,
            city: Cow::Borrowed(CITIES[sensor.city].name),
            temperature_c: rounded(measured.temperature_c, 100.0),
            humidity_pct: measured.humidity_pct.map(|value| rounded(value, 10.0)),
            wind_speed_mps: measured.wind_mps.map(|value| rounded(value, 10.0)),
            surface_temperature_c: measured.surface_c.map(|value| rounded(value, 100.0)),
            observed_at_ms: now_ms,
        }
    }

    fn spoil(kind: Kind, reading: &mut WeatherReading, random: &mut Random) {
        faults::spoil(kind, reading, random);
    }

    fn outcome(kind: Kind) -> Outcome {
        faults::outcome(kind)
    }
}

/// To whole parts of one, such as hundredths; never a negative zero.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts + 0.0
}
