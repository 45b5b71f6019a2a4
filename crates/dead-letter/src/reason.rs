//! The closed list of reasons why a record is set aside; each code has a page in `docs/reasons/`.

use std::{fmt, str::FromStr};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// Why a record was set aside. Codes are stable: alerts, queries and dashboards may rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code, such as `OUT_OF_RANGE`.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The page that explains the code to the person on call, in Markdown.
            pub fn page(self) -> &'static str {
                match self { $(Self::$variant => include_str!(concat!("../../../docs/reasons/", $code, ".md")),)* }
            }
        }
    };
}

reasons! {
    /// The value is neither the registry's wire format nor a known dialect.
    NotFramed = "NOT_FRAMED",
    /// The registry does not know the schema id.
    UnknownSchema = "UNKNOWN_SCHEMA",
    /// The schema exists and is not one of this topic's subject.
    WrongSubject = "WRONG_SUBJECT",
    /// The bytes are not a record of the schema.
    Undecodable = "UNDECODABLE",
    /// The record is complete and more bytes follow.
    TrailingBytes = "TRAILING_BYTES",
    /// The row is larger than the store takes in one piece.
    TooLarge = "TOO_LARGE",
    /// A line of text has too few or too many fields.
    WrongFieldCount = "WRONG_FIELD_COUNT",
    /// A text cannot be read as what it should be: JSON, a number, a time.
    Unparsable = "UNPARSABLE",
    /// The record has no value.
    NullValue = "NULL_VALUE",
    /// A number is outside the range that the contract allows.
    OutOfRange = "OUT_OF_RANGE",
    /// A category is not one of those that the contract lists.
    UnknownCategory = "UNKNOWN_CATEGORY",
    /// A listed category, in other capitals.
    WrongCase = "WRONG_CASE",
    /// A number or word that stands for a missing value.
    Sentinel = "SENTINEL",
    /// A field that the contract needs is absent or null.
    MissingField = "MISSING_FIELD",
    /// Two fields cannot both be true.
    Contradiction = "CONTRADICTION",
    /// A time is too far from when the record was sent.
    ImplausibleTime = "IMPLAUSIBLE_TIME",
    /// The table's constraint refuses the row.
    Constraint = "CONSTRAINT",
    /// A row with the same unique key is there already.
    DuplicateKey = "DUPLICATE_KEY",
    /// A value is longer, or a number larger, than its column.
    ValueTooLong = "VALUE_TOO_LONG",
    /// A value cannot be turned into its column's type.
    TypeMismatch = "TYPE_MISMATCH",
    /// A record on a dead-letter topic that carries no reason.
    Unspecified = "UNSPECIFIED",
}

/// A text that is no reason code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a reason code")]
pub struct UnknownReason(pub String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
            .ok_or_else(|| UnknownReason(code.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    /// Every code reads back, and its page opens with the code as its title.
    #[test]
    fn codes_and_pages_agree() {
        for reason in Reason::ALL {
            assert_eq!(reason.code().parse(), Ok(*reason));
            let title = reason.page().lines().next().unwrap_or_default();
            assert!(title.starts_with("# ") && title.contains(reason.code()), "{reason}: {title}");
        }
        assert!("NO_SUCH_CODE".parse::<Reason>().is_err());
    }
}
