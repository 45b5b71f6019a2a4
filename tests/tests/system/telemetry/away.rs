//! A collector that is away, goes away, or never answers costs spans, and no record.

use local_stack::Process;
use system_tests::{
    PATIENCE, Pipeline, Run, assert_drains, eventually, metrics,
    otlp::{Collector, Observed},
    parse_openmetrics, read_topic,
};
use telemetry::names;

const COUNT: u64 = 3_000;
const RATE: u64 = 1_000;
/// Lines about the collector that a service may write in a run of some seconds.
const LINES_MAX: usize = 12;

/// Sends a run through, every record traced, and asserts that all of it is stored.
fn run_through(pipeline: &Pipeline, seed: u64, before: u64) {
    let generator = pipeline.spawn_generator(&Run::new(seed, COUNT, RATE, ""));
    let status = generator.wait(PATIENCE).expect("it ends");
    assert!(status.success(), "{}", generator.output().unwrap_or_default());
    pipeline.settle(before + COUNT, 0);
    let rows = pipeline.count("SELECT COUNT(DISTINCT event_id) FROM traffic_db.toll_passages");
    assert_eq!(rows, before + COUNT);
}

/// How many spans a service counts as not taken or dropped.
fn lost_spans(process: &Process) -> u64 {
    let samples = parse_openmetrics(&metrics(process));
    let lost = samples.iter().filter(|sample| {
        let name = sample["name"].as_str().unwrap_or_default();
        name.starts_with("otel_sdk_") && name.contains("_span_") && sample["labels"]["error_type"].is_string()
    });
    lost.map(|sample| sample["value"].as_f64().unwrap_or(0.0) as u64).sum()
}

/// The collector's absence is told in few lines, and in none that says `ERROR`.
fn assert_few_lines(process: &Process) {
    let output = process.output().unwrap_or_default();
    let told: Vec<&str> = output.lines().filter(|line| line.contains("collector")).collect();
    assert!((1..=LINES_MAX).contains(&told.len()), "{} says {told:#?}", process.name());
    assert!(!output.contains(" ERROR "), "{output}");
}

fn assert_lossless_without_collector(pipeline: &Pipeline, consumers: &[Process]) {
    for consumer in consumers {
        eventually("what nobody takes is counted", || (lost_spans(consumer) > 0).then_some(()));
        assert_drains(consumer);
        assert_few_lines(consumer);
    }
    assert!(read_topic(&pipeline.kafka(), "toll.dlq").is_empty());
}

/// Nobody listens: all records are stored, the services end in time, what was lost is counted, and the log is not flooded.
#[test]
fn nobody_takes_telemetry() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    collector.stop();
    pipeline.observe(&Observed::at(&collector.endpoint(), 1));
    let consumers = pipeline.spawn_consumers();
    run_through(&pipeline, 51, 0);
    assert_lossless_without_collector(&pipeline, &consumers);
    for consumer in &consumers {
        let output = consumer.output().unwrap_or_default();
        assert!(output.contains("times more: not exported"), "no count of repetitions: {output}");
    }
}

/// Somebody takes requests and never answers: the same, with the default patience of five seconds for a request, by gRPC and by HTTP.
#[test]
fn a_collector_that_hangs_holds_nobody_up() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    collector.hang(true);
    pipeline.observe(&Observed::at(&collector.endpoint(), 1));
    let consumers = pipeline.spawn_consumers();
    run_through(&pipeline, 52, 0);
    assert_lossless_without_collector(&pipeline, &consumers);
    pipeline.observe(
        &Observed::at(&collector.http_endpoint(), 1).with("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    );
    let consumers = pipeline.spawn_consumers();
    run_through(&pipeline, 53, COUNT);
    consumers.iter().for_each(assert_drains);
    assert!(collector.requests() > 0 && collector.spans().all().is_empty());
}

/// The collector goes away in the middle and comes back: records go on, and spans of later records arrive again.
#[test]
fn the_collector_goes_away_and_comes_back() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    pipeline.observe(&Observed::at(&collector.endpoint(), 1));
    let consumers = pipeline.spawn_consumers();
    run_through(&pipeline, 55, 0);
    let rows = || {
        let spans = collector.spans();
        let stored = spans.named("process toll.valid");
        stored.filter(|span| span.get(names::SPAN_CONNECTOR) == "toll-passages").count() as u64
    };
    eventually("the first records' spans arrive", || (rows() == COUNT).then_some(()));
    collector.stop();
    run_through(&pipeline, 56, COUNT);
    for consumer in &consumers {
        eventually("what nobody takes is counted", || (lost_spans(consumer) > 0).then_some(()));
    }
    collector.start_again();
    run_through(&pipeline, 57, 2 * COUNT);
    eventually("the last records' spans arrive", || (rows() >= 2 * COUNT).then_some(()));
    consumers.iter().for_each(assert_drains);
}
