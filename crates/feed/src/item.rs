//! One record of a source: a row of a table, or a JSON value.

use std::borrow::Cow;

use csv::ByteRecord;
use serde_json::Value as Json;

/// The columns of a table, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns(Vec<String>);

impl Columns {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// The names of a heading row, without white space around them.
    pub(crate) fn of_heading(heading: &ByteRecord) -> Self {
        Self(heading.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Their names in order.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|candidate| candidate == name)
    }
}

/// One record of a source, before it is mapped.
#[derive(Debug)]
pub(crate) enum Item<'r> {
    /// A row of a table.
    Row(&'r Columns, &'r ByteRecord),
    /// A JSON value.
    Json(Json),
}

/// What stands in one place of an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cell<'r> {
    /// Nothing: no such member, or null.
    Absent,
    /// A text, or a number or a boolean as it is written.
    Text(Cow<'r, str>),
    /// Something that is no single value, by name.
    Odd(&'static str),
}

impl Item<'_> {
    /// What stands in a column of the row, or at a JSON pointer (RFC 6901).
    pub(crate) fn cell(&self, place: &str) -> Cell<'_> {
        match self {
            Self::Row(columns, row) => match columns.index_of(place).and_then(|index| row.get(index)) {
                None => Cell::Absent,
                Some(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) => Cell::Text(Cow::Borrowed(text)),
                    Err(_) => Cell::Odd("bytes that are not UTF-8"),
                },
            },
            Self::Json(json) => match json.pointer(place) {
                None | Some(Json::Null) => Cell::Absent,
                Some(Json::String(text)) => Cell::Text(Cow::Borrowed(text)),
                Some(Json::Number(number)) => Cell::Text(Cow::Owned(number.to_string())),
                Some(Json::Bool(true)) => Cell::Text(Cow::Borrowed("true")),
                Some(Json::Bool(false)) => Cell::Text(Cow::Borrowed("false")),
                Some(Json::Array(_)) => Cell::Odd("a list"),
                Some(Json::Object(_)) => Cell::Odd("an object"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Rows are read by column, and a row that is too short lacks its last cells.
    #[test]
    fn cells_of_a_row() {
        let columns = Columns::of_heading(&ByteRecord::from(vec![" t", "u", "vv "]));
        let row = ByteRecord::from(vec![&b"281.15"[..], &[0xff]]);
        let item = Item::Row(&columns, &row);
        assert_eq!(item.cell("t"), Cell::Text("281.15".into()));
        assert_eq!(item.cell("u"), Cell::Odd("bytes that are not UTF-8"));
        assert_eq!(item.cell("vv"), Cell::Absent);
        assert_eq!(item.cell("pmer"), Cell::Absent);
    }

    /// JSON is read by pointer; a number keeps its digits, and null is nothing.
    #[test]
    fn cells_of_json() {
        let item = Item::Json(json!({ "a": { "b": [1.50, "x", null, true] } }));
        assert_eq!(item.cell("/a/b/0"), Cell::Text("1.5".into()));
        assert_eq!(item.cell("/a/b/1"), Cell::Text("x".into()));
        assert_eq!(item.cell("/a/b/2"), Cell::Absent);
        assert_eq!(item.cell("/a/b/3"), Cell::Text("true".into()));
        assert_eq!(item.cell("/a/b"), Cell::Odd("a list"));
        assert_eq!(item.cell("/a"), Cell::Odd("an object"));
        assert_eq!(item.cell("/c"), Cell::Absent);
    }
}
