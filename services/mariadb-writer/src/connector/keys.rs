//! Words of Kafka Connect's documents that mean something here, nothing here, or nothing yet.

use super::Sink;

/// The JDBC sinks that documents written for Kafka Connect name, and ours.
pub(super) const CLASSES: [(&str, Sink); 6] = [
    ("turnpike.JdbcSink", Sink::Jdbc),
    ("io.confluent.connect.jdbc.JdbcSinkConnector", Sink::Jdbc),
    ("io.aiven.connect.jdbc.JdbcSinkConnector", Sink::Jdbc),
    ("io.aiven.kafka.connect.jdbc.JdbcSinkConnector", Sink::Jdbc),
    ("io.debezium.connector.jdbc.JdbcSinkConnector", Sink::Jdbc),
    ("turnpike.DeadLetterSink", Sink::DeadLetters),
];

/// Keys that are right to set and change nothing here: errors are retried for as long as they last, dead letters always
/// carry their context, keys are text, identifiers are quoted.
pub(super) const WITHOUT_EFFECT: [&str; 28] = [
    "name",
    "key.converter",
    "header.converter",
    "max.retries",
    "retry.backoff.ms",
    "flush.max.retries",
    "flush.retry.delay.ms",
    "connection.attempts",
    "connection.backoff.ms",
    "connection.restart.on.errors",
    "errors.log.enable",
    "errors.log.include.messages",
    "errors.retry.timeout",
    "errors.retry.delay.max.ms",
    "errors.deadletterqueue.topic.replication.factor",
    "errors.deadletterqueue.context.headers.enable",
    "quote.sql.identifiers",
    "sql.quote.identifiers",
    "quote.identifiers",
    "dialect.name",
    "table.types",
    "config.action.reload",
    "trim.sensitive.log",
    "replace.null.with.default",
    "date.timezone",
    "value.converter.schemas.enable",
    "value.converter.auto.register.schemas",
    "value.converter.use.latest.version",
];

/// Keys whose other values would change what is written.
pub(super) const UNSUPPORTED: [(&str, &str); 3] =
    [("delete.enabled", "false"), ("db.timezone", "UTC"), ("use.time.zone", "UTC")];

/// Keys whose other values would create what is missing; as nothing is created, what is missing is told at the start.
pub(super) const TABLES_MUST_EXIST: [(&str, &str); 3] =
    [("auto.create", "false"), ("auto.evolve", "false"), ("schema.evolution", "none")];
