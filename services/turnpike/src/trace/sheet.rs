//! Records and dead letters as a passport shows them.

use dead_letter::{Context, DIALECT, FLAGS};
use serde::Serialize;
use serde_json::Value as Json;
use service::Error;

use super::{
    Sources,
    entry::Entry,
    name::Place,
    schemas::Named,
    tables::LetterRow,
    transaction::{self, Transaction, VALIDATOR},
};
use crate::tail::{Content, hex, plain_text, text, time};

/// A record.
#[derive(Debug, Serialize)]
pub(crate) struct Sheet {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) timestamp: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) value_bytes: Option<usize>,
    pub(crate) schema: Option<Named>,
    pub(crate) dialect: Option<String>,
    pub(crate) flags: Option<String>,
    pub(crate) headers: Vec<(String, Option<String>)>,
    /// Of a forwarded record: whether its value and key are those that were sent, as all but text is.
    #[serde(skip)]
    pub(crate) is_repeated: bool,
    /// Of a forwarded record: with which others it was committed.
    pub(crate) transaction: Option<Transaction>,
    #[serde(flatten)]
    pub(crate) content: Content,
}

/// A dead letter.
#[derive(Debug, Serialize)]
pub(crate) struct Letter {
    #[serde(flatten)]
    pub(crate) place: Place,
    #[serde(flatten)]
    pub(crate) cause: Option<Cause>,
    /// With which others it was committed, if in a transaction.
    pub(crate) transaction: Option<Transaction>,
    /// Its row in `turnpike.dead_letters`.
    pub(crate) row: Option<LetterRow>,
}

/// Why a record was set aside.
#[derive(Debug, Serialize)]
pub(crate) struct Cause {
    pub(crate) of: Place,
    pub(crate) reason: &'static str,
    /// The page that explains the reason.
    pub(crate) page: String,
    pub(crate) rule: Option<String>,
    pub(crate) message: String,
    pub(crate) detail: Json,
    pub(crate) stage: &'static str,
    pub(crate) set_aside_by: String,
    pub(crate) contract_version: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) failed_at: Option<String>,
}

impl Sheet {
    /// What is shown of a record.
    pub(crate) fn of(entry: &Entry, is_forwarded: bool, sources: &Sources<'_>) -> Result<Self, Error> {
        let value = entry.value.as_deref();
        let id = value.and_then(|value| schema_registry::split(value, entry.headers()).ok());
        let dialect = entry.header(DIALECT).map(str::to_owned);
        let recognised = || sources.streams.dialect(entry).map(|dialect| dialect.name().to_owned());
        let transaction = if is_forwarded { transaction::around(&sources.log, &entry.place)? } else { None };
        Ok(Self {
            place: entry.place.clone(),
            timestamp: Some(entry.timestamp_ms).filter(|ms| *ms > 0).map(time),
            key: entry.key.as_deref().map(text),
            value_bytes: value.map(<[u8]>::len),
            schema: id.map(|(id, _)| sources.schemas.named(id)),
            dialect: dialect.or_else(recognised),
            flags: entry.header(FLAGS).map(str::to_owned),
            headers: entry.headers().map(|(name, value)| (name.to_owned(), value.map(text))).collect(),
            is_repeated: false,
            transaction,
            content: content(entry, id.is_some(), sources),
        })
    }
}

/// Text as it came, fields where the schema can be had, else bytes and why.
fn content(entry: &Entry, is_framed: bool, sources: &Sources<'_>) -> Content {
    let Some(value) = entry.value.as_deref() else { return Content::Decoded { value: None } };
    if let Some(text) = plain_text(value).filter(|_| !is_framed) {
        return Content::Text { value_text: text.to_owned() };
    }
    match sources.streams.decode(entry, &sources.schemas) {
        Ok(decoded) => Content::Decoded { value: Some(decoded.fields) },
        Err(not_decoded) => Content::Raw { value_hex: hex(value), not_decoded },
    }
}

impl Letter {
    /// What is shown of a dead letter.
    pub(crate) fn of(entry: &Entry, sources: &Sources<'_>) -> Result<Self, Error> {
        let cause = Context::from_headers(entry.headers()).ok().map(Cause::from);
        let row = cause.as_ref().and_then(|cause| {
            let mut stored = sources.tables.letters(&cause.of).into_iter();
            stored.rfind(|row| row.connector == cause.set_aside_by)
        });
        let is_in_transaction = cause.as_ref().is_some_and(|cause| cause.set_aside_by == VALIDATOR);
        let transaction =
            if is_in_transaction { transaction::around(&sources.log, &entry.place)? } else { None };
        Ok(Self { place: entry.place.clone(), cause, transaction, row })
    }
}

impl From<Context> for Cause {
    fn from(letter: Context) -> Self {
        Self {
            of: Place::of(&letter.topic, letter.partition, letter.offset),
            reason: letter.reason.code(),
            page: format!("docs/reasons/{}.md", letter.reason),
            rule: letter.rule,
            message: letter.exception_message,
            detail: serde_json::from_str(&letter.detail).unwrap_or_default(),
            stage: letter.stage.name(),
            set_aside_by: letter.connector_name,
            contract_version: letter.contract_version,
            attempt: letter.attempt,
            failed_at: Some(letter.failed_at_ms).filter(|ms| *ms > 0).map(time),
        }
    }
}
