//! The topics of the stream: created at the start where absent, with one log line for each.

use std::time::Duration;

use kafka::{Class, Connection, NewTopic, Producer, TopicOutcome};
use service::{Attempt, Error, Health, Stop, Voice, wait_for};

use crate::{Config, Source, styled};

/// How the cluster is called in health and logs.
pub(crate) const KAFKA: &str = "kafka";
/// How long the cluster may take to answer before the wait for it is told of.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Creates the raw topic, the one of valid records and the one of dead letters, unless they are there.
///
/// They get the same number of partitions, since a record keeps its partition number from one to the next.
pub(crate) async fn bootstrap<S: Source>(
    config: &Config<S>,
    producer: &Producer,
    stop: &Stop,
    health: &Health,
    voice: &Voice,
) -> Result<(), Error> {
    let admin = config.kafka.admin().map_err(|error| refused(config, error))?;
    let topics = names(&config.topic).map(|name| {
        let mut topic = NewTopic::new(name, config.partitions, config.replication_factor);
        topic.config.extend(config.start_time.into_iter().flat_map(|_| any_age()));
        topic
    });
    wait_for(KAFKA, stop, health, async || {
        producer.probe(PROBE_TIMEOUT).map_err(|error| attempt(config, error))?;
        for (name, outcome) in admin.create_topics(&topics).map_err(|error| attempt(config, error))? {
            styled::topic(voice, &name, &outcome);
            report(config, &name, outcome)?;
        }
        Ok(())
    })
    .await
}

/// A failure that no waiting will mend: of a client that cannot be made, or a right that is missing.
pub(crate) fn refused<S: Source>(config: &Config<S>, error: kafka::Error) -> Error {
    match error.class() {
        Class::Config => {
            let allowed = format!("what Kafka and its client accept ({error})");
            Error::config(Connection::FLAGS, config.kafka.shown(), allowed)
        }
        _ => Error::failed(error),
    }
}

/// Properties of topics whose records carry a simulated time: by default Kafka deletes them for their age, or
/// refuses them for being ahead of its clock (KIP-937, KIP-1030).
fn any_age() -> Vec<(String, String)> {
    vec![
        ("retention.ms".to_owned(), "-1".to_owned()),
        ("message.timestamp.after.max.ms".to_owned(), i64::MAX.to_string()),
    ]
}

fn names(topic: &str) -> [String; 3] {
    [topic.to_owned(), format!("{topic}.valid"), format!("{topic}.dlq")]
}

fn report<S: Source>(config: &Config<S>, name: &str, outcome: TopicOutcome) -> Result<(), Attempt> {
    let Config { partitions, replication_factor, .. } = config;
    match outcome {
        TopicOutcome::Created => {
            tracing::info!(topic = name, partitions, replication_factor, "topic {name}: created");
            Ok(())
        }
        TopicOutcome::AlreadyThere => {
            tracing::info!(topic = name, "topic {name}: already there");
            Ok(())
        }
        TopicOutcome::Failed(error) => {
            tracing::warn!(topic = name, reason = %error, "topic {name}: failed: {error}");
            Err(match error.class() {
                Class::Config => Attempt::GiveUp(Error::config(
                    format!("topic {name}"),
                    format!("--partitions {partitions} --replication-factor {replication_factor}"),
                    format!("what the cluster accepts ({error})"),
                )),
                _ => Attempt::Retry(error.into()),
            })
        }
    }
}

fn attempt<S: Source>(config: &Config<S>, error: kafka::Error) -> Attempt {
    match error.class() {
        Class::Config => Attempt::GiveUp(refused(config, error)),
        _ => Attempt::Retry(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_three_topics() {
        assert_eq!(names("toll"), ["toll", "toll.valid", "toll.dlq"]);
    }
}
