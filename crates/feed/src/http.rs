//! One question to an HTTP feed: conditional, bounded in time and size, and every way that it can fail.

use std::time::Duration;

use chrono::DateTime;
use reqwest::{
    Client, Response, StatusCode,
    header::{
        CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
        RETRY_AFTER,
    },
    redirect::Policy,
};
use service::{Error, Secret};
use telemetry::{OpenTelemetrySpanExt as _, SPAN_TARGET, Status, names};
use tracing::{Instrument as _, Span};

use crate::{
    config::TOKEN,
    position::HttpPosition,
    records::{DOCUMENT_BYTES_MAX, beginning},
};

/// What we call ourselves.
const USER_AGENT: &str = concat!("turnpike-feed/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take to be there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Redirections that are followed.
const REDIRECTS_MAX: usize = 5;
/// The longest wait that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// Bytes of a failed answer that are read, to show how it begins.
const FAILURE_BYTES_MAX: usize = 4_096;

/// Asks one address.
#[derive(Debug)]
pub(crate) struct Address {
    client: Client,
    /// The address as it is asked, which may hold a token.
    url: Secret,
    /// The address without secrets, for logs, health and keys.
    pub(crate) shown: String,
}

/// What an address answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nothing that was not there before.
    NotModified,
    /// A document, with its validators.
    Document { body: Vec<u8>, etag: Option<String>, last_modified: Option<String> },
}

/// A question without a usable answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The outcome's name in metrics.
    pub(crate) outcome: &'static str,
    pub(crate) what: String,
    /// The answer's status, if that is the failure.
    status: Option<u16>,
    /// How long the server wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(outcome: &'static str, what: impl Into<String>) -> Self {
        Self { outcome, what: what.into(), status: None, retry_after: None }
    }

    /// An error without the address, which may hold a secret, and with its innermost cause.
    fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            return Self::new("timeout", "no complete answer in time");
        }
        Self::new("unreachable", service::cause_chain(&error))
    }
}

impl Address {
    pub(crate) fn new(url: &str, token: Option<&Secret>, timeout: Duration) -> Result<Self, Error> {
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .redirect(Policy::limited(REDIRECTS_MAX))
            // It would hand the token on to wherever the server sends us.
            .referer(false)
            .build()
            .map_err(Error::failed)?;
        let asked = match token {
            Some(token) => url.replace(TOKEN, token.expose()),
            None if url.contains(TOKEN) => {
                return Err(Error::config(
                    "--token (TURNPIKE_FEED_TOKEN)",
                    "",
                    format!("the access code for {url}"),
                ));
            }
            None => url.to_owned(),
        };
        let Ok(asked) = asked.parse();
        Ok(Self { client, url: asked, shown: url.to_owned() })
    }

    /// How a feed ends whose last question failed.
    pub(crate) fn failed(&self, polls: u64, what: &str) -> Error {
        let shown = &self.shown;
        Error::failed(format!("question {polls} of {polls} to {shown} failed: {what}; ask again later"))
    }

    /// Asks for what is new since `last`; `now_ms` is for a Retry-After that names a time. Each question is a span.
    pub(crate) async fn ask(&self, last: &HttpPosition, now_ms: i64) -> Result<Answer, Failure> {
        let span = self.span();
        let asked = self.answer(last, now_ms).instrument(span.clone()).await;
        if let Err(failure) = &asked {
            let kind = failure.status.map_or(failure.outcome.to_owned(), |status| status.to_string());
            span.set_attribute(names::ERROR_TYPE, kind);
            span.set_status(Status::error(failure.what.clone()));
        }
        asked
    }

    /// The span of a question. It tells the host and the path as they are shown, and no query: keys stand there.
    fn span(&self) -> Span {
        let (server, path) = place(&self.shown);
        tracing::info_span!(
            target: SPAN_TARGET,
            "request",
            otel.name = format!("GET {path}"),
            otel.kind = "client",
            { names::HTTP_METHOD } = "GET",
            { names::URL_TEMPLATE } = path,
            { names::SERVER_ADDRESS } = server
        )
    }

    async fn answer(&self, last: &HttpPosition, now_ms: i64) -> Result<Answer, Failure> {
        let mut request = self.client.get(self.url.expose());
        for (name, value) in [(IF_NONE_MATCH, &last.etag), (IF_MODIFIED_SINCE, &last.last_modified)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.map_err(Failure::of)?;
        let status = response.status();
        Span::current().set_attribute(names::HTTP_STATUS, i64::from(status.as_u16()));
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Answer::NotModified);
        }
        if !status.is_success() {
            return Err(refused(response, now_ms).await);
        }
        let (etag, last_modified) =
            (header(response.headers(), ETAG), header(response.headers(), LAST_MODIFIED));
        let is_page =
            header(response.headers(), CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
        let body = whole_body(response).await?;
        if is_page || body.trim_ascii_start().first() == Some(&b'<') {
            let what = format!("the answer is a page and no data; {}", beginning(&body));
            return Err(Failure::new("unreadable", what));
        }
        Ok(Answer::Document { body, etag, last_modified })
    }
}

/// The host and the path of an address, as it is shown.
fn place(url: &str) -> (&str, &str) {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let (authority, rest) = behind.split_at(behind.find(['/', '?', '#']).unwrap_or(behind.len()));
    let path = rest.split(['?', '#']).next().filter(|path| !path.is_empty()).unwrap_or("/");
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, path),
        _ => (authority, path),
    }
}

/// A status that is no success, with the wait that the server asks for and the beginning of what it says.
async fn refused(mut response: Response, now_ms: i64) -> Failure {
    let status = response.status();
    let retry_after = header(response.headers(), RETRY_AFTER).and_then(|text| wait_of(&text, now_ms));
    let mut body = Vec::new();
    while body.len() < FAILURE_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(FAILURE_BYTES_MAX)]);
    }
    let said = if body.is_empty() { String::new() } else { format!("; {}", beginning(&body)) };
    let what = format!("the answer is {status}{said}");
    Failure { outcome: "status", what, status: Some(status.as_u16()), retry_after }
}

async fn whole_body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let too_large =
        || Failure::new("too_large", format!("the answer has more than {DOCUMENT_BYTES_MAX} bytes"));
    if response.content_length().is_some_and(|length| length > DOCUMENT_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::of)? {
        if body.len() + chunk.len() > DOCUMENT_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The wait of a Retry-After: seconds, or an HTTP date (RFC 9110, section 10.2.3).
fn wait_of(text: &str, now_ms: i64) -> Option<Duration> {
    let wait = if let Ok(seconds) = text.trim().parse() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTime::parse_from_rfc2822(text.trim()).ok()?;
        Duration::from_millis(u64::try_from(until.timestamp_millis() - now_ms).unwrap_or(0))
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both forms of the header are read; a wait without end is cut, and nonsense is none.
    #[test]
    fn waits_that_servers_ask_for() {
        let now_ms = 1_790_920_800_000;
        for (text, expected) in [
            ("120", Some(120)),
            ("Fri, 02 Oct 2026 06:00:30 GMT", Some(30)),
            ("Fri, 02 Oct 2026 05:00:00 GMT", Some(0)),
            ("99999999", Some(3_600)),
            ("soon", None),
        ] {
            assert_eq!(wait_of(text, now_ms), expected.map(Duration::from_secs), "{text}");
        }
    }

    /// A span tells where a question goes, and nothing of what may be a secret.
    #[test]
    fn spans_tell_no_query() {
        for (url, expected) in [
            ("https://example.org:8443/a/b?AccessCode={token}", ("example.org", "/a/b")),
            ("https://example.org/{token}/a", ("example.org", "/{token}/a")),
            ("http://127.0.0.1?key=hush", ("127.0.0.1", "/")),
            ("http://[::1]:80#top", ("[::1]", "/")),
            ("http://[::1]/a", ("[::1]", "/a")),
        ] {
            assert_eq!(place(url), expected, "{url}");
        }
    }

    /// An address that wants a token is refused without one, and shows none when it has one.
    #[test]
    fn tokens_are_not_shown() {
        let url = "http://127.0.0.1/a?code={token}";
        let error = Address::new(url, None, CONNECT_TIMEOUT).expect_err("no token").to_string();
        assert!(error.contains("the access code for http://127.0.0.1/a?code={token}"), "{error}");
        let token: Secret = "hush".parse().expect("a secret");
        let address = Address::new(url, Some(&token), CONNECT_TIMEOUT).expect("an address");
        assert_eq!((address.shown.as_str(), address.url.expose()), (url, "http://127.0.0.1/a?code=hush"));
    }
}
