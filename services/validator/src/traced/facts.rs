//! What the spans of a record say of it.

use kafka::Record;
use schema_registry::SchemaId;
use telemetry::{
    Span,
    names::{self, spans},
};

use crate::{
    DESCRIPTION,
    bench::{Bench, Identity},
    stream::Stream,
    verdict::{Marks, Refusal, Verdict},
};

/// What is done with a record, as a span has it.
const PROCESS: &str = "process";

/// A traced record and what became of it.
#[derive(Debug)]
pub(crate) struct Facts<'r> {
    record: &'r Record<'r>,
    verdict: &'r Verdict,
    stream: &'r Stream,
    identity: Identity,
}

impl<'r> Facts<'r> {
    /// Reads what tells the record from others.
    pub(crate) fn of(
        record: &'r Record<'r>,
        verdict: &'r Verdict,
        stream: &'r Stream,
        bench: &Bench,
    ) -> Self {
        let identity = match (verdict.normalised(), record.value()) {
            (Some(normalised), _) => bench.identify(&normalised.value, std::iter::empty()),
            (None, Some(value)) => bench.identify(value, record.headers()),
            (None, None) => Identity::default(),
        };
        Self { record, verdict, stream, identity }
    }

    /// Of the record where it was read: where it stood, and the verdict.
    pub(crate) fn tell_process(&self, span: &mut Span, group: &str) {
        self.tell(span, PROCESS, &self.stream.raw);
        span.set(names::PARTITION, self.record.partition().to_string());
        span.set(names::OFFSET, self.record.offset());
        span.set(names::GROUP, group.to_owned());
        self.tell_judgement(span);
        span.set(names::VERDICT, self.verdict.name());
        match self.verdict {
            Verdict::Valid => {}
            Verdict::Marked(marks) => {
                if let Marks { flags: Some(flags), .. } = &**marks {
                    span.set(names::SPAN_FLAGS, flags.clone());
                }
            }
            Verdict::Refused(refusal) => tell_refusal(span, refusal),
        }
    }

    /// Of the record as it is sent on. A letter begins a trace, so it says why, and of which record.
    pub(crate) fn tell_sent(&self, span: &mut Span) {
        let Verdict::Refused(refusal) = self.verdict else {
            self.tell(span, spans::SEND, &self.stream.valid);
            return;
        };
        self.tell(span, spans::SEND, &self.stream.dlq);
        span.set(names::SPAN_CONNECTOR, DESCRIPTION.name);
        span.set(names::SOURCE_TOPIC, self.stream.raw.to_string());
        span.set(names::SOURCE_PARTITION, i64::from(self.record.partition()));
        span.set(names::SOURCE_OFFSET, self.record.offset());
        self.tell_judgement(span);
        tell_refusal(span, refusal);
        span.fail(refusal.reason.code(), refusal.message.clone());
    }

    /// The reason and the sentence of a refusal.
    pub(crate) fn refusal(&self) -> Option<(&'static str, String)> {
        match self.verdict {
            Verdict::Valid | Verdict::Marked(_) => None,
            Verdict::Refused(refusal) => Some((refusal.reason.code(), refusal.message.clone())),
        }
    }

    /// As what the record was judged.
    fn tell_judgement(&self, span: &mut Span) {
        span.set(names::CONTRACT_VERSION, self.stream.contract.version().to_owned());
        if let Some(dialect) = self.verdict.dialect() {
            span.set(names::DIALECT, dialect.name());
        }
    }

    /// What all of them say.
    fn tell(&self, span: &mut Span, operation: &'static str, topic: &str) {
        span.set(names::MESSAGING_SYSTEM, names::KAFKA);
        span.set(names::OPERATION, operation);
        span.set(names::OPERATION_TYPE, operation);
        span.set(names::TOPIC, topic.to_owned());
        span.set(names::SPAN_STREAM, self.stream.raw.to_string());
        if let Some(key) = self.record.key() {
            span.set(names::KEY, String::from_utf8_lossy(key).into_owned());
        }
        match &self.identity.schema_id {
            Some(SchemaId::Id(id)) => span.set(names::SCHEMA_ID, i64::from(*id)),
            Some(guid @ SchemaId::Guid(_)) => span.set(names::SCHEMA_ID, guid.to_string()),
            None => {}
        }
        if let Some(event_id) = &self.identity.event_id {
            span.set(names::EVENT_ID, event_id.clone());
        }
    }
}

fn tell_refusal(span: &mut Span, refusal: &Refusal) {
    span.set(names::SPAN_REASON, refusal.reason.code());
    if let Some(rule) = &refusal.rule {
        span.set(names::SPAN_RULE, rule.clone());
    }
}
