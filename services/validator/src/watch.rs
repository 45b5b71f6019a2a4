//! What is asked of the cluster beside the records: does it answer, and how much is left to read.
//!
//! A thread and a client of their own ask: on the reader's connection the answers would queue behind its fetches.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kafka::{Admin, Lag, LagMeter, TopicPartition};
use service::{Context, Error, Health, Stop, clock};
use telemetry::{Metrics, names};
use tokio::runtime::Handle;

use crate::{Settings, progress::Standing, worker::refused};

/// How often the cluster is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a failed poll counts against the cluster's health.
const FAILURE_LASTS: Duration = Duration::from_secs(3);
/// How long after a poll the worker still counts as reading. A transaction takes less, but for one that waits for a dependency; and
/// it is too short for what that one, and the next, have in hand to count as read.
const READS_FOR: Duration = Duration::from_secs(2);

/// What the worker lets the watching thread see.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    standings: Mutex<Vec<Standing>>,
    /// When the worker took whatever there was, for the last time; nothing while it is paused, polls fail, or it has no partition.
    last_read: Mutex<Option<Instant>>,
    failed: Mutex<Option<(Instant, String)>>,
}

impl Watched {
    /// How the partitions stand that are ours.
    pub(crate) fn at(&self, standings: Vec<Standing>) {
        *lock(&self.standings) = standings;
    }

    /// The worker has polled, and takes whatever comes or does not.
    pub(crate) fn reads(&self, is_reading: bool, now: Instant) {
        *lock(&self.last_read) = is_reading.then_some(now);
    }

    /// A poll failed.
    pub(crate) fn failed(&self, error: &kafka::Error) {
        *lock(&self.failed) = Some((clock::instant(), error.to_string()));
    }

    /// Whether the worker takes whatever comes. One that is busy with a batch does, as long as it comes back for the next.
    fn is_reading(&self, now: Instant) -> bool {
        lock(&self.last_read).is_some_and(|last| now.saturating_duration_since(last) < READS_FOR)
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
    /// Whether the last look saw all partitions. If not, nobody knows whether they stood still.
    has_looked: bool,
    lags: Lags,
}

/// How far behind the worker is, and what is shown of it, also of partitions that were ours.
#[derive(Debug)]
struct Lags {
    meter: LagMeter,
    metrics: Metrics,
    group_id: String,
    shown: Vec<TopicPartition>,
}

/// One look at the partitions.
#[derive(Debug, Clone, Copy)]
struct Look {
    now: Instant,
    now_ms: i64,
    is_reading: bool,
}

impl Watch {
    pub(crate) fn new(context: &Context<Settings>, watched: Arc<Watched>) -> Result<Self, Error> {
        Ok(Self {
            watched,
            admin: context.config.kafka.admin().map_err(refused)?,
            stop: context.stop.clone(),
            health: context.health.clone(),
            has_looked: false,
            lags: Lags::new(&context.metrics, &context.config.group_id),
        })
    }

    /// Watches until told to stop.
    pub(crate) fn run(mut self) {
        let runtime = Handle::current();
        while !self.stop.is_stopping() {
            let answers = self.admin.probe(PROBE_TIMEOUT).map_err(|error| error.to_string());
            let state = answers.and_then(|()| self.watched.recent_failure().map_or(Ok(()), Err));
            let standings = lock(&self.watched.standings).clone();
            self.lags.follow(&standings);
            self.has_looked = state.is_ok() && self.look(&standings);
            self.health.set("kafka", state);
            let pause = async { tokio::time::timeout(LOOK_EVERY, self.stop.requested()).await.is_ok() };
            runtime.block_on(pause);
        }
    }

    /// Measures all partitions, unless the cluster does not say where they end: then they are measured a second later.
    fn look(&mut self, standings: &[Standing]) -> bool {
        let now = clock::instant();
        let is_reading = self.has_looked && self.watched.is_reading(now);
        let look = Look { now, now_ms: clock::now_ms(), is_reading };
        for standing in standings {
            let Ok(offsets) = self.admin.offsets(&standing.at.topic, standing.at.partition) else {
                return false;
            };
            self.lags.measure(standing, offsets, look);
        }
        true
    }
}

impl Lags {
    fn new(metrics: &Metrics, group_id: &str) -> Self {
        Self {
            meter: LagMeter::default(),
            metrics: metrics.clone(),
            group_id: group_id.to_owned(),
            shown: Vec::new(),
        }
    }

    /// What is shown of partitions that are not ours any more is their next owner's to say.
    fn follow(&mut self, standings: &[Standing]) {
        let ours: Vec<TopicPartition> = standings.iter().map(|standing| standing.at.clone()).collect();
        let before = std::mem::replace(&mut self.shown, ours);
        for gone in before.iter().filter(|at| !self.shown.contains(at)) {
            self.meter.forget(gone);
            self.show(gone, Lag::default());
        }
    }

    /// Measures a partition with these first and end offsets.
    fn measure(&mut self, standing: &Standing, (first, end): (i64, i64), look: Look) {
        let Look { now, now_ms, is_reading } = look;
        let next_offset = standing.next_offset.unwrap_or(first).max(first);
        let seen = kafka::Standing { next_offset, end, handled_ms: standing.handled_ms, is_reading };
        let lag = self.meter.look(&standing.at, seen, now, now_ms);
        self.show(&standing.at, lag);
    }

    fn show(&self, at: &TopicPartition, lag: Lag) {
        let partition = at.partition.to_string();
        let labels = [
            (names::GROUP, self.group_id.as_str()),
            (names::TOPIC, &at.topic),
            (names::PARTITION, &partition),
        ];
        self.metrics.gauge(&names::LAG_RECORDS, &labels).set(lag.records);
        self.metrics.gauge(&names::LAG_TIME, &labels).set(lag.age_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Counts;

    /// The time at which the last record was made.
    const HANDLED_MS: i64 = 1_000_000;

    fn standing(partition: i32, next_offset: i64) -> Standing {
        let at = TopicPartition { topic: "toll".into(), partition };
        Standing { at, next_offset: Some(next_offset), handled_ms: HANDLED_MS, counts: Counts::default() }
    }

    /// What two partitions show: records and seconds, as text.
    fn shown(metrics: &Metrics) -> [(String, String); 2] {
        let text = metrics.render();
        let of = |name: &str, partition: u32| {
            let series = format!(
                r#"{name}{{messaging_consumer_group_name="judges",messaging_destination_name="toll",messaging_destination_partition_id="{partition}"}} "#
            );
            let value = text.lines().find_map(|line| line.strip_prefix(&series));
            value.unwrap_or_else(|| panic!("no {series} in\n{text}")).to_owned()
        };
        [0, 1].map(|partition| {
            (
                of("kafka_consumer_group_lag", partition),
                of("turnpike_consumer_group_lag_time_seconds", partition),
            )
        })
    }

    fn lag(records: &str, seconds: &str) -> (String, String) {
        (records.to_owned(), seconds.to_owned())
    }

    /// A partition that ends in a transaction's marker is read after some seconds, however busy the worker is with another one. If
    /// it is stopped instead, what is left grows old. What is given away is shown as nothing, and begins anew if it comes again.
    #[test]
    fn a_quiet_partition_is_read_beside_a_busy_one() {
        let (metrics, start) = (Metrics::default(), clock::instant());
        let mut lags = Lags::new(&metrics, "judges");
        // A look at each second: the busy partition goes on and has always 20 left, the quiet one stands before its marker.
        let look = |lags: &mut Lags, second: i64, is_reading: bool| {
            let standings = [standing(0, 100 * second), standing(1, 9)];
            lags.follow(&standings);
            let now = start + Duration::from_secs(second.unsigned_abs());
            let look = Look { now, now_ms: HANDLED_MS + 3_600_000, is_reading };
            lags.measure(&standings[0], (0, 100 * second + 20), look);
            lags.measure(&standings[1], (0, 10), look);
            shown(&metrics)
        };
        assert_eq!(look(&mut lags, 0, true), [lag("20", "0"), lag("1", "0")]);
        assert_eq!(look(&mut lags, 1, true), [lag("20", "1"), lag("1", "0")]);
        assert_eq!(look(&mut lags, 2, true), [lag("20", "2"), lag("1", "0")]);
        for second in 3..6 {
            let seconds = second.to_string();
            assert_eq!(look(&mut lags, second, true), [lag("20", &seconds), lag("0", "0")]);
        }
        for (second, since) in (6..12).zip(1..) {
            let quiet = lag("1", &since.to_string());
            assert_eq!(look(&mut lags, second, false), [lag("20", &second.to_string()), quiet]);
        }
        lags.follow(&[standing(0, 1_200)]);
        assert_eq!(shown(&metrics), [lag("20", "11"), lag("0", "0")]);
        assert_eq!(look(&mut lags, 12, true)[1], lag("1", "0"));
    }

    /// A worker reads while it comes back for more; not while it is paused, polls fail, or a batch waits for something.
    #[test]
    fn a_worker_reads_while_it_polls() {
        let (watched, now) = (Watched::default(), clock::instant());
        assert!(!watched.is_reading(now));
        watched.reads(true, now);
        assert!(watched.is_reading(now + READS_FOR / 2));
        assert!(!watched.is_reading(now + READS_FOR));
        watched.reads(false, now);
        assert!(!watched.is_reading(now));
    }
}
