//! What one record is worth: framing, schema, decoding, rules, in this order. Pure but for the schema's look-up.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use contract::{Failure, Judge, detail};
use dead_letter::{Reason, Stage};
use events::{DecodeError, Shape, Value};
use schema_registry::SchemaId;
use serde_json::{Value as Json, json};

use crate::stream::Stream;

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The first reason.
    pub reason: Reason,
    /// Where it failed.
    pub stage: Stage,
    /// The first failed rule, if it was a rule.
    pub rule: Option<String>,
    /// One sentence for people.
    pub message: String,
    /// Everything that was found, with the values seen.
    pub detail: Json,
}

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

/// Judges the records of one stream; keeps what it learned of each schema and the memory it works in.
#[derive(Debug)]
pub struct Bench {
    schemas: HashMap<SchemaId, Known>,
    failures: Vec<Failure>,
}

/// How records of one schema are judged.
#[derive(Debug)]
enum Known {
    Judge { shape: Arc<Shape>, judge: Judge },
    Refuse { reason: Reason, message: String },
}

impl Bench {
    /// Knows no schema yet.
    pub fn new() -> Self {
        Self { schemas: HashMap::new(), failures: Vec::new() }
    }

    /// Judges one record. `look_up` asks the registry for a schema that was not seen before; its error, an outage,
    /// is handed back and says nothing about the record.
    pub fn judge<'h, E>(
        &mut self,
        stream: &Stream,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
        timestamp_ms: i64,
        look_up: impl FnOnce(SchemaId) -> Result<Schema, E>,
    ) -> Result<Option<Refusal>, E> {
        let Some(value) = value else {
            let message = "the record has no value".to_owned();
            return Ok(Some(Refusal::of_value(Reason::NullValue, message, &json!({}))));
        };
        let (id, avro) = match schema_registry::split(value, headers) {
            Ok(parts) => parts,
            Err(error) => {
                let seen = json!({ "first_bytes": hex(value), "length": value.len() });
                return Ok(Some(Refusal::of_value(Reason::NotFramed, error.to_string(), &seen)));
            }
        };
        let known = match self.schemas.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unseen) => match look_up(id)? {
                Schema::Known(shape) => unseen.insert(learn(stream, id, shape)),
                Schema::Unusable(message) => {
                    unseen.insert(Known::Refuse { reason: Reason::WrongSubject, message })
                }
                // Unknown ids are not kept: there are four billion, and one may be registered a moment later.
                Schema::Unknown => {
                    let message = format!("the registry knows no schema {id}");
                    let seen = json!({ "schema_id": id.to_string() });
                    return Ok(Some(Refusal::of_value(Reason::UnknownSchema, message, &seen)));
                }
            },
        };
        Ok(match known {
            Known::Refuse { reason, message } => {
                let seen = json!({ "schema_id": id.to_string() });
                Some(Refusal::of_value(*reason, message.clone(), &seen))
            }
            Known::Judge { shape, judge } => {
                self.failures.clear();
                weigh(shape, judge, avro, timestamp_ms, &mut self.failures)
            }
        })
    }
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

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// Decodes and applies the rules. The values live on the stack of this call; a good record allocates nothing else.
fn weigh(
    shape: &Shape,
    judge: &Judge,
    avro: &[u8],
    timestamp_ms: i64,
    failures: &mut Vec<Failure>,
) -> Option<Refusal> {
    let mut values: Vec<Value<'_>> = Vec::with_capacity(shape.fields().len());
    if let Err(error) = shape.decode(avro, &mut values) {
        let reason = match error {
            DecodeError::TrailingBytes { .. } => Reason::TrailingBytes,
            DecodeError::Truncated { .. } | DecodeError::Malformed { .. } => Reason::Undecodable,
        };
        let seen = json!({ "length": avro.len() });
        return Some(Refusal::of_value(reason, error.to_string(), &seen));
    }
    judge.judge(&values, timestamp_ms, failures);
    let refusal = judge.refusal(failures)?;
    let rule = judge.rule(refusal);
    Some(Refusal {
        reason: rule.code,
        stage: Stage::Transformation,
        rule: Some(rule.name.clone()),
        message: judge.sentence(refusal, &values),
        detail: detail(judge, failures, &values),
    })
}

impl Refusal {
    fn of_value(reason: Reason, message: String, seen: &Json) -> Self {
        let detail = json!([{ "code": reason.code(), "message": message, "values": seen }]);
        Self { reason, stage: Stage::ValueConverter, rule: None, message, detail }
    }
}

/// The first bytes of a value, enough to recognise what it is.
fn hex(value: &[u8]) -> String {
    const SHOWN: usize = 16;
    value.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
