//! What a broken sender says of a passage.

use std::borrow::Cow;

use events::TollPassage;
use rand::RngExt as _;

use super::VehicleType;
use crate::{
    Random,
    draw::{one_of, word},
    faults::{Kind, MISSING_WORDS, spoil_time},
};

/// Types that the contract does not list: a class of its own and plain nonsense.
const UNKNOWN_TYPES: [&str; 4] = ["SUV", "spaceship", "lorry", "pickup"];
/// Currencies that nobody is charged in here.
const UNKNOWN_CURRENCIES: [&str; 3] = ["XTS", "USD", "EURO"];

/// Spoils a passage; see [`World::spoil`](crate::World::spoil).
pub(super) fn spoil(kind: Kind, passage: &mut TollPassage, random: &mut Random) {
    match kind {
        Kind::OutOfRange => leave_a_range(passage, random),
        Kind::UnknownCategory if random.random() => {
            passage.vehicle_type = word(&UNKNOWN_TYPES, random);
        }
        Kind::UnknownCategory => passage.currency = Some(word(&UNKNOWN_CURRENCIES, random)),
        Kind::WrongCase if random.random() => {
            passage.vehicle_type = Cow::Borrowed(capitalised(&passage.vehicle_type));
        }
        Kind::WrongCase => passage.currency = Some(word(&["eur", "Eur"], random)),
        Kind::Sentinel => miss_a_value(passage, random),
        Kind::Contradiction if is_heavy(passage) => {
            passage.amount_cents = Some(random.random_range(10..=49) * 10);
        }
        Kind::Contradiction => passage.amount_cents = Some(random.random_range(201..=600) * 10),
        Kind::OldTime | Kind::FutureTime => spoil_time(kind, &mut passage.occurred_at_ms, random),
        Kind::BadFraming
        | Kind::UnknownSchemaId
        | Kind::Truncated
        | Kind::TrailingBytes
        | Kind::Duplicate => {}
    }
}

fn leave_a_range(passage: &mut TollPassage, random: &mut Random) {
    match random.random_range(0..4) {
        0 => passage.toll_plaza_id = one_of(&[9999, 3999, 4011, 0], random),
        1 => passage.lane = Some(one_of(&[0, 13, 99, -1], random)),
        2 => passage.transponder_id = Some(one_of(&[5, 9_999, 10_000_001, -1], random)),
        _ => passage.amount_cents = Some(one_of(&[0, -500, 99_900], random)),
    }
}

fn miss_a_value(passage: &mut TollPassage, random: &mut Random) {
    match random.random_range(0..5) {
        0 => passage.toll_plaza_id = one_of(&[65_535, -99, 1001], random),
        1 => passage.lane = Some(one_of(&[65_535, -99, 1001], random)),
        2 => passage.transponder_id = Some(one_of(&[-99, 1001], random)),
        3 => passage.vehicle_type = word(&MISSING_WORDS, random),
        _ => passage.currency = Some(word(&MISSING_WORDS, random)),
    }
}

/// A type as people write it.
fn capitalised(vehicle_type: &str) -> &'static str {
    match VehicleType::named(vehicle_type).expect("only good passages are spoiled") {
        VehicleType::Car => "Car",
        VehicleType::Truck => "Truck",
        VehicleType::Van => "Van",
        VehicleType::Bus => "BUS",
        VehicleType::Motorcycle => "Motorcycle",
    }
}

fn is_heavy(passage: &TollPassage) -> bool {
    VehicleType::named(&passage.vehicle_type).is_some_and(VehicleType::is_heavy)
}
