//! A request to the registry as a span: the client's own are hidden in it.

use schema_registry_converter::error::SRCError;
use telemetry::{OpenTelemetrySpanExt as _, SPAN_TARGET, Status, names};
use tracing::Instrument as _;

use crate::error::{reason, status};

/// The status of every answer that is no error; the client does not tell it.
const OK: i64 = 200;
/// What is wrong when there was no answer, or one that is none of a registry.
const NO_ANSWER: &str = "infrastructure";

/// The method, and the path with its variables by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route(pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const REGISTER: Route = Route("POST", "/subjects/{subject}/versions");
pub(crate) const LATEST: Route = Route("GET", "/subjects/{subject}/versions/latest");
pub(crate) const BY_ID: Route = Route("GET", "/schemas/ids/{id}");
pub(crate) const BY_GUID: Route = Route("GET", "/schemas/guids/{guid}");

/// Waits for the answer of the registry at `server`, within a span. A request that is repeated has one each time.
pub(crate) async fn traced<T>(
    server: &str,
    Route(method, path): Route,
    request: impl Future<Output = Result<T, SRCError>>,
) -> Result<T, SRCError> {
    let span = tracing::info_span!(
        target: SPAN_TARGET,
        "request",
        otel.name = format!("{method} {path}"),
        otel.kind = "client",
        { names::HTTP_METHOD } = method,
        { names::URL_TEMPLATE } = path,
        { names::SERVER_ADDRESS } = server
    );
    let answer = request.instrument(span.clone()).await;
    let code = match &answer {
        Ok(_) => Some(OK),
        Err(error) => status(error).map(i64::from),
    };
    if let Some(code) = code {
        span.set_attribute(names::HTTP_STATUS, code);
    }
    if let Err(error) = &answer {
        let kind = code.map_or_else(|| NO_ANSWER.to_owned(), |code| code.to_string());
        span.set_attribute(names::ERROR_TYPE, kind);
        span.set_status(Status::error(reason(error)));
    }
    answer
}

/// The host of an address, without its port.
pub(crate) fn host(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let authority = behind.split('/').next().unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    /// Ports and paths are no part of a host, and what is in brackets is.
    #[test]
    fn hosts_are_told_from_ports() {
        for (url, expected) in [
            ("http://localhost:8081", "localhost"),
            ("https://registry.example.org/api:1/", "registry.example.org"),
            ("http://[::1]:8081", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
