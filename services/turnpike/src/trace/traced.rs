//! The traces of an event's records, and what they tell of its way.

use chrono::DateTime;
use dead_letter::Context;
use serde::Serialize;
use telemetry::names;

use super::{
    Sources,
    entry::{Entry, TraceContext},
    journey::Journey,
    spans::{Span, Trace},
};
use crate::tail::Fields;

/// Traces that the record's own are linked to, above all those of the batches that it was in.
const LINKED_MAX: usize = 6;

/// The traces of an event.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    pub(crate) is_sampled: bool,
    pub(crate) traces: Vec<Traced>,
}

/// A trace.
#[derive(Debug, Serialize)]
pub(crate) struct Traced {
    /// `record`, `dead letter` or `linked`.
    pub(crate) of: &'static str,
    pub(crate) trace_id: String,
    pub(crate) url: String,
    /// Its spans, if Jaeger has them.
    pub(crate) trace: Option<Trace>,
}

/// A moment on the way of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Hop {
    pub(crate) what: String,
    /// What it is counted from.
    pub(crate) after: &'static str,
    pub(crate) micros: i64,
}

/// What the trace of the record itself is of.
pub(crate) const RECORD: &str = "record";

impl Traces {
    /// Those of a journey's records, and those that they are linked to.
    pub(crate) fn of(journey: &Journey, sources: &Sources<'_>) -> Self {
        let mut traces = Self::default();
        let own = [&journey.raw, &journey.valid].into_iter().flatten().filter_map(Entry::trace);
        let own = own.chain(journey.letters.iter().filter_map(Entry::original_trace));
        for context in own {
            traces.add(RECORD, &context, sources);
        }
        for context in journey.letters.iter().filter_map(Entry::trace) {
            traces.add("dead letter", &context, sources);
        }
        traces.add_linked(sources);
        traces
    }

    /// A trace by itself, and those that it is linked to.
    pub(crate) fn alone(trace: Trace, sources: &Sources<'_>) -> Self {
        let (trace_id, url) = (trace.trace_id.clone(), sources.jaeger.link(&trace.trace_id));
        let own = Traced { of: "trace", trace_id, url, trace: Some(trace) };
        let mut traces = Self { is_sampled: true, traces: vec![own] };
        traces.add_linked(sources);
        traces
    }

    fn add(&mut self, of: &'static str, context: &TraceContext, sources: &Sources<'_>) {
        if context.is_sampled && !self.has(&context.trace_id) {
            self.is_sampled = true;
            let trace_id = context.trace_id.clone();
            let (url, trace) = (sources.jaeger.link(&trace_id), sources.jaeger.trace(&trace_id));
            self.traces.push(Traced { of, trace_id, url, trace });
        }
    }

    fn add_linked(&mut self, sources: &Sources<'_>) {
        let known = self.traces.iter().filter_map(|traced| traced.trace.as_ref());
        let linked: Vec<String> = known.flat_map(Trace::links).map(str::to_owned).collect();
        for trace_id in linked.into_iter().take(LINKED_MAX) {
            if !self.has(&trace_id) {
                let (url, trace) = (sources.jaeger.link(&trace_id), sources.jaeger.trace(&trace_id));
                self.traces.push(Traced { of: "linked", trace_id, url, trace });
            }
        }
    }

    fn has(&self, trace_id: &str) -> bool {
        self.traces.iter().any(|traced| traced.trace_id == trace_id)
    }

    /// The record's own spans, if Jaeger has them.
    fn of_record(&self) -> Option<&Trace> {
        self.traces.iter().find(|traced| traced.of == RECORD).and_then(|traced| traced.trace.as_ref())
    }

    /// The service that sent the record.
    pub(crate) fn producer(&self, journey: &Journey) -> Option<String> {
        let raw = journey.raw.as_ref()?;
        let sent = names::spans::send(&raw.place.topic);
        let mut spans = self.of_record()?.spans.iter();
        spans.find(|span| span.name == sent).map(|span| span.service.clone())
    }
}

/// What is known of when things happened: by the record's and the dead letters' own words, and by spans where there are any.
pub(crate) fn latency(journey: &Journey, fields: Option<&Fields>, traces: &Traces) -> Vec<Hop> {
    let mut hops = Vec::new();
    let sent = journey.raw.as_ref().or(journey.valid.as_ref()).or(journey.letters.first());
    let sent_ms = sent.map(|entry| entry.timestamp_ms).filter(|ms| *ms > 0);
    if let Some(sent_ms) = sent_ms {
        let occurred_ms = fields.and_then(occurred_ms);
        hops.extend(occurred_ms.map(|occurred_ms| Hop {
            what: "sent".to_owned(),
            after: "the event's time",
            micros: (sent_ms - occurred_ms).saturating_mul(1_000),
        }));
        let letters =
            journey.letters.iter().filter_map(|letter| Context::from_headers(letter.headers()).ok());
        hops.extend(letters.filter(|letter| letter.failed_at_ms > 0).map(|letter| Hop {
            what: format!("set aside by {}", letter.connector_name),
            after: "the record's timestamp",
            micros: (letter.failed_at_ms - sent_ms).saturating_mul(1_000),
        }));
    }
    if let Some(trace) = traces.of_record() {
        let mut seen: Vec<Hop> = trace.spans.iter().filter_map(|span| hop(span, trace.start_us())).collect();
        seen.sort_by_key(|hop| hop.micros);
        hops.append(&mut seen);
    }
    hops
}

/// What has happened at the end of a span, if it is one by which a record gets on.
fn hop(span: &Span, start_us: i64) -> Option<Hop> {
    let (operation, target) = span.name.split_once(' ')?;
    let what = match operation {
        "send" => format!("acknowledged in {target}"),
        "process" => format!(
            "processed by {}",
            span.attribute(names::SPAN_CONNECTOR).unwrap_or_else(|| span.service.clone())
        ),
        "INSERT" => format!("inserted into {target}"),
        _ => return None,
    };
    Some(Hop { what, after: "its first span", micros: span.start_us - start_us + span.duration_us })
}

/// The event's own time, under either of its names.
fn occurred_ms(fields: &Fields) -> Option<i64> {
    let time = ["occurred_at", "observed_at"].into_iter().find_map(|name| fields.get(name)?.as_str());
    DateTime::parse_from_rfc3339(time?).ok().map(|time| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Hop, Traced, Traces, latency};
    use crate::{
        tail::Fields,
        trace::{entry::Entry, journey::Journey, name::Place, spans::Trace},
    };

    fn journey() -> Journey {
        let raw = Entry {
            place: Place::of("toll", 2, 41),
            timestamp_ms: 1_790_969_180_123,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        Journey { raw: Some(raw), ..Journey::default() }
    }

    fn fields() -> Fields {
        Fields(vec![("occurred_at".into(), json!("2026-10-02T19:26:20.100Z"))])
    }

    /// Without spans only what the record itself says is known.
    #[test]
    fn nothing_is_invented_without_spans() {
        let hops = latency(&journey(), Some(&fields()), &Traces::default());
        assert_eq!(hops, [Hop { what: "sent".into(), after: "the event's time", micros: 23_000 }]);
        assert_eq!(Traces::default().producer(&journey()), None);
    }

    /// With spans each hop is counted from the first one, and the first one names the sender.
    #[test]
    fn spans_tell_each_hop() {
        let answer = serde_json::from_str(include_str!("jaeger_trace.json")).expect("JSON");
        let trace = Trace::read(&answer);
        let own = Traced { of: "record", trace_id: String::new(), url: String::new(), trace };
        let traces = Traces { is_sampled: true, traces: vec![own] };
        let hops: Vec<String> = latency(&journey(), None, &traces)
            .iter()
            .map(|hop| format!("{} {}", hop.what, hop.micros))
            .collect();
        assert_eq!(
            hops,
            [
                "acknowledged in toll 2100",
                "processed by validator 8350",
                "acknowledged in toll.valid 12200",
                "processed by toll-passages 15500",
                "processed by live-toll-data 16500",
                "inserted into toll_passages 18000",
            ]
        );
        assert_eq!(traces.producer(&journey()).as_deref(), Some("toll-generator"));
    }
}
