//! What OpenTelemetry's semantic conventions ask of the spans and metrics of a service of ours.

use telemetry::names;

use crate::otlp::{Point, Span, SpanKind, Spans};

/// Digits in a row that no label has: an id or a time has more, a partition or a port fewer.
const DIGITS_MAX: usize = 5;

/// What is asked of a span: its kind, and attributes that it must have, with their values if these are known.
type Asked = (SpanKind, Vec<(&'static str, Option<String>)>);

/// Asserts that each span has the kind and the attributes that its name stands for, and that no name is unknown.
pub fn assert_conventions(spans: &Spans) {
    for span in spans.all() {
        let (kind, attributes) = asked(span);
        assert!(may_be_root(span), "this is the part of another one: {span:?}");
        assert_eq!(span.kind, kind, "{span:?}");
        for (name, wanted) in attributes {
            let found = span.attributes.get(name);
            let fits = found.is_some_and(|found| wanted.as_ref().is_none_or(|wanted| wanted == found));
            assert!(fits, "{name} is to be {wanted:?}: {span:?}");
        }
        assert!(span.time_ns.0 > 0 && span.time_ns.0 <= span.time_ns.1, "ends before it begins: {span:?}");
        let parent = span.parent.as_ref().and_then(|parent| spans.get(parent));
        if let Some(parent) = parent {
            assert!(parent.time_ns.0 <= span.time_ns.0, "{span:?} begins before {parent:?}");
        }
        assert_eq!(span.schema_url, names::SCHEMA_URL, "{span:?}");
        assert!(!span.service.is_empty() && span.links.len() <= telemetry::LINKS_MAX, "{span:?}");
    }
}

/// Whether a span may begin a trace: the others must have a parent, here or at a foreign sender.
fn may_be_root(span: &Span) -> bool {
    let is_part = ["INSERT", "UPDATE", "COMMIT", "poll", "judge", "commit"];
    let (operation, object) = span.name.split_once(' ').unwrap_or((&span.name, ""));
    let is_sent_on = matches!(
        (operation, object.rsplit('.').next()),
        ("process", Some("valid" | "dlq")) | ("send", Some("valid" | ""))
    );
    span.parent.is_some() || !is_sent_on && !is_part.contains(&operation)
}

fn asked(span: &Span) -> Asked {
    let (operation, object) = span.name.split_once(' ').unwrap_or((&span.name, ""));
    let has = |name: &'static str, value: &str| (name, Some(value.to_owned()));
    let kafka = |kind: SpanKind, operation: &str, of_type: &str| {
        let attributes = vec![
            has(names::MESSAGING_SYSTEM, names::KAFKA),
            has(names::OPERATION, operation),
            has(names::OPERATION_TYPE, of_type),
        ];
        (kind, attributes)
    };
    let mariadb = |operation: &str| {
        let attributes = vec![has(names::DB_SYSTEM, names::MARIADB), has(names::DB_OPERATION, operation)];
        (SpanKind::Client, attributes)
    };
    match (operation, object) {
        ("send", "") => kafka(SpanKind::Client, "send", "send"),
        ("poll", "") => kafka(SpanKind::Client, "poll", "receive"),
        ("commit", "") => kafka(SpanKind::Client, "commit", "settle"),
        ("judge", "") => (SpanKind::Internal, vec![]),
        ("transaction", _) => (SpanKind::Internal, vec![(names::BATCH_COUNT, None)]),
        ("store", connector) => {
            let has = [has(names::SPAN_CONNECTOR, connector), (names::DB_ROWS, None)];
            (SpanKind::Internal, has.into_iter().chain([(names::BATCH_COUNT, None)]).collect())
        }
        ("connect", _) => (SpanKind::Client, vec![has(names::DEPENDENCY, object)]),
        ("send", topic) => {
            let mut asked = kafka(SpanKind::Producer, "send", "send");
            asked.1.extend([has(names::TOPIC, topic), (names::PARTITION, None), (names::OFFSET, None)]);
            asked
        }
        ("process", topic) => {
            let mut asked = kafka(SpanKind::Consumer, "process", "process");
            let place = [(names::PARTITION, None), (names::OFFSET, None), (names::GROUP, None)];
            asked.1.extend([has(names::TOPIC, topic)].into_iter().chain(place));
            asked
        }
        ("INSERT", table) => {
            let mut asked = mariadb("INSERT");
            asked.1.extend([has(names::DB_COLLECTION, table), has(names::DB_SUMMARY, &span.name)]);
            asked.1.push((names::DB_NAMESPACE, None));
            asked
        }
        ("UPDATE", "ledger") => {
            let mut asked = mariadb("UPDATE");
            asked.1.extend([
                has(names::DB_COLLECTION, "ledger"),
                (names::DB_NAMESPACE, None),
                (names::DB_ROWS, None),
            ]);
            asked
        }
        ("COMMIT", "") => mariadb("COMMIT"),
        ("GET" | "POST" | "PUT", _) => {
            (SpanKind::Client, vec![has(names::HTTP_METHOD, operation), (names::SERVER_ADDRESS, None)])
        }
        _ => panic!("no such span: {span:?}"),
    }
}

/// Asserts that each metric is one of ours, and that no label tells one thing of very many.
pub fn assert_metrics(points: &[Point]) {
    for point in points {
        let known = names::ALL.iter().chain(names::CONNECT_ALL).any(|metric| metric.name == point.name);
        assert!(known, "no such metric: {point:?}");
        assert_eq!(point.schema_url, names::SCHEMA_URL, "{point:?}");
        for (label, value) in &point.labels {
            assert!(!is_id(value), "the label {label} has the value {value}: {point:?}");
        }
    }
}

/// Whether a text looks like an id: a UUID, a trace, a long number.
fn is_id(text: &str) -> bool {
    let mut runs = text.split(|letter: char| !letter.is_ascii_digit());
    let mut words = text.split(|letter: char| !letter.is_ascii_hexdigit());
    let is_hexadecimal =
        |word: &str| word.len() >= 8 && word.contains(|letter: char| letter.is_ascii_digit());
    runs.any(|run| run.len() > DIGITS_MAX) || words.any(is_hexadecimal)
}
