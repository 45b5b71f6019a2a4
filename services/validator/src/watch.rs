//! What is asked of the cluster beside the records: does it answer, and how much is left to read.
//!
//! A thread and a client of their own ask: on the reader's connection the answers would queue behind its fetches.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kafka::{Admin, TopicPartition};
use service::{Context, Error, Health, Stop, clock};
use telemetry::{Metrics, names};
use tokio::runtime::Handle;

use crate::{DESCRIPTION, Settings, progress::Standing, worker::refused};

/// How often the cluster is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a failed poll counts against the cluster's health.
const FAILURE_LASTS: Duration = Duration::from_secs(3);
/// How long nothing must have come to say that all is read.
const IDLE: Duration = Duration::from_secs(1);

/// What the worker lets the watching thread see.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    standings: Mutex<Vec<Standing>>,
    /// Since when the worker asks for records and none come.
    waits_since: Mutex<Option<Instant>>,
    failed: Mutex<Option<(Instant, String)>>,
}

impl Watched {
    /// How the partitions stand that are ours.
    pub(crate) fn at(&self, standings: Vec<Standing>) {
        *lock(&self.standings) = standings;
    }

    /// Whether the worker has asked for records and got none.
    pub(crate) fn waits(&self, is_waiting: bool) {
        let mut since = lock(&self.waits_since);
        *since = is_waiting.then(|| since.unwrap_or_else(clock::instant));
    }

    /// A poll failed.
    pub(crate) fn failed(&self, error: &kafka::Error) {
        *lock(&self.failed) = Some((clock::instant(), error.to_string()));
    }

    fn is_idle(&self) -> bool {
        lock(&self.waits_since).is_some_and(|since| since.elapsed() >= IDLE)
    }

    fn recent_failure(&self) -> Option<String> {
        let failed = lock(&self.failed).clone();
        failed.filter(|(at, _)| at.elapsed() < FAILURE_LASTS).map(|(_, reason)| reason)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The watching thread.
pub(crate) struct Watch {
    watched: Arc<Watched>,
    admin: Admin,
    stop: Stop,
    health: Health,
    gauges: Gauges,
}

/// What is shown of the partitions, also of those that were ours.
#[derive(Debug)]
struct Gauges {
    metrics: Metrics,
    group_id: String,
    shown: Vec<TopicPartition>,
}

impl Watch {
    pub(crate) fn new(context: &Context<Settings>, watched: Arc<Watched>) -> Result<Self, Error> {
        Ok(Self {
            watched,
            admin: context.config.kafka.admin().map_err(refused)?,
            stop: context.stop.clone(),
            health: context.health.clone(),
            gauges: Gauges {
                metrics: context.metrics.clone(),
                group_id: context.config.group_id.clone(),
                shown: Vec::new(),
            },
        })
    }

    /// Watches until told to stop.
    pub(crate) fn run(mut self) {
        let runtime = Handle::current();
        while !self.stop.is_stopping() {
            let answers = self.admin.probe(PROBE_TIMEOUT).map_err(|error| error.to_string());
            let state = answers.and_then(|()| self.watched.recent_failure().map_or(Ok(()), Err));
            let standings = lock(&self.watched.standings).clone();
            self.gauges.show_books(&standings);
            if state.is_ok() {
                self.measure_lag(&standings);
            }
            self.health.set("kafka", state);
            let pause = async { tokio::time::timeout(LOOK_EVERY, self.stop.requested()).await.is_ok() };
            runtime.block_on(pause);
        }
    }

    /// Where the end of a partition is a transaction's marker, offsets alone never say that all is read; idleness does.
    fn measure_lag(&self, standings: &[Standing]) {
        let is_idle = self.watched.is_idle();
        for standing in standings {
            let lag = if is_idle {
                0
            } else {
                // What cannot be measured now is measured a second later.
                let Ok((first, end)) = self.admin.offsets(&standing.at.topic, standing.at.partition) else {
                    return;
                };
                end - standing.next_offset.unwrap_or(first).max(first)
            };
            self.gauges.show_lag(&standing.at, lag, clock::now_ms() - standing.handled_ms);
        }
    }
}

impl Gauges {
    /// What is shown of partitions that are not ours any more is their next owner's to say.
    fn show_books(&mut self, standings: &[Standing]) {
        let ours: Vec<TopicPartition> = standings.iter().map(|standing| standing.at.clone()).collect();
        let before = std::mem::replace(&mut self.shown, ours);
        let gone: Vec<&TopicPartition> = before.iter().filter(|at| !self.shown.contains(at)).collect();
        let mut missing: BTreeMap<&str, i64> = gone.iter().map(|at| (&*at.topic, 0)).collect();
        for standing in standings {
            *missing.entry(&standing.at.topic).or_default() += standing.counts.missing();
        }
        for (topic, missing) in missing {
            let labels = [(names::STAGE, DESCRIPTION.name), (names::TOPIC, topic)];
            self.metrics.gauge(&names::LEDGER_BALANCE, &labels).set(missing);
        }
        for at in gone {
            self.show_lag(at, 0, 0);
        }
    }

    /// How many records of a partition are left, and how old the last one is that is not.
    fn show_lag(&self, at: &TopicPartition, records: i64, age_ms: i64) {
        let partition = at.partition.to_string();
        let labels = [
            (names::GROUP, self.group_id.as_str()),
            (names::TOPIC, &at.topic),
            (names::PARTITION, &partition),
        ];
        let records = records.max(0);
        let age_ms = if records > 0 { age_ms.max(0) } else { 0 };
        self.metrics.gauge(&names::LAG_RECORDS, &labels).set(records);
        self.metrics.gauge(&names::LAG_TIME, &labels).set(age_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Counts;

    fn standing(topic: &str, partition: i32, counts: Counts) -> Standing {
        let at = TopicPartition { topic: topic.into(), partition };
        Standing { at, next_offset: Some(7), handled_ms: 1_000, counts }
    }

    /// Books are added up by topic; age counts only while records are left; what is given away is shown as nothing.
    #[test]
    fn gauges_follow_the_partitions() {
        let metrics = Metrics::default();
        let mut gauges =
            Gauges { metrics: metrics.clone(), group_id: "judges".to_owned(), shown: Vec::new() };
        let whole = Counts { read: 7, valid: 5, dead: 2 };
        let ours = [standing("toll", 0, whole), standing("toll", 1, Counts { dead: 1, ..whole })];
        gauges.show_books(&ours);
        gauges.show_lag(&ours[0].at, 3, 250);
        gauges.show_lag(&ours[1].at, 0, 250);
        let shows = |line: &str| {
            let text = metrics.render();
            assert!(text.lines().any(|shown| shown == line), "no {line} in\n{text}");
        };
        let of = |partition: u32| {
            format!(
                r#"{{messaging_consumer_group_name="judges",messaging_destination_name="toll",messaging_destination_partition_id="{partition}"}}"#
            )
        };
        let books = r#"turnpike_ledger_balance{stage="validator",messaging_destination_name="toll"}"#;
        shows(&format!("{books} 1"));
        shows(&format!("kafka_consumer_group_lag{} 3", of(0)));
        shows(&format!("turnpike_consumer_group_lag_time_seconds{} 0.25", of(0)));
        shows(&format!("turnpike_consumer_group_lag_time_seconds{} 0", of(1)));
        gauges.show_books(&ours[..1]);
        shows(&format!("{books} 0"));
        gauges.show_books(&[]);
        shows(&format!("kafka_consumer_group_lag{} 0", of(0)));
        shows(&format!("turnpike_consumer_group_lag_time_seconds{} 0", of(0)));
    }

    /// Nothing to read for a moment is not idleness, and neither is a batch in hand.
    #[test]
    fn idleness_lasts() {
        let watched = Watched::default();
        watched.waits(true);
        assert!(!watched.is_idle());
        *lock(&watched.waits_since) = clock::instant().checked_sub(IDLE);
        watched.waits(true);
        assert!(watched.is_idle());
        watched.waits(false);
        assert!(!watched.is_idle());
    }
}
