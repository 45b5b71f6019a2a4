//! What can go wrong with the registry, sorted by what to do about it.

use std::error::Error as _;

use events::ShapeError;
use schema_registry_converter::error::SRCError;
use service::tls_advice;

use crate::SchemaId;

/// A failed question to the registry.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry answered, and knows no such schema.
    #[error("the registry knows no schema {0}")]
    UnknownSchema(SchemaId),
    /// The schema exists and cannot be used for flat records.
    #[error("schema {id} cannot be used: {source}")]
    Unusable {
        /// The schema.
        id: SchemaId,
        /// Why.
        source: ShapeError,
    },
    /// The registry answered, and refuses.
    #[error("the registry refuses to {operation}: {reason}")]
    Refused {
        /// What was asked.
        operation: String,
        /// What it says.
        reason: String,
    },
    /// The registry does not let this client in, or is not to be trusted.
    #[error("cannot {operation}: {reason}; {advice}")]
    NotLetIn {
        /// What was asked.
        operation: String,
        /// What it says, or what TLS says of it.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The registry does not answer, is out of order itself, or asks for patience.
    #[error("cannot {operation}: {reason}")]
    Away {
        /// What was asked.
        operation: String,
        /// What went wrong.
        reason: String,
    },
}

/// What to do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The record names a schema that cannot be had: set it aside.
    Data,
    /// A schema or a setting is wrong: nothing will change until somebody changes it.
    Config,
    /// Try again.
    Infrastructure,
}

impl Error {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::UnknownSchema(_) | Self::Unusable { .. } => Class::Data,
            Self::Refused { .. } | Self::NotLetIn { .. } => Class::Config,
            Self::Away { .. } => Class::Infrastructure,
        }
    }

    pub(crate) fn new(operation: &str, source: &SRCError) -> Self {
        let (operation, reason) = (operation.to_owned(), reason(source));
        if let Some(advice) = tls_advice(source) {
            return Self::NotLetIn { operation, reason, advice };
        }
        match status(source) {
            Some(401) => Self::NotLetIn { operation, reason, advice: SIGN_IN },
            // Request Timeout and Too Many Requests are answers of 4xx that say: later.
            Some(408 | 429) => Self::Away { operation, reason },
            Some(400..=499) => Self::Refused { operation, reason },
            _ => Self::Away { operation, reason },
        }
    }

    pub(crate) fn setup(reason: String) -> Self {
        Self::Refused { operation: "set up the client".to_owned(), reason }
    }

    /// Whether nothing at all can be asked of this registry with these settings.
    pub fn is_locked_out(&self) -> bool {
        matches!(self, Self::NotLetIn { .. })
    }

    pub(crate) fn of_schema(id: SchemaId, source: &SRCError) -> Self {
        match status(source) {
            Some(404) => Self::UnknownSchema(id),
            _ => Self::new(&format!("read schema {id}"), source),
        }
    }
}

const SIGN_IN: &str = "correct --schema-registry-user and the password (TURNPIKE_SCHEMA_REGISTRY_PASSWORD or ..._PASSWORD_FILE)";

/// The HTTP status of an answer; the client tells it only in its message. `None` if there was no answer.
pub(crate) fn status(source: &SRCError) -> Option<u16> {
    source.error.split("failed with status ").nth(1)?.get(..3)?.parse().ok()
}

/// The registry's own words if it spoke, else the innermost cause, which names the address.
pub(crate) fn reason(source: &SRCError) -> String {
    let mut reason = source.cause.clone().unwrap_or_else(|| source.error.clone());
    let mut cause = source.source().and_then(std::error::Error::source);
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statuses that say "later" are tried again, those that say "never" are not; no answer at all is an outage.
    #[test]
    fn patience_is_no_refusal() {
        for (status, class) in [
            ("400 Bad Request", Class::Config),
            ("401 Unauthorized", Class::Config),
            ("403 Forbidden", Class::Config),
            ("408 Request Timeout", Class::Infrastructure),
            ("409 Conflict", Class::Config),
            ("429 Too Many Requests", Class::Infrastructure),
            ("500 Internal Server Error", Class::Infrastructure),
        ] {
            let text = format!("HTTP request to schema registry failed with status {status}");
            let source = SRCError::new(&text, None, false);
            assert_eq!(Error::new("register toll-value", &source).class(), class, "{status}");
        }
        let silence = SRCError::new("HTTP call to schema registry failed", None, true);
        assert_eq!(Error::new("register toll-value", &silence).class(), Class::Infrastructure);
    }
}
