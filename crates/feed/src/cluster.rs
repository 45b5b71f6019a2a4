//! What must be there before a feed can begin: topics and the id of the schema.

use kafka::{Class, Connection, NewTopic, TopicOutcome};
use schema_registry::Registry;
use service::{Attempt, Error, Health, Stop, wait_for};

use crate::{Config, Mapping, batch::Topics, position};

/// How the cluster is called in health and logs.
pub(crate) const KAFKA: &str = "kafka";
/// A position is some hundred bytes and written often: small segments are compacted soon.
const POSITIONS_SEGMENT_BYTES: u32 = 16 << 20;

/// Creates the stream's topics and the one of positions, unless they are there.
pub(crate) async fn create_topics(
    config: &Config,
    topics: &Topics,
    stop: &Stop,
    health: &Health,
) -> Result<(), Error> {
    let admin = config.kafka.admin().map_err(refused)?;
    let valid = format!("{}.valid", topics.raw);
    let streams = [&topics.raw, &valid, &topics.dlq];
    let mut wanted: Vec<NewTopic> = streams
        .iter()
        .map(|name| NewTopic::new(name.as_str(), config.partitions, config.replication_factor))
        .collect();
    let mut positions = NewTopic::new(position::TOPIC, 1, config.replication_factor);
    positions.config.push(("cleanup.policy".to_owned(), "compact".to_owned()));
    positions.config.push(("segment.bytes".to_owned(), POSITIONS_SEGMENT_BYTES.to_string()));
    wanted.push(positions);
    wait_for(KAFKA, stop, health, async || {
        for (name, outcome) in admin.create_topics(&wanted).map_err(attempt)? {
            match outcome {
                TopicOutcome::Created => tracing::info!(topic = name, "topic {name}: created"),
                TopicOutcome::AlreadyThere => tracing::debug!(topic = name, "topic {name}: already there"),
                TopicOutcome::Failed(error) => return Err(attempt(error)),
            }
        }
        Ok(())
    })
    .await
}

/// The id of the stream's schema: registered, or found.
pub(crate) async fn schema_id(
    config: &Config,
    mapping: &Mapping,
    topics: &Topics,
    stop: &Stop,
    health: &Health,
) -> Result<u32, Error> {
    let registry = Registry::new(&config.schema_registry).map_err(Error::failed)?;
    let subject = format!("{}-value", topics.raw);
    registry.own_id(&subject, mapping.stream.schema, config.register_schema, stop, health).await
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

/// Whether to ask the cluster again.
pub(crate) fn attempt(error: kafka::Error) -> Attempt {
    match error.class() {
        Class::Config | Class::Data => Attempt::GiveUp(refused(error)),
        Class::Infrastructure | Class::Abortable | Class::Fenced => Attempt::Retry(error.into()),
    }
}
