//! What goes into one transaction: events, dead letters, and how many of each.

use std::collections::BTreeMap;

use dead_letter::{Context as Letter, Reason, Stage};
use kafka::{Headers, Outgoing, Receipt};
use uuid::Uuid;

use crate::{
    mapping::{Mapped, Mapping, Refusal},
    records::Piece,
};

/// Most records of a file in one transaction.
pub(crate) const BATCH_RECORDS_MAX: usize = 5_000;
/// Most bytes of a file in one transaction; the last record may exceed it.
pub(crate) const BATCH_BYTES_MAX: usize = 4 << 20;

/// Where a feed's records go.
#[derive(Debug, Clone)]
pub(crate) struct Topics {
    /// The raw topic of its stream.
    pub(crate) raw: String,
    /// The dead letters of its stream.
    pub(crate) dlq: String,
}

/// Records that become visible together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    records: Vec<Record>,
    bytes: usize,
    pub(crate) tally: Tally,
}

/// How many records came to what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) set_aside: BTreeMap<Reason, u64>,
    pub(crate) skipped: u64,
    pub(crate) seen: u64,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    SetAside,
    Skipped,
}

/// A record on its way.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) event_id: Uuid,
    pub(crate) key: Option<String>,
    value: Vec<u8>,
    /// Why it goes to the dead letters, if it does.
    pub(crate) letter: Option<Box<Letter>>,
}

impl Tally {
    /// Records that went to the dead letters.
    pub(crate) fn dead(&self) -> u64 {
        self.set_aside.values().sum()
    }

    /// All records.
    pub(crate) fn all(&self) -> u64 {
        self.sent + self.dead() + self.skipped + self.seen
    }

    /// Adds what a batch came to.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.skipped += other.skipped;
        self.seen += other.seen;
        for (reason, count) in &other.set_aside {
            *self.set_aside.entry(*reason).or_default() += count;
        }
    }

    /// In words: `7 records sent, 2 set aside (1 MISSING_FIELD, 1 SENTINEL), 3 skipped`.
    pub(crate) fn text(&self) -> String {
        let reasons: Vec<String> =
            self.set_aside.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        let others = [(self.skipped, "skipped"), (self.seen, "seen before")];
        let others = others.iter().filter(|(count, _)| *count > 0);
        let others: String = others.map(|(count, what)| format!(", {count} {what}")).collect();
        format!("{} records sent, {} set aside{reasons}{others}", self.sent, self.dead())
    }
}

impl Batch {
    /// Maps a record and takes what it comes to. `row` is its number in the feed.
    pub(crate) fn take(
        &mut self,
        mapping: &Mapping,
        topics: &Topics,
        schema_id: u32,
        (piece, event_id): (&Piece<'_>, Uuid),
        (row, now_ms): (u64, i64),
    ) -> Fate {
        let refusal = match &piece.item {
            Err(refusal) => Refusal {
                reason: refusal.reason,
                message: refusal.message.clone(),
                detail: refusal.detail.clone(),
            },
            Ok(item) => match mapping.map(item, event_id) {
                Mapped::Skipped => {
                    self.tally.skipped += 1;
                    return Fate::Skipped;
                }
                Mapped::Event(event) => {
                    self.tally.sent += 1;
                    let mut value = Vec::with_capacity(event.avro.len() + 5);
                    schema_registry::frame(schema_id, &mut value);
                    value.extend_from_slice(&event.avro);
                    self.push(Record { event_id, key: Some(event.key), value, letter: None });
                    return Fate::Sent;
                }
                Mapped::Refused(refusal) => refusal,
            },
        };
        *self.tally.set_aside.entry(refusal.reason).or_default() += 1;
        let letter = letter(&mapping.name, &topics.raw, refusal, (partition_of(event_id), row), now_ms);
        let (value, letter) = (piece.raw.to_vec(), Some(Box::new(letter)));
        self.push(Record { event_id, key: None, value, letter });
        Fate::SetAside
    }

    fn push(&mut self, record: Record) {
        self.bytes += record.value.len();
        self.records.push(record);
    }

    /// Whether a file's batch should be sent now.
    pub(crate) fn is_full(&self) -> bool {
        self.tally.all() >= BATCH_RECORDS_MAX as u64 || self.bytes >= BATCH_BYTES_MAX
    }

    /// The records in their order.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }
}

impl Record {
    /// The topic that it goes to.
    pub(crate) fn topic<'t>(&self, topics: &'t Topics) -> &'t str {
        if self.letter.is_some() { &topics.dlq } else { &topics.raw }
    }

    /// What a dead letter says; other records have no headers.
    pub(crate) fn headers(&self) -> Headers {
        let Some(letter) = &self.letter else { return Headers::new() };
        Headers::new().add_texts(letter.headers())
    }

    /// The record as it is sent.
    pub(crate) fn outgoing<'r>(
        &'r self,
        topic: &'r str,
        (headers, receipt): (Headers, Option<Receipt>),
    ) -> Outgoing<'r> {
        Outgoing {
            topic,
            partition: None,
            key: self.key.as_deref().map(str::as_bytes),
            value: Some(&self.value),
            timestamp_ms: None,
            headers,
            receipt,
        }
    }
}

/// Stands for the partition of a record that never was on a topic: a negative number made of its id. With it the
/// coordinates of records of several files, or of a file that was replaced, differ, and those of a record that comes
/// again are the same.
fn partition_of(event_id: Uuid) -> i32 {
    -1 - (event_id.as_u64_pair().0 % i32::MAX as u64) as i32
}

/// The dead letter of a record that never was on a topic; its offset is its number in the source.
fn letter(
    feed: &str,
    topic: &str,
    refusal: Refusal,
    (partition, row): (i32, u64),
    failed_at_ms: i64,
) -> Letter {
    Letter {
        topic: topic.to_owned(),
        partition,
        offset: row as i64,
        connector_name: connector(feed),
        task_id: 0,
        stage: Stage::ValueConverter,
        exception_class: format!("turnpike.{}", refusal.reason),
        exception_message: refusal.message,
        reason: refusal.reason,
        rule: None,
        detail: refusal.detail.to_string(),
        contract_version: None,
        attempt: 1,
        failed_at_ms,
    }
}

/// A feed's name among those who set records aside, and in its transactional id.
pub(crate) fn connector(feed: &str) -> String {
    format!("feed-{feed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums and the words for them.
    #[test]
    fn tallies_add_up() {
        let mut tally = Tally { sent: 2, skipped: 1, ..Tally::default() };
        assert_eq!(tally.text(), "2 records sent, 0 set aside, 1 skipped");
        let set_aside = [(Reason::Sentinel, 1), (Reason::Unparsable, 2)].into();
        tally.add(&Tally { sent: 5, set_aside, skipped: 0, seen: 4 });
        assert_eq!(
            tally.text(),
            "7 records sent, 3 set aside (2 UNPARSABLE, 1 SENTINEL), 1 skipped, 4 seen before"
        );
        assert_eq!(tally.all(), 15);
    }
}
