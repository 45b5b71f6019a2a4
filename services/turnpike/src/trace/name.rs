//! By what a record is asked for: its place, its trace, its event, its vehicle; told apart by their shape.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// What a record is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Where it stands.
    Place(Place),
    /// A trace, by its 32 hexadecimal digits.
    Trace(String),
    /// An event or a vehicle.
    Uuid(Uuid),
    /// A vehicle, by the number of its transponder.
    Transponder(i32),
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

const FORMS: &str = "topic/partition/offset such as toll/2/41 (also toll[2]@41 or toll-2@41), \
    a UUID of an event or a vehicle, a trace id of 32 hexadecimal digits, or the number of a transponder";
/// Characters of a trace id.
const TRACE_DIGITS: usize = 32;
/// Characters of a UUID with its hyphens; without them it would look like a trace id.
const UUID_CHARACTERS: usize = 36;
/// The longest name that Kafka gives a topic.
const TOPIC_CHARACTERS_MAX: usize = 249;

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        trace_id(text)
            .map(Self::Trace)
            .or_else(|| place(text).map(Self::Place))
            .or_else(|| uuid(text).map(Self::Uuid))
            .or_else(|| text.parse().ok().filter(|number| *number > 0).map(Self::Transponder))
            .ok_or_else(|| FORMS.to_owned())
    }
}

/// As partitions and offsets are written in logs and by `turnpike tail`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

impl Place {
    /// The place in another partition's log.
    pub(crate) fn of(topic: &str, partition: i32, offset: i64) -> Self {
        Self { topic: topic.to_owned(), partition, offset }
    }
}

/// The trace id itself, or that of a whole `traceparent`.
fn trace_id(text: &str) -> Option<String> {
    let id = match text.split('-').collect::<Vec<_>>()[..] {
        [id] => id,
        [version, id, span, flags] if [version.len(), span.len(), flags.len()] == [2, 16, 2] => id,
        _ => return None,
    };
    let is_id = id.len() == TRACE_DIGITS
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && id.bytes().any(|byte| byte != b'0');
    is_id.then(|| id.to_ascii_lowercase())
}

fn uuid(text: &str) -> Option<Uuid> {
    Some(text).filter(|text| text.len() == UUID_CHARACTERS).and_then(|text| Uuid::try_parse(text).ok())
}

fn place(text: &str) -> Option<Place> {
    let (topic, partition, offset) = if let Some((rest, offset)) = text.rsplit_once('@') {
        let (topic, partition) = match rest.strip_suffix(']') {
            Some(rest) => rest.rsplit_once('[')?,
            None => rest.rsplit_once('-')?,
        };
        (topic, partition, offset)
    } else {
        let (rest, offset) = text.rsplit_once('/')?;
        let (topic, partition) = rest.rsplit_once('/')?;
        (topic, partition, offset)
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_topic = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_place = (1..=TOPIC_CHARACTERS_MAX).contains(&topic.len())
        && topic.bytes().all(is_topic)
        && is_digits(partition)
        && is_digits(offset);
    if !is_place {
        return None;
    }
    Some(Place { topic: topic.to_owned(), partition: partition.parse().ok()?, offset: offset.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::{Name, Place};

    const UUID: &str = "5a8a62a8-65c4-5c33-92a7-3cb9d9a1a35e";
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn name(text: &str) -> Name {
        text.parse().expect(text)
    }

    /// Every form in which a place is printed somewhere is read, also of topics with dots, hyphens and digits.
    #[test]
    fn places_are_read_in_all_their_forms() {
        for (text, topic, partition, offset) in [
            ("toll/2/41", "toll", 2, 41),
            ("toll-2@41", "toll", 2, 41),
            ("toll[2]@41", "toll", 2, 41),
            (" toll.valid/0/0 ", "toll.valid", 0, 0),
            ("traffic.events.dlq-3@9000000000", "traffic.events.dlq", 3, 9_000_000_000),
            ("a-b-1-2@3", "a-b-1", 2, 3),
            ("weather_data[1]@7", "weather_data", 1, 7),
        ] {
            let place = Place::of(topic, partition, offset);
            assert_eq!(name(text), Name::Place(place.clone()), "{text}");
            assert_eq!(name(&place.to_string()), Name::Place(place));
        }
    }

    /// A UUID has hyphens, a trace id has none, a transponder is short; a whole traceparent stands for its trace.
    #[test]
    fn the_other_names_are_told_by_their_shape() {
        assert_eq!(name(&UUID.to_uppercase()), Name::Uuid(UUID.parse().expect("a UUID")));
        assert_eq!(name(TRACE), Name::Trace(TRACE.to_owned()));
        assert_eq!(name(&TRACE.to_uppercase()), Name::Trace(TRACE.to_owned()));
        assert_eq!(name(&format!("00-{TRACE}-00f067aa0ba902b7-01")), Name::Trace(TRACE.to_owned()));
        assert_eq!(name("9820660"), Name::Transponder(9_820_660));
    }

    /// What has none of the shapes is refused with all of them.
    #[test]
    fn others_are_refused_with_what_is_allowed() {
        let zeros = "0".repeat(32);
        for text in [
            "",
            "toll",
            "toll/2",
            "toll/2/x",
            "toll/-1/4",
            "/2/41",
            "to ll/2/41",
            "toll[2@41",
            "toll@41",
            "toll/2/99999999999999999999",
            "-5",
            "0",
            &zeros,
            &TRACE[1..],
            &UUID[1..],
        ] {
            let error = text.parse::<Name>().expect_err(text);
            assert!(error.contains("toll/2/41") && error.contains("32 hexadecimal"), "{text}: {error}");
        }
    }
}
