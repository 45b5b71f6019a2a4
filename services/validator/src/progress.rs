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
    handled_ms: i64,
}

/// How a partition stands in the last committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The partition.
    pub at: TopicPartition,
    /// The offset to read next, if any record of it was ever committed.
    pub next_offset: Option<i64>,
    /// Kafka timestamp of the last record handled; until there is one, when the partition was taken.
    pub handled_ms: i64,
    /// Its records so far.
    pub counts: Counts,
}

/// The partitions that this instance owns, as they stand in the last committed transaction.
#[derive(Debug, Default)]
pub struct Progress {
    places: BTreeMap<TopicPartition, Place>,
}

/// What a batch adds, by partition.
#[derive(Debug, Default)]
pub struct Tally {
    added: Vec<Added>,
}

#[derive(Debug)]
struct Added {
    at: TopicPartition,
    next_offset: i64,
    /// 0 if the record does not say.
    timestamp_ms: i64,
    counts: Counts,
}

impl Tally {
    /// Counts neighbouring records of a partition by the offset and the timestamp of the last of them, the newest of its partition.
    pub fn add(&mut self, topic: &str, partition: i32, offset: i64, timestamp_ms: i64, counts: Counts) {
        let is_it = |added: &Added| added.at.partition == partition && *added.at.topic == *topic;
        let index = self.added.iter().position(is_it).unwrap_or_else(|| {
            let at = TopicPartition { topic: topic.into(), partition };
            self.added.push(Added { at, next_offset: 0, timestamp_ms: 0, counts: Counts::default() });
            self.added.len() - 1
        });
        let added = &mut self.added[index];
        added.next_offset = offset + 1;
        added.timestamp_ms = timestamp_ms;
        added.counts = added.counts.plus(counts);
    }
}

impl Progress {
    /// Takes partitions over where their last owner left them.
    pub fn take(&mut self, committed: &[Committed], now_ms: i64) -> Vec<(TopicPartition, Position)> {
        let taken = committed.iter().map(|committed| {
            let position = committed.offset.map_or(Position::Beginning, Position::Offset);
            let counts = Counts::from_metadata(&committed.metadata);
            let place = Place { position, counts, handled_ms: now_ms };
            self.places.insert(committed.at.clone(), place);
            (committed.at.clone(), position)
        });
        taken.collect()
    }

    /// Forgets partitions that are no longer ours.
    pub fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.places.retain(|at, _| !partitions.contains(at));
    }

    /// Whether no partition is ours.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The partitions that are ours.
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.places.keys().cloned().collect()
    }

    /// Offsets and metadata to commit for a batch.
    pub fn offsets(&self, tally: &Tally) -> Vec<(TopicPartition, i64, String)> {
        let offsets = tally.added.iter().map(|added| {
            let before = self.places.get(&added.at).map(|place| place.counts).unwrap_or_default();
            (added.at.clone(), added.next_offset, before.plus(added.counts).to_metadata())
        });
        offsets.collect()
    }

    /// The batch is committed.
    pub fn advance(&mut self, tally: &Tally) {
        for added in &tally.added {
            if let Some(place) = self.places.get_mut(&added.at) {
                place.position = Position::Offset(added.next_offset);
                place.counts = place.counts.plus(added.counts);
                if added.timestamp_ms > 0 {
                    place.handled_ms = added.timestamp_ms;
                }
            }
        }
    }

    /// Where the partitions stand in the last committed transaction.
    pub fn positions(&self) -> Vec<(TopicPartition, Position)> {
        self.places.iter().map(|(at, place)| (at.clone(), place.position)).collect()
    }

    /// How each partition stands.
    pub fn standings(&self) -> Vec<Standing> {
        let standings = self.places.iter().map(|(at, place)| Standing {
            at: at.clone(),
            next_offset: match place.position {
                Position::Offset(offset) => Some(offset),
                Position::Beginning => None,
            },
            handled_ms: place.handled_ms,
            counts: place.counts,
        });
        standings.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Committed, Counts, Position, Progress, Standing, Tally, TopicPartition};

    fn toll(partition: i32) -> TopicPartition {
        TopicPartition { topic: "toll".into(), partition }
    }

    /// Counts go on from what was committed, an uncommitted batch leaves no trace, and foreign metadata is no error.
    #[test]
    fn counts_follow_the_commits() {
        let mut progress = Progress::default();
        let metadata = r#"{"read":7,"valid":5,"dead":2}"#.into();
        let committed = [
            Committed { at: toll(0), offset: Some(7), metadata },
            Committed { at: toll(1), offset: None, metadata: String::new() },
        ];
        let start = progress.take(&committed, 1_000);
        assert_eq!(start, [(toll(0), Position::Offset(7)), (toll(1), Position::Beginning)]);

        let mut tally = Tally::default();
        tally.add("toll", 0, 7, 1_040, Counts { read: 1, valid: 1, dead: 0 });
        tally.add("toll", 0, 9, 1_060, Counts { read: 1, valid: 0, dead: 1 });
        let expected = Counts { read: 9, valid: 6, dead: 3 };
        assert_eq!(progress.offsets(&tally), [(toll(0), 10, expected.to_metadata())]);
        let untouched = Counts { read: 7, valid: 5, dead: 2 };
        let before = Standing { at: toll(0), next_offset: Some(7), handled_ms: 1_000, counts: untouched };
        let unread =
            Standing { at: toll(1), next_offset: None, handled_ms: 1_000, counts: Counts::default() };
        assert_eq!(progress.standings(), [before.clone(), unread.clone()]);
        progress.advance(&tally);
        let after = Standing { next_offset: Some(10), handled_ms: 1_060, counts: expected, ..before };
        assert_eq!(progress.standings(), [after, unread]);
        assert_eq!(Counts::from_metadata(&expected.to_metadata()), expected);
        assert_eq!(Counts::from_metadata("somebody else's"), Counts::default());

        progress.give_up(&[toll(0)]);
        assert_eq!(progress.partitions(), [toll(1)]);
        assert!(!progress.is_empty());
        progress.give_up(&[toll(1)]);
        assert!(progress.is_empty());
    }
}
