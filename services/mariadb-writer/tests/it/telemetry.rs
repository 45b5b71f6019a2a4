//! What a collector is told of records and batches: one tree a traced record, one root a batch however often it is tried.

use std::{collections::BTreeSet, time::Duration};

use kafka::Headers;
use local_stack::{Process, Signal};
use system_tests::otlp::{Collector, Point, Span, SpanKind, Spans};
use telemetry::names::{self, spans as name};

use crate::{
    proxy::Proxy,
    support::{LIMIT, Scene, passage, wait_until},
};

/// The trace of a record's number.
fn trace_of(number: u64) -> String {
    format!("{:032x}", number + 1)
}

/// The span that is to be the parent of a record's spans.
fn parent_of(number: u64) -> String {
    format!("{:016x}", number + 1)
}

fn context_of(number: u64) -> String {
    format!("00-{}-{}-01", trace_of(number), parent_of(number))
}

/// Sends values, each to the partition of its number; those that `is_traced` is true of with a context.
fn send(scene: &Scene, values: Vec<(u64, Vec<u8>)>, is_traced: impl Fn(u64) -> bool) {
    let records = values.into_iter().map(|(number, value)| {
        let context = context_of(number);
        let headers = Headers::new().add("origin", Some(b"test"));
        let headers = headers.add(telemetry::TRACESTATE, Some(b"other=1"));
        let traced = is_traced(number);
        let headers =
            if traced { headers.add(telemetry::TRACEPARENT, Some(context.as_bytes())) } else { headers };
        ((number % 4) as i32, value, headers)
    });
    scene.send_with(&scene.topic, records);
}

fn collector(scene: &Scene) -> Collector {
    Collector::start(scene.world.stack.folder())
}

/// Starts a writer that tells the collector.
fn writer(scene: &Scene, collector: &Collector, more: &[(&str, &str)]) -> Process {
    let to = collector.endpoint();
    scene.writer(&scene.document(more), &["--otlp-endpoint", &to, "--metric-interval", "500"])
}

/// Stops the writer, and with that has all of its spans sent.
fn end(writer: &Process, collector: &Collector) -> Spans {
    writer.kill(Signal::TERM);
    assert_eq!(writer.wait(LIMIT).unwrap().code(), Some(0), "{}", writer.output().unwrap());
    collector.spans()
}

/// The only span of a record's handling.
fn process(spans: &Spans, scene: &Scene, number: u64) -> Span {
    let of_trace = spans.of_trace(&trace_of(number));
    let wanted = name::process(&scene.topic);
    let found: Vec<&&Span> = of_trace.iter().filter(|span| span.name == wanted).collect();
    assert_eq!(found.len(), 1, "record {number}: {of_trace:?}");
    let process = (*found[0]).clone();
    assert_eq!((process.kind, process.parent.as_deref()), (SpanKind::Consumer, Some(&*parent_of(number))));
    assert_eq!(process.get(names::SPAN_CONNECTOR), scene.name);
    process
}

fn roots<'s>(spans: &'s Spans, scene: &Scene) -> Vec<&'s Span> {
    let wanted = name::store(&scene.name);
    let roots: Vec<&Span> = spans.all().iter().filter(|span| span.name == wanted).collect();
    assert!(roots.iter().all(|root| root.parent.is_none() && root.kind == SpanKind::Internal));
    roots
}

fn count(spans: &[&Span], name: &str) -> usize {
    spans.iter().filter(|span| span.name == name).count()
}

/// Stored, filtered, refused by the database and unreadable: each traced record has the spans of what became of it, its batch
/// links to it, and dead letters begin traces of their own.
#[test]
fn each_traced_record_has_its_spans() {
    let scene = Scene::new("spans");
    let _shared = scene.world.shared();
    let mut values: Vec<(u64, Vec<u8>)> =
        (0..100).map(|number| (number, scene.value(&passage(number)))).collect();
    // Two that the database refuses, one of them traced, and one that cannot be read.
    for number in [2, 13] {
        let mut long = passage(number);
        long.vehicle_type = "a vehicle with too many letters".into();
        values[number as usize].1 = scene.value(&long);
    }
    values[3].1 = b"{}".to_vec();
    send(&scene, values, |number| number < 8);
    let collector = collector(&scene);
    // Lanes 7 and 8 are those of the records 6 and 7.
    let more = [
        ("transforms", "low"),
        ("transforms.low.type", "turnpike.Filter"),
        ("transforms.low.condition", "message.lane <= 6"),
    ];
    let writer = writer(&scene, &collector, &more);
    wait_until(&writer, "all records read", || scene.ledger().0 == 100);
    let spans = end(&writer, &collector);

    let insert = name::insert(&scene.table);
    let roots = roots(&spans, &scene);
    for number in 0..8 {
        let process = process(&spans, &scene, number);
        let (outcome, rows) = match number {
            2 => ("rejected", 1),
            3 => ("rejected", 0),
            6 | 7 => ("skipped", 0),
            _ => ("stored", 1),
        };
        assert_eq!(process.get(names::SPAN_OUTCOME), outcome, "record {number}");
        assert_eq!(process.failure.is_some(), outcome == "rejected", "{process:?}");
        let linked: Vec<&&Span> = roots.iter().filter(|root| process.links_to(root)).collect();
        assert_eq!(linked.len(), 1, "{process:?}");
        let links = &linked[0].links;
        let back = links.iter().find(|link| link.span_id == parent_of(number)).expect("a link to the record");
        assert_eq!(back.attributes[names::OFFSET], process.get(names::OFFSET));
        assert_eq!(back.attributes[names::PARTITION], (number % 4).to_string());
        let children = spans.children(&process);
        assert_eq!(count(&children, &insert), rows, "{children:?}");
        assert_eq!(children.len(), rows);
        for row in children {
            assert_eq!((row.kind, row.get(names::DB_COLLECTION)), (SpanKind::Client, &*scene.table));
            assert!(row.links_to(linked[0]), "{row:?}");
            let refused = if number == 2 { ("VALUE_TOO_LONG", "1406") } else { ("", "") };
            assert_eq!((row.get(names::ERROR_TYPE), row.get(names::DB_STATUS)), refused);
        }
    }
    for root in roots {
        let children = spans.children(root);
        for step in [name::POLL, name::UPDATE_LEDGER, name::DB_COMMIT] {
            assert_eq!(count(&children, step), 1, "{children:?}");
        }
        assert!(count(&children, &insert) > 0, "{children:?}");
        assert!(root.time_ns.0 <= children.iter().map(|child| child.time_ns.0).min().unwrap());
    }
    assert_letters(&scene, &spans);
    assert_numbers(&scene, &collector);
}

/// Three dead letters: those of traced records know them and are known by them, the other has a trace all the same.
fn assert_letters(scene: &Scene, spans: &Spans) {
    let letters = scene.dead_letters(3);
    assert_eq!(letters.len(), 3);
    assert_eq!(spans.named(&name::send(&scene.dead_letters)).count(), 3);
    for (partition, _, headers) in letters {
        let root = spans.get(&headers["traceparent"][36..52]).expect("the span of the letter's context");
        assert_eq!((root.kind, &root.parent), (SpanKind::Producer, &None));
        assert_eq!(root.trace_id, headers["traceparent"][3..35]);
        // That of the record's trace says nothing of this one.
        assert_eq!((&*headers["origin"], headers.get(telemetry::TRACESTATE)), ("test", None));
        assert_eq!(root.get(names::PARTITION), partition.to_string());
        assert_eq!(root.get(names::SOURCE_OFFSET), headers["__connect.errors.offset"]);
        assert_eq!(root.get(names::ERROR_TYPE), headers["turnpike.reason"]);
        assert!(root.failure.is_some() && !root.get(names::OFFSET).is_empty(), "{root:?}");
        match headers.get(dead_letter::TRACEPARENT) {
            Some(original) => {
                let number = [2, 3].into_iter().find(|number| context_of(*number) == *original).unwrap();
                let process = process(spans, scene, number);
                assert!(root.links_to(&process) && process.links_to(root), "{root:?}\n{process:?}");
            }
            // Nobody followed this record.
            None => assert!(root.links.is_empty(), "{root:?}"),
        }
    }
}

/// The numbers agree with what was sent.
fn assert_numbers(scene: &Scene, collector: &Collector) {
    let points = collector.points();
    let ours = |name: &str| {
        let values = points.iter().filter(|point| {
            let is_of = |label| point.labels.get(label).is_some_and(|value: &String| *value == scene.name);
            point.name == name && (is_of(names::CONNECTOR) || is_of(names::STAGE))
        });
        values.map(|point| point.value).sum::<f64>()
    };
    let (_, stored, dead) = scene.ledger();
    for (metric, value) in [
        (names::ROWS.name, stored),
        (names::SKIPPED.name, scene.skipped()),
        (names::DEAD_LETTERS.name, dead),
        (names::LEDGER_BALANCE.name, 0),
        (names::CONNECT_READ.name, 100),
        (names::CONNECT_SENT.name, stored),
        (names::CONNECT_ACTIVE.name, 0),
        (names::CONNECT_SKIPPED.name, dead),
        (names::CONNECT_ERRORS.name, 0),
        (names::CONNECT_DLQ_REQUESTS.name, dead),
        (names::CONNECT_DLQ_FAILURES.name, 0),
    ] {
        assert!((ours(metric) - value as f64).abs() < 0.5, "{metric} is {}, not {value}", ours(metric));
    }
    let letters = points
        .iter()
        .find(|point| point.name == names::SENT.name && point.labels[names::TOPIC] == scene.dead_letters);
    assert!(letters.is_some_and(|point| (point.value - dead as f64).abs() < 0.5), "{letters:?}");
    let operations = points.iter().filter(|point| point.name == names::DB_DURATION.name && point.value > 0.0);
    let operations: BTreeSet<&str> = operations.map(|point| &*point.labels[names::DB_OPERATION]).collect();
    assert_eq!(operations, BTreeSet::from(["COMMIT", "INSERT", "UPDATE"]));
    let latency = points.iter().find(|point| point.name == names::END_TO_END_MS.name).unwrap();
    let traces: Vec<String> = [0, 1, 4, 5].map(trace_of).into();
    let exemplars = &latency.exemplars;
    assert!(!exemplars.is_empty() && exemplars.iter().all(|of| traces.contains(&of.trace_id)), "{latency:?}");
}

/// Answers to COMMIT are lost, so batches are tried again: each record has its spans once, and its batch says what happened.
#[test]
fn a_repeated_batch_has_one_root() {
    for reaches_server in [true, false] {
        let scene = Scene::new("repeated");
        let _shared = scene.world.shared();
        let values = (0..4_000).map(|number| (number, scene.value(&passage(number)))).collect();
        send(&scene, values, |number| number % 10 == 0);
        let proxy = Proxy::start(scene.world.stack.mariadb.port(), reaches_server);
        let url = format!("jdbc:mariadb://127.0.0.1:{}/", proxy.port());
        let collector = collector(&scene);
        let writer = writer(&scene, &collector, &[("connection.url", &url), ("batch.size", "500")]);
        scene.wait_for_rows(&writer, 4_000);
        assert!(proxy.lost() >= 2, "{} answers were lost", proxy.lost());
        let spans = end(&writer, &collector);
        for number in (0..4_000).step_by(10) {
            let process = process(&spans, &scene, number);
            assert_eq!(process.get(names::SPAN_OUTCOME), "stored");
            assert_eq!(spans.children(&process).len(), 1, "{number}");
        }
        let mut unanswered = 0;
        for root in roots(&spans, &scene) {
            let events: Vec<&str> = root.events.iter().map(|event| event.name.as_str()).collect();
            let Some(at) = events.iter().position(|event| *event == "answer_outstanding") else { continue };
            unanswered += 1;
            assert_eq!(events[at + 1], "retry", "{events:?}");
            let found =
                root.events.iter().find(|event| event.name == "answer_found").expect("it is looked up");
            let outcome = if reaches_server { "stored" } else { "undone" };
            assert_eq!(found.attributes[names::SPAN_OUTCOME], outcome);
            let children = spans.children(root);
            let attempts = if reaches_server { 1 } else { 2 };
            assert!(count(&children, name::DB_COMMIT) >= attempts, "{children:?}");
            // One for the wait, and in it one for each attempt to connect.
            let connect = name::connect(&format!("mariadb ({}/0)", scene.name));
            let waits: Vec<&Span> = children.into_iter().filter(|child| child.name == connect).collect();
            assert_eq!(waits.len(), 1, "{waits:?}");
            let attempts = spans.children(waits[0]);
            assert!(count(&attempts, &connect) > 0, "{attempts:?}");
            assert!(attempts.iter().all(|attempt| attempt.events.is_empty()), "{attempts:?}");
        }
        assert!(unanswered >= 2, "{unanswered} roots tell of an answer that was lost");
    }
}

/// A database that is slow and does not fail is seen as well: each connection is a span of its own, as long as it took.
#[test]
fn a_slow_connection_is_told() {
    let scene = Scene::new("slow");
    let _shared = scene.world.shared();
    scene.send_passages(0..4);
    let connect_time = Duration::from_millis(300);
    let proxy = Proxy::slow(scene.world.stack.mariadb.port(), connect_time);
    let url = format!("jdbc:mariadb://127.0.0.1:{}/", proxy.port());
    let collector = collector(&scene);
    let writer = writer(&scene, &collector, &[("connection.url", &url)]);
    scene.wait_for_rows(&writer, 4);
    let spans = end(&writer, &collector);
    // The first reads the tables, and is waited for.
    let connect = name::connect(&format!("mariadb ({}/0)", scene.name));
    let connects: Vec<&Span> = spans.named(&connect).collect();
    assert_eq!(connects.len(), 2, "{connects:?}");
    for span in connects {
        assert_eq!((span.kind, &span.parent, &span.failure), (SpanKind::Client, &None, &None));
        assert_eq!(span.get(names::DEPENDENCY), format!("mariadb ({}/0)", scene.name));
        let took = Duration::from_nanos(span.time_ns.1 - span.time_ns.0);
        assert!(took >= connect_time, "{span:?}");
    }
}

/// A writer that froze and was replaced says of what it had in hand that another one has it.
#[test]
fn a_replaced_writer_says_so() {
    let scene = Scene::new("replaced");
    let _shared = scene.world.shared();
    let collector = collector(&scene);
    let more = [("batch.size", "20"), ("consumer.override.session.timeout.ms", "6000")];
    let values = (0..20_000).map(|number| (number, scene.value(&passage(number)))).collect();
    // Some of each partition, so that any batch has one.
    send(&scene, values, |number| number % 3 == 0);
    let first = writer(&scene, &collector, &more);
    scene.wait_for_rows(&first, 200);
    first.kill(Signal::STOP);
    let second = writer(&scene, &collector, &more);
    let before = scene.ledger().1;
    wait_until(&second, "the second to go on", || scene.ledger().1 > before + 1_000);
    first.kill(Signal::CONT);
    let lost = |line: &str| line.contains("has been taken by another writer").then_some(());
    first.wait_for_line(LIMIT, lost).unwrap();
    wait_until(&second, "all stored", || scene.ledger().1 >= 20_000);
    end(&first, &collector);
    let spans = end(&second, &collector);
    let wanted = name::process(&scene.topic);
    let mut taken_over = 0;
    for number in (0..20_000).step_by(3) {
        let of_trace = spans.of_trace(&trace_of(number));
        let (stored, others): (Vec<&Span>, Vec<&Span>) = of_trace
            .into_iter()
            .filter(|span| span.name == wanted)
            .partition(|span| span.get(names::SPAN_OUTCOME) == "stored");
        assert!(stored.len() <= 1 && stored.iter().all(|span| spans.children(span).len() == 1), "{stored:?}");
        assert!(others.iter().all(|span| spans.children(span).is_empty()), "{others:?}");
        let is_taken_over = |span: &&&Span| span.get(names::SPAN_OUTCOME) == "taken_over";
        taken_over += others.iter().filter(is_taken_over).count();
    }
    assert!(taken_over > 0);
}

/// A writer that is stopped without a database says of the records in hand that it has not handled them.
#[test]
fn what_is_not_done_is_not_claimed() {
    let scene = Scene::new("undone");
    let _alone = scene.world.alone();
    let collector = collector(&scene);
    let writer = writer(&scene, &collector, &[]);
    scene.send_passages(100..104);
    scene.wait_for_rows(&writer, 4);
    scene.world.stack.mariadb.kill();
    let values = (0..4).map(|number| (number, scene.value(&passage(number)))).collect();
    send(&scene, values, |_| true);
    let is_told = |line: &str| (line.contains("mariadb") && line.contains("is not ready")).then_some(());
    writer.wait_for_line(LIMIT, is_told).unwrap();
    // The records wait, and it is told for how long.
    let is_late = |point: &Point| {
        let group =
            point.labels.get(names::GROUP).is_some_and(|group| *group == format!("connect-{}", scene.name));
        point.name == names::LAG_TIME.name && group && point.value > 0.0
    };
    wait_until(&writer, "a lag", || collector.points().iter().any(is_late));
    let spans = end(&writer, &collector);
    scene.world.stack.mariadb.start().unwrap();
    let roots = roots(&spans, &scene);
    assert!(roots.iter().any(|root| root.events.iter().any(|event| event.name == "retry")), "{roots:?}");
    let mut processed = 0;
    let wanted = name::process(&scene.topic);
    for span in roots.iter().copied().chain(spans.named(&wanted)) {
        assert_eq!((span.get(names::SPAN_OUTCOME), span.get(names::ERROR_TYPE)), ("undone", "stopped"));
        assert!(span.failure.is_some());
        processed += usize::from(span.name == wanted);
    }
    assert!(processed > 0);
    let lines = collector.lines();
    let told = lines.iter().find(|line| line.body.contains("mariadb") && line.body.contains("is not ready"));
    let told = told.expect("the line about the database");
    assert!(roots.iter().any(|root| root.trace_id == told.trace_id), "{told:?}");
    assert_eq!(spans.named(&name::insert(&scene.table)).filter(|span| span.links.len() == 1).count(), 0);
}
