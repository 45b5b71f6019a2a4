//! What a broken sender says of a road.

use std::borrow::Cow;

use events::TrafficEvent;
use rand::RngExt as _;

use super::roads::ROADS;
use crate::{
    Random,
    draw::{one_of, word},
    faults::{Kind, MISSING_WORDS, spoil_time},
};

/// Types of events that the contract does not list.
const UNKNOWN_TYPES: [&str; 3] = ["ROADWORKS", "FOG", "PARADE"];

/// Which of the three shapes an event has.
enum Shape {
    Jam,
    Accident,
    Camera,
}

impl Shape {
    /// Of a good event.
    fn of(event: &TrafficEvent) -> Self {
        match (event.avg_speed_kmh, event.lanes_blocked) {
            (Some(_), _) => Shape::Jam,
            (None, Some(_)) => Shape::Accident,
            (None, None) => Shape::Camera,
        }
    }
}

/// Spoils an event; see [`World::spoil`](crate::World::spoil).
pub(super) fn spoil(kind: Kind, event: &mut TrafficEvent, random: &mut Random) {
    match kind {
        Kind::OutOfRange => leave_a_range(event, random),
        Kind::UnknownCategory if random.random() => {
            event.event_type = word(&UNKNOWN_TYPES, random);
        }
        Kind::UnknownCategory => *word_of(event) = Some(word(&["EXTREME", "NE", "NONE"], random)),
        Kind::WrongCase if random.random() => event.event_type = Cow::Borrowed(type_in_lower_case(event)),
        Kind::WrongCase => {
            let word = word_of(event);
            *word = word.take().map(|good| Cow::Borrowed(in_lower_case(&good)));
        }
        Kind::Sentinel => miss_a_value(event, random),
        Kind::Contradiction => contradict(event, random),
        Kind::OldTime | Kind::FutureTime => spoil_time(kind, &mut event.occurred_at_ms, random),
        Kind::BadFraming
        | Kind::UnknownSchemaId
        | Kind::Truncated
        | Kind::TrailingBytes
        | Kind::Duplicate => {}
    }
}

/// The word that the event has beside its type.
fn word_of(event: &mut TrafficEvent) -> &mut Option<Cow<'static, str>> {
    match Shape::of(event) {
        Shape::Jam | Shape::Accident => &mut event.severity,
        Shape::Camera => &mut event.direction,
    }
}

fn leave_a_range(event: &mut TrafficEvent, random: &mut Random) {
    match Shape::of(event) {
        Shape::Jam if random.random() => event.avg_speed_kmh = Some(one_of(&[-5, 151, 400], random)),
        Shape::Jam => event.length_m = Some(one_of(&[0, -200, 1_000_000], random)),
        Shape::Accident => event.lanes_blocked = Some(one_of(&[-1, 9, 40], random)),
        Shape::Camera => event.speed_limit_kmh = Some(one_of(&[0, 55, 300], random)),
    }
}

fn miss_a_value(event: &mut TrafficEvent, random: &mut Random) {
    if random.random() {
        *word_of(event) = Some(word(&MISSING_WORDS, random));
        return;
    }
    match Shape::of(event) {
        Shape::Jam if random.random() => event.avg_speed_kmh = Some(one_of(&[65_535, -99, 1001], random)),
        Shape::Jam => event.length_m = Some(one_of(&[65_535, -99], random)),
        Shape::Accident => event.lanes_blocked = Some(one_of(&[65_535, -99], random)),
        Shape::Camera => event.speed_limit_kmh = Some(one_of(&[65_535, -99], random)),
    }
}

/// Gives the event a word or a number of another type of event, or calls a road free and jammed at once.
fn contradict(event: &mut TrafficEvent, random: &mut Random) {
    match (Shape::of(event), random.random_range(0..3)) {
        (Shape::Jam, 0) => event.severity = Some(word(&["MINOR", "MAJOR"], random)),
        (Shape::Jam, 1) => event.lanes_blocked = Some(random.random_range(1..=3)),
        (Shape::Jam, _) => {
            event.severity = Some(Cow::Borrowed("HIGH"));
            event.avg_speed_kmh = Some(free_flow_kmh(event));
        }
        (Shape::Accident, 0) => event.avg_speed_kmh = Some(random.random_range(5..=35)),
        (Shape::Accident, _) => event.severity = Some(word(&["LOW", "MEDIUM", "HIGH"], random)),
        (Shape::Camera, 0) => event.severity = Some(word(&["LOW", "MAJOR"], random)),
        (Shape::Camera, _) => event.lanes_blocked = Some(random.random_range(1..=3)),
    }
}

fn free_flow_kmh(event: &TrafficEvent) -> i32 {
    let road = ROADS.iter().find(|road| road.name == event.road);
    road.expect("a good event is on one of the roads").free_flow_kmh
}

fn type_in_lower_case(event: &TrafficEvent) -> &'static str {
    match Shape::of(event) {
        Shape::Jam => "traffic_jam",
        Shape::Accident => "Accident",
        Shape::Camera => "speed_camera",
    }
}

fn in_lower_case(word: &str) -> &'static str {
    match word {
        "LOW" => "low",
        "MEDIUM" => "Medium",
        "HIGH" => "high",
        "MINOR" => "minor",
        "MAJOR" => "Major",
        "N" => "n",
        "S" => "s",
        "E" => "e",
        _ => "w",
    }
}
