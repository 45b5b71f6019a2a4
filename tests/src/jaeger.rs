//! What a real Jaeger has, as its query API tells it.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use local_stack::Jaeger;
use serde_json::Value as Json;
use service::clock;

use crate::{
    eventually, get,
    otlp::{Link, Span, SpanEvent, SpanKind, Spans},
};

/// Traces of a service that are asked for.
const TRACES_MAX: u32 = 5_000;
/// How long no span has come when all are there.
const QUIET: Duration = Duration::from_secs(2);

/// The services that have sent spans.
pub fn jaeger_services(jaeger: &Jaeger) -> Vec<String> {
    let answer = ask(&format!("{}/api/services", jaeger.url()));
    let mut services: Vec<String> = list(&answer["data"]).iter().map(text).collect();
    services.sort();
    services
}

/// All spans that it has.
fn jaeger_spans(jaeger: &Jaeger) -> Spans {
    let mut seen = HashSet::new();
    let mut spans = Vec::new();
    for service in jaeger_services(jaeger) {
        let service = service.replace(' ', "%20");
        let query = format!("service={service}&limit={TRACES_MAX}&lookback=1h");
        let answer = ask(&format!("{}/api/traces?{query}", jaeger.url()));
        for trace in list(&answer["data"]) {
            let new = list(&trace["spans"]).iter().map(|told| span(told, &trace["processes"]));
            spans.extend(new.filter(|span| seen.insert((span.trace_id.clone(), span.span_id.clone()))));
        }
    }
    Spans::new(spans)
}

/// All spans that it has, once no more have come for a second.
pub fn jaeger_settled(jaeger: &Jaeger) -> Spans {
    let mut last = (clock::instant(), 0);
    eventually("no more spans come", || {
        let spans = jaeger_spans(jaeger);
        if spans.all().len() != last.1 {
            last = (clock::instant(), spans.all().len());
        }
        (last.1 > 0 && last.0.elapsed() > QUIET).then_some(spans)
    })
}

fn ask(url: &str) -> Json {
    let answer = get(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{url}: {error}: {answer}"))
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Tags and fields are lists of keys with values.
fn pairs(value: &Json) -> BTreeMap<String, String> {
    list(value).iter().map(|pair| (text(&pair["key"]), text(&pair["value"]))).collect()
}

fn span(told: &Json, processes: &Json) -> Span {
    let attributes = pairs(&told["tags"]);
    let tag = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
    let kind = match tag("span.kind") {
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        "client" => SpanKind::Client,
        "server" => SpanKind::Server,
        _ => SpanKind::Internal,
    };
    let failure = (tag("otel.status_code") == "ERROR").then(|| tag("otel.status_description").to_owned());
    let process = told["processID"].as_str().unwrap_or_default();
    let references = list(&told["references"]);
    let parent = references.iter().find(|reference| reference["refType"] == "CHILD_OF");
    let links =
        references.iter().filter(|reference| reference["refType"] != "CHILD_OF").map(|reference| Link {
            trace_id: padded(&reference["traceID"], 32),
            span_id: padded(&reference["spanID"], 16),
            attributes: BTreeMap::new(),
        });
    let events = list(&told["logs"]).iter().map(|log| {
        let mut attributes = pairs(&log["fields"]);
        SpanEvent { name: attributes.remove("event").unwrap_or_default(), attributes }
    });
    let start_us = told["startTime"].as_u64().unwrap_or(0);
    let end_us = start_us + told["duration"].as_u64().unwrap_or(0);
    Span {
        service: text(&processes[process]["serviceName"]),
        name: text(&told["operationName"]),
        kind,
        trace_id: padded(&told["traceID"], 32),
        span_id: padded(&told["spanID"], 16),
        parent: parent.map(|parent| padded(&parent["spanID"], 16)),
        links: links.collect(),
        events: events.collect(),
        failure,
        time_ns: (start_us * 1_000, end_us * 1_000),
        schema_url: telemetry::names::SCHEMA_URL.to_owned(),
        attributes,
    }
}

/// An id to its full length: Jaeger may leave zeros at the beginning out.
fn padded(id: &Json, length: usize) -> String {
    format!("{:0>length$}", text(id))
}
