//! Reads settings written as `name=value,name=value`.

/// Why a list of settings could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A part of the list has no equals sign.
    #[error("{part:?} is not NAME=VALUE")]
    NoValue {
        /// The part as written.
        part: String,
    },
    /// The name is not one of those allowed.
    #[error("unknown name {name:?}: allowed are {allowed}")]
    UnknownName {
        /// The name as written.
        name: String,
        /// The names that are known, separated by commas.
        allowed: String,
    },
    /// The same name stands twice in the list.
    #[error("{name} is given twice")]
    Twice {
        /// The repeated name.
        name: String,
    },
    /// The value cannot be read, or is out of its range.
    #[error("{value:?} for {name} is not {wanted}")]
    BadValue {
        /// Whose value it is.
        name: String,
        /// The value as written.
        value: String,
        /// What would have been right.
        wanted: &'static str,
    },
    /// Each value is fine by itself, but not their sum.
    #[error("the sum of {what} must be {wanted}")]
    BadSum {
        /// What was summed.
        what: &'static str,
        /// What the sum must be.
        wanted: &'static str,
    },
}

/// The settings in `text` in the order written, each as the position of its name in `names` and its value.
pub(crate) fn parse<T>(
    text: &str,
    names: &[&str],
    wanted: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Vec<(usize, T)>, ParseError> {
    let mut settings: Vec<(usize, T)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| ParseError::NoValue { part: part.to_owned() })?;
        let (name, value) = (name.trim(), value.trim());
        let Some(index) = names.iter().position(|known| *known == name) else {
            return Err(ParseError::UnknownName { name: name.to_owned(), allowed: names.join(", ") });
        };
        if settings.iter().any(|(known, _)| *known == index) {
            return Err(ParseError::Twice { name: name.to_owned() });
        }
        let read_value = read(value).ok_or_else(|| ParseError::BadValue {
            name: name.to_owned(),
            value: value.to_owned(),
            wanted,
        })?;
        settings.push((index, read_value));
    }
    Ok(settings)
}
