//! Metrics.

use crate::{Kind, Metric, Unit};

/// Records read, by `TOPIC` (Kafka Connect: `sink-record-read-total`).
pub const CONSUMED: Metric =
    counter("messaging.client.consumed.messages", "Records read from Kafka and handed on");
/// Records acknowledged by the brokers, by `TOPIC`; of the generators also by `STREAM`.
pub const SENT: Metric = counter("messaging.client.sent.messages", "Records that Kafka has acknowledged");
/// Records not yet read, by `GROUP`, `TOPIC` and `PARTITION`; the name is that of the OpenTelemetry Collector's receiver.
pub const LAG_RECORDS: Metric = gauge(
    "kafka.consumer_group.lag",
    Unit::Count,
    "Records between the last one handled and the end of the partition",
);
/// Records judged, by `STREAM` and `REASON`.
pub const VERDICTS: Metric =
    counter("turnpike.validator.verdicts", "Records judged, by the first reason found");
/// Rules that a good record fails and that do not refuse it, by `STREAM` and `REASON`.
pub const FLAGS: Metric =
    counter("turnpike.validator.flags", "Rules that good records fail, by the rule's code");
/// Records refused for good, by `STAGE` and `REASON` (Kafka Connect: `total-records-skipped`).
pub const DEAD_LETTERS: Metric = counter("turnpike.dead_letters", "Records moved to a dead-letter topic");
/// Rows committed, by `CONNECTOR` (Kafka Connect: `sink-record-send-total`).
pub const ROWS: Metric = counter("turnpike.writer.rows", "Rows committed together with their ledger");
/// Rows of a flush, by `CONNECTOR` (Kafka Connect: `batch-size-avg`).
pub const BATCH_ROWS: Metric =
    histogram("turnpike.writer.batch_rows", Unit::Count, "Rows written by one transaction");
/// Time of a flush, by `CONNECTOR` (Kafka Connect: `put-batch-avg-time-ms`).
pub const FLUSH_MS: Metric = histogram(
    "turnpike.writer.flush.duration",
    Unit::Milliseconds,
    "Time from the first statement to the commit",
);
/// Time from the record's Kafka timestamp at the generator to its commit in the database, by `CONNECTOR`.
pub const END_TO_END_MS: Metric =
    histogram("turnpike.end_to_end.latency", Unit::Milliseconds, "Time from generated to stored");
/// Deliberately malformed records, by `STREAM` and `FAULT`.
pub const FAULTS: Metric = counter("turnpike.generator.faults", "Records malformed on purpose");
/// Records of a feed, by `FEED` and `OUTCOME` (Kafka Connect: `source-record-write-total`).
pub const FEED_RECORDS: Metric =
    counter("turnpike.feed.records", "Records of a feed: sent, set_aside, skipped, or seen before");
/// Questions to the HTTP address of a feed, by `FEED` and `OUTCOME`.
pub const FEED_POLLS: Metric = counter("turnpike.feed.polls", "Times that a feed was asked over HTTP");
/// Failed attempts, by `DEPENDENCY` and `ERROR_TYPE`, which is `infrastructure` or `collision` (Kafka Connect: `total-retries`).
pub const RETRIES: Metric =
    counter("turnpike.retries", "Attempts on a dependency that failed and were repeated");
/// 1 while a dependency answers, by `DEPENDENCY`.
pub const DEPENDENCY_READY: Metric =
    gauge("turnpike.dependency.ready", Unit::Count, "1 while the dependency answers, else 0");
/// 1 while the control plane holds the service.
pub const PAUSED: Metric =
    gauge("turnpike.paused", Unit::Count, "1 while paused through the control plane, else 0");

/// Time that one batch of records takes to be handled, by `GROUP`.
pub const PROCESS_DURATION: Metric = histogram(
    "messaging.process.duration",
    Unit::Microseconds,
    "Time from a batch in hand to its commit, the wait for the one before it included",
);
/// Time of a request to Kafka, by `OPERATION`.
pub const OPERATION_DURATION: Metric = histogram(
    "messaging.client.operation.duration",
    Unit::Microseconds,
    "Time of an operation on Kafka, for example of a commit",
);
/// Time of a request to MariaDB, by `DB_OPERATION` and `DB_COLLECTION`.
pub const DB_DURATION: Metric =
    histogram("db.client.operation.duration", Unit::Microseconds, "Time of an operation on the database");
/// For how long at least something has been left to read, by `GROUP`, `TOPIC` and `PARTITION`; 0 if nothing is.
pub const LAG_TIME: Metric = gauge(
    "turnpike.consumer_group.lag.time",
    Unit::Milliseconds,
    "How long something has been left to read, else 0",
);
/// Rules that records fail, whether they refuse or flag, by `STREAM`, `RULE` and `REASON`.
pub const RULE_FAILURES: Metric =
    counter("turnpike.validator.rule_failures", "Rules that records fail, refused and flagged ones");
/// Records of a transaction of the validator.
pub const BATCH_RECORDS: Metric =
    histogram("turnpike.validator.batch_records", Unit::Count, "Records moved by one transaction");
/// Time from the record's Kafka timestamp to its commit by the validator, by `STREAM`.
pub const VALIDATOR_LATENCY: Metric =
    histogram("turnpike.validator.latency", Unit::Milliseconds, "Time from generated to judged");
/// Records that filters leave out, by `CONNECTOR`.
pub const SKIPPED: Metric = counter("turnpike.writer.skipped", "Records that a filter leaves out");
/// What was read less what was stored, passed on, set aside and left out, by `STAGE`, and of connectors by `TOPIC`; anything but 0 is a fault.
pub const LEDGER_BALANCE: Metric =
    gauge("turnpike.ledger.balance", Unit::Count, "Records read and not accounted for; 0 is balanced");
/// Spans of dead letters that were not made, since there were too many.
pub const ERROR_SPANS_SUPPRESSED: Metric = counter(
    "turnpike.telemetry.error_spans.suppressed",
    "Dead letters of untraced records without a span, beyond 50 a second",
);
/// Spans that wait to be exported.
pub const SPAN_QUEUE: Metric =
    gauge("otel.sdk.processor.span.queue.size", Unit::Count, "Spans that wait to be exported");
/// How many spans may wait.
pub const SPAN_QUEUE_CAPACITY: Metric =
    gauge("otel.sdk.processor.span.queue.capacity", Unit::Count, "Spans that may wait to be exported");
/// Spans that have left the queue, by `ERROR_TYPE` if they were dropped.
pub const SPANS_PROCESSED: Metric =
    counter("otel.sdk.processor.span.processed", "Spans handed to the exporter, or dropped by error.type");
/// Spans that have been sent, by `ERROR_TYPE` if that failed.
pub const SPANS_EXPORTED: Metric = counter(
    "otel.sdk.exporter.span.exported",
    "Spans that the collector has, or that were lost by error.type",
);
/// Log records that wait to be exported.
pub const LOG_QUEUE: Metric =
    gauge("otel.sdk.processor.log.queue.size", Unit::Count, "Log records that wait to be exported");
/// How many log records may wait.
pub const LOG_QUEUE_CAPACITY: Metric =
    gauge("otel.sdk.processor.log.queue.capacity", Unit::Count, "Log records that may wait to be exported");
/// Log records that have left the queue, by `ERROR_TYPE` if they were dropped.
pub const LOGS_PROCESSED: Metric = counter(
    "otel.sdk.processor.log.processed",
    "Log records handed to the exporter, or dropped by error.type",
);
/// Log records that have been sent, by `ERROR_TYPE` if that failed.
pub const LOGS_EXPORTED: Metric = counter(
    "otel.sdk.exporter.log.exported",
    "Log records that the collector has, or that were lost by error.type",
);
/// Data points of metrics that have been sent, by `ERROR_TYPE` if that failed.
pub const POINTS_EXPORTED: Metric = counter(
    "otel.sdk.exporter.metric_data_point.exported",
    "Data points that the collector has, or that were not taken by error.type",
);
/// Processor time of this process.
pub const CPU_TIME: Metric = Metric {
    name: "process.cpu.time",
    kind: Kind::Counter,
    unit: Unit::Milliseconds,
    help: "Processor time, user and system",
};
/// Resident memory of this process.
pub const MEMORY: Metric = gauge("process.memory.usage", Unit::Bytes, "Resident memory");
/// Threads of this process.
pub const THREADS: Metric = gauge("process.thread.count", Unit::Count, "Threads");
/// Open files and sockets of this process.
pub const FILE_DESCRIPTORS: Metric =
    gauge("process.unix.file_descriptor.count", Unit::Count, "Open files and sockets");
/// How long this process runs.
pub const UPTIME: Metric = gauge("process.uptime", Unit::Milliseconds, "Time since the start");

/// All metrics, in the order in which they stand here.
pub const ALL: &[&Metric] = &[
    &CONSUMED,
    &SENT,
    &LAG_RECORDS,
    &VERDICTS,
    &FLAGS,
    &DEAD_LETTERS,
    &ROWS,
    &BATCH_ROWS,
    &FLUSH_MS,
    &END_TO_END_MS,
    &FAULTS,
    &FEED_RECORDS,
    &FEED_POLLS,
    &RETRIES,
    &DEPENDENCY_READY,
    &PAUSED,
    &PROCESS_DURATION,
    &OPERATION_DURATION,
    &DB_DURATION,
    &LAG_TIME,
    &RULE_FAILURES,
    &BATCH_RECORDS,
    &VALIDATOR_LATENCY,
    &SKIPPED,
    &LEDGER_BALANCE,
    &ERROR_SPANS_SUPPRESSED,
    &SPAN_QUEUE,
    &SPAN_QUEUE_CAPACITY,
    &SPANS_PROCESSED,
    &SPANS_EXPORTED,
    &LOG_QUEUE,
    &LOG_QUEUE_CAPACITY,
    &LOGS_PROCESSED,
    &LOGS_EXPORTED,
    &POINTS_EXPORTED,
    &CPU_TIME,
    &MEMORY,
    &THREADS,
    &FILE_DESCRIPTORS,
    &UPTIME,
];

pub(super) const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, help }
}

pub(super) const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, help }
}

pub(super) const fn histogram(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit, help }
}
