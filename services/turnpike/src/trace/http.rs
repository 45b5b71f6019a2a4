//! Questions over HTTP, to Jaeger and to the registry.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, StatusCode};
use serde_json::Value as Json;
use service::{Error, Secret, cause_chain};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A client.
#[derive(Debug)]
pub(crate) struct Http(Client);

/// Basic authentication.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Auth<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: Option<&'a Secret>,
}

impl Http {
    /// Nothing is asked yet.
    pub(crate) fn new() -> Result<Self, Error> {
        Self::of(Client::builder().timeout(ANSWER_TIMEOUT).no_proxy())
    }

    /// The same for servers that are reached in a way of their own.
    pub(crate) fn of(builder: ClientBuilder) -> Result<Self, Error> {
        builder.build().map(Self).map_err(Error::failed)
    }

    /// The JSON at an address; `None` if there is nothing (404), an error for why it cannot be had.
    pub(crate) async fn json(&self, url: &str, auth: Option<Auth<'_>>) -> Result<Option<Json>, String> {
        let mut request = self.0.get(url);
        if let Some(Auth { user, password }) = auth {
            request = request.basic_auth(user, password.map(Secret::expose));
        }
        let answer = request.send().await.map_err(|error| cause_chain(&error.without_url()))?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.error_for_status().map_err(|error| cause_chain(&error.without_url()))?;
        answer.json().await.map(Some).map_err(|error| cause_chain(&error.without_url()))
    }

    /// The status and the text at an address, whatever the status is; an error for why there is no answer.
    pub(crate) async fn text(&self, url: &str) -> Result<(StatusCode, String), String> {
        let answer = self.0.get(url).send().await.map_err(|error| cause_chain(&error.without_url()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| cause_chain(&error.without_url()))?;
        Ok((status, text))
    }
}
