//! The ledger: which offset each partition goes on from, kept in the database and moved in the same transaction as the rows.
//!
//! A partition belongs to whoever took its epoch last. A batch moves the ledger from the offset and under the epoch that
//! its writer knows; if that hits no row, somebody else has taken over, and nothing of the batch is committed.

use std::collections::BTreeMap;

use kafka::TopicPartition;
use sqlx::{Row as _, mysql::MySqlArguments};

use crate::{batch::Span, cell::bind, database::Session};

/// What one task knows of the ledger: the partitions that it holds.
#[derive(Debug)]
pub(crate) struct Ledger {
    connector: String,
    held: BTreeMap<TopicPartition, Entry>,
}

/// A held partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    epoch: i64,
    next_offset: i64,
}

const TAKE: &str = "INSERT INTO turnpike.ledger (connector, topic, partition_number, epoch) VALUES (?, ?, ?, 1) \
    ON DUPLICATE KEY UPDATE epoch = epoch + 1";

const RETAKE: &str = "UPDATE turnpike.ledger SET epoch = epoch + 1 \
    WHERE connector = ? AND topic = ? AND partition_number = ? AND epoch = ?";

const READ: &str = "SELECT epoch, next_offset FROM turnpike.ledger \
    WHERE connector = ? AND topic = ? AND partition_number = ?";

const ADVANCE: &str = "UPDATE turnpike.ledger SET next_offset = ?, read_count = read_count + ?, \
    stored_count = stored_count + ?, dead_count = dead_count + ?, skipped_count = skipped_count + ? \
    WHERE connector = ? AND topic = ? AND partition_number = ? AND next_offset = ? AND epoch = ?";

impl Ledger {
    /// Nothing is held yet.
    pub(crate) fn new(connector: &str) -> Self {
        Self { connector: connector.to_owned(), held: BTreeMap::new() }
    }

    /// Takes a partition from whoever has it, and tells the offset to go on from.
    ///
    /// A transaction that its last owner has open may still move the ledger: it holds the row's lock then, and this waits
    /// until it has ended. If it has not come that far yet, it finds another epoch and commits nothing.
    pub(crate) async fn take(
        &mut self,
        session: &mut Session,
        at: &TopicPartition,
    ) -> Result<i64, sqlx::Error> {
        session.run(TAKE, self.key(at)).await?;
        let entry = self.read(session, at).await?;
        session.commit().await?;
        self.held.insert(at.clone(), entry);
        Ok(entry.next_offset)
    }

    /// Takes all held partitions again after the connection was lost, and returns those that others have taken meanwhile.
    ///
    /// The new epochs shut out what the lost connection may have left behind; the offsets tell whether it was committed.
    pub(crate) async fn retake(&mut self, session: &mut Session) -> Result<Vec<TopicPartition>, sqlx::Error> {
        let mut lost = Vec::new();
        let mut entries = Vec::new();
        for (at, held) in &self.held {
            let mut arguments = self.key(at);
            bind(&mut arguments, held.epoch);
            if session.run(RETAKE, arguments).await?.rows_affected() == 1 {
                entries.push((at.clone(), self.read(session, at).await?));
            } else {
                lost.push(at.clone());
            }
        }
        session.commit().await?;
        self.held = entries.into_iter().collect();
        Ok(lost)
    }

    /// Moves a partition's entry past a batch, inside the batch's transaction; `false` if it belongs to somebody else now.
    pub(crate) async fn advance(
        &self,
        session: &mut Session,
        span: &Span,
        dead: u64,
    ) -> Result<bool, sqlx::Error> {
        let Some(entry) = self.held.get(&span.at) else { return Ok(false) };
        let mut arguments = MySqlArguments::default();
        bind(&mut arguments, span.next_offset);
        bind(&mut arguments, span.records as i64);
        bind(&mut arguments, (span.records - dead - span.skipped) as i64);
        bind(&mut arguments, dead as i64);
        bind(&mut arguments, span.skipped as i64);
        self.bind_key(&mut arguments, &span.at);
        bind(&mut arguments, entry.next_offset);
        bind(&mut arguments, entry.epoch);
        Ok(session.run(ADVANCE, arguments).await?.rows_affected() == 1)
    }

    /// Notes that a batch is committed.
    pub(crate) fn committed(&mut self, spans: &[Span]) {
        for span in spans {
            if let Some(entry) = self.held.get_mut(&span.at) {
                entry.next_offset = span.next_offset;
            }
        }
    }

    /// Gives a partition up.
    pub(crate) fn release(&mut self, at: &TopicPartition) {
        self.held.remove(at);
    }

    /// The offset to go on from, for a partition that is held.
    pub(crate) fn next_offset(&self, at: &TopicPartition) -> Option<i64> {
        self.held.get(at).map(|entry| entry.next_offset)
    }

    /// Whether a record is still to be stored, and by this task.
    pub(crate) fn is_due(&self, at: &TopicPartition, offset: i64) -> bool {
        self.next_offset(at).is_some_and(|next_offset| offset >= next_offset)
    }

    async fn read(&self, session: &mut Session, at: &TopicPartition) -> Result<Entry, sqlx::Error> {
        let rows = session.rows(READ, self.key(at)).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok(Entry { epoch: row.try_get(0)?, next_offset: row.try_get(1)? })
    }

    fn key(&self, at: &TopicPartition) -> MySqlArguments {
        let mut arguments = MySqlArguments::default();
        self.bind_key(&mut arguments, at);
        arguments
    }

    fn bind_key(&self, arguments: &mut MySqlArguments, at: &TopicPartition) {
        bind(arguments, self.connector.as_str());
        bind(arguments, &*at.topic);
        bind(arguments, at.partition);
    }
}
