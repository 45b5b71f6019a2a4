//! Configuration that must not be shown.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// What is shown instead of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// A password or the like: usable by [`expose`](Self::expose) alone, redacted wherever it is printed.
///
/// A flag of this type may also come from a file: the environment variable `<VARIABLE>_FILE` names it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for handing it to what needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}
