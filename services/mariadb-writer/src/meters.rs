//! What a task counts, each name taken from [`telemetry::names`].

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kafka::{Lag, TopicPartition};
use service::clock;
use telemetry::{Counter, Histogram, Metrics, names};

use crate::{
    batch::{Batch, Outcome},
    connect_metrics::ConnectMetrics,
    flush::Flush,
    tally::Tally,
};

/// The consumer group of a connector, named as Kafka Connect names it.
pub(crate) fn group_of(connector: &str) -> String {
    format!("connect-{connector}")
}

/// The counters of one task; but for Connect's own, the tasks of a connector share them.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    /// What the task counts under Kafka Connect's names.
    pub(crate) connect: ConnectMetrics,
    metrics: Metrics,
    connector: Arc<str>,
    group: Arc<str>,
    rows: Counter,
    skipped: Counter,
    batch_rows: Histogram,
    flush: Histogram,
    process: Histogram,
    end_to_end_ms: Histogram,
    /// Records of each topic that were read and not accounted for.
    balances: Arc<Mutex<BTreeMap<Arc<str>, i64>>>,
}

impl Meters {
    /// The counters of a connector, as its first task has them.
    pub(crate) fn new(metrics: &Metrics, connector: &str) -> Self {
        let labels = [(names::CONNECTOR, connector)];
        let group = group_of(connector);
        Self {
            connect: ConnectMetrics::new(metrics, connector, 0),
            metrics: metrics.clone(),
            connector: connector.into(),
            rows: metrics.counter(&names::ROWS, &labels),
            skipped: metrics.counter(&names::SKIPPED, &labels),
            batch_rows: metrics.histogram(&names::BATCH_ROWS, &labels),
            flush: metrics.histogram(&names::FLUSH_MS, &labels),
            process: metrics.histogram(&names::PROCESS_DURATION, &[(names::GROUP, &group)]),
            end_to_end_ms: metrics.histogram(&names::END_TO_END_MS, &labels),
            balances: Arc::default(),
            group: group.into(),
        }
    }

    /// The same for one of the connector's tasks.
    pub(crate) fn of_task(&self, number: u32) -> Self {
        Self { connect: ConnectMetrics::new(&self.metrics, &self.connector, number), ..self.clone() }
    }

    /// A batch was committed; the rejected records became dead letters. What filters left out is no row.
    pub(crate) fn stored(&self, batch: &Batch<'_>, outcome: &Outcome) {
        let Outcome { flush: Flush { began, rejected, tally }, committed, .. } = outcome;
        let skipped = batch.skipped_count() as u64;
        let records = batch.records.len() as u64;
        let rows = records - rejected.len() as u64 - skipped;
        let took = *committed - *began;
        self.rows.add(rows);
        self.skipped.add(skipped);
        self.batch_rows.record(rows);
        self.flush.record_time(took);
        self.process.record_time(*committed - batch.began);
        self.connect.stored(records, rows, took);
        self.measure_ages(batch, outcome);
        self.balance(tally);
        let mut by_reason = BTreeMap::<&str, u64>::new();
        for (_, rejection) in rejected {
            *by_reason.entry(rejection.reason.code()).or_default() += 1;
        }
        for (reason, letters) in by_reason {
            let labels = [(names::STAGE, &*self.connector), (names::REASON, reason)];
            self.metrics.counter(&names::DEAD_LETTERS, &labels).add(letters);
        }
        if !rejected.is_empty() {
            self.connect.set_aside(rejected.len() as u64, clock::now_ms());
        }
    }

    /// How old the stored records are; for those that are traced, with their trace.
    fn measure_ages(&self, batch: &Batch<'_>, outcome: &Outcome) {
        let Outcome { flush: Flush { rejected, .. }, committed_at: now, .. } = outcome;
        let now_ms = clock::ms_of(*now);
        let age = |index: u32| {
            let made_ms = batch.records[index as usize].timestamp_ms();
            u64::try_from(now_ms - made_ms).unwrap_or(0)
        };
        let all = 0..batch.records.len() as u32;
        let mut indexes: Vec<u32> = rejected.iter().map(|(index, _)| *index).collect();
        indexes.sort_unstable();
        let is_stored = |index: &u32| indexes.binary_search(index).is_err() && !batch.is_skipped(*index);
        if rejected.is_empty() && batch.skipped_count() == 0 {
            self.end_to_end_ms.record_all(all.map(age));
        } else {
            self.end_to_end_ms.record_all(all.filter(is_stored).map(age));
        }
        for (index, span) in batch.traces.records().filter(|(index, _)| is_stored(index)) {
            self.end_to_end_ms.exemplar(age(index), &span, *now);
        }
    }

    /// What the batch leaves open, added to what those before it have left open.
    fn balance(&self, tally: &Tally) {
        let mut balances = self.balances.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, open) in tally.open() {
            let balance = balances.entry(Arc::clone(topic)).or_default();
            *balance += open;
            let labels = [(names::STAGE, &*self.connector), (names::TOPIC, &**topic)];
            self.metrics.gauge(&names::LEDGER_BALANCE, &labels).set(*balance);
        }
    }

    /// A call of the database has ended, or was given up.
    pub(crate) fn called(&self, operation: &str, table: Option<&str>, took: Duration) {
        let labels = [(names::DB_OPERATION, operation), (names::DB_COLLECTION, table.unwrap_or_default())];
        let labels = if table.is_some() { &labels[..] } else { &labels[..1] };
        self.metrics.histogram(&names::DB_DURATION, labels).record_time(took);
    }

    /// Records of a topic were read.
    pub(crate) fn consumed(&self, topic: &str, records: u64) {
        self.metrics.counter(&names::CONSUMED, &[(names::TOPIC, topic)]).add(records);
        self.connect.read(records);
    }

    /// Dead letters were sent to a topic; Kafka has taken some, and refused others.
    pub(crate) fn letters(&self, topic: &str, sent: u64, delivered: u64, refused: u64) {
        self.metrics.counter(&names::SENT, &[(names::TOPIC, topic)]).add(delivered);
        self.connect.letters(sent, refused);
    }

    /// How far behind a partition is stored.
    pub(crate) fn lag(&self, at: &TopicPartition, Lag { records, age_ms }: Lag) {
        let partition = at.partition.to_string();
        let labels =
            [(names::GROUP, &*self.group), (names::TOPIC, &*at.topic), (names::PARTITION, &partition)];
        self.metrics.gauge(&names::LAG_RECORDS, &labels).set(records);
        self.metrics.gauge(&names::LAG_TIME, &labels).set(age_ms);
    }

    /// A transaction collided with another one and is repeated.
    pub(crate) fn collided(&self, dependency: &str) {
        self.metrics
            .counter(&names::RETRIES, &[(names::DEPENDENCY, dependency), (names::ERROR_TYPE, "collision")])
            .add(1);
    }
}
