//! A record as it is printed, as text for people or as JSON for machines.

use std::fmt;

use chrono::{DateTime, SecondsFormat};
use dead_letter::{Context, HeaderError};
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use service::Error;

/// What is shown of a record.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// `None` if the record does not say.
    pub(crate) timestamp: Option<String>,
    pub(crate) key: Option<String>,
    /// What the validator found odd about a good record: `CODE:rule`, with commas between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flags: Option<String>,
    /// The source pipeline's form that it came in, if it was not Avro.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dialect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter: Option<Letter>,
    #[serde(flatten)]
    pub(crate) content: Content,
}

/// The value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Content {
    /// It was decoded, or there is none.
    Decoded { value: Option<Fields> },
    /// It is text, in a form of its own.
    Text { value_text: String },
    /// It could not be decoded, and why.
    Raw { value_hex: String, not_decoded: String },
}

/// The fields of a record in the order of its schema.
#[derive(Debug)]
pub(crate) struct Fields(pub(crate) Vec<(String, Json)>);

/// Why a record was set aside, and where it came from.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Letter {
    /// As its headers say.
    Known(Cause),
    /// Its headers are not those of a dead letter.
    Unknown { unreadable: String },
}

/// The part of a dead letter's headers that people want to see.
#[derive(Debug, Serialize)]
pub(crate) struct Cause {
    reason: &'static str,
    rule: Option<String>,
    message: String,
    set_aside_by: String,
    stage: &'static str,
    attempt: u32,
    topic: String,
    partition: i32,
    offset: i64,
    detail: Json,
}

impl From<Result<Context, HeaderError>> for Letter {
    fn from(headers: Result<Context, HeaderError>) -> Self {
        match headers {
            Err(error) => Self::Unknown { unreadable: error.to_string() },
            Ok(context) => Self::Known(Cause {
                reason: context.reason.code(),
                rule: context.rule,
                message: context.exception_message,
                set_aside_by: context.connector_name,
                stage: context.stage.name(),
                attempt: context.attempt,
                topic: context.topic,
                partition: context.partition,
                offset: context.offset,
                detail: serde_json::from_str(&context.detail).unwrap_or_default(),
            }),
        }
    }
}

impl Shown {
    /// One line of JSON.
    pub(crate) fn json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(Error::failed)
    }
}

/// `toll.valid[2]@41 2026-10-02T19:26:20.123Z key=… {…}`
impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, offset, .. } = self;
        let time = self.timestamp.as_deref().unwrap_or("-");
        let key = self.key.as_deref().map_or_else(|| "null".to_owned(), word);
        write!(f, "{topic}[{partition}]@{offset} {time} key={key} ")?;
        for (name, mark) in [("dialect", &self.dialect), ("flags", &self.flags)] {
            if let Some(mark) = mark {
                write!(f, "{name}={} ", word(mark))?;
            }
        }
        match &self.dead_letter {
            Some(Letter::Known(cause)) => write!(f, "{cause} ")?,
            Some(Letter::Unknown { unreadable }) => write!(f, "({unreadable}) ")?,
            None => {}
        }
        match &self.content {
            Content::Decoded { value: None } => f.write_str("null"),
            Content::Decoded { value: Some(fields) } => {
                f.write_str(&serde_json::to_string(fields).map_err(|_| fmt::Error)?)
            }
            Content::Text { value_text } => write!(f, "{}", Json::from(value_text.as_str())),
            Content::Raw { value_hex, not_decoded } => write!(f, "0x{value_hex} ({not_decoded})"),
        }
    }
}

/// `OUT_OF_RANGE "lane_in_range: lane is 99" of toll[2]@41, set aside by validator`, and the rule if there is one.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, message, topic, partition, offset, set_aside_by, .. } = self;
        f.write_str(reason)?;
        if let Some(rule) = &self.rule {
            write!(f, " rule={rule}")?;
        }
        write!(
            f,
            " {} of {topic}[{partition}]@{offset}, set aside by {set_aside_by}",
            Json::from(message.as_str())
        )?;
        match self.attempt {
            1 => Ok(()),
            attempt => write!(f, " (attempt {attempt})"),
        }
    }
}

impl Fields {
    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A record's time in RFC 3339.
pub(crate) fn time(timestamp_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(timestamp_ms);
    time.map_or_else(|| timestamp_ms.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The text itself, or in quotes if it could be taken for something else or would disturb the terminal.
fn word(text: &str) -> String {
    let is_plain = |symbol: char| !symbol.is_control() && !symbol.is_whitespace();
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use dead_letter::{Context, Reason, Stage};
    use serde_json::json;

    use super::{Content, Fields, Letter, Shown, time};

    fn shown(key: Option<&str>, content: Content) -> Shown {
        Shown {
            topic: "toll.valid".to_owned(),
            partition: 2,
            offset: 41,
            timestamp: Some(time(1_790_969_180_123)),
            key: key.map(str::to_owned),
            flags: None,
            dialect: None,
            dead_letter: None,
            content,
        }
    }

    fn decoded() -> Content {
        Content::Decoded {
            value: Some(Fields(vec![("lane".into(), json!(7)), ("amount".into(), json!("5.20"))])),
        }
    }

    fn letter() -> Letter {
        Letter::from(Ok(Context {
            topic: "toll".into(),
            partition: 2,
            offset: 40,
            connector_name: "validator".into(),
            task_id: 0,
            stage: Stage::Transformation,
            exception_class: "turnpike.OUT_OF_RANGE".into(),
            exception_message: "lane_in_range: lane is 99".into(),
            reason: Reason::OutOfRange,
            rule: Some("lane_in_range".into()),
            detail: "[]".into(),
            contract_version: None,
            attempt: 1,
            failed_at_ms: 0,
        }))
    }

    /// Coordinates, time, key, then the fields in their own order.
    #[test]
    fn a_record_is_one_line() {
        assert_eq!(
            shown(Some("a-7"), decoded()).to_string(),
            r#"toll.valid[2]@41 2026-10-02T19:26:20.123Z key=a-7 {"lane":7,"amount":"5.20"}"#
        );
        let empty = Shown { timestamp: None, ..shown(None, Content::Decoded { value: None }) };
        assert_eq!(empty.to_string(), "toll.valid[2]@41 - key=null null");
        let odd = shown(Some("a\n b"), Content::Raw { value_hex: "ff00".into(), not_decoded: "why".into() });
        assert_eq!(odd.to_string(), r#"toll.valid[2]@41 2026-10-02T19:26:20.123Z key="a\n b" 0xff00 (why)"#);
    }

    /// Marks come before the value, and text that is no Avro is shown as text.
    #[test]
    fn marks_and_text_are_shown() {
        let line = Content::Text { value_text: "Fri Oct  2 19:26:20 2026,17,car,4004".into() };
        let flags = Some("IMPLAUSIBLE_TIME:occurred_at_recent".to_owned());
        let shown = Shown { dialect: Some("ibm".to_owned()), flags, ..shown(None, line) };
        assert_eq!(
            shown.to_string(),
            "toll.valid[2]@41 2026-10-02T19:26:20.123Z key=null dialect=ibm flags=IMPLAUSIBLE_TIME:occurred_at_recent \
             \"Fri Oct  2 19:26:20 2026,17,car,4004\""
        );
    }

    /// A dead letter tells its reason and where the record came from, before the value.
    #[test]
    fn a_dead_letter_tells_why() {
        let shown = Shown { dead_letter: Some(letter()), ..shown(Some("a"), decoded()) };
        assert!(shown.to_string().contains(
            r#"key=a OUT_OF_RANGE rule=lane_in_range "lane_in_range: lane is 99" of toll[2]@40, set aside by validator {"#
        ));
        let foreign = Letter::from(Context::from_headers([]));
        let shown = Shown { dead_letter: Some(foreign), ..shown };
        assert!(shown.to_string().contains("(header `__connect.errors.topic` is missing) {"));
    }

    /// JSON has the value under `value`, or its bytes under `value_hex` with the reason.
    #[test]
    fn json_has_the_same() {
        let text = shown(None, decoded()).json().expect("JSON");
        assert!(text.ends_with(r#""key":null,"value":{"lane":7,"amount":"5.20"}}"#), "{text}");
        let raw = Content::Raw { value_hex: "ff".into(), not_decoded: "why".into() };
        let shown = Shown { dead_letter: Some(letter()), ..shown(Some("a"), raw) };
        let json: serde_json::Value = serde_json::from_str(&shown.json().expect("JSON")).expect("parses");
        assert_eq!((&json["value_hex"], &json["not_decoded"]), (&json!("ff"), &json!("why")));
        assert_eq!(
            (&json["dead_letter"]["reason"], &json["dead_letter"]["offset"]),
            (&json!("OUT_OF_RANGE"), &json!(40))
        );
        assert_eq!(json["timestamp"], "2026-10-02T19:26:20.123Z");
    }
}
