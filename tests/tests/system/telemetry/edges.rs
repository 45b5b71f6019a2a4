//! Every edge and link, for every stream, dialect and fate.

use system_tests::{
    Case, Fate, Pipeline, assert_conventions, await_cases,
    otlp::{Collector, Observed},
    traced::{assert_case, ids, read_topics},
};
use telemetry::names;

/// Records with large keys, together more than a collector takes at once.
const LARGE_KEYS: usize = 12;
const LARGE_KEY_BYTES: usize = 500_000;
/// Bytes of an attribute at most.
const VALUE_BYTES_MAX: usize = 260;

/// A record of every stream and dialect with every fate: its tree, each of its links, the batches, the dead letters and the
/// headers are exactly what they are said to be; records that come without a context have one only where we write them first.
#[test]
fn every_edge_and_link_is_there() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    pipeline.close_tables();
    pipeline.observe(&Observed::at(&collector.endpoint(), 1));
    let _consumers = pipeline.spawn_consumers();
    let cases = pipeline.send_cases();
    await_cases(&pipeline, &cases);
    let spans = collector.settled();
    let topics = read_topics(&pipeline);
    for case in &cases {
        assert_case(&spans, &topics, case);
    }
    assert_conventions(&spans);
    long_keys(&pipeline, &collector, &cases);
}

/// Records whose keys are as large as a topic takes them: their spans arrive, with a part of the key, instead of being more than a
/// collector takes at once.
fn long_keys(pipeline: &Pipeline, collector: &Collector, cases: &[Case]) {
    let good = cases.iter().find(|case| case.dialect == Some("meteo") && case.fate == Fate::Stored);
    let good = good.expect("a reading that is stored");
    let large = (1..=LARGE_KEYS).map(|number| Case {
        key: "k".repeat(LARGE_KEY_BYTES),
        traceparent: Some(format!("00-{:032x}-{number:016x}-01", 0xbad_0000 + number)),
        ..good.clone()
    });
    let large: Vec<Case> = large.collect();
    let before = pipeline.read_count("weather-readings");
    pipeline.send_these(&large);
    pipeline.await_read("weather-readings", before + LARGE_KEYS as u64);
    let spans = collector.settled();
    for case in &large {
        let (trace_id, _) = ids(case.traceparent.as_deref().expect("a context"));
        let tree = spans.tree(trace_id);
        assert!(tree.ends_with("weather-readings stored\n      INSERT readings\n"), "{trace_id}: {tree}");
        for span in spans.of_trace(trace_id) {
            assert!(
                span.get(names::KEY).len() <= VALUE_BYTES_MAX,
                "{} bytes of key",
                span.get(names::KEY).len()
            );
        }
    }
}
