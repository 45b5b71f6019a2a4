//! Which of the traces that Jaeger has is worth showing, and what it comes to. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value as Json, json};
use telemetry::names::spans;

use super::{spans::Trace, tree::span_of_time};

/// Younger traces are not looked at: the last spans of them may still be on their way.
const REST: Duration = Duration::from_secs(2);
/// How many traces are looked at to choose one.
const TRACES_MAX: u32 = 20;

/// Where Jaeger tells the newest traces that a service has read a record of `topic` in: those of records alone, which have come to
/// rest.
pub(crate) fn search_url(jaeger: &str, service: &str, topic: &str, now_ms: i64) -> String {
    let operation = spans::process(topic).replace(' ', "%20");
    let end_us = (now_ms - REST.as_millis() as i64) * 1_000;
    format!("{jaeger}/api/traces?service={service}&operation={operation}&end={end_us}&limit={TRACES_MAX}")
}

/// Of what `/api/traces` answers to a search, a trace from the sending of a record to its rows. Of those with the usual number of
/// spans it is the latest: an interrupted batch, for instance, leaves some spans twice.
pub(crate) fn usual(answer: &Json) -> Option<Trace> {
    let found = answer["data"].as_array()?.iter();
    let mut by_size = BTreeMap::<usize, Vec<Trace>>::new();
    for trace in found.filter_map(|one| Trace::read(&json!({ "data": [one] }))).filter(is_finished) {
        by_size.entry(trace.spans.len()).or_default().push(trace);
    }
    let (_, usual) = by_size.into_iter().max_by_key(|(spans, traces)| (traces.len(), *spans))?;
    usual.into_iter().max_by_key(Trace::start_us)
}

/// Whether it begins with the sending of the record and gets to a statement that stores it.
fn is_finished(trace: &Trace) -> bool {
    let (send, insert) = (spans::send(""), spans::insert(""));
    let mut roots = trace.roots();
    roots.next().is_some_and(|root| root.parent.is_none() && root.name.starts_with(&send))
        && roots.next().is_none()
        && trace.spans.iter().any(|span| span.name.starts_with(&insert))
}

/// How many spans, through which services, and how long from the first begin to the last end.
pub(crate) fn sentence(trace: &Trace) -> String {
    let mut services: Vec<&str> = Vec::new();
    for span in &trace.spans {
        if !services.contains(&span.service.as_str()) {
            services.push(&span.service);
        }
    }
    let end_us = trace.spans.iter().map(|span| span.start_us + span.duration_us).max().unwrap_or(0);
    let took = span_of_time(end_us - trace.start_us());
    format!("{} spans, {}, {took}", trace.spans.len(), services.join(" > "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::{Trace, search_url, sentence, usual};

    /// A span of the process `by` that begins at `start` ms and takes 2.5 ms.
    fn span(id: &str, parent: &str, name: &str, by: &str, start: u64) -> Json {
        let references = if parent.is_empty() {
            json!([{"refType": "FOLLOWS_FROM", "traceID": "other", "spanID": "x"}])
        } else {
            json!([{"refType": "CHILD_OF", "traceID": "ab", "spanID": parent}])
        };
        json!({"spanID": id, "operationName": name, "references": references, "startTime": 1_000 * start,
               "duration": 2_500, "tags": [], "processID": by, "logs": [], "warnings": null})
    }

    fn trace(spans: &[Json]) -> Json {
        json!({"traceID": "ab", "spans": spans, "processes": {
            "g": {"serviceName": "toll-generator", "tags": []}, "v": {"serviceName": "validator"},
            "w": {"serviceName": "mariadb-writer"}}})
    }

    /// A record's way, from `start` ms, through two connectors, the spans in the order in which they came.
    fn whole(start: u64) -> Vec<Json> {
        vec![
            span("8", "7", "INSERT livetolldata", "w", start + 36),
            span("7", "3", "process toll.valid", "w", start + 25),
            span("6", "5", "INSERT toll_passages", "w", start + 30),
            span("5", "3", "process toll.valid", "w", start + 20),
            span("3", "2", "send toll.valid", "v", start + 12),
            span("2", "1", "process toll", "v", start + 10),
            span("1", "", "send toll", "g", start),
        ]
    }

    fn chosen(traces: &[Json]) -> Option<Trace> {
        usual(&json!({"data": traces, "total": 0, "errors": null}))
    }

    /// Traces that miss their beginning or their end are none to show, nor are those of batches; neither is an error.
    #[test]
    fn only_finished_traces_are_chosen() {
        let all = whole(0);
        assert!(chosen(&[trace(&all)]).is_some());
        assert!(chosen(&[trace(&all[..6])]).is_none(), "the root has not arrived");
        assert!(chosen(&[trace(&all[4..])]).is_none(), "nothing is stored");
        let batch =
            [span("1", "", "store toll-passages", "w", 0), span("2", "1", "INSERT toll_passages", "w", 1)];
        assert!(chosen(&[trace(&batch)]).is_none());
        assert!(chosen(&[]).is_none());
        assert!(usual(&json!({"data": null, "errors": [{"code": 404, "msg": "trace not found"}]})).is_none());
    }

    /// The usual number of spans wins over more and less, then the latest; at even numbers, more spans.
    #[test]
    fn the_usual_trace_is_chosen() {
        let (all, late, half) = (whole(0), whole(5), whole(9).split_off(2));
        let twice = [&all[..], &[span("9", "3", "process toll.valid", "w", 90)]].concat();
        let start_ms = |traces: &[&[Json]]| {
            let traces: Vec<Json> = traces.iter().map(|spans| trace(spans)).collect();
            chosen(&traces).map(|trace| trace.start_us() / 1_000)
        };
        assert_eq!(start_ms(&[&all, &late, &half, &twice]), Some(5));
        assert_eq!(start_ms(&[&half, &late]), Some(5));
    }

    /// Services stand in the order in which the record passed them, once; time is counted to the last end.
    #[test]
    fn a_trace_is_told_in_a_sentence() {
        let trace = chosen(&[trace(&whole(7))]).expect("a finished trace");
        assert_eq!(sentence(&trace), "7 spans, toll-generator > validator > mariadb-writer, 38.5 ms");
    }

    /// As Jaeger's API wants it: the end in microseconds, no spaces.
    #[test]
    fn traces_are_searched_for() {
        assert_eq!(
            search_url("http://127.0.0.1:16686", "mariadb-writer", "toll.valid", 10_000),
            "http://127.0.0.1:16686/api/traces?service=mariadb-writer&operation=process%20toll.valid&end=8000000&limit=20"
        );
    }
}
