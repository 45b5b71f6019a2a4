//! What a service tells about itself: logs, metrics, traces, and the one list of their names.
//!
//! Records and batches have spans by [`Tracer`]; waiting, connecting and asking over HTTP are spans of `tracing` with
//! [`SPAN_TARGET`]. Without an address for OTLP nothing of it leaves the process, and no record is looked at for it.

mod export;
mod histogram;
mod logs;
mod metrics;
pub mod names;
mod openmetrics;
mod options;
mod process;
mod push;
mod queue;
mod repeats;
mod sampling;
mod trace;

pub use export::{Export, ExportError, Identity};
pub use histogram::Histogram;
pub use logs::{LogError, LogFilter, LogStyle, SPAN_TARGET, init_logs};
pub use metrics::{Counter, Gauge, Kind, Labels, Metric, Metrics, Quantiles, Sample, Snapshot, Unit};
pub use options::{Endpoint, Exporter, Headers, Options, Protocol};
pub use process::observe_process;
pub use push::Push;
pub use repeats::Repeats;
pub use sampling::{Ratio, Sampler, SamplerKind};
pub use trace::{KeyValue, LINKS_MAX, Parent, Span, SpanKind, Status, TRACEPARENT, TRACESTATE, Tracer};
pub use tracing_opentelemetry::OpenTelemetrySpanExt;
