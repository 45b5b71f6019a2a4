//! Typed access to a document's settings: every refusal names file, key, value and what is allowed; unknown keys are told.

use std::{cell::RefCell, collections::BTreeSet, ops::RangeInclusive, str::FromStr};

use service::Error;

use crate::document::Document;

/// The settings of one document, remembering which keys have been asked for.
pub(crate) struct Settings<'d> {
    document: &'d Document,
    asked: RefCell<BTreeSet<String>>,
}

/// How alike two keys must be (Jaro-Winkler) before one is offered in place of the other.
const LIKENESS_MIN: f64 = 0.88;

impl<'d> Settings<'d> {
    /// The settings of `document`.
    pub(crate) fn new(document: &'d Document) -> Self {
        Self { document, asked: RefCell::default() }
    }

    /// The first of `keys` that is set and not empty, with its value: a key and its aliases in other sinks.
    pub(crate) fn find(&self, keys: &[&str]) -> Option<&'d str> {
        self.asked.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
        let set = keys.iter().find_map(|key| self.document.settings.get(*key));
        set.map(|setting| setting.value.trim()).filter(|value| !value.is_empty())
    }

    /// The value of a key that must be set.
    pub(crate) fn required(&self, key: &str, allowed: &str) -> Result<&'d str, Error> {
        self.find(&[key]).ok_or_else(|| self.refused(key, allowed))
    }

    /// One of a closed list of values, by its name in any case.
    pub(crate) fn choice<T: Copy>(
        &self,
        keys: &[&str],
        choices: &[(&str, T)],
        default: T,
    ) -> Result<T, Error> {
        let Some(value) = self.find(keys) else { return Ok(default) };
        let chosen = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.refused(self.present(keys), &names.join(", "))
        })
    }

    /// A whole number within `range`.
    pub(crate) fn number<T>(&self, keys: &[&str], range: RangeInclusive<T>, default: T) -> Result<T, Error>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(value) = self.find(keys) else { return Ok(default) };
        let number = value.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let allowed = format!("a whole number from {} to {}", range.start(), range.end());
            self.refused(self.present(keys), &allowed)
        })
    }

    /// Names separated by commas.
    pub(crate) fn list(&self, keys: &[&str]) -> Vec<String> {
        let names = self.find(keys).unwrap_or_default().split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// All settings under a prefix such as `consumer.override.`, without it.
    pub(crate) fn under(&self, prefix: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (key, setting) in &self.document.settings {
            if let Some(name) = key.strip_prefix(prefix) {
                self.asked.borrow_mut().insert(key.clone());
                found.push((name.to_owned(), setting.value.clone()));
            }
        }
        found
    }

    /// Refuses a feature that Connect's sinks have and this writer does not have yet.
    pub(crate) fn unsupported(&self, key: &str, supported: &str) -> Result<(), Error> {
        match self.find(&[key]) {
            Some(value) if !value.eq_ignore_ascii_case(supported) => {
                Err(self.refused(key, &format!("{supported} (other values are not supported yet)")))
            }
            _ => Ok(()),
        }
    }

    /// The error for a key's value; a password is never shown.
    pub(crate) fn refused(&self, key: &str, allowed: &str) -> Error {
        let written = self.document.settings.get(key).map_or("(not set)", |setting| setting.written.as_str());
        let shown = if (key.contains("password") || written.contains("password=")) && written != "(not set)" {
            "[redacted]"
        } else {
            written
        };
        Error::config(format!("{}: {key}", self.document.file.display()), shown.to_owned(), allowed)
    }

    /// The keys that nothing has asked for, each with the known key that it resembles.
    pub(crate) fn unknown(&self) -> Vec<(String, Option<String>)> {
        let asked = self.asked.borrow();
        let unknown = self.document.settings.keys().filter(|key| !asked.contains(*key));
        unknown.map(|key| (key.clone(), resembling(key, &asked))).collect()
    }

    fn present<'k>(&self, keys: &[&'k str]) -> &'k str {
        keys.iter().find(|key| self.document.settings.contains_key(**key)).unwrap_or(&keys[0])
    }
}

fn resembling(key: &str, known: &BTreeSet<String>) -> Option<String> {
    let likeness = |candidate: &String| strsim::jaro_winkler(key, candidate);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS_MIN).then(|| best.clone())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Settings;
    use crate::document::parse;

    /// A misspelt key is told together with the one that was meant; a foreign one without a guess.
    #[test]
    fn unknown_keys_are_told_with_a_guess() {
        let text = r#"{"name":"a","config":{"batch.size":"1","bacth.size":"2","quite.another":"3"}}"#;
        let document = parse(Path::new("x.json"), text).expect("valid");
        let settings = Settings::new(&document);
        assert_eq!(settings.number(&["batch.size"], 1..=10, 5).expect("in range"), 1);
        let unknown = settings.unknown();
        assert_eq!(unknown[0], ("bacth.size".to_owned(), Some("batch.size".to_owned())));
        assert_eq!(unknown[1], ("quite.another".to_owned(), None));
    }

    /// A value out of range is shown with its limits, a password never.
    #[test]
    fn refusals_show_values_but_no_passwords() {
        let text = r#"{"name":"a","config":{"batch.size":"0","connection.password":"s3cret"}}"#;
        let document = parse(Path::new("x.json"), text).expect("valid");
        let settings = Settings::new(&document);
        let message = settings.number(&["batch.size"], 1..=10, 5).expect_err("refused").to_string();
        for part in ["x.json: batch.size", "0", "from 1 to 10"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!settings.refused("connection.password", "x").to_string().contains("s3cret"));
    }
}
