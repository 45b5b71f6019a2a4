//! The sensors: where each stands, which devices it has, how true they are, and when they fail.

use std::ops::Range;

use rand::{Rng as _, RngExt as _};

use super::climate::{self, Sky};
use crate::{Random, Seed, draw::normal, waves::wave};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: f64 = 86_400_000.0;
/// A device that fails is away for this long.
const OUTAGE_MS: i64 = 3 * HOUR_MS;
/// How often a device is away.
const OUTAGE: f64 = 0.015;
/// Share of the sensors that do not measure humidity, wind and the road's surface at all.
const LACKS: [f64; 3] = [0.10, 0.30, 0.35];
/// How far two readings in a row differ, in degrees.
const NOISE_C: f64 = 0.12;

/// Where a sensor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Site {
    /// In the open, shaded as the rules want it.
    Open,
    /// On a bridge or before a wall that faces south: in the sun it reads too much.
    Sunlit,
    /// In a tunnel, where engines keep the air warm all year.
    Tunnel,
}

/// One sensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sensor {
    pub(super) id: i32,
    /// Position in [`climate::CITIES`].
    pub(super) city: usize,
    site: Site,
    /// How much the place is warmer than the city.
    offset_c: f64,
    /// By how much it drifts to and fro over weeks, and where in that it is.
    drift_c: f64,
    drift_days: f64,
    drift_phase: f64,
    /// Of the wind in the city, what comes here.
    wind_part: f64,
    /// Whether it measures humidity, wind and the road's surface.
    has: [bool; 3],
    outages: Seed,
}

/// What a sensor reads, before rounding; what it has no device for is absent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) temperature_c: f64,
    pub(super) humidity_pct: Option<f64>,
    pub(super) wind_mps: Option<f64>,
    pub(super) surface_c: Option<f64>,
}

impl Sensor {
    /// Sensors are numbered from 1; cities take turns, and of sixteen one is in a tunnel and two are sunlit.
    pub(super) fn new(seed: Seed, id: i32) -> Self {
        let seed = seed.at(id.into());
        let mut random = seed.child("site").random();
        let index = (id - 1) as usize;
        let site = match index % 16 {
            7 => Site::Tunnel,
            3 | 11 => Site::Sunlit,
            _ => Site::Open,
        };
        let spread_c = if site == Site::Tunnel { 2.0 } else { 0.9 };
        Sensor {
            id,
            city: index % climate::COUNT,
            site,
            offset_c: normal(&mut random) * spread_c,
            drift_c: random.random_range(0.1..0.6),
            drift_days: random.random_range(20.0..90.0),
            drift_phase: random.random(),
            wind_part: random.random_range(0.5..1.4),
            has: LACKS.map(|share| !random.random_bool(share)),
            outages: seed.child("outages"),
        }
    }

    /// What it reads under this sky.
    pub(super) fn measure(&self, sky: &Sky, now_ms: i64, noise: &mut Random) -> Measured {
        let days = now_ms as f64 / DAY_MS;
        let drift_c = self.drift_c * wave(days / self.drift_days + self.drift_phase);
        let error_c = self.offset_c + drift_c + NOISE_C * normal(noise);
        let temperature_c = error_c + self.air_c(sky, days);
        let [has_humidity, has_wind, has_surface] = self.working(now_ms);
        let humidity_pct = (sky.humidity_pct - 2.0 * error_c + normal(noise)).clamp(8.0, 100.0);
        let gust = spread(noise, 0.7..1.3);
        let surface_c = self.surface_c(sky, temperature_c) + 0.2 * normal(noise);
        Measured {
            temperature_c,
            humidity_pct: has_humidity.then_some(humidity_pct),
            wind_mps: has_wind.then_some(self.wind_mps(sky) * gust),
            surface_c: has_surface.then_some(surface_c),
        }
    }

    fn air_c(&self, sky: &Sky, days: f64) -> f64 {
        match self.site {
            Site::Open => sky.air_c,
            Site::Sunlit => sky.air_c + 7.0 * sky.sunshine,
            // Engines leave their heat, most of it by the afternoon.
            Site::Tunnel => 32.5 + 0.1 * (sky.air_c - 12.0) + 1.5 * wave(days - 9.0 / 24.0),
        }
    }

    fn surface_c(&self, sky: &Sky, air_c: f64) -> f64 {
        match self.site {
            Site::Open => air_c + 22.0 * sky.sunshine - 4.0 * sky.clear_night,
            // The air is as warm as it is because of the surface.
            Site::Sunlit => air_c + 18.0 * sky.sunshine - 4.0 * sky.clear_night,
            Site::Tunnel => air_c - 1.5,
        }
    }

    fn wind_mps(&self, sky: &Sky) -> f64 {
        match self.site {
            Site::Open | Site::Sunlit => sky.wind_mps * self.wind_part,
            // Cars push the air.
            Site::Tunnel => 2.0 * self.wind_part,
        }
    }

    /// Which devices it has that are not away.
    fn working(&self, now_ms: i64) -> [bool; 3] {
        let mut random = self.outages.at(now_ms.div_euclid(OUTAGE_MS)).random();
        self.has.map(|has| has & !random.random_bool(OUTAGE))
    }
}

/// A number from a range.
fn spread(random: &mut Random, range: Range<f64>) -> f64 {
    range.start + (range.end - range.start) * f64::from(random.next_u32()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device fails for hours, not for single readings, and then works again.
    #[test]
    fn outages_come_in_bursts() {
        let sensor = (1..100).map(|id| Sensor::new(Seed::new(1), id)).find(|sensor| sensor.has == [true; 3]);
        let sensor = sensor.expect("some sensor has every device");
        let minutes: Vec<bool> = (0..100_000).map(|minute| sensor.working(minute * 60_000)[0]).collect();
        let away = minutes.iter().filter(|works| !**works).count();
        let changes = minutes.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((500..4_000).contains(&away), "{away} minutes away");
        assert!((2..=2 * away / 180 + 2).contains(&changes), "{changes} changes in {away} minutes");
    }

    /// What a sensor lacks is what it always lacks.
    #[test]
    fn some_sensors_lack_a_device() {
        let sensors: Vec<Sensor> = (1..=1_000).map(|id| Sensor::new(Seed::new(1), id)).collect();
        for (device, share) in LACKS.into_iter().enumerate() {
            let lacking = sensors.iter().filter(|sensor| !sensor.has[device]).count() as f64 / 1_000.0;
            assert!((lacking - share).abs() < 0.05, "{lacking} lack device {device}");
        }
    }
}
