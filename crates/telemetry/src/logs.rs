//! Log lines on stderr, as text for people or as JSON for collectors, and whose lines stand on stdout beside them.

use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;
use std::time::Instant;

use clap::{ValueEnum, builder::PossibleValue};
use log_styles::Style;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use serde::{Serialize, Serializer};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::export::{Export, tracer};
use crate::repeats::Repeats;

/// What libraries may say unless a filter names them: their warnings only.
const LIBRARIES: &str = "otel=off,librdkafka=warn,rdkafka=warn,sqlx=warn,hyper=warn,hyper_util=warn,h2=warn,tower=warn,tonic=warn,reqwest=warn";

/// What is not exported over OTLP: what OTLP's own client says would feed itself.
const NOT_EXPORTED: &str = "telemetry=off,hyper=off,hyper_util=off,h2=off,tower=off,tonic=off,reqwest=off";

/// The target of `tracing` spans that become OpenTelemetry's: waiting, connecting, asking over HTTP. Log lines do not show them.
pub const SPAN_TARGET: &str = "otel";

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

/// Sends the log lines of this process to stderr and, if they are exported, to a collector; `tracing` spans become OpenTelemetry's.
///
/// Repeated warnings and errors are collapsed: whoever calls has to let [`Repeats`] tell its counts. `clock` is the time.
pub fn init_logs(
    style: LogStyle,
    filter: &LogFilter,
    export: &Export,
    clock: fn() -> Instant,
) -> Result<Repeats, LogError> {
    let repeats = Repeats::new(clock);
    subscriber(style, filter, export, &repeats).try_init().map_err(|_| LogError::SetUpTwice)?;
    Ok(repeats)
}

fn subscriber(
    style: LogStyle,
    filter: &LogFilter,
    export: &Export,
    repeats: &Repeats,
) -> impl Subscriber + Send + Sync + 'static {
    let directives = format!("{LIBRARIES},{}", filter.0);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let is_colored = io::stderr().is_terminal();
    let lines = match style {
        LogStyle::Json => {
            let format = tracing_subscriber::fmt::format().json().flatten_event(true);
            let lines = lines.json().event_format(Traced { inner: format, is_json: true });
            lines.with_filter(EnvFilter::new(&directives)).boxed()
        }
        LogStyle::Text | LogStyle::Source(_) => {
            let format = Traced { inner: tracing_subscriber::fmt::format(), is_json: false };
            let lines = lines.event_format(format).with_ansi(is_colored);
            lines.with_filter(EnvFilter::new(&directives)).boxed()
        }
    };
    let spans = export.spans.as_ref().map(|spans| {
        let layer = tracing_opentelemetry::layer().with_tracer(tracer(spans));
        let layer = layer.with_location(false).with_threads(false).with_target(false).with_level(false);
        let layer = layer.with_tracked_inactivity(false);
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == SPAN_TARGET);
        layer.with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    });
    let logs = export.logs.as_ref().map(|logs| {
        let filter = EnvFilter::new(format!("{directives},{NOT_EXPORTED}"));
        OpenTelemetryTracingBridge::new(logs).with_filter(filter)
    });
    tracing_subscriber::registry().with(repeats.clone()).with(spans).with(logs).with(lines)
}

/// A format whose lines name the trace that they belong to, if they belong to one.
struct Traced<F> {
    inner: F,
    is_json: bool,
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let current = Context::current();
        let span = current.span();
        let of = span.span_context();
        if !of.is_valid() {
            return self.inner.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        let (trace_id, span_id) = (of.trace_id(), of.span_id());
        if let Some(rest) = line.strip_prefix('{').filter(|_| self.is_json) {
            writeln!(writer, "{{\"trace_id\":\"{trace_id}\",\"span_id\":\"{span_id}\",{rest}")
        } else {
            writeln!(writer, "{line} trace_id={trace_id} span_id={span_id}")
        }
    }
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
    use opentelemetry_sdk::logs::SdkLoggerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;

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

    /// What is below the level that is asked for costs a comparison, wherever it stands: without a hint from every layer, each of
    /// the client's trace lines, several for a record, would be put to all filters.
    #[test]
    fn levels_below_cost_nothing() {
        #[expect(clippy::disallowed_methods, reason = "the clock of what repeats")]
        let repeats = Repeats::new(Instant::now);
        let hint = |filter: &str, export: &Export| {
            let filter = filter.parse().expect("a filter");
            subscriber(LogStyle::Text, &filter, export, &repeats).max_level_hint()
        };
        let off = Export::default();
        assert_eq!(hint("info", &off), Some(LevelFilter::INFO));
        assert_eq!(hint("warn", &off), Some(LevelFilter::WARN));
        assert_eq!(hint("info,kafka=debug", &off), Some(LevelFilter::DEBUG));
        let mut on = Export::default();
        on.spans = Some(SdkTracerProvider::builder().build());
        on.logs = Some(SdkLoggerProvider::builder().build());
        assert_eq!(hint("info", &on), Some(LevelFilter::INFO));
    }
}
