//! Why one record cannot become a row, in the words that its dead letter will carry.

use dead_letter::{Reason, Stage};
use serde_json::{Value as Json, json};

/// Why a record can never become a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rejection {
    /// Where it failed.
    pub(crate) stage: Stage,
    /// The reason code.
    pub(crate) reason: Reason,
    /// The kind of error, in the place where Connect names a Java class.
    pub(crate) class: &'static str,
    /// The error in words.
    pub(crate) message: String,
    /// The facts, for queries.
    pub(crate) detail: Json,
}

impl Rejection {
    /// The value is not what its framing or its schema says.
    pub(crate) fn of_value(reason: Reason, message: String) -> Self {
        let (stage, class) = (Stage::ValueConverter, "turnpike.writer.ValueNotReadable");
        Self { stage, reason, class, message, detail: Json::Null }
    }

    /// A transform cannot make of the record what it should.
    pub(crate) fn of_transform(reason: Reason, message: String) -> Self {
        let (stage, class) = (Stage::Transformation, "turnpike.writer.NotTransformed");
        Self { stage, reason, class, message, detail: Json::Null }
    }

    /// A field has no form that its column could take.
    pub(crate) fn of_column(reason: Reason, column: &str, message: String) -> Self {
        let (stage, class) = (Stage::TaskPut, "turnpike.writer.ColumnNotFilled");
        Self { stage, reason, class, message, detail: json!({ "column": column }) }
    }

    /// The database refused the row.
    pub(crate) fn of_row(reason: Reason, errno: u16, sql_state: &str, message: String) -> Self {
        let (stage, class) = (Stage::TaskPut, "turnpike.writer.RowRefused");
        let detail = json!({ "errno": errno, "sqlstate": sql_state });
        Self { stage, reason, class, message, detail }
    }

    /// The database's error number, if it was the database that refused.
    pub(crate) fn errno(&self) -> Option<u64> {
        self.detail.get("errno")?.as_u64()
    }
}
