//! The headers of a dead letter, written and read.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::Reason;

/// Prefixes of the headers that a dead letter carries beside the record's own.
const PREFIXES: [&str; 2] = ["__connect.errors.", "turnpike."];

/// Header of a good record with the rules that it fails and that only flag: `CODE:rule`, joined by commas.
pub const FLAGS: &str = "turnpike.flags";
/// Header of a record that came as text of a source pipeline: the dialect's name.
pub const DIALECT: &str = "turnpike.dialect";

/// The detail of a dead letter that has none, in JSON.
pub const NO_DETAIL: &str = "null";

/// Header of a dead letter with the context that its record came with (W3C Trace Context); the letter's own is `traceparent`.
pub const TRACEPARENT: &str = "turnpike.traceparent";

/// Whether a header is a mark, [`FLAGS`] or [`DIALECT`]: what the validator found, and nobody else may claim.
pub fn is_mark(name: &str) -> bool {
    name == FLAGS || name == DIALECT
}

/// Whether a header belongs to a dead letter's [`Context`], so that a new one replaces it.
pub fn is_own_header(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !is_mark(name)
}

/// Where a record failed; Kafka Connect's stage names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the key.
    KeyConverter,
    /// Framing, schema and decoding of the value.
    ValueConverter,
    /// The contract's rules, and single message transforms.
    Transformation,
    /// Writing to the store.
    TaskPut,
}

impl Stage {
    const ALL: [Self; 4] = [Self::KeyConverter, Self::ValueConverter, Self::Transformation, Self::TaskPut];

    /// Kafka Connect's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::Transformation => "TRANSFORMATION",
            Self::TaskPut => "TASK_PUT",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who set a record aside, where it stood, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Topic of the failed record.
    pub topic: String,
    /// Partition of the failed record.
    pub partition: i32,
    /// Offset of the failed record.
    pub offset: i64,
    /// Who set it aside: `validator`, or a connector's name.
    pub connector_name: String,
    /// The task of the connector.
    pub task_id: u32,
    /// Where it failed.
    pub stage: Stage,
    /// Class of the error, in Connect's place for a Java class.
    pub exception_class: String,
    /// The error in words.
    pub exception_message: String,
    /// The reason code.
    pub reason: Reason,
    /// The first rule that failed, if a rule did.
    pub rule: Option<String>,
    /// Every failed rule with the values that it saw, or what the store said, as JSON; [`NO_DETAIL`] if there is nothing to say.
    /// Of a letter that somebody else wrote it is what stands there.
    pub detail: String,
    /// Version of the contract that judged.
    pub contract_version: Option<String>,
    /// How often the record has been set aside, from 1.
    pub attempt: u32,
    /// When, in milliseconds since 1970 UTC.
    pub failed_at_ms: i64,
}

/// Why headers are not those of a dead letter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HeaderError {
    /// A header is absent.
    #[error("header `{0}` is missing")]
    Missing(&'static str),
    /// A header's value cannot be read.
    #[error("header `{name}` has the value `{value}`, which cannot be read")]
    Unreadable {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
}

const TOPIC: &str = "__connect.errors.topic";
const PARTITION: &str = "__connect.errors.partition";
const OFFSET: &str = "__connect.errors.offset";
const CONNECTOR_NAME: &str = "__connect.errors.connector.name";
const TASK_ID: &str = "__connect.errors.task.id";
const STAGE: &str = "__connect.errors.stage";
const CLASS_NAME: &str = "__connect.errors.class.name";
const EXCEPTION_CLASS: &str = "__connect.errors.exception.class.name";
const EXCEPTION_MESSAGE: &str = "__connect.errors.exception.message";
const EXCEPTION_STACKTRACE: &str = "__connect.errors.exception.stacktrace";
const REASON: &str = "turnpike.reason";
const RULE: &str = "turnpike.rule";
const DETAIL: &str = "turnpike.detail";
const CONTRACT_VERSION: &str = "turnpike.contract.version";
const ATTEMPT: &str = "turnpike.attempt";
const FAILED_AT: &str = "turnpike.failed_at";

impl Context {
    /// The headers in order: Connect's ten, then ours. All values are UTF-8 text, numbers in decimal (KIP-298).
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let stacktrace = format!("{}: {}", self.exception_class, self.exception_message);
        let [partition, offset] = [self.partition.into(), self.offset].map(number);
        let [task, attempt, failed_at] =
            [self.task_id.into(), self.attempt.into(), self.failed_at_ms].map(number);
        let failed = [
            (TOPIC, self.topic.as_str().into()),
            (PARTITION, partition),
            (OFFSET, offset),
            (CONNECTOR_NAME, self.connector_name.as_str().into()),
            (TASK_ID, task),
            (STAGE, self.stage.name().into()),
            (CLASS_NAME, self.exception_class.as_str().into()),
            (EXCEPTION_CLASS, self.exception_class.as_str().into()),
            (EXCEPTION_MESSAGE, self.exception_message.as_str().into()),
            (EXCEPTION_STACKTRACE, stacktrace.into()),
            (REASON, self.reason.code().into()),
        ];
        let rule = self.rule.as_deref().map(|rule| (RULE, rule.into()));
        let detail = (DETAIL, self.detail.as_str().into());
        let version = self.contract_version.as_deref().map(|version| (CONTRACT_VERSION, version.into()));
        let when = [(ATTEMPT, attempt), (FAILED_AT, failed_at)];
        failed.into_iter().chain(rule).chain([detail]).chain(version).chain(when)
    }

    /// How often a record with these headers has been set aside before; 0 for one that never was.
    pub fn attempts_of<'h>(headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>) -> u32 {
        let attempt = headers.into_iter().find(|(name, _)| *name == ATTEMPT).and_then(|(_, value)| value);
        attempt.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
    }

    /// Reads the headers of a dead letter, ours or Connect's own; what only ours carry is defaulted for Connect's.
    pub fn from_headers<'h>(
        headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Result<Self, HeaderError> {
        let headers: Vec<(&str, String)> = headers
            .into_iter()
            .filter(|(name, _)| is_own_header(name))
            .map(|(name, value)| (name, String::from_utf8_lossy(value.unwrap_or_default()).into_owned()))
            .collect();
        let headers = Headers(headers);
        Ok(Self {
            topic: headers.required(TOPIC)?.to_owned(),
            partition: headers.parsed(PARTITION)?,
            offset: headers.parsed(OFFSET)?,
            connector_name: headers.optional(CONNECTOR_NAME).unwrap_or_default().to_owned(),
            task_id: headers.parsed(TASK_ID).unwrap_or(0),
            stage: headers.stage()?,
            exception_class: headers.optional(EXCEPTION_CLASS).unwrap_or_default().to_owned(),
            exception_message: headers.optional(EXCEPTION_MESSAGE).unwrap_or_default().to_owned(),
            reason: headers.parsed(REASON).unwrap_or(Reason::Unspecified),
            rule: headers.optional(RULE).map(str::to_owned),
            detail: headers.optional(DETAIL).unwrap_or(NO_DETAIL).to_owned(),
            contract_version: headers.optional(CONTRACT_VERSION).map(str::to_owned),
            attempt: headers.parsed(ATTEMPT).unwrap_or(1),
            failed_at_ms: headers.parsed(FAILED_AT).unwrap_or(0),
        })
    }
}

fn number(number: i64) -> Cow<'static, str> {
    number.to_string().into()
}

struct Headers<'h>(Vec<(&'h str, String)>);

impl Headers<'_> {
    /// The last value of a name: a record that was set aside twice by Connect carries two sets, newest last.
    fn optional(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(candidate, _)| *candidate == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &'static str) -> Result<&str, HeaderError> {
        self.optional(name).ok_or(HeaderError::Missing(name))
    }

    fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, HeaderError> {
        let value = self.required(name)?;
        value.parse().map_err(|_| HeaderError::Unreadable { name, value: value.to_owned() })
    }

    fn stage(&self) -> Result<Stage, HeaderError> {
        let value = self.required(STAGE)?;
        let stage = Stage::ALL.into_iter().find(|stage| stage.name() == value);
        stage.ok_or_else(|| HeaderError::Unreadable { name: STAGE, value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Context, HeaderError, NO_DETAIL, Stage};
    use crate::Reason;

    fn example() -> Context {
        Context {
            topic: "toll".into(),
            partition: 2,
            offset: 41,
            connector_name: "validator".into(),
            task_id: 0,
            stage: Stage::Transformation,
            exception_class: "turnpike.contract.RuleFailed".into(),
            exception_message: "lane_in_range: lane is 99".into(),
            reason: Reason::OutOfRange,
            rule: Some("lane_in_range".into()),
            detail: r#"[{"rule":"lane_in_range","values":{"lane":99}}]"#.into(),
            contract_version: Some("1".into()),
            attempt: 1,
            failed_at_ms: 1_790_969_180_000,
        }
    }

    type Header<'h> = (&'h str, Option<&'h [u8]>);

    fn borrowed<'h>(headers: &'h [(&'static str, Cow<'_, str>)]) -> impl Iterator<Item = Header<'h>> {
        headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())))
    }

    /// What is written is read back, and Connect's names come first and in Connect's form.
    #[test]
    fn a_context_survives_its_headers() {
        let example = example();
        let headers: Vec<_> = example.headers().collect();
        assert_eq!(headers[0], ("__connect.errors.topic", "toll".into()));
        assert_eq!(headers[5], ("__connect.errors.stage", "TRANSFORMATION".into()));
        assert_eq!(headers.len(), 16);
        assert_eq!(Context::from_headers(borrowed(&headers)), Ok(example.clone()));
        assert_eq!(Context::attempts_of(borrowed(&headers)), 1);
    }

    /// A dead letter of Kafka Connect itself is understood: its reason is unspecified.
    #[test]
    fn connects_own_dead_letters_are_read() {
        let example = example();
        let connect: Vec<_> = example.headers().filter(|(name, _)| name.starts_with("__connect")).collect();
        let context = Context::from_headers(borrowed(&connect)).expect("readable");
        assert_eq!((context.reason, context.offset, context.attempt), (Reason::Unspecified, 41, 1));
        assert_eq!(context.detail, NO_DETAIL);
    }

    /// Headers of something else are refused with the name of what is missing.
    #[test]
    fn other_headers_are_refused() {
        let none: [(&str, Option<&[u8]>); 1] = [("traceparent", Some(b"00-0-0-00"))];
        assert_eq!(Context::from_headers(none), Err(HeaderError::Missing("__connect.errors.topic")));
    }
}
