//! The mapping file as it is written: JSON without unknown members.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Value as Json, value::RawValue};

use super::suggest;

/// What is wrong with a mapping file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}, {path} = \"{found}\" is not allowed; allowed: {allowed}")]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The member, such as `fields.temperature_c.unit`; a point stands for the whole.
    pub path: String,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
}

/// A mapping file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) name: String,
    /// For people: what feed this is, whose, under which licence.
    #[serde(rename = "doc", default)]
    pub(super) _doc: String,
    pub(super) stream: String,
    pub(super) format: Format,
    pub(super) source: Option<Source>,
    #[serde(default)]
    pub(super) missing: Vec<String>,
    pub(super) time_zone: Option<String>,
    #[serde(default)]
    pub(super) identity: Vec<String>,
    #[serde(default)]
    pub(super) skip_if: Entries<Vec<String>>,
    #[serde(default)]
    pub(super) skip_unless: Entries<Vec<String>>,
    pub(super) fields: Entries<Rule>,
}

/// How records stand in the source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Format {
    pub(super) r#type: FormatType,
    pub(super) delimiter: Option<String>,
    pub(super) header: Option<bool>,
    pub(super) columns: Option<Vec<String>>,
    pub(super) records: Option<String>,
}

/// The kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FormatType {
    /// Rows of columns.
    Csv,
    /// A JSON value a line.
    Jsonl,
    /// One JSON document that holds all records.
    Json,
}

/// Where an HTTP feed is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) url: String,
    pub(super) interval_seconds: Option<f64>,
}

/// Where a field of the event comes from, and how it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) from: Option<String>,
    pub(super) join: Option<String>,
    pub(super) value: Option<Json>,
    pub(super) unit: Option<String>,
    pub(super) format: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) zone_from: Option<String>,
    pub(super) map: Option<Entries<Json>>,
    #[serde(default, deserialize_with = "even_null")]
    pub(super) otherwise: Option<Json>,
    #[serde(default)]
    pub(super) missing: Vec<String>,
    #[serde(default)]
    pub(super) pseudonym: bool,
}

/// `"otherwise": null` says something, and no `otherwise` says nothing.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// The members of an object in their order, each name once.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, T)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format!("each name once, and `{name}` is there twice")));
                    }
                    members.push((name, value));
                }
                Ok(Entries(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

impl Document {
    /// Reads a mapping file.
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let mut json = serde_json::Deserializer::from_str(text);
        let document = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| Mistake::of_json(&error.path().to_string(), error.inner()))?;
        json.end().map_err(|error| Mistake::of_json(".", &error))?;
        Ok(document)
    }
}

impl Mistake {
    /// A mistake in the value at a path.
    pub(super) fn at(text: &str, path: &[&str], found: &str, allowed: impl Into<String>) -> Self {
        let (line, column) = place(text, path);
        let path = if path.is_empty() { ".".to_owned() } else { path.join(".") };
        Self { line, column, path, found: found.to_owned(), allowed: allowed.into() }
    }

    fn of_json(path: &str, error: &serde_json::Error) -> Self {
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or_default();
        // Serde quotes the word that it does not know, then those that it knows.
        let mut words = said.split('`').skip(1).step_by(2);
        let (found, allowed) = match words.next() {
            Some(word) if said.starts_with("unknown ") => {
                let known: Vec<&str> = words.collect();
                let hint = suggest::hint(word, known.iter().copied());
                (word.to_owned(), format!("{}{hint}", known.join(", ")))
            }
            _ if error.is_data() => (String::new(), said.to_owned()),
            _ => (String::new(), format!("JSON ({said})")),
        };
        let path = if error.is_data() { path } else { "." };
        Self { line: error.line(), column: error.column(), path: path.to_owned(), found, allowed }
    }
}

/// Line and column of the value at a path, or of the last one on the way there.
fn place(text: &str, path: &[&str]) -> (usize, usize) {
    let mut at = text;
    for name in path {
        let member = serde_json::from_str::<BTreeMap<String, &RawValue>>(at)
            .ok()
            .and_then(|mut members| members.remove(*name));
        let element = || {
            let elements = serde_json::from_str::<Vec<&RawValue>>(at).ok()?;
            elements.get(name.parse::<usize>().ok()?).copied()
        };
        match member.or_else(element) {
            Some(found) => at = found.get(),
            None => break,
        }
    }
    let before = &text[..text.len().min(at.as_ptr() as usize - text.as_ptr() as usize)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value is found by its path, and the nearest one before it where the path ends early.
    #[test]
    fn places_of_values() {
        let text = "{\n  \"a\": { \"b\": [1,\n    \"é\", 3] }\n}";
        assert_eq!(place(text, &["a", "b", "1"]), (3, 5));
        assert_eq!(place(text, &["a", "b", "2"]), (3, 10));
        assert_eq!(place(text, &["a", "b"]), (2, 15));
        assert_eq!(place(text, &["a", "c"]), (2, 8));
        assert_eq!(place(text, &[]), (1, 1));
    }
}
