//! Which records are traced, and that the others carry and cost nothing.

use std::collections::HashSet;

use service::clock;
use system_tests::{
    Case, Fate, PATIENCE, Pipeline, Run, Stream, eventually,
    otlp::{Collector, Observed, Spans},
    read_topic,
    traced::ids,
};
use telemetry::names;

/// Spans of dead letters that are made at once, and in a second.
const LETTERS_A_SECOND: u64 = 50;
/// A context whose flag says that nobody follows it.
const UNTRACED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// Runs the toll generator to its end.
fn generate(pipeline: &Pipeline, run: &Run) {
    let generator = pipeline.spawn_generator(run);
    let status = generator.wait(PATIENCE).expect("it ends");
    assert!(status.success(), "{}", generator.output().unwrap_or_default());
}

/// A reading as the sensor of a source pipeline writes it.
fn reading(traceparent: Option<&str>) -> Case {
    Case {
        stream: Stream::Weather,
        dialect: Some("meteo"),
        fate: Fate::Stored,
        key: "sensor_1".to_owned(),
        traceparent: traceparent.map(str::to_owned),
        value: br#"{"sensor_id": 7, "temperature": 8.5, "city": "Paris", "timestamp": 1790000000}"#.to_vec(),
    }
}

/// Contexts of the records of a topic.
fn contexts(pipeline: &Pipeline, topic: &str) -> Vec<String> {
    let records = read_topic(&pipeline.kafka(), topic);
    records.iter().filter_map(|read| read.header(telemetry::TRACEPARENT).map(str::to_owned)).collect()
}

/// Spans that are not of the start of a service.
fn of_records(spans: &Spans) -> Vec<&str> {
    let is_of_start =
        |name: &str| name.starts_with("connect ") || name.starts_with("GET ") || name.starts_with("POST ");
    spans.all().iter().map(|span| span.name.as_str()).filter(|name| !is_of_start(name)).collect()
}

/// At a share of 0, records have no header and no span, and a foreign context that says so goes on unchanged; bad records have spans
/// up to the limit, and the rest is counted. At a share of a tenth about a tenth has a header, a complete way and nothing besides.
#[test]
fn records_that_are_not_chosen_have_no_context() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    pipeline.observe(&Observed::at(&collector.endpoint(), 0));
    let _consumers = pipeline.spawn_consumers();
    generate(&pipeline, &Run::new(41, 1_000, 2_000, ""));
    pipeline.send_these(&[reading(None), reading(Some(UNTRACED))]);
    pipeline.settle(1_000, 0);
    pipeline.await_read("weather-readings", 2);
    assert_eq!(of_records(&collector.settled()), Vec::<&str>::new());
    for topic in ["toll", "toll.valid"] {
        assert_eq!(contexts(&pipeline, topic), Vec::<String>::new(), "{topic}");
    }
    assert_eq!(contexts(&pipeline, "weather_data.valid"), [UNTRACED]);

    bad_records(&pipeline, &collector);

    pipeline.observe(&Observed::at(&collector.endpoint(), 0.1));
    generate(&pipeline, &Run::new(43, 5_000, 5_000, ""));
    pipeline.settle(6_000, 2_000);
    let spans = collector.settled();
    let chosen: Vec<String> = contexts(&pipeline, "toll");
    assert!((400..=600).contains(&chosen.len()), "{} of 5 000 records at a share of a tenth", chosen.len());
    let traces: HashSet<&str> = chosen.iter().map(|context| ids(context).0).collect();
    let sent: HashSet<&str> = spans.named("send toll").map(|span| span.trace_id.as_str()).collect();
    assert_eq!(traces, sent);
    let rows = spans.named("INSERT toll_passages").filter(|span| traces.contains(&*span.trace_id)).count();
    assert_eq!(rows, chosen.len());
}

/// Without an address for telemetry, nothing is sent, and a context is passed on as it came.
#[test]
fn nobody_is_asked_by_default() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let followed = UNTRACED.replace("-00", "-01");
    for traceparent in [&followed, UNTRACED] {
        pipeline.send_these(&[reading(Some(traceparent))]);
    }
    pipeline.await_read("weather-readings", 2);
    assert_eq!(contexts(&pipeline, "weather_data.valid"), [followed.as_str(), UNTRACED]);
    generate(&pipeline, &Run::new(44, 100, 1_000, "all=10%"));
    pipeline.await_read("dead-letters", 1);
    for topic in ["toll", "toll.valid", "toll.dlq"] {
        assert_eq!(contexts(&pipeline, topic), Vec::<String>::new(), "{topic}");
    }
}

/// 2 000 bad records that nobody follows: spans up to the limit, each with its tree; the rest is counted and its headers are as they
/// were.
fn bad_records(pipeline: &Pipeline, collector: &Collector) {
    let since = clock::instant();
    generate(pipeline, &Run::new(42, 2_000, 5_000, "out_of_range=100%"));
    pipeline.await_read("dead-letters", 2_000);
    let seconds = since.elapsed().as_secs() + 1;
    let spans = collector.settled();
    let roots = spans.named("send toll.dlq").count() as u64;
    let limit = LETTERS_A_SECOND * (seconds + 1);
    assert!((LETTERS_A_SECOND..=limit).contains(&roots), "{roots} letters have spans after {seconds} s");
    for root in spans.named("send toll.dlq") {
        let tree =
            "send toll.dlq validator !\n  process toll.dlq dead-letters stored\n    INSERT dead_letters\n";
        assert_eq!(spans.tree(&root.trace_id), tree);
        assert!(root.links.is_empty() && root.get(names::SOURCE_TOPIC) == "toll", "{root:?}");
    }
    assert_eq!(contexts(pipeline, "toll.dlq").len() as u64, roots);
    let suppressed = || {
        let points = collector.points();
        let of_validator = points
            .iter()
            .filter(|point| point.service == "validator" && point.name == names::ERROR_SPANS_SUPPRESSED.name);
        of_validator.map(|point| point.value as u64).sum::<u64>()
    };
    eventually("what has no span is counted", || (suppressed() + roots == 2_000).then_some(()));
    let processed = spans.named("process toll").count();
    assert_eq!(processed, 0, "records that nobody follows are handled without a span");
}
