//! What has come over OTLP, kept up to a limit.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1 as trace,
};
use service::clock;
use tokio::sync::watch;

use super::{Line, Point, Span, Spans, metrics};

/// Spans of one test; more are a mistake of the test.
const SPANS_MAX: usize = 400_000;
/// Log records of one test.
const LINES_MAX: usize = 50_000;

/// A resource as a signal told it: the signal, and the resource's attributes.
pub(super) type Told = (&'static str, BTreeMap<String, String>);

/// A series: service, metric and labels.
pub(super) type Series = (String, String, BTreeMap<String, String>);

/// Everything that has come.
#[derive(Debug)]
pub(super) struct Received {
    spans: Mutex<Taken>,
    points: Mutex<BTreeMap<Series, Point>>,
    lines: Mutex<Vec<Line>>,
    resources: Mutex<BTreeSet<Told>>,
    requests: AtomicU64,
    /// Those without the header that all are to have.
    unmarked: AtomicU64,
    /// When spans came last.
    last: Mutex<Instant>,
    hangs: watch::Sender<bool>,
}

/// Spans as they came, and those of them that were read: what services wait for is the first alone.
#[derive(Debug, Default)]
struct Taken {
    /// Each with its service and the schema of its names.
    unread: Vec<(String, String, trace::Span)>,
    read: Vec<Span>,
}

impl Default for Received {
    fn default() -> Self {
        Self {
            spans: Mutex::default(),
            points: Mutex::default(),
            lines: Mutex::default(),
            resources: Mutex::default(),
            requests: AtomicU64::default(),
            unmarked: AtomicU64::default(),
            last: Mutex::new(clock::instant()),
            hangs: watch::Sender::new(false),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Received {
    pub(super) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    /// Waits until requests are answered.
    pub(super) async fn answer(&self, is_marked: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.unmarked.fetch_add((!is_marked).into(), Ordering::Relaxed);
        self.hangs.subscribe().wait_for(|hangs| !hangs).await.expect("the sender is this");
    }

    pub(super) fn take_spans(&self, request: ExportTraceServiceRequest) {
        let mut spans = lock(&self.spans);
        for group in request.resource_spans {
            let service = self.take_resource("traces", group.resource.as_ref());
            for scope in group.scope_spans {
                let of = |span| (service.clone(), scope.schema_url.clone(), span);
                spans.unread.extend(scope.spans.into_iter().map(of));
            }
        }
        assert!(spans.read.len() + spans.unread.len() <= SPANS_MAX, "more than {SPANS_MAX} spans");
        *lock(&self.last) = clock::instant();
    }

    pub(super) fn take_metrics(&self, request: ExportMetricsServiceRequest) {
        let mut points = lock(&self.points);
        for group in request.resource_metrics {
            let service = self.take_resource("metrics", group.resource.as_ref());
            for scope in group.scope_metrics {
                for metric in scope.metrics {
                    let made = metrics::points(&service, &scope.schema_url, metric).into_iter();
                    points.extend(made.map(|point| (point.series(), point)));
                }
            }
        }
    }

    pub(super) fn take_logs(&self, request: ExportLogsServiceRequest) {
        let mut lines = lock(&self.lines);
        for group in request.resource_logs {
            let service = self.take_resource("logs", group.resource.as_ref());
            for scope in group.scope_logs {
                let schema = if scope.schema_url.is_empty() { &group.schema_url } else { &scope.schema_url };
                lines.extend(scope.log_records.into_iter().map(|line| Line::new(&service, schema, line)));
            }
        }
        assert!(lines.len() <= LINES_MAX, "more than {LINES_MAX} log records");
    }

    /// Keeps a resource, and gives the service's name.
    fn take_resource(&self, signal: &'static str, resource: Option<&Resource>) -> String {
        let attributes = resource.map(|resource| pairs(&resource.attributes)).unwrap_or_default();
        let service = attributes.get("service.name").cloned().unwrap_or_default();
        lock(&self.resources).insert((signal, attributes));
        service
    }

    pub(super) fn resources(&self) -> BTreeSet<Told> {
        lock(&self.resources).clone()
    }

    pub(super) fn spans(&self) -> Spans {
        let mut spans = lock(&self.spans);
        let unread = std::mem::take(&mut spans.unread).into_iter();
        spans.read.extend(unread.map(|(service, schema, span)| Span::new(&service, &schema, span)));
        Spans::new(spans.read.clone())
    }

    pub(super) fn points(&self) -> Vec<Point> {
        lock(&self.points).values().cloned().collect()
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        lock(&self.lines).clone()
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn unmarked(&self) -> u64 {
        self.unmarked.load(Ordering::Relaxed)
    }

    pub(super) fn begin_quiet(&self) {
        *lock(&self.last) = clock::instant();
    }

    pub(super) fn is_quiet_for(&self, time: Duration) -> bool {
        lock(&self.last).elapsed() > time
    }
}

/// Attributes as text, by their names.
pub(super) fn pairs(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect()
}

/// A value as text.
pub(super) fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

/// An id in hexadecimal; empty if there is none.
pub(super) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
