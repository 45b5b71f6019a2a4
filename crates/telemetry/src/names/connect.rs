//! Kafka Connect's own names for what the writer does, as the JMX exporter writes them: whoever has dashboards for Connect's sinks
//! can keep them. Labels are `connector` and `task`.
//!
//! Source: `ConnectMetricsRegistry.java` of Apache Kafka. All are gauges, as Connect's MBeans are.

use super::metrics::gauge;
use crate::{Metric, Unit};

/// Records read from Kafka.
pub const CONNECT_READ: Metric =
    plain("kafka_connect_sink_task_metrics_sink_record_read_total", "Records read");
/// Records stored.
pub const CONNECT_SENT: Metric =
    plain("kafka_connect_sink_task_metrics_sink_record_send_total", "Records stored");
/// Records read and not yet stored.
pub const CONNECT_ACTIVE: Metric =
    plain("kafka_connect_sink_task_metrics_sink_record_active_count", "Records read and not yet stored");
/// Largest lag of a partition, in records.
pub const CONNECT_LAG_MAX: Metric =
    plain("kafka_connect_sink_task_metrics_sink_record_lag_max", "Largest lag of a partition, in records");
/// Mean time of a flush in milliseconds, since the start.
pub const CONNECT_PUT_AVG: Metric =
    plain("kafka_connect_sink_task_metrics_put_batch_avg_time_ms", "Mean time of a flush, in milliseconds");
/// Longest time of a flush in milliseconds, since the start.
pub const CONNECT_PUT_MAX: Metric = plain(
    "kafka_connect_sink_task_metrics_put_batch_max_time_ms",
    "Longest time of a flush, in milliseconds",
);
/// Mean records of a batch, since the start.
pub const CONNECT_BATCH_AVG: Metric =
    plain("kafka_connect_connector_task_metrics_batch_size_avg", "Mean records of a batch");
/// Most records of a batch, since the start.
pub const CONNECT_BATCH_MAX: Metric =
    plain("kafka_connect_connector_task_metrics_batch_size_max", "Most records of a batch");
/// Operations that failed for lack of infrastructure or over a record.
pub const CONNECT_FAILURES: Metric =
    plain("kafka_connect_task_error_metrics_total_record_failures", "Operations on records that failed");
/// Records whose failure is not tolerated.
pub const CONNECT_ERRORS: Metric =
    plain("kafka_connect_task_error_metrics_total_record_errors", "Records whose failure is not tolerated");
/// Records set aside.
pub const CONNECT_SKIPPED: Metric =
    plain("kafka_connect_task_error_metrics_total_records_skipped", "Records set aside because of an error");
/// Attempts that were repeated.
pub const CONNECT_RETRIES: Metric =
    plain("kafka_connect_task_error_metrics_total_retries", "Attempts that were repeated");
/// Dead letters sent.
pub const CONNECT_DLQ_REQUESTS: Metric =
    plain("kafka_connect_task_error_metrics_deadletterqueue_produce_requests", "Dead letters sent");
/// Dead letters that Kafka has not taken.
pub const CONNECT_DLQ_FAILURES: Metric =
    plain("kafka_connect_task_error_metrics_deadletterqueue_produce_failures", "Dead letters not taken");
/// When a record failed last, in milliseconds since 1970 UTC; 0 if none has.
pub const CONNECT_LAST_ERROR: Metric = plain(
    "kafka_connect_task_error_metrics_last_error_timestamp",
    "When a record failed last, in ms since 1970",
);

/// All of them.
pub const CONNECT_ALL: &[&Metric] = &[
    &CONNECT_READ,
    &CONNECT_SENT,
    &CONNECT_ACTIVE,
    &CONNECT_LAG_MAX,
    &CONNECT_PUT_AVG,
    &CONNECT_PUT_MAX,
    &CONNECT_BATCH_AVG,
    &CONNECT_BATCH_MAX,
    &CONNECT_FAILURES,
    &CONNECT_ERRORS,
    &CONNECT_SKIPPED,
    &CONNECT_RETRIES,
    &CONNECT_DLQ_REQUESTS,
    &CONNECT_DLQ_FAILURES,
    &CONNECT_LAST_ERROR,
];

const fn plain(name: &'static str, help: &'static str) -> Metric {
    gauge(name, Unit::Count, help)
}
