//! With every record traced, every record is a complete tree: none is missing, none is torn.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use generator::Source;
use local_stack::Process;
use simulation::World;
use simulation::faults::{Kind, Outcome};
use system_tests::{
    Expected, Pipeline, Read, Run, Service, Stream, assert_conventions,
    otlp::{Collector, Observed, Span, Spans},
    read_topic,
    traced::ids,
};
use telemetry::names;
use toll_generator::Tolls;
use traffic_generator::Traffic;
use weather_generator::Weather;

/// Share of malformed records.
const MALFORMED: &str = "all=2%";
/// How long the generators may take for ten seconds' records.
const GENERATED_IN: Duration = Duration::from_mins(1);

/// What became of a record of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    Stored,
    Flagged,
    Refused,
    Rejected,
}

/// A stream with its run.
struct Flow {
    stream: Stream,
    service: Service,
    run: Run,
}

impl Flow {
    /// What must become of the records of a run, counted.
    fn expected<S: Source>(&self) -> BTreeMap<Became, usize>
    where
        <S::World as World>::Options: Default,
    {
        let mut counts = BTreeMap::new();
        // The id of the schema is no part of what becomes of a record.
        for sent in Expected::of::<S>(&self.run, 1).sent {
            *counts.entry(became(sent.fault.map(S::World::outcome))).or_default() += 1;
        }
        counts
    }

    fn outcome<S: Source>(fault: &str) -> Became {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == fault);
        assert!(kind.is_some() || fault.is_empty(), "no such fault: {fault}");
        became(kind.map(S::World::outcome))
    }

    /// The outcome that the generator's span announces.
    fn announced(&self, fault: &str) -> Became {
        match self.stream {
            Stream::Toll => Self::outcome::<Tolls>(fault),
            Stream::Traffic => Self::outcome::<Traffic>(fault),
            Stream::Weather => Self::outcome::<Weather>(fault),
        }
    }

    fn counted(&self) -> BTreeMap<Became, usize> {
        match self.stream {
            Stream::Toll => self.expected::<Tolls>(),
            Stream::Traffic => self.expected::<Traffic>(),
            Stream::Weather => self.expected::<Weather>(),
        }
    }
}

fn became(outcome: Option<Outcome>) -> Became {
    match outcome {
        None => Became::Stored,
        Some(Outcome::Flagged(_)) => Became::Flagged,
        Some(Outcome::Refused(_)) => Became::Refused,
        Some(Outcome::Repeated) => Became::Rejected,
    }
}

/// The tree of a record; the lines of an alert, which depend on a temperature, are left out.
fn tree(stream: Stream, became: Became) -> String {
    let topic = stream.topic();
    let verdict = match became {
        Became::Stored | Became::Rejected => "valid",
        Became::Flagged => "flagged",
        Became::Refused => return format!("send {topic}\n  process {topic} refused !\n"),
    };
    let of_connector = |(connector, table): &(&str, &str)| {
        let line = format!("      process {topic}.valid {connector}");
        if became == Became::Rejected && *connector == stream.keyed() {
            format!("{line} rejected !\n        INSERT {table} !\n")
        } else {
            format!("{line} stored\n        INSERT {table}\n")
        }
    };
    let connectors = stream.connectors().iter().filter(|(connector, _)| *connector != "warning-temperatures");
    let of_connectors: String = connectors.map(of_connector).collect();
    format!("send {topic}\n  process {topic} {verdict}\n    send {topic}.valid\n{of_connectors}")
}

fn without_alerts(tree: &str) -> String {
    let kept = tree.lines().filter(|line| !line.contains("warning"));
    kept.map(|line| format!("{line}\n")).collect()
}

/// Follows each record of a raw topic, and gives how many came to what.
fn follow(spans: &Spans, letters: &Letters<'_>, flow: &Flow, raw: &[Read]) -> BTreeMap<Became, usize> {
    let mut counts = BTreeMap::new();
    let mut seen = HashSet::new();
    for read in raw {
        let traceparent = read.header(telemetry::TRACEPARENT);
        let traceparent = traceparent.unwrap_or_else(|| panic!("offset {} has no context", read.offset));
        let (trace_id, span_id) = ids(traceparent);
        assert!(seen.insert(trace_id.to_owned()), "two records have the trace {trace_id}");
        let send = spans.get(span_id);
        let send = send.unwrap_or_else(|| panic!("{trace_id} of {:?} has no root", flow.service));
        assert_eq!((send.parent.as_ref(), send.service.as_str()), (None, flow.service.name()), "{send:?}");
        let place = (read.partition.to_string(), read.offset.to_string());
        assert_eq!((send.get(names::PARTITION), send.get(names::OFFSET)), (&*place.0, &*place.1), "{send:?}");
        assert_eq!(send.get(names::SPAN_STREAM), flow.stream.topic(), "{send:?}");
        let became = flow.announced(send.get(names::SPAN_FAULT));
        assert_eq!(without_alerts(&spans.tree(trace_id)), tree(flow.stream, became), "{send:?}");
        if matches!(became, Became::Refused | Became::Rejected) {
            let by = if became == Became::Refused { "validator" } else { flow.stream.keyed() };
            letters.assert_one_of(trace_id, flow.stream, by);
        }
        *counts.entry(became).or_default() += 1;
    }
    counts
}

/// The roots of dead letters by the trace that they link to.
struct Letters<'s> {
    spans: &'s Spans,
    by_trace: HashMap<&'s str, Vec<&'s Span>>,
}

impl<'s> Letters<'s> {
    fn new(spans: &'s Spans) -> Self {
        let mut by_trace: HashMap<&str, Vec<&Span>> = HashMap::new();
        let roots = [Stream::Toll, Stream::Traffic, Stream::Weather]
            .map(|stream| format!("send {}.dlq", stream.topic()));
        for root in spans.all().iter().filter(|span| roots.contains(&span.name)) {
            let [link] = &root.links[..] else { panic!("a letter has a link to its record: {root:?}") };
            by_trace.entry(&link.trace_id).or_default().push(root);
        }
        Self { spans, by_trace }
    }

    fn assert_one_of(&self, trace_id: &str, stream: Stream, by: &str) {
        let roots = self.by_trace.get(trace_id).map(Vec::as_slice).unwrap_or_default();
        let [root] = roots else { panic!("{} letters of {trace_id}", roots.len()) };
        let dlq = format!("{}.dlq", stream.topic());
        let tree =
            format!("send {dlq} {by} !\n  process {dlq} dead-letters stored\n    INSERT dead_letters\n");
        assert_eq!(self.spans.tree(&root.trace_id), tree);
    }
}

/// 10 000 records of three generators at 1 000 a second, 2 % of them malformed, all of them traced: each is one tree that ends in the
/// rows of its stream, or in the row of a dead letter that its own trace links to. No span is without its parent, none is lost.
#[test]
fn every_record_is_one_complete_tree() {
    let pipeline = Pipeline::start();
    let collector = Collector::start(pipeline.stack.folder());
    pipeline.observe(&Observed::at(&collector.endpoint(), 1));
    let consumers = pipeline.spawn_consumers();
    let flow = |stream, service, seed, rate| {
        let run = Run::new(seed, rate * 10, rate, MALFORMED);
        Flow { stream, service, run }
    };
    let flows = [
        flow(Stream::Toll, Service::Generator, 31, 500),
        flow(Stream::Traffic, Service::TrafficGenerator, 32, 250),
        flow(Stream::Weather, Service::WeatherGenerator, 33, 250),
    ];
    let generators = flows.each_ref().map(|flow| pipeline.spawn_generator_of(flow.service, &flow.run));
    for generator in &generators {
        let status = generator.wait(GENERATED_IN).expect("it ends");
        assert!(status.success(), "{}", generator.output().unwrap_or_default());
    }
    let expected = flows.each_ref().map(Flow::counted);
    await_all(&pipeline, &flows, &expected);
    let spans = collector.settled();
    for generator in &generators {
        let output = generator.output().unwrap_or_default();
        assert!(!output.contains("given up"), "{output}");
    }
    let letters = Letters::new(&spans);
    for (flow, expected) in flows.iter().zip(&expected) {
        let raw = read_topic(&pipeline.kafka(), flow.stream.topic());
        assert_eq!(raw.len() as u64, flow.run.count);
        assert_eq!(&follow(&spans, &letters, flow, &raw), expected, "{:?}", flow.stream);
    }
    assert_no_orphans(&spans);
    assert_conventions(&spans);
    assert_ledger(&pipeline, &spans);
    assert_nothing_dropped(&collector, &consumers);
}

/// Waits until the writer has read what the validator let through, and all dead letters.
fn await_all(pipeline: &Pipeline, flows: &[Flow], expected: &[BTreeMap<Became, usize>]) {
    let mut dead = 0;
    for (flow, expected) in flows.iter().zip(expected) {
        let count = |became| expected.get(&became).copied().unwrap_or(0) as u64;
        for (connector, _) in flow.stream.connectors() {
            pipeline.await_read(connector, flow.run.count - count(Became::Refused));
        }
        dead += count(Became::Refused) + count(Became::Rejected);
    }
    pipeline.await_read("dead-letters", dead);
}

fn assert_no_orphans(spans: &Spans) {
    let is_orphan = |span: &&Span| span.parent.as_ref().is_some_and(|parent| spans.get(parent).is_none());
    let orphans: Vec<&Span> = spans.all().iter().filter(is_orphan).take(3).collect();
    assert!(orphans.is_empty(), "spans without their parents: {orphans:?}");
    for trace in spans.traces() {
        assert_eq!(spans.roots(trace).len(), 1, "{}", spans.tree(trace));
    }
}

/// There are as many spans of rows as there are rows.
fn assert_ledger(pipeline: &Pipeline, spans: &Spans) {
    let ledger = pipeline.sql(
        "SELECT connector, SUM(stored_count), SUM(dead_count), SUM(skipped_count) FROM turnpike.ledger
         GROUP BY connector ORDER BY connector",
    );
    let mut counts: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for span in spans
        .all()
        .iter()
        .filter(|span| span.service == "mariadb-writer" && span.name.starts_with("process "))
    {
        let counts = counts.entry(span.get(names::SPAN_CONNECTOR)).or_default();
        match span.get(names::SPAN_OUTCOME) {
            "stored" => counts[0] += 1,
            "rejected" => counts[1] += 1,
            "skipped" => counts[2] += 1,
            other => panic!("an outcome `{other}`: {span:?}"),
        }
    }
    let told = counts
        .iter()
        .map(|(connector, [stored, dead, skipped])| format!("{connector}\t{stored}\t{dead}\t{skipped}"));
    assert_eq!(told.collect::<Vec<_>>(), ledger.lines().collect::<Vec<_>>());
}

/// No service counts a span that was dropped or not taken.
fn assert_nothing_dropped(collector: &Collector, consumers: &[Process]) {
    for point in collector.points() {
        let is_loss = point.name.starts_with("otel.sdk.") && point.labels.contains_key(names::ERROR_TYPE);
        assert!(!is_loss || point.value == 0.0, "{point:?}");
    }
    consumers.iter().for_each(system_tests::assert_drains);
}
