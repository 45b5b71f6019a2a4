//! What a task counts, each name taken from [`telemetry::names`].

use std::{sync::Arc, time::Duration};

use kafka::TopicPartition;
use service::clock;
use telemetry::{Counter, Histogram, Metrics, names};

use crate::{batch::Batch, rejection::Rejection};

/// The consumer group of a connector, named as Kafka Connect names it.
pub(crate) fn group_of(connector: &str) -> String {
    format!("connect-{connector}")
}

/// The counters of one connector; tasks share them.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    metrics: Metrics,
    connector: Arc<str>,
    group: Arc<str>,
    rows: Counter,
    batch_rows: Histogram,
    flush_ms: Histogram,
    end_to_end_ms: Histogram,
}

impl Meters {
    /// The counters of a connector.
    pub(crate) fn new(metrics: &Metrics, connector: &str) -> Self {
        let labels = [(names::CONNECTOR, connector)];
        Self {
            metrics: metrics.clone(),
            connector: connector.into(),
            group: group_of(connector).into(),
            rows: metrics.counter(&names::ROWS, &labels),
            batch_rows: metrics.histogram(&names::BATCH_ROWS, &labels),
            flush_ms: metrics.histogram(&names::FLUSH_MS, &labels),
            end_to_end_ms: metrics.histogram(&names::END_TO_END_MS, &labels),
        }
    }

    /// A batch was committed; `rejected` are those of its records that became dead letters. What filters left out is no row.
    pub(crate) fn stored(&self, batch: &Batch<'_>, rejected: &[(u32, Rejection)], took: Duration) {
        let rows = (batch.records.len() - rejected.len() - batch.skipped_count()) as u64;
        self.rows.add(rows);
        self.batch_rows.record(rows);
        self.flush_ms.record(took.as_millis() as u64);
        let now_ms = clock::now_ms();
        let ages =
            batch.records.iter().map(|record| u64::try_from(now_ms - record.timestamp_ms()).unwrap_or(0));
        if rejected.is_empty() && batch.skipped_count() == 0 {
            self.end_to_end_ms.record_all(ages);
        } else {
            let mut indexes: Vec<u32> = rejected.iter().map(|(index, _)| *index).collect();
            indexes.sort_unstable();
            let is_stored = |index: &u32| indexes.binary_search(index).is_err() && !batch.is_skipped(*index);
            let stored = ages.zip(0_u32..).filter(|(_, index)| is_stored(index));
            self.end_to_end_ms.record_all(stored.map(|(age, _)| age));
        }
        for (_, rejection) in rejected {
            let labels = [(names::STAGE, &*self.connector), (names::REASON, rejection.reason.code())];
            self.metrics.counter(&names::DEAD_LETTERS, &labels).add(1);
        }
    }

    /// Records of a topic were read.
    pub(crate) fn consumed(&self, topic: &str, records: u64) {
        self.metrics.counter(&names::CONSUMED, &[(names::TOPIC, topic)]).add(records);
    }

    /// So many records of a partition are still to be stored.
    pub(crate) fn lag(&self, at: &TopicPartition, records: i64) {
        let partition = at.partition.to_string();
        let labels =
            [(names::GROUP, &*self.group), (names::TOPIC, &*at.topic), (names::PARTITION, &partition)];
        self.metrics.gauge(&names::LAG_RECORDS, &labels).set(records);
    }

    /// A transaction collided with another one and is repeated.
    pub(crate) fn collided(&self, dependency: &str) {
        self.metrics
            .counter(&names::RETRIES, &[(names::DEPENDENCY, dependency), (names::ERROR_TYPE, "collision")])
            .add(1);
    }
}
