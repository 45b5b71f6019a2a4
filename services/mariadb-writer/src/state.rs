//! What Kafka's side of a task knows: its partitions, how far each is, and when to look again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use kafka::{Record, TopicPartition};

use crate::batch::Stored;

/// What Kafka's side of a task knows.
#[derive(Debug)]
pub(crate) struct State {
    /// The partitions that the group has given to this task.
    pub(crate) partitions: BTreeMap<TopicPartition, Partition>,
    /// Partitions that were given back, until the database's side has been told.
    pub(crate) released: Vec<TopicPartition>,
    /// Whether the partitions are paused, because records could not be handed on.
    pub(crate) held: bool,
    /// Partitions that the client was told to pause.
    pub(crate) paused: BTreeSet<TopicPartition>,
    /// Whether offsets were stored that Kafka has not been told of.
    pub(crate) uncommitted: bool,
    /// Batches that the database's side has been given and has not answered.
    pub(crate) in_flight: usize,
    /// When to look around again.
    pub(crate) look_around_at: Instant,
    /// When the registry may be asked again.
    pub(crate) registry_again_at: Instant,
    /// When the last record came.
    pub(crate) read_at: Instant,
}

/// A partition that the group has given to this task.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Whether it is read.
    pub(crate) progress: Progress,
    /// Whether the consumer has been told where to start.
    pub(crate) started: bool,
    /// Everything before this offset is stored.
    pub(crate) next_offset: i64,
    /// When the last stored record was made, in milliseconds since 1970 UTC; before there is one, when reading began.
    pub(crate) stored_ms: i64,
}

/// How far a partition is on its way to being read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Progress {
    /// To be taken in the ledger, not before this moment.
    Untaken(Instant),
    /// The database's side has been asked.
    Taking,
    /// Records are read.
    Running,
}

impl State {
    /// Nothing is known yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            partitions: BTreeMap::new(),
            released: Vec::new(),
            held: false,
            paused: BTreeSet::new(),
            uncommitted: false,
            in_flight: 0,
            look_around_at: now,
            registry_again_at: now,
            read_at: now,
        }
    }

    /// Whether the record's partition is being read.
    pub(crate) fn is_running(&self, record: &Record<'_>) -> bool {
        self.find(record).is_some_and(|(_, partition)| partition.progress == Progress::Running)
    }

    /// The partition of a record.
    pub(crate) fn find(&self, record: &Record<'_>) -> Option<(&TopicPartition, &Partition)> {
        let of_record =
            |at: &TopicPartition| at.partition == record.partition() && *at.topic == *record.topic();
        self.partitions.iter().find(|(at, _)| of_record(at))
    }

    /// The partitions that are being read, and how far each is.
    pub(crate) fn running(&self) -> Vec<Stored> {
        let running = self.partitions.iter().filter(|(_, partition)| partition.progress == Progress::Running);
        let stored = running.map(|(at, partition)| Stored {
            at: at.clone(),
            next_offset: partition.next_offset,
            timestamp_ms: partition.stored_ms,
        });
        stored.collect()
    }

    /// The partitions that are being read.
    pub(crate) fn running_partitions(&self) -> Vec<TopicPartition> {
        self.running().into_iter().map(|stored| stored.at).collect()
    }

    /// Whether every partition is being read.
    pub(crate) fn all_running(&self) -> bool {
        self.partitions.values().all(|partition| partition.progress == Progress::Running)
    }

    /// Partitions that are to be taken now.
    pub(crate) fn due(&self, now: Instant) -> Vec<TopicPartition> {
        let is_due = |partition: &Partition| matches!(partition.progress, Progress::Untaken(at) if at <= now);
        self.partitions.iter().filter(|(_, partition)| is_due(partition)).map(|(at, _)| at.clone()).collect()
    }

    /// Notes how far the partitions of a batch are stored.
    pub(crate) fn stored(&mut self, stored: Vec<Stored>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        for Stored { at, next_offset, timestamp_ms } in stored {
            if let Some(partition) = self.partitions.get_mut(&at) {
                partition.next_offset = next_offset;
                if timestamp_ms > 0 {
                    partition.stored_ms = timestamp_ms;
                }
                self.uncommitted = true;
            }
        }
    }

    /// The offsets that lag tools should see.
    pub(crate) fn offsets(&self) -> Vec<(TopicPartition, i64)> {
        let begun = self.partitions.iter().filter(|(_, partition)| partition.next_offset > 0);
        begun.map(|(at, partition)| (at.clone(), partition.next_offset)).collect()
    }
}
