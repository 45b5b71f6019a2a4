//! A contract bound to a schema: judges decoded records.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};
use events::{Decimal, Field, Logical, Shape, Value};
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::{
    OnFailure, Rule,
    compile::Condition,
    expr::{Fault, Scope},
};

/// Most details are shorter.
const DETAIL_BYTES: usize = 512;

/// The rules of a contract, compiled for the records of one schema.
#[derive(Debug)]
pub struct Judge {
    rules: Vec<(Rule, Condition)>,
    fields: Vec<Field>,
}

/// A rule that a record fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The rule's place in the contract.
    rule: usize,
    /// How it failed.
    pub cause: Cause,
}

/// A failed rule, as a dead letter tells of it.
#[derive(Serialize)]
struct Failed<'j> {
    code: &'static str,
    doc: &'j str,
    expr: &'j str,
    rule: &'j str,
    values: Seen<'j>,
}

/// The fields that a condition looks at, with their values.
struct Seen<'j> {
    fields: &'j [Field],
    condition: &'j Condition,
    values: &'j [Value<'j>],
}

impl Seen<'_> {
    fn named(&self) -> impl Iterator<Item = (&str, Json)> {
        let seen = self.condition.fields.iter().map(|index| (&self.fields[*index], &self.values[*index]));
        seen.map(|(field, value)| (field.name.as_str(), field_json(field, value)))
    }
}

impl Serialize for Seen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.named())
    }
}

/// How a rule failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its condition is false.
    False,
    /// A field that it needs is null; the field's place in the schema.
    Null(usize),
    /// It cannot be worked out for these values.
    Impossible(&'static str),
}

/// What one rule says of a record, whether it holds or fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion<'j> {
    /// The rule.
    pub rule: &'j Rule,
    /// How it failed; `None` if it holds.
    pub cause: Option<Cause>,
    /// The fields that it looks at, with their values.
    pub seen: serde_json::Map<String, Json>,
}

impl From<Fault> for Cause {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Null(field) => Self::Null(field),
            Fault::Impossible(why) => Self::Impossible(why),
        }
    }
}

impl Judge {
    pub(crate) fn new(rules: Vec<(Rule, Condition)>, shape: &Shape) -> Self {
        Self { rules, fields: shape.fields().to_vec() }
    }

    /// Adds every rule that the record fails to `failures`, in the contract's order; none if it is good.
    ///
    /// `values` are the record's, in the order of the schema that the contract was bound to; `timestamp_ms` is the
    /// record's Kafka timestamp, which the rules know as `now`.
    pub fn judge(&self, values: &[Value<'_>], timestamp_ms: i64, failures: &mut Vec<Failure>) {
        let scope = Scope::new(values, timestamp_ms);
        for (index, (_, condition)) in self.rules.iter().enumerate() {
            let cause = match condition.steps.truth(scope) {
                Ok(true) => continue,
                Ok(false) => Cause::False,
                Err(fault) => fault.into(),
            };
            failures.push(Failure { rule: index, cause });
        }
    }

    /// What every rule says of a record, in the contract's order: [`Self::judge`] for people, who also ask why a record is good.
    pub fn opinions(&self, values: &[Value<'_>], timestamp_ms: i64) -> Vec<Opinion<'_>> {
        let scope = Scope::new(values, timestamp_ms);
        let mut opinions = Vec::with_capacity(self.rules.len());
        for (rule, condition) in &self.rules {
            let cause = match condition.steps.truth(scope) {
                Ok(true) => None,
                Ok(false) => Some(Cause::False),
                Err(fault) => Some(fault.into()),
            };
            opinions.push(Opinion { rule, cause, seen: self.seen(condition, values) });
        }
        opinions
    }

    /// The fields that a condition looks at, with their values as people write them.
    fn seen(&self, condition: &Condition, values: &[Value<'_>]) -> serde_json::Map<String, Json> {
        let seen = Seen { fields: &self.fields, condition, values };
        seen.named().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The rules, in the contract's order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// The rule that failed.
    pub fn rule(&self, failure: &Failure) -> &Rule {
        &self.rules[failure.rule].0
    }

    /// The first failure by which the record is refused, if it is.
    pub fn refusal<'f>(&self, failures: &'f [Failure]) -> Option<&'f Failure> {
        failures.iter().find(|failure| self.rule(failure).on_failure == OnFailure::Refuse)
    }

    /// The failures by which the record is only flagged, as `CODE:rule_name` joined by commas; `None` if there are none.
    pub fn flags(&self, failures: &[Failure]) -> Option<String> {
        let mut flags: Option<String> = None;
        let rules = failures.iter().map(|failure| self.rule(failure));
        for rule in rules.filter(|rule| rule.on_failure == OnFailure::Flag) {
            let flags = flags.get_or_insert_default();
            if !flags.is_empty() {
                flags.push(',');
            }
            flags.push_str(rule.code.code());
            flags.push(':');
            flags.push_str(&rule.name);
        }
        flags
    }

    /// One sentence about a failure, with the values that the rule saw: `lane_in_range: lane is 99`.
    pub fn sentence(&self, failure: &Failure, values: &[Value<'_>]) -> String {
        let (rule, condition) = &self.rules[failure.rule];
        let mut sentence = format!("{}: ", rule.name);
        if let Cause::Impossible(why) = failure.cause {
            sentence.push_str(why);
            sentence.push_str("; ");
        }
        for (place, index) in condition.fields.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let (field, value) = (&self.fields[*index], &values[*index]);
            let _ = write!(sentence, "{comma}{} is {}", field.name, field_json(field, value));
        }
        sentence
    }

    /// Every failed rule with the values that it saw, as JSON, for the dead letter's `turnpike.detail`.
    #[expect(
        clippy::missing_panics_doc,
        reason = "text and numbers can always be written as JSON, which is text"
    )]
    pub fn detail(&self, failures: &[Failure], values: &[Value<'_>]) -> String {
        let failed = failures.iter().map(|failure| {
            let (rule, condition) = &self.rules[failure.rule];
            let values = Seen { fields: &self.fields, condition, values };
            Failed { code: rule.code.code(), doc: &rule.doc, expr: &rule.expr, rule: &rule.name, values }
        });
        // Straight to text: a tree of JSON for each letter would cost more than all else that is done about it.
        let mut detail = Vec::with_capacity(DETAIL_BYTES);
        let written = serde_json::Serializer::new(&mut detail).collect_seq(failed);
        written.expect("text and numbers can be written as JSON");
        String::from_utf8(detail).expect("JSON is text")
    }
}

/// A field's value as people write it: decimals with their point, times in RFC 3339, bytes in hexadecimal.
pub fn field_json(field: &Field, value: &Value<'_>) -> Json {
    let time = |micros: Option<i64>, raw: i64| {
        let time = micros.and_then(DateTime::from_timestamp_micros);
        time.map_or(json!(raw), |time| json!(time.to_rfc3339_opts(SecondsFormat::Millis, true)))
    };
    match (value, field.logical) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(value), _) => json!(value),
        (Value::Int(days), Some(Logical::Date)) => {
            time(i64::from(*days).checked_mul(86_400_000_000), i64::from(*days))
        }
        (Value::Int(value), _) => json!(value),
        (Value::Long(millis), Some(Logical::TimestampMillis)) => time(millis.checked_mul(1_000), *millis),
        (Value::Long(micros), Some(Logical::TimestampMicros)) => time(Some(*micros), *micros),
        (Value::Long(value), _) => json!(value),
        (Value::Float(value), _) => json!(value),
        (Value::Double(value), _) => json!(value),
        (Value::String(value), _) => json!(value),
        (Value::Bytes(bytes), Some(Logical::Decimal { scale, .. })) => Decimal::from_bytes(bytes, scale)
            .map_or_else(|| json!(hex(bytes)), |decimal| json!(decimal.to_string())),
        (Value::Bytes(bytes), _) => json!(hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
