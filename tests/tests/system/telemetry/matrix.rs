//! Every service sends every signal, and `/metrics` says the same as OTLP.

use std::collections::{BTreeMap, BTreeSet};

use local_stack::Process;
use serde_json::Value as Json;
use system_tests::{
    PATIENCE, Pipeline, Service, assert_drains, assert_metrics, eventually, metrics,
    otlp::{Collector, Observed, Point, Span, Spans},
    parse_openmetrics,
};
use telemetry::names;

const SERVICES: [&str; 6] = [
    "toll-generator",
    "traffic-generator",
    "weather-generator",
    "turnpike feed",
    "validator",
    "mariadb-writer",
];

/// Which services have sent something, by signal.
fn senders(collector: &Collector) -> [BTreeSet<String>; 3] {
    [
        collector.spans().all().iter().map(|span| span.service.clone()).collect(),
        collector.points().iter().map(|point| point.service.clone()).collect(),
        collector.lines().iter().map(|line| line.service.clone()).collect(),
    ]
}

fn assert_all_send(collector: &Collector) {
    let wanted: BTreeSet<String> = SERVICES.map(str::to_owned).into();
    let missing = |sent: &BTreeSet<String>| wanted.difference(sent).cloned().collect::<Vec<_>>();
    eventually("every service sends every signal", || {
        senders(collector).iter().all(|sent| missing(sent).is_empty()).then_some(())
    });
    for (signal, sent) in ["traces", "metrics", "logs"].iter().zip(senders(collector)) {
        assert_eq!(sent, wanted, "{signal}");
    }
}

/// The exemplars of the way from a generator to the database are of traces that have come, in the text and over OTLP.
fn assert_exemplars(collector: &Collector, writer: &Process) {
    let text = metrics(writer);
    let samples = parse_openmetrics(&text);
    let exemplar = |sample: &Json| sample["exemplar"]["trace_id"].as_str().map(str::to_owned);
    let of_latency = |sample: &&Json| sample["name"] == "turnpike_end_to_end_latency_seconds_bucket";
    let traces: Vec<String> = samples.iter().filter(of_latency).filter_map(exemplar).collect();
    assert!(!traces.is_empty(), "no exemplar: {text}");
    let spans = collector.settled();
    for trace in &traces {
        assert!(!spans.of_trace(trace).is_empty(), "nobody knows the trace {trace} of an exemplar");
    }
    let points = collector.points();
    let exemplars = points
        .iter()
        .filter(|point| point.name == "turnpike.end_to_end.latency")
        .flat_map(|point| &point.exemplars);
    let mut count = 0;
    for exemplar in exemplars {
        let span = spans.get(&exemplar.span_id).unwrap_or_else(|| panic!("no span of {exemplar:?}"));
        assert_eq!(span.trace_id, exemplar.trace_id);
        count += 1;
    }
    assert!(count > 0, "no exemplar over OTLP");
}

/// The three generators, a feed, the validator and the writer send traces, metrics and logs by their names; metrics have names that
/// are listed and labels of few values; what `/metrics` shows passes Prometheus' own parser, with exemplars of known traces.
#[test]
fn every_service_sends_every_signal() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    let grpc = Observed::at(&collector.endpoint(), 1);
    pipeline.observe(&grpc);
    let [validator, writer] = pipeline.spawn_consumers();
    let generate = |service: Service| {
        pipeline.spawn(service, &["--count", "300", "--rate", "300", "--malformed", "all=5%"])
    };
    let toll = generate(Service::Generator);
    // The same over HTTP, by one generator and the feed.
    pipeline.observe(
        &Observed::at(&collector.http_endpoint(), 1).with("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    );
    let traffic = generate(Service::TrafficGenerator);
    let sample = system_tests::root().join("deploy/feeds/samples/synop-france.csv");
    let mapping = system_tests::root().join("deploy/feeds/synop-france.json");
    let feed = pipeline.spawn_feed(&mapping, &["--file", &sample.to_string_lossy()]);
    pipeline.observe(&grpc);
    let weather = generate(Service::WeatherGenerator);
    for generator in [&toll, &traffic, &weather, &feed] {
        let status = generator.wait(PATIENCE).expect("it ends");
        assert!(status.success(), "{}", generator.output().unwrap_or_default());
    }
    pipeline.turnpike_ok(&["ledger", "--settle", "60"]);
    assert_all_send(&collector);
    assert_exemplars(&collector, &writer);
    parse_openmetrics(&metrics(&validator));
    [&validator, &writer].into_iter().for_each(assert_drains);
    let points = collector.points();
    assert_metrics(&points);
    assert_all_told(&points);
    assert_resources(&collector);
    assert_eq!(collector.unmarked_requests(), 0, "requests without the header that is set");
    assert_feed(&collector.settled(), &feed.output().unwrap_or_default());
    assert_sums(&points, &pipeline);
    for line in collector.lines() {
        assert!(!line.body.is_empty() && !line.severity.is_empty(), "{line:?}");
        assert_eq!(line.schema_url, names::SCHEMA_URL, "{line:?}");
    }
}

/// A service says of itself the same in each signal, so that one leads to the others.
fn assert_resources(collector: &Collector) {
    let mut signals: BTreeMap<BTreeMap<String, String>, Vec<&str>> = BTreeMap::new();
    for (signal, resource) in collector.resources() {
        signals.entry(resource).or_default().push(signal);
    }
    assert_eq!(signals.len(), SERVICES.len(), "{signals:#?}");
    for (resource, signals) in &signals {
        assert_eq!(signals[..], ["logs", "metrics", "traces"], "{resource:?}");
        assert_eq!(resource["service.namespace"], "turnpike");
        assert!(["service.version", "service.instance.id"].iter().all(|name| !resource[*name].is_empty()));
    }
}

/// Each record that the feed sent goes its whole way, and each that it set aside is a dead letter of the feed's own; both belong to a
/// transaction of the feed.
fn assert_feed(spans: &Spans, said: &str) {
    let of_feed = |name: &'static str| spans.named(name).filter(|span| span.service == "turnpike feed");
    let transactions: Vec<&Span> = of_feed("transaction feed-synop-france").collect();
    assert!(!transactions.is_empty(), "no transaction of the feed");
    for transaction in &transactions {
        let steps: Vec<&str> = spans.children(transaction).iter().map(|step| step.name.as_str()).collect();
        assert_eq!(steps, ["commit", "send"]);
    }
    let (mut sent, mut dead) = (0, 0);
    for span in of_feed("send weather_data") {
        let tree = spans.tree(&span.trace_id);
        assert!(
            tree.contains(
                "\n      process weather_data.valid weather-readings stored\n        INSERT readings\n"
            ),
            "{tree}"
        );
        assert!(transactions.iter().any(|transaction| span.links_to(transaction)), "{span:?}");
        assert!(!span.get(names::EVENT_ID).is_empty(), "{span:?}");
        sent += 1;
    }
    for root in of_feed("send weather_data.dlq") {
        let tree = "send weather_data.dlq feed-synop-france !\n  process weather_data.dlq dead-letters stored\n    INSERT dead_letters\n";
        assert_eq!(spans.tree(&root.trace_id), tree);
        assert!(
            !root.get(names::SPAN_REASON).is_empty() && root.get(names::SOURCE_TOPIC) == "weather_data",
            "{root:?}"
        );
        dead += 1;
    }
    let (_, sum) = said.rsplit_once("synop-france: ").expect("a sum at the end");
    let numbers = sum.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok());
    let [records, set_aside] = numbers.take(2).collect::<Vec<u32>>()[..] else {
        panic!("two numbers: {sum}")
    };
    assert_eq!((sent, dead), (records, set_aside), "{said}");
    assert!(sent > 0 && dead > 0, "{said}");
}

/// Everything that there is a name for is told by somebody, apart from what only failures and questions over HTTP make.
fn assert_all_told(points: &[Point]) {
    let told: BTreeSet<&str> = points.iter().map(|point| point.name.as_str()).collect();
    let all = names::ALL.iter().chain(names::CONNECT_ALL).map(|metric| metric.name);
    let silent: Vec<&str> = all.filter(|name| !told.contains(name)).collect();
    let rare = [names::FEED_POLLS.name, names::RETRIES.name];
    assert!(silent.iter().all(|name| rare.contains(name)), "nobody tells {silent:?}");
}

/// What was counted over OTLP in the end is what the database has.
fn assert_sums(points: &[Point], pipeline: &Pipeline) {
    let rows = points.iter().filter(|point| point.name == "turnpike.writer.rows");
    let rows: f64 =
        rows.filter(|point| point.labels["connector"] == "toll-passages").map(|point| point.value).sum();
    assert_eq!(rows as u64, pipeline.count("SELECT COUNT(*) FROM traffic_db.toll_passages"));
}
