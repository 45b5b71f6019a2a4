//! A connector's task: one consumer and one connection, each with a thread of its own, and between them few batches.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kafka::{Consumer, ConsumerSettings, Property};
use schema_registry::Registry;
use service::{Control, Error, Health, Stop, cause_chain, clock};
use telemetry::Tracer;
use tokio::{runtime, sync::mpsc};

use crate::{
    batch::Rows,
    cluster::Cluster,
    connector::Connector,
    meters::{Meters, group_of},
    poll::{Hand, Poller},
    reporter::Reporter,
    state::State,
    store::Store,
    styled::Styled,
};

/// The group has given this member's place to another, or has forgotten it.
#[derive(Debug, thiserror::Error)]
#[error("shut out by the group: {0}")]
pub(crate) struct Fenced(pub(crate) String);

/// A task that is about to start.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// What it does.
    pub(crate) connector: Arc<Connector>,
    /// Which of the connector's tasks it is, from 0.
    pub(crate) number: u32,
    /// A name of this writer that survives restarts.
    pub(crate) instance: Option<String>,
    /// How to reach Kafka.
    pub(crate) kafka: kafka::Connection,
    /// What else there is to ask of it.
    pub(crate) cluster: Arc<Cluster>,
    /// Where schemas are found.
    pub(crate) registry: Arc<Registry>,
    /// How records become rows of each table.
    pub(crate) tables: Tables,
    /// Where it counts.
    pub(crate) meters: Meters,
    /// What makes the spans of its records and batches.
    pub(crate) tracer: Tracer,
    /// Where it says what does not answer.
    pub(crate) health: Health,
    /// Whether it is to pause.
    pub(crate) control: Control,
    /// Whether it is to stop.
    pub(crate) stop: Stop,
    /// How it tells what it does in the words of a source pipeline.
    pub(crate) styled: Styled,
}

/// The tables of a connector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    /// How records become rows of each.
    pub(crate) rows: Vec<Arc<Rows>>,
    /// Where the records of each topic go, by the place in `rows`; a topic that is not named goes to the first.
    pub(crate) of_topic: BTreeMap<String, usize>,
}

/// Batches that wait for the database while it is busy with one and the next is being read: so many are in memory, plus two.
const BATCHES_WAITING: usize = 1;
/// Being shut out twice within this time means that somebody else uses the same identity. It is less than the 10 s after which the group takes a
/// member for dead: outages that follow each other shut it out as well, and no faster than that.
const FENCED_AGAIN: Duration = Duration::from_secs(8);
/// Answers of the database's side that wait to be read; they are read in every turn.
const EVENTS_WAITING: usize = 64;

/// What a task's consumer does otherwise than the services' others.
const CONSUMER: [(&str, &str); 2] = [
    // A writer has several connectors, and the database is slower than any fetch.
    ("queued.min.messages", "5000"),
    // Topics that are created later are found within this time.
    ("topic.metadata.refresh.interval.ms", "5000"),
];

impl Task {
    /// What the database of a connector's task is called in signals.
    pub(crate) fn database_name(connector: &Connector, number: u32) -> String {
        format!("mariadb ({}/{number})", connector.name)
    }

    /// Runs until the service stops or something fails for good. Blocks the thread.
    pub(crate) fn run(self) -> Result<(), Error> {
        let mut last_fenced: Option<Instant> = None;
        loop {
            let error = match self.session() {
                Err(Error::Failed(error)) if error.is::<Fenced>() => error,
                ended => return ended,
            };
            let now = clock::instant();
            if last_fenced.replace(now).is_some_and(|last| now - last < FENCED_AGAIN) {
                return Err(Error::failed(format!(
                    "connector {} was shut out twice ({error}); does another writer run with this --instance?",
                    self.connector.name
                )));
            }
            tracing::warn!(connector = self.connector.name, "{error}; starting over with a new session");
        }
    }

    /// Joins the group and works until told to stop, or until the group has no place for this member any more.
    fn session(&self) -> Result<(), Error> {
        let Self {
            connector,
            number,
            cluster,
            registry,
            tables,
            meters,
            tracer,
            health,
            control,
            stop,
            styled,
            ..
        } = self.clone();
        meters.connect.joined();
        let (consumer, reporter) = self.clients()?;
        let (work, asked) = mpsc::channel(BATCHES_WAITING);
        let (told, events) = mpsc::channel(EVENTS_WAITING);
        let database = Self::database_name(&connector, number);
        let store = Store::new(
            Arc::clone(&connector),
            database,
            reporter,
            meters.clone(),
            (stop.clone(), health.clone()),
            told,
        );
        let poller = Poller {
            view: cluster.view(meters.clone(), connector.topics.names()),
            cluster,
            consumer: &consumer,
            registry,
            tables: tables.rows,
            table_of_topic: tables.of_topic,
            work,
            events,
            meters,
            tracer,
            control,
            stop,
            health,
            runtime: runtime::Handle::current(),
            hand: Hand::default(),
            state: State::new(clock::instant()),
            styled,
            connector,
        };
        // A runtime of its own: the thread that waits for the database's answer is the one that is woken by it.
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::failed)?;
        thread::scope(|scope| {
            let name = thread::current().name().map(|name| format!("{name}-store")).unwrap_or_default();
            let storing = thread::Builder::new()
                .name(name)
                .spawn_scoped(scope, move || runtime.block_on(store.run(asked)));
            let storing = storing.map_err(Error::failed)?;
            let read = poller.run();
            let stored = storing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // If the database's side has failed, that is why the other one has ended.
            stored.and(read)
        })
    }

    /// The consumer, and whoever sets records aside if the connector has a topic for them.
    fn clients(&self) -> Result<(Consumer, Option<Reporter>), Error> {
        let Self { connector, number, instance, kafka, meters, tracer, .. } = self;
        let refused = |error: kafka::Error| {
            let setting = format!("connector {}: consumer.override.* or producer.override.*", connector.name);
            let allowed = "properties that librdkafka knows, with values that it takes";
            Error::config(setting, cause_chain(&error), allowed)
        };
        let settings = consumer_settings(connector, *number, instance.as_deref());
        let consumer = kafka.consumer(&settings).map_err(refused)?;
        let Some(topic) = &connector.dead_letter_topic else { return Ok((consumer, None)) };
        let client = format!("{}-dlq-{number}", group_of(&connector.name));
        let own = properties(&connector.producer_properties);
        let producer = kafka.producer(&client, &own).map_err(refused)?;
        Ok((consumer, Some(Reporter::new(producer, topic, (&connector.name, *number), meters, tracer))))
    }
}

fn consumer_settings(connector: &Connector, number: u32, instance: Option<&str>) -> ConsumerSettings {
    let own = CONSUMER.map(|(key, value)| Property { key: key.to_owned(), value: value.to_owned() });
    let group_id = group_of(&connector.name);
    ConsumerSettings {
        client_id: format!("{group_id}-{number}"),
        instance_id: instance.map(|instance| format!("{group_id}-{instance}-{number}")),
        group_id,
        defaults: own.into(),
        properties: properties(&connector.consumer_properties),
    }
}

fn properties(settings: &[(String, String)]) -> Vec<Property> {
    settings.iter().map(|(key, value)| Property { key: key.clone(), value: value.clone() }).collect()
}
