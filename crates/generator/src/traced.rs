//! The spans of the records that are traced, one in many; for all others a number is counted down.

use events::{Shape, Value};
use kafka::{Headers, Receipt, ended_by};
use telemetry::{Sampler, Span, SpanKind, TRACEPARENT, Tracer, names, names::spans};

use crate::{Record, Source};

/// Bytes of the registry's framing before the Avro body.
const FRAME_BYTES: usize = 5;
/// The field that is the event's id.
const EVENT_ID: &str = "event_id";

/// Chooses records and makes their spans.
///
/// It draws from the machine and not from the world's seed: keys and values are the same whatever is traced.
#[derive(Debug)]
pub(crate) struct Traced {
    tracer: Tracer,
    sampler: Sampler,
    topic: String,
    schema_id: u32,
    /// How to read what was encoded; `None` while nothing is traced.
    shape: Option<Shape>,
}

impl Traced {
    pub(crate) fn new<S: Source>(tracer: &Tracer, topic: &str, schema_id: u32) -> Self {
        let parse = || Shape::parse(S::SCHEMA).expect("our own schema parses, a test of its crate says");
        Self {
            tracer: tracer.clone(),
            sampler: tracer.sampler(),
            topic: topic.to_owned(),
            schema_id,
            shape: tracer.is_on().then(parse),
        }
    }

    /// Whether the next record is traced.
    pub(crate) fn draw(&mut self) -> bool {
        self.sampler.draw()
    }

    /// The header and the receipt of a record that is traced: its span ends when Kafka has it.
    pub(crate) fn begin(&self, record: &Record<'_>) -> (Headers, Option<Receipt>) {
        let Some(span) = self.span(record) else { return Default::default() };
        let context = span.context().traceparent();
        (Headers::new().add(TRACEPARENT, Some(context.as_bytes())), Some(ended_by(span)))
    }

    /// The root of the record's trace.
    fn span(&self, record: &Record<'_>) -> Option<Span> {
        let mut span = self.tracer.start(spans::send(&self.topic), SpanKind::Producer, None)?;
        span.set(names::MESSAGING_SYSTEM, names::KAFKA);
        span.set(names::OPERATION, spans::SEND);
        span.set(names::OPERATION_TYPE, spans::SEND);
        span.set(names::TOPIC, self.topic.clone());
        span.set(names::KEY, String::from_utf8_lossy(record.key).into_owned());
        span.set(names::SPAN_STREAM, self.topic.clone());
        span.set(names::SCHEMA_ID, i64::from(self.schema_id));
        if let Some(event_id) = self.event_id(record.value) {
            span.set(names::EVENT_ID, event_id.to_owned());
        }
        if let Some(fault) = record.fault {
            span.set(names::SPAN_FAULT, fault.name());
        }
        Some(span)
    }

    /// The event's id, also in a record that was spoiled behind it.
    fn event_id<'v>(&self, value: &'v [u8]) -> Option<&'v str> {
        let shape = self.shape.as_ref()?;
        let mut values = Vec::with_capacity(shape.fields().len());
        // What could be read before an error stands in the values.
        let _ = shape.decode(value.get(FRAME_BYTES..)?, &mut values);
        match values.get(shape.index_of(EVENT_ID)?) {
            Some(Value::String(event_id)) => Some(event_id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use simulation::faults::Kind;
    use telemetry::Metrics;

    use super::*;
    use crate::testing::{Passages, parse, tracing_all};

    /// Of a generator without a collector no record is traced, and what is sent has no header.
    #[test]
    fn without_a_collector_there_are_no_headers() {
        let mut stream = parse(&[]).expect("settings").stream(7);
        let mut traced = Traced::new::<Passages>(&Tracer::default(), "toll", 7);
        assert!((0..10_000).all(|_| !traced.draw()));
        let (headers, receipt) = traced.begin(&stream.next(0));
        assert_eq!(format!("{headers:?}"), format!("{:?}", Headers::new()));
        assert!(receipt.is_none());
    }

    /// A record that is traced begins a trace of its own, and its header says so.
    #[tokio::test(flavor = "multi_thread")]
    async fn traced_records_are_roots() {
        let export = tracing_all(&Metrics::default());
        let mut stream = parse(&[]).expect("settings").stream(7);
        let mut traced = Traced::new::<Passages>(export.tracer(), "toll", 7);
        assert!(traced.draw());
        let spans = [0, 1].map(|now_ms| traced.span(&stream.next(now_ms)).expect("a span").context());
        assert_ne!(spans[0].trace_id(), spans[1].trace_id());
        let header = spans[0].traceparent();
        assert!(header.ends_with("-01"), "{header}");
        let (headers, receipt) = traced.begin(&stream.next(2));
        assert_ne!(format!("{headers:?}"), format!("{:?}", Headers::new()));
        assert!(receipt.is_some());
    }

    /// The event's id is read from whatever still has it.
    #[tokio::test(flavor = "multi_thread")]
    async fn event_ids_are_told_of_spoiled_records() {
        let export = tracing_all(&Metrics::default());
        let mut stream = parse(&["--malformed=all=100%"]).expect("settings").stream(7);
        let traced = Traced::new::<Passages>(export.tracer(), "toll", 7);
        for now_ms in 0..1_000 {
            let record = stream.next(now_ms);
            let event_id = traced.event_id(record.value);
            // The five bytes of the framing, one for the length of a UUID, and its 36 characters.
            let is_there = record.fault != Some(Kind::Truncated) || record.value.len() >= 42;
            assert_eq!(event_id.is_some(), is_there, "{record:?}");
            assert!(event_id.is_none_or(|id| record.value[6..42] == *id.as_bytes()), "{record:?}");
        }
    }
}
