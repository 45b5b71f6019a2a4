//! Puts the parts together: spans, log lines and metrics on their way to a collector.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchConfigBuilder as LogBatchConfig, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder as SpanBatchConfig, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};

use tonic::metadata::{Ascii, MetadataKey, MetadataMap};

use crate::options::{Options, Protocol};
use crate::push::Push;
use crate::queue::{Counted, LOGS, Queue, SPANS, Telling};
use crate::{Metrics, Tracer, names};

/// What the spans and log lines of all services have in common, beside their own names.
const NAMESPACE: &str = "turnpike";
/// Log records that may wait: they are few, for none is written for a record.
const LOG_QUEUE: u32 = 8_192;
/// How long log records wait for others.
const LOG_DELAY: Duration = Duration::from_millis(500);

/// Who exports.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The service's name.
    pub service: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What tells it from others of the same name.
    pub instance: &'a str,
    /// When it began to count.
    pub started: SystemTime,
    /// The same on the clock that never goes back.
    pub started_instant: Instant,
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The settings do not fit together.
    #[error("cannot export to OTEL_EXPORTER_OTLP_ENDPOINT")]
    Exporter(#[from] ExporterBuildError),
    /// The headers are none.
    #[error("OTEL_EXPORTER_OTLP_HEADERS has a name or value that cannot be a header")]
    Headers,
    /// The client for metrics cannot be made.
    #[error("cannot export metrics to OTEL_EXPORTER_OTLP_ENDPOINT")]
    Metrics(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a service exports by.
#[derive(Debug, Default)]
pub struct Export {
    pub(crate) spans: Option<SdkTracerProvider>,
    pub(crate) logs: Option<SdkLoggerProvider>,
    tracer: Tracer,
    push: Option<Push>,
    /// What waits to be exported, by what it is called.
    queues: Vec<(&'static str, Queue)>,
}

impl Export {
    /// Sets up what the options ask for; nothing is connected yet. Must be called inside a Tokio runtime.
    pub fn new(options: &Options, identity: &Identity<'_>, metrics: &Metrics) -> Result<Self, ExportError> {
        let resource = resource(options, identity);
        let mut export = Self::default();
        if options.exports(options.traces_exporter) {
            let queue = Queue::new(metrics, SPANS, options.span_queue);
            let spans = span_provider(options, &resource, &queue)?;
            export.queues.push(("spans", queue));
            let suppressed = metrics.counter(&names::ERROR_SPANS_SUPPRESSED, &[]);
            let ratio = options.traces_sampler.ratio(options.traces_sampler_arg);
            export.tracer = Tracer::new(tracer(&spans), ratio, suppressed, identity.started_instant);
            export.spans = Some(spans);
        }
        if options.exports(options.logs_exporter) {
            let queue = Queue::new(metrics, LOGS, LOG_QUEUE);
            export.logs = Some(log_provider(options, &resource, &queue)?);
            export.queues.push(("log records", queue));
        }
        if options.exports(options.metrics_exporter) {
            export.push = Some(Push::new(options, &resource, identity.started, metrics)?);
        }
        Ok(export)
    }

    /// Makes the spans of records and batches.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Sends metrics, if they are exported.
    pub fn push(&self) -> Option<&Push> {
        self.push.as_ref()
    }

    /// Sends what waits, spans and log lines at the same time; what has not been taken by then is given up, counted and told. Blocks the
    /// thread, and needs the runtime to run.
    pub fn shutdown(&self, patience: Duration) {
        thread::scope(|scope| {
            scope.spawn(|| self.logs.as_ref().map(|logs| logs.shutdown_with_timeout(patience)));
            let _ = self.spans.as_ref().map(|spans| spans.shutdown_with_timeout(patience));
        });
        for (what, queue) in &self.queues {
            let left = queue.give_up();
            if left > 0 {
                tracing::warn!(target: "telemetry", left, "{left} {what} are given up: the collector has not taken them");
            }
        }
    }
}

/// The tracer whose spans say which conventions they follow.
pub(crate) fn tracer(spans: &SdkTracerProvider) -> SdkTracer {
    let scope = InstrumentationScope::builder(NAMESPACE)
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(names::SCHEMA_URL);
    spans.tracer_with_scope(scope.build())
}

fn resource(options: &Options, identity: &Identity<'_>) -> Resource {
    let name = match options.otel_service_name.as_str() {
        "" => identity.service,
        name => name,
    };
    // What OTEL_RESOURCE_ATTRIBUTES says is added by the SDK.
    Resource::builder()
        .with_service_name(name.to_owned())
        .with_schema_url(
            [
                KeyValue::new("service.namespace", NAMESPACE),
                KeyValue::new("service.version", identity.version),
                KeyValue::new("service.instance.id", identity.instance.to_owned()),
            ],
            names::SCHEMA_URL,
        )
        .build()
}

fn span_provider(
    options: &Options,
    resource: &Resource,
    queue: &Queue,
) -> Result<SdkTracerProvider, ExportError> {
    let exporter = match options.otlp_protocol {
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_endpoint(options.url("traces"))
            .with_timeout(options.timeout())
            .with_metadata(metadata(options)?)
            .build()?,
        Protocol::Http => SpanExporter::builder()
            .with_http()
            .with_endpoint(options.url("traces"))
            .with_timeout(options.timeout())
            .with_headers(header_map(options))
            .build()?,
    };
    let batches = SpanBatchConfig::default()
        // The counted queue is full before this one is.
        .with_max_queue_size(options.span_queue as usize + options.span_batch as usize)
        .with_max_export_batch_size(options.span_batch as usize)
        .with_scheduled_delay(Duration::from_millis(options.span_delay))
        .build();
    let processor = BatchSpanProcessor::builder(Telling::new(exporter, queue.clone()));
    let processor = processor.with_batch_config(batches).build();
    Ok(SdkTracerProvider::builder()
        // Which records have spans is decided before there is a span; whatever is begun is recorded.
        .with_sampler(Sampler::AlwaysOn)
        .with_span_processor(Counted::new(processor, queue.clone()))
        .with_resource(resource.clone())
        .build())
}

fn log_provider(
    options: &Options,
    resource: &Resource,
    queue: &Queue,
) -> Result<SdkLoggerProvider, ExportError> {
    let exporter = match options.otlp_protocol {
        Protocol::Grpc => LogExporter::builder()
            .with_tonic()
            .with_endpoint(options.url("logs"))
            .with_timeout(options.timeout())
            .with_metadata(metadata(options)?)
            .build()?,
        Protocol::Http => LogExporter::builder()
            .with_http()
            .with_endpoint(options.url("logs"))
            .with_timeout(options.timeout())
            .with_headers(header_map(options))
            .build()?,
    };
    let batches = LogBatchConfig::default()
        .with_max_queue_size(LOG_QUEUE as usize * 2)
        .with_scheduled_delay(LOG_DELAY)
        .build();
    let processor = BatchLogProcessor::builder(Telling::new(exporter, queue.clone()));
    let processor = processor.with_batch_config(batches).build();
    let provider = SdkLoggerProvider::builder().with_log_processor(Counted::new(processor, queue.clone()));
    Ok(provider.with_resource(resource.clone()).build())
}

fn header_map(options: &Options) -> HashMap<String, String> {
    // The client decodes them once more.
    options.headers().iter().map(|(name, value)| (name.clone(), value.replace('%', "%25"))).collect()
}

/// The headers as gRPC has them.
pub(crate) fn metadata(options: &Options) -> Result<MetadataMap, ExportError> {
    let mut metadata = MetadataMap::new();
    for (name, value) in options.headers() {
        let name: MetadataKey<Ascii> = name.parse().map_err(|_| ExportError::Headers)?;
        metadata.insert(name, value.parse().map_err(|_| ExportError::Headers)?);
    }
    Ok(metadata)
}
