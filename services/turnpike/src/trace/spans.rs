//! Spans of a trace, as Jaeger's query API tells them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;
use telemetry::names;

use super::name::Place;

/// A trace with its spans, in the order in which they began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Trace {
    pub(crate) trace_id: String,
    pub(crate) spans: Vec<Span>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Span {
    pub(crate) id: String,
    /// The span that it is a part of.
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) service: String,
    /// When it began, in microseconds since 1970 UTC.
    pub(crate) start_us: i64,
    pub(crate) duration_us: i64,
    pub(crate) attributes: BTreeMap<String, Json>,
    pub(crate) events: Vec<SpanEvent>,
    /// Other traces that it is linked to.
    pub(crate) links: Vec<String>,
}

/// Something that happened meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SpanEvent {
    pub(crate) at_us: i64,
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, Json>,
}

impl Trace {
    /// Reads the answer to `/api/traces/<id>`; `None` if it holds no trace.
    pub(crate) fn read(answer: &Json) -> Option<Self> {
        let trace = answer["data"].as_array()?.first()?;
        let trace_id = trace["traceID"].as_str()?;
        let services = &trace["processes"];
        let spans = trace["spans"].as_array()?.iter();
        let mut spans: Vec<Span> = spans.filter_map(|span| Span::read(span, trace_id, services)).collect();
        spans.sort_by(|a, b| (a.start_us, &a.id).cmp(&(b.start_us, &b.id)));
        Some(Self { trace_id: padded(trace_id), spans }).filter(|trace| !trace.spans.is_empty())
    }

    /// When the first span began.
    pub(crate) fn start_us(&self) -> i64 {
        self.spans.iter().map(|span| span.start_us).min().unwrap_or(0)
    }

    /// Spans whose parent is not among them, or which have none.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|span| {
            let parent = span.parent.as_deref();
            !parent.is_some_and(|parent| self.spans.iter().any(|other| other.id == parent))
        })
    }

    /// The spans right below a span.
    pub(crate) fn children(&self, of: &Span) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|span| span.parent.as_deref() == Some(of.id.as_str()))
    }

    /// Other traces that spans of this one are linked to, each once.
    pub(crate) fn links(&self) -> Vec<&str> {
        let mut links: Vec<&str> = Vec::new();
        for link in self.spans.iter().flat_map(|span| &span.links) {
            if !links.contains(&link.as_str()) {
                links.push(link);
            }
        }
        links
    }

    /// Where the records stand that the spans are about, each place once.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        for place in self.spans.iter().filter_map(Span::place) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

impl Span {
    fn read(span: &Json, trace_id: &str, services: &Json) -> Option<Self> {
        let references = span["references"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_own = |reference: &&Json| reference["traceID"] == trace_id;
        let parent =
            references.iter().find(|reference| reference["refType"] == "CHILD_OF" && is_own(reference));
        let links = references.iter().filter(|reference| !is_own(reference));
        let service = span["processID"].as_str().and_then(|id| services[id]["serviceName"].as_str());
        Some(Self {
            id: span["spanID"].as_str()?.to_owned(),
            parent: parent.and_then(|parent| Some(parent["spanID"].as_str()?.to_owned())),
            name: span["operationName"].as_str()?.to_owned(),
            service: service.unwrap_or("unknown").to_owned(),
            start_us: span["startTime"].as_i64()?,
            duration_us: span["duration"].as_i64()?,
            attributes: attributes(&span["tags"]),
            events: span["logs"].as_array().into_iter().flatten().filter_map(SpanEvent::read).collect(),
            links: links.filter_map(|link| link["traceID"].as_str().map(padded)).collect(),
        })
    }

    /// An attribute as text; numbers and truth values as JSON writes them.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.get(name).map(as_text)
    }

    /// What went wrong, if it did: an error's class or reason code, and what is said of it.
    pub(crate) fn error(&self) -> Option<String> {
        let is_error = self.attribute("otel.status_code").is_some_and(|code| code == "ERROR")
            || self.attributes.get("error") == Some(&Json::Bool(true));
        let kind = self.attribute(names::ERROR_TYPE);
        if !is_error && kind.is_none() {
            return None;
        }
        let said = [kind, self.attribute("otel.status_description")];
        let said: Vec<String> = said.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        Some(if said.is_empty() { "error".to_owned() } else { said.join(": ") })
    }

    /// Where the record stands that the span is about.
    pub(crate) fn place(&self) -> Option<Place> {
        self.named([names::TOPIC, names::PARTITION, names::OFFSET])
    }

    /// Of a dead letter: where the record stands that failed.
    pub(crate) fn source(&self) -> Option<Place> {
        self.named([names::SOURCE_TOPIC, names::SOURCE_PARTITION, names::SOURCE_OFFSET])
    }

    fn named(&self, [topic, partition, offset]: [&str; 3]) -> Option<Place> {
        let number = |name| self.attribute(name)?.parse::<i64>().ok();
        Some(Place::of(&self.attribute(topic)?, i32::try_from(number(partition)?).ok()?, number(offset)?))
    }
}

impl SpanEvent {
    fn read(log: &Json) -> Option<Self> {
        let mut attributes = attributes(&log["fields"]);
        let name = attributes.remove("event").map_or_else(|| "event".to_owned(), |name| as_text(&name));
        Some(Self { at_us: log["timestamp"].as_i64()?, name, attributes })
    }
}

/// `[{"key": …, "value": …}]` as a map.
fn attributes(tags: &Json) -> BTreeMap<String, Json> {
    let tags = tags.as_array().into_iter().flatten();
    tags.filter_map(|tag| Some((tag["key"].as_str()?.to_owned(), tag["value"].clone()))).collect()
}

pub(crate) fn as_text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Jaeger leaves zeros at the beginning of an id out.
fn padded(trace_id: &str) -> String {
    format!("{trace_id:0>32}")
}
