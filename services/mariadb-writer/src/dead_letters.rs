//! Dead letters as rows of `turnpike.dead_letters`: raw bytes, coordinates, reason and headers.
//!
//! There is no topic for dead letters of dead letters, so every record of such a topic is made to fit: what is not said
//! by its headers is said to be unknown, and text that is too long for its column is cut. Key and value are never touched.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use dead_letter::{Context, NO_DETAIL, Reason};
use kafka::Record;
use serde_json::{Value as Json, json};
use service::Error;
use sqlx::mysql::MySqlArguments;

use crate::{
    cell::{Cell, bind, date_time},
    connector::{Connector, InsertMode},
    statement::Statements,
    table::Table,
};

/// How dead letters become rows.
#[derive(Debug)]
pub(crate) struct DeadLetterRows {
    statements: Arc<Statements>,
    texts: [TextColumn; TEXT_COLUMNS.len()],
}

/// What a column of text can take.
#[derive(Debug, Clone, Copy)]
struct TextColumn {
    characters_max: usize,
    ascii: bool,
}

const COLUMNS: [&str; 17] = [
    "topic",
    "connector",
    "stage",
    "reason",
    "dlq_topic",
    "rule",
    "detail",
    "headers",
    "partition_number",
    "record_offset",
    "record_key",
    "record_value",
    "record_timestamp",
    "failed_at",
    "attempt",
    "dlq_partition",
    "dlq_offset",
];
/// The first of [`COLUMNS`], in their order.
const TEXT_COLUMNS: [&str; 8] =
    ["topic", "connector", "stage", "reason", "dlq_topic", "rule", "detail", "headers"];
/// A record may fail in more than one connector, and be read again after a crash: one row each.
const KEY: [&str; 4] = ["topic", "partition_number", "record_offset", "connector"];
/// Where a dead letter does not say who set it aside.
const UNKNOWN: &str = "unknown";

impl DeadLetterRows {
    /// Rows of `table`, which must have all columns of `turnpike.dead_letters`.
    pub(crate) fn new(connector: &Connector, table: &Table) -> Result<Self, Error> {
        let refused = |what: &str, column: &str, allowed: &str| {
            let key = format!("connector {}: {what}", connector.name);
            Err(Error::config(key, format!("{}.{column}", table.name), allowed))
        };
        let columns = COLUMNS.map(str::to_owned).to_vec();
        if let Some(missing) = columns.iter().find(|name| table.column(name).is_none()) {
            return refused("column", missing, "a column that exists: create the table as init.sql has it");
        }
        if let Some(column) = table.unsupplied(&columns).first() {
            return refused("column without a value", column, "a column that has a default or takes NULL");
        }
        let key = KEY.map(str::to_owned);
        if !table.is_unique(&key) {
            return refused(
                "unique key",
                &KEY.join(", "),
                "a unique key over these columns, as init.sql has it",
            );
        }
        let texts = TEXT_COLUMNS.map(|name| {
            let column = table.column(name);
            let characters_max = column.and_then(|column| column.length_max).unwrap_or(0) as usize;
            TextColumn { characters_max, ascii: column.is_some_and(|column| column.ascii) }
        });
        Ok(Self {
            statements: Arc::new(Statements::new(&table.name, columns, InsertMode::Upsert, &key)),
            texts,
        })
    }

    /// The statements that the rows go into.
    pub(crate) fn statements(&self) -> &Arc<Statements> {
        &self.statements
    }

    /// Binds a dead letter's values to the next placeholders.
    pub(crate) fn bind(&self, record: &Record<'_>, arguments: &mut MySqlArguments) {
        let letter = Letter::new(record);
        let context = &letter.context;
        let texts = [
            Some(context.topic.as_str()),
            Some(context.connector_name.as_str()),
            Some(letter.stage),
            Some(context.reason.code()),
            Some(record.topic()),
            context.rule.as_deref(),
            Some(letter.detail.as_str()),
            Some(letter.headers.as_str()),
        ];
        for (text, column) in texts.into_iter().zip(self.texts) {
            let text = text.map(|text| column.fit(text));
            let cell = text.as_deref().map_or(Cell::Null, Cell::Text);
            if column.ascii { cell.of_ascii() } else { cell }.bind(arguments);
        }
        bind(arguments, context.partition);
        bind(arguments, context.offset);
        bind(arguments, record.key());
        bind(arguments, record.value());
        bind(arguments, letter.timestamp);
        bind(arguments, letter.failed_at);
        bind(arguments, i32::try_from(context.attempt).unwrap_or(i32::MAX));
        bind(arguments, record.partition());
        bind(arguments, record.offset());
    }
}

/// What a record on a dead-letter topic says about itself.
struct Letter {
    context: Context,
    stage: &'static str,
    detail: String,
    headers: String,
    timestamp: Option<NaiveDateTime>,
    failed_at: NaiveDateTime,
}

impl Letter {
    fn new(record: &Record<'_>) -> Self {
        let timestamp_ms = record.timestamp_ms();
        let (mut context, stage) = match Context::from_headers(record.headers()) {
            Ok(context) => {
                let stage = context.stage.name();
                (context, stage)
            }
            // Its own coordinates are the only ones that it has.
            Err(error) => (unexplained(record, &error.to_string()), "UNKNOWN"),
        };
        if context.connector_name.is_empty() {
            UNKNOWN.clone_into(&mut context.connector_name);
        }
        let detail = serde_json::from_str::<Json>(&context.detail).ok().filter(|detail| !detail.is_null());
        let detail = detail.unwrap_or_else(|| json!(context.exception_message));
        let failed_at = day_and_time(context.failed_at_ms).or_else(|| day_and_time(timestamp_ms));
        Self {
            stage,
            detail: detail.to_string(),
            headers: headers_json(record).to_string(),
            timestamp: day_and_time(timestamp_ms),
            failed_at: failed_at.unwrap_or(DateTime::UNIX_EPOCH.naive_utc()),
            context,
        }
    }
}

fn unexplained(record: &Record<'_>, why: &str) -> Context {
    Context {
        topic: record.topic().to_owned(),
        partition: record.partition(),
        offset: record.offset(),
        connector_name: UNKNOWN.to_owned(),
        task_id: 0,
        stage: dead_letter::Stage::TaskPut,
        exception_class: String::new(),
        exception_message: why.to_owned(),
        reason: Reason::Unspecified,
        rule: None,
        detail: NO_DETAIL.to_owned(),
        contract_version: None,
        attempt: 1,
        failed_at_ms: 0,
    }
}

/// All headers in order, as `[name, value]` each: a name may occur twice. Values that are no text are hexadecimal.
fn headers_json(record: &Record<'_>) -> Json {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": hex(bytes) }),
    };
    record.headers().map(|(name, bytes)| json!([name, bytes.map(value)])).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A time that a DATETIME column surely takes; `None` for times that were not set.
fn day_and_time(ms: i64) -> Option<NaiveDateTime> {
    use chrono::Datelike as _;
    (ms > 0)
        .then(|| date_time(DateTime::from_timestamp_millis(ms)))
        .flatten()
        .filter(|moment| moment.year() >= 1_970)
}

impl TextColumn {
    /// The text as the column takes it: cut if it is too long, `?` for what is not ASCII where only that is taken.
    fn fit(self, text: &str) -> std::borrow::Cow<'_, str> {
        let short = text.len() <= self.characters_max;
        if short && (!self.ascii || text.is_ascii()) {
            return text.into();
        }
        let characters = text.chars().take(self.characters_max);
        characters
            .map(|character| if self.ascii && !character.is_ascii() { '?' } else { character })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, TEXT_COLUMNS, TextColumn, day_and_time, hex};

    /// Whatever somebody else writes into a header can be stored.
    #[test]
    fn text_is_made_to_fit() {
        let ascii = TextColumn { characters_max: 4, ascii: true };
        assert_eq!(ascii.fit("Zürich"), "Z?ri");
        let wide = TextColumn { characters_max: 4, ascii: false };
        assert_eq!((wide.fit("Zürich"), wide.fit("ok")), ("Züri".into(), "ok".into()));
    }

    /// The bound values stand in the order of the columns.
    #[test]
    fn text_columns_come_first() {
        assert_eq!(COLUMNS[..TEXT_COLUMNS.len()], TEXT_COLUMNS);
    }

    /// Bytes and times that say nothing are told as such.
    #[test]
    fn odd_values_have_a_form() {
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
        assert_eq!((day_and_time(0), day_and_time(-1), day_and_time(i64::MAX)), (None, None, None));
        assert!(day_and_time(1_790_969_180_123).is_some());
    }
}
