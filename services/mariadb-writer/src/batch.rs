//! A batch: records of some partitions in their order, cut into chunks of rows, each chunk one statement.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::Arc,
    time::{Instant, SystemTime},
};

use kafka::{Record, TopicPartition};
use service::Error;
use sqlx::{Arguments as _, mysql::MySqlArguments};

use crate::{
    avro::{AvroRows, Bound, Scratch},
    connector::{Connector, Sink, TableName},
    dead_letters::DeadLetterRows,
    flush::Flush,
    rejection::Rejection,
    statement::Statements,
    table::Table,
    traces::Traces,
};

/// Records that are stored by one transaction, or not at all.
#[derive(Debug)]
pub(crate) struct Batch<'c> {
    /// The records as they came.
    pub(crate) records: Vec<Record<'c>>,
    /// What the batch holds of each partition.
    pub(crate) spans: Vec<Span>,
    /// The rows of each table.
    pub(crate) parts: Vec<Part>,
    /// Records that cannot become rows, by their index.
    pub(crate) rejected: Vec<(u32, Rejection)>,
    /// Records that a filter leaves out, by their index.
    skipped: Vec<u32>,
    /// Records whose dead letters Kafka has acknowledged already, by their index; a repeated attempt sends no second one.
    pub(crate) reported: BTreeSet<u32>,
    /// Set while a COMMIT was sent whose answer is not known, with what it is to commit.
    pub(crate) answer_outstanding: Option<Flush>,
    /// When its records were complete.
    pub(crate) began: Instant,
    /// Its spans.
    pub(crate) traces: Traces,
    /// What became of it; `None` before its commit, and if nothing of it was left to be stored.
    pub(crate) outcome: Option<Outcome>,
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the attempt that succeeded has done.
    pub(crate) flush: Flush,
    /// When it was committed.
    pub(crate) committed: Instant,
    /// The same by the wall clock.
    pub(crate) committed_at: SystemTime,
}

/// What a batch holds of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The partition.
    pub(crate) at: TopicPartition,
    /// Offset of the first record.
    pub(crate) first_offset: i64,
    /// Where to go on after the batch: one more than the offset of the last record.
    pub(crate) next_offset: i64,
    /// How many records.
    pub(crate) records: u64,
    /// How many of them a filter leaves out.
    pub(crate) skipped: u64,
    /// When the last of them was made, in milliseconds since 1970 UTC; 0 if it does not say.
    pub(crate) last_timestamp_ms: i64,
}

/// How far a partition is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The partition.
    pub(crate) at: TopicPartition,
    /// Everything before this offset is stored.
    pub(crate) next_offset: i64,
    /// When the last stored record was made, in milliseconds since 1970 UTC; 0 if it does not say.
    pub(crate) timestamp_ms: i64,
}

/// The rows of one table.
#[derive(Debug)]
pub(crate) struct Part {
    /// How they are made.
    pub(crate) rows: Arc<Rows>,
    /// The records that become rows, by their index.
    pub(crate) accepted: Vec<u32>,
    /// The statements, in order.
    pub(crate) chunks: Vec<Chunk>,
}

/// The rows of one statement.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Positions in [`Part::accepted`]; as many as a statement has.
    pub(crate) range: Range<usize>,
    /// Their values, until they have been sent; they can always be made again from the records.
    pub(crate) arguments: Option<MySqlArguments>,
    /// The most bytes that they can have in a statement.
    pub(crate) bytes_max: usize,
}

/// How the records of one or more topics become rows of one table.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Avro records.
    Avro(AvroRows),
    /// Dead letters.
    DeadLetters(DeadLetterRows),
}

/// Bytes of records in one statement; a single larger record is a statement of its own.
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// The most that a column adds to the bytes of the record itself: its type, its length, a number in its full width.
const COLUMN_BYTES_MAX: usize = 48;
/// What it adds as a rule. Memory is reserved for so much; what is reserved for nothing would be there for each row in hand.
const COLUMN_BYTES: usize = 6;

impl Rows {
    /// The rows of a table for a connector.
    pub(crate) fn new(connector: &Arc<Connector>, table: Table) -> Result<Self, Error> {
        match connector.sink {
            Sink::Jdbc => Ok(Self::Avro(AvroRows::new(Arc::clone(connector), table)?)),
            Sink::DeadLetters => Ok(Self::DeadLetters(DeadLetterRows::new(connector, &table)?)),
        }
    }

    /// The statements that the rows go into.
    pub(crate) fn statements(&self) -> &Arc<Statements> {
        match self {
            Self::Avro(rows) => rows.statements(),
            Self::DeadLetters(rows) => rows.statements(),
        }
    }

    fn bind<'b>(
        &'b self,
        record: &'b Record<'_>,
        scratch: &mut Scratch<'b>,
        arguments: &mut MySqlArguments,
    ) -> Result<Bound, Rejection> {
        match self {
            Self::Avro(rows) => rows.bind(record, scratch, arguments),
            Self::DeadLetters(rows) => {
                rows.bind(record, arguments);
                Ok(Bound::Row)
            }
        }
    }

    /// Whether a row that the database refuses may become a dead letter; a dead letter itself has to wait.
    pub(crate) fn may_be_rejected(&self) -> bool {
        matches!(self, Self::Avro(_))
    }

    /// The most bytes that a record's row can have in a statement.
    pub(crate) fn row_bytes_max(&self, record: &Record<'_>) -> usize {
        record.size() + COLUMN_BYTES_MAX * self.statements().columns().len()
    }

    fn arguments(&self, rows: usize, bytes: usize) -> MySqlArguments {
        let mut arguments = MySqlArguments::default();
        arguments.reserve(rows * self.statements().columns().len(), bytes);
        arguments
    }
}

impl<'c> Batch<'c> {
    /// Makes rows of the records; `table_of` says which of `tables` a record belongs to.
    pub(crate) fn new(
        records: Vec<Record<'c>>,
        tables: &[Arc<Rows>],
        table_of: impl Fn(&Record<'c>) -> usize,
        partition_of: impl Fn(&Record<'c>) -> TopicPartition,
        (began, traces): (Instant, Traces),
    ) -> Self {
        let mut batch = Self {
            spans: spans(&records, partition_of),
            records,
            parts: Vec::with_capacity(tables.len()),
            rejected: Vec::new(),
            skipped: Vec::new(),
            reported: BTreeSet::new(),
            answer_outstanding: None,
            began,
            traces,
            outcome: None,
        };
        for (table, rows) in tables.iter().enumerate() {
            let of_table =
                |index: &u32| tables.len() == 1 || table_of(&batch.records[*index as usize]) == table;
            let candidates: Vec<u32> = (0..batch.records.len() as u32).filter(of_table).collect();
            if !candidates.is_empty() {
                let part = Part::new(rows, &mut batch, &candidates);
                batch.parts.push(part);
            }
        }
        batch.count_skipped();
        batch
    }

    /// Drops the records that `keep` refuses, span by span, and tells how many these were.
    pub(crate) fn retain(&mut self, keep: impl Fn(&TopicPartition, i64) -> bool) -> u64 {
        let kept: Vec<bool> =
            self.records.iter().map(|record| keep(&self.span_of(record).at, record.offset())).collect();
        let mut survivors = Vec::with_capacity(self.records.len());
        let mut renumbered = vec![None; kept.len()];
        let names: Vec<TopicPartition> = self.spans.iter().map(|span| span.at.clone()).collect();
        for (index, record) in std::mem::take(&mut self.records).into_iter().enumerate() {
            if kept[index] {
                renumbered[index] = Some(survivors.len() as u32);
                survivors.push(record);
            }
        }
        self.records = survivors;
        self.spans = spans(&self.records, |record| named(&names, record));
        for part in &mut self.parts {
            part.accepted = part.accepted.iter().filter_map(|index| renumbered[*index as usize]).collect();
            part.chunks.clear();
            part.cut(0, &self.records);
        }
        let rejected = std::mem::take(&mut self.rejected).into_iter();
        self.rejected =
            rejected.filter_map(|(index, why)| Some((renumbered[index as usize]?, why))).collect();
        self.reported = self.reported.iter().filter_map(|index| renumbered[*index as usize]).collect();
        self.skipped = self.skipped.iter().filter_map(|index| renumbered[*index as usize]).collect();
        self.count_skipped();
        self.traces.renumber(&renumbered);
        (kept.len() - self.records.len()) as u64
    }

    /// Whether a filter leaves a record out.
    pub(crate) fn is_skipped(&self, index: u32) -> bool {
        self.skipped.binary_search(&index).is_ok()
    }

    /// The table of a record's row, unless the record can be none or a filter leaves it out.
    pub(crate) fn table_of(&self, index: u32) -> Option<&TableName> {
        let part = self.parts.iter().find(|part| part.accepted.binary_search(&index).is_ok())?;
        Some(part.rows.statements().table())
    }

    /// How many records a filter leaves out.
    pub(crate) fn skipped_count(&self) -> usize {
        self.skipped.len()
    }

    /// Tells each span how many of its records are left out.
    fn count_skipped(&mut self) {
        // Each table has added its own.
        self.skipped.sort_unstable();
        for index in &self.skipped {
            let record = &self.records[*index as usize];
            let span = self.spans.iter_mut().find(|span| is_of(&span.at, record));
            span.expect("spans are made of the records").skipped += 1;
        }
    }

    /// The span that a record of this batch belongs to.
    pub(crate) fn span_of(&self, record: &Record<'_>) -> &Span {
        let found = self.spans.iter().find(|span| is_of(&span.at, record));
        found.expect("spans are made of the records")
    }
}

impl Span {
    /// How far the partition is stored once the batch is.
    pub(crate) fn stored(&self) -> Stored {
        let Self { at, next_offset, last_timestamp_ms, .. } = self;
        Stored { at: at.clone(), next_offset: *next_offset, timestamp_ms: *last_timestamp_ms }
    }
}

impl Part {
    /// Makes rows of the candidates; those that become none are noted in the batch.
    fn new(rows: &Arc<Rows>, batch: &mut Batch<'_>, candidates: &[u32]) -> Self {
        let Batch { records, rejected, skipped, .. } = batch;
        let mut part = Self {
            rows: Arc::clone(rows),
            accepted: Vec::with_capacity(candidates.len()),
            chunks: Vec::new(),
        };
        let mut scratch = Scratch::default();
        let mut rest = candidates;
        while !rest.is_empty() {
            let Plan { rows: target, bytes, .. } = plan(rows, records, rest);
            let start = part.accepted.len();
            let mut bytes_max = 0;
            let mut arguments = rows.arguments(target, bytes);
            while let Some((index, after)) = rest.split_first()
                && part.accepted.len() - start < target
            {
                let record = &records[*index as usize];
                let more = rows.row_bytes_max(record);
                // In the place of a record that became no row comes one that was not planned, and may be large.
                if bytes_max > 0 && bytes_max + more > CHUNK_BYTES_MAX {
                    break;
                }
                rest = after;
                match rows.bind(record, &mut scratch, &mut arguments) {
                    Ok(Bound::Row) => {
                        part.accepted.push(*index);
                        bytes_max += more;
                    }
                    Ok(Bound::Skipped) => skipped.push(*index),
                    Err(rejection) => rejected.push((*index, rejection)),
                }
            }
            if part.accepted.len() - start == target {
                part.chunks.push(Chunk {
                    range: start..start + target,
                    arguments: Some(arguments),
                    bytes_max,
                });
            } else {
                // Too few are left for the planned statement, as some were rejected or skipped: they are made again in fitting ones.
                part.cut(start, records);
            }
        }
        part
    }

    /// Cuts the accepted rows from `start` on into chunks whose values are made when they are needed.
    fn cut(&mut self, start: usize, records: &[Record<'_>]) {
        let mut start = start;
        while start < self.accepted.len() {
            let Plan { rows, bytes_max, .. } = plan(&self.rows, records, &self.accepted[start..]);
            self.chunks.push(Chunk { range: start..start + rows, arguments: None, bytes_max });
            start += rows;
        }
    }

    /// The most bytes that a range of accepted rows can have in a statement.
    pub(crate) fn bytes_max(&self, records: &[Record<'_>], range: &Range<usize>) -> usize {
        let rows = self.accepted[range.clone()].iter().map(|index| &records[*index as usize]);
        rows.map(|record| self.rows.row_bytes_max(record)).sum()
    }

    /// The values of a range of accepted rows, made anew.
    pub(crate) fn arguments(&self, records: &[Record<'_>], range: Range<usize>) -> MySqlArguments {
        let mut arguments = self.rows.arguments(range.len(), 0);
        let mut scratch = Scratch::default();
        for index in &self.accepted[range] {
            let bound = self.rows.bind(&records[*index as usize], &mut scratch, &mut arguments);
            let bound = bound.expect("a row that was accepted once is accepted again");
            debug_assert_eq!(bound, Bound::Row);
        }
        arguments
    }
}

/// The next statement.
struct Plan {
    /// Its rows: as many as a statement has, whose bytes are bounded.
    rows: usize,
    /// The bytes that these will have, about.
    bytes: usize,
    /// The most that they can have.
    bytes_max: usize,
}

fn plan(rows: &Rows, records: &[Record<'_>], candidates: &[u32]) -> Plan {
    let statements = rows.statements();
    let most = &candidates[..statements.chunk_rows(candidates.len())];
    let bytes_max_of = |index: &u32| rows.row_bytes_max(&records[*index as usize]);
    let mut bytes_max: usize = most.iter().map(bytes_max_of).sum();
    let mut count = most.len();
    while bytes_max > CHUNK_BYTES_MAX && count > 1 {
        count /= 2;
        bytes_max = candidates[..count].iter().map(bytes_max_of).sum();
    }
    let rarely = count * statements.columns().len() * (COLUMN_BYTES_MAX - COLUMN_BYTES);
    Plan { rows: count, bytes: bytes_max - rarely, bytes_max }
}

fn spans<'c>(records: &[Record<'c>], partition_of: impl Fn(&Record<'c>) -> TopicPartition) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for run in records.chunk_by(Record::is_beside) {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let known = spans.iter().position(|span| is_of(&span.at, first));
        let index = known.unwrap_or_else(|| {
            spans.push(Span {
                at: partition_of(first),
                first_offset: first.offset(),
                next_offset: 0,
                records: 0,
                skipped: 0,
                last_timestamp_ms: 0,
            });
            spans.len() - 1
        });
        let span = &mut spans[index];
        span.next_offset = last.offset() + 1;
        span.records += run.len() as u64;
        span.last_timestamp_ms = last.timestamp_ms();
    }
    spans
}

/// Whether a record is one of the partition.
pub(crate) fn is_of(at: &TopicPartition, record: &Record<'_>) -> bool {
    at.partition == record.partition() && *at.topic == *record.topic()
}

fn named(names: &[TopicPartition], record: &Record<'_>) -> TopicPartition {
    names.iter().find(|at| is_of(at, record)).cloned().expect("spans are made of the records")
}
