//! Topics as a place to look things up: a record at its offset, and all records of a stretch of time.

use std::{collections::BTreeMap, time::Duration};

use kafka::{Admin, Connection, Found, Position, Record, Topic};
use service::Error;

use super::{entry::Entry, name::Place, progress::Progress};
use crate::kafka_error::{find, told};

/// How long nothing may come before it is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// So many records in a row that are later than a stretch of time end it: timestamps of several senders are mixed.
const LATER_MAX: u32 = 10_000;

/// The topics of a cluster.
#[derive(Debug)]
pub(crate) struct Log<'o> {
    kafka: &'o Connection,
    admin: Admin,
    topics: Vec<Topic>,
    /// How many records were looked at.
    pub(crate) progress: Progress,
}

/// What stands at an offset.
#[derive(Debug)]
pub(crate) enum At {
    /// A record.
    Record(Entry),
    /// It is deleted; the first offset that the broker still has.
    Gone(i64),
    /// It is not written yet; where the partition ends.
    NotYet(i64),
    /// An offset without a record: the end of a transaction, or a record of one that is aborted or still open.
    Nothing,
}

/// A stretch of time by the records' timestamps, ends included; `None` is as far as there are records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stretch {
    pub(crate) from_ms: Option<i64>,
    pub(crate) to_ms: Option<i64>,
}

/// What a reader wants after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// More.
    On,
    /// Nothing more of this partition.
    Enough,
    /// Nothing more at all.
    Stop,
}

impl<'o> Log<'o> {
    /// Asks for the topics.
    pub(crate) fn open(kafka: &'o Connection) -> Result<Self, Error> {
        let admin = kafka.admin().map_err(told(kafka))?;
        let topics = admin.topics().map_err(told(kafka))?;
        Ok(Self { kafka, admin, topics, progress: Progress::default() })
    }

    /// Whether there is such a topic.
    pub(crate) fn has(&self, topic: &str) -> bool {
        self.topics.iter().any(|known| known.name == topic)
    }

    /// First offset that the broker still has of a partition, and the offset after its last record.
    pub(crate) fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        let known = find(self.topics.clone(), topic)?;
        if !known.partitions.iter().any(|known| known.number == partition) {
            let count = known.partitions.len();
            let message = format!("topic {topic} has no partition {partition}; its {count} count from 0");
            return Err(Error::failed(message));
        }
        self.admin.offsets(topic, partition).map_err(told(self.kafka))
    }

    /// What stands at a place.
    pub(crate) fn at(&self, place: &Place) -> Result<At, Error> {
        let Place { topic, partition, offset } = place;
        let (first, end) = self.bounds(topic, *partition)?;
        if *offset < first {
            return Ok(At::Gone(first));
        }
        if *offset >= end {
            return Ok(At::NotYet(end));
        }
        let mut at = At::Nothing;
        self.read(topic, &[(*partition, Position::Offset(*offset))], |record| {
            if record.offset() == *offset {
                at = At::Record(Entry::from(record));
            }
            Next::Stop
        })?;
        Ok(at)
    }

    /// Hands on the records of a stretch of time, of one partition or of all, as far as there are any at the beginning.
    pub(crate) fn scan(
        &self,
        topic: &str,
        partition: Option<i32>,
        stretch: Stretch,
        mut visit: impl FnMut(&Record<'_>) -> Next,
    ) -> Result<(), Error> {
        let known = find(self.topics.clone(), topic)?;
        let numbers = known.partitions.iter().map(|partition| partition.number);
        let mut from = Vec::new();
        let mut left: BTreeMap<i32, (i64, u32)> = BTreeMap::new();
        for number in numbers.filter(|number| partition.is_none_or(|wanted| wanted == *number)) {
            let (first, end) = self.bounds(topic, number)?;
            let start = match stretch.from_ms {
                Some(from_ms) => {
                    self.admin.offset_at(topic, number, from_ms).map_err(told(self.kafka))?.unwrap_or(end)
                }
                None => first,
            };
            if start < end {
                from.push((number, Position::Offset(start)));
                left.insert(number, (end, 0));
            }
        }
        self.read(topic, &from, |record| {
            let Some((end, later)) = left.get_mut(&record.partition()) else { return Next::Enough };
            if record.offset() >= *end {
                return Next::Enough;
            }
            let is_later = stretch.to_ms.is_some_and(|to_ms| record.timestamp_ms() > to_ms);
            *later = if is_later { *later + 1 } else { 0 };
            if *later > LATER_MAX {
                return Next::Enough;
            }
            match visit(record) {
                Next::On if record.offset() + 1 == *end => Next::Enough,
                next => next,
            }
        })
    }

    /// Hands on the records from these positions until all partitions are at their end, or there was enough of each.
    pub(crate) fn read(
        &self,
        topic: &str,
        from: &[(i32, Position)],
        mut visit: impl FnMut(&Record<'_>) -> Next,
    ) -> Result<(), Error> {
        let mut open: Vec<i32> = from.iter().map(|(partition, _)| *partition).collect();
        if open.is_empty() {
            return Ok(());
        }
        let reader = self.kafka.reader(topic, from).map_err(told(self.kafka))?;
        while !open.is_empty() {
            match reader.next(ANSWER_TIMEOUT).map_err(told(self.kafka))? {
                Found::Record(record) if open.contains(&record.partition()) => {
                    self.progress.count(topic);
                    match visit(&record) {
                        Next::On => {}
                        Next::Enough => open.retain(|partition| *partition != record.partition()),
                        Next::Stop => break,
                    }
                }
                // Partitions of which there was enough still come along.
                Found::Record(_) => {}
                Found::EndOf(partition) => open.retain(|open| *open != partition),
                Found::Nothing => {
                    let seconds = ANSWER_TIMEOUT.as_secs();
                    return Err(Error::failed(format!("topic {topic}: nothing came for {seconds} s")));
                }
            }
        }
        self.progress.clear();
        Ok(())
    }
}
