//! The statements of one attempt on a batch. Errors of data are narrowed down to their rows by halving.

use std::time::Instant;

use sqlx::mysql::MySqlArguments;

use crate::{
    batch::{Batch, Chunk, Part},
    calls::{Call, Statement},
    connector::InsertMode,
    database::Session,
    errors::{self, Class},
    meters::Meters,
    rejection::Rejection,
    tally::Tally,
    traces::Traces,
    trouble::Trouble,
};

/// What an attempt has come to so far.
#[derive(Debug)]
pub(crate) struct Flush {
    /// When it began.
    pub(crate) began: Instant,
    /// Records that cannot become rows, by their index.
    pub(crate) rejected: Vec<(u32, Rejection)>,
    /// What became of the others.
    pub(crate) tally: Tally,
}

/// Where calls of the database are told.
struct Told<'b> {
    meters: &'b Meters,
    traces: &'b mut Traces,
}

impl Flush {
    /// Nothing has been sent yet.
    pub(crate) fn new(batch: &Batch<'_>, began: Instant) -> Self {
        Self { began, rejected: batch.rejected.clone(), tally: Tally::of(&batch.spans) }
    }

    /// Writes all rows of one table; rows that the database refuses are added to the rejected ones.
    pub(crate) async fn insert(
        &mut self,
        session: &mut Session,
        batch: &mut Batch<'_>,
        index: usize,
        meters: &Meters,
    ) -> Result<(), Trouble> {
        let Batch { records, parts, traces, .. } = batch;
        let part = &mut parts[index];
        let mut told = Told { meters, traces };
        for chunk in 0..part.chunks.len() {
            let Chunk { range, arguments, bytes_max } = &mut part.chunks[chunk];
            let mut pending = vec![(range.clone(), arguments.take(), Some(*bytes_max))];
            // The left half comes off the stack first, so rows are inserted in the order of their records.
            while let Some((range, arguments, bytes_max)) = pending.pop() {
                let bytes_max = bytes_max.unwrap_or_else(|| part.bytes_max(records, &range));
                let inserted = if let Some(refused) = refused_unsent(session, bytes_max) {
                    Err(refused)
                } else {
                    let arguments = arguments.unwrap_or_else(|| part.arguments(records, range.clone()));
                    insert(session, part, range.len(), arguments, &mut told).await?
                };
                match inserted {
                    Ok(rows) => {
                        let topics =
                            part.accepted[range].iter().map(|index| records[*index as usize].topic());
                        self.tally.stored(rows, topics);
                    }
                    Err(rejection) if range.len() == 1 && !part.rows.may_be_rejected() => {
                        return Err(Trouble::Wait(rejection.message.into()));
                    }
                    Err(rejection) if range.len() == 1 => {
                        self.rejected.push((part.accepted[range.start], rejection));
                    }
                    Err(_) => {
                        let middle = range.start + range.len() / 2;
                        pending.push((middle..range.end, None, None));
                        pending.push((range.start..middle, None, None));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A statement that the server would not even read, but end the connection over.
fn refused_unsent(session: &Session, bytes: usize) -> Option<Rejection> {
    let bytes_max = session.packet_bytes_max;
    (bytes > bytes_max).then(|| {
        let message =
            format!("the row has up to {bytes} bytes, and the server's max_allowed_packet is {bytes_max}");
        Rejection::of_row(dead_letter::Reason::TooLarge, 1_153, "08S01", message)
    })
}

/// Runs one statement, and tells how many rows it has stored, or that these, or one of them, can never be stored. A refused
/// statement leaves no row behind.
async fn insert(
    session: &mut Session,
    part: &Part,
    rows: usize,
    arguments: MySqlArguments,
    told: &mut Told<'_>,
) -> Result<Result<u64, Rejection>, Trouble> {
    let statements = part.rows.statements();
    let statement = Statement::Insert { table: statements.table(), rows };
    let call = Call::begin(statement, told.traces);
    let answer = session.run_built(statements.text(rows), arguments).await;
    call.end(told.meters, &answer);
    match answer {
        Ok(done) => Ok(Ok(match statements.mode() {
            InsertMode::Insert => done.rows_affected(),
            // The server counts a row twice if it was there already.
            InsertMode::Upsert => rows as u64,
        })),
        Err(error) => match errors::class(&error) {
            Class::Data(reason) if part.rows.may_be_rejected() => Ok(Err(errors::rejection(reason, &error))),
            _ => Err(Trouble::of("insert rows", error)),
        },
    }
}
