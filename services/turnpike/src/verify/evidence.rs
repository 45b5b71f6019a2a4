//! What was seen of the system: figures that were read, without a judgement.

use std::{collections::BTreeMap, time::Duration};

use kafka::Topic;

use super::streams::{DEAD_LETTERS, STREAMS, Stream};
use crate::ledger::{Account, Books, Verdict};

/// Something that was read, or why it could not be.
pub(super) type Known<T> = Result<T, String>;

/// Everything that one look has seen.
#[derive(Debug)]
pub(super) struct Evidence {
    /// All topics of the broker.
    pub(super) topics: Known<Vec<Topic>>,
    /// The ledger, and how it was when it was first read.
    pub(super) ledger: Known<Ledger>,
    /// What there is in each table, by its name.
    pub(super) tables: Known<BTreeMap<&'static str, Rows>>,
    /// The rows counted, at the end of all looks.
    pub(super) counts: Option<Known<Counts>>,
    /// How many of the newest dead letters have each reason, the commonest first.
    pub(super) reasons: Known<Vec<(String, u64)>>,
    /// What Jaeger has.
    pub(super) trace: Known<Traced>,
    /// The processes behind each address that was named.
    pub(super) processes: Vec<(String, Known<Vec<Process>>)>,
}

/// The books, then and now.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// When they were first read.
    pub(super) first: Books,
    /// As they are now.
    pub(super) now: Books,
    /// What they prove now.
    pub(super) verdict: Verdict,
    /// Between then and now.
    pub(super) between: Duration,
    /// For how long every look has found them out of balance.
    pub(super) unbalanced_for: Duration,
}

/// What there is in a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Whether there is a row.
    pub(super) any: bool,
    /// How many have come since the first look; `None` where only counting all would tell.
    pub(super) grown: Option<u64>,
}

/// Rows and ledger as they were at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Each table.
    pub(super) tables: Vec<Counted>,
    /// The readings above 30 °C, if they were counted.
    pub(super) warm: Option<Warm>,
}

/// A table, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    /// Its name.
    pub(super) table: &'static str,
    /// Rows that the ledger says its connector has stored.
    pub(super) stored: u64,
    /// Rows that are there; `None` if they are too many to count.
    pub(super) rows: Option<u64>,
}

/// The readings above 30 °C against their table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Warm {
    /// Readings above 30 °C.
    pub(super) readings: u64,
    /// Rows of the table of warnings.
    pub(super) warnings: u64,
    /// By how many the warnings may be ahead: what only their connector has read, or the other has set aside.
    pub(super) ahead_max: u64,
    /// By how many they may be behind.
    pub(super) behind_max: u64,
}

/// What Jaeger has of the records that were stored last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traced {
    /// How many traces were looked at.
    pub(super) looked_at: usize,
    /// One from the sending of a record to its rows, without a gap.
    pub(super) whole: Option<Whole>,
}

/// A whole trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Whole {
    /// Its id.
    pub(super) id: String,
    /// How many spans, through which services, how long.
    pub(super) sentence: String,
    /// How long ago it began.
    pub(super) age: Duration,
}

/// A process of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// Where it is.
    pub(super) address: String,
    /// Why it is not ready, if so.
    pub(super) not_ready: Option<String>,
    /// Resident memory.
    pub(super) bytes: Option<u64>,
}

impl Evidence {
    /// How many records have arrived in a stream since the first look; `None` if that is not known.
    pub(super) fn arrived(&self, stream: &Stream) -> Option<u64> {
        Some(self.ledger.as_ref().ok()?.arrived(stream.topic))
    }

    /// How many records have arrived in all streams since the first look.
    pub(super) fn arrived_in_all(&self) -> u64 {
        STREAMS.iter().filter_map(|stream| self.arrived(stream)).sum()
    }
}

impl Ledger {
    /// Records that a raw topic has got since the first look.
    fn arrived(&self, topic: &str) -> u64 {
        let ends = |books: &Books| -> i64 {
            let accounts = books.judged.iter().filter(|account| account.topic == topic);
            accounts.filter_map(|account| account.end_offset).sum()
        };
        (ends(&self.now) - ends(&self.first)).max(0) as u64
    }

    /// Rows that a connector has stored since the first look.
    pub(super) fn stored_since(&self, connector: &str) -> u64 {
        let stored = |books: &Books| -> u64 {
            let accounts = books.stored.iter().filter(|account| account.reader == connector);
            accounts.map(|account| account.passed).sum()
        };
        stored(&self.now).saturating_sub(stored(&self.first))
    }

    /// Records that were set aside since the first look.
    pub(super) fn set_aside_since(&self) -> u64 {
        set_aside(&self.now).saturating_sub(set_aside(&self.first))
    }

    /// Accounts whose reader has not moved since the first look, though there was something to read then and now.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Account> {
        let accounts = |books| accounts(books).filter(|account| account.lag > 0);
        accounts(&self.now).filter(move |account| {
            accounts(&self.first).any(|then| {
                (&then.reader, &then.topic, then.partition)
                    == (&account.reader, &account.topic, account.partition)
                    && then.next_offset == account.next_offset
            })
        })
    }
}

fn accounts(books: &Books) -> impl Iterator<Item = &Account> {
    books.judged.iter().chain(&books.stored)
}

/// Records that the validator has refused, and rows that the database has: each a dead letter.
pub(super) fn set_aside(books: &Books) -> u64 {
    let refused: u64 = books.judged.iter().map(|account| account.dead).sum();
    let rejecting = books.stored.iter().filter(|account| account.reader != DEAD_LETTERS.connector);
    refused + rejecting.map(|account| account.dead).sum::<u64>()
}

/// Dead letters that have come to the tables, by the topic that they came from.
pub(super) fn letters(books: &Books) -> BTreeMap<&str, u64> {
    let mut letters = BTreeMap::new();
    for account in books.stored.iter().filter(|account| account.reader == DEAD_LETTERS.connector) {
        *letters.entry(account.topic.as_str()).or_default() += account.read;
    }
    letters
}
