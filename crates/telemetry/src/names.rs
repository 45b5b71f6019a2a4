//! Every metric and label name of this project.
//!
//! Messaging metrics follow OpenTelemetry's [messaging conventions]; what these lack has the prefix `turnpike`.
//! Kafka Connect's names for the same numbers stand beside the writer's.
//!
//! [messaging conventions]: https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/

use crate::{Kind, Metric, Unit};

/// Label: a topic.
pub const TOPIC: &str = "messaging.destination.name";
/// Label: a partition number.
pub const PARTITION: &str = "messaging.destination.partition.id";
/// Label: a consumer group.
pub const GROUP: &str = "messaging.consumer.group.name";
/// Label: a stream of events, for example `toll`.
pub const STREAM: &str = "stream";
/// Label: a reason code of a dead letter or a flag; `VALID` in verdicts of records that go on.
pub const REASON: &str = "reason";
/// Label: a connector of the writer.
pub const CONNECTOR: &str = "connector";
/// Label: where a dead letter arose, a connector's name or a service's.
pub const STAGE: &str = "stage";
/// Label: what a service waits for, for example `kafka`.
pub const DEPENDENCY: &str = "dependency";
/// Label: a kind of deliberate fault, for example `truncated`.
pub const FAULT: &str = "fault";
/// Label: a feed's name.
pub const FEED: &str = "feed";
/// Label: what became of something, for example `not_modified`.
pub const OUTCOME: &str = "outcome";

/// Records read, by [`TOPIC`] (Kafka Connect: `sink-record-read-total`).
pub const CONSUMED: Metric =
    counter("messaging.client.consumed.messages", "Records read from Kafka and handed on");
/// Records acknowledged by the brokers, by [`TOPIC`].
pub const SENT: Metric = counter("messaging.client.sent.messages", "Records that Kafka has acknowledged");
/// Records not yet read, by [`GROUP`], [`TOPIC`] and [`PARTITION`]; the name is that of the OpenTelemetry Collector's receiver.
pub const LAG_RECORDS: Metric = gauge(
    "kafka.consumer_group.lag",
    Unit::Count,
    "Records between the last one handled and the end of the partition",
);
/// Records judged, by [`STREAM`] and [`REASON`].
pub const VERDICTS: Metric =
    counter("turnpike.validator.verdicts", "Records judged, by the first reason found");
/// Rules that a good record fails and that do not refuse it, by [`STREAM`] and [`REASON`].
pub const FLAGS: Metric =
    counter("turnpike.validator.flags", "Rules that good records fail, by the rule's code");
/// Records refused for good, by [`STAGE`] and [`REASON`] (Kafka Connect: `total-record-failures`).
pub const DEAD_LETTERS: Metric = counter("turnpike.dead_letters", "Records moved to a dead-letter topic");
/// Rows committed, by [`CONNECTOR`] (Kafka Connect: `sink-record-send-total`).
pub const ROWS: Metric = counter("turnpike.writer.rows", "Rows committed together with their ledger");
/// Rows of a flush, by [`CONNECTOR`] (Kafka Connect: `batch-size-avg`).
pub const BATCH_ROWS: Metric =
    histogram("turnpike.writer.batch_rows", Unit::Count, "Rows written by one transaction");
/// Time of a flush, by [`CONNECTOR`] (Kafka Connect: `put-batch-avg-time-ms`).
pub const FLUSH_MS: Metric = histogram(
    "turnpike.writer.flush.duration",
    Unit::Milliseconds,
    "Time from the first statement to the commit",
);
/// Time from the record's Kafka timestamp at the generator to its commit in the database, by [`CONNECTOR`].
pub const END_TO_END_MS: Metric =
    histogram("turnpike.end_to_end.latency", Unit::Milliseconds, "Time from generated to stored");
/// Deliberately malformed records, by [`FAULT`].
pub const FAULTS: Metric = counter("turnpike.generator.faults", "Records malformed on purpose");
/// Records of a feed, by [`FEED`] and [`OUTCOME`] (Kafka Connect: `source-record-write-total`).
pub const FEED_RECORDS: Metric =
    counter("turnpike.feed.records", "Records of a feed: sent, set_aside, skipped, or seen before");
/// Questions to the HTTP address of a feed, by [`FEED`] and [`OUTCOME`].
pub const FEED_POLLS: Metric = counter("turnpike.feed.polls", "Times that a feed was asked over HTTP");
/// Failed attempts, by [`DEPENDENCY`] (Kafka Connect: `total-retries`).
pub const RETRIES: Metric =
    counter("turnpike.retries", "Attempts on a dependency that failed and were repeated");
/// 1 while a dependency answers, by [`DEPENDENCY`].
pub const DEPENDENCY_READY: Metric =
    gauge("turnpike.dependency.ready", Unit::Count, "1 while the dependency answers, else 0");
/// 1 while the control plane holds the service.
pub const PAUSED: Metric =
    gauge("turnpike.paused", Unit::Count, "1 while paused through the control plane, else 0");

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, help }
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, help }
}

const fn histogram(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit, help }
}
