//! Topics: created, listed, and how far they go.

use std::{fmt, time::Duration};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic as NativeTopic, ResourceSpecifier, TopicReplication},
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode,
};

use crate::{Class, Error, bootstrap, consumer::hear, error::code_class, logging::Quiet};

/// How long the cluster may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take to find out why it did not answer.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// A topic to create.
#[derive(Debug, Clone)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many copies of each.
    pub replication_factor: i32,
    /// Topic properties, such as `retention.ms`.
    pub config: Vec<(String, String)>,
}

/// A dead letter is its record and some headers: its topic takes 64 KiB more than the broker's default of 1 MiB.
const DEAD_LETTER_BYTES_MAX: usize = 1_048_588 + (64 << 10);

impl NewTopic {
    /// A topic with the broker's defaults, but for the size of records if its name ends in `.dlq`.
    pub fn new(name: impl Into<String>, partitions: i32, replication_factor: i32) -> Self {
        let name = name.into();
        let larger = ("max.message.bytes".to_owned(), DEAD_LETTER_BYTES_MAX.to_string());
        let holds_dead_letters = name.rsplit('.').next() == Some("dlq");
        let config = holds_dead_letters.then_some(larger).into_iter().collect();
        Self { name, partitions, replication_factor, config }
    }
}

/// What became of a topic that was to be created.
#[derive(Debug)]
pub enum TopicOutcome {
    /// It is new.
    Created,
    /// It was there; nothing was changed.
    AlreadyThere,
    /// It could not be created.
    Failed(Error),
}

/// A topic as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions in order of their number.
    pub partitions: Vec<Partition>,
}

/// A partition as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub number: i32,
    /// The broker that leads it; -1 for none.
    pub leader: i32,
    /// Brokers that hold it.
    pub replicas: Vec<i32>,
    /// Brokers that hold it and are in step.
    pub in_sync_replicas: Vec<i32>,
}

/// A client for topics.
pub struct Admin {
    admin: AdminClient<Quiet>,
    reader: BaseConsumer<Quiet>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let failed = |error| Error::new("create an admin client", &error);
        let admin = config.create_with_context(Quiet::default()).map_err(failed)?;
        let reader = config.create_with_context(Quiet::default()).map_err(failed)?;
        Ok(Self { admin, reader })
    }

    /// Creates the topics that are not there, and says of each what became of it.
    pub fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<(String, TopicOutcome)>, Error> {
        let native: Vec<NativeTopic<'_>> = topics.iter().map(native_topic).collect();
        let options =
            AdminOptions::new().request_timeout(Some(ASK_TIMEOUT)).operation_timeout(Some(ASK_TIMEOUT));
        let results = futures::executor::block_on(self.admin.create_topics(&native, &options))
            .map_err(|error| self.explain(Error::new("create topics", &error)))?;
        let outcomes = results.into_iter().map(|result| match result {
            Ok(name) => (name, TopicOutcome::Created),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => (name, TopicOutcome::AlreadyThere),
            Err((name, code)) => {
                let error =
                    Error::with_class(format!("create topic {name}"), code.to_string(), code_class(code));
                (name, TopicOutcome::Failed(error))
            }
        });
        Ok(outcomes.collect())
    }

    /// Deletes topics with all that is in them; one that is not there is no error. Brokers give the space back a minute later.
    pub fn delete_topics(&self, topics: &[&str]) -> Result<(), Error> {
        let options =
            AdminOptions::new().request_timeout(Some(ASK_TIMEOUT)).operation_timeout(Some(ASK_TIMEOUT));
        let results = futures::executor::block_on(self.admin.delete_topics(topics, &options))
            .map_err(|error| self.explain(Error::new("delete topics", &error)))?;
        results.into_iter().try_for_each(|result| match result {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => Ok(()),
            Err((name, code)) => {
                Err(Error::with_class(format!("delete topic {name}"), code.to_string(), code_class(code)))
            }
        })
    }

    /// Asks whether the cluster answers.
    pub fn probe(&self, timeout: Duration) -> Result<(), Error> {
        let answer = self.reader.fetch_metadata(Some("__consumer_offsets"), timeout);
        let away = |_| Error::with_class("reach Kafka", "no broker answers", Class::Infrastructure);
        answer.map(|_| ()).map_err(|error| self.told(away(error)))
    }

    /// An error with what brokers have against this client, if they said so.
    fn told(&self, error: Error) -> Error {
        if !hear(&self.reader) {
            bootstrap::again(self.reader.client());
        }
        self.reader.context().refusal.explain(error)
    }

    /// The same for an operation of the other client, whose connections tell nothing: only if this one is not let in either.
    fn explain(&self, error: Error) -> Error {
        bootstrap::again(self.admin.inner());
        match self.probe(EXPLAIN_TIMEOUT) {
            Err(refused) if error.class() == Class::Infrastructure => refused,
            _ => error,
        }
    }

    /// All topics by name, without Kafka's own.
    pub fn topics(&self) -> Result<Vec<Topic>, Error> {
        let metadata = self.reader.fetch_metadata(None, ASK_TIMEOUT).map_err(|error| {
            self.told(Error::with_class("reach Kafka", error.to_string(), Class::Infrastructure))
        })?;
        let mut topics: Vec<Topic> = metadata
            .topics()
            .iter()
            .filter(|topic| !topic.name().starts_with("__"))
            .map(|topic| {
                let mut partitions: Vec<Partition> = topic.partitions().iter().map(partition).collect();
                partitions.sort_by_key(|partition| partition.number);
                Topic { name: topic.name().to_owned(), partitions }
            })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// The topic's properties that differ from the cluster's defaults.
    pub fn topic_config(&self, topic: &str) -> Result<Vec<(String, String)>, Error> {
        let operation = || format!("describe topic {topic}");
        let options = AdminOptions::new().request_timeout(Some(ASK_TIMEOUT));
        let resources = [ResourceSpecifier::Topic(topic)];
        let results = futures::executor::block_on(self.admin.describe_configs(&resources, &options))
            .map_err(|error| Error::new(operation(), &error))?;
        let mut config = Vec::new();
        for result in results {
            let resource =
                result.map_err(|code| Error::with_class(operation(), code.to_string(), code_class(code)))?;
            let set = resource.entries.into_iter().filter(|entry| !entry.is_default);
            config.extend(set.map(|entry| (entry.name, entry.value.unwrap_or_default())));
        }
        config.sort();
        Ok(config)
    }

    /// First offset that the broker still has of a partition, and the offset after its last record.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        self.reader
            .fetch_watermarks(topic, partition, ASK_TIMEOUT)
            .map_err(|error| Error::new(format!("ask for the offsets of {topic}[{partition}]"), &error))
    }

    /// The offset of a partition's first record that is not older than a time; `None` if all are older.
    pub fn offset_at(&self, topic: &str, partition: i32, timestamp_ms: i64) -> Result<Option<i64>, Error> {
        let failed =
            |error| Error::new(format!("ask for the offset of a time in {topic}[{partition}]"), &error);
        let mut wanted = TopicPartitionList::with_capacity(1);
        // The broker takes a negative time for a name of an offset.
        let time = Offset::Offset(timestamp_ms.max(0));
        wanted.add_partition_offset(topic, partition, time).map_err(failed)?;
        let found = self.reader.offsets_for_times(wanted, ASK_TIMEOUT).map_err(failed)?;
        let first = found.elements().into_iter().next();
        first.map_or(Ok(None), |first| {
            first.error().map_err(failed)?;
            match first.offset() {
                Offset::Offset(offset) => Ok(Some(offset)),
                _ => Ok(None),
            }
        })
    }
}

fn native_topic(topic: &NewTopic) -> NativeTopic<'_> {
    let replication = TopicReplication::Fixed(topic.replication_factor);
    let native = NativeTopic::new(&topic.name, topic.partitions, replication);
    topic.config.iter().fold(native, |native, (key, value)| native.set(key, value))
}

fn partition(native: &rdkafka::metadata::MetadataPartition) -> Partition {
    Partition {
        number: native.id(),
        leader: native.leader(),
        replicas: native.replicas().to_vec(),
        in_sync_replicas: native.isr().to_vec(),
    }
}
