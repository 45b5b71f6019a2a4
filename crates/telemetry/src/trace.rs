//! Spans of records and batches, by OpenTelemetry's own interface: `tracing` would cost a span that nobody sees 0.8 µs.

use std::borrow::Cow;
use std::fmt;
use std::time::{Instant, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};

pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::{SpanKind, Status};

use crate::sampling::{Ratio, Sampler, TokenBucket};
use crate::{Counter, names};

/// The header that carries a record's context (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";
/// The header beside it, in which others keep what they need.
pub const TRACESTATE: &str = "tracestate";

/// Links of one span at most, as OpenTelemetry limits them.
pub const LINKS_MAX: usize = 128;

/// Bytes of one text that a span says. A record's key may have a megabyte, a request of 2,048 spans at most four.
const TEXT_BYTES_MAX: usize = 256;

/// Dead letters of untraced records that get a span in a second, and at once.
pub(crate) const ERROR_SPANS_A_SECOND: f64 = 50.0;

/// Bytes of a `traceparent` of version 00: version, trace id, parent id and flags.
const TRACEPARENT_BYTES: usize = 55;

/// Makes spans, if somebody receives them; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tracer {
    on: Option<On>,
}

#[derive(Clone, Debug)]
struct On {
    tracer: SdkTracer,
    ratio: Ratio,
    errors: TokenBucket,
    suppressed: Counter,
}

/// The context of a traced record or span: what its children and links point at.
#[derive(Clone, Debug, PartialEq)]
pub struct Parent(SpanContext);

/// A span that has begun; it ends when it is dropped, if not before.
pub struct Span {
    span: SdkSpan,
    has_failed: bool,
}

impl Tracer {
    pub(crate) fn new(tracer: SdkTracer, ratio: Ratio, suppressed: Counter, now: Instant) -> Self {
        let errors = TokenBucket::new(ERROR_SPANS_A_SECOND, now);
        Self { on: Some(On { tracer, ratio, errors, suppressed }) }
    }

    /// Whether spans are made at all.
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Decides for records that are written here first.
    pub fn sampler(&self) -> Sampler {
        self.on.as_ref().map_or_else(Sampler::off, |on| Sampler::new(on.ratio))
    }

    /// The context of a record that is traced. For all others, and while no spans are made, this is one look at a byte.
    pub fn parent<'h>(
        &self,
        headers: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>,
    ) -> Option<Parent> {
        self.on.as_ref()?;
        let mut found = None;
        let mut state = None;
        for (name, value) in headers {
            match name {
                TRACEPARENT if found.is_none() => found = Some(sampled(value?)?),
                TRACESTATE => state = value,
                _ => {}
            }
        }
        Parent::parse(found?, state)
    }

    /// Begins a span now; a root without a parent.
    pub fn start(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<&Parent>,
    ) -> Option<Span> {
        self.begin(name.into(), kind, parent, None)
    }

    /// The same of a span that has begun already.
    pub fn start_at(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<&Parent>,
        began: SystemTime,
    ) -> Option<Span> {
        self.begin(name.into(), kind, parent, Some(began))
    }

    /// Begins the span of a dead letter, a root of its own. Letters of traced records always have one; of the others, so many a
    /// second that a stream of bad records is not a stream of spans as well. The rest is counted.
    pub fn dead_letter(&self, topic: &str, is_traced: bool, now: Instant) -> Option<Span> {
        let on = self.on.as_ref()?;
        if !is_traced && !on.errors.take(now) {
            on.suppressed.add(1);
            return None;
        }
        self.start(names::spans::send(topic), SpanKind::Producer, None)
    }

    fn begin(
        &self,
        name: Cow<'static, str>,
        kind: SpanKind,
        parent: Option<&Parent>,
        began: Option<SystemTime>,
    ) -> Option<Span> {
        let tracer = &self.on.as_ref()?.tracer;
        let mut builder = tracer.span_builder(name).with_kind(kind);
        builder.start_time = began;
        let context = match parent {
            Some(Parent(parent)) => Context::new().with_remote_span_context(parent.clone()),
            None => Context::new(),
        };
        Some(Span { span: tracer.build_with_context(builder, &context), has_failed: false })
    }
}

/// The text of a `traceparent`, if its record is traced: the lowest bit of the last hexadecimal digit says so.
fn sampled(value: &[u8]) -> Option<&[u8]> {
    let digit = *value.get(TRACEPARENT_BYTES - 1)?;
    // The digits 0 to 9 and the letters a to f have their lowest bits the other way round.
    let is_sampled = if digit.is_ascii_digit() { digit & 1 == 1 } else { digit & 1 == 0 };
    is_sampled.then_some(value)
}

impl Parent {
    /// Reads a `traceparent` and the `tracestate` beside it; `None` if it is not one.
    pub(crate) fn parse(value: &[u8], state: Option<&[u8]>) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.splitn(5, '-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version may say more at its end (W3C Trace Context, 3.2.4); version ff is none.
        let is_version = version != "ff" && (version != "00" || parts.next().is_none());
        let lengths = [version, trace_id, span_id, flags].map(str::len);
        let mut digits = text.get(..TRACEPARENT_BYTES)?.bytes();
        let is_hexadecimal = digits.all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        if !is_version || !is_hexadecimal || lengths != [2, 32, 16, 2] {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        let state = state.and_then(|state| std::str::from_utf8(state).ok()?.parse().ok()).unwrap_or_default();
        Self::new(TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?, flags, state)
    }

    fn new(trace_id: TraceId, span_id: SpanId, flags: TraceFlags, state: TraceState) -> Option<Self> {
        let context = SpanContext::new(trace_id, span_id, flags, true, state);
        context.is_valid().then_some(Self(context))
    }

    /// As a header carries it.
    pub fn traceparent(&self) -> String {
        let Self(context) = self;
        format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
    }

    /// The trace's id in hexadecimal.
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// The span's id in hexadecimal.
    pub fn span_id(&self) -> String {
        self.0.span_id().to_string()
    }

    /// The trace's and the span's id.
    pub(crate) fn ids(&self) -> ([u8; 16], [u8; 8]) {
        (self.0.trace_id().to_bytes(), self.0.span_id().to_bytes())
    }

    /// Makes this the context of the log lines that are written until the guard is dropped.
    pub fn attach(&self) -> opentelemetry::ContextGuard {
        Context::new().with_remote_span_context(self.0.clone()).attach()
    }
}

impl Span {
    /// Says something of what the span is about. Long text is cut, here as in all that a span says.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.span.set_attribute(KeyValue::new(name, short(value.into())));
    }

    /// Points at a related span; `about` is what is true of this relation only.
    pub fn link(&mut self, to: &Parent, about: Vec<KeyValue>) {
        self.span.add_link(to.0.clone(), shortened(about));
    }

    /// Something happened meanwhile.
    pub fn event(&mut self, name: &'static str, about: Vec<KeyValue>) {
        self.span.add_event(name, shortened(about));
    }

    /// What the span is about has failed; `kind` is one of few words, such as a reason code. What fails on top of that is an event.
    pub fn fail(&mut self, kind: &str, message: impl Into<Cow<'static, str>>) {
        let kind = KeyValue::new(names::ERROR_TYPE, kind.to_owned());
        let message = cut(message.into());
        if std::mem::replace(&mut self.has_failed, true) {
            self.event("failed", vec![kind, KeyValue::new(names::ERROR_MESSAGE, message)]);
            return;
        }
        self.span.set_attribute(kind);
        self.span.set_status(Status::error(message));
    }

    /// What children and links of this span point at.
    pub fn context(&self) -> Parent {
        Parent(self.span.span_context().clone())
    }

    /// Ends the span now.
    pub fn end(mut self) {
        self.span.end();
    }

    /// Ends the span at a time that has passed.
    pub fn end_at(mut self, ended: SystemTime) {
        self.span.end_with_timestamp(ended);
    }
}

fn shortened(about: Vec<KeyValue>) -> Vec<KeyValue> {
    about.into_iter().map(|KeyValue { key, value, .. }| KeyValue::new(key, short(value))).collect()
}

fn short(value: Value) -> Value {
    match value {
        Value::String(text) if text.as_str().len() > TEXT_BYTES_MAX => {
            Value::String(cut(Cow::Owned(text.into())).into_owned().into())
        }
        short => short,
    }
}

fn cut(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]))
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(self.span.span_context()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(text: &str) -> Option<Parent> {
        sampled(text.as_bytes()).and_then(|value| Parent::parse(value, None))
    }

    /// A context is read and written as W3C has it; only the flag of being traced goes on.
    #[test]
    fn a_context_survives_its_header() {
        assert_eq!(parse(TRACED).map(|parent| parent.traceparent()).as_deref(), Some(TRACED));
        let more = TRACED.replace("-01", "-0b");
        assert_eq!(parse(&more), parse(TRACED));
        let later = format!("cc{}-and-more", &TRACED[2..]);
        assert_eq!(parse(&later), parse(TRACED));
    }

    /// What is not traced, or no context at all, has no parent.
    #[test]
    fn others_have_none() {
        let zeros = "0".repeat(32);
        for text in [
            "",
            "01",
            &TRACED.replace("-01", "-00"),
            &TRACED.replace("-01", "-0a"),
            &TRACED.replace("-01", "-0g"),
            &TRACED.replace("00-", "ff-"),
            &TRACED.replace("0af7651916cd43dd8448eb211c80319c", &zeros),
            &TRACED.replace("0af", "0AF"),
            &TRACED.replace("0af", "+af"),
            &format!("{TRACED}-more"),
            &"ü".repeat(28),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    /// Text is cut at a character, and short text stays as it is.
    #[test]
    fn long_text_is_cut() {
        let long = "ü".repeat(300);
        let Value::String(cut) = short(Value::from(long)) else { panic!("text stays text") };
        assert_eq!(cut.as_str(), format!("{}…", "ü".repeat(TEXT_BYTES_MAX / 2)));
        assert_eq!(short(Value::from("toll")), Value::from("toll"));
        assert_eq!(short(Value::from(7)), Value::from(7));
    }

    /// Without a receiver no header is looked at, no record chosen and no span made.
    #[test]
    fn off_is_off() {
        let tracer = Tracer::default();
        assert_eq!(tracer.parent([(TRACEPARENT, Some(TRACED.as_bytes()))]), None);
        assert!(!tracer.sampler().draw());
        assert!(tracer.start("send toll", SpanKind::Producer, None).is_none());
    }
}
