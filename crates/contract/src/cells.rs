//! Values of a record as people write them in JSON: decimals as text, times in RFC 3339, bytes in hexadecimal.
//!
//! The counterpart of [`field_json`](crate::field_json).

use chrono::{DateTime, NaiveDate};
use events::{Field, Kind, Logical, Value};
use serde_json::Value as Json;

/// The value of one field, owned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
    String(String),
}

impl Cell {
    /// Reads what stands for `field`; an error says what would be right.
    pub(crate) fn read(field: &Field, json: &Json) -> Result<Self, &'static str> {
        if json.is_null() {
            return if field.null_branch.is_some() {
                Ok(Self::Null)
            } else {
                Err("the schema allows no null")
            };
        }
        match (field.kind, field.logical) {
            (Kind::Boolean, _) => json.as_bool().map(Self::Boolean).ok_or("write true or false"),
            (Kind::Int, Some(Logical::Date)) => {
                json.as_str().and_then(days).map(Self::Int).ok_or("write a date such as \"2026-01-31\"")
            }
            (Kind::Int, _) => {
                let int = json.as_i64().and_then(|int| i32::try_from(int).ok());
                int.map(Self::Int).ok_or("write a whole number of up to 32 bits")
            }
            (Kind::Long, Some(Logical::TimestampMillis)) => {
                time(json).map(|time| Self::Long(time.timestamp_millis())).ok_or(TIME)
            }
            (Kind::Long, Some(Logical::TimestampMicros)) => {
                time(json).map(|time| Self::Long(time.timestamp_micros())).ok_or(TIME)
            }
            (Kind::Long, _) => json.as_i64().map(Self::Long).ok_or("write a whole number of up to 64 bits"),
            (Kind::Float, _) => json.as_f64().map(|float| Self::Float(float as f32)).ok_or(NUMBER),
            (Kind::Double, _) => json.as_f64().map(Self::Double).ok_or(NUMBER),
            (Kind::Bytes, Some(Logical::Decimal { scale, .. })) => {
                let unscaled = json.as_str().and_then(|text| unscaled(text, scale));
                unscaled.map(|unscaled| Self::Bytes(unscaled.to_be_bytes().to_vec())).ok_or(
                    "write a decimal as text, such as \"18.60\", with no more digits than the schema has",
                )
            }
            (Kind::Bytes, _) => {
                json.as_str().and_then(bytes).map(Self::Bytes).ok_or("write bytes in hexadecimal: \"00ff\"")
            }
            (Kind::String, _) => {
                json.as_str().map(|text| Self::String(text.to_owned())).ok_or("write a text")
            }
        }
    }

    /// The value as rules see it.
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Long(value) => Value::Long(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Bytes(value) => Value::Bytes(value),
            Self::String(value) => Value::String(value),
        }
    }
}

const TIME: &str = "write a time such as \"2026-01-31T12:00:00.000Z\"";
const NUMBER: &str = "write a number";

fn time(json: &Json) -> Option<DateTime<chrono::FixedOffset>> {
    DateTime::parse_from_rfc3339(json.as_str()?).ok()
}

fn days(text: &str) -> Option<i32> {
    let date: NaiveDate = text.parse().ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// The digits of a decimal as one integer, with exactly `scale` of them after the point.
fn unscaled(text: &str, scale: u32) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let missing = (scale as usize).checked_sub(fraction.len())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use events::Shape;
    use serde_json::json;

    use super::Cell;
    use crate::field_json;

    const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[
        {"name":"flag","type":"boolean"},
        {"name":"count","type":["null","int"]},
        {"name":"day","type":{"type":"int","logicalType":"date"}},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"ratio","type":"double"},
        {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
        {"name":"raw","type":"bytes"},
        {"name":"word","type":"string"}]}"#;

    /// What is read is shown again as it was written.
    #[test]
    fn values_are_read_as_they_are_shown() {
        let shape = Shape::parse(SCHEMA).expect("compiles");
        let written = [
            json!(true),
            json!(null),
            json!("2026-10-02T00:00:00.000Z"),
            json!("2026-10-02T19:26:20.123Z"),
            json!(-99.5),
            json!("-0.05"),
            json!("00ff"),
            json!("mq"),
        ];
        for (field, json) in shape.fields().iter().zip(written) {
            let given = if field.name == "day" { json!("2026-10-02") } else { json.clone() };
            let cell = Cell::read(field, &given).expect("is read");
            assert_eq!(field_json(field, &cell.value()), json, "{}", field.name);
        }
    }

    /// Each type refuses what it cannot hold, and says what would be right.
    #[test]
    fn what_does_not_fit_is_refused() {
        let shape = Shape::parse(SCHEMA).expect("compiles");
        for (field, json, told) in [
            ("flag", json!("true"), "true or false"),
            ("flag", json!(null), "no null"),
            ("count", json!(3_000_000_000_i64), "32 bits"),
            ("count", json!(1.5), "whole number"),
            ("day", json!("yesterday"), "2026-01-31"),
            ("at", json!(1_790_969_180), "write a time"),
            ("price", json!(18.6), "as text"),
            ("price", json!("18.605"), "as text"),
            ("price", json!("1.-5"), "as text"),
            ("raw", json!("0"), "hexadecimal"),
            ("raw", json!("zz"), "hexadecimal"),
            ("word", json!(65535), "write a text"),
        ] {
            let index = shape.index_of(field).expect("is there");
            let error = Cell::read(&shape.fields()[index], &json).expect_err(field);
            assert!(error.contains(told), "{field}: {error}");
        }
    }
}
