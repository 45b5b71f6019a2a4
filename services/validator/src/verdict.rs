//! What can be said of a record.

use dead_letter::{Reason, Stage};
use dialects::{Dialect, Fault};
use serde_json::{Value as Json, json};

/// What one record is worth. What is not the usual case is boxed: a batch holds thousands of the usual one.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It goes on as it is.
    Valid,
    /// It goes on with something said of it.
    Marked(Box<Marks>),
    /// It is set aside.
    Refused(Box<Refusal>),
}

/// What is said of a good record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The rules that it fails and that do not refuse: `CODE:rule`, joined by commas.
    pub flags: Option<String>,
    /// What goes on in place of the text that came.
    pub normalised: Option<Normalised>,
}

/// Text of a source pipeline as our Avro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// What kind of text it was.
    pub dialect: Dialect,
    /// The framed Avro.
    pub value: Vec<u8>,
}

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The first reason.
    pub reason: Reason,
    /// Where it failed.
    pub stage: Stage,
    /// The first failed rule, if it was a rule.
    pub rule: Option<String>,
    /// One sentence for people.
    pub message: String,
    /// Everything that was found, with the values seen, as JSON.
    pub detail: String,
    /// Code and name of each rule that it fails, in the contract's order.
    pub failed_rules: Vec<(Reason, String)>,
    /// What kind of text it is, if it is not Avro.
    pub dialect: Option<Dialect>,
}

impl Verdict {
    /// Whether the record goes on.
    pub fn is_valid(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// In one word, as spans have it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Marked(marks) if marks.flags.is_some() => "flagged",
            Self::Valid | Self::Marked(_) => "valid",
            Self::Refused(_) => "refused",
        }
    }

    /// What goes on in place of the text that came.
    pub(crate) fn normalised(&self) -> Option<&Normalised> {
        match self {
            Self::Marked(marks) => marks.normalised.as_ref(),
            Self::Valid | Self::Refused(_) => None,
        }
    }

    /// What kind of text the record came as, if it is not Avro.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        match self {
            Self::Refused(refusal) => refusal.dialect,
            Self::Valid | Self::Marked(_) => self.normalised().map(|normalised| normalised.dialect),
        }
    }

    /// The record came as text, and is judged by the Avro that it became.
    pub(crate) fn of_text(self, dialect: Dialect, value: Vec<u8>) -> Self {
        let normalised = Some(Normalised { dialect, value });
        match self {
            Self::Valid => Self::Marked(Box::new(Marks { flags: None, normalised })),
            Self::Marked(marks) => Self::Marked(Box::new(Marks { normalised, ..*marks })),
            Self::Refused(refusal) => Self::Refused(Box::new(Refusal { dialect: Some(dialect), ..*refusal })),
        }
    }
}

impl Refusal {
    /// The value cannot be read.
    pub(crate) fn of_value(reason: Reason, message: String, seen: &Json) -> Self {
        let detail = json!([{ "code": reason.code(), "message": message, "values": seen }]).to_string();
        let (stage, failed_rules) = (Stage::ValueConverter, Vec::new());
        Self { reason, stage, rule: None, message, detail, failed_rules, dialect: None }
    }

    /// The text of a dialect cannot be read.
    pub(crate) fn of_text(dialect: Dialect, fault: Fault) -> Self {
        let mut seen = serde_json::Map::new();
        seen.insert(fault.field.unwrap_or("record").to_owned(), fault.seen);
        Self { dialect: Some(dialect), ..Self::of_value(fault.reason, fault.message, &Json::Object(seen)) }
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
