//! The database's side of a task: each batch is one transaction of rows, ledger and acknowledged dead letters.
//!
//! Errors of data are narrowed down to their rows by halving and become dead letters. Everything else is tried again for
//! as long as it takes: the partitions wait, and nothing is lost or stored twice, whatever the moment of the failure.

use std::{pin::pin, sync::Arc, time::Duration};

use kafka::TopicPartition;
use service::{Attempt, Error, Health, Stop, clock, wait_for};
use telemetry::{
    OpenTelemetrySpanExt as _, Parent, SPAN_TARGET, Status,
    names::{self, spans},
};
use tokio::sync::{Mutex, mpsc};
use tracing::Instrument as _;

use crate::{
    batch::{Batch, Outcome, Span},
    calls::{Call, Statement},
    connector::Connector,
    database::Session,
    flush::Flush,
    ledger::Ledger,
    meters::Meters,
    rejection::Rejection,
    reporter::Reporter,
    traces::within,
    trouble::{Intolerable, Trouble},
};

/// What the polling side asks for, in the order of its asking.
#[derive(Debug)]
pub(crate) enum Work<'c> {
    /// Take these partitions.
    Take(Vec<TopicPartition>),
    /// These partitions belong to somebody else now.
    Release(Vec<TopicPartition>),
    /// Store these records.
    Store(Box<Batch<'c>>),
}

impl Work<'_> {
    /// The trace of what is asked for, if it has one.
    fn trace(&self) -> Option<Parent> {
        match self {
            Self::Store(batch) => batch.traces.context(),
            Self::Take(_) | Self::Release(_) => None,
        }
    }
}

/// What the polling side is told.
#[derive(Debug)]
pub(crate) enum Event<'c> {
    /// A partition is held; this is the offset to go on from.
    Taken(TopicPartition, i64),
    /// A partition has been taken by somebody else.
    Lost(TopicPartition),
    /// A batch is done with.
    Done(Box<Batch<'c>>),
}

/// The database's side of a task.
#[derive(Debug)]
pub(crate) struct Store<'c> {
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
    pub(crate) events: mpsc::Sender<Event<'c>>,
    ledger: Ledger,
    session: Option<Session>,
}

/// How often work that collided is repeated at once before it waits.
const COLLISIONS_MAX: u32 = 10;
/// For how long; a lock that is held longer is worth a word.
const COLLISIONS_LIMIT: Duration = Duration::from_secs(5);
/// How long the batch in hand may take to be finished after the service was told to stop.
const FINISH_TIMEOUT: Duration = Duration::from_secs(6);

impl<'c> Store<'c> {
    /// A task's store; it connects when there is something to do.
    pub(crate) fn new(
        connector: Arc<Connector>,
        dependency: String,
        reporter: Option<Reporter>,
        meters: Meters,
        (stop, health): (Stop, Health),
        events: mpsc::Sender<Event<'c>>,
    ) -> Self {
        let ledger = Ledger::new(&connector.name);
        Self { connector, dependency, reporter, meters, stop, health, events, ledger, session: None }
    }

    /// Does what it is asked until nobody asks any more; when told to stop, it finishes what it has in hand.
    pub(crate) async fn run(mut self, mut asked: mpsc::Receiver<Work<'c>>) -> Result<(), Error> {
        while let Some(mut work) = asked.recv().await {
            if self.stop.is_stopping() {
                break;
            }
            if let Work::Store(batch) = &mut work {
                batch.traces.begin(&batch.records, &self.connector.name);
            }
            let trace = work.trace();
            {
                let insisting = pin!(self.insist(&mut work));
                within(trace, insisting).await?;
            }
            if let Work::Store(batch) = work {
                self.tell(Event::Done(batch)).await;
            }
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
            self.note(work, &trouble);
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

    /// Tells a batch's trouble where batches are told of.
    fn note(&self, work: &mut Work<'_>, trouble: &Trouble) {
        let Work::Store(batch) = work else { return };
        if let Trouble::Fenced(at) = trouble {
            batch.traces.lost(at);
        }
        if let Some((kind, message)) = trouble.retry() {
            self.meters.connect.retried();
            batch.traces.retry(kind, message);
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

    /// A session that holds the partitions. It is a span, for a slow database is one that nothing waits for otherwise.
    async fn connect(&mut self) -> Result<Session, Trouble> {
        let span = tracing::info_span!(
            target: SPAN_TARGET,
            "connect",
            otel.name = spans::connect(&self.dependency),
            otel.kind = "client",
            { names::DEPENDENCY } = self.dependency
        );
        let connected = self.connect_and_retake().instrument(span.clone()).await;
        if let Err(Some((kind, message))) = connected.as_ref().map_err(Trouble::retry) {
            span.set_attribute(names::ERROR_TYPE, kind);
            span.set_status(Status::error(message));
        }
        connected
    }

    async fn connect_and_retake(&mut self) -> Result<Session, Trouble> {
        let connecting = Session::connect(&self.connector.target).await;
        let mut session = connecting.map_err(|error| Trouble::of("connect to the database", error))?;
        let lost = self.ledger.retake(&mut session).await;
        for at in lost.map_err(|error| Trouble::of("take the partitions in the ledger again", error))? {
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
            let next_offset = taken.map_err(|error| Trouble::of("take a partition in the ledger", error))?;
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
        if let Some(flush) = batch.answer_outstanding.take() {
            let moved = |span: &Span| Some(self.ledger.next_offset(&span.at)? == span.next_offset);
            let is_committed = batch.spans.iter().all(|span| moved(span) == Some(true));
            batch.traces.answer_found(batch.spans.iter().find_map(moved));
            if is_committed {
                finish(batch, flush);
                return Ok(());
            }
        }
        if batch.spans.iter().any(|span| !self.ledger.is_due(&span.at, span.first_offset)) {
            let dropped = batch.retain(|at, offset| self.ledger.is_due(at, offset));
            self.meters.connect.dropped(dropped);
        }
        let mut flush = Flush::new(batch, clock::instant());
        if batch.records.is_empty() {
            std::mem::take(&mut batch.traces).stored(batch, &[], clock::system());
            return Ok(());
        }
        batch.traces.flushing(clock::system);
        for index in 0..batch.parts.len() {
            flush.insert(session, batch, index, &self.meters).await?;
        }
        // Before anything leaves this transaction it must be known that the records are still ours: a writer that was
        // replaced finds its own successor's rows in the way, which are no reason for a dead letter.
        self.advance(session, batch, &flush.rejected).await?;
        self.set_aside(batch, &flush.rejected)?;
        let call = Call::begin(Statement::Commit, &mut batch.traces);
        let answer = session.commit().await;
        call.end(&self.meters, &answer);
        match answer {
            Ok(()) => {}
            // The server says that it has not committed; without an answer nobody knows until the ledger is read.
            Err(error) if error.as_database_error().is_some() => return Err(Trouble::of("commit", error)),
            Err(error) => {
                batch.traces.answer_outstanding();
                batch.answer_outstanding = Some(flush);
                return Err(Trouble::of("commit", error));
            }
        }
        self.ledger.committed(&batch.spans);
        finish(batch, flush);
        Ok(())
    }

    /// Dead letters are acknowledged before the move of the ledger is committed. After a crash in between there may be two
    /// with the same coordinates; never none.
    fn set_aside(&mut self, batch: &mut Batch<'_>, rejected: &[(u32, Rejection)]) -> Result<(), Trouble> {
        let Some((index, first)) = rejected.first() else { return Ok(()) };
        if let Some(reporter) = &mut self.reporter {
            return reporter
                .report(batch, rejected, &self.stop)
                .map_err(|error| Trouble::Wait(Box::new(error)));
        }
        batch.traces.intolerable(*index, first);
        self.meters.connect.failed(clock::now_ms());
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
        batch: &mut Batch<'_>,
        rejected: &[(u32, Rejection)],
    ) -> Result<(), Trouble> {
        let call = Call::begin(Statement::UpdateLedger(batch.spans.len()), &mut batch.traces);
        let moved = self.move_on(session, batch, rejected).await;
        call.end(&self.meters, &moved);
        match moved {
            Ok(None) => Ok(()),
            Ok(Some(at)) => Err(Trouble::Fenced(at)),
            Err(error) => Err(Trouble::of("move the ledger", error)),
        }
    }

    /// Moves the ledger on for each partition of the batch, until one belongs to somebody else.
    async fn move_on(
        &mut self,
        session: &mut Session,
        batch: &Batch<'_>,
        rejected: &[(u32, Rejection)],
    ) -> Result<Option<TopicPartition>, sqlx::Error> {
        for span in &batch.spans {
            let of_span =
                |(index, _): &&(u32, _)| batch.span_of(&batch.records[*index as usize]).at == span.at;
            let dead = rejected.iter().filter(of_span).count() as u64;
            if !self.ledger.advance(session, span, dead).await? {
                return Ok(Some(span.at.clone()));
            }
        }
        Ok(None)
    }

    /// The polling side reads its events in every turn; if it has ended there is nobody left to tell.
    async fn tell(&self, event: Event<'c>) {
        let _ = self.events.send(event).await;
    }
}

/// The batch is committed; what there is to count and to tell of it is left to the polling side.
fn finish(batch: &mut Batch<'_>, mut flush: Flush) {
    for (index, _) in &flush.rejected {
        flush.tally.set_aside(batch.records[*index as usize].topic());
    }
    batch.outcome = Some(Outcome { flush, committed: clock::instant(), committed_at: clock::system() });
}
