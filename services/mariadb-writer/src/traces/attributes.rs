//! What the spans say of a record, of its row and of its dead letter.

use dead_letter::Reason;
use kafka::Record;
use telemetry::{KeyValue, Parent, Span, names};

use super::{REJECTED, Statement};
use crate::{meters::group_of, rejection::Rejection};

/// A partition.
pub(super) fn partition(topic: &str, partition: i32) -> Vec<KeyValue> {
    vec![
        KeyValue::new(names::TOPIC, topic.to_owned()),
        KeyValue::new(names::PARTITION, partition.to_string()),
    ]
}

/// A record's place, as what is true of one link only.
pub(super) fn place(record: &Record<'_>) -> Vec<KeyValue> {
    let mut place = partition(record.topic(), record.partition());
    place.push(KeyValue::new(names::OFFSET, record.offset()));
    place
}

/// An operation on Kafka.
pub(super) fn kafka(span: &mut Span, operation: &'static str, kind: &'static str) {
    span.set(names::MESSAGING_SYSTEM, names::KAFKA);
    span.set(names::OPERATION, operation);
    span.set(names::OPERATION_TYPE, kind);
}

/// A record that is handled for a connector.
pub(super) fn of_record(span: &mut Span, record: &Record<'_>, connector: &str) {
    kafka(span, "process", "process");
    span.set(names::GROUP, group_of(connector));
    span.set(names::SPAN_CONNECTOR, connector.to_owned());
    span.set(names::TOPIC, record.topic().to_owned());
    span.set(names::PARTITION, record.partition().to_string());
    span.set(names::OFFSET, record.offset());
    if let Some(key) = record.key().and_then(|key| std::str::from_utf8(key).ok()) {
        span.set(names::KEY, key.to_owned());
    }
}

/// A record's row, which was part of a batch; with the reason if the database has refused it.
pub(super) fn of_row(
    span: &mut Span,
    statement: &Statement<'_>,
    batch: &Parent,
    refused: Option<&Rejection>,
) {
    statement.describe(span);
    span.link(batch, Vec::new());
    if let Some(rejection) = refused {
        if let Some(number) = rejection.errno() {
            span.set(names::DB_STATUS, number.to_string());
        }
        span.fail(rejection.reason.code(), rejection.message.clone());
    }
}

/// What became of a record.
pub(super) fn became(mut span: Span, outcome: &'static str) -> Span {
    span.set(names::SPAN_OUTCOME, outcome);
    span
}

/// A record that can never be stored.
pub(super) fn rejected(span: Span, rejection: &Rejection) -> Span {
    let mut span = became(span, REJECTED);
    span.set(names::SPAN_REASON, rejection.reason.code());
    span.fail(rejection.reason.code(), rejection.message.clone());
    span
}

/// A dead letter, the span of which is a root; `record` is the span that its record has.
pub(crate) fn of_letter(
    span: &mut Span,
    topic: &str,
    record: &Record<'_>,
    connector: &str,
    (reason, message): (Reason, &str),
    record_span: Option<&Parent>,
) {
    kafka(span, "send", "send");
    span.set(names::TOPIC, topic.to_owned());
    span.set(names::SPAN_CONNECTOR, connector.to_owned());
    span.set(names::SPAN_REASON, reason.code());
    span.set(names::SOURCE_TOPIC, record.topic().to_owned());
    span.set(names::SOURCE_PARTITION, i64::from(record.partition()));
    span.set(names::SOURCE_OFFSET, record.offset());
    span.fail(reason.code(), message.to_owned());
    if let Some(record_span) = record_span {
        span.link(record_span, Vec::new());
    }
}
