//! Spans, and the trees that they make.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use opentelemetry_proto::tonic::trace::v1::{self as otlp, span::SpanKind, status::StatusCode};

use super::received::{hex, pairs};

/// A span as a service sent it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "an id of a span is everywhere called so")]
pub struct Span {
    /// The service.
    pub service: String,
    /// What was done, to what.
    pub name: String,
    /// Whether it sends, handles, asks or does something within.
    pub kind: SpanKind,
    /// Its trace.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The span that it is a part of, here or elsewhere.
    pub parent: Option<String>,
    /// Related spans.
    pub links: Vec<Link>,
    /// What is said about it, as text.
    pub attributes: BTreeMap<String, String>,
    /// What happened meanwhile.
    pub events: Vec<SpanEvent>,
    /// What went wrong, if something did.
    pub failure: Option<String>,
    /// When it began and ended, in nanoseconds since 1970.
    pub time_ns: (u64, u64),
    /// The conventions that its names are of.
    pub schema_url: String,
}

/// A link to a span.
#[derive(Debug, Clone)]
pub struct Link {
    /// The trace of the other.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// What is said about the relation.
    pub attributes: BTreeMap<String, String>,
}

/// Something that happened during a span.
#[derive(Debug, Clone)]
pub struct SpanEvent {
    /// What it was.
    pub name: String,
    /// What is said about it.
    pub attributes: BTreeMap<String, String>,
}

/// Many spans, found by what they belong to.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    all: Vec<Span>,
    by_id: HashMap<String, usize>,
    by_trace: HashMap<String, Vec<usize>>,
    by_parent: HashMap<String, Vec<usize>>,
}

impl Span {
    pub(super) fn new(service: &str, schema_url: &str, span: otlp::Span) -> Self {
        let status = span.status.clone().unwrap_or_default();
        let event =
            |event: otlp::span::Event| SpanEvent { name: event.name, attributes: pairs(&event.attributes) };
        let link = |link: otlp::span::Link| Link {
            trace_id: hex(&link.trace_id),
            span_id: hex(&link.span_id),
            attributes: pairs(&link.attributes),
        };
        Self {
            service: service.to_owned(),
            kind: span.kind(),
            name: span.name,
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent: Some(hex(&span.parent_span_id)).filter(|id| !id.is_empty()),
            links: span.links.into_iter().map(link).collect(),
            attributes: pairs(&span.attributes),
            events: span.events.into_iter().map(event).collect(),
            failure: (status.code() == StatusCode::Error).then_some(status.message),
            time_ns: (span.start_time_unix_nano, span.end_time_unix_nano),
            schema_url: schema_url.to_owned(),
        }
    }

    /// An attribute as text; empty if it has none of the name.
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Whether it has a link to another span.
    pub fn links_to(&self, other: &Self) -> bool {
        self.links.iter().any(|link| (&link.trace_id, &link.span_id) == (&other.trace_id, &other.span_id))
    }
}

impl Spans {
    /// Finds out what belongs to what.
    pub fn new(all: Vec<Span>) -> Self {
        let mut spans = Self::default();
        for (index, span) in all.iter().enumerate() {
            let known = spans.by_id.insert(span.span_id.clone(), index);
            assert!(known.is_none(), "two spans have the id of {span:?}");
            spans.by_trace.entry(span.trace_id.clone()).or_default().push(index);
            if let Some(parent) = &span.parent {
                spans.by_parent.entry(parent.clone()).or_default().push(index);
            }
        }
        spans.all = all;
        spans
    }

    /// All of them.
    pub fn all(&self) -> &[Span] {
        &self.all
    }

    /// Those of this name.
    pub fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Span> {
        self.all.iter().filter(move |span| span.name == name)
    }

    /// The span with this id.
    pub fn get(&self, span_id: &str) -> Option<&Span> {
        self.by_id.get(span_id).map(|index| &self.all[*index])
    }

    /// Those of a trace, in the order in which they came.
    pub fn of_trace(&self, trace_id: &str) -> Vec<&Span> {
        self.at(self.by_trace.get(trace_id))
    }

    /// The ids of all traces.
    pub fn traces(&self) -> impl Iterator<Item = &str> {
        self.by_trace.keys().map(String::as_str)
    }

    /// The parts of a span, sorted by name and connector.
    pub fn children(&self, span: &Span) -> Vec<&Span> {
        let mut children = self.at(self.by_parent.get(&span.span_id));
        children.sort_by_key(|span| (&span.name, span.get(CONNECTOR), span.time_ns));
        children
    }

    /// Those of a trace whose parent is not among them.
    pub fn roots(&self, trace_id: &str) -> Vec<&Span> {
        let is_root = |span: &&Span| span.parent.as_ref().is_none_or(|parent| self.get(parent).is_none());
        self.of_trace(trace_id).into_iter().filter(is_root).collect()
    }

    /// The tree of a trace as text: a line a span, its parts indented below it. Behind the name stand what it says of connector,
    /// verdict and outcome, and `!` if it failed.
    pub fn tree(&self, trace_id: &str) -> String {
        let mut text = String::new();
        for root in self.roots(trace_id) {
            self.write(&mut text, root, 0);
        }
        text
    }

    fn write(&self, text: &mut String, span: &Span, depth: usize) {
        let told = TOLD.iter().map(|name| span.get(name)).filter(|value| !value.is_empty());
        let told: String = told.map(|value| format!(" {value}")).collect();
        let failed = if span.failure.is_some() { " !" } else { "" };
        let written = writeln!(text, "{:1$}{2}{told}{failed}", "", depth * 2, span.name);
        written.expect("writing to a string cannot fail");
        for child in self.children(span) {
            self.write(text, child, depth + 1);
        }
    }

    fn at(&self, indices: Option<&Vec<usize>>) -> Vec<&Span> {
        indices.into_iter().flatten().map(|index| &self.all[*index]).collect()
    }
}

const CONNECTOR: &str = telemetry::names::SPAN_CONNECTOR;

/// What a tree tells of each span.
const TOLD: [&str; 3] = [CONNECTOR, telemetry::names::VERDICT, telemetry::names::SPAN_OUTCOME];
