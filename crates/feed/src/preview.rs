//! What a source would become, a line a record: for whoever writes a mapping, and for tests.

use std::{fmt::Write as _, io::Read};

use chrono::DateTime;
use events::{Decimal, Field, Logical, Shape, Value};
use serde_json::Value as Json;

use crate::{
    mapping::{Mapped, Mapping, Refusal},
    records::{ReadError, Records},
};

/// Hands a line for each record to `say`: its number, and the event, or why it is none.
///
/// `file_name` is that of a file, without its folder; an answer over HTTP has none.
///
/// # Errors
/// The source's, or that of `say`, in words.
pub fn preview<R: Read>(
    mapping: &Mapping,
    source: R,
    file_name: Option<&str>,
    mut say: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    let unreadable = |error: ReadError| error.to_string();
    let mut records = Records::new(mapping, source, 0, None).map_err(unreadable)?;
    let mut row = 0_u64;
    while let Some(piece) = records.next().map_err(unreadable)? {
        let event_id = piece.event_id(mapping, file_name.map(|name| (name, row)));
        let refused = |refusal: &Refusal| format!("set aside {} {}", refusal.reason, refusal.message);
        let line = match &piece.item {
            Err(refusal) => refused(refusal),
            Ok(item) => match mapping.map(item, event_id) {
                Mapped::Skipped => "skipped".to_owned(),
                Mapped::Refused(refusal) => refused(&refusal),
                Mapped::Event(event) => {
                    format!("sent key={} {}", event.key, shown(mapping.shape(), &event.avro))
                }
            },
        };
        say(&format!("{row} {line}"))?;
        row += 1;
    }
    Ok(())
}

/// An event as JSON, its fields in their order.
fn shown(shape: &Shape, avro: &[u8]) -> String {
    let mut values = Vec::new();
    shape.decode(avro, &mut values).expect("the event was encoded by this shape");
    let mut text = String::new();
    for (field, value) in shape.fields().iter().zip(&values) {
        let part = if text.is_empty() { "{" } else { "," };
        write!(text, "{part}\"{}\":{}", field.name, json(field, value)).expect("a text takes all");
    }
    text + "}"
}

fn json(field: &Field, value: &Value<'_>) -> Json {
    match (*value, field.logical) {
        (Value::Long(ms), Some(Logical::TimestampMillis)) => match DateTime::from_timestamp_millis(ms) {
            Some(time) => time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string().into(),
            None => ms.into(),
        },
        (Value::Bytes(bytes), Some(Logical::Decimal { scale, .. })) => {
            Decimal::from_bytes(bytes, scale).map(|decimal| decimal.to_string()).into()
        }
        (Value::Bytes(bytes), _) => String::from_utf8_lossy(bytes).into_owned().into(),
        (Value::Null, _) => Json::Null,
        (Value::Boolean(boolean), _) => boolean.into(),
        (Value::Int(int), _) => int.into(),
        (Value::Long(long), _) => long.into(),
        (Value::Float(float), _) => float.into(),
        (Value::Double(double), _) => double.into(),
        (Value::String(text), _) => text.into(),
    }
}
