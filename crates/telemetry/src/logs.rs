//! Log lines on stderr, as text for people or as JSON for collectors.

use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What libraries may say unless a filter names them: their warnings only.
const LIBRARIES: &str = "librdkafka=warn,rdkafka=warn,sqlx=warn,hyper=warn,hyper_util=warn,h2=warn,tower=warn,tonic=warn,reqwest=warn";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for a person, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// A checked log filter: levels by target in the syntax of `RUST_LOG`, for example `info,kafka=debug`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct LogFilter(String);

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The text is not a filter; a mistyped level would otherwise hide every line.
    #[error("not a level (error, warn, info, debug, trace, off), nor a list such as info,kafka=debug")]
    NotAFilter,
    /// A second set-up would be ignored silently.
    #[error("set up logs: this process has a log output already")]
    SetUpTwice,
}

/// Sends the log lines of this process to stderr.
pub fn init_logs(format: LogFormat, filter: &LogFilter) -> Result<(), LogError> {
    let filter = EnvFilter::new(format!("{LIBRARIES},{}", filter.0));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text if io::stderr().is_terminal() => lines.try_init(),
        LogFormat::Text => lines.with_ansi(false).try_init(),
    }
    .map_err(|_| LogError::SetUpTwice)
}

impl FromStr for LogFilter {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        // EnvFilter takes a mistyped level ("inof") for the name of a target; a target must come with its level here.
        let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
        let is_directive = |part: &str| part.contains('=') || is_level(part);
        if text.split(',').all(is_directive) && EnvFilter::builder().parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(LogError::NotAFilter)
        }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels and lists of targets are filters; a mistyped level is refused instead of hiding every line.
    #[test]
    fn filters_are_checked() {
        for good in ["info", "off", "warn,kafka=debug", "info,kafka::consumer=trace"] {
            assert_eq!(
                good.parse::<LogFilter>().map(|filter| filter.to_string()).ok().as_deref(),
                Some(good)
            );
        }
        for bad in ["", "inof", "info,kafka", "kafka=loud", "info,,"] {
            assert!(bad.parse::<LogFilter>().is_err(), "{bad:?} was taken for a filter");
        }
    }
}
