//! The validator's thread: consume, judge, forward, commit; and back to the last commit when something went wrong.

use std::{
    fs, mem,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kafka::{
    BatchLimits, Class, Connection, Consumer, ConsumerSettings, Outgoing, Rebalance, Record, TopicPartition,
    TransactionalProducer,
};
use schema_registry::Registry;
use service::{Attempt, Context, Control, Error, Health, Stop, clock, wait_for};
use telemetry::Span;
use tokio::runtime::Handle;

use crate::{
    Settings,
    batch::{Batch, of_stream},
    bench::Bench,
    headers,
    laps::{Laps, Step},
    meters::Meters,
    progress::Progress,
    schemas::{Hasty, Patient},
    stream::Stream,
    traced::{Traced, Tracing},
    verdict::Verdict,
    watch::Watched,
};

/// Where Linux tells the host's name; in a container it is the container's.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// How long a poll waits for a first record; bounds how late a stop or a pause is seen.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// Being shut out twice within this time means that somebody else uses the same identity. It is less than the 10 s after which the group takes a
/// member for dead: outages that follow each other shut it out as well, and no faster than that.
const FENCED_AGAIN: Duration = Duration::from_secs(8);
/// How long to wait before the work of an aborted transaction is done again.
const RECOVERY_PAUSE: Duration = Duration::from_millis(500);
/// What the transactions are called among the things that the service depends on.
const TRANSACTIONS: &str = "kafka transactions";

/// Everything that the thread needs.
pub(crate) struct Worker {
    streams: Vec<(Stream, Bench)>,
    schemas: Patient,
    kafka: Connection,
    transactional_id: String,
    consumer_settings: ConsumerSettings,
    limits: BatchLimits,
    stop: Stop,
    health: Health,
    control: Control,
    meters: Meters,
    tracing: Tracing,
    watched: Arc<Watched>,
}

/// What changes while it runs.
struct Run<'c> {
    producer: TransactionalProducer,
    consumer: &'c Consumer,
    progress: Progress,
    paused: bool,
}

/// Why a session with the cluster has ended before its time.
enum Ended {
    /// The cluster says that another instance has this one's place.
    Fenced(String),
    /// The session has come to a standstill; a new one will do better.
    Stalled(String),
    /// Nothing will do better.
    Failed(Error),
}

/// How long a step of a transaction is tried: not on a stop, and not when the broker has given the transaction up by then.
struct Patience {
    stop: Stop,
    health: Health,
    since: Option<Instant>,
}

impl Patience {
    fn new(worker: &Worker) -> Self {
        Self { stop: worker.stop.clone(), health: worker.health.clone(), since: None }
    }

    fn keep_trying(&mut self, error: &kafka::Error) -> bool {
        self.health.set(TRANSACTIONS, Err(error.to_string()));
        let since = *self.since.get_or_insert_with(clock::instant);
        !self.stop.is_stopping() && since.elapsed() < TransactionalProducer::TIMEOUT
    }

    fn is_tried(&self) -> bool {
        self.since.is_some()
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<kafka::Error> for Ended {
    fn from(error: kafka::Error) -> Self {
        match error.class() {
            Class::Fenced => Self::Fenced(error.to_string()),
            _ => Self::Failed(refused(error)),
        }
    }
}

impl Worker {
    pub(crate) fn new(
        context: &Context<Settings>,
        streams: Vec<Stream>,
        registry: Arc<Registry>,
        watched: Arc<Watched>,
    ) -> Result<Self, Error> {
        let settings = &context.config;
        let name = match &settings.instance {
            Some(instance) => instance.clone(),
            None => fs::read_to_string(HOST_NAME).map_err(Error::failed)?.trim().to_owned(),
        };
        let id = format!("{}-{name}", settings.group_id);
        let meters = Meters::new(&context.metrics, &settings.group_id, &streams);
        Ok(Self {
            streams: streams
                .into_iter()
                .map(|stream| (stream, Bench::new(settings.dialect_time_zone)))
                .collect(),
            schemas: Patient {
                registry,
                stop: context.stop.clone(),
                health: context.health.clone(),
                register_schema: settings.register_schema,
            },
            kafka: settings.kafka.clone(),
            consumer_settings: ConsumerSettings {
                group_id: settings.group_id.clone(),
                client_id: id.clone(),
                instance_id: settings.instance.as_ref().map(|_| id.clone()),
                ..ConsumerSettings::default()
            },
            transactional_id: id,
            limits: BatchLimits {
                rows_max: settings.batch_rows_max as usize,
                bytes_max: settings.batch_bytes_max as usize,
                wait: POLL_WAIT,
                linger: Duration::from_millis(settings.batch_linger_ms),
            },
            stop: context.stop.clone(),
            health: context.health.clone(),
            control: context.control.clone(),
            meters,
            tracing: Tracing::new(&context.tracer, &settings.group_id),
            watched,
        })
    }

    pub(crate) fn run(mut self) -> Result<(), Error> {
        self.await_topics()?;
        let mut last_fenced: Option<Instant> = None;
        loop {
            match self.session() {
                Ok(()) => return Ok(()),
                Err(Ended::Failed(error)) => return Err(error),
                Err(Ended::Fenced(reason)) => {
                    let now = clock::instant();
                    if last_fenced.replace(now).is_some_and(|last| now - last < FENCED_AGAIN) {
                        let id = &self.transactional_id;
                        return Err(Error::failed(format!(
                            "{id} was shut out twice ({reason}); does another validator run with this --instance?"
                        )));
                    }
                    tracing::warn!(reason, "shut out by the cluster; starting over with a new session");
                }
                Err(Ended::Stalled(reason)) => {
                    tracing::warn!(
                        reason,
                        "no way forward for this transaction; starting over with a new session"
                    );
                    self.pause();
                }
            }
        }
    }

    /// Joins the group under a fresh producer epoch and works until told to stop.
    fn session(&mut self) -> Result<(), Ended> {
        let producer = self.take_transactional_id()?;
        let consumer = self.kafka.consumer(&self.consumer_settings)?;
        let topics: Vec<&str> = self.streams.iter().map(|(stream, _)| &*stream.raw).collect();
        consumer.subscribe(&topics)?;
        let mut run = Run { producer, consumer: &consumer, progress: Progress::default(), paused: false };
        let rows_max = self.limits.rows_max;
        let (mut batch, mut next) = (Batch::with_capacity(rows_max), Batch::with_capacity(rows_max));
        while !self.stop.is_stopping() {
            if batch.records.is_empty() {
                self.poll(&mut run, self.limits, &mut batch, &mut next)?;
            }
            // More is waiting: it is judged while this batch is committed. It is polled before, since what a poll tells of the group must
            // not come in the middle of a transaction.
            if batch.is_full {
                let at_once = BatchLimits { wait: Duration::ZERO, linger: Duration::ZERO, ..self.limits };
                self.poll(&mut run, at_once, &mut next, &mut batch)?;
            }
            batch.judge(&mut self.streams, &self.schemas.registry, &self.schemas)?;
            if !batch.records.is_empty() && !self.handle(&mut run, &mut batch, &mut next)? {
                next.clear();
            }
            batch.clear();
            mem::swap(&mut batch, &mut next);
        }
        Ok(())
    }

    /// Fills a batch, and lets go of what is no longer ours, of that and of the `other` one in hand.
    fn poll<'c>(
        &self,
        run: &mut Run<'c>,
        limits: BatchLimits,
        batch: &mut Batch<'c>,
        other: &mut Batch<'c>,
    ) -> Result<(), Ended> {
        batch.laps = Laps::start(clock::system(), clock::instant());
        let polled = run.consumer.poll_batch(&limits, &mut batch.records);
        let is_polled = polled.is_ok();
        match polled {
            Err(error) if error.class() == Class::Infrastructure => self.watched.failed(&error),
            polled => batch.is_full = polled?,
        }
        batch.laps.end(Step::Poll, clock::instant());
        let gone = self.follow_group(run)?;
        self.follow_control(run)?;
        self.watched.reads(is_polled && !run.paused && !run.progress.is_empty(), clock::instant());
        for held in [batch, other] {
            if run.paused {
                held.clear();
            } else if !gone.is_empty() {
                held.give_up(&gone);
            }
        }
        Ok(())
    }

    /// Moves a judged batch in one transaction, and judges the next one meanwhile. Whatever goes wrong, it is done again or not at all:
    /// `false` says that what is in hand beyond the last commit is read again.
    fn handle(
        &mut self,
        run: &mut Run<'_>,
        batch: &mut Batch<'_>,
        next: &mut Batch<'_>,
    ) -> Result<bool, Ended> {
        let laps = &mut batch.laps;
        laps.begin(Step::Send, clock::instant());
        let mut traced = self.tracing.batch(laps, batch.records.len());
        let before = run.producer.delivered();
        let sent = self.forward(run, batch, &mut traced);
        // What is logged from here on belongs to the transaction's trace.
        let _context = traced.attach();
        let mut patience = Patience::new(self);
        let tally = batch.tally();
        let beside = (!next.records.is_empty() && !batch.is_mostly_letters()).then_some(next);
        let laps = &mut batch.laps;
        let moved = sent.and_then(|()| {
            laps.end(Step::Send, clock::instant());
            traced.commits(laps);
            let offsets = run.progress.offsets(&tally);
            self.judge_beside(beside, || {
                let committed = run.producer.commit(run.consumer, &offsets, |error| {
                    let goes_on = patience.keep_trying(error);
                    traced.fails(error, goes_on);
                    goes_on
                });
                laps.end(Step::Commit, clock::instant());
                committed
            })
        });
        let is_tried = patience.is_tried();
        if let Err(error) = moved {
            laps.end(Step::Commit, clock::instant());
            traced.aborted(&error, laps);
            self.recover(run, error, is_tried)?;
            return Ok(false);
        }
        run.progress.advance(&tally);
        self.watched.at(run.progress.standings());
        self.meters.balance(batch.records.len(), run.producer.delivered() - before);
        self.meters.count(batch, traced.records());
        traced.committed(&batch.laps);
        if is_tried {
            // A first request to commit may still be on its way; a new epoch shuts it out of the next transaction.
            run.producer = self.take_transactional_id()?;
        }
        Ok(true)
    }

    /// Judges a batch, if there is one, on a thread of its own while `work` is done here. Nobody is held up for it: without a thread, or
    /// where the registry does not answer at once, the batch is not judged, and is so later.
    fn judge_beside<T>(&mut self, batch: Option<&mut Batch<'_>>, work: impl FnOnce() -> T) -> T {
        let (streams, registry, runtime) = (&mut self.streams, &*self.schemas.registry, Handle::current());
        thread::scope(|scope| {
            if let Some(batch) = batch {
                let _ = thread::Builder::new().name("judge".to_owned()).spawn_scoped(scope, move || {
                    if batch.judge(streams, registry, &Hasty { registry, runtime: &runtime }).is_err() {
                        batch.forget();
                    }
                });
            }
            work()
        })
    }

    /// Sends the good records on, then the letters: their many small pieces between the records would spread these over the memory,
    /// and each of the client's walks over them would take twice as long.
    fn forward(&mut self, run: &Run<'_>, batch: &Batch<'_>, traced: &mut Traced) -> Result<(), kafka::Error> {
        run.producer.begin()?;
        for is_valid in [true, false] {
            for (records, verdicts) in batch.stretches() {
                let found = of_stream(&mut self.streams, &records[0]);
                let judged = records.iter().zip(verdicts);
                for (record, verdict) in judged.filter(|(_, verdict)| verdict.is_valid() == is_valid) {
                    let span = self.tracing.follow(traced, record, verdict, found);
                    run.producer.send(outgoing(&found.0, record, verdict, span))?;
                }
            }
        }
        Ok(())
    }

    /// Back to the last commit: abort, then read again from there. On a stop the abort is left to the broker.
    fn recover(&self, run: &mut Run<'_>, error: kafka::Error, is_tried: bool) -> Result<(), Ended> {
        if self.stop.is_stopping() {
            return Err(Error::Stopped.into());
        }
        if error.class() == Class::Fenced {
            return Err(error.into());
        }
        tracing::warn!(%error, "a transaction is given up and its records are read again");
        let mut patience = Patience::new(self);
        if let Err(error) = run.producer.abort(|error| patience.keep_trying(error)) {
            return Err(Ended::Stalled(error.to_string()));
        }
        let is_tried = is_tried || patience.is_tried();
        self.health.set(TRANSACTIONS, Ok(()));
        if error.class() == Class::Data {
            let hint = "a topic takes smaller records than the one before it, or smaller batches; raise its max.message.bytes, or lower \
                batch.size by --kafka-property";
            return Err(Error::failed(format!("{error}; {hint}")).into());
        }
        if is_tried {
            run.producer = self.take_transactional_id()?;
        }
        self.pause();
        Ok(run.consumer.seek(&run.progress.positions())?)
    }

    /// Waits a little before work is done again that has failed; not when told to stop.
    fn pause(&self) {
        let pause = async { tokio::time::timeout(RECOVERY_PAUSE, self.stop.requested()).await.is_ok() };
        Handle::current().block_on(pause);
    }

    /// Takes the transactional ids, which aborts what an earlier holder left open; no trouble with a transaction outlives it.
    fn take_transactional_id(&self) -> Result<TransactionalProducer, Error> {
        let producer = self.wait("kafka", || {
            let producer = self.kafka.alternating_producer(&self.transactional_id);
            producer.and_then(|producer| producer.init().map(|()| producer)).map_err(attempt)
        })?;
        self.health.set(TRANSACTIONS, Ok(()));
        Ok(producer)
    }

    /// Waits until every topic is there as it must be, naming the first that is not.
    fn await_topics(&self) -> Result<(), Error> {
        let admin = self.kafka.admin().map_err(refused)?;
        self.wait("kafka topics", || {
            let known = admin.topics().map_err(attempt)?;
            let trouble = self.streams.iter().find_map(|(stream, _)| stream.trouble_with(&known));
            trouble.map_or(Ok(()), |trouble| Err(Attempt::Retry(trouble.into())))
        })
    }

    /// Partitions that come start where their last owner committed. Gives those that went: what is in hand of them is
    /// not ours any more, even if they have come back since.
    fn follow_group(&self, run: &mut Run<'_>) -> Result<Vec<TopicPartition>, Ended> {
        let mut gone = Vec::new();
        for change in run.consumer.rebalances() {
            match change {
                Rebalance::Assigned(partitions) => {
                    // They wait for the end of a transaction that has them, also while the cluster answers everybody else.
                    let committed =
                        self.wait(TRANSACTIONS, || run.consumer.committed(&partitions).map_err(attempt))?;
                    run.consumer.start(&run.progress.take(&committed, clock::now_ms()))?;
                    // The client keeps a pause beyond a change of owner, and those that come must join a pause.
                    run.consumer.resume(&run.progress.partitions())?;
                    run.paused = false;
                    tracing::info!(partitions = list(&partitions), "partitions assigned");
                }
                Rebalance::Revoked(partitions) => {
                    run.progress.give_up(&partitions);
                    tracing::info!(partitions = list(&partitions), "partitions revoked");
                    gone.extend(partitions);
                }
            }
            self.watched.at(run.progress.standings());
        }
        Ok(gone)
    }

    /// Pauses and resumes as the control plane says; what was fetched meanwhile is read again.
    fn follow_control(&self, run: &mut Run<'_>) -> Result<(), Ended> {
        if self.control.is_paused() == run.paused {
            return Ok(());
        }
        run.paused = !run.paused;
        let partitions = run.progress.partitions();
        if run.paused {
            run.consumer.seek(&run.progress.positions())?;
            run.consumer.pause(&partitions)?;
        } else {
            run.consumer.resume(&partitions)?;
        }
        Ok(())
    }

    fn wait<T>(&self, dependency: &str, step: impl Fn() -> Result<T, Attempt>) -> Result<T, Error> {
        let step = || std::future::ready(step());
        Handle::current().block_on(wait_for(dependency, &self.stop, &self.health, step))
    }
}

/// A judged record as it goes on, with the span of its being sent.
fn outgoing<'r>(
    stream: &'r Stream,
    record: &'r Record<'_>,
    verdict: &'r Verdict,
    span: Option<Span>,
) -> Outgoing<'r> {
    let context = span.as_ref().map(|span| span.context().traceparent());
    let context = context.as_deref();
    let (topic, value, headers) = match verdict {
        Verdict::Valid => (&stream.valid, record.value(), headers::valid(record, None, context)),
        Verdict::Marked(marks) => {
            let normalised = marks.normalised.as_ref().map(|normalised| &*normalised.value);
            (&stream.valid, normalised.or(record.value()), headers::valid(record, Some(marks), context))
        }
        Verdict::Refused(refusal) => {
            let version = stream.contract.version();
            (&stream.dlq, record.value(), headers::dead_letter(record, refusal, version, context))
        }
    };
    Outgoing {
        topic,
        partition: Some(record.partition()),
        key: record.key(),
        value,
        timestamp_ms: Some(record.timestamp_ms()),
        headers,
        receipt: span.map(kafka::ended_by),
    }
}

/// An error that only somebody's change of a setting or a right can mend.
pub(crate) fn refused(error: kafka::Error) -> Error {
    match error.class() {
        Class::Config => Error::config(
            Connection::FLAGS,
            error.to_string(),
            "properties that librdkafka knows, and rights that the cluster gives",
        ),
        _ => Error::failed(error),
    }
}

fn attempt(error: kafka::Error) -> Attempt {
    match error.class() {
        Class::Config | Class::Data => Attempt::GiveUp(refused(error)),
        Class::Infrastructure | Class::Abortable | Class::Fenced => Attempt::Retry(error.into()),
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
