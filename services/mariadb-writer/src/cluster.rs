//! What is asked of the cluster beside its records: does it answer, and how far do the partitions go.
//!
//! A client of its own asks. On a reader's connection the answers would queue behind fetches that wait for records, half a
//! second each, and the reader with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kafka::{Consumer, ConsumerSettings, Lag, LagMeter, Standing, TopicPartition};
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
    shown: Vec<Shown>,
    failed: Option<(Instant, String)>,
    meter: LagMeter,
    /// Records that each partition is behind, as was seen last.
    lags: BTreeMap<TopicPartition, i64>,
    /// Partitions of which it cannot be said that they were read ever since they were measured.
    waited: BTreeSet<TopicPartition>,
}

/// What a task shows of a partition that it reads.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// How far it is stored.
    pub(crate) stored: Stored,
    /// Whether what comes is taken at once, and nothing that has come waits to be stored.
    pub(crate) is_reading: bool,
}

/// First offset of partitions, and the offset after their last record or marker.
type Ends = BTreeMap<TopicPartition, (i64, i64)>;

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
                kafka::Connection::FLAGS,
                cause_chain(&error),
                "properties that librdkafka knows, with values that it takes",
            )
        })?;
        Ok(Arc::new(Self { client, views: Mutex::default() }))
    }

    /// Adds a task that reads `topics`, if they are known by name.
    pub(crate) fn view(&self, meters: Meters, topics: Vec<String>) -> Arc<View> {
        let view = Arc::new(View::new(meters, topics));
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
            let ends = if state.is_ok() { self.all_ends(&views, stop) } else { Ends::new() };
            for view in &views {
                view.measure(&ends, clock::instant(), clock::now_ms());
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

    /// The ends of all partitions that are read, as far as they are told.
    fn all_ends(&self, views: &[Arc<View>], stop: &Stop) -> Ends {
        let read = views.iter().flat_map(|view| view.partitions());
        let read: BTreeSet<TopicPartition> = read.collect();
        let asked = read.into_iter().take_while(|_| !stop.is_stopping());
        asked.filter_map(|at| Some((at.clone(), self.client.watermarks(&at).ok()?))).collect()
    }
}

impl View {
    fn new(meters: Meters, topics: Vec<String>) -> Self {
        Self { meters, seen: Mutex::new(Seen { topics, ..Seen::default() }) }
    }

    /// Shows all partitions that the task reads.
    pub(crate) fn show(&self, shown: Vec<Shown>) {
        let mut seen = lock(&self.seen);
        let Seen { meter, lags, waited, .. } = &mut *seen;
        let is_read = |at: &TopicPartition| shown.iter().any(|kept| kept.stored.at == *at);
        lags.retain(|at, _| {
            let is_read = is_read(at);
            if !is_read {
                // Somebody else's number from now on.
                self.meters.lag(at, Lag::default());
                meter.forget(at);
            }
            is_read
        });
        waited.retain(is_read);
        waited.extend(shown.iter().filter(|shown| !shown.is_reading).map(|shown| shown.stored.at.clone()));
        seen.shown = shown;
    }

    /// Tells how far behind the partitions are. One whose end is not known stays as it was seen last.
    fn measure(&self, ends: &Ends, now: Instant, now_ms: i64) {
        let mut seen = lock(&self.seen);
        let Seen { shown, meter, lags, waited, .. } = &mut *seen;
        for Shown { stored: Stored { at, next_offset, timestamp_ms }, is_reading } in shown {
            let Some((first, end)) = ends.get(at) else {
                waited.insert(at.clone());
                continue;
            };
            let standing = Standing {
                next_offset: (*next_offset).max(*first),
                end: *end,
                handled_ms: *timestamp_ms,
                is_reading: *is_reading && !waited.contains(at),
            };
            waited.remove(at);
            let lag = meter.look(at, standing, now, now_ms);
            self.meters.lag(at, lag);
            lags.insert(at.clone(), lag.records);
        }
        self.meters.connect.lag_max(lags.values().copied().max().unwrap_or(0));
    }

    fn partitions(&self) -> Vec<TopicPartition> {
        lock(&self.seen).shown.iter().map(|shown| shown.stored.at.clone()).collect()
    }

    /// A poll failed.
    pub(crate) fn failed(&self, reason: String) {
        lock(&self.seen).failed = Some((clock::instant(), reason));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use telemetry::{Metric, Metrics, names};

    use super::*;

    /// What a test looks at.
    struct Scene {
        metrics: Metrics,
        view: View,
        start: Instant,
    }

    /// When the records were made; the tests look an hour later.
    const MADE_MS: i64 = 1_790_969_180_000;
    const HOUR_MS: i64 = 3_600_000;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition { topic: "toll.dlq".into(), partition }
    }

    fn shown(partition: i32, next_offset: i64, is_reading: bool) -> Shown {
        Shown { stored: Stored { at: at(partition), next_offset, timestamp_ms: MADE_MS }, is_reading }
    }

    fn ends(ends: &[(i32, i64)]) -> Ends {
        ends.iter().map(|(partition, end)| (at(*partition), (0, *end))).collect()
    }

    impl Scene {
        fn new() -> Self {
            let metrics = Metrics::default();
            let view = View::new(Meters::new(&metrics, "dead-letters"), Vec::new());
            Self { metrics, view, start: clock::instant() }
        }

        fn measure(&self, second: u64, ends: &Ends) {
            self.view.measure(ends, self.start + Duration::from_secs(second), MADE_MS + HOUR_MS);
        }

        fn value(&self, metric: &Metric, partition: Option<i32>) -> i64 {
            let is_of = |labels: &telemetry::Labels| {
                partition.is_none_or(|number| labels.contains(&(names::PARTITION, number.to_string())))
            };
            let samples = self.metrics.snapshot().samples;
            let sample = samples.iter().find(|of| of.name == metric.name && is_of(&of.labels));
            sample.expect("it is told").value as i64
        }

        /// Records and seconds that a partition is behind.
        fn lag(&self, partition: i32) -> (i64, i64) {
            (self.value(&names::LAG_RECORDS, Some(partition)), self.value(&names::LAG_TIME, Some(partition)))
        }
    }

    /// A partition that ends with a marker is read, however busy another one of the same task is.
    #[test]
    fn a_busy_partition_leaves_a_quiet_one_read() {
        let scene = Scene::new();
        for second in 0..10 {
            let busy = 100 * second as i64;
            scene.view.show(vec![shown(0, busy, false), shown(1, 9, true)]);
            scene.measure(second, &ends(&[(0, busy + 50), (1, 10)]));
            let records = i64::from(second < 3);
            assert_eq!(scene.lag(1).0, records, "second {second}");
            assert_eq!(scene.lag(0).0, 50);
            assert_eq!(scene.value(&names::CONNECT_LAG_MAX, None), 50);
        }
        assert_eq!(scene.lag(1), (0, 0));
        assert!(scene.lag(0).1 > 0);
    }

    /// What waits to be stored stays lag and grows old, as does what nobody can read because the cluster is away.
    #[test]
    fn what_waits_is_not_read() {
        let scene = Scene::new();
        for second in 0..10 {
            scene.view.show(vec![shown(0, 9, false), shown(1, 9, true)]);
            let is_away = second > 0;
            scene.measure(second, &ends(if is_away { &[(0, 10)] } else { &[(0, 10), (1, 10)] }));
        }
        scene.measure(10, &ends(&[(0, 10), (1, 10)]));
        assert_eq!([0, 1].map(|partition| scene.lag(partition).0), [1, 1]);
        assert!(scene.lag(0).1 > 0 && scene.lag(1).1 > 0);
    }

    /// While no end is known the largest lag stays what it was; without a partition it is nothing.
    #[test]
    fn the_largest_lag_outlasts_an_outage() {
        let scene = Scene::new();
        let largest = || scene.value(&names::CONNECT_LAG_MAX, None);
        scene.view.show(vec![shown(0, 5, true), shown(1, 9, true)]);
        scene.measure(0, &ends(&[(0, 12), (1, 10)]));
        assert_eq!(largest(), 7);
        scene.measure(1, &Ends::new());
        assert_eq!(largest(), 7);
        scene.measure(2, &ends(&[(1, 10)]));
        assert_eq!(largest(), 7);
        scene.view.show(vec![shown(1, 9, true)]);
        assert_eq!(scene.lag(0), (0, 0));
        scene.measure(3, &Ends::new());
        assert_eq!(largest(), 1);
        scene.view.show(Vec::new());
        scene.measure(4, &Ends::new());
        assert_eq!(largest(), 0);
    }
}
