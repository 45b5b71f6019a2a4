//! `turnpike topics`: creates, lists and describes topics.

use std::{fmt::Write as _, process::ExitCode};

use kafka::{Admin, Connection, NewTopic, Topic, TopicOutcome};
use service::Error;

use crate::{
    kafka_error::{find, told},
    output::{row, table},
    shell::Shell,
};

/// The topics of all streams: raw, good and set aside.
pub(crate) const TOPICS: [&str; 9] = [
    "toll",
    "toll.valid",
    "toll.dlq",
    "traffic.events",
    "traffic.events.valid",
    "traffic.events.dlq",
    "weather_data",
    "weather_data.valid",
    "weather_data.dlq",
];

/// What to do with topics.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Creates topics that are not there yet; exit code 1 if one could not be created
    #[command(
        after_help = "Examples:\n  turnpike topics create\n  turnpike topics create toll --partitions 8 \
        --kafka-bootstrap-servers broker:9092"
    )]
    Create(Create),
    /// Lists the names of all topics but Kafka's own
    #[command(after_help = "Example:\n  turnpike topics list --kafka-bootstrap-servers broker:9092")]
    List {
        #[command(flatten)]
        kafka: Connection,
    },
    /// Shows leaders, replicas and offsets of each partition, and the properties that differ from the defaults
    #[command(after_help = "Example:\n  turnpike topics describe toll toll.valid")]
    Describe {
        /// Topics to describe; all if none is named
        topics: Vec<String>,
        #[command(flatten)]
        kafka: Connection,
    },
}

/// Topics to create.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Topics to create; by default those of all streams
    #[arg(default_values = TOPICS, hide_default_value = true)]
    topics: Vec<String>,
    /// Partitions of each; a record keeps its partition number from topic to topic, so give all the same
    #[arg(long, env = "TURNPIKE_PARTITIONS", default_value_t = 4, value_name = "NUMBER",
        value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    /// Copies of each partition
    #[arg(long, env = "TURNPIKE_REPLICATION_FACTOR", default_value_t = 1, value_name = "NUMBER",
        value_parser = clap::value_parser!(i32).range(1..))]
    replication_factor: i32,
    #[command(flatten)]
    kafka: Connection,
}

/// Runs one of the subcommands.
pub(crate) fn run(command: &Command, shell: &Shell) -> Result<ExitCode, Error> {
    match command {
        Command::Create(options) => create(options, shell),
        Command::List { kafka } => {
            let topics = admin(kafka)?.topics().map_err(told(kafka))?;
            topics.iter().try_for_each(|topic| shell.output.say(&topic.name))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Describe { topics, kafka } => describe(topics, kafka, shell),
    }
}

fn admin(kafka: &Connection) -> Result<Admin, Error> {
    kafka.admin().map_err(told(kafka))
}

fn create(options: &Create, shell: &Shell) -> Result<ExitCode, Error> {
    let Create { topics, partitions, replication_factor, kafka } = options;
    let admin = admin(kafka)?;
    let _first_group = kafka.first_group().map_err(told(kafka))?;
    let mut is_complete = true;
    for name in topics {
        shell.output.say(format!("Creating topic '{name}'..."))?;
        let (text, is_there) = outcome(name, create_one(&admin, name, *partitions, *replication_factor));
        shell.output.say(text)?;
        is_complete &= is_there;
    }
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Creates one topic; an error is about the cluster as a whole.
pub(crate) fn create_one(
    admin: &Admin,
    name: &str,
    partitions: i32,
    replication_factor: i32,
) -> Result<TopicOutcome, kafka::Error> {
    let topic = NewTopic::new(name, partitions, replication_factor);
    let outcomes = admin.create_topics(&[topic])?;
    let mut outcomes = outcomes.into_iter().map(|(_, outcome)| outcome);
    Ok(outcomes.next().unwrap_or(TopicOutcome::AlreadyThere))
}

/// What became of a topic, and whether it is there now.
pub(crate) fn outcome(name: &str, outcome: Result<TopicOutcome, kafka::Error>) -> (String, bool) {
    match outcome {
        Ok(TopicOutcome::Created) => (format!("Topic '{name}' created successfully."), true),
        Ok(TopicOutcome::AlreadyThere) => (format!("Topic '{name}' is already there."), true),
        Ok(TopicOutcome::Failed(error)) | Err(error) => {
            (format!("Failed to create topic '{name}': {error}"), false)
        }
    }
}

fn describe(names: &[String], kafka: &Connection, shell: &Shell) -> Result<ExitCode, Error> {
    let admin = admin(kafka)?;
    let known = admin.topics().map_err(told(kafka))?;
    let topics = match names {
        [] => known,
        names => names.iter().map(|name| find(known.clone(), name)).collect::<Result<_, _>>()?,
    };
    for topic in &topics {
        let offsets = topic.partitions.iter().map(|partition| admin.offsets(&topic.name, partition.number));
        let offsets = offsets.collect::<Result<Vec<_>, _>>().map_err(told(kafka))?;
        let config = admin.topic_config(&topic.name).map_err(told(kafka))?;
        shell.output.say(description(topic, &offsets, &config))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A topic as text: a table of its partitions, then its own properties.
fn description(topic: &Topic, offsets: &[(i64, i64)], config: &[(String, String)]) -> String {
    let columns = ["partition", "leader", "replicas", "in sync", "first offset", "end offset"];
    let mut table = table(&columns, &["partition", "first offset", "end offset"]);
    for (partition, (first, end)) in topic.partitions.iter().zip(offsets) {
        let leader = if partition.leader < 0 { "none".to_owned() } else { partition.leader.to_string() };
        table.add_row(row([
            partition.number.to_string(),
            leader,
            list(&partition.replicas),
            list(&partition.in_sync_replicas),
            first.to_string(),
            end.to_string(),
        ]));
    }
    let mut text = format!("Topic '{}'\n{table}", topic.name);
    for (key, value) in config {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {key}={value}");
    }
    text
}

fn list(brokers: &[i32]) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use kafka::{Partition, Topic, TopicOutcome};

    use super::{description, outcome};

    /// The three sentences, and whether the topic is there after each.
    #[test]
    fn outcomes_are_told() {
        let told = |told| outcome("toll", Ok(told));
        assert_eq!(told(TopicOutcome::Created), ("Topic 'toll' created successfully.".to_owned(), true));
        assert_eq!(told(TopicOutcome::AlreadyThere), ("Topic 'toll' is already there.".to_owned(), true));
    }

    /// A partition without a leader is said to have none; properties follow the table.
    #[test]
    fn a_topic_is_described() {
        let partition = Partition { number: 3, leader: -1, replicas: vec![1, 2], in_sync_replicas: vec![2] };
        let topic = Topic { name: "toll".to_owned(), partitions: vec![partition] };
        let text = description(&topic, &[(5, 17)], &[("retention.ms".to_owned(), "-1".to_owned())]);
        assert!(text.starts_with("Topic 'toll'\n") && text.ends_with("\n  retention.ms=-1"), "{text}");
        let row = text.lines().find(|line| line.contains("none")).expect("a row");
        assert_eq!(
            row.trim_matches('│').split_whitespace().collect::<Vec<_>>(),
            ["3", "none", "1,2", "2", "5", "17"]
        );
    }
}
