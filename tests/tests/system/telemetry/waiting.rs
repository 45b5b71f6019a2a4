//! Waiting for what is away: spans with their attempts, log lines that belong to them, and lines that do not repeat.

use std::collections::BTreeSet;
use std::time::Duration;

use local_stack::Process;
use serde_json::Value as Json;
use system_tests::{
    Pipeline, Service, assert_conventions, assert_drains, eventually,
    otlp::{Collector, Observed, Span},
    outage_lasts,
};
use telemetry::names;

/// The lines of a service that logs JSON.
fn lines(process: &Process) -> Vec<Json> {
    let output = process.output().unwrap_or_default();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    output.lines().map(parse).collect()
}

fn warnings(process: &Process) -> Vec<Json> {
    lines(process).into_iter().filter(|line| line["level"] == "WARN" || line["level"] == "ERROR").collect()
}

/// Registry, broker and database are away at the start: each wait arrives as a span with an event for each failed attempt, and the
/// lines that were logged meanwhile belong to it, on stderr and over OTLP.
#[test]
fn waits_are_spans_with_their_attempts() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    pipeline.observe(&Observed::at(&collector.endpoint(), 1));
    pipeline.stack.registry.stop();
    pipeline.stack.kafka.stop().expect("the broker stops");
    pipeline.stack.mariadb.stop().expect("the database stops");
    let json = ["--log-style", "json"];
    let writer = pipeline.spawn(Service::Writer, &json);
    let validator = pipeline.spawn(Service::Validator, &json);
    let generator =
        pipeline.spawn(Service::Generator, &[&json[..], &["--count", "100", "--rate", "500"]].concat());
    let services = [&writer, &validator, &generator];
    for process in services {
        let of_a_span = |line: &Json| line["trace_id"].is_string();
        eventually("it says that it waits", || warnings(process).iter().any(of_a_span).then_some(()));
    }
    pipeline.stack.mariadb.start().expect("the database starts");
    pipeline.stack.kafka.start().expect("the broker starts");
    eventually("the generator asks for the registry", || {
        let is_about_it = |line: &Json| line["dependency"] == "schema-registry";
        warnings(&generator).iter().any(is_about_it).then_some(())
    });
    pipeline.stack.registry.start().expect("the registry starts");
    pipeline.settle(100, 0);
    let spans = collector.settled();
    assert_conventions(&spans);
    let waits = spans.all().iter().filter(|span| span.name.starts_with("connect "));
    let failed: Vec<_> = waits.filter(|span| !span.events.is_empty()).collect();
    for (service, dependency) in [
        ("toll-generator", "kafka"),
        ("toll-generator", "schema-registry"),
        ("validator", "kafka"),
        ("mariadb-writer", "mariadb"),
    ] {
        let is_it =
            |span: &Span| span.service == service && span.get(names::DEPENDENCY).starts_with(dependency);
        assert!(
            failed.iter().any(|span| is_it(span)),
            "{service} has not waited for {dependency}: {failed:#?}"
        );
    }
    for span in &failed {
        for event in &span.events {
            assert_eq!(event.name, "retry", "{span:?}");
            assert!(!event.attributes[names::ERROR_MESSAGE].is_empty(), "{span:?}");
        }
    }
    let known = |trace: &str, span: &str| spans.get(span).is_some_and(|found| found.trace_id == trace);
    for process in services {
        let traced: Vec<Json> =
            lines(process).into_iter().filter(|line| line["trace_id"].is_string()).collect();
        assert!(
            !traced.is_empty(),
            "no line of {} belongs to a trace: {:?}",
            process.name(),
            warnings(process)
        );
        for line in &traced {
            let id = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            assert!(known(&id("trace_id"), &id("span_id")), "{line}");
        }
    }
    let told = collector.lines();
    let traced: Vec<_> = told.iter().filter(|line| !line.trace_id.is_empty()).collect();
    let services: BTreeSet<&str> = traced.iter().map(|line| line.service.as_str()).collect();
    assert_eq!(services, BTreeSet::from(["mariadb-writer", "toll-generator", "validator"]));
    for line in traced {
        assert!(known(&line.trace_id, &line.span_id), "{line:?}");
    }
}

/// The database is away for some seconds while traced records come: what is tried again and again is few lines, retries are events of
/// the batch's span, and in the end the records are stored.
#[test]
fn an_outage_is_few_lines_and_events_of_a_batch() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    pipeline.observe(&Observed::at(&collector.endpoint(), 1));
    let validator = pipeline.spawn(Service::Validator, &[]);
    let writer = pipeline.spawn(Service::Writer, &["--log-style", "json"]);
    let generator = pipeline.spawn(Service::Generator, &["--count", "4000", "--rate", "500"]);
    eventually("rows are stored", || (pipeline.read_count("toll-passages") > 500).then_some(()));
    pipeline.stack.mariadb.stop().expect("the database stops");
    eventually("the writer notices", || (!warnings(&writer).is_empty()).then_some(()));
    outage_lasts(Duration::from_secs(5));
    pipeline.stack.mariadb.start().expect("the database starts");
    generator.wait(system_tests::PATIENCE).expect("it ends");
    pipeline.settle(4_000, 0);
    let spans = collector.settled();
    let retried =
        spans.all().iter().filter(|span| span.name.starts_with("store ") && !span.events.is_empty());
    assert!(retried.count() > 0, "no batch tells that it was tried again");
    let rows =
        spans.named("INSERT toll_passages").filter(|span| spans.roots(&span.trace_id)[0].name == "send toll");
    assert_eq!(rows.count(), 4_000, "a batch that is tried again has no second spans of rows");
    let warnings = warnings(&writer);
    // Two a connector, of which the database takes part in six, and a count of each.
    assert!(warnings.len() <= 24, "{warnings:#?}");
    assert_drains(&writer);
    assert_drains(&validator);
}
