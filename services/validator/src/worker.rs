//! The validator's thread: consume, judge, forward, commit; and back to the last commit when something went wrong.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka::{
    BatchLimits, Class, Connection, Consumer, ConsumerSettings, Outgoing, Rebalance, Record, TopicPartition,
    TransactionalProducer,
};
use schema_registry::Registry;
use service::{Attempt, Context, Control, Error, Health, Stop, clock, wait_for};
use tokio::runtime::Handle;

use crate::{
    Settings,
    bench::{Bench, Raw},
    headers,
    laps::{Laps, Step},
    meters::Meters,
    progress::{Counts, Progress, Tally},
    schemas::Patient,
    stream::Stream,
    traced::{Traced, Tracing},
    verdict::Verdict,
    watch::Watched,
};

/// Where Linux tells the host's name; in a container it is the container's.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// How long a poll waits for a first record; bounds how late a stop or a pause is seen.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// Being shut out twice within this time means that somebody else uses the same identity.
const FENCED_AGAIN: Duration = Duration::from_secs(30);
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
        let mut batch: Vec<Record<'_>> = Vec::with_capacity(self.limits.rows_max);
        while !self.stop.is_stopping() {
            let mut laps = Laps::start(clock::system(), clock::instant());
            let polled = consumer.poll_batch(&self.limits, &mut batch);
            let is_polled = polled.is_ok();
            match polled {
                Err(error) if error.class() == Class::Infrastructure => self.watched.failed(&error),
                polled => polled?,
            }
            laps.end(Step::Poll, clock::instant());
            let gone = self.follow_group(&mut run)?;
            if !gone.is_empty() {
                batch.retain(|record| {
                    !gone.iter().any(|at| at.partition == record.partition() && *at.topic == *record.topic())
                });
            }
            self.follow_control(&mut run)?;
            self.watched.reads(is_polled && !run.paused && !run.progress.is_empty(), clock::instant());
            if !batch.is_empty() && !run.paused {
                self.handle(&mut run, &batch, laps)?;
            }
            batch.clear();
        }
        Ok(())
    }

    /// Judges a batch and moves it in one transaction; whatever goes wrong, it is done again or not at all.
    fn handle(&mut self, run: &mut Run<'_>, batch: &[Record<'_>], mut laps: Laps) -> Result<(), Ended> {
        let verdicts = self.judge(batch)?;
        laps.end(Step::Judge, clock::instant());
        let mut traced = self.tracing.batch(&laps, batch.len());
        let before = run.producer.delivered();
        let sent = self.forward(run, batch, &verdicts, &mut traced);
        // What is logged from here on belongs to the transaction's trace.
        let _context = traced.attach();
        let mut patience = Patience::new(self);
        let tally = tally(batch, &verdicts);
        let moved = sent.and_then(|()| {
            laps.end(Step::Send, clock::instant());
            traced.commits(&laps);
            run.producer.commit(run.consumer, &run.progress.offsets(&tally), |error| {
                let goes_on = patience.keep_trying(error);
                traced.fails(error, goes_on);
                goes_on
            })
        });
        laps.end(Step::Commit, clock::instant());
        let is_tried = patience.is_tried();
        if let Err(error) = moved {
            traced.aborted(&error, &laps);
            return self.recover(run, error, is_tried);
        }
        run.progress.advance(&tally);
        self.watched.at(run.progress.standings());
        self.meters.balance(batch.len(), run.producer.delivered() - before);
        self.meters.count(batch, &verdicts, traced.records(), &laps);
        traced.committed(&laps);
        if is_tried {
            // A first request to commit may still be on its way; a new epoch shuts it out of the next transaction.
            run.producer = self.take_transactional_id()?;
        }
        Ok(())
    }

    fn judge(&mut self, batch: &[Record<'_>]) -> Result<Vec<Verdict>, Error> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for run in batch.chunk_by(Record::is_beside) {
            let (stream, bench) = find(&mut self.streams, &run[0]);
            for record in run {
                let raw = Raw {
                    value: record.value(),
                    partition: record.partition(),
                    offset: record.offset(),
                    timestamp_ms: record.timestamp_ms(),
                };
                verdicts.push(bench.judge(stream, raw, record.headers(), &self.schemas)?);
            }
        }
        Ok(verdicts)
    }

    fn forward(
        &mut self,
        run: &Run<'_>,
        batch: &[Record<'_>],
        verdicts: &[Verdict],
        traced: &mut Traced,
    ) -> Result<(), kafka::Error> {
        run.producer.begin()?;
        let mut verdicts = verdicts.iter();
        for stretch in batch.chunk_by(Record::is_beside) {
            let found = find(&mut self.streams, &stretch[0]);
            for (record, verdict) in stretch.iter().zip(&mut verdicts) {
                let span = self.tracing.follow(traced, record, verdict, found);
                let context = span.as_ref().map(|span| span.context().traceparent());
                let context = context.as_deref();
                let (stream, _) = found;
                let (topic, value, headers) = match verdict {
                    Verdict::Valid => (&stream.valid, record.value(), headers::valid(record, None, context)),
                    Verdict::Marked(marks) => {
                        let normalised = marks.normalised.as_ref().map(|normalised| &*normalised.value);
                        let headers = headers::valid(record, Some(marks), context);
                        (&stream.valid, normalised.or(record.value()), headers)
                    }
                    Verdict::Refused(refusal) => {
                        let version = stream.contract.version();
                        let headers = headers::dead_letter(record, refusal, version, context);
                        (&stream.dlq, record.value(), headers)
                    }
                };
                run.producer.send(Outgoing {
                    topic,
                    partition: Some(record.partition()),
                    key: record.key(),
                    value,
                    timestamp_ms: Some(record.timestamp_ms()),
                    headers,
                    receipt: span.map(kafka::ended_by),
                })?;
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
                    let committed =
                        self.wait("kafka", || run.consumer.committed(&partitions).map_err(attempt))?;
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

fn tally(batch: &[Record<'_>], verdicts: &[Verdict]) -> Tally {
    let mut tally = Tally::default();
    let mut verdicts = verdicts.iter();
    for stretch in batch.chunk_by(Record::is_beside) {
        let last = &stretch[stretch.len() - 1];
        let valid = verdicts.by_ref().take(stretch.len()).filter(|verdict| verdict.is_valid()).count() as u64;
        let read = stretch.len() as u64;
        let counts = Counts { read, valid, dead: read - valid };
        tally.add(last.topic(), last.partition(), last.offset(), last.timestamp_ms(), counts);
    }
    tally
}

fn find<'s>(streams: &'s mut [(Stream, Bench)], record: &Record<'_>) -> &'s mut (Stream, Bench) {
    let topic = record.topic();
    let index = streams.iter().position(|(stream, _)| *stream.raw == *topic);
    &mut streams[index.expect("only subscribed topics are polled")]
}
