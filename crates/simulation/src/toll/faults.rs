//! What a broken sender says of a passage.

use std::borrow::Cow;

use events::TollPassage;
use rand::{RngExt, seq::IndexedRandom};

use super::VehicleType;
use crate::{Random, faults::Kind};

/// Milliseconds of a year of 365 days.
const YEAR_MS: i64 = 365 * 24 * 3_600_000;
/// How many years back the time of an event goes that is said to be old.
const OLD_YEARS: std::ops::Range<i64> = 10..50;

/// Types that no contract of ours lists: a class of its own, another case, and plain nonsense.
const UNKNOWN_TYPES: [&str; 4] = ["SUV", "Car", "spaceship", "lorry"];
/// Currencies that nobody is charged in here.
const UNKNOWN_CURRENCIES: [&str; 3] = ["XTS", "eur", "EURO"];

/// Spoils a good passage in place, if `kind` is one that concerns the event and not its bytes.
///
/// Exactly one thing is wrong afterwards, so that the verdict has one right answer.
pub fn spoil(kind: Kind, passage: &mut TollPassage, random: &mut Random) {
    match kind {
        Kind::OutOfRange => leave_a_range(passage, random),
        // A heavy vehicle of another type would also pay too much for it.
        Kind::UnknownCategory if !is_heavy(passage) && random.random() => {
            passage.vehicle_type = Cow::Borrowed(one_of(&UNKNOWN_TYPES, random));
        }
        Kind::UnknownCategory => passage.currency = Cow::Borrowed(one_of(&UNKNOWN_CURRENCIES, random)),
        Kind::Contradiction if is_heavy(passage) => passage.amount_cents = random.random_range(10..=49) * 10,
        Kind::Contradiction => passage.amount_cents = random.random_range(201..=600) * 10,
        Kind::OldTime => {
            passage.occurred_at_ms -= random.random_range(OLD_YEARS.start * YEAR_MS..OLD_YEARS.end * YEAR_MS);
        }
        Kind::BadFraming
        | Kind::UnknownSchemaId
        | Kind::Truncated
        | Kind::TrailingBytes
        | Kind::Duplicate => {}
    }
}

fn leave_a_range(passage: &mut TollPassage, random: &mut Random) {
    // A heavy vehicle that pays nothing would also contradict its tariff.
    let fields = if is_heavy(passage) { 3 } else { 4 };
    match random.random_range(0..fields) {
        0 => passage.toll_plaza_id = one_of(&[9999, 3999, 4011, 0], random),
        1 => passage.lane = one_of(&[0, 13, 99, -1], random),
        2 => passage.transponder_id = one_of(&[5, 9_999, 10_000_001, -1], random),
        _ => passage.amount_cents = one_of(&[0, -passage.amount_cents], random),
    }
}

fn is_heavy(passage: &TollPassage) -> bool {
    VehicleType::named(&passage.vehicle_type).is_some_and(VehicleType::is_heavy)
}

fn one_of<T: Copy>(choices: &[T], random: &mut Random) -> T {
    *choices.choose(random).expect("every list of choices has some")
}
