//! Where telemetry goes and how much of it, by the variables that OpenTelemetry has for it.

use std::time::Duration;

use clap::{ValueEnum, value_parser};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::sampling::{Ratio, SamplerKind};

/// Settings of traces, metrics and logs over OTLP. Names and meanings are [OpenTelemetry's]; defaults that differ say so.
///
/// [OpenTelemetry's]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
#[derive(Clone, Debug, clap::Args, Serialize)]
#[command(next_help_heading = "Telemetry (OpenTelemetry's variables)")]
#[group(skip)]
pub struct Options {
    /// Where a collector or Jaeger takes OTLP, such as http://localhost:4317; without it nothing is exported
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", default_value = "")]
    pub otlp_endpoint: Endpoint,
    /// How OTLP is spoken there
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", value_name = "PROTOCOL", default_value = "grpc")]
    pub otlp_protocol: Protocol,
    /// Headers of every request, as key=value,key=value with percent-encoded values; for example a token
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        value_name = "HEADERS",
        default_value = "",
        hide_env_values = true,
        hide_default_value = true
    )]
    #[serde(skip)]
    pub otlp_headers: Headers,
    /// How long a request may take, in milliseconds
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TIMEOUT", value_name = "MS", default_value_t = 5_000,
        value_parser = value_parser!(u64).range(1..=600_000))]
    pub otlp_timeout: u64,
    /// Nothing is exported, whatever else is set
    #[arg(long, env = "OTEL_SDK_DISABLED", value_name = "true|false", default_value = "false",
        action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    pub otel_disabled: bool,
    /// Whether spans are exported
    #[arg(long, env = "OTEL_TRACES_EXPORTER", value_name = "EXPORTER", default_value = "otlp")]
    pub traces_exporter: Exporter,
    /// Whether metrics are exported; /metrics has them always
    #[arg(long, env = "OTEL_METRICS_EXPORTER", value_name = "EXPORTER", default_value = "otlp")]
    pub metrics_exporter: Exporter,
    /// Whether log lines are exported; stderr has them always
    #[arg(long, env = "OTEL_LOGS_EXPORTER", value_name = "EXPORTER", default_value = "otlp")]
    pub logs_exporter: Exporter,
    /// How it is decided which records are traced, by whoever writes them first; the default is a share
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER",
        value_name = "SAMPLER",
        default_value = "parentbased_traceidratio"
    )]
    pub traces_sampler: SamplerKind,
    /// The share of records that are traced: one in a thousand by default
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "SHARE", default_value = "0.001")]
    pub traces_sampler_arg: Ratio,
    /// Spans that may wait to be exported; what comes on top is dropped and counted (default of the SDKs: 2048)
    #[arg(long, env = "OTEL_BSP_MAX_QUEUE_SIZE", value_name = "SPANS", default_value_t = 65_536,
        value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub span_queue: u32,
    /// Spans of one request, which collectors take up to 4 MiB of (default of the SDKs: 512)
    #[arg(long, env = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", value_name = "SPANS", default_value_t = 2_048,
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub span_batch: u32,
    /// How long spans wait for others, in milliseconds (default of the SDKs: 5000)
    #[arg(long, env = "OTEL_BSP_SCHEDULE_DELAY", value_name = "MS", default_value_t = 500,
        value_parser = value_parser!(u64).range(1..=600_000))]
    pub span_delay: u64,
    /// How often metrics are exported, in milliseconds (default of the SDKs: 60000)
    #[arg(long, env = "OTEL_METRIC_EXPORT_INTERVAL", value_name = "MS", default_value_t = 10_000,
        value_parser = value_parser!(u64).range(10..=3_600_000))]
    pub metric_interval: u64,
    /// What the service is called in telemetry; by default its own name
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME", default_value = "")]
    pub otel_service_name: String,
}

/// Where OTLP goes; empty if nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Endpoint(String);

/// Headers of OTLP's requests.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Protocol {
    /// Protobuf over gRPC, port 4317 by custom.
    #[value(name = "grpc")]
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf over HTTP, port 4318 by custom.
    #[value(name = "http/protobuf")]
    #[serde(rename = "http/protobuf")]
    Http,
}

/// Whether a signal is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exporter {
    /// Over OTLP.
    Otlp,
    /// Not at all.
    None,
}

impl Options {
    /// Whether a signal goes somewhere.
    pub(crate) fn exports(&self, exporter: Exporter) -> bool {
        exporter == Exporter::Otlp && !self.otel_disabled && !self.otlp_endpoint.0.is_empty()
    }

    /// How long a request may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.otlp_timeout)
    }

    /// Where a signal goes: over HTTP each has a path of its own.
    pub(crate) fn url(&self, signal: &str) -> String {
        let base = self.otlp_endpoint.0.trim_end_matches('/');
        match self.otlp_protocol {
            Protocol::Grpc => base.to_owned(),
            Protocol::Http => format!("{base}/v1/{signal}"),
        }
    }

    /// Headers of every request.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.otlp_headers.0
    }
}

impl std::str::FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if text.is_empty() || is_url.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            return Ok(Self(text.to_owned()));
        }
        Err("a URL with http:// or https://, such as http://localhost:4317")
    }
}

impl std::str::FromStr for Headers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            Some((name.trim().to_ascii_lowercase(), value.into_owned()))
        });
        pairs
            .collect::<Option<_>>()
            .map(Self)
            .ok_or("key=value, several joined by commas, values percent-encoded")
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_tuple("Headers").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &[&str]) -> Result<Options, clap::Error> {
        Line::try_parse_from([&["service"], arguments].concat()).map(|line| line.options)
    }

    /// Nothing is exported unless it is said where to; each signal can be left out, and all of them.
    #[test]
    fn export_is_asked_for() {
        let endpoint = "--otlp-endpoint=http://collector:4317/";
        let exports = |arguments: &[&str]| {
            let options = options(arguments).expect("parses");
            options.exports(options.traces_exporter)
        };
        assert!(!exports(&[]));
        assert!(exports(&[endpoint]));
        assert!(!exports(&[endpoint, "--traces-exporter=none"]));
        assert!(!exports(&[endpoint, "--otel-disabled=true"]));
        let grpc = options(&[endpoint]).expect("parses");
        assert_eq!(grpc.url("traces"), "http://collector:4317");
        let http = options(&[endpoint, "--otlp-protocol=http/protobuf"]).expect("parses");
        assert_eq!(http.url("traces"), "http://collector:4317/v1/traces");
    }

    /// A token is taken, and never printed.
    #[test]
    fn headers_are_secret() {
        let headers = "--otlp-headers=Authorization=Bearer%20a=b, x-team=tolls";
        let options = options(&[headers]).expect("parses");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(options.headers(), [pair("authorization", "Bearer a=b"), pair("x-team", "tolls")]);
        let printed = format!("{options:?}{}", serde_json::to_string(&options).expect("is JSON"));
        assert!(!printed.contains("Bearer"), "{printed}");
    }

    /// What cannot be meant is refused.
    #[test]
    fn mistakes_are_refused() {
        for bad in ["--otlp-endpoint=collector:4317", "--otlp-headers=token", "--traces-sampler=sometimes"] {
            assert!(options(&[bad]).is_err(), "{bad}");
        }
    }
}
