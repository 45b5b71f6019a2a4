//! Judges one record after the other: framing, schema, decoding, rules, in this order. Pure but for what [`Schemas`] asks.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use chrono_tz::Tz;
use contract::{Failure, Judge};
use dead_letter::{Reason, Stage};
use dialects::{Dialect, Origin};
use events::{DecodeError, Shape, Value};
use schema_registry::{NotFramed, SchemaId};
use serde_json::json;

use crate::{
    stream::Stream,
    verdict::{Marks, Refusal, Verdict},
};

/// What the registry says of a schema id.
#[derive(Debug, Clone)]
pub enum Schema {
    /// It is known, and flat.
    Known(Arc<Shape>),
    /// It is not known.
    Unknown,
    /// It cannot be a record of ours; why.
    Unusable(String),
}

/// The registry, as far as judging needs it. Its error, an outage, says nothing about the record.
pub trait Schemas {
    /// Why there is no answer.
    type Outage;

    /// The schema of an id.
    fn find(&self, id: SchemaId) -> Result<Schema, Self::Outage>;

    /// The id of a schema under a subject, where it is registered if it was not.
    fn register(&self, subject: &str, schema: &str) -> Result<u32, Self::Outage>;

    /// Takes note that these will be asked for, so that not one is waited for after the other.
    fn prepare(&self, _ids: &[SchemaId]) {}
}

/// What is judged of a record, beside its headers.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'r> {
    /// The value; `None` is a tombstone.
    pub value: Option<&'r [u8]>,
    /// Where it stands in the stream's raw topic.
    pub partition: i32,
    /// Where it stands in the partition.
    pub offset: i64,
    /// Its Kafka timestamp, in milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
}

/// What tells a record from others, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The schema that it is written with.
    pub schema_id: Option<SchemaId>,
    /// The event's own id.
    pub event_id: Option<String>,
}

/// The field that is an event's id.
const EVENT_ID: &str = "event_id";

/// Judges the records of one stream; keeps what it learned of each schema and the memory it works in.
#[derive(Debug)]
pub struct Bench {
    schemas: HashMap<SchemaId, Known>,
    failures: Vec<Failure>,
    /// The memory that each record's values stand in, empty between two records.
    values: Vec<Value<'static>>,
    zone: Tz,
    /// The id of our own schema, once a text had to be framed with it.
    own_id: Option<u32>,
}

/// How records of one schema are judged.
#[derive(Debug)]
enum Known {
    Judge { shape: Arc<Shape>, judge: Judge },
    Refuse { reason: Reason, message: String },
}

impl Bench {
    /// Knows no schema yet. `zone` is where the clocks of texts are whose times name no offset from UTC.
    pub fn new(zone: Tz) -> Self {
        Self { schemas: HashMap::new(), failures: Vec::new(), values: Vec::new(), zone, own_id: None }
    }

    /// Judges one record.
    pub fn judge<'h, S: Schemas>(
        &mut self,
        stream: &Stream,
        raw: Raw<'_>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
        schemas: &S,
    ) -> Result<Verdict, S::Outage> {
        let Some(value) = raw.value else {
            let message = "the record has no value".to_owned();
            return Ok(Refusal::of_value(Reason::NullValue, message, &json!({})).into());
        };
        match schema_registry::split(value, headers) {
            Ok((id, avro)) => self.judge_avro(stream, id, avro, raw.timestamp_ms, schemas),
            Err(error) => match Dialect::recognise(&stream.record_name, value) {
                Some(dialect) => self.judge_text(stream, dialect, value, raw, schemas),
                None => Ok(not_framed(value, &error).into()),
            },
        }
    }

    /// What tells a record from others, also one that is spoiled behind it. Allocates, so it is for the few that are traced.
    pub fn identify<'h>(
        &self,
        value: &[u8],
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Identity {
        let Ok((id, avro)) = schema_registry::split(value, headers) else { return Identity::default() };
        let mut values = Vec::new();
        let place = match self.schemas.get(&id) {
            Some(Known::Judge { shape, .. }) => {
                // What could be read before an error stands in the values.
                let _ = shape.decode(avro, &mut values);
                shape.index_of(EVENT_ID)
            }
            _ => None,
        };
        let event_id = match place.and_then(|place| values.get(place)) {
            Some(Value::String(event_id)) => Some((*event_id).to_owned()),
            _ => None,
        };
        Identity { schema_id: Some(id), event_id }
    }

    fn judge_avro<S: Schemas>(
        &mut self,
        stream: &Stream,
        id: SchemaId,
        avro: &[u8],
        timestamp_ms: i64,
        schemas: &S,
    ) -> Result<Verdict, S::Outage> {
        let known = match self.schemas.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unseen) => match schemas.find(id)? {
                Schema::Known(shape) => unseen.insert(learn(stream, id, shape)),
                Schema::Unusable(message) => {
                    unseen.insert(Known::Refuse { reason: Reason::WrongSubject, message })
                }
                // Unknown ids are not kept: there are four billion, and one may be registered a moment later.
                Schema::Unknown => {
                    let message = format!("the registry knows no schema {id}");
                    let seen = json!({ "schema_id": id.to_string() });
                    return Ok(Refusal::of_value(Reason::UnknownSchema, message, &seen).into());
                }
            },
        };
        Ok(match known {
            Known::Refuse { reason, message } => {
                let seen = json!({ "schema_id": id.to_string() });
                Refusal::of_value(*reason, message.clone(), &seen).into()
            }
            Known::Judge { shape, judge } => {
                self.failures.clear();
                let mut values = std::mem::take(&mut self.values);
                let verdict = weigh(shape, judge, avro, timestamp_ms, &mut values, &mut self.failures);
                self.values = emptied(values);
                verdict
            }
        })
    }

    /// Turns the text into our Avro and judges that, by the same rules as any other.
    fn judge_text<S: Schemas>(
        &mut self,
        stream: &Stream,
        dialect: Dialect,
        value: &[u8],
        raw: Raw<'_>,
        schemas: &S,
    ) -> Result<Verdict, S::Outage> {
        let Raw { partition, offset, timestamp_ms, .. } = raw;
        let origin = Origin { topic: &stream.raw, partition, offset, timestamp_ms };
        let event = match dialect.read(value, &origin, self.zone) {
            Ok(event) => event,
            Err(fault) => return Ok(Refusal::of_text(dialect, fault).into()),
        };
        let id = self.own_id(stream, dialect, schemas)?;
        let mut framed = Vec::new();
        schema_registry::frame(id, &mut framed);
        let frame_bytes = framed.len();
        event.encode(&mut framed);
        let avro = &framed[frame_bytes..];
        let verdict = self.judge_avro(stream, SchemaId::Id(id), avro, timestamp_ms, schemas)?;
        Ok(verdict.of_text(dialect, framed))
    }

    /// The id of our own schema. How its records are judged is known without asking: a node of the registry that lags behind
    /// the one that gave the id would say that there is no such schema.
    fn own_id<S: Schemas>(
        &mut self,
        stream: &Stream,
        dialect: Dialect,
        schemas: &S,
    ) -> Result<u32, S::Outage> {
        if let Some(id) = self.own_id {
            return Ok(id);
        }
        let id = schemas.register(&stream.subject(), dialect.schema())?;
        let shape = Shape::parse(dialect.schema()).expect("our own schema parses, a test of its crate says");
        self.schemas.insert(SchemaId::Id(id), learn(stream, SchemaId::Id(id), Arc::new(shape)));
        self.own_id = Some(id);
        Ok(id)
    }
}

fn not_framed(value: &[u8], error: &NotFramed) -> Refusal {
    let seen = json!({ "first_bytes": hex(value), "length": value.len() });
    Refusal::of_value(Reason::NotFramed, error.to_string(), &seen)
}

fn learn(stream: &Stream, id: SchemaId, shape: Arc<Shape>) -> Known {
    if shape.name() != stream.record_name {
        let message =
            format!("schema {id} is {}, and {} holds {}", shape.name(), stream.raw, stream.record_name);
        return Known::Refuse { reason: Reason::WrongSubject, message };
    }
    let Some(judge) = stream.judge_for(&shape) else {
        let message = format!("schema {id} lacks a field that the contract of {} needs", stream.raw);
        return Known::Refuse { reason: Reason::MissingField, message };
    };
    Known::Judge { shape, judge }
}

/// Decodes and applies the rules. Memory for values and failures is the bench's: a record without fault allocates nothing.
fn weigh<'r>(
    shape: &Shape,
    judge: &Judge,
    avro: &'r [u8],
    timestamp_ms: i64,
    values: &mut Vec<Value<'r>>,
    failures: &mut Vec<Failure>,
) -> Verdict {
    if let Err(error) = shape.decode(avro, values) {
        let reason = match error {
            DecodeError::TrailingBytes { .. } => Reason::TrailingBytes,
            DecodeError::Truncated { .. } | DecodeError::Malformed { .. } => Reason::Undecodable,
        };
        let seen = json!({ "length": avro.len() });
        return Refusal::of_value(reason, error.to_string(), &seen).into();
    }
    judge.judge(values, timestamp_ms, failures);
    if failures.is_empty() {
        return Verdict::Valid;
    }
    let Some(refusal) = judge.refusal(failures) else {
        return Verdict::Marked(Box::new(Marks { flags: judge.flags(failures), normalised: None }));
    };
    let rule = judge.rule(refusal);
    let failed = failures.iter().map(|failure| judge.rule(failure));
    let seen: Vec<Value<'_>> = values.iter().copied().map(shortened).collect();
    let refusal = Refusal {
        reason: rule.code,
        stage: Stage::Transformation,
        rule: Some(rule.name.clone()),
        message: judge.sentence(refusal, &seen),
        detail: judge.detail(failures, &seen),
        failed_rules: failed.map(|rule| (rule.code, rule.name.clone())).collect(),
        dialect: None,
    };
    refusal.into()
}

/// The memory of one record's values, for those of the next, which borrow from elsewhere: collecting a vector's own items in
/// place keeps its memory.
fn emptied(mut values: Vec<Value<'_>>) -> Vec<Value<'static>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

/// A value as a dead letter shows it. The letter carries the record as well: a field of a megabyte, repeated in the headers,
/// would make it larger than any topic takes, and one record would stop the stream.
fn shortened(value: Value<'_>) -> Value<'_> {
    const SHOWN_MAX: usize = 200;
    match value {
        Value::String(text) => Value::String(&text[..text.floor_char_boundary(SHOWN_MAX)]),
        Value::Bytes(bytes) => Value::Bytes(&bytes[..bytes.len().min(SHOWN_MAX)]),
        other => other,
    }
}

/// The first bytes of a value, enough to recognise what it is.
fn hex(value: &[u8]) -> String {
    const SHOWN: usize = 16;
    value.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory of a record's values serves the next one.
    #[test]
    fn memory_of_values_is_used_again() {
        let text = "Paris".to_owned();
        let values = vec![Value::String(&text); 12];
        let memory = values.as_ptr().addr();
        let emptied = emptied(values);
        assert!(emptied.is_empty() && emptied.capacity() == 12);
        assert_eq!(emptied.as_ptr().addr(), memory);
    }
}
