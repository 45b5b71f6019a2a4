//! The weather world: its golden stream, and that its weather is as weather is.

use std::collections::{BTreeSet, HashMap};

use events::WeatherReading;
use simulation::{
    Seed, World,
    weather::{Options, WeatherWorld},
};

use crate::{FRIDAY_MORNING_MS, events, golden};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The first of January 2026, at midnight UTC.
const NEW_YEAR_MS: i64 = 1_767_225_600_000;

fn world(seed: u64) -> WeatherWorld {
    WeatherWorld::new(Seed::new(seed), &Options::default())
}

/// One reading of each sensor.
fn round(world: &mut WeatherWorld, now_ms: i64) -> Vec<WeatherReading> {
    events(world, now_ms, 0, Options::default().sensors.into())
}

fn line(reading: &WeatherReading) -> String {
    format!(
        "{} {} {} {} {} {} {} {}",
        reading.event_id,
        reading.sensor_id,
        reading.city,
        reading.temperature_c,
        golden::optional(reading.humidity_pct),
        golden::optional(reading.wind_speed_mps),
        golden::optional(reading.surface_temperature_c),
        golden::time(reading.observed_at_ms),
    )
}

/// The first readings of seed 1, and how they go wrong.
#[test]
fn seed_one_gives_the_golden_stream() {
    golden::assert_golden_events("weather_seed_1.txt", &mut world(1), line);
    golden::assert_golden_faults("weather_faults_seed_1.txt", &mut world(1), line);
}

#[test]
fn the_same_seed_and_times_give_the_same_readings() {
    let stream = |seed| events(&mut world(seed), FRIDAY_MORNING_MS, 37, 1_000);
    assert_eq!(stream(7), stream(7));
    assert_ne!(stream(7), stream(8));
}

/// Sensors take turns, each is always in the same city, and the first is in Paris.
#[test]
fn sensors_take_turns_and_stay() {
    let mut cities: HashMap<i32, String> = HashMap::new();
    for (index, reading) in events(&mut world(1), FRIDAY_MORNING_MS, 10, 1_000).iter().enumerate() {
        assert_eq!(reading.sensor_id as usize, index % 240 + 1);
        assert_eq!(
            cities.entry(reading.sensor_id).or_insert_with(|| reading.city.to_string()),
            &*reading.city
        );
    }
    assert_eq!(cities[&1], "Paris");
    let cities: BTreeSet<String> = cities.into_values().collect();
    assert!(cities.iter().eq(["Lille", "Lyon", "Marseille", "Paris", "Toulouse"]), "{cities:?}");
}

/// Whatever the season, the hour and the seed, some readings call for a warning, and by far not all.
#[test]
fn some_readings_are_above_thirty_degrees() {
    let mut shares = Vec::new();
    for seed in 1..6 {
        let mut world = world(seed);
        for month in 0..12 {
            for hour in [3, 9, 15, 21] {
                let readings = round(&mut world, NEW_YEAR_MS + month * 30 * DAY_MS + hour * HOUR_MS);
                let warm = readings.iter().filter(|reading| reading.temperature_c > 30.0).count();
                let share = warm as f64 / readings.len() as f64;
                assert!((0.004..0.9).contains(&share), "{share} in month {month} at {hour} h of seed {seed}");
                shares.push(share);
            }
        }
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!((0.03..0.15).contains(&mean), "{mean} of all readings");
}

/// A year of weather: July is warmer than January, afternoons than nights, and the road more than the air in the sun.
#[test]
fn the_year_and_the_day_are_seen() {
    let mut world = world(1);
    let mut mean = |day: i64, hour: i64, value: fn(&WeatherReading) -> Option<f64>| {
        let days = day - 15..day + 15;
        let readings = days.flat_map(|day| round(&mut world, NEW_YEAR_MS + day * DAY_MS + hour * HOUR_MS));
        let values: Vec<f64> = readings.filter_map(|reading| value(&reading)).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let air = |reading: &WeatherReading| Some(reading.temperature_c);
    let over_air = |reading: &WeatherReading| Some(reading.surface_temperature_c? - reading.temperature_c);
    let (winter, summer) = (15, 195);
    assert!(mean(summer, 15, air) > mean(winter, 15, air) + 12.0);
    assert!(mean(summer, 15, air) > mean(summer, 4, air) + 4.0);
    assert!(mean(summer, 12, over_air) > 8.0);
    assert!(mean(winter, 2, over_air) < -0.5);
}

/// A sensor moves with the weather and not by leaps: from minute to minute its noise is small.
#[test]
fn a_sensor_is_steady() {
    let mut world = WeatherWorld::new(Seed::new(1), &Options { sensors: 1 });
    let readings = events(&mut world, FRIDAY_MORNING_MS, 60_000, 3 * 24 * 60);
    for pair in readings.windows(2) {
        let change_c = pair[1].temperature_c - pair[0].temperature_c;
        assert!(change_c.abs() < 1.0, "{change_c} in a minute: {} and {}", line(&pair[0]), line(&pair[1]));
    }
    let temperatures = readings.iter().map(|reading| reading.temperature_c);
    let (low, high) = temperatures.fold((f64::MAX, f64::MIN), |(low, high), t| (low.min(t), high.max(t)));
    assert!(high - low > 4.0, "three days between {low} and {high}");
}

/// Temperatures have two decimals, and what stations have no device for is absent.
#[test]
fn values_are_rounded_and_some_are_missing() {
    let readings = events(&mut world(1), FRIDAY_MORNING_MS, 1_000, 50_000);
    let has_decimals =
        |value: f64, parts: f64| ((value * parts).round() / parts - value).abs() < f64::EPSILON;
    let mut missing = [0, 0, 0];
    for reading in &readings {
        assert!(has_decimals(reading.temperature_c, 100.0), "{}", line(reading));
        let values = [reading.humidity_pct, reading.wind_speed_mps, reading.surface_temperature_c];
        for ((value, parts), missing) in values.into_iter().zip([10.0, 10.0, 100.0]).zip(&mut missing) {
            assert!(value.is_none_or(|value| has_decimals(value, parts)), "{}", line(reading));
            *missing += usize::from(value.is_none());
        }
    }
    assert!(missing.iter().all(|count| (2_000..25_000).contains(count)), "{missing:?} of 50000");
}
