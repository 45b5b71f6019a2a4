//! What Kafka's side of a task knows: its partitions, how far each is, and when to look again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use kafka::{Record, TopicPartition};

use crate::{batch::Stored, cluster::Shown};

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
    /// Where the ledger went on when a topic was found to be another one than it means. That stays so while the new one grows.
    pub(crate) replaced: BTreeMap<TopicPartition, i64>,
    /// Whether offsets were stored that Kafka has not been told of.
    pub(crate) uncommitted: bool,
    /// The partitions of each batch that the database's side has been given and has not answered, in the order of its answers; it
    /// takes few.
    in_flight: VecDeque<Vec<TopicPartition>>,
    /// When to look around again.
    pub(crate) look_around_at: Instant,
    /// When the registry may be asked again.
    pub(crate) registry_again_at: Instant,
    /// Whether, since the last look around, a poll has taken all that the client had fetched.
    pub(crate) has_drained: bool,
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
            replaced: BTreeMap::new(),
            released: Vec::new(),
            held: false,
            paused: BTreeSet::new(),
            uncommitted: false,
            in_flight: VecDeque::new(),
            look_around_at: now,
            registry_again_at: now,
            has_drained: false,
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

    /// The partitions that are being read, as others may see them. `is_taking` tells whether what comes is taken at once, and
    /// `is_in_hand` whether something of a partition has come and waits to be handed on.
    pub(crate) fn shown(&self, is_taking: bool, is_in_hand: impl Fn(&TopicPartition) -> bool) -> Vec<Shown> {
        let is_waiting = |at: &TopicPartition| self.in_flight.iter().flatten().any(|of| of == at);
        let shown = self.running().into_iter().map(|stored| Shown {
            is_reading: is_taking && !is_waiting(&stored.at) && !is_in_hand(&stored.at),
            stored,
        });
        shown.collect()
    }

    /// Notes that the database's side was given a batch of these.
    pub(crate) fn handed_over(&mut self, partitions: Vec<TopicPartition>) {
        self.in_flight.push_back(partitions);
    }

    /// Notes how far the partitions of a batch are stored.
    pub(crate) fn stored(&mut self, stored: Vec<Stored>) {
        self.in_flight.pop_front();
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

#[cfg(test)]
mod tests {
    use service::clock;

    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition { topic: "toll.dlq".into(), partition }
    }

    /// A partition waits for the database if something of it does; the others of the task are read on.
    #[test]
    fn a_partition_waits_by_itself() {
        let mut state = State::new(clock::instant());
        for partition in 0..4 {
            let partition_of =
                Partition { progress: Progress::Running, started: true, next_offset: 9, stored_ms: 1 };
            state.partitions.insert(at(partition), partition_of);
        }
        state.handed_over(vec![at(0), at(1)]);
        state.handed_over(vec![at(0)]);
        let reading = |state: &State, is_taking: bool| -> Vec<bool> {
            let shown = state.shown(is_taking, |of| of.partition == 2);
            shown.iter().map(|shown| shown.is_reading).collect()
        };
        assert_eq!(reading(&state, true), [false, false, false, true]);
        assert_eq!(reading(&state, false), [false; 4]);
        // The answer for both; then one for a batch of which nothing was ours any more.
        state.stored(Vec::new());
        assert_eq!(reading(&state, true), [false, true, false, true]);
        state.stored(Vec::new());
        assert_eq!(reading(&state, true), [true, true, false, true]);
    }
}
