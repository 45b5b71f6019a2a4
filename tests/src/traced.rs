//! What the spans of a record must be, edge by edge and link by link.

use std::collections::BTreeMap;

use dead_letter::Context;
use telemetry::names::{self, spans as name};

use crate::{
    Case, Fate, Pipeline, Read, Stream,
    cases::TRACESTATE,
    otlp::{Span, Spans},
    read_topic,
};

/// Partition and offset.
type Place = (i32, i64);

/// What the topics of all streams hold.
#[derive(Debug)]
pub struct Topics {
    records: BTreeMap<String, Vec<Read>>,
}

/// Reads all topics of all streams.
pub fn read_topics(pipeline: &Pipeline) -> Topics {
    let streams = [Stream::Toll, Stream::Traffic, Stream::Weather].map(Stream::topic);
    let names = streams.map(|raw| [raw.to_owned(), format!("{raw}.valid"), format!("{raw}.dlq")]);
    let read = |topic: &String| (topic.clone(), read_topic(&pipeline.kafka(), topic));
    Topics { records: names.as_flattened().iter().map(read).collect() }
}

impl Topics {
    /// The records of a topic.
    fn of(&self, topic: &str) -> &[Read] {
        &self.records[topic]
    }

    /// The record at a place.
    fn at(&self, topic: &str, (partition, offset): Place) -> &Read {
        let found = self.of(topic).iter().find(|read| (read.partition, read.offset) == (partition, offset));
        found.unwrap_or_else(|| panic!("{topic} has no record {offset} in partition {partition}"))
    }

    /// The dead letters of a record.
    fn letters_of(&self, stream: Stream, topic: &str, place: Place) -> Vec<(&Read, Context)> {
        let letters = self.of(&format!("{}.dlq", stream.topic())).iter();
        let letters = letters.map(|letter| (letter, context(letter)));
        let is_of =
            |context: &Context| context.topic == topic && (context.partition, context.offset) == place;
        letters.filter(|(_, context)| is_of(context)).collect()
    }
}

fn context(letter: &Read) -> Context {
    let headers = letter.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
    Context::from_headers(headers).expect("the headers of a dead letter")
}

/// The trace's and the span's id of a `traceparent`.
pub fn ids(traceparent: &str) -> (&str, &str) {
    (&traceparent[3..35], &traceparent[36..52])
}

/// Where the record of a span stands in its topic.
fn place(span: &Span) -> Place {
    let number = |name: &str| span.get(name).parse::<i64>();
    let found = number(names::PARTITION).and_then(|partition| Ok((partition as i32, number(names::OFFSET)?)));
    found.unwrap_or_else(|_| panic!("partition and offset are missing: {span:?}"))
}

/// The span of a record's handling.
fn processed(spans: &Spans, topic: &str, at: Place, connector: &str) -> Option<Span> {
    let wanted = name::process(topic);
    let mut found =
        spans.named(&wanted).filter(|span| place(span) == at && span.get(names::SPAN_CONNECTOR) == connector);
    let span = found.next().cloned();
    assert!(found.next().is_none(), "{topic} {at:?} was handled twice by `{connector}`");
    span
}

/// Asserts everything that is said of a case by its spans.
pub fn assert_case(spans: &Spans, topics: &Topics, case: &Case) {
    let topic = case.stream.topic();
    let raw = topics.of(topic).iter().find(|read| read.value == case.value).expect("the case was sent");
    let at = (raw.partition, raw.offset);
    let process = processed(spans, topic, at, "");
    if !case.is_traced() {
        assert!(process.is_none(), "a record that nobody follows has a span: {process:?}");
        assert_untraced(spans, topics, case, raw);
        return;
    }
    let process = process.unwrap_or_else(|| panic!("no span `{}` of {case:?}", name::process(topic)));
    match case.traceparent.as_deref().map(ids) {
        Some((trace_id, span_id)) => assert_eq!(
            (process.trace_id.as_str(), process.parent.as_deref()),
            (trace_id, Some(span_id)),
            "{case:?}"
        ),
        None => assert_eq!(process.parent, None, "{case:?}"),
    }
    assert_eq!(spans.tree(&process.trace_id), tree(case), "{case:?}");
    assert_process(&process, case);
    assert_batch(spans, &process, &process, "transaction turnpike-validator", case.traceparent.as_deref());
    match case.fate {
        Fate::Refused => {
            let letters = topics.letters_of(case.stream, topic, at);
            let [(letter, context)] = &letters[..] else { panic!("{} letters: {case:?}", letters.len()) };
            assert_letter(spans, Some(&process), letter, context, raw.header(telemetry::TRACEPARENT));
        }
        Fate::Stored | Fate::Flagged | Fate::Rejected => assert_stored(spans, topics, case, &process),
    }
}

/// The spans of a record as [`Spans::tree`] shows them.
fn tree(case: &Case) -> String {
    let topic = case.stream.topic();
    let verdict = match case.fate {
        Fate::Stored | Fate::Rejected => "valid",
        Fate::Flagged => "flagged",
        Fate::Refused => return format!("process {topic} refused !\n"),
    };
    let of_connector = |(connector, table): &(&str, &str)| {
        let line = format!("    process {topic}.valid {connector}");
        let is_alert = *connector == "warning-temperatures";
        if case.fate == Fate::Rejected && *connector == case.stream.keyed() {
            format!("{line} rejected !\n      INSERT {table} !\n")
        } else if is_alert && case.fate != Fate::Flagged {
            format!("{line} skipped\n")
        } else {
            format!("{line} stored\n      INSERT {table}\n")
        }
    };
    let of_connectors: String = case.stream.connectors().iter().map(of_connector).collect();
    format!("process {topic} {verdict}\n  send {topic}.valid\n{of_connectors}")
}

/// A record that nobody follows: without a context on its way, and with a span only as a dead letter.
fn assert_untraced(spans: &Spans, topics: &Topics, case: &Case, raw: &Read) {
    let (topic, valid) = (case.stream.topic(), format!("{}.valid", case.stream.topic()));
    let sent = topics.of(&valid).iter().find(|read| read.value == case.value);
    assert!(sent.is_none_or(|sent| sent.header(telemetry::TRACEPARENT).is_none()), "{sent:?}");
    let letters = match (case.fate, sent) {
        (Fate::Stored | Fate::Flagged, _) => return,
        (_, None) => topics.letters_of(case.stream, topic, (raw.partition, raw.offset)),
        (_, Some(sent)) => topics.letters_of(case.stream, &valid, (sent.partition, sent.offset)),
    };
    let [(letter, context)] = &letters[..] else { panic!("{} letters: {case:?}", letters.len()) };
    assert_letter(spans, None, letter, context, None);
}

/// What the validator says of a record.
fn assert_process(process: &Span, case: &Case) {
    let told = |name: &str| process.get(name);
    assert_eq!(told(names::DIALECT), case.dialect.unwrap_or_default(), "{process:?}");
    assert_eq!(process.service, "validator");
    assert_eq!(told(names::SPAN_STREAM), case.stream.topic(), "{process:?}");
    assert_eq!(told(names::KEY), case.key, "{process:?}");
    let is_flagged = told(names::SPAN_FLAGS).split(',').all(|flag| flag.contains(':'));
    assert_eq!(is_flagged, case.fate == Fate::Flagged, "{process:?}");
    if case.fate == Fate::Refused {
        let (reason, error) = (told(names::SPAN_REASON), told(names::ERROR_TYPE));
        assert!(!reason.is_empty() && reason == error, "{process:?}");
    } else {
        assert!(!told(names::EVENT_ID).is_empty(), "{process:?}");
        assert!(!told(names::SCHEMA_ID).is_empty(), "{process:?}");
    }
    assert!(!told(names::CONTRACT_VERSION).is_empty(), "{process:?}");
}

/// A span of the record links to the batch's root, which has its steps and links back to the context that the record came with.
fn assert_batch(spans: &Spans, span: &Span, record: &Span, batch: &str, came_with: Option<&str>) {
    let linked = span.links.iter().filter_map(|link| spans.get(&link.span_id));
    let roots: Vec<_> = linked.filter(|root| root.name == batch).collect();
    let [root] = roots[..] else { panic!("{} links to `{batch}`: {span:?}", roots.len()) };
    assert_eq!(root.parent, None, "a batch has a trace of its own: {root:?}");
    assert_eq!(root.service, span.service);
    let parts: Vec<_> = spans.children(root).into_iter().map(|part| part.name.as_str()).collect();
    let steps: &[&str] = if batch.starts_with("store") {
        &[name::POLL, name::UPDATE_LEDGER, name::DB_COMMIT]
    } else {
        &[name::POLL, name::JUDGE, name::SEND, name::COMMIT]
    };
    assert!(steps.iter().all(|step| parts.contains(step)), "{batch} has {parts:?}");
    let wanted = came_with.map(ids).or(Some((&record.trace_id, &record.span_id)));
    let links: Vec<_> = root.links.iter().map(|link| (&*link.trace_id, &*link.span_id)).collect();
    assert!(
        wanted.is_some_and(|wanted| links.contains(&wanted)),
        "{batch} does not link to {wanted:?}: {links:?}"
    );
}

/// The context that a record carries, which is one.
fn only_context(record: &Read) -> &str {
    let mut contexts = record.headers.iter().filter(|(name, _)| name == telemetry::TRACEPARENT);
    let (Some((_, context)), None) = (contexts.next(), contexts.next()) else {
        panic!("not one context: {record:?}")
    };
    context
}

/// A record that went on: its header, and what each connector did.
fn assert_stored(spans: &Spans, topics: &Topics, case: &Case, process: &Span) {
    let valid = format!("{}.valid", case.stream.topic());
    let children = spans.children(process);
    let send = children[0];
    let record = topics.at(&valid, place(send));
    let traceparent = only_context(record);
    assert_eq!(ids(traceparent), (&*send.trace_id, &*send.span_id), "{case:?}");
    assert_eq!(record.header("origin"), Some("case"));
    let state = case.traceparent.as_ref().map(|_| TRACESTATE);
    assert_eq!(record.header(telemetry::TRACESTATE), state, "{record:?}");
    if case.fate == Fate::Flagged {
        assert_eq!(record.header(dead_letter::FLAGS), Some(process.get(names::SPAN_FLAGS)));
    }
    for name in [names::EVENT_ID, names::SCHEMA_ID, names::SPAN_STREAM, names::KEY] {
        assert_eq!(send.get(name), process.get(name), "{name} of {send:?}");
    }
    for (connector, table) in case.stream.connectors() {
        let stored = processed(spans, &valid, place(send), connector).expect("each connector handles it");
        assert_eq!((&*stored.service, stored.get(names::KEY)), ("mariadb-writer", &*case.key), "{stored:?}");
        assert_batch_of_writer(spans, &stored, table, traceparent);
        let letters = topics.letters_of(case.stream, &valid, place(send));
        let letters: Vec<_> =
            letters.iter().filter(|(_, context)| context.connector_name == *connector).collect();
        if case.fate == Fate::Rejected && *connector == case.stream.keyed() {
            let [(letter, context)] = letters[..] else { panic!("{} letters: {case:?}", letters.len()) };
            assert_letter(spans, Some(&stored), letter, context, Some(traceparent));
            assert_rejected(spans, &stored, context);
        } else {
            assert!(letters.is_empty(), "{case:?}");
        }
    }
}

/// A record in the hands of a connector: its row links to the statement's batch.
fn assert_batch_of_writer(spans: &Spans, stored: &Span, table: &str, came_with: &str) {
    let batch = name::store(stored.get(names::SPAN_CONNECTOR));
    let inserts = spans.children(stored);
    assert_batch(spans, stored, stored, &batch, Some(came_with));
    for insert in &inserts {
        assert_eq!(insert.get(names::DB_COLLECTION), table, "{insert:?}");
        assert_batch(spans, insert, stored, &batch, Some(came_with));
        let roots = insert.links.iter().filter_map(|link| spans.get(&link.span_id));
        let statements = roots.flat_map(|root| spans.children(root));
        let rows = statements.filter(|part| part.name == insert.name).map(|part| part.get(names::DB_ROWS));
        let rows: Vec<_> = rows.map(|rows| rows.parse::<u64>().unwrap_or(0)).collect();
        assert!(
            !rows.is_empty() && rows.iter().all(|rows| *rows > 0),
            "{batch} has statements of {rows:?} rows"
        );
    }
}

/// A record whose row the database takes not.
fn assert_rejected(spans: &Spans, stored: &Span, context: &Context) {
    let insert = spans.children(stored)[0];
    let code = context.reason.code();
    assert_eq!([stored.get(names::SPAN_REASON), stored.get(names::ERROR_TYPE)], [code; 2], "{stored:?}");
    assert_eq!(insert.get(names::ERROR_TYPE), code, "{insert:?}");
    assert!(!insert.get(names::DB_STATUS).is_empty(), "{insert:?}");
}

/// A dead letter: a trace of its own from the letter's sending to its row, linked with the record's both ways.
fn assert_letter(
    spans: &Spans,
    process: Option<&Span>,
    letter: &Read,
    context: &Context,
    came_with: Option<&str>,
) {
    let traceparent = only_context(letter);
    assert_eq!(letter.header(dead_letter::TRACEPARENT), came_with, "{context:?}");
    let root = spans.get(ids(traceparent).1).unwrap_or_else(|| panic!("no span of {context:?}"));
    let dlq = root.name.strip_prefix("send ").unwrap_or_default();
    let stored = format!("  process {dlq} dead-letters stored\n    INSERT dead_letters\n");
    assert_eq!(spans.tree(&root.trace_id), format!("send {dlq} {} !\n{stored}", context.connector_name));
    if let Some(process) = process {
        assert_ne!(root.trace_id, process.trace_id);
        assert!(root.links_to(process) && process.links_to(root), "{root:?} and {process:?} are strangers");
        for name in [names::DIALECT, names::EVENT_ID, names::SCHEMA_ID, names::CONTRACT_VERSION] {
            assert!(
                process.service != "validator" || root.get(name) == process.get(name),
                "{name} of {root:?}"
            );
        }
        let rules = [root.get(names::SPAN_RULE), process.get(names::SPAN_RULE)];
        assert_eq!(rules[0], rules[1], "{process:?}");
    }
    assert_letter_attributes(root, context);
    let stored = spans.children(root)[0];
    assert_eq!(place(stored), (letter.partition, letter.offset));
    assert_batch_of_writer(spans, stored, "dead_letters", traceparent);
}

/// What the root of a dead letter says.
fn assert_letter_attributes(root: &Span, context: &Context) {
    let (partition, offset) = (context.partition.to_string(), context.offset.to_string());
    let rule = context.rule.clone().unwrap_or_default();
    for (attribute, value) in [
        (names::ERROR_TYPE, context.reason.code()),
        (names::SPAN_REASON, context.reason.code()),
        (names::SPAN_RULE, &rule),
        (names::SOURCE_TOPIC, &context.topic),
        (names::SOURCE_PARTITION, &partition),
        (names::SOURCE_OFFSET, &offset),
        (names::SPAN_CONNECTOR, &context.connector_name),
    ] {
        assert_eq!(root.get(attribute), value, "{attribute} of {root:?}");
    }
}
