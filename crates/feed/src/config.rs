//! Settings of a feed, as flags and environment.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, value_parser};
use serde::Serialize;
use service::Secret;

/// What stands for the token in an address.
pub(crate) const TOKEN: &str = "{token}";

/// Which feed is taken, and where it goes.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Config {
    /// Mapping file: which field comes from where, in which unit and zone (docs/feeds.md)
    #[arg(env = "TURNPIKE_FEED_MAPPING")]
    pub mapping: PathBuf,

    /// Take this file, from where it was left, and exit at its end
    #[arg(long, env = "TURNPIKE_FEED_FILE", value_name = "PATH", conflicts_with = "url")]
    pub file: Option<PathBuf>,

    /// Ask this address instead of the mapping's; {token} in it stands for --token
    #[arg(long, env = "TURNPIKE_FEED_URL", value_name = "URL", value_parser = address)]
    pub url: Option<String>,

    /// Access code that takes the place of {token} in the address
    #[arg(long, env = "TURNPIKE_FEED_TOKEN", value_name = "SECRET")]
    pub token: Option<Secret>,

    /// Seconds from one question to the next, instead of the mapping's
    #[arg(long, env = "TURNPIKE_FEED_INTERVAL_SECONDS", value_name = "SECONDS", value_parser = seconds)]
    pub interval_seconds: Option<f64>,

    /// Seconds that an answer may take in all
    #[arg(long, env = "TURNPIKE_FEED_TIMEOUT_SECONDS", value_name = "SECONDS", default_value_t = 30.0,
        value_parser = seconds)]
    pub timeout_seconds: f64,

    /// Questions to ask before exiting, with 1 if the last one failed; 0 is endless
    #[arg(long, env = "TURNPIKE_FEED_POLLS", value_name = "NUMBER", default_value_t = 0)]
    pub polls: u64,

    /// Begin anew, whatever was sent before
    #[arg(long)]
    pub start_over: bool,

    /// Print what each record would become, a line each, and exit: nothing is sent, no Kafka is needed
    #[arg(long)]
    pub dry_run: bool,

    /// Raw topic to write to, instead of the stream's
    #[arg(long, env = "TURNPIKE_TOPIC", value_name = "NAME")]
    pub topic: Option<String>,

    /// Partitions of topics that have to be created
    #[arg(long, env = "TURNPIKE_PARTITIONS", default_value_t = 4, value_name = "NUMBER",
        value_parser = value_parser!(i32).range(1..))]
    pub partitions: i32,

    /// Copies of each partition of topics that have to be created
    #[arg(long, env = "TURNPIKE_REPLICATION_FACTOR", default_value_t = 1, value_name = "NUMBER",
        value_parser = value_parser!(i32).range(1..))]
    pub replication_factor: i32,

    /// Register the schema at the start; if false, the latest registered one is used, and must be the same
    #[arg(long, env = "TURNPIKE_REGISTER_SCHEMA", default_value_t = true, action = ArgAction::Set,
        value_name = "true|false")]
    pub register_schema: bool,

    /// The cluster.
    #[command(flatten)]
    #[serde(flatten)]
    pub kafka: kafka::Connection,

    /// The registry.
    #[command(flatten)]
    #[serde(flatten)]
    pub schema_registry: schema_registry::Options,
}

impl Config {
    /// How long an answer may take in all.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout_seconds)
    }

    /// How long from one question to the next, if a flag says so.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.interval_seconds.map(Duration::from_secs_f64)
    }
}

/// An address is shown in logs and is part of a key, so it holds no password.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let allowed = || "an address such as https://example.org/feed.json".to_owned();
    let url = reqwest::Url::parse(&text.replace(TOKEN, "token")).map_err(|_| allowed())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(allowed());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("an address without user and password; a secret stands as {TOKEN}"));
    }
    Ok(text.to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "not a number from 0.05 to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address has a scheme and a host, and no password that would be shown.
    #[test]
    fn addresses_are_checked() {
        for good in ["https://example.org/a?AccessCode={token}", "http://127.0.0.1:8000"] {
            assert_eq!(address(good).as_deref(), Ok(good));
        }
        for (bad, allowed) in [
            ("example.org", "such as https://"),
            ("ftp://example.org/a", "such as https://"),
            ("https://me:secret@example.org/", "without user and password"),
        ] {
            let error = address(bad).expect_err(bad);
            assert!(error.contains(allowed), "{bad}: {error}");
        }
    }

    /// A time of no length and one without an end are none.
    #[test]
    fn seconds_are_bounded() {
        assert_eq!(seconds("0.25"), Ok(0.25));
        for bad in ["0", "inf", "nan", "soon"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
