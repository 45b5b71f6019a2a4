//! The validator's thread: consume, judge, forward, commit; and back to the last commit when something went wrong.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use dead_letter::{Context as Letter, is_own_header};
use kafka::{
    BatchLimits, Class, Connection, Consumer, ConsumerSettings, Headers, Outgoing, Rebalance, Record,
    TopicPartition, TransactionalProducer,
};
use schema_registry::{Registry, SchemaId};
use service::{Attempt, Context, Control, Error, Health, Stop, clock, wait_for};
use telemetry::{Counter, Metrics, names};
use tokio::runtime::Handle;

use crate::{
    Settings,
    progress::{Progress, Tally},
    stream::Stream,
    verdict::{Bench, Refusal, Schema},
    watch::Watched,
};

/// Where Linux tells the host's name; in a container it is the container's.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// The verdict of a good record among the reasons of the bad ones.
const VALID: &str = "VALID";
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
    registry: Arc<Registry>,
    kafka: Connection,
    transactional_id: String,
    consumer_settings: ConsumerSettings,
    limits: BatchLimits,
    stop: Stop,
    health: Health,
    control: Control,
    metrics: Metrics,
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
    /// The cluster has forgotten or replaced this instance; a new session may do better.
    Fenced(String),
    /// Nothing will do better.
    Failed(Error),
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
            _ => Self::Failed(Error::failed(error)),
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
        Ok(Self {
            streams: streams.into_iter().map(|stream| (stream, Bench::new())).collect(),
            registry,
            kafka: settings.kafka.clone(),
            consumer_settings: ConsumerSettings {
                group_id: settings.group_id.clone(),
                client_id: id.clone(),
                instance_id: settings.instance.as_ref().map(|_| id.clone()),
                properties: Vec::new(),
            },
            transactional_id: id,
            limits: BatchLimits {
                rows_max: settings.batch_rows_max,
                bytes_max: settings.batch_bytes_max,
                wait: POLL_WAIT,
                linger: Duration::from_millis(settings.batch_linger_ms),
            },
            stop: context.stop.clone(),
            health: context.health.clone(),
            control: context.control.clone(),
            metrics: context.metrics.clone(),
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
            match consumer.poll_batch(&self.limits, &mut batch) {
                Err(error) if error.class() == Class::Infrastructure => self.watched.failed(&error),
                polled => polled?,
            }
            if self.follow_group(&mut run)? {
                batch.retain(|record| run.progress.owns(record.topic(), record.partition()));
            }
            self.follow_control(&mut run)?;
            if !batch.is_empty() && !run.paused {
                self.handle(&mut run, &batch)?;
            }
            batch.clear();
        }
        Ok(())
    }

    /// Judges a batch and moves it in one transaction; whatever goes wrong, it is done again or not at all.
    fn handle(&mut self, run: &mut Run<'_>, batch: &[Record<'_>]) -> Result<(), Ended> {
        let verdicts = self.judge(batch)?;
        let mut tally = Tally::default();
        for (record, verdict) in batch.iter().zip(&verdicts) {
            tally.add(record.topic(), record.partition(), record.offset(), verdict.is_none());
        }
        let mut is_repeated = false;
        let moved = self.forward(run, batch, &verdicts).and_then(|()| {
            run.producer.commit(run.consumer, &run.progress.offsets(&tally), |error| {
                is_repeated = true;
                self.keep_trying(error)
            })
        });
        if let Err(error) = moved {
            return self.recover(run, error);
        }
        run.progress.advance(&tally);
        self.watched.at(run.progress.next_offsets());
        self.count(batch, &verdicts);
        if is_repeated {
            self.health.set(TRANSACTIONS, Ok(()));
            // A first request to commit may still be on its way; a new epoch shuts it out of the next transaction.
            run.producer = self.take_transactional_id()?;
        }
        Ok(())
    }

    fn judge(&mut self, batch: &[Record<'_>]) -> Result<Vec<Option<Box<Refusal>>>, Error> {
        let (registry, stop, health) = (&self.registry, &self.stop, &self.health);
        let mut verdicts = Vec::with_capacity(batch.len());
        for record in batch {
            let (stream, bench) = find(&mut self.streams, record);
            let look_up = |id| look_up(registry, stop, health, id);
            let verdict =
                bench.judge(stream, record.value(), record.headers(), record.timestamp_ms(), look_up)?;
            verdicts.push(verdict.map(Box::new));
        }
        Ok(verdicts)
    }

    fn forward(
        &mut self,
        run: &Run<'_>,
        batch: &[Record<'_>],
        verdicts: &[Option<Box<Refusal>>],
    ) -> Result<(), kafka::Error> {
        run.producer.begin()?;
        for (record, verdict) in batch.iter().zip(verdicts) {
            let (stream, _) = find(&mut self.streams, record);
            let (topic, headers) = match verdict {
                None => (&stream.valid, Headers::from_record(record)),
                Some(refusal) => {
                    (&stream.dlq, dead_letter_headers(record, refusal, stream.contract.version()))
                }
            };
            run.producer.send(Outgoing {
                topic,
                partition: Some(record.partition()),
                key: record.key(),
                value: record.value(),
                timestamp_ms: Some(record.timestamp_ms()),
                headers,
            })?;
        }
        Ok(())
    }

    /// Back to the last commit: abort, then read again from there.
    fn recover(&self, run: &Run<'_>, error: kafka::Error) -> Result<(), Ended> {
        if error.class() == Class::Fenced {
            return Err(error.into());
        }
        tracing::warn!(%error, "a transaction is given up and its records are read again");
        if let Err(error) = run.producer.abort(|error| self.keep_trying(error)) {
            return Err(if self.stop.is_stopping() {
                Error::Stopped.into()
            } else {
                Ended::Fenced(error.to_string())
            });
        }
        self.health.set(TRANSACTIONS, Ok(()));
        if error.class() == Class::Data {
            let hint = "a topic takes smaller records than the one before it; raise its max.message.bytes";
            return Err(Error::failed(format!("{error}; {hint}")).into());
        }
        Handle::current()
            .block_on(async { tokio::time::timeout(RECOVERY_PAUSE, self.stop.requested()).await.ok() });
        Ok(run.consumer.seek(&run.progress.positions())?)
    }

    /// Takes the transactional id, which aborts what an earlier holder left open.
    fn take_transactional_id(&self) -> Result<TransactionalProducer, Error> {
        self.wait("kafka", || {
            let producer = self.kafka.transactional_producer(&self.transactional_id);
            producer.and_then(|producer| producer.init().map(|()| producer)).map_err(attempt)
        })
    }

    /// Waits until every topic is there, naming the first that is not.
    fn await_topics(&self) -> Result<(), Error> {
        let admin = self.kafka.admin().map_err(Error::failed)?;
        self.wait("kafka topics", || {
            let known = admin.topics().map_err(attempt)?;
            let mut wanted = self.streams.iter().flat_map(|(stream, _)| stream.topics());
            match wanted.find(|name| known.iter().all(|topic| topic.name != *name)) {
                Some(name) => Err(Attempt::Retry(
                    format!("topic {name} does not exist; create it: turnpike topics create").into(),
                )),
                None => Ok(()),
            }
        })
    }

    /// Partitions that come start where their last owner committed; those that go are forgotten. Says if any did.
    fn follow_group(&self, run: &mut Run<'_>) -> Result<bool, Ended> {
        let changes = run.consumer.rebalances();
        let any = !changes.is_empty();
        for change in changes {
            match change {
                Rebalance::Assigned(partitions) => {
                    let committed =
                        self.wait("kafka", || run.consumer.committed(&partitions).map_err(attempt))?;
                    run.consumer.start(&run.progress.take(&committed))?;
                    // Partitions are paused one by one: those that come while paused must join the others.
                    run.paused = false;
                    tracing::info!(partitions = list(&partitions), "partitions assigned");
                }
                Rebalance::Revoked(partitions) => {
                    run.progress.give_up(&partitions);
                    tracing::info!(partitions = list(&partitions), "partitions revoked");
                }
            }
            self.watched.at(run.progress.next_offsets());
        }
        Ok(any)
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

    fn keep_trying(&self, error: &kafka::Error) -> bool {
        self.health.set(TRANSACTIONS, Err(error.to_string()));
        !self.stop.is_stopping()
    }

    fn wait<T>(&self, dependency: &str, step: impl Fn() -> Result<T, Attempt>) -> Result<T, Error> {
        let step = || std::future::ready(step());
        Handle::current().block_on(wait_for(dependency, &self.stop, &self.health, step))
    }

    fn count(&self, batch: &[Record<'_>], verdicts: &[Option<Box<Refusal>>]) {
        // Runs of the same topic and verdict are counted at once: nearly always one run a batch.
        let mut runs: Vec<(Counter, u64)> = Vec::new();
        let mut last = None;
        for (record, verdict) in batch.iter().zip(verdicts) {
            let kind = (record.topic(), verdict.as_ref().map(|refusal| (refusal.stage, refusal.reason)));
            if last != Some(kind) {
                let reason = kind.1.map_or(VALID, |(_, reason)| reason.code());
                let labels = [(names::STREAM, kind.0), (names::REASON, reason)];
                runs.push((self.metrics.counter(&names::VERDICTS, &labels), 0));
                last = Some(kind);
            }
            if let Some((_, count)) = runs.last_mut() {
                *count += 1;
            }
            if let Some((stage, reason)) = kind.1 {
                let labels = [(names::STAGE, stage.name()), (names::REASON, reason.code())];
                self.metrics.counter(&names::DEAD_LETTERS, &labels).add(1);
            }
        }
        for (counter, count) in runs {
            counter.add(count);
        }
    }
}

fn attempt(error: kafka::Error) -> Attempt {
    match error.class() {
        Class::Config | Class::Data => Attempt::GiveUp(Error::failed(error)),
        Class::Infrastructure | Class::Abortable | Class::Fenced => Attempt::Retry(error.into()),
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn find<'s>(streams: &'s mut [(Stream, Bench)], record: &Record<'_>) -> &'s mut (Stream, Bench) {
    let topic = record.topic();
    let index = streams.iter().position(|(stream, _)| *stream.raw == *topic);
    &mut streams[index.expect("only subscribed topics are polled")]
}

/// Asks the registry for a schema, for as long as it is away.
fn look_up(registry: &Registry, stop: &Stop, health: &Health, id: SchemaId) -> Result<Schema, Error> {
    let attempt = || async {
        match registry.shape(id).await {
            Ok(shape) => Ok(Schema::Known(shape)),
            Err(error) => match error {
                schema_registry::Error::UnknownSchema(_) => Ok(Schema::Unknown),
                schema_registry::Error::Unusable { .. } => Ok(Schema::Unusable(error.to_string())),
                schema_registry::Error::Refused { .. } | schema_registry::Error::Away { .. } => {
                    Err(Attempt::Retry(error.into()))
                }
            },
        }
    };
    Handle::current().block_on(wait_for("schema registry", stop, health, attempt))
}

/// The record's own headers, then those of the dead letter in place of any that it carried before.
fn dead_letter_headers(record: &Record<'_>, refusal: &Refusal, contract_version: &str) -> Headers {
    let own = record.headers().filter(|(name, _)| !is_own_header(name));
    let headers = own.fold(Headers::new(), |headers, (name, value)| headers.add(name, value));
    let letter = Letter {
        topic: record.topic().to_owned(),
        partition: record.partition(),
        offset: record.offset(),
        connector_name: "validator".to_owned(),
        task_id: 0,
        stage: refusal.stage,
        exception_class: format!("turnpike.{}", refusal.reason),
        exception_message: refusal.message.clone(),
        reason: refusal.reason,
        rule: refusal.rule.clone(),
        detail: refusal.detail.clone(),
        contract_version: Some(contract_version.to_owned()),
        attempt: Letter::attempts_of(record.headers()) + 1,
        failed_at_ms: clock::now_ms(),
    };
    letter.headers().iter().fold(headers, |headers, (name, value)| headers.add(name, Some(value.as_bytes())))
}
