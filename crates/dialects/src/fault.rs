//! Why a record of a dialect cannot be read.

use dead_letter::Reason;
use serde_json::Value as Json;

/// Characters of what was seen that are kept: enough to recognise it, and never more than a header holds.
const SEEN_CHARS_MAX: usize = 100;

/// Why a record of a dialect cannot be read, with the field and what stood in it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The reason code.
    pub reason: Reason,
    /// The field under the source's own name; `None` if it is the record as a whole.
    pub field: Option<&'static str>,
    /// One sentence for people.
    pub message: String,
    /// What stood there, shortened; `Null` for a field that is absent.
    pub seen: Json,
}

impl Fault {
    /// The record as a whole is not what its first bytes promise.
    pub(crate) fn of_record(reason: Reason, message: String, value: &[u8]) -> Self {
        // Cut before it is decoded: a text may be a megabyte, and a character has up to four bytes.
        let first = &value[..value.len().min(SEEN_CHARS_MAX * 4)];
        let seen = shortened(&String::from_utf8_lossy(first));
        Self { reason, field: None, message, seen: Json::String(seen) }
    }

    /// A field is absent, null or empty.
    pub(crate) fn missing(field: &'static str) -> Self {
        let message = format!("{field} is missing");
        Self { reason: Reason::MissingField, field: Some(field), message, seen: Json::Null }
    }

    /// A field cannot be read as what it should be.
    pub(crate) fn unparsable(field: &'static str, seen: &Json, wanted: &str) -> Self {
        Self::of_field(Reason::Unparsable, field, seen, &format!("; wanted is {wanted}"))
    }

    /// A number has more bits than any of its kind.
    pub(crate) fn too_large(field: &'static str, seen: &Json) -> Self {
        Self::of_field(Reason::OutOfRange, field, seen, ", more than 32 bits hold")
    }

    /// A field holds a word that stands for a missing value.
    pub(crate) fn sentinel(field: &'static str, seen: &Json) -> Self {
        Self::of_field(Reason::Sentinel, field, seen, ", which stands for a missing value")
    }

    fn of_field(reason: Reason, field: &'static str, seen: &Json, why: &str) -> Self {
        let seen = match seen {
            Json::String(text) => Json::String(shortened(text)),
            Json::Array(_) | Json::Object(_) => Json::String(shortened(&seen.to_string())),
            Json::Null | Json::Bool(_) | Json::Number(_) => seen.clone(),
        };
        Self { reason, field: Some(field), message: format!("{field} is {seen}{why}"), seen }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SEEN_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was seen is shown, and a megabyte of it is cut.
    #[test]
    fn what_was_seen_is_bounded() {
        let fault = Fault::unparsable("lat", &Json::from("é".repeat(1 << 20)), "a number");
        assert!(
            fault.message.starts_with("lat is \"éé") && fault.message.ends_with("…\"; wanted is a number")
        );
        assert!(fault.message.chars().count() < 150, "{}", fault.message);
        let fault = Fault::of_record(Reason::Unparsable, "not JSON".to_owned(), &vec![0xff; 1 << 20]);
        assert_eq!(fault.seen.as_str().map(|text| text.chars().count()), Some(SEEN_CHARS_MAX + 1));
    }
}
