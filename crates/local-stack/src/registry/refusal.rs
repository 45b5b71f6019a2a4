//! What the registry answers instead of what was asked for, in Confluent's codes and words.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A refused request; the first three digits of its code are the HTTP status.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("HTTP 404 Not Found")]
    NoSuchRoute,
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(String),
    #[error("Version {0} not found.")]
    VersionNotFound(u32),
    #[error("Schema {0} not found")]
    SchemaNotFound(String),
    #[error("Schema not found")]
    SchemaNotRegistered,
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    LevelNotConfigured(String),
    #[error(
        "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: {details}"
    )]
    Incompatible { subject: String, details: String },
    #[error("Invalid schema: {0}")]
    InvalidSchema(String),
    #[error(
        "The specified version '{0}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\""
    )]
    InvalidVersion(String),
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, \
         forward_transitive, and full_transitive"
    )]
    InvalidLevel,
    #[error("the request body is not what this route takes: {0}")]
    Malformed(serde_json::Error),
}

impl Refusal {
    fn code(&self) -> u32 {
        match self {
            Self::NoSuchRoute => 404,
            Self::SubjectNotFound(_) => 40_401,
            Self::VersionNotFound(_) => 40_402,
            Self::SchemaNotFound(_) | Self::SchemaNotRegistered => 40_403,
            Self::LevelNotConfigured(_) => 40_408,
            Self::Incompatible { .. } => 409,
            Self::InvalidSchema(_) => 42_201,
            Self::InvalidVersion(_) => 42_202,
            Self::InvalidLevel => 42_203,
            Self::Malformed(_) => 422,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.code();
        let status = if code > 999 { code / 100 } else { code };
        let status = StatusCode::from_u16(status as u16).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        super::routes::answer(status, &json!({ "error_code": code, "message": self.to_string() }))
    }
}
