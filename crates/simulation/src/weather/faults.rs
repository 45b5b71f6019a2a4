//! What a broken sensor says of the weather.

use std::borrow::Cow;

use dead_letter::Reason;
use events::WeatherReading;
use rand::RngExt as _;

use super::climate::CITIES;
use crate::{
    Random,
    draw::{one_of, word},
    faults::{Kind, MISSING_WORDS, Outcome, spoil_time},
};

/// Cities that the contract does not list.
const UNKNOWN_CITIES: [&str; 3] = ["Atlantis", "Ys", "Lutetia"];

/// What the contract only flags of readings: other cities are not wrong, and a surface far from the air may be an
/// oven or a device.
pub(super) fn outcome(kind: Kind) -> Outcome {
    match kind {
        Kind::UnknownCategory => Outcome::Flagged(Reason::UnknownCategory),
        Kind::WrongCase => Outcome::Flagged(Reason::WrongCase),
        Kind::Contradiction => Outcome::Flagged(Reason::Contradiction),
        other => other.outcome(),
    }
}

/// Spoils a reading; see [`World::spoil`](crate::World::spoil).
pub(super) fn spoil(kind: Kind, reading: &mut WeatherReading, random: &mut Random) {
    match kind {
        Kind::OutOfRange => leave_a_range(reading, random),
        Kind::UnknownCategory => reading.city = word(&UNKNOWN_CITIES, random),
        Kind::WrongCase => reading.city = Cow::Borrowed(in_capitals(&reading.city)),
        Kind::Sentinel => miss_a_value(reading, random),
        Kind::Contradiction => {
            // Both within their ranges, and further apart than sun or frost can bring them.
            let apart_c = if reading.temperature_c < 20.0 { 50.0 } else { -35.0 };
            reading.surface_temperature_c = Some(((reading.temperature_c + apart_c) * 100.0).round() / 100.0);
        }
        Kind::OldTime | Kind::FutureTime => spoil_time(kind, &mut reading.observed_at_ms, random),
        Kind::BadFraming
        | Kind::UnknownSchemaId
        | Kind::Truncated
        | Kind::TrailingBytes
        | Kind::Duplicate => {}
    }
}

fn leave_a_range(reading: &mut WeatherReading, random: &mut Random) {
    match random.random_range(0..4) {
        0 => reading.temperature_c = one_of(&[75.0, -80.0, 451.0], random),
        1 => reading.humidity_pct = Some(one_of(&[120.0, -1.0], random)),
        2 => reading.wind_speed_mps = Some(one_of(&[-2.0, 140.0], random)),
        _ => reading.surface_temperature_c = Some(one_of(&[130.0, -90.0], random)),
    }
}

fn miss_a_value(reading: &mut WeatherReading, random: &mut Random) {
    match random.random_range(0..5) {
        0 => reading.temperature_c = one_of(&[1001.0, -99.0], random),
        1 => reading.humidity_pct = Some(one_of(&[-99.0, 1001.0], random)),
        2 => reading.wind_speed_mps = Some(65_535.0),
        3 => reading.surface_temperature_c = Some(1001.0),
        _ => reading.city = word(&MISSING_WORDS, random),
    }
}

fn in_capitals(city: &str) -> &'static str {
    /// The cities in the order of [`CITIES`].
    const IN_CAPITALS: [&str; CITIES.len()] = ["PARIS", "LYON", "MARSEILLE", "LILLE", "TOULOUSE"];
    let index = CITIES.iter().position(|known| known.name == city);
    IN_CAPITALS[index.expect("a good reading is from one of the cities")]
}
