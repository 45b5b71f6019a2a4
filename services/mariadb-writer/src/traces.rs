//! The spans of a batch and of those of its records that are traced. A batch without a traced record has none, and cost one look
//! at each record's headers; while no spans are made at all, not even that.

mod attributes;

use std::{collections::BTreeMap, future::poll_fn, pin::pin, time::SystemTime};

use kafka::{Record, TopicPartition};
use telemetry::{
    KeyValue, LINKS_MAX, Parent, Span, SpanKind, Tracer,
    names::{self, spans},
};

use crate::{batch::Batch, calls::Statement, rejection::Rejection};

pub(crate) use attributes::of_letter;

/// The spans of one batch, however often it is tried; empty without a traced record.
#[derive(Debug, Default)]
pub(crate) struct Traces(Option<Box<Open>>);

/// When the records of a batch were polled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polled {
    /// The first poll that brought some began.
    pub(crate) began: SystemTime,
    /// The last one ended.
    pub(crate) ended: SystemTime,
}

#[derive(Debug)]
struct Open {
    tracer: Tracer,
    polled: Polled,
    /// When rows began to be made of the records.
    made: SystemTime,
    /// By their index, ascending.
    records: Vec<Traced>,
    /// Of the batch; `None` before its turn has come, and after its end.
    root: Option<Span>,
    /// When the present attempt sent its first statement.
    flushing: Option<SystemTime>,
    /// Calls of the present attempt that have a span.
    calls: usize,
}

/// A traced record.
#[derive(Debug)]
struct Traced {
    index: u32,
    /// What it came with.
    parent: Parent,
    /// `process`; `None` before the batch's turn has come, and after the record's end.
    process: Option<Span>,
}

/// Calls of one attempt that have spans; a statement that is halved again and again makes more than anybody reads.
const CALLS_MAX: usize = 128;

/// The record became a row.
const STORED: &str = "stored";
/// A filter left it out.
const SKIPPED: &str = "skipped";
/// It became a dead letter, or stopped the connector.
const REJECTED: &str = "rejected";
/// It was stored already, or another writer has its partition now.
const TAKEN_OVER: &str = "taken_over";
/// The writer stopped first; whoever reads the record next handles it.
const UNDONE: &str = "undone";

impl Traces {
    /// Looks for traced records; without a time of polling nothing is looked at, for no spans are made.
    pub(crate) fn find(
        tracer: &Tracer,
        records: &[Record<'_>],
        polled: Option<Polled>,
        now: impl FnOnce() -> SystemTime,
    ) -> Self {
        let Some(polled) = polled else { return Self::default() };
        let with_context = records.iter().zip(0..).filter_map(|(record, index)| {
            let parent = tracer.parent(record.headers())?;
            Some(Traced { index, parent, process: None })
        });
        let records: Vec<Traced> = with_context.collect();
        if records.is_empty() {
            return Self::default();
        }
        let tracer = tracer.clone();
        let made = now();
        Self(Some(Box::new(Open { tracer, polled, made, records, root: None, flushing: None, calls: 0 })))
    }

    /// The batch's turn has come: its span and those of its records begin, at the times at which that happened. Called once.
    pub(crate) fn begin(&mut self, records: &[Record<'_>], connector: &str) {
        let Some(open) = &mut self.0 else { return };
        let Polled { began, ended } = open.polled;
        let root = open.tracer.start_at(spans::store(connector), SpanKind::Internal, None, began);
        let Some(mut root) = root else { return };
        root.set(names::SPAN_CONNECTOR, connector.to_owned());
        root.set(names::BATCH_COUNT, records.len() as i64);
        let context = root.context();
        if let Some(mut poll) = open.tracer.start_at(spans::POLL, SpanKind::Client, Some(&context), began) {
            attributes::kafka(&mut poll, spans::POLL, "receive");
            poll.end_at(ended);
        }
        for (place, traced) in open.records.iter_mut().enumerate() {
            let record = &records[traced.index as usize];
            if place < LINKS_MAX {
                root.link(&traced.parent, attributes::place(record));
            }
            let name = spans::process(record.topic());
            let process = open.tracer.start_at(name, SpanKind::Consumer, Some(&traced.parent), open.made);
            traced.process = process.map(|mut process| {
                attributes::of_record(&mut process, record, connector);
                process.link(&context, Vec::new());
                process
            });
        }
        open.root = Some(root);
    }

    /// What lines about the batch belong to.
    pub(crate) fn context(&self) -> Option<Parent> {
        self.0.as_ref()?.root.as_ref().map(Span::context)
    }

    /// The spans of the records that are traced, by their index.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u32, Parent)> {
        let records = self.0.iter().flat_map(|open| &open.records);
        records.filter_map(|traced| Some((traced.index, traced.process.as_ref()?.context())))
    }

    /// The span of a record.
    pub(crate) fn of_record(&self, index: u32) -> Option<Parent> {
        self.0.as_ref()?.find(index)?.process.as_ref().map(Span::context)
    }

    /// An attempt sends its first statement.
    pub(crate) fn flushing(&mut self, now: impl FnOnce() -> SystemTime) {
        if let Some(open) = &mut self.0 {
            (open.flushing, open.calls) = (Some(now()), 0);
        }
    }

    /// The span of a call of the database, as part of the batch.
    pub(crate) fn call(&mut self, statement: &Statement<'_>) -> Option<Span> {
        let open = self.0.as_mut().filter(|open| open.calls < CALLS_MAX)?;
        let context = open.root.as_ref()?.context();
        let mut span = open.tracer.start(statement.span_name(), SpanKind::Client, Some(&context))?;
        open.calls += 1;
        statement.describe(&mut span);
        Some(span)
    }

    /// An attempt has failed and is repeated.
    pub(crate) fn retry(&mut self, kind: &'static str, message: String) {
        self.event(spans::RETRY, || {
            vec![KeyValue::new(names::ERROR_TYPE, kind), KeyValue::new(names::ERROR_MESSAGE, message)]
        });
    }

    /// A partition of the batch belongs to another writer now.
    pub(crate) fn lost(&mut self, at: &TopicPartition) {
        self.event(TAKEN_OVER, || attributes::partition(&at.topic, at.partition));
    }

    /// A COMMIT was sent and not answered.
    pub(crate) fn answer_outstanding(&mut self) {
        self.event("answer_outstanding", Vec::new);
    }

    /// The ledger has told whether a COMMIT without an answer has happened; it cannot where others have all partitions now.
    pub(crate) fn answer_found(&mut self, committed: Option<bool>) {
        let outcome = match committed {
            Some(true) => STORED,
            Some(false) => UNDONE,
            None => TAKEN_OVER,
        };
        self.event("answer_found", || vec![KeyValue::new(names::SPAN_OUTCOME, outcome)]);
    }

    /// A dead letter of a record is on its way, with a span of its own.
    pub(crate) fn letter(&mut self, index: u32, letter: &Parent) {
        let traced = self.0.as_mut().and_then(|open| open.find_mut(index));
        if let Some(process) = traced.and_then(|traced| traced.process.as_mut()) {
            process.link(letter, Vec::new());
        }
    }

    /// A record that cannot be stored stops the connector.
    pub(crate) fn intolerable(&mut self, index: u32, rejection: &Rejection) {
        let traced = self.0.as_mut().and_then(|open| open.find_mut(index));
        if let Some(process) = traced.and_then(|traced| traced.process.take()) {
            attributes::rejected(process, rejection).end();
        }
    }

    /// Ends the spans of the records that are dropped, and gives the others their new index.
    pub(crate) fn renumber(&mut self, renumbered: &[Option<u32>]) {
        let Some(open) = &mut self.0 else { return };
        open.records.retain_mut(|traced| {
            let Some(index) = renumbered[traced.index as usize] else {
                if let Some(process) = traced.process.take() {
                    attributes::became(process, TAKEN_OVER).end();
                }
                return false;
            };
            traced.index = index;
            true
        });
    }

    /// The batch is committed: ends its span and those of its records, each with what became of it.
    pub(crate) fn stored(mut self, batch: &Batch<'_>, rejected: &[(u32, Rejection)], now: SystemTime) {
        let Some(open) = &mut self.0 else { return };
        let Some(mut root) = open.root.take() else { return };
        let rejected: BTreeMap<u32, &Rejection> = rejected.iter().map(|(index, why)| (*index, why)).collect();
        root.set(names::DB_ROWS, (batch.records.len() - rejected.len() - batch.skipped_count()) as i64);
        let (tracer, began) = (open.tracer.clone(), open.flushing.unwrap_or(now));
        for traced in &mut open.records {
            let Some(process) = traced.process.take() else { continue };
            let rejection = rejected.get(&traced.index).copied();
            if let Some(table) = batch.table_of(traced.index) {
                let statement = Statement::Insert { table, rows: 1 };
                let context = process.context();
                let insert = tracer.start_at(statement.span_name(), SpanKind::Client, Some(&context), began);
                if let Some(mut insert) = insert {
                    attributes::of_row(&mut insert, &statement, &root.context(), rejection);
                    insert.end_at(now);
                }
            }
            let process = match rejection {
                Some(rejection) => attributes::rejected(process, rejection),
                None if batch.is_skipped(traced.index) => attributes::became(process, SKIPPED),
                None => attributes::became(process, STORED),
            };
            process.end_at(now);
        }
        root.end_at(now);
    }

    fn event(&mut self, name: &'static str, about: impl FnOnce() -> Vec<KeyValue>) {
        if let Some(root) = self.0.as_mut().and_then(|open| open.root.as_mut()) {
            root.event(name, about());
        }
    }
}

impl Open {
    fn find(&self, index: u32) -> Option<&Traced> {
        let place = self.records.binary_search_by_key(&index, |traced| traced.index).ok()?;
        self.records.get(place)
    }

    fn find_mut(&mut self, index: u32) -> Option<&mut Traced> {
        let place = self.records.binary_search_by_key(&index, |traced| traced.index).ok()?;
        self.records.get_mut(place)
    }
}

/// What was begun and not ended was not done: no COMMIT of it is known.
impl Drop for Open {
    fn drop(&mut self) {
        let records = self.records.iter_mut().filter_map(|traced| traced.process.take());
        for span in records.chain(self.root.take()) {
            attributes::became(span, UNDONE)
                .fail("stopped", "the task ended before the batch was known to be committed");
        }
    }
}

impl Polled {
    /// The time of a poll, with that of those before it.
    pub(crate) fn after(before: Option<Self>, began: SystemTime, ended: SystemTime) -> Self {
        Self { began: before.map_or(began, |before| before.began), ended }
    }
}

/// Does work whose log lines, and whose waits, belong to a batch.
pub(crate) async fn within<T>(context: Option<Parent>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    // For each turn anew: between two turns other work may have the thread.
    poll_fn(|turn| {
        let _attached = context.as_ref().map(Parent::attach);
        work.as_mut().poll(turn)
    })
    .await
}
