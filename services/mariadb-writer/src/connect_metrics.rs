//! What a task counts under the names that Kafka Connect's metrics have, so that dashboards and alerts made for Connect go on working.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use telemetry::{Gauge, Metric, Metrics, names};

/// The numbers of one task; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct ConnectMetrics {
    gauges: Arc<[Gauge]>,
    lag_max: Gauge,
    totals: Arc<Mutex<Totals>>,
}

/// What has happened since the start.
#[derive(Debug, Default)]
struct Totals {
    read: u64,
    sent: u64,
    active: u64,
    batches: u64,
    batch_records: u64,
    batch_max: u64,
    put_ms: u64,
    put_max_ms: u64,
    failures: u64,
    errors: u64,
    set_aside: u64,
    retries: u64,
    letters_sent: u64,
    letters_refused: u64,
    last_error_ms: u64,
}

type Shown = (&'static Metric, fn(&Totals) -> u64);

const SHOWN: [Shown; 14] = [
    (&names::CONNECT_READ, |totals| totals.read),
    (&names::CONNECT_SENT, |totals| totals.sent),
    (&names::CONNECT_ACTIVE, |totals| totals.active),
    (&names::CONNECT_PUT_AVG, |totals| mean(totals.put_ms, totals.batches)),
    (&names::CONNECT_PUT_MAX, |totals| totals.put_max_ms),
    (&names::CONNECT_BATCH_AVG, |totals| mean(totals.batch_records, totals.batches)),
    (&names::CONNECT_BATCH_MAX, |totals| totals.batch_max),
    (&names::CONNECT_FAILURES, |totals| totals.failures),
    (&names::CONNECT_ERRORS, |totals| totals.errors),
    (&names::CONNECT_SKIPPED, |totals| totals.set_aside),
    (&names::CONNECT_RETRIES, |totals| totals.retries),
    (&names::CONNECT_DLQ_REQUESTS, |totals| totals.letters_sent),
    (&names::CONNECT_DLQ_FAILURES, |totals| totals.letters_refused),
    (&names::CONNECT_LAST_ERROR, |totals| totals.last_error_ms),
];

impl ConnectMetrics {
    /// The numbers of a connector's task.
    pub(crate) fn new(metrics: &Metrics, connector: &str, task: u32) -> Self {
        let task = task.to_string();
        let labels = [(names::CONNECTOR, connector), (names::TASK, task.as_str())];
        Self {
            gauges: SHOWN.iter().map(|(metric, _)| metrics.gauge(metric, &labels)).collect(),
            lag_max: metrics.gauge(&names::CONNECT_LAG_MAX, &labels),
            totals: Arc::default(),
        }
    }

    /// The task joins its group: it has nothing in hand, and what it had before is read again.
    pub(crate) fn joined(&self) {
        self.change(|totals| totals.active = 0);
    }

    /// Records were read.
    pub(crate) fn read(&self, records: u64) {
        self.change(|totals| {
            totals.read += records;
            totals.active += records;
        });
    }

    /// Records that another writer has stored, or will, were dropped.
    pub(crate) fn dropped(&self, records: u64) {
        self.change(|totals| totals.active = totals.active.saturating_sub(records));
    }

    /// A batch was committed: of its records, so many became rows.
    pub(crate) fn stored(&self, records: u64, rows: u64, took: Duration) {
        let took_ms = took.as_millis() as u64;
        self.change(|totals| {
            totals.sent += rows;
            totals.active = totals.active.saturating_sub(records);
            totals.batches += 1;
            totals.batch_records += records;
            totals.batch_max = totals.batch_max.max(records);
            totals.put_ms += took_ms;
            totals.put_max_ms = totals.put_max_ms.max(took_ms);
        });
    }

    /// A batch is tried again.
    pub(crate) fn retried(&self) {
        self.change(|totals| {
            totals.failures += 1;
            totals.retries += 1;
        });
    }

    /// Records failed and were set aside.
    pub(crate) fn set_aside(&self, records: u64, now_ms: i64) {
        self.change(|totals| {
            totals.failures += records;
            totals.set_aside += records;
            totals.last_error_ms = now_ms as u64;
        });
    }

    /// A record failed, and that is not tolerated.
    pub(crate) fn failed(&self, now_ms: i64) {
        self.change(|totals| {
            totals.failures += 1;
            totals.errors += 1;
            totals.last_error_ms = now_ms as u64;
        });
    }

    /// Dead letters were sent, and some of those sent before were refused.
    pub(crate) fn letters(&self, sent: u64, refused: u64) {
        self.change(|totals| {
            totals.letters_sent += sent;
            totals.letters_refused += refused;
        });
    }

    /// The largest lag of the task's partitions.
    pub(crate) fn lag_max(&self, records: i64) {
        self.lag_max.set(records);
    }

    fn change(&self, change: impl FnOnce(&mut Totals)) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut totals);
        for ((_, value), gauge) in SHOWN.iter().zip(&*self.gauges) {
            gauge.set(value(&totals) as i64);
        }
    }
}

fn mean(sum: u64, count: u64) -> u64 {
    // Gauges are whole numbers: rounded, so that 0.6 ms are not nothing.
    (sum + count / 2).checked_div(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use telemetry::Metrics;

    use super::ConnectMetrics;

    fn values(metrics: &Metrics) -> BTreeMap<&'static str, i64> {
        let samples = metrics.snapshot().samples;
        let short = |name: &'static str| name.split_once("_metrics_").map_or(name, |(_, short)| short);
        samples.iter().map(|sample| (short(sample.name), sample.value as i64)).collect()
    }

    /// What is read is active until it is committed or dropped; sizes and times are means and maxima of the batches.
    #[test]
    fn batches_are_counted_as_connect_counts_them() {
        let metrics = Metrics::default();
        let connect = ConnectMetrics::new(&metrics, "toll-passages", 0);
        connect.read(10);
        connect.read(21);
        connect.stored(10, 9, Duration::from_millis(20));
        connect.dropped(1);
        connect.stored(20, 20, Duration::from_millis(41));
        let values = values(&metrics);
        let found = ["sink_record_read_total", "sink_record_send_total", "sink_record_active_count"];
        assert_eq!(found.map(|name| values[name]), [31, 29, 0]);
        let found = ["put_batch_avg_time_ms", "put_batch_max_time_ms", "batch_size_avg", "batch_size_max"];
        assert_eq!(found.map(|name| values[name]), [31, 41, 15, 20]);
    }

    /// Errors are those that are not tolerated, as in Connect; a tolerated one is a failure that was skipped.
    #[test]
    fn failures_are_counted_as_connect_counts_them() {
        let metrics = Metrics::default();
        let connect = ConnectMetrics::new(&metrics, "toll-passages", 0);
        connect.retried();
        connect.set_aside(2, 1_790_969_180_000);
        connect.letters(2, 1);
        connect.failed(1_790_969_180_001);
        let values = values(&metrics);
        let found =
            ["total_record_failures", "total_record_errors", "total_records_skipped", "total_retries"];
        assert_eq!(found.map(|name| values[name]), [4, 1, 2, 1]);
        assert_eq!(values["deadletterqueue_produce_requests"], 2);
        assert_eq!(values["deadletterqueue_produce_failures"], 1);
        assert_eq!(values["last_error_timestamp"], 1_790_969_180_001);
    }
}
