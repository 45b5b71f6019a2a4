//! What is traced of a batch: the records that their source chose, the letters about bad ones, and the transaction that moves them.
//!
//! A batch without a traced record has no spans but those of letters, and a record that is not traced costs a look at its headers.

mod facts;

use std::{sync::Arc, time::SystemTime};

use kafka::Record;
use service::clock;
use telemetry::{
    KeyValue, LINKS_MAX, Parent, Sampler, Span, SpanKind, TRACEPARENT, Tracer, names, names::spans,
};

use crate::{
    bench::Bench,
    laps::{Laps, Step},
    stream::Stream,
    verdict::Verdict,
};
use facts::Facts;

/// Something did not become visible, and is done again.
const ABORTED: &str = "aborted";

/// Makes the spans of all batches.
#[derive(Debug)]
pub(crate) struct Tracing {
    tracer: Tracer,
    /// Chooses among the texts: nobody before us has decided about them.
    sampler: Sampler,
    group: Arc<str>,
}

/// The spans of one batch; without a traced record there are none.
#[derive(Debug)]
pub(crate) struct Traced {
    tracer: Tracer,
    group: Arc<str>,
    began: SystemTime,
    polled: SystemTime,
    batch_records: usize,
    transaction: Option<Span>,
    commit: Option<Span>,
    records: Vec<Followed>,
}

/// A traced record, until its batch is committed.
#[derive(Debug)]
pub(crate) struct Followed {
    span: Span,
    /// The raw topic.
    pub(crate) topic: Arc<str>,
    pub(crate) timestamp_ms: i64,
    /// The reason and the sentence of a refusal.
    refusal: Option<(&'static str, String)>,
}

impl Tracing {
    pub(crate) fn new(tracer: &Tracer, group: &str) -> Self {
        Self { tracer: tracer.clone(), sampler: tracer.sampler(), group: group.into() }
    }

    /// Nothing of a batch that has been polled.
    pub(crate) fn batch(&self, laps: &Laps, batch_records: usize) -> Traced {
        Traced {
            tracer: self.tracer.clone(),
            group: Arc::clone(&self.group),
            began: laps.began(Step::Poll),
            polled: laps.ended(Step::Poll),
            batch_records,
            transaction: None,
            commit: None,
            records: Vec::new(),
        }
    }

    /// Begins the spans of a judged record if it is traced, and gives the one of sending it on: the next reader's parent. Letters
    /// about records that are not traced have one as well, unless there are too many.
    pub(crate) fn follow(
        &mut self,
        traced: &mut Traced,
        record: &Record<'_>,
        verdict: &Verdict,
        (stream, bench): &(Stream, Bench),
    ) -> Option<Span> {
        if !self.tracer.is_on() {
            return None;
        }
        let came = self.tracer.parent(record.headers());
        let is_traced = came.is_some() || self.chooses(record, verdict);
        let process = if is_traced { traced.process(record, came) } else { None };
        let mut sent = self.sending(verdict, stream, process.as_ref().map(Span::context));
        if process.is_none() && sent.is_none() {
            return None;
        }
        let facts = Facts::of(record, verdict, stream, bench);
        if let Some(sent) = &mut sent {
            facts.tell_sent(sent);
        }
        if let Some(mut span) = process {
            facts.tell_process(&mut span, &self.group);
            if let (Verdict::Refused(_), Some(letter)) = (verdict, &sent) {
                span.link(&letter.context(), Vec::new());
            }
            let (topic, timestamp_ms) = (Arc::clone(&stream.raw), record.timestamp_ms());
            traced.records.push(Followed { span, topic, timestamp_ms, refusal: facts.refusal() });
        }
        sent
    }

    /// Whether a text that comes without a context is traced: it is here that it becomes a record.
    fn chooses(&mut self, record: &Record<'_>, verdict: &Verdict) -> bool {
        verdict.dialect().is_some() && self.sampler.draw() && !has_context(record)
    }

    /// Begins the span of sending a record on. A letter begins a trace, for its way is another one.
    fn sending(&self, verdict: &Verdict, stream: &Stream, process: Option<Parent>) -> Option<Span> {
        if verdict.is_valid() {
            // First of all: an untraced record is not worth a name.
            let process = process?;
            return self.tracer.start(spans::send(&stream.valid), SpanKind::Producer, Some(&process));
        }
        let mut letter = self.tracer.dead_letter(&stream.dlq, process.is_some(), clock::instant())?;
        if let Some(process) = process {
            letter.link(&process, Vec::new());
        }
        Some(letter)
    }
}

/// Whether a record's source has decided about it.
fn has_context(record: &Record<'_>) -> bool {
    record.headers().any(|(name, _)| name == TRACEPARENT)
}

impl Traced {
    /// Begins a record's own span, and the transaction's if it is the first. They link to each other.
    fn process(&mut self, record: &Record<'_>, came: Option<Parent>) -> Option<Span> {
        let name = spans::process(record.topic());
        let mut span = self.tracer.start_at(name, SpanKind::Consumer, came.as_ref(), self.polled)?;
        if self.transaction.is_none() {
            self.transaction = self.begin();
        }
        let transaction = self.transaction.as_mut()?;
        span.link(&transaction.context(), Vec::new());
        if self.records.len() < LINKS_MAX {
            let about = vec![
                KeyValue::new(names::TOPIC, record.topic().to_owned()),
                KeyValue::new(names::PARTITION, record.partition().to_string()),
                KeyValue::new(names::OFFSET, record.offset()),
            ];
            transaction.link(&came.unwrap_or_else(|| span.context()), about);
        }
        Some(span)
    }

    fn begin(&self) -> Option<Span> {
        let name = spans::transaction(&self.group);
        let mut span = self.tracer.start_at(name, SpanKind::Internal, None, self.began)?;
        self.describe(&mut span);
        Some(span)
    }

    fn describe(&self, span: &mut Span) {
        span.set(names::MESSAGING_SYSTEM, names::KAFKA);
        span.set(names::GROUP, self.group.to_string());
        span.set(names::BATCH_COUNT, self.batch_records as i64);
    }

    /// Makes the transaction's context that of the log lines until the guard is dropped.
    pub(crate) fn attach(&self) -> impl Sized + use<> {
        self.transaction.as_ref().map(|transaction| transaction.context().attach())
    }

    /// All records are handed to the producer, and the commit begins.
    pub(crate) fn commits(&mut self, laps: &Laps) {
        self.tell_steps(&[Step::Poll, Step::Judge, Step::Send], laps);
        self.commit = self.step(Step::Commit, laps);
    }

    fn tell_steps(&self, steps: &[Step], laps: &Laps) {
        for step in steps {
            if let Some(span) = self.step(*step, laps) {
                span.end_at(laps.ended(*step));
            }
        }
    }

    fn step(&self, step: Step, laps: &Laps) -> Option<Span> {
        let transaction = self.transaction.as_ref()?.context();
        let (kind, operation) = match step {
            Step::Poll => (SpanKind::Client, Some("receive")),
            Step::Judge => (SpanKind::Internal, None),
            Step::Send => (SpanKind::Client, Some("send")),
            Step::Commit => (SpanKind::Client, Some(spans::SETTLE)),
        };
        let mut span = self.tracer.start_at(step.name(), kind, Some(&transaction), laps.began(step))?;
        if let Some(operation) = operation {
            self.describe(&mut span);
            span.set(names::OPERATION, step.name());
            span.set(names::OPERATION_TYPE, operation);
        }
        Some(span)
    }

    /// A step of the commit has failed; it is tried again, or not any more.
    pub(crate) fn fails(&mut self, error: &kafka::Error, is_tried_again: bool) {
        if let Some(commit) = self.commit.as_mut().filter(|_| is_tried_again) {
            commit.event(spans::RETRY, vec![KeyValue::new(names::ERROR_MESSAGE, error.to_string())]);
        }
    }

    /// The traced records.
    pub(crate) fn records(&self) -> &[Followed] {
        &self.records
    }

    /// The batch is committed.
    pub(crate) fn committed(self, laps: &Laps) {
        let at = laps.ended(Step::Commit);
        for Followed { mut span, refusal, .. } in self.records {
            if let Some((reason, message)) = refusal {
                span.fail(reason, message);
            }
            span.end_at(at);
        }
        for span in [self.commit, self.transaction].into_iter().flatten() {
            span.end_at(at);
        }
    }

    /// The batch is given up: nobody will see what was sent, and its records come again, with spans of their own.
    pub(crate) fn aborted(mut self, error: &kafka::Error, laps: &Laps) {
        let failed = self.commit.take().or_else(|| {
            self.tell_steps(&[Step::Poll, Step::Judge], laps);
            self.step(Step::Send, laps)
        });
        let records = self.records.into_iter().map(|followed| followed.span);
        for mut span in failed.into_iter().chain(records).chain(self.transaction) {
            span.fail(ABORTED, error.to_string());
        }
    }
}

impl Followed {
    /// Where the record's trace goes on.
    pub(crate) fn context(&self) -> Parent {
        self.span.context()
    }
}
