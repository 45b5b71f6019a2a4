//! Whether a new version of a schema may follow the old ones.

use std::{error::Error, str::FromStr};

use apache_avro::{
    Schema,
    schema_compatibility::{Compatibility, SchemaCompatibility},
};
use serde::Serialize;

use super::refusal::Refusal;

/// Who must be able to read whose data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Level {
    None,
    /// A reader with the new schema reads what was written with the last one.
    #[default]
    Backward,
    /// ... with any earlier one.
    BackwardTransitive,
    /// A reader with the last schema reads what is written with the new one.
    Forward,
    ForwardTransitive,
    /// Both.
    Full,
    FullTransitive,
}

impl Level {
    const ALL: [(&str, Self); 7] = [
        ("NONE", Self::None),
        ("BACKWARD", Self::Backward),
        ("BACKWARD_TRANSITIVE", Self::BackwardTransitive),
        ("FORWARD", Self::Forward),
        ("FORWARD_TRANSITIVE", Self::ForwardTransitive),
        ("FULL", Self::Full),
        ("FULL_TRANSITIVE", Self::FullTransitive),
    ];

    /// Whether every earlier version counts, not only the last.
    pub(super) fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }

    /// Why `new` may not follow `old`; nothing if it may.
    pub(super) fn check(self, old: &Schema, new: &Schema) -> Vec<String> {
        let backward = || refusal("the new schema cannot read data of the old one", old, new);
        let forward = || refusal("the old schema cannot read data of the new one", new, old);
        match self {
            Self::None => Vec::new(),
            Self::Backward | Self::BackwardTransitive => backward().into_iter().collect(),
            Self::Forward | Self::ForwardTransitive => forward().into_iter().collect(),
            Self::Full | Self::FullTransitive => backward().into_iter().chain(forward()).collect(),
        }
    }
}

impl FromStr for Level {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, level)| *level).ok_or(Refusal::InvalidLevel)
    }
}

fn refusal(what: &str, writer: &Schema, reader: &Schema) -> Option<String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some(format!("{what}: some values of it have no place")),
        Err(error) => {
            let mut text = format!("{what}: {error}");
            let mut source = error.source();
            while let Some(inner) = source {
                text = format!("{text}: {inner}");
                source = inner.source();
            }
            Some(text)
        }
    }
}
