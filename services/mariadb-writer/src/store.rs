//! The database's side of a task: each batch is one transaction of rows, ledger and acknowledged dead letters.
//!
//! Errors of data are narrowed down to their rows by halving and become dead letters. Everything else is tried again for
//! as long as it takes: the partitions wait, and nothing is lost or stored twice, whatever the moment of the failure.

use std::{
    error::Error as StdError,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka::TopicPartition;
use service::{Attempt, Error, Health, Stop, clock, wait_for};
use tokio::sync::{Mutex, mpsc};

use crate::{
    batch::{Batch, Part},
    connector::Connector,
    database::Session,
    errors::{self, Class},
    ledger::Ledger,
    meters::Meters,
    rejection::Rejection,
    reporter::Reporter,
    styled::Styled,
};

/// What the polling side asks for, in the order of its asking.
#[derive(Debug)]
pub(crate) enum Work<'c> {
    /// Take these partitions.
    Take(Vec<TopicPartition>),
    /// These partitions belong to somebody else now.
    Release(Vec<TopicPartition>),
    /// Store these records.
    Store(Batch<'c>),
}

/// What the polling side is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// A partition is held; this is the offset to go on from.
    Taken(TopicPartition, i64),
    /// A partition has been taken by somebody else.
    Lost(TopicPartition),
    /// A batch is done with: everything before these offsets is stored.
    Stored(Vec<(TopicPartition, i64)>),
}

/// The database's side of a task.
#[derive(Debug)]
pub(crate) struct Store {
    /// What the task does.
    pub(crate) connector: Arc<Connector>,
    /// What the task is called in signals about its database.
    pub(crate) dependency: String,
    /// Where dead letters go; without it the first one stops the service.
    pub(crate) reporter: Option<Reporter>,
    /// What it counts.
    pub(crate) meters: Meters,
    /// Whether the service was told to stop.
    pub(crate) stop: Stop,
    /// Where it says whether the database answers.
    pub(crate) health: Health,
    /// Where it answers the polling side.
    pub(crate) events: mpsc::Sender<Event>,
    /// Where it says, in the words of a source pipeline, what is stored.
    pub(crate) styled: Styled,
    ledger: Ledger,
    session: Option<Session>,
}

/// Why an attempt on a piece of work failed.
enum Trouble {
    /// Another transaction was in the way: again, at once.
    Collision(Box<dyn StdError + Send + Sync>),
    /// A partition belongs to somebody else: again, without it.
    Fenced(TopicPartition),
    /// Something is away, full or wrong: again, later.
    Wait(Box<dyn StdError + Send + Sync>),
    /// The service cannot go on.
    Fatal(Error),
}

/// An operation on the database failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation}{hint}")]
struct Failed {
    operation: &'static str,
    hint: &'static str,
    source: sqlx::Error,
}

/// A record cannot be stored, and the connector has no topic for dead letters.
#[derive(Debug, thiserror::Error)]
#[error(
    "connector {connector}: record {at} at offset {offset} cannot be stored: {reason}: {message}; errors.tolerance is none, \
     so this stops the connector: set it to all and name errors.deadletterqueue.topic.name to set such records aside"
)]
struct Intolerable {
    connector: String,
    at: TopicPartition,
    offset: i64,
    reason: dead_letter::Reason,
    message: String,
}

/// How often work that collided is repeated at once before it waits.
const COLLISIONS_MAX: u32 = 10;
/// For how long; a lock that is held longer is worth a word.
const COLLISIONS_LIMIT: Duration = Duration::from_secs(5);
/// How long the batch in hand may take to be finished after the service was told to stop.
const FINISH_TIMEOUT: Duration = Duration::from_secs(6);

impl Store {
    /// A task's store; it connects when there is something to do.
    pub(crate) fn new(
        connector: Arc<Connector>,
        dependency: String,
        reporter: Option<Reporter>,
        meters: Meters,
        (stop, health): (Stop, Health),
        events: mpsc::Sender<Event>,
        styled: Styled,
    ) -> Self {
        let ledger = Ledger::new(&connector.name);
        Self { connector, dependency, reporter, meters, stop, health, events, styled, ledger, session: None }
    }

    /// Does what it is asked until nobody asks any more; when told to stop, it finishes what it has in hand.
    pub(crate) async fn run(mut self, mut asked: mpsc::Receiver<Work<'_>>) -> Result<(), Error> {
        while let Some(mut work) = asked.recv().await {
            if self.stop.is_stopping() {
                break;
            }
            self.insist(&mut work).await?;
        }
        if let Some(session) = self.session.take() {
            session.close().await;
        }
        Ok(())
    }

    /// Tries until the work is done.
    async fn insist(&mut self, work: &mut Work<'_>) -> Result<(), Error> {
        let stop = self.stop.clone();
        let overdue = async {
            stop.requested().await;
            tokio::time::sleep(FINISH_TIMEOUT).await;
        };
        let failure = tokio::select! {
            outcome = self.attempt(work) => match outcome {
                Ok(()) => return Ok(()),
                Err(Attempt::GiveUp(error)) => return Err(error),
                Err(Attempt::Retry(failure)) => failure,
            },
            () = overdue => return Err(Error::Stopped),
        };
        let (dependency, health) = (self.dependency.clone(), self.health.clone());
        let state = Mutex::new((self, work, Some(failure)));
        wait_for(&dependency, &stop, &health, || async {
            let (store, work, failure) = &mut *state.lock().await;
            match failure.take() {
                Some(failure) => Err(Attempt::Retry(failure)),
                None => store.attempt(work).await,
            }
        })
        .await
    }

    /// One attempt; collisions and fencing are settled within it.
    async fn attempt(&mut self, work: &mut Work<'_>) -> Result<(), Attempt> {
        let started = clock::instant();
        let mut collisions = 0;
        loop {
            let trouble = match self.once(work).await {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Collision(_)
                    if collisions < COLLISIONS_MAX && started.elapsed() < COLLISIONS_LIMIT =>
                {
                    collisions += 1;
                    self.meters.collided(&self.dependency);
                }
                Trouble::Fenced(at) => self.lose(at).await,
                Trouble::Collision(error) | Trouble::Wait(error) => {
                    self.session = None;
                    return Err(Attempt::Retry(error));
                }
                Trouble::Fatal(error) => return Err(Attempt::GiveUp(error)),
            }
            // What was written so far must go before it is written again.
            if let Some(mut session) = self.session.take()
                && session.rollback().await.is_ok()
            {
                self.session = Some(session);
            }
        }
    }

    async fn once(&mut self, work: &mut Work<'_>) -> Result<(), Trouble> {
        if let Work::Release(partitions) = work {
            for at in partitions {
                self.ledger.release(at);
            }
            return Ok(());
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let done = match work {
            Work::Take(partitions) => self.take(&mut session, partitions).await,
            Work::Store(batch) => self.store(&mut session, batch).await,
            Work::Release(_) => Ok(()),
        };
        self.session = Some(session);
        done
    }

    async fn connect(&mut self) -> Result<Session, Trouble> {
        let connecting = Session::connect(&self.connector.target).await;
        let mut session = connecting.map_err(|error| trouble("connect to the database", error))?;
        let lost = self.ledger.retake(&mut session).await;
        for at in lost.map_err(|error| trouble("take the partitions in the ledger again", error))? {
            self.lose(at).await;
        }
        Ok(session)
    }

    async fn take(
        &mut self,
        session: &mut Session,
        partitions: &mut Vec<TopicPartition>,
    ) -> Result<(), Trouble> {
        while let Some(at) = partitions.last() {
            let taken = self.ledger.take(session, at).await;
            let next_offset = taken.map_err(|error| trouble("take a partition in the ledger", error))?;
            tracing::debug!(connector = self.connector.name, partition = %at, next_offset, "took {at}");
            self.tell(Event::Taken(at.clone(), next_offset)).await;
            partitions.pop();
        }
        Ok(())
    }

    async fn lose(&mut self, at: TopicPartition) {
        tracing::warn!(connector = self.connector.name, partition = %at, "{at} has been taken by another writer");
        self.ledger.release(&at);
        self.tell(Event::Lost(at)).await;
    }

    async fn store(&mut self, session: &mut Session, batch: &mut Batch<'_>) -> Result<(), Trouble> {
        let started = clock::instant();
        let stored = |ledger: &Ledger, batch: &Batch<'_>| {
            batch.spans.iter().all(|span| ledger.next_offset(&span.at) == Some(span.next_offset))
        };
        if batch.answer_outstanding.is_some() && stored(&self.ledger, batch) {
            let rejected = batch.answer_outstanding.take().unwrap_or_default();
            return self.finish(batch, &rejected, started).await;
        }
        batch.answer_outstanding = None;
        if batch.spans.iter().any(|span| !self.ledger.is_due(&span.at, span.first_offset)) {
            batch.retain(|at, offset| self.ledger.is_due(at, offset));
        }
        if batch.records.is_empty() {
            self.tell(Event::Stored(Vec::new())).await;
            return Ok(());
        }
        let mut rejected = batch.rejected.clone();
        for index in 0..batch.parts.len() {
            insert_part(session, batch, index, &mut rejected).await?;
        }
        // Before anything leaves this transaction it must be known that the records are still ours: a writer that was
        // replaced finds its own successor's rows in the way, which are no reason for a dead letter.
        self.advance(session, batch, &rejected).await?;
        self.set_aside(batch, &rejected)?;
        match session.commit().await {
            Ok(()) => {}
            // The server says that it has not committed; without an answer nobody knows until the ledger is read.
            Err(error) if error.as_database_error().is_some() => return Err(trouble("commit", error)),
            Err(error) => {
                batch.answer_outstanding = Some(rejected);
                return Err(trouble("commit", error));
            }
        }
        self.ledger.committed(&batch.spans);
        self.finish(batch, &rejected, started).await
    }

    /// Dead letters are acknowledged before the move of the ledger is committed. After a crash in between there may be two
    /// with the same coordinates; never none.
    fn set_aside(&self, batch: &mut Batch<'_>, rejected: &[(u32, Rejection)]) -> Result<(), Trouble> {
        let Some((index, first)) = rejected.first() else { return Ok(()) };
        if let Some(reporter) = &self.reporter {
            return reporter
                .report(batch, rejected, &self.stop)
                .map_err(|error| Trouble::Wait(Box::new(error)));
        }
        let record = &batch.records[*index as usize];
        Err(Trouble::Fatal(Error::failed(Intolerable {
            connector: self.connector.name.clone(),
            at: batch.span_of(record).at.clone(),
            offset: record.offset(),
            reason: first.reason,
            message: first.message.clone(),
        })))
    }

    async fn advance(
        &mut self,
        session: &mut Session,
        batch: &Batch<'_>,
        rejected: &[(u32, Rejection)],
    ) -> Result<(), Trouble> {
        for span in &batch.spans {
            let of_span =
                |(index, _): &&(u32, _)| batch.span_of(&batch.records[*index as usize]).at == span.at;
            let dead = rejected.iter().filter(of_span).count() as u64;
            let moved = self.ledger.advance(session, span, dead).await;
            if !moved.map_err(|error| trouble("move the ledger", error))? {
                return Err(Trouble::Fenced(span.at.clone()));
            }
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        batch: &Batch<'_>,
        rejected: &[(u32, Rejection)],
        started: Instant,
    ) -> Result<(), Trouble> {
        self.meters.stored(batch, rejected, started.elapsed());
        self.styled.stored(batch, rejected);
        let offsets = batch.spans.iter().map(|span| (span.at.clone(), span.next_offset)).collect();
        self.tell(Event::Stored(offsets)).await;
        Ok(())
    }

    /// The polling side reads its events in every turn; if it has ended there is nobody left to tell.
    async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }
}

/// Writes all rows of one table; rows that the database refuses are added to `rejected`.
async fn insert_part(
    session: &mut Session,
    batch: &mut Batch<'_>,
    index: usize,
    rejected: &mut Vec<(u32, Rejection)>,
) -> Result<(), Trouble> {
    let Batch { records, parts, .. } = batch;
    let part = &mut parts[index];
    for chunk in 0..part.chunks.len() {
        let arguments = part.chunks[chunk].arguments.take();
        let mut pending = vec![(part.chunks[chunk].range.clone(), arguments)];
        // The left half comes off the stack first, so rows are inserted in the order of their records.
        while let Some((range, arguments)) = pending.pop() {
            let refused = if let Some(refused) = refused_unsent(session, part, records, &range) {
                Some(refused)
            } else {
                let arguments = arguments.unwrap_or_else(|| part.arguments(records, range.clone()));
                insert(session, part, range.len(), arguments).await?
            };
            match refused {
                None => {}
                Some(rejection) if range.len() == 1 && !part.rows.may_be_rejected() => {
                    return Err(Trouble::Wait(rejection.message.into()));
                }
                Some(rejection) if range.len() == 1 => rejected.push((part.accepted[range.start], rejection)),
                Some(_) => {
                    let middle = range.start + range.len() / 2;
                    pending.push((middle..range.end, None));
                    pending.push((range.start..middle, None));
                }
            }
        }
    }
    Ok(())
}

/// A statement that the server would not even read, but end the connection over.
fn refused_unsent(
    session: &Session,
    part: &Part,
    records: &[kafka::Record<'_>],
    range: &Range<usize>,
) -> Option<Rejection> {
    let rows = part.accepted[range.clone()].iter().map(|index| &records[*index as usize]);
    let bytes: usize = rows.map(|record| part.rows.row_bytes(record)).sum();
    let bytes_max = session.packet_bytes_max;
    (bytes > bytes_max).then(|| {
        let message =
            format!("the row has up to {bytes} bytes, and the server's max_allowed_packet is {bytes_max}");
        Rejection::of_row(dead_letter::Reason::TooLarge, 1_153, "08S01", message)
    })
}

/// Runs one statement; `Some` if its rows, or one of them, can never be stored. A refused statement leaves no row behind.
async fn insert(
    session: &mut Session,
    part: &Part,
    rows: usize,
    arguments: sqlx::mysql::MySqlArguments,
) -> Result<Option<Rejection>, Trouble> {
    let text = part.rows.statements().text(rows);
    match session.run_built(text, arguments).await {
        Ok(_) => Ok(None),
        Err(error) => match errors::class(&error) {
            Class::Data(reason) if part.rows.may_be_rejected() => Ok(Some(errors::rejection(reason, &error))),
            _ => Err(trouble("insert rows", error)),
        },
    }
}

fn trouble(operation: &'static str, source: sqlx::Error) -> Trouble {
    let hint = match errors::class(&source) {
        Class::Collision => return Trouble::Collision(Box::new(Failed { operation, hint: "", source })),
        Class::Config => {
            "; this worked before, so settings, rights or the table were changed: correct them, the writer waits"
        }
        Class::Unknown | Class::Data(_) => {
            "; not a known error of infrastructure, the writer waits all the same"
        }
        Class::Infrastructure => "",
    };
    Trouble::Wait(Box::new(Failed { operation, hint, source }))
}
