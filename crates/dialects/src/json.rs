//! A record that is one JSON object, read field by field.
//!
//! A field that no reader asks for is ignored: the sources' programs were copied and extended many times, and what
//! they say beside the fields that we know takes nothing from those. Of a key that stands there twice, the last one counts.

use chrono_tz::Tz;
use dead_letter::Reason;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{Fault, text, time};

/// The fields of a record.
#[derive(Debug)]
pub(crate) struct Object(Map<String, Json>);

/// How a value of a field is read.
pub(crate) type Read<'j, T> = fn(&'static str, &'j Json) -> Result<T, Fault>;

impl Object {
    /// Reads the whole value.
    pub(crate) fn parse(value: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(value).map(Self).map_err(|error| {
            let message = format!("the value begins as a JSON object and is none: {error}");
            Fault::of_record(Reason::Unparsable, message, value)
        })
    }

    /// The first of several spellings that the record has, else the first of them all.
    pub(crate) fn spelling(&self, spellings: &[&'static str]) -> &'static str {
        let present = spellings.iter().find(|spelling| self.0.contains_key(**spelling));
        present.unwrap_or(&spellings[0])
    }

    /// A field that every record has.
    pub(crate) fn required<'j, T>(&'j self, field: &'static str, read: Read<'j, T>) -> Result<T, Fault> {
        self.optional(field, read)?.ok_or_else(|| Fault::missing(field))
    }

    /// A field that may be absent or null.
    pub(crate) fn optional<'j, T>(
        &'j self,
        field: &'static str,
        read: Read<'j, T>,
    ) -> Result<Option<T>, Fault> {
        match self.0.get(field) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => read(field, value).map(Some),
        }
    }

    /// A time that every record has: text, of `zone` if it names no offset, or seconds since 1970 UTC.
    pub(crate) fn time(&self, field: &'static str, zone: Tz) -> Result<i64, Fault> {
        let value = self.required(field, |_, value| Ok(value))?;
        let millis = match value {
            Json::String(text) => time::iso(text, zone),
            Json::Number(seconds) => seconds.as_f64().and_then(time::unix),
            _ => None,
        };
        millis.ok_or_else(|| not_a(field, value, "a time such as 2026-10-02T19:26:20"))
    }
}

/// Text as it stands there; an empty one is a missing one.
pub(crate) fn text(field: &'static str, value: &Json) -> Result<String, Fault> {
    match value {
        Json::String(text) if text.is_empty() => Err(Fault::missing(field)),
        Json::String(text) => Ok(text.clone()),
        other => Err(Fault::unparsable(field, other, "a text")),
    }
}

/// A whole number of 32 bits.
pub(crate) fn int(field: &'static str, value: &Json) -> Result<i32, Fault> {
    match value {
        Json::Number(number) if number.is_i64() || number.is_u64() => {
            let int = number.as_i64().and_then(|wide| i32::try_from(wide).ok());
            int.ok_or_else(|| Fault::too_large(field, value))
        }
        other => Err(not_a(field, other, "a whole number")),
    }
}

/// Any number.
pub(crate) fn number(field: &'static str, value: &Json) -> Result<f64, Fault> {
    value.as_f64().ok_or_else(|| not_a(field, value, "a number"))
}

/// `true` or `false`.
pub(crate) fn boolean(field: &'static str, value: &Json) -> Result<bool, Fault> {
    value.as_bool().ok_or_else(|| not_a(field, value, "true or false"))
}

/// A UUID in any of its usual forms.
pub(crate) fn uuid(field: &'static str, value: &Json) -> Result<Uuid, Fault> {
    let wanted = "a UUID";
    let Json::String(text) = value else { return Err(not_a(field, value, wanted)) };
    Uuid::try_parse(text).map_err(|_| text::fault(field, text, wanted))
}

/// Why a value is not what is wanted: text may stand for a missing value.
pub(crate) fn not_a(field: &'static str, value: &Json, wanted: &str) -> Fault {
    match value {
        Json::String(text) => text::fault(field, text, wanted),
        other => Fault::unparsable(field, other, wanted),
    }
}
