//! From a record to what is shown of it: decoded if its schema can be had, else its bytes and why.

use std::time::{Duration, Instant};

use contract::field_json;
use dead_letter::{Context, DIALECT, FLAGS};
use events::Shape;
use kafka::Record;
use schema_registry::{Class, Registry};
use service::{Error, cause_chain, clock};

use super::{
    DLQ,
    shown::{Content, Fields, Letter, Shown, time},
};
use crate::{output::warn, shell::Shell};

/// How long the registry is left alone after it did not answer, so that records are shown meanwhile.
const REGISTRY_PAUSE: Duration = Duration::from_secs(10);

/// Decodes records with the registry's schemas.
#[derive(Debug)]
pub(crate) struct Decoder {
    registry: Registry,
    /// When the registry was found away, and what it was.
    away: Option<(Instant, String)>,
}

impl Decoder {
    /// Nothing is asked yet.
    pub(crate) fn new(options: &schema_registry::Options) -> Result<Self, Error> {
        let registry = Registry::new(options).map_err(|error| {
            let key = "--schema-registry-url (TURNPIKE_SCHEMA_REGISTRY_URL)";
            Error::config(key, &options.schema_registry_url, format!("the URL of a registry ({error})"))
        })?;
        Ok(Self { registry, away: None })
    }

    /// What is shown of a record.
    pub(crate) fn show(&mut self, record: &Record<'_>, shell: &Shell) -> Shown {
        let is_dead = record.topic().ends_with(DLQ);
        Shown {
            topic: record.topic().to_owned(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp: Some(record.timestamp_ms()).filter(|ms| *ms > 0).map(time),
            key: record.key().map(text),
            flags: mark(record, FLAGS),
            dialect: mark(record, DIALECT),
            dead_letter: is_dead.then(|| Letter::from(Context::from_headers(record.headers()))),
            content: self.content(record, shell),
        }
    }

    fn content(&mut self, record: &Record<'_>, shell: &Shell) -> Content {
        let Some(value) = record.value() else { return Content::Decoded { value: None } };
        let decoded = match schema_registry::split(value, record.headers()) {
            Err(not_framed) => match plain_text(value) {
                Some(text) => return Content::Text { value_text: text.to_owned() },
                None => Err(not_framed.to_string()),
            },
            Ok((id, avro)) => self.shape(id, shell).and_then(|shape| fields(&shape, avro)),
        };
        match decoded {
            Ok(fields) => Content::Decoded { value: Some(fields) },
            Err(why) => Content::Raw { value_hex: hex(value), not_decoded: why },
        }
    }

    fn shape(
        &mut self,
        id: schema_registry::SchemaId,
        shell: &Shell,
    ) -> Result<std::sync::Arc<Shape>, String> {
        if let Some((since, why)) = &self.away
            && since.elapsed() < REGISTRY_PAUSE
        {
            return Err(why.clone());
        }
        let asked = shell.wait(self.registry.shape(id));
        asked.inspect(|_| self.away = None).map_err(|error| {
            let why = cause_chain(&error);
            if error.class() == Class::Infrastructure {
                if self.away.is_none() {
                    warn(format!("{why}; values are shown as bytes until it answers"));
                }
                self.away = Some((clock::instant(), why.clone()));
            }
            why
        })
    }
}

/// A mark that the validator has set.
fn mark(record: &Record<'_>, name: &str) -> Option<String> {
    let mut marks = record.headers().filter(|(header, _)| *header == name);
    marks.next().and_then(|(_, value)| value).map(text)
}

/// The value, if it is nothing but text, as the records of the source pipelines are.
pub(crate) fn plain_text(value: &[u8]) -> Option<&str> {
    let is_text = |symbol: char| !symbol.is_control() || symbol.is_whitespace();
    std::str::from_utf8(value).ok().filter(|text| !text.is_empty() && text.chars().all(is_text))
}

/// The fields of a record in the order of its schema.
fn fields(shape: &Shape, avro: &[u8]) -> Result<Fields, String> {
    let mut values = Vec::new();
    shape.decode(avro, &mut values).map_err(|error| error.to_string())?;
    let fields = shape.fields().iter().zip(&values);
    Ok(Fields(fields.map(|(field, value)| (field.name.clone(), field_json(field, value))).collect()))
}

/// Keys are text here; other bytes are shown as such.
pub(crate) fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("0x{}", hex(bytes)), str::to_owned)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        text.extend([byte >> 4, byte & 0xf].map(|nibble| char::from_digit(nibble.into(), 16).unwrap_or('?')));
        text
    })
}

#[cfg(test)]
mod tests {
    use events::{Shape, TollPassage};

    use super::{fields, hex, plain_text, text};

    const PASSAGE: &str = include_str!("../../../../schemas/golden/toll_passage.v2.hex");

    fn golden() -> Vec<u8> {
        let digits: Vec<u8> = PASSAGE.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("a byte")).collect()
    }

    /// Fields come in the schema's order, decimals and times as people write them; a byte too many is told.
    #[test]
    fn a_passage_is_decoded() {
        let shape = Shape::parse(TollPassage::SCHEMA).expect("the shipped schema");
        let mut avro = golden();
        let decoded = fields(&shape, &avro).expect("a passage");
        let names: Vec<&str> = decoded.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names[0], names[6], names[8]), ("event_id", "amount", "occurred_at"));
        assert!(decoded.0[8].1.as_str().expect("a time").ends_with('Z'));
        avro.push(0);
        assert!(fields(&shape, &avro).expect_err("one byte too many").contains("byte"));
    }

    /// A line or an object of a source pipeline is text; framed Avro and noise are not.
    #[test]
    fn text_is_recognised() {
        assert_eq!(plain_text(b"a,1\r\n"), Some("a,1\r\n"));
        assert_eq!(plain_text("{\"temp\u{e9}rature\": 3}".as_bytes()), Some("{\"temp\u{e9}rature\": 3}"));
        assert_eq!(plain_text(&[0, 0, 0, 0, 1, 72]), None);
        assert_eq!(plain_text(&[0xff, 0x41]), None);
    }

    /// Text stays text, other bytes become digits.
    #[test]
    fn keys_are_shown() {
        assert_eq!(text("A7".as_bytes()), "A7");
        assert_eq!(text(&[0xff, 0x0a]), "0xff0a");
        assert_eq!(hex(&[0, 0x1f]), "001f");
    }
}
