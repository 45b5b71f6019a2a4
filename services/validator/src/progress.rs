//! How far the validator is in each partition, and what it has done there, as it is committed with the offsets.

use std::collections::BTreeMap;

use kafka::{Committed, Position, TopicPartition};
use serde::{Deserialize, Serialize};

/// Records of one raw partition since its beginning; `read = valid + dead` at all times.
///
/// They ride as text in the committed offset's metadata, so they commit in the transaction that moves the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records judged.
    pub read: u64,
    /// Records forwarded.
    pub valid: u64,
    /// Records set aside.
    pub dead: u64,
}

impl Counts {
    /// Reads the metadata of a committed offset; a text of other origin counts from nothing.
    pub fn from_metadata(metadata: &str) -> Self {
        serde_json::from_str(metadata).unwrap_or_default()
    }

    /// The metadata to commit.
    pub fn to_metadata(self) -> String {
        format!(r#"{{"read":{},"valid":{},"dead":{}}}"#, self.read, self.valid, self.dead)
    }

    fn plus(self, other: Self) -> Self {
        Self { read: self.read + other.read, valid: self.valid + other.valid, dead: self.dead + other.dead }
    }
}

/// Where to read on in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    position: Position,
    counts: Counts,
}

/// The partitions that this instance owns, as they stand in the last committed transaction.
#[derive(Debug, Default)]
pub struct Progress {
    places: BTreeMap<TopicPartition, Place>,
}

/// What a batch adds, by partition.
#[derive(Debug, Default)]
pub struct Tally {
    added: Vec<(TopicPartition, i64, Counts)>,
}

impl Tally {
    /// Counts one record, the newest of its partition.
    pub fn add(&mut self, topic: &str, partition: i32, offset: i64, is_valid: bool) {
        let known = self.added.iter().position(|(at, ..)| at.partition == partition && *at.topic == *topic);
        let index = known.unwrap_or_else(|| {
            self.added.push((TopicPartition { topic: topic.into(), partition }, 0, Counts::default()));
            self.added.len() - 1
        });
        let (_, next, counts) = &mut self.added[index];
        *next = offset + 1;
        counts.read += 1;
        if is_valid {
            counts.valid += 1;
        } else {
            counts.dead += 1;
        }
    }
}

impl Progress {
    /// Takes partitions over where their last owner left them.
    pub fn take(&mut self, committed: &[Committed]) -> Vec<(TopicPartition, Position)> {
        let taken = committed.iter().map(|committed| {
            let position = committed.offset.map_or(Position::Beginning, Position::Offset);
            let place = Place { position, counts: Counts::from_metadata(&committed.metadata) };
            self.places.insert(committed.at.clone(), place);
            (committed.at.clone(), position)
        });
        taken.collect()
    }

    /// Forgets partitions that are no longer ours.
    pub fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.places.retain(|at, _| !partitions.contains(at));
    }

    /// The partitions that are ours.
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.places.keys().cloned().collect()
    }

    /// Offsets and metadata to commit for a batch.
    pub fn offsets(&self, tally: &Tally) -> Vec<(TopicPartition, i64, String)> {
        let offsets = tally.added.iter().map(|(at, next, added)| {
            let before = self.places.get(at).map(|place| place.counts).unwrap_or_default();
            (at.clone(), *next, before.plus(*added).to_metadata())
        });
        offsets.collect()
    }

    /// The batch is committed.
    pub fn advance(&mut self, tally: &Tally) {
        for (at, next, added) in &tally.added {
            if let Some(place) = self.places.get_mut(at) {
                *place = Place { position: Position::Offset(*next), counts: place.counts.plus(*added) };
            }
        }
    }

    /// Where the partitions stand in the last committed transaction.
    pub fn positions(&self) -> Vec<(TopicPartition, Position)> {
        self.places.iter().map(|(at, place)| (at.clone(), place.position)).collect()
    }

    /// The offset to read next in each partition, if any record of it was ever committed.
    pub fn next_offsets(&self) -> Vec<(TopicPartition, Option<i64>)> {
        let next = |position| match position {
            Position::Offset(offset) => Some(offset),
            Position::Beginning => None,
        };
        self.places.iter().map(|(at, place)| (at.clone(), next(place.position))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Committed, Counts, Position, Progress, Tally, TopicPartition};

    fn toll(partition: i32) -> TopicPartition {
        TopicPartition { topic: "toll".into(), partition }
    }

    /// Counts go on from what was committed, an uncommitted batch leaves no trace, and foreign metadata is no error.
    #[test]
    fn counts_follow_the_commits() {
        let mut progress = Progress::default();
        let start = progress.take(&[
            Committed { at: toll(0), offset: Some(7), metadata: r#"{"read":7,"valid":5,"dead":2}"#.into() },
            Committed { at: toll(1), offset: None, metadata: String::new() },
        ]);
        assert_eq!(start, [(toll(0), Position::Offset(7)), (toll(1), Position::Beginning)]);

        let mut tally = Tally::default();
        tally.add("toll", 0, 7, true);
        tally.add("toll", 0, 9, false);
        let expected = Counts { read: 9, valid: 6, dead: 3 };
        assert_eq!(progress.offsets(&tally), [(toll(0), 10, expected.to_metadata())]);
        assert_eq!(progress.next_offsets(), [(toll(0), Some(7)), (toll(1), None)]);
        progress.advance(&tally);
        assert_eq!(progress.next_offsets()[0], (toll(0), Some(10)));
        assert_eq!(Counts::from_metadata(&expected.to_metadata()), expected);
        assert_eq!(Counts::from_metadata("somebody else's"), Counts::default());

        progress.give_up(&[toll(0)]);
        assert_eq!(progress.partitions(), [toll(1)]);
    }
}
