//! Counts what waits to be exported, what is dropped and what arrives: the SDK's own queues only log it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use crate::{Counter, Gauge, Metric, Metrics, names};

/// What one queue counts; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    capacity: u64,
    waiting: Arc<AtomicU64>,
    size: Gauge,
    processed: Counter,
    dropped: Counter,
    exported: Counter,
    failed: Counter,
}

/// The metrics of a queue: size, capacity, processed and exported.
pub(crate) type QueueMetrics = [&'static Metric; 4];

/// Those of spans.
pub(crate) const SPANS: QueueMetrics =
    [&names::SPAN_QUEUE, &names::SPAN_QUEUE_CAPACITY, &names::SPANS_PROCESSED, &names::SPANS_EXPORTED];
/// Those of log records.
pub(crate) const LOGS: QueueMetrics =
    [&names::LOG_QUEUE, &names::LOG_QUEUE_CAPACITY, &names::LOGS_PROCESSED, &names::LOGS_EXPORTED];

/// Why something was dropped, as the conventions name it.
const QUEUE_FULL: &str = "queue_full";
/// Why something that was sent has not arrived.
const EXPORT_FAILED: &str = "export_failed";

impl Queue {
    /// An empty queue.
    pub(crate) fn new(metrics: &Metrics, of: QueueMetrics, capacity: u32) -> Self {
        let [size, most, processed, exported] = of;
        metrics.gauge(most, &[]).set(i64::from(capacity));
        Self {
            capacity: u64::from(capacity),
            waiting: Arc::default(),
            size: metrics.gauge(size, &[]),
            processed: metrics.counter(processed, &[]),
            dropped: metrics.counter(processed, &[(names::ERROR_TYPE, QUEUE_FULL)]),
            exported: metrics.counter(exported, &[]),
            failed: metrics.counter(exported, &[(names::ERROR_TYPE, EXPORT_FAILED)]),
        }
    }

    /// Whether one more may wait; if not, it is counted as dropped.
    fn enter(&self) -> bool {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= self.capacity {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.add(1);
            return false;
        }
        self.size.set(before as i64 + 1);
        true
    }

    /// What still waits will not be sent any more; tells how many these are.
    pub(crate) fn give_up(&self) -> u64 {
        let left = self.waiting.swap(0, Ordering::Relaxed);
        self.failed.add(left);
        self.size.set(0);
        left
    }

    /// So many have been handed to the exporter, with this outcome.
    fn leave(&self, count: usize, outcome: &OTelSdkResult) {
        let count = count as u64;
        // What was given up at the end may arrive after all.
        let before = self.waiting.load(Ordering::Relaxed);
        if before < count && outcome.is_err() {
            // It was told and counted when it was given up.
            return;
        }
        self.waiting.fetch_sub(count.min(before), Ordering::Relaxed);
        self.size.set(before.saturating_sub(count) as i64);
        self.processed.add(count);
        match outcome {
            Ok(()) => self.exported.add(count),
            Err(error) => {
                self.failed.add(count);
                tracing::warn!(target: "telemetry", "not exported, the collector does not take it: {}", reason(error));
            }
        }
    }
}

/// The part of an exporter's error that is the same every time.
fn reason(error: &OTelSdkError) -> String {
    error.to_string().split(", detail").next().unwrap_or_default().to_owned()
}

/// A processor behind a counted queue.
#[derive(Debug)]
pub(crate) struct Counted<P> {
    inner: P,
    queue: Queue,
}

/// An exporter that tells the queue what became of a batch.
#[derive(Debug)]
pub(crate) struct Telling<E> {
    inner: E,
    queue: Queue,
}

impl<P> Counted<P> {
    pub(crate) fn new(inner: P, queue: Queue) -> Self {
        Self { inner, queue }
    }
}

impl<E> Telling<E> {
    pub(crate) fn new(inner: E, queue: Queue) -> Self {
        Self { inner, queue }
    }
}

impl SpanProcessor for Counted<BatchSpanProcessor> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.queue.enter() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl LogProcessor for Counted<BatchLogProcessor> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.queue.enter() {
            self.inner.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let outcome = self.inner.export(batch).await;
        self.queue.leave(count, &outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Telling<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        let outcome = self.inner.export(batch).await;
        self.queue.leave(count, &outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(metrics: &Metrics) -> Vec<(&'static str, bool, f64)> {
        let samples = metrics.snapshot().samples;
        samples.iter().map(|sample| (sample.name, sample.labels.is_empty(), sample.value)).collect()
    }

    /// What is let in, dropped, sent and lost adds up.
    #[test]
    fn nothing_goes_uncounted() {
        let metrics = Metrics::default();
        let queue = Queue::new(&metrics, SPANS, 3);
        let let_in = (0..5).filter(|_| queue.enter()).count();
        assert_eq!(let_in, 3);
        queue.leave(1, &Ok(()));
        queue.leave(1, &Err(OTelSdkError::InternalFailure("away".to_owned())));
        assert_eq!((queue.give_up(), queue.give_up()), (1, 0));
        queue.leave(1, &Err(OTelSdkError::InternalFailure("the end".to_owned())));
        assert_eq!(
            counts(&metrics),
            [
                ("otel.sdk.exporter.span.exported", true, 1.0),
                ("otel.sdk.exporter.span.exported", false, 2.0),
                ("otel.sdk.processor.span.processed", true, 2.0),
                ("otel.sdk.processor.span.processed", false, 2.0),
                ("otel.sdk.processor.span.queue.capacity", true, 3.0),
                ("otel.sdk.processor.span.queue.size", true, 0.0),
            ]
        );
    }
}
