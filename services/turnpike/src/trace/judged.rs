//! A record, judged again: verdicts depend on the record and its timestamp alone, so this is what the validator found.

use std::{borrow::Cow, str::FromStr, sync::Arc};

use chrono_tz::Tz;
use contract::{Cause, OnFailure, field_json};
use dialects::{Dialect, Event, Origin};
use events::{Shape, TollPassage, TrafficEvent, Value, WeatherReading};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use service::Error;
use validator::{
    StreamPath,
    bench::{Bench, Raw},
    stream::Stream,
    verdict::Verdict,
};

use super::{entry::Entry, schemas::Schemas};
use crate::tail::Fields;

/// What a contract says of a record.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    /// `valid`, `flagged` or `refused`.
    pub(crate) verdict: &'static str,
    pub(crate) contract_version: String,
    pub(crate) flags: Option<String>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) stage: Option<&'static str>,
    pub(crate) message: Option<String>,
    /// Every rule with the values that it saw; none if the record could not be read so far.
    pub(crate) rules: Vec<Said>,
}

/// What one rule says.
#[derive(Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) rule: String,
    /// `holds`, `flags` or `refuses`.
    pub(crate) outcome: &'static str,
    pub(crate) code: &'static str,
    pub(crate) doc: String,
    /// Why it could not be worked out, if that is how it failed.
    pub(crate) why: Option<String>,
    pub(crate) seen: Map<String, Json>,
}

/// A value, read.
#[derive(Debug)]
pub(crate) struct Decoded {
    shape: Arc<Shape>,
    avro: Vec<u8>,
    /// The fields in the order of the schema.
    pub(crate) fields: Fields,
}

/// The streams with their contracts.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: Vec<Stream>,
    zone: Tz,
}

/// Schemas and contracts that this executable was built with.
const SHIPPED: [(&str, &str, &str); 3] = [
    ("toll", TollPassage::NAME, include_str!("../../../../schemas/toll_passage.contract.json")),
    ("traffic.events", TrafficEvent::NAME, include_str!("../../../../schemas/traffic_event.contract.json")),
    ("weather_data", WeatherReading::NAME, include_str!("../../../../schemas/weather_reading.contract.json")),
];

impl Streams {
    /// Those of these files; without any, those that are shipped.
    pub(crate) fn load(paths: &[StreamPath], zone: Tz) -> Result<Self, Error> {
        let shipped = SHIPPED.iter().map(|(raw, record_name, contract)| {
            Ok(Stream {
                raw: (*raw).into(),
                valid: format!("{raw}.valid"),
                dlq: format!("{raw}.dlq"),
                contract: FromStr::from_str(contract).map_err(Error::failed)?,
                record_name: (*record_name).to_owned(),
            })
        });
        let streams = if paths.is_empty() {
            shipped.collect::<Result<_, Error>>()
        } else {
            paths.iter().map(Stream::load).collect()
        };
        Ok(Self { streams: streams?, zone })
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter()
    }

    /// The stream that a topic belongs to, as the raw one or any of those behind it.
    pub(crate) fn of(&self, topic: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.topics().iter().any(|name| name == topic))
    }

    /// The dialect that a record of a raw topic is written in, if it is text of one.
    pub(crate) fn dialect(&self, entry: &Entry) -> Option<Dialect> {
        let stream = self.of(&entry.place.topic)?;
        let value = entry.value.as_deref()?;
        match schema_registry::split(value, entry.headers()) {
            Ok(_) => None,
            Err(_) => Dialect::recognise(&stream.record_name, value),
        }
    }

    /// The event that a record of a raw topic tells as text; `None` if it is no text of a dialect, or a broken one.
    pub(crate) fn told_as_text(&self, entry: &Entry) -> Option<Event> {
        let place = &entry.place;
        let origin = Origin {
            topic: &place.topic,
            partition: place.partition,
            offset: place.offset,
            timestamp_ms: entry.timestamp_ms,
        };
        self.dialect(entry)?.read(entry.value.as_deref()?, &origin, self.zone).ok()
    }

    /// Reads a value, framed Avro or the text of a dialect; an error says why it cannot be read.
    pub(crate) fn decode(&self, entry: &Entry, schemas: &Schemas<'_>) -> Result<Decoded, String> {
        let value = entry.value.as_deref().ok_or("it has no value")?;
        let (shape, avro) = match schema_registry::split(value, entry.headers()) {
            Ok((id, avro)) => (schemas.shape(id)?, Cow::Borrowed(avro)),
            Err(not_framed) => {
                let event = self.told_as_text(entry).ok_or_else(|| not_framed.to_string())?;
                let mut avro = Vec::new();
                event.encode(&mut avro);
                let schema = match event {
                    Event::Toll(_) => TollPassage::SCHEMA,
                    Event::Traffic(_) => TrafficEvent::SCHEMA,
                    Event::Weather(_) => WeatherReading::SCHEMA,
                };
                (Arc::new(Shape::parse(schema).map_err(|error| error.to_string())?), Cow::Owned(avro))
            }
        };
        let mut values = Vec::new();
        shape.decode(&avro, &mut values).map_err(|error| error.to_string())?;
        let named = shape.fields().iter().zip(&values);
        let fields =
            Fields(named.map(|(field, value)| (field.name.clone(), field_json(field, value))).collect());
        Ok(Decoded { fields, avro: avro.into_owned(), shape })
    }

    /// Judges a record of a raw topic as the validator does; an error is an outage, and says nothing about the record.
    pub(crate) fn judge(&self, entry: &Entry, schemas: &Schemas<'_>) -> Option<Result<Judged, String>> {
        let stream = self.of(&entry.place.topic)?;
        let raw = Raw {
            value: entry.value.as_deref(),
            partition: entry.place.partition,
            offset: entry.place.offset,
            timestamp_ms: entry.timestamp_ms,
        };
        let verdict = Bench::new(self.zone).judge(stream, raw, entry.headers(), schemas);
        Some(verdict.map(|verdict| {
            let decoded = self.decode(entry, schemas).ok();
            let rules = decoded.map(|decoded| said(stream, &decoded, entry.timestamp_ms)).unwrap_or_default();
            Judged::new(verdict, stream.contract.version(), rules)
        }))
    }
}

impl Judged {
    fn new(verdict: Verdict, contract_version: &str, rules: Vec<Said>) -> Self {
        let judged = Self {
            verdict: "valid",
            contract_version: contract_version.to_owned(),
            flags: None,
            reason: None,
            stage: None,
            message: None,
            rules,
        };
        match verdict {
            Verdict::Valid => judged,
            Verdict::Marked(marks) => {
                let verdict = if marks.flags.is_some() { "flagged" } else { "valid" };
                Self { verdict, flags: marks.flags, ..judged }
            }
            Verdict::Refused(refusal) => Self {
                verdict: "refused",
                reason: Some(refusal.reason.code()),
                stage: Some(refusal.stage.name()),
                message: Some(refusal.message),
                ..judged
            },
        }
    }

    /// Whether the record goes on.
    pub(crate) fn is_valid(&self) -> bool {
        self.reason.is_none()
    }
}

/// What each rule says of a record that can be read.
fn said(stream: &Stream, decoded: &Decoded, timestamp_ms: i64) -> Vec<Said> {
    let mut values: Vec<Value<'_>> = Vec::new();
    let Some(judge) = stream.judge_for(&decoded.shape) else { return Vec::new() };
    if decoded.shape.decode(&decoded.avro, &mut values).is_err() {
        return Vec::new();
    }
    let opinions = judge.opinions(&values, timestamp_ms).into_iter();
    opinions
        .map(|opinion| Said {
            rule: opinion.rule.name.clone(),
            outcome: match (opinion.cause, opinion.rule.on_failure) {
                (None, _) => "holds",
                (Some(_), OnFailure::Flag) => "flags",
                (Some(_), OnFailure::Refuse) => "refuses",
            },
            code: opinion.rule.code.code(),
            doc: opinion.rule.doc.clone(),
            why: match opinion.cause {
                Some(Cause::Impossible(why)) => Some(why.to_owned()),
                Some(Cause::Null(field)) => {
                    let name = decoded.shape.fields().get(field).map_or("a field", |field| &field.name);
                    Some(format!("{name} is null"))
                }
                Some(Cause::False) | None => None,
            },
            seen: opinion.seen,
        })
        .collect()
}
