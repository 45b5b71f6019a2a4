//! The records of the source pipelines as they write them themselves, turned into our events.
//!
//! Five pipelines speak four [`Dialect`]s: a CSV line and three kinds of JSON. A record is [recognised](Dialect::recognise)
//! by its first bytes and [read](Dialect::read) into an [`Event`], whose Avro form is then judged by the contract as any
//! other. So this crate decides only what a contract cannot: whether the text can be read at all. It corrects nothing
//! beyond what belongs to the dialect itself, such as `TP005` for a plaza; `docs/dialects.md` has every mapping. It does
//! no I/O and reads no clock.

mod fault;
mod ibm;
mod identity;
mod json;
mod meteo;
mod text;
mod time;
mod toll;
mod traffic;

use std::fmt;

use chrono_tz::Tz;
use events::{TollPassage, TrafficEvent, WeatherReading};

pub use fault::Fault;

/// How one of the source pipelines writes its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A passage as a line: `Fri Oct  2 19:26:20 2026,9820660,truck,4004`.
    Ibm,
    /// A passage as JSON, with plazas such as `TP005` and capitalised types.
    Toll,
    /// A jam, an accident or a camera as JSON.
    Traffic,
    /// A reading as JSON, with the field `température`.
    Meteo,
}

/// Where a record stands and when it was made: what tells it from another one with the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp, in milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
}

/// What a record of a dialect says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A toll passage.
    Toll(TollPassage),
    /// A traffic event.
    Traffic(TrafficEvent),
    /// A weather reading.
    Weather(WeatherReading),
}

impl Event {
    /// Appends the event as bare Avro, without the registry's framing.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Toll(passage) => passage.encode(out),
            Self::Traffic(event) => event.encode(out),
            Self::Weather(reading) => reading.encode(out),
        }
    }
}

/// How many of its first bytes tell what a value is.
const FIRST_BYTES: usize = 16;

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [Self::Ibm, Self::Toll, Self::Traffic, Self::Meteo];

    /// The name, as it stands in the mark of a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ibm => "ibm",
            Self::Toll => "toll",
            Self::Traffic => "traffic",
            Self::Meteo => "meteo",
        }
    }

    /// The Avro schema of the events that its records become.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Ibm | Self::Toll => TollPassage::SCHEMA,
            Self::Traffic => TrafficEvent::SCHEMA,
            Self::Meteo => WeatherReading::SCHEMA,
        }
    }

    /// The dialect that a value begins like, on a topic that holds records of this full name.
    ///
    /// An opening brace begins JSON, other printable text is a line of CSV where one is expected. The rest of the value
    /// is not looked at: text that turns out to be broken is a faulty record of the dialect, not of no dialect.
    pub fn recognise(record_name: &str, value: &[u8]) -> Option<Self> {
        let is_json = value.trim_ascii_start().first() == Some(&b'{');
        match record_name {
            TollPassage::NAME if is_json => Some(Self::Toll),
            TollPassage::NAME if begins_as_text(value) => Some(Self::Ibm),
            TrafficEvent::NAME if is_json => Some(Self::Traffic),
            WeatherReading::NAME if is_json => Some(Self::Meteo),
            _ => None,
        }
    }

    /// Reads a record. Times that name no offset from UTC are times of `zone`.
    pub fn read(self, value: &[u8], origin: &Origin<'_>, zone: Tz) -> Result<Event, Fault> {
        match self {
            Self::Ibm => ibm::read(value, origin, zone).map(Event::Toll),
            Self::Toll => toll::read(value, origin, zone).map(Event::Toll),
            Self::Traffic => traffic::read(value).map(Event::Traffic),
            Self::Meteo => meteo::read(value, origin, zone).map(Event::Weather),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn begins_as_text(value: &[u8]) -> bool {
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    value.first().is_some_and(u8::is_ascii_graphic) && value.iter().take(FIRST_BYTES).all(printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = [TollPassage::NAME, TrafficEvent::NAME, WeatherReading::NAME];

    /// Brace and text are told apart on each topic; what begins as neither, or stands on another topic, is no dialect.
    #[test]
    fn the_first_bytes_tell_the_dialect() {
        for (value, expected) in [
            (&b"{\"a\":1}"[..], [Some(Dialect::Toll), Some(Dialect::Traffic), Some(Dialect::Meteo)]),
            (b" \n{", [Some(Dialect::Toll), Some(Dialect::Traffic), Some(Dialect::Meteo)]),
            (b"Fri Oct  2 19:26:20 2026,9820660,truck,4004\n", [Some(Dialect::Ibm), None, None]),
            (b",,,", [Some(Dialect::Ibm), None, None]),
            (b"x", [Some(Dialect::Ibm), None, None]),
            (b"", [None; 3]),
            (b"\n", [None; 3]),
            (b"\0\0\0\0\x07H", [None; 3]),
            (b"\x84\0\0\0\x01H", [None; 3]),
            (b"Obj\x01\x04", [None; 3]),
        ] {
            assert_eq!(NAMES.map(|name| Dialect::recognise(name, value)), expected, "{value:?}");
        }
        assert_eq!(Dialect::recognise("turnpike.Other", b"{}"), None);
    }
}
