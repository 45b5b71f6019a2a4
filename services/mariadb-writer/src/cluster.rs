//! What is asked of the cluster beside its records: does it answer, and how far do the partitions go.
//!
//! A client of its own asks. On a reader's connection the answers would queue behind fetches that wait for records, half a
//! second each, and the reader with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kafka::{Consumer, ConsumerSettings, TopicPartition};
use service::{Error, Health, Stop, cause_chain, clock};
use tokio::runtime::Handle;

use crate::{batch::Stored, meters::Meters};

/// The cluster as seen beside the reading; tasks and the thread that watches share it.
#[derive(Debug)]
pub(crate) struct Cluster {
    client: Consumer,
    views: Mutex<Vec<Arc<View>>>,
}

/// What a task lets the watching thread see.
#[derive(Debug)]
pub(crate) struct View {
    meters: Meters,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    topics: Vec<String>,
    stored: Vec<Stored>,
    idle: bool,
    failed: Option<(Instant, String)>,
}

/// How often the cluster is asked.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How long it may take to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a failed poll counts against its health.
const FAILURE_LASTS: Duration = Duration::from_secs(5);
/// What it is called in signals.
const DEPENDENCY: &str = "kafka";
/// A topic that every cluster has as soon as it has a group.
const ANY_TOPIC: &str = "__consumer_offsets";

impl Cluster {
    /// A client; nothing is asked yet.
    pub(crate) fn new(kafka: &kafka::Connection) -> Result<Arc<Self>, Error> {
        // It joins no group, though the client wants a name for one.
        let name = "mariadb-writer-watch".to_owned();
        let settings =
            ConsumerSettings { group_id: name.clone(), client_id: name, ..ConsumerSettings::default() };
        let client = kafka.consumer(&settings).map_err(|error| {
            Error::config(
                "kafka properties",
                cause_chain(&error),
                "properties that librdkafka knows, with values that it takes",
            )
        })?;
        Ok(Arc::new(Self { client, views: Mutex::default() }))
    }

    /// Adds a task that reads `topics`, if they are known by name.
    pub(crate) fn view(&self, meters: Meters, topics: Vec<String>) -> Arc<View> {
        let view = Arc::new(View { meters, seen: Mutex::new(Seen { topics, ..Seen::default() }) });
        let mut views = lock(&self.views);
        views.retain(|view| Arc::strong_count(view) > 1);
        views.push(Arc::clone(&view));
        drop(views);
        view
    }

    /// Watches until told to stop. Blocks the thread.
    pub(crate) fn watch(&self, stop: &Stop, health: &Health) {
        let runtime = Handle::current();
        while !stop.is_stopping() {
            let views: Vec<Arc<View>> = lock(&self.views).clone();
            let state = self.probe(&views);
            if state.is_ok() {
                self.measure_lag(&views, stop);
            }
            health.set(DEPENDENCY, state);
            runtime.block_on(async {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_AROUND) => {}
                    () = stop.requested() => {}
                }
            });
        }
    }

    /// First offset that the broker still has of a partition, and the offset after its last record.
    pub(crate) fn ends(&self, at: &TopicPartition) -> Result<(i64, i64), kafka::Error> {
        // Answers at once if there is nobody, where the question itself would wait for long.
        self.client.probe(&at.topic, PROBE_TIMEOUT)?;
        self.client.watermarks(at)
    }

    fn probe(&self, views: &[Arc<View>]) -> Result<(), String> {
        let topics: BTreeSet<String> =
            views.iter().flat_map(|view| lock(&view.seen).topics.clone()).collect();
        let any = topics.is_empty().then_some(ANY_TOPIC);
        for topic in topics.iter().map(String::as_str).chain(any) {
            self.client.probe(topic, PROBE_TIMEOUT).map_err(|error| cause_chain(&error))?;
        }
        let failed = views.iter().find_map(|view| {
            let failed = lock(&view.seen).failed.clone();
            failed.filter(|(at, _)| at.elapsed() < FAILURE_LASTS)
        });
        failed.map_or(Ok(()), |(_, reason)| Err(reason))
    }

    /// Where the end of a partition is a transaction's marker, offsets alone never say that all is read; idleness does.
    fn measure_lag(&self, views: &[Arc<View>], stop: &Stop) {
        let mut ends = BTreeMap::new();
        for view in views {
            let (idle, stored) = {
                let seen = lock(&view.seen);
                (seen.idle, seen.stored.clone())
            };
            let mut lag_max = 0;
            for Stored { at, next_offset, timestamp_ms } in stored {
                if idle {
                    view.meters.lag(&at, 0, 0);
                } else if !stop.is_stopping() {
                    let ends = ends.entry(at.clone()).or_insert_with(|| self.client.watermarks(&at).ok());
                    if let Some((first, end)) = ends {
                        let records = (*end - next_offset.max(*first)).max(0);
                        view.meters.lag(&at, records, clock::now_ms() - timestamp_ms);
                        lag_max = lag_max.max(records);
                    }
                }
            }
            view.meters.connect.lag_max(lag_max);
        }
    }
}

impl View {
    /// So far the partitions are stored; `idle` if nothing more has come for a while.
    pub(crate) fn show(&self, stored: Vec<Stored>, idle: bool) {
        let mut seen = lock(&self.seen);
        for Stored { at, .. } in &seen.stored {
            // Somebody else's number from now on.
            if !stored.iter().any(|kept| kept.at == *at) {
                self.meters.lag(at, 0, 0);
            }
        }
        (seen.stored, seen.idle) = (stored, idle);
    }

    /// A poll failed.
    pub(crate) fn failed(&self, reason: String) {
        lock(&self.seen).failed = Some((clock::instant(), reason));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
