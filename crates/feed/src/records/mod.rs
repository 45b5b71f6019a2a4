//! Takes a source apart into records, each with its own bytes and the place where the next one begins.

mod document;
mod lines;
mod rows;

use std::io::Read;

use dead_letter::Reason;
use serde_json::json;
use uuid::Uuid;

use crate::{
    item::{Columns, Item},
    mapping::{Format, Mapping, Refusal},
};
pub(crate) use document::Document;
use lines::Lines;
use rows::Rows;

/// Most bytes of one record: with its headers a dead letter of this size still fits its topic.
pub(crate) const RECORD_BYTES_MAX: usize = 1 << 20;
/// Most bytes of a document that has to be read as a whole.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 32 << 20;
/// Bytes of a document that a message shows.
const SHOWN_BYTES: usize = 80;

/// Why a source cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system cannot read it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A record has no end in sight.
    #[error(
        "the record at byte {0} has more than {RECORD_BYTES_MAX} bytes; look for a quote that is never closed"
    )]
    RecordTooLarge(u64),
    /// A document is larger than what is held in memory.
    #[error("it has more than {DOCUMENT_BYTES_MAX} bytes; give it in parts, or as JSON lines")]
    DocumentTooLarge,
    /// It is not what the mapping says.
    #[error("{0}")]
    NotThis(String),
}

/// One record of a source.
#[derive(Debug)]
pub(crate) struct Piece<'r> {
    /// Its bytes, without the end of the line.
    pub(crate) raw: &'r [u8],
    /// The record, or why it cannot be taken apart.
    pub(crate) item: Result<Item<'r>, Refusal>,
    /// Where the next one begins.
    pub(crate) next_byte: u64,
}

impl Piece<'_> {
    /// The id of the record's event. Without an identity it is made of the record's bytes and of `place`, which is the
    /// file's name and the record's number; over HTTP there is none, for the same record may stand elsewhere in the next
    /// document.
    pub(crate) fn event_id(&self, mapping: &Mapping, place: Option<(&str, u64)>) -> Uuid {
        mapping.event_id(self.item.as_ref().ok(), || match place {
            Some((file_name, row)) => [format!("{file_name}\u{1f}{row}\u{1f}").as_bytes(), self.raw].concat(),
            None => self.raw.to_vec(),
        })
    }
}

/// The records of a source, one after the other.
#[derive(Debug)]
pub(crate) enum Records<R> {
    Csv(Rows<R>),
    Lines(Lines<R>),
    Document(Document),
}

impl<R: Read> Records<R> {
    /// The records of `source`, which stands at `byte` of the whole; a document must begin at 0.
    ///
    /// `columns` are those of a heading row that lies before.
    pub(crate) fn new(
        mapping: &Mapping,
        mut source: R,
        byte: u64,
        columns: Option<Columns>,
    ) -> Result<Self, ReadError> {
        Ok(match &mapping.format {
            Format::Csv { delimiter, columns: None } => {
                let mut rows = Rows::new(source, byte, *delimiter);
                match columns {
                    Some(columns) => rows.set_columns(columns),
                    None => rows.read_heading()?,
                }
                mapping.check_columns(rows.columns()).map_err(ReadError::NotThis)?;
                Self::Csv(rows)
            }
            Format::Csv { delimiter, columns: Some(columns) } => {
                let mut rows = Rows::new(source, byte, *delimiter);
                rows.set_columns(columns.clone());
                Self::Csv(rows)
            }
            Format::JsonLines => Self::Lines(Lines::new(source, byte)),
            Format::Json { records } => {
                let mut body = Vec::new();
                source.by_ref().take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut body)?;
                if body.len() > DOCUMENT_BYTES_MAX {
                    return Err(ReadError::DocumentTooLarge);
                }
                Self::Document(Document::parse(body, records)?)
            }
        })
    }

    /// The next record, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Piece<'_>>, ReadError> {
        match self {
            Self::Csv(rows) => rows.next(),
            Self::Lines(lines) => lines.next(),
            Self::Document(document) => Ok(document.next()),
        }
    }

    /// The columns that the source itself names.
    pub(crate) fn columns(&self) -> Option<&Columns> {
        match self {
            Self::Csv(rows) => Some(rows.columns()),
            Self::Lines(_) | Self::Document(_) => None,
        }
    }
}

/// The beginning of something, as a message shows it.
pub(crate) fn beginning(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).escape_debug().to_string();
    format!("it begins with `{shown}`")
}

/// The item of a JSON text.
fn json_item(raw: &[u8]) -> Result<Item<'static>, Refusal> {
    serde_json::from_slice(raw).map(Item::Json).map_err(|error| {
        let seen = json!({ "length": raw.len() });
        Refusal::of_record(Reason::Unparsable, format!("the record is no JSON: {error}"), &seen)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An identity that says nothing makes no two records one: they are told by their places, and over HTTP by their bytes.
    #[test]
    fn empty_identities_are_none() {
        let text = r#"{ "name": "t", "stream": "weather", "format": {"type":"csv"}, "missing": ["mq"],
            "identity": ["n", "m"], "fields": { "sensor_id": { "from": "n", "missing": ["-9"] },
                "city": { "from": "m" }, "temperature_c": { "value": 1 },
                "observed_at": { "value": "0", "format": "unix" } } }"#;
        let mapping = Mapping::parse(text).expect("a mapping");
        let ids = |row: &str, number: u64| {
            let table = format!("n,m,o\n{row}\n");
            let mut records = Records::new(&mapping, table.as_bytes(), 0, None).expect("a table");
            let piece = records.next().expect("readable").expect("a row");
            [Some(("a.csv", number)), Some(("b.csv", number)), None]
                .map(|place| piece.event_id(&mapping, place))
        };
        let known = ids("1,a,x", 0);
        assert!(known.iter().all(|id| *id == known[0]), "an identity alone makes the id");
        assert_eq!(ids("1, a ,y", 1), known);
        for nothing in ["", " ", "mq", "-9.0"] {
            let row = |last: &str| format!("{nothing},a,{last}");
            let (first, again, other) = (ids(&row("x"), 0), ids(&row("x"), 1), ids(&row("y"), 0));
            assert!(
                first[0] != first[1] && first[0] != again[0] && first[0] != other[0],
                "`{nothing}` in files"
            );
            assert!(first[2] == again[2] && first[2] != other[2], "`{nothing}` over HTTP");
        }
        assert_ne!(ids("1,,x", 0)[2], ids("1,,y", 0)[2], "half an identity is none");
        assert_eq!(ids("1,-9,x", 0), ids("1,-9,y", 0), "a mark of one field is none of another's");
    }
}
