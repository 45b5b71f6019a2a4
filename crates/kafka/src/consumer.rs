//! A group consumer whose owner decides where each partition starts, and reads in batches.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use crate::{
    Class, Error, Record,
    bootstrap::{self, Lost},
    logging::quiet,
    refusal::Refusal,
};

/// How long questions about offsets may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Where to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// At the first record that the broker still has.
    Beginning,
    /// At an offset.
    Offset(i64),
}

/// Partitions that came or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    /// These are ours now, and wait for [`Consumer::start`].
    Assigned(Vec<TopicPartition>),
    /// These are no longer ours; what is in hand of them must be dropped.
    Revoked(Vec<TopicPartition>),
}

/// What a group has committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub at: TopicPartition,
    /// Where to go on; `None` if nothing was ever committed.
    pub offset: Option<i64>,
    /// The text that was committed along with it.
    pub metadata: String,
}

/// When a batch is full.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Records in a batch.
    pub rows_max: usize,
    /// Bytes of keys and values in a batch; the last record may exceed it.
    pub bytes_max: usize,
    /// How long to wait for the first record.
    pub wait: Duration,
    /// How long to wait for more after the first.
    pub linger: Duration,
}

/// A consumer of a group: cooperative, `read_committed`, never committing by itself.
pub struct Consumer {
    pub(crate) inner: BaseConsumer<Group>,
    lost: Lost,
}

/// Collects what the group's coordinator says, for [`Consumer::rebalances`].
#[derive(Default)]
pub(crate) struct Group {
    pending: Mutex<Vec<Rebalance>>,
    refusal: Refusal,
}

impl ClientContext for Group {
    quiet!();
}

impl ConsumerContext for Group {
    /// Partitions that come wait for their owner to say where they start; partitions that go are given back at once.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = partitions_of(list);
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let answered = match (assigned, partitions.is_empty()) {
            (true, false) => Ok(()),
            (true, true) => consumer.incremental_assign(list),
            (false, _) => consumer.incremental_unassign(list),
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "the group's change of partitions could not be answered");
        }
        if !partitions.is_empty() {
            let change =
                if assigned { Rebalance::Assigned(partitions) } else { Rebalance::Revoked(partitions) };
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "offsets were not committed; they only serve lag tools");
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").finish_non_exhaustive()
    }
}

impl Consumer {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let inner = config
            .create_with_context(Group::default())
            .map_err(|error| Error::new("create a consumer", &error))?;
        Ok(Self { inner, lost: Lost::default() })
    }

    /// Joins the group for these topics; a name that starts with `^` is a regular expression.
    pub fn subscribe(&self, topics: &[&str]) -> Result<(), Error> {
        self.inner
            .subscribe(topics)
            .map_err(|error| Error::new(format!("subscribe to {}", topics.join(", ")), &error))
    }

    /// Adds records to `batch` until it is full, the time is over, or partitions come or go; whether it is full.
    ///
    /// # Errors
    /// [`Class::Infrastructure`] while brokers are away or a topic is missing; the client goes on trying by itself,
    /// and what is in `batch` stays good. [`Class::Config`] if brokers let nobody in who comes so.
    pub fn poll_batch<'c>(
        &'c self,
        limits: &BatchLimits,
        batch: &mut Vec<Record<'c>>,
    ) -> Result<bool, Error> {
        self.lost.mend(self.inner.client());
        let mut bytes = 0;
        let mut wait = if batch.is_empty() { limits.wait } else { limits.linger };
        let mut spent = Stopwatch::new(wait);
        // While there are records nothing is waited for, and the clock, which costs as much as a record, is not asked.
        let mut is_dry = false;
        while batch.len() < limits.rows_max && bytes < limits.bytes_max {
            match self.inner.poll(if is_dry { patience(spent.left()) } else { Duration::ZERO }) {
                Some(Ok(message)) => {
                    let record = Record::new(message);
                    bytes += record.size();
                    batch.push(record);
                    is_dry = false;
                    if wait != limits.linger {
                        wait = limits.linger;
                        spent = Stopwatch::new(wait);
                    }
                }
                None if !is_dry && !self.has_rebalance() => is_dry = true,
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => {
                    self.lost.hear(&error);
                    return Err(consumption_error(&error, &self.inner.context().refusal));
                }
                None if self.has_rebalance() || spent.is_over() => break,
                None => {}
            }
        }
        Ok(batch.len() >= limits.rows_max || bytes >= limits.bytes_max)
    }

    /// Takes what changed since the last call, oldest first. To be called after each [`Self::poll_batch`].
    pub fn rebalances(&self) -> Vec<Rebalance> {
        std::mem::take(&mut *self.inner.context().pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn has_rebalance(&self) -> bool {
        !self.inner.context().pending.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Begins to read assigned partitions at the given positions.
    ///
    /// It may come late: until then the member keeps its place in the group as long as it polls.
    pub fn start(&self, positions: &[(TopicPartition, Position)]) -> Result<(), Error> {
        let list = list_of(positions)?;
        self.inner.incremental_assign(&list).map_err(|error| Error::new("start to read", &error))
    }

    /// Goes back (or forward) on partitions that are being read.
    pub fn seek(&self, positions: &[(TopicPartition, Position)]) -> Result<(), Error> {
        // An assignment made anew is the one form that also drops what was fetched ahead, at any state of the fetcher.
        let list = list_of(positions)?;
        self.inner
            .incremental_unassign(&list)
            .and_then(|()| self.inner.incremental_assign(&list))
            .map_err(|error| Error::new("go to another offset", &error))
    }

    /// Stops reading these partitions without giving them back.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.inner.pause(&plain_list(partitions)).map_err(|error| Error::new("pause", &error))
    }

    /// Reads paused partitions again.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.inner.resume(&plain_list(partitions)).map_err(|error| Error::new("resume", &error))
    }

    /// What the group has committed for these partitions.
    pub fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Committed>, Error> {
        let list = self
            .inner
            .committed_offsets(plain_list(partitions), ASK_TIMEOUT)
            .inspect_err(|_| bootstrap::again(self.inner.client()))
            .map_err(|error| uncommitted(&error))?;
        let committed = list.elements().into_iter().map(|element| {
            element.error().map_err(|error| Error::new("read a committed offset", &error))?;
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let at = TopicPartition { topic: element.topic().into(), partition: element.partition() };
            Ok(Committed { at, offset, metadata: element.metadata().to_owned() })
        });
        committed.collect()
    }

    /// Commits offsets to Kafka without waiting, so that tools that show lag see how far the group is.
    pub fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let positions: Vec<_> =
            offsets.iter().map(|(at, offset)| (at.clone(), Position::Offset(*offset))).collect();
        self.inner
            .commit(&list_of(&positions)?, CommitMode::Async)
            .map_err(|error| Error::new("commit offsets", &error))
    }

    /// First offset that the broker still has and the offset after the last one, for transactions that have ended.
    pub fn watermarks(&self, at: &TopicPartition) -> Result<(i64, i64), Error> {
        self.inner
            .fetch_watermarks(&at.topic, at.partition, ASK_TIMEOUT)
            .inspect_err(|_| bootstrap::again(self.inner.client()))
            .map_err(|error| Error::new(format!("ask for the offsets of {at}"), &error))
    }

    /// Asks the cluster whether it answers, and whether it knows the topic. Only for a consumer that reads nothing.
    pub fn probe(&self, topic: &str, timeout: Duration) -> Result<(), Error> {
        let metadata = self.inner.fetch_metadata(Some(topic), timeout).map_err(|error| {
            if !hear(&self.inner) {
                bootstrap::again(self.inner.client());
            }
            self.inner.context().refusal.explain(Error::new("reach Kafka", &error))
        })?;
        let known = metadata.topics().iter().find(|known| known.name() == topic);
        match known.and_then(rdkafka::metadata::MetadataTopic::error) {
            Some(code) => {
                let code = RDKafkaErrorCode::from(code);
                Err(Error::with_class(format!("read topic {topic}"), code.to_string(), Class::Infrastructure))
            }
            None => Ok(()),
        }
    }
}

/// Most events of a client that were not looked at: each broker tells a few in half a minute.
const EVENTS_MAX: usize = 100;
/// An operation may fail a moment before it is said why.
const HEAR_TIMEOUT: Duration = Duration::from_millis(200);

/// Lets a client that nobody polls hear what was said of it. Whether anything was: one that knows no broker any more is silent.
pub(crate) fn hear<C: ConsumerContext>(client: &BaseConsumer<C>) -> bool {
    let mut wait = HEAR_TIMEOUT;
    for heard in 0..EVENTS_MAX {
        if client.poll(std::mem::take(&mut wait)).is_none() {
            return heard > 0;
        }
    }
    true
}

pub(crate) fn consumption_error(error: &KafkaError, refusal: &Refusal) -> Error {
    let away = |reason: &str| Error::with_class("read records", reason, Class::Infrastructure);
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            Error::with_class(
                "read the subscribed topics",
                "a topic does not exist; create it (turnpike topics create) or correct its name",
                Class::Infrastructure,
            )
        }
        // Told by turns, many times, while brokers are away: one state, one text.
        Some(RDKafkaErrorCode::AllBrokersDown) => refusal.explain(away("no broker answers")),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut,
        ) => refusal.word(away("no broker answers")),
        // One broker of several may be set up wrongly; if it is all of them, that they are down is said next.
        Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) => {
            refusal.word(away("a broker does not let this client in"))
        }
        Some(RDKafkaErrorCode::AutoOffsetReset) => Error::with_class(
            "read on",
            "the next offset is gone: retention deleted records before they were read; nothing is skipped silently",
            Class::Config,
        ),
        _ => Error::new("read records", error),
    }
}

/// librdkafka asks for stable offsets again and again, and at the end says no more than that time is over.
fn uncommitted(error: &KafkaError) -> Error {
    let operation = "read the committed offsets";
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::OperationTimedOut) => {
            let reason = "no answer, or a transaction with offsets of this group has no end yet; if that lasts for more than a minute while Kafka \
                answers others, see docs/runbook.md, \"A transaction that never ends\"";
            Error::with_class(operation, reason, Class::Infrastructure)
        }
        _ => Error::new(operation, error),
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let elements = list.elements();
    elements.iter().map(|at| TopicPartition { topic: at.topic().into(), partition: at.partition() }).collect()
}

fn plain_list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for at in partitions {
        list.add_partition(&at.topic, at.partition);
    }
    list
}

fn list_of(positions: &[(TopicPartition, Position)]) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (at, position) in positions {
        let offset = match position {
            Position::Beginning => Offset::Beginning,
            Position::Offset(offset) => Offset::Offset(*offset),
        };
        list.add_partition_offset(&at.topic, at.partition, offset)
            .map_err(|error| Error::new(format!("name an offset of {at}"), &error))?;
    }
    Ok(list)
}

/// How long a poll may wait of the time that is left. librdkafka counts whole milliseconds, and rdkafka spins through what is left of one:
/// most of a writer's processor time, where few records come. So that is slept through here.
fn patience(left: Duration) -> Duration {
    let whole = Duration::from_millis(left.as_millis() as u64);
    if whole.is_zero() {
        thread::sleep(left);
    }
    whole
}

/// Time left of a wait.
struct Stopwatch {
    since: std::time::Instant,
    limit: Duration,
}

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long a poll has waited; decides nothing else"
    )]
    fn new(limit: Duration) -> Self {
        Self { since: std::time::Instant::now(), limit }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.since.elapsed())
    }

    fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connection, ConsumerSettings};

    /// Whoever waits for a group's offsets is told what that may be for.
    #[test]
    fn offsets_that_do_not_come_are_explained() {
        let settings = ConsumerSettings { group_id: "test".to_owned(), ..ConsumerSettings::default() };
        let consumer = Connection::new("127.0.0.1:1").consumer(&settings).expect("a consumer");
        let at = TopicPartition { topic: "toll".into(), partition: 0 };
        let error = consumer.committed(&[at]).expect_err("nobody answers");
        assert_eq!(error.class(), Class::Infrastructure);
        let said = error.to_string();
        assert!(said.starts_with("cannot read the committed offsets: no answer, or a transaction"), "{said}");
    }

    /// A poll is given whole milliseconds: what is left beside them would be spun through. Less than one is waited for here.
    #[test]
    fn polls_wait_for_whole_milliseconds() {
        let left = [2_700, 1_000, 999, 0].map(Duration::from_micros);
        assert_eq!(left.map(|left| patience(left).as_micros()), [2_000, 1_000, 0, 0]);
    }
}
