//! The weather over each city, as a function of the seed and the time: seasons, days, fronts, clouds, wind and
//! heat waves.

use rand::RngExt as _;

use crate::{
    Seed,
    waves::{Drift, wave},
};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: f64 = 86_400_000.0;
/// Days of a year in the Gregorian calendar.
const YEAR_DAYS: f64 = 365.2425;
/// Days after New Year on which spring begins for the sun, and weeks later for the air.
const SUN_SPRING_DAYS: f64 = 80.0;
const AIR_SPRING_DAYS: f64 = 111.0;
/// Sine of the tilt of the Earth's axis.
const TILT_SINE: f64 = 0.398;
/// In this time there is at most one heat wave.
const HEAT_PERIOD_DAYS: i64 = 12;
/// How often there is one.
const HEAT_CHANCE: f64 = 0.5;

/// A city: where it is, and how warm it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct City {
    pub(super) name: &'static str,
    latitude: f64,
    longitude: f64,
    /// Mean of all years, degrees Celsius.
    mean_c: f64,
    /// How much warmer July is than the mean, and the afternoon than the day.
    season_c: f64,
    day_c: f64,
}

/// How many cities there are.
pub(super) const COUNT: usize = 5;

/// All cities.
pub(super) const CITIES: [City; COUNT] = [
    City { name: "Paris", latitude: 48.86, longitude: 2.35, mean_c: 12.4, season_c: 7.9, day_c: 4.2 },
    City { name: "Lyon", latitude: 45.76, longitude: 4.84, mean_c: 13.1, season_c: 9.2, day_c: 4.9 },
    City { name: "Marseille", latitude: 43.30, longitude: 5.37, mean_c: 15.9, season_c: 8.6, day_c: 4.7 },
    City { name: "Lille", latitude: 50.63, longitude: 3.06, mean_c: 11.1, season_c: 7.3, day_c: 3.8 },
    City { name: "Toulouse", latitude: 43.60, longitude: 1.44, mean_c: 14.2, season_c: 8.5, day_c: 5.0 },
];

/// The weather over a city at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sky {
    /// Air in the open, in the shade.
    pub(super) air_c: f64,
    /// The sun's warmth on the ground, 0 at night to about 0.9 on a clear noon in June.
    pub(super) sunshine: f64,
    /// How much the ground cools under it: 0 by day and under clouds, 1 in a clear night.
    pub(super) clear_night: f64,
    pub(super) humidity_pct: f64,
    pub(super) wind_mps: f64,
}

/// What changes over one city that no calendar tells.
#[derive(Debug)]
struct Moods {
    fronts: Drift,
    clouds: Drift,
    winds: Drift,
}

/// The weather over all cities.
#[derive(Debug)]
pub(super) struct Climate {
    heat: Seed,
    moods: [Moods; COUNT],
}

impl Climate {
    pub(super) fn new(seed: Seed) -> Self {
        let moods = CITIES.map(|city| {
            let seed = seed.child(city.name);
            Moods {
                fronts: Drift::new(seed.child("fronts"), 40 * HOUR_MS),
                clouds: Drift::new(seed.child("clouds"), 6 * HOUR_MS),
                winds: Drift::new(seed.child("winds"), 3 * HOUR_MS),
            }
        });
        Climate { heat: seed.child("heat"), moods }
    }

    /// The weather over each of [`CITIES`].
    pub(super) fn skies(&self, now_ms: i64) -> [Sky; COUNT] {
        let days = now_ms as f64 / DAY_MS;
        let season = wave((days - AIR_SPRING_DAYS) / YEAR_DAYS);
        // Heat waves of summer are the strong ones; in winter the same air is a mild spell.
        let heat_c = self.heat(now_ms) * (7.5 + 2.5 * season);
        let sky = |(city, moods): (&City, &Moods)| {
            let cloud = (0.5 + 0.35 * moods.clouds.at(now_ms)).clamp(0.0, 1.0);
            let height = sun_height(city, days);
            let solar_time = days + city.longitude / 360.0;
            let day_c = city.day_c * (1.0 - 0.5 * cloud) * wave(solar_time - 9.0 / 24.0);
            let mean_c = city.mean_c + city.season_c * season + heat_c + 2.8 * moods.fronts.at(now_ms);
            Sky {
                air_c: mean_c + day_c,
                sunshine: height.max(0.0) * (1.0 - 0.75 * cloud),
                clear_night: (-4.0 * height).clamp(0.0, 1.0) * (1.0 - cloud),
                humidity_pct: (68.0 - 3.5 * day_c + 30.0 * (cloud - 0.5)).clamp(15.0, 99.0),
                wind_mps: (3.5 + 2.2 * moods.winds.at(now_ms)).max(0.2),
            }
        };
        let mut skies = [Sky::default(); COUNT];
        for (into, from) in skies.iter_mut().zip(CITIES.iter().zip(&self.moods)) {
            *into = sky(from);
        }
        skies
    }

    /// How strong the heat wave of the time is, 0 to 1: they come over all cities alike, and last three to eight days.
    fn heat(&self, now_ms: i64) -> f64 {
        let days = now_ms as f64 / DAY_MS;
        let period = now_ms.div_euclid(HEAT_PERIOD_DAYS * 24 * HOUR_MS);
        let mut random = self.heat.at(period).random();
        if !random.random_bool(HEAT_CHANCE) {
            return 0.0;
        }
        let lasts_days: f64 = random.random_range(3.0..8.0);
        let begins_days = random.random_range(0.0..HEAT_PERIOD_DAYS as f64 - lasts_days);
        let strength: f64 = random.random_range(0.5..1.0);
        let part = (days - (period * HEAT_PERIOD_DAYS) as f64 - begins_days) / lasts_days;
        let from_middle = (2.0 * part - 1.0).abs().min(1.0);
        strength * (1.0 - from_middle * from_middle * from_middle)
    }
}

/// Sine of the sun's height over the horizon.
fn sun_height(city: &City, days: f64) -> f64 {
    let cosine = |turns: f64| wave(turns + 0.25);
    let declination = TILT_SINE * wave((days - SUN_SPRING_DAYS) / YEAR_DAYS);
    let latitude = city.latitude / 360.0;
    let noon = days + city.longitude / 360.0 - 0.5;
    wave(latitude) * declination + cosine(latitude) * (1.0 - declination * declination).sqrt() * cosine(noon)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis()
    }

    /// The sun is up when it is up in Paris: at noon always, on a June evening still, on a December one not.
    #[test]
    fn the_sun_keeps_its_hours() {
        let height = |text| sun_height(&CITIES[0], ms(text) as f64 / DAY_MS);
        assert!((height("2026-06-21T11:51:00Z") - 0.90).abs() < 0.02);
        assert!((height("2026-12-21T11:51:00Z") - 0.30).abs() < 0.02);
        assert!(height("2026-06-21T19:00:00Z") > 0.0 && height("2026-06-21T21:00:00Z") < 0.0);
        assert!(height("2026-12-21T08:30:00Z") > 0.0 && height("2026-12-21T16:30:00Z") < 0.0);
    }

    /// Months and days are as warm as they should be: means of twenty years.
    #[test]
    fn summers_and_afternoons_are_warmer() {
        let climate = Climate::new(Seed::new(1));
        let mean = |city: usize, date: &str| {
            let years = 2020..2040;
            let sum: f64 = years.map(|year| climate.skies(ms(&format!("{year}-{date}Z")))[city].air_c).sum();
            sum / 20.0
        };
        let (paris, marseille) = (0, 2);
        let july = mean(paris, "07-20T15:00:00");
        let january = mean(paris, "01-20T15:00:00");
        assert!((22.0..29.0).contains(&july) && (4.0..10.0).contains(&january), "{july} and {january}");
        assert!(july > mean(paris, "07-20T04:00:00") + 3.0, "nights are cooler");
        assert!(mean(marseille, "07-20T15:00:00") > july + 2.0, "the south is warmer");
    }

    /// Heat waves come and go without a jump, and are there for a part of the time.
    #[test]
    fn heat_waves_swell_and_fade() {
        let climate = Climate::new(Seed::new(1));
        let hours = 0..20 * 365 * 24;
        let heats: Vec<f64> = hours.map(|hour| climate.heat(hour * HOUR_MS)).collect();
        assert!(heats.iter().all(|heat| (0.0..=1.0).contains(heat)));
        assert!(heats.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.1), "from hour to hour");
        let share = heats.iter().filter(|heat| **heat > 0.3).count() as f64 / heats.len() as f64;
        assert!((0.1..0.35).contains(&share), "{share} of the time");
    }
}
