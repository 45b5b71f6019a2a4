//! Kafka's side of a task: reads records, makes rows of them while the database is busy with those before, and keeps the
//! task's place in the group however long the database takes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kafka::{Class, Consumer, Position, Rebalance, Record, TopicPartition};
use schema_registry::{Registry, SchemaId};
use service::{Control, Error, Health, Stop, cause_chain, clock};
use telemetry::Tracer;
use tokio::{
    runtime::Handle,
    sync::mpsc::{Receiver, Sender, error::TrySendError},
};

use crate::{
    avro::schema_of,
    batch::{Batch, Outcome, Rows, Span, is_of},
    cluster::{Cluster, View},
    connector::{Connector, Topics},
    meters::Meters,
    state::{Partition, Progress, State},
    store::{Event, Work},
    styled::Styled,
    task::Fenced,
    traces::{Polled, Traces},
};

/// What the polling side works with.
pub(crate) struct Poller<'c> {
    /// What the task does.
    pub(crate) connector: Arc<Connector>,
    /// Whose records are read.
    pub(crate) consumer: &'c Consumer,
    /// Where schemas are found.
    pub(crate) registry: Arc<Registry>,
    /// How records of each table become rows; the names are the tables' topics.
    pub(crate) tables: Vec<Arc<Rows>>,
    /// The table of each topic, by its place in `tables`; empty if there is one table.
    pub(crate) table_of_topic: BTreeMap<String, usize>,
    /// What it asks of the database's side.
    pub(crate) work: Sender<Work<'c>>,
    /// What it is told by the database's side.
    pub(crate) events: Receiver<Event<'c>>,
    /// What it counts.
    pub(crate) meters: Meters,
    /// What makes the spans of its records.
    pub(crate) tracer: Tracer,
    /// Whether it is to pause.
    pub(crate) control: Control,
    /// Whether it is to stop.
    pub(crate) stop: Stop,
    /// Where it says whether the registry answers.
    pub(crate) health: Health,
    /// What else there is to ask of Kafka.
    pub(crate) cluster: Arc<Cluster>,
    /// What it lets others see.
    pub(crate) view: Arc<View>,
    /// Where it waits.
    pub(crate) runtime: Handle,
    /// What it has in hand.
    pub(crate) hand: Hand<'c>,
    /// What it knows of its partitions and of the time.
    pub(crate) state: State,
    /// Where it says, in the words of a source pipeline, what it reads.
    pub(crate) styled: Styled,
}

/// Records on their way to the database's side.
#[derive(Default)]
pub(crate) struct Hand<'c> {
    records: Vec<Record<'c>>,
    bytes: usize,
    /// When the records were polled, if anybody wants to know.
    polled: Option<Polled>,
}

impl Hand<'_> {
    /// Whether it has a record of a partition.
    fn holds(&self, at: &TopicPartition) -> bool {
        self.records.iter().any(|record| is_of(at, record))
    }
}

/// How long a turn waits for the first record, and so the longest delay of everything that is not a record.
const TURN: Duration = Duration::from_millis(50);
/// How long records may wait for the database's side before the partitions are paused, to go on polling without them.
const HAND_OVER: Duration = Duration::from_secs(1);
/// How often offsets are shown and committed.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How long a partition is left alone after another writer took it, if the group still says that it is ours.
const TAKE_AGAIN: Duration = Duration::from_secs(1);
/// How long the registry is left alone after it failed.
const REGISTRY_PAUSE: Duration = Duration::from_millis(500);

impl<'c> Poller<'c> {
    /// Reads until the service stops or the database's side ends.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let read = self.turns();
        self.end();
        read
    }

    fn turns(&mut self) -> Result<(), Error> {
        let topics = match &self.connector.topics {
            Topics::Named(topics) => topics.clone(),
            Topics::Pattern(pattern) => vec![format!("^({pattern})$")],
        };
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&names).map_err(|error| self.kafka_error(&error))?;
        while !self.stop.is_stopping() && !self.work.is_closed() {
            self.hear()?;
            self.ask();
            self.look_around();
            if self.control.is_paused() {
                self.hold()?;
            } else if self.is_time_to_make_rows() {
                if !self.make_rows()? {
                    self.hold()?;
                }
            } else {
                self.go_on()?;
                self.poll()?;
            }
        }
        Ok(())
    }

    /// Polls into the hand; what is not to be read, or not any more, does not stay there.
    fn poll(&mut self) -> Result<(), Error> {
        let limits = &self.connector.batch;
        let (rows_max, linger) = if self.state.held {
            // Nothing is expected then but changes of the group, which only a poll brings about.
            (self.hand.records.len() + 1, TURN)
        } else {
            (limits.rows_max, limits.linger)
        };
        let bytes_max = limits.bytes_max.saturating_sub(self.hand.bytes).max(1);
        let limits = kafka::BatchLimits { rows_max, bytes_max, wait: TURN, linger };
        let before = self.hand.records.len();
        let began = self.tracer.is_on().then(clock::system);
        let polled = self.consumer.poll_batch(&limits, &mut self.hand.records);
        let has_room = self.hand.records.len() < rows_max;
        for change in self.consumer.rebalances() {
            match change {
                Rebalance::Assigned(partitions) => self.assigned(partitions),
                Rebalance::Revoked(partitions) => self.revoked(partitions),
            }
        }
        if !self.state.all_running() {
            self.hand.records.retain(|record| self.state.is_running(record));
        }
        self.hand.bytes = self.hand.records.iter().map(Record::size).sum();
        let has_room = has_room && self.hand.bytes < self.connector.batch.bytes_max;
        self.state.has_drained |= has_room && polled.is_ok() && !self.state.held;
        if self.hand.records.len() > before {
            let earlier = self.hand.polled.filter(|_| before > 0);
            self.hand.polled = began.map(|began| Polled::after(earlier, began, clock::system()));
        }
        match polled {
            Err(error) if error.class() == Class::Infrastructure => {
                tracing::debug!(connector = self.connector.name, %error, "a poll failed");
                self.view.failed(cause_chain(&error));
                Ok(())
            }
            Err(error) => Err(self.kafka_error(&error)),
            Ok(_) => Ok(()),
        }
    }

    fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        let progress = Progress::Untaken(clock::instant());
        for at in partitions {
            self.state.released.retain(|released| *released != at);
            self.state
                .partitions
                .insert(at, Partition { progress, started: false, next_offset: 0, stored_ms: 0 });
        }
    }

    fn revoked(&mut self, partitions: Vec<TopicPartition>) {
        for at in partitions {
            self.state.partitions.remove(&at);
            self.state.released.push(at);
        }
        self.hand.records.retain(|record| self.state.find(record).is_some());
    }

    /// Takes in what the database's side has to say.
    fn hear(&mut self) -> Result<(), Error> {
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::Taken(at, next_offset) => {
                    let asked = |partition: &Partition| partition.progress == Progress::Taking;
                    if self.state.partitions.get(&at).is_some_and(asked) {
                        self.start(&at, next_offset)?;
                    }
                }
                Event::Lost(at) => self.untake(&at)?,
                Event::Done(batch) => done(batch, &mut self.state, &self.meters, &self.styled),
            }
        }
        Ok(())
    }

    /// Reads a partition from where the ledger goes on, once it is sure that the topic is still the one that the ledger means.
    fn start(&mut self, at: &TopicPartition, next_offset: i64) -> Result<(), Error> {
        let first = match self.check(at, next_offset) {
            Ok(first) => first,
            Err(reason) => {
                self.view.failed(reason);
                return self.untake(at);
            }
        };
        // A pause outlasts a change of owner.
        self.resume(std::slice::from_ref(at))?;
        let Some(partition) = self.state.partitions.get_mut(at) else { return Ok(()) };
        // Always an offset, never "the beginning": that would be asked for once more, and be disturbed by a pause.
        let offset = next_offset.max(first);
        let positions = [(at.clone(), Position::Offset(offset))];
        let started =
            if partition.started { self.consumer.seek(&positions) } else { self.consumer.start(&positions) };
        let stored_ms = clock::now_ms();
        *partition = Partition { progress: Progress::Running, started: true, next_offset, stored_ms };
        started.map_err(|error| self.kafka_error(&error))?;
        if self.state.held {
            self.pause(vec![at.clone()])?;
        }
        tracing::info!(connector = self.connector.name, partition = %at, offset, "reading {at} from offset {offset}");
        self.styled.reading(&at.topic);
        Ok(())
    }

    /// The first offset that there is. What retention has deleted before it was read is told; a topic that ends before the
    /// ledger goes on is not the topic that the ledger means.
    fn check(&mut self, at: &TopicPartition, next_offset: i64) -> Result<i64, String> {
        let (first, end) = self.cluster.ends(at).map_err(|error| cause_chain(&error))?;
        if next_offset > end || self.state.replaced.get(at) == Some(&next_offset) {
            self.state.replaced.insert(at.clone(), next_offset);
            return Err(format!(
                "the ledger of connector {} goes on from offset {next_offset} of {at}, which was shorter than that: the topic was \
                 created anew; delete its rows from turnpike.ledger to read it from the start",
                self.connector.name
            ));
        }
        self.state.replaced.remove(at);
        if next_offset > 0 && next_offset < first {
            let records = first - next_offset;
            tracing::error!(
                connector = self.connector.name, partition = %at, next_offset, first,
                "up to {records} records of {at} were deleted by the topic's retention before they were read"
            );
        }
        Ok(first)
    }

    /// Stops reading a partition until it is taken (again) in the ledger.
    fn untake(&mut self, at: &TopicPartition) -> Result<(), Error> {
        let Some(partition) = self.state.partitions.get_mut(at) else { return Ok(()) };
        partition.progress = Progress::Untaken(clock::instant() + TAKE_AGAIN);
        let is_read = partition.started;
        self.hand.records.retain(|record| self.state.is_running(record));
        self.hand.bytes = self.hand.records.iter().map(Record::size).sum();
        if is_read { self.pause(vec![at.clone()]) } else { Ok(()) }
    }

    /// Passes on which partitions came and went. What is in hand belongs to none that went.
    fn ask(&mut self) {
        if !self.state.released.is_empty() {
            let released = Work::Release(std::mem::take(&mut self.state.released));
            if let Err(TrySendError::Full(Work::Release(partitions))) = self.work.try_send(released) {
                self.state.released = partitions;
            }
        }
        let due = self.state.due(clock::instant());
        if !due.is_empty()
            && self.state.released.is_empty()
            && self.work.try_send(Work::Take(due.clone())).is_ok()
        {
            for at in due {
                self.state.partitions.entry(at).and_modify(|partition| partition.progress = Progress::Taking);
            }
        }
    }

    /// Full batches while the database's side has enough to do; whatever there is as soon as it has not.
    fn is_time_to_make_rows(&self) -> bool {
        let Hand { records, bytes, .. } = &self.hand;
        let limits = &self.connector.batch;
        let is_full = records.len() >= limits.rows_max || *bytes >= limits.bytes_max;
        !records.is_empty() && (is_full || self.work.capacity() > 0)
    }

    /// Makes rows of what is in hand and gives them to the database's side; `false` if that has no room within [`HAND_OVER`], or
    /// if a schema is not known yet.
    fn make_rows(&mut self) -> Result<bool, Error> {
        if !self.find_schemas()? {
            return Ok(false);
        }
        // Rows are made when they are wanted: until then a record needs no memory but its own.
        let work = self.work.clone();
        let wait = if self.state.held { TURN } else { HAND_OVER };
        let reserved = self.runtime.block_on(async { tokio::time::timeout(wait, work.reserve()).await });
        let permit = match reserved {
            Ok(Ok(permit)) => permit,
            // The other side has ended, and its error is the one to be told.
            Ok(Err(_)) => return Ok(true),
            Err(_) => return Ok(false),
        };
        let began = clock::instant();
        let records = std::mem::take(&mut self.hand.records);
        self.hand.bytes = 0;
        let traces = Traces::find(&self.tracer, &records, self.hand.polled.take(), clock::system);
        let table_of = |record: &Record<'c>| self.table_of_topic.get(record.topic()).copied().unwrap_or(0);
        let name_of = |record: &Record<'c>| {
            let (at, _) = self.state.find(record).expect("records of other partitions are not kept");
            at.clone()
        };
        let batch = Batch::new(records, &self.tables, table_of, name_of, (began, traces));
        for span in &batch.spans {
            self.meters.consumed(&span.at.topic, span.records);
        }
        self.state.handed_over(batch.spans.iter().map(|span| span.at.clone()).collect());
        permit.send(Work::Store(Box::new(batch)));
        Ok(true)
    }

    /// Whether every schema that the records in hand name is known, or known to be unknown. Asks the registry if not.
    fn find_schemas(&mut self) -> Result<bool, Error> {
        let mut unknown: Vec<(usize, SchemaId)> = Vec::new();
        for record in &self.hand.records {
            let table = self.table_of_topic.get(record.topic()).copied().unwrap_or(0);
            if let Rows::Avro(rows) = &*self.tables[table]
                && let Ok((id, _)) = schema_of(record)
                && !rows.knows(id)
                && !unknown.contains(&(table, id))
            {
                unknown.push((table, id));
            }
        }
        if unknown.is_empty() {
            return Ok(true);
        }
        if self.state.registry_again_at > clock::instant() {
            return Ok(false);
        }
        for (table, id) in unknown {
            let asking = async {
                tokio::select! {
                    shape = self.registry.shape(id) => Some(shape),
                    () = self.stop.requested() => None,
                }
            };
            match self.runtime.block_on(asking) {
                Some(Ok(shape)) => {
                    if let Rows::Avro(rows) = &*self.tables[table] {
                        self.tables[table] = Arc::new(Rows::Avro(rows.with_schema(id, shape)?));
                    }
                }
                Some(Err(error)) if error.class() == schema_registry::Class::Data => {
                    let connector = &self.connector.name;
                    tracing::warn!(connector, %id, "records of schema {id} are set aside: {}", cause_chain(&error));
                }
                Some(Err(error)) => {
                    self.state.registry_again_at = clock::instant() + REGISTRY_PAUSE;
                    self.health.set("schema-registry", Err(cause_chain(&error)));
                    return Ok(false);
                }
                None => return Ok(false),
            }
        }
        self.health.set("schema-registry", Ok(()));
        Ok(true)
    }

    /// Polls without reading: the partitions are paused, the group's changes are followed.
    fn hold(&mut self) -> Result<(), Error> {
        if !self.state.held {
            self.state.held = true;
            self.pause(self.state.running_partitions())?;
        }
        self.poll()
    }

    fn go_on(&mut self) -> Result<(), Error> {
        if !self.state.held {
            return Ok(());
        }
        self.state.held = false;
        self.resume(&self.state.running_partitions())
    }

    fn pause(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Error> {
        self.consumer.pause(&partitions).map_err(|error| self.kafka_error(&error))?;
        self.state.paused.extend(partitions);
        Ok(())
    }

    /// Resumes those that are paused; the client would fetch the others anew.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        let paused: Vec<TopicPartition> =
            partitions.iter().filter_map(|at| self.state.paused.take(at)).collect();
        if paused.is_empty() {
            return Ok(());
        }
        self.consumer.resume(&paused).map_err(|error| self.kafka_error(&error))
    }

    /// Once a second: what others may know of how far the task is.
    fn look_around(&mut self) {
        let now = clock::instant();
        if now < self.state.look_around_at {
            return;
        }
        self.state.look_around_at = now + LOOK_AROUND;
        let has_drained = std::mem::take(&mut self.state.has_drained);
        let is_taking = has_drained && !self.state.held;
        self.view.show(self.state.shown(is_taking, |at| self.hand.holds(at)));
        self.commit();
    }

    fn commit(&mut self) {
        if !std::mem::take(&mut self.state.uncommitted) {
            return;
        }
        if let Err(error) = self.consumer.commit(&self.state.offsets()) {
            tracing::debug!(connector = self.connector.name, %error, "offsets were not committed; the ledger has them");
        }
    }

    /// Lets the database's side finish what it has in hand, and tells Kafka about it.
    fn end(self) {
        let Self { work, mut events, runtime, consumer, mut state, connector, meters, styled, .. } = self;
        drop(work);
        while let Some(event) = runtime.block_on(events.recv()) {
            if let Event::Done(batch) = event {
                done(batch, &mut state, &meters, &styled);
            }
        }
        if let Err(error) = consumer.commit(&state.offsets()) {
            tracing::debug!(connector = connector.name, %error, "offsets were not committed; the ledger has them");
        }
    }

    fn kafka_error(&self, error: &kafka::Error) -> Error {
        match error.class() {
            Class::Config => Error::config(
                format!("connector {}: {}", self.connector.name, kafka::Connection::FLAGS),
                cause_chain(error),
                "settings and rights that the cluster accepts",
            ),
            Class::Fenced => Error::failed(Fenced(cause_chain(error))),
            _ => Error::failed(cause_chain(error)),
        }
    }
}

/// Counts and tells what became of a batch, and lets its records go: here, so that the database does not wait for it.
fn done(mut batch: Box<Batch<'_>>, state: &mut State, meters: &Meters, styled: &Styled) {
    let Some(outcome) = batch.outcome.take() else {
        state.stored(Vec::new());
        return;
    };
    state.stored(batch.spans.iter().map(Span::stored).collect());
    meters.stored(&batch, &outcome);
    let Outcome { flush, committed_at, .. } = outcome;
    std::mem::take(&mut batch.traces).stored(&batch, &flush.rejected, committed_at);
    styled.stored(&batch, &flush.rejected);
}
