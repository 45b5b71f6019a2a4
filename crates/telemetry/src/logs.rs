//! Log lines on stderr, as text for people or as JSON for collectors, and whose lines stand on stdout beside them.

use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use clap::{ValueEnum, builder::PossibleValue};
use log_styles::Style;
use serde::{Serialize, Serializer};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What libraries may say unless a filter names them: their warnings only.
const LIBRARIES: &str = "librdkafka=warn,rdkafka=warn,sqlx=warn,hyper=warn,hyper_util=warn,h2=warn,tower=warn,tonic=warn,reqwest=warn";

/// How a service tells what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStyle {
    /// One line of text for a person, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
    /// A source pipeline's own lines, on stdout; log lines beside them are text.
    Source(Style),
}

const LOG_STYLES: &[LogStyle] = &[
    LogStyle::Text,
    LogStyle::Json,
    LogStyle::Source(Style::Ibm),
    LogStyle::Source(Style::Toll),
    LogStyle::Source(Style::TollFirst),
    LogStyle::Source(Style::Traffic),
    LogStyle::Source(Style::Meteo),
    LogStyle::Source(Style::MeteoEmoji),
];

/// A checked log filter: levels by target in the syntax of `RUST_LOG`, for example `info,kafka=debug`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
pub fn init_logs(style: LogStyle, filter: &LogFilter) -> Result<(), LogError> {
    let filter = EnvFilter::new(format!("{LIBRARIES},{}", filter.0));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match style {
        LogStyle::Json => lines.json().flatten_event(true).try_init(),
        LogStyle::Text | LogStyle::Source(_) if io::stderr().is_terminal() => lines.try_init(),
        LogStyle::Text | LogStyle::Source(_) => lines.with_ansi(false).try_init(),
    }
    .map_err(|_| LogError::SetUpTwice)
}

impl LogStyle {
    /// The pipeline whose lines are printed, if one's are.
    pub fn source(self) -> Option<Style> {
        match self {
            Self::Text | Self::Json => None,
            Self::Source(style) => Some(style),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Source(style) => style.name(),
        }
    }
}

impl ValueEnum for LogStyle {
    fn value_variants<'a>() -> &'a [Self] {
        LOG_STYLES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl Serialize for LogStyle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
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

    /// No style of a source pipeline is left out, and no two settings have the same name.
    #[test]
    fn every_style_can_be_set() {
        for style in Style::ALL {
            let set = LogStyle::from_str(style.name(), false);
            assert_eq!(set, Ok(LogStyle::Source(style)));
        }
        assert_eq!(LOG_STYLES.len(), Style::ALL.len() + 2);
    }

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
