//! Where a feed goes on: a record of a compacted topic, committed with the events that came before it.
//!
//! As Kafka Connect keeps the offsets of its sources (KIP-618), and with keys of the same form.

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// The topic of all positions.
pub const TOPIC: &str = "turnpike.feeds";

/// Where a source was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Position {
    /// In a file.
    File(FilePosition),
    /// At an HTTP address.
    Http(HttpPosition),
}

/// How far a file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePosition {
    /// Where the next record begins.
    pub(crate) byte: u64,
    /// How many records lie before it.
    pub(crate) row: u64,
    /// How many bytes of the beginning `head` was made of.
    pub(crate) head_bytes: u64,
    /// Fingerprint of the beginning, by which a replaced file is recognised.
    pub(crate) head: Uuid,
}

/// What an address has given already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HttpPosition {
    /// Validators of the last document (RFC 9110, section 8.8).
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    /// How many records were sent from here or set aside, in all.
    pub(crate) row: u64,
    /// The records that were sent or set aside, newest document first.
    pub(crate) seen: Vec<Seen>,
}

/// Half of an id, enough to tell a few thousand of them apart: of the event that was sent, or, of a record that was set
/// aside, of its event's id and its bytes, so that it is judged again when they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Seen(u64);

impl From<Uuid> for Seen {
    fn from(id: Uuid) -> Self {
        Self(id.as_u64_pair().0)
    }
}

impl Seen {
    /// A record of these bytes that was set aside.
    pub(crate) fn set_aside(event_id: Uuid, raw: &[u8]) -> Self {
        Uuid::new_v5(&event_id, raw).into()
    }
}

impl From<Seen> for String {
    fn from(seen: Seen) -> Self {
        format!("{:016x}", seen.0)
    }
}

impl TryFrom<String> for Seen {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

/// The key of a source's position: the feed, and the file or the address.
pub(crate) fn key(feed: &str, kind: &str, source: &str) -> String {
    json!([feed, { kind: source }]).to_string()
}

impl Position {
    /// The record's value.
    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers make JSON")
    }

    /// Reads a record's value.
    pub(crate) fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept is read again, in a form that people can read as well.
    #[test]
    fn positions_are_json() {
        let seen = vec![Uuid::NAMESPACE_DNS.into(), Uuid::NAMESPACE_URL.into()];
        let position = Position::Http(HttpPosition {
            etag: Some("\"a\"".to_owned()),
            last_modified: None,
            row: 2,
            seen,
        });
        let text = position.encode();
        assert_eq!(
            text,
            r#"{"http":{"etag":"\"a\"","last_modified":null,"row":2,"seen":["6ba7b8109dad11d1","6ba7b8119dad11d1"]}}"#
        );
        assert_eq!(Position::decode(text.as_bytes()).expect("readable"), position);
        assert_eq!(key("synop", "file", "/data/a.csv"), r#"["synop",{"file":"/data/a.csv"}]"#);
    }
}
