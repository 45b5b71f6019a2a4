//! What is asked of the cluster beside the records: does it answer, and how much is left to read.
//!
//! A thread and a client of their own ask: on the reader's connection the answers would queue behind its fetches.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kafka::{Admin, TopicPartition};
use service::{Context, Error, Health, Stop, clock};
use telemetry::{Metrics, names};
use tokio::runtime::Handle;

use crate::{Settings, worker::refused};

/// How often the cluster is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a failed poll counts against the cluster's health.
const FAILURE_LASTS: Duration = Duration::from_secs(3);

/// What the worker lets the watching thread see.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    next_offsets: Mutex<Vec<(TopicPartition, Option<i64>)>>,
    failed: Mutex<Option<(Instant, String)>>,
}

impl Watched {
    /// The partitions that are ours, and the offsets to read next.
    pub(crate) fn at(&self, next_offsets: Vec<(TopicPartition, Option<i64>)>) {
        *self.next_offsets.lock().unwrap_or_else(PoisonError::into_inner) = next_offsets;
    }

    /// A poll failed.
    pub(crate) fn failed(&self, error: &kafka::Error) {
        let failed = (clock::instant(), error.to_string());
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
    }

    fn recent_failure(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failed.filter(|(at, _)| at.elapsed() < FAILURE_LASTS).map(|(_, reason)| reason)
    }
}

/// The watching thread.
pub(crate) struct Watch {
    watched: Arc<Watched>,
    admin: Admin,
    group_id: String,
    stop: Stop,
    health: Health,
    metrics: Metrics,
}

impl Watch {
    pub(crate) fn new(context: &Context<Settings>, watched: Arc<Watched>) -> Result<Self, Error> {
        Ok(Self {
            watched,
            admin: context.config.kafka.admin().map_err(refused)?,
            group_id: context.config.group_id.clone(),
            stop: context.stop.clone(),
            health: context.health.clone(),
            metrics: context.metrics.clone(),
        })
    }

    /// Watches until told to stop.
    pub(crate) fn run(self) {
        let runtime = Handle::current();
        while !self.stop.is_stopping() {
            let answers = self.admin.probe(PROBE_TIMEOUT).map_err(|error| error.to_string());
            let state = answers.and_then(|()| self.watched.recent_failure().map_or(Ok(()), Err));
            if state.is_ok() {
                self.measure_lag();
            }
            self.health.set("kafka", state);
            let pause = async { tokio::time::timeout(LOOK_EVERY, self.stop.requested()).await.is_ok() };
            runtime.block_on(pause);
        }
    }

    fn measure_lag(&self) {
        let next_offsets = self.watched.next_offsets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (at, next_offset) in next_offsets {
            // What cannot be measured now is measured a second later.
            let Ok((first, end)) = self.admin.offsets(&at.topic, at.partition) else { return };
            let partition = at.partition.to_string();
            let labels = [
                (names::GROUP, self.group_id.as_str()),
                (names::TOPIC, &at.topic),
                (names::PARTITION, &partition),
            ];
            self.metrics
                .gauge(&names::LAG_RECORDS, &labels)
                .set(end - next_offset.unwrap_or(first).max(first));
        }
    }
}
