//! Raw topics that a real generator has written, and how far somebody is with them.

use std::{cell::Cell, thread, time::Duration};

use kafka::{Admin, Class, Consumer, ConsumerSettings, TopicPartition};
use service::Error;

use crate::{progress, setting::Setting};

/// How long a generator may take to fill a topic.
const WRITTEN_IN: Duration = Duration::from_mins(5);
/// How often the end of a topic is asked for.
const LOOK: Duration = Duration::from_millis(20);

/// A topic full of passages as `toll-generator` writes them, beside its `.valid` and `.dlq`.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    /// The topic.
    pub(crate) topic: String,
    /// Its partitions.
    pub(crate) partitions: i32,
    /// Its records.
    pub(crate) records: u64,
}

/// What a generator is told of the records.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kind<'k> {
    /// The share of malformed records; empty for none.
    pub(crate) malformed: &'k str,
    /// Variables of its environment that decide which records are traced; without them none is.
    pub(crate) telemetry: &'k [(&'k str, &'k str)],
}

impl Raw {
    /// Lets a generator write the topic, unless it is there already.
    pub(crate) fn made(
        setting: &Setting,
        topic: &str,
        partitions: i32,
        records: u64,
        kind: Kind<'_>,
    ) -> Result<Self, Error> {
        let raw = Self { topic: topic.to_owned(), partitions, records };
        let topics = setting.admin().topics().map_err(Error::failed)?;
        let found =
            if topics.iter().any(|known| known.name == topic) { raw.end(setting.admin())? } else { 0 };
        if found == records {
            return Ok(raw);
        }
        if found > 0 {
            return Err(Error::failed(format!("topic {topic} has {found} records, not {records}")));
        }
        let (partitions, count) = (partitions.to_string(), records.to_string());
        let mut arguments = vec![
            "--topic",
            topic,
            "--partitions",
            &partitions,
            "--count",
            &count,
            "--rate",
            "0",
            "--seed",
            "7",
        ];
        if !kind.malformed.is_empty() {
            arguments.extend(["--malformed", kind.malformed]);
        }
        let off = [("OTEL_SDK_DISABLED", "true")];
        let telemetry = if kind.telemetry.is_empty() { &off } else { kind.telemetry };
        let process = setting.spawn_with("toll-generator", topic, &arguments, telemetry)?;
        let status = process.wait(WRITTEN_IN).map_err(Error::failed)?;
        if !status.success() || raw.end(setting.admin())? != records {
            return Err(Error::failed(format!(
                "topic {topic} was not filled; see {}",
                process.log().display()
            )));
        }
        progress(format!("  topic {topic}: {records} records of a generator in {partitions} partitions"));
        Ok(raw)
    }

    /// Records in the topic.
    pub(crate) fn end(&self, admin: &Admin) -> Result<u64, Error> {
        end(admin, &self.topic, self.partitions)
    }

    /// Somebody who can be asked how far a group is with the topic.
    pub(crate) fn group(&self, setting: &Setting, group: &str) -> Result<Group, Error> {
        let topic: std::sync::Arc<str> = self.topic.as_str().into();
        let partitions =
            (0..self.partitions).map(|partition| TopicPartition { topic: topic.clone(), partition });
        let settings = ConsumerSettings {
            group_id: group.to_owned(),
            client_id: "bench".to_owned(),
            // Otherwise each answer waits for the end of the transaction that is open, and is late by up to 100 ms.
            properties: vec!["isolation.level=read_uncommitted".parse().map_err(Error::failed)?],
            ..ConsumerSettings::default()
        };
        let consumer = setting.connection().consumer(&settings).map_err(Error::failed)?;
        Ok(Group { consumer, partitions: partitions.collect(), known: Cell::new(0) })
    }
}

/// How far a group is with a topic.
#[derive(Debug)]
pub(crate) struct Group {
    consumer: Consumer,
    partitions: Vec<TopicPartition>,
    /// The last answer.
    known: Cell<u64>,
}

impl Group {
    /// Records before what it has committed; before what it had, while nobody knows: a group that is new has no coordinator yet.
    pub(crate) fn committed(&self) -> Result<u64, Error> {
        match self.consumer.committed(&self.partitions) {
            Ok(committed) => {
                let offsets = committed.iter().map(|committed| committed.offset.unwrap_or(0) as u64);
                self.known.set(offsets.sum());
            }
            Err(error) if error.class() == Class::Infrastructure => {}
            Err(error) => return Err(Error::failed(error)),
        }
        Ok(self.known.get())
    }
}

/// Records of a topic so far.
pub(crate) fn end(admin: &Admin, topic: &str, partitions: i32) -> Result<u64, Error> {
    let ends = (0..partitions).map(|partition| match admin.offsets(topic, partition) {
        Ok((_, end)) => Ok(end as u64),
        // A partition that is new has no leader yet, which the client goes on believing unless it hears of all topics.
        Err(error) if error.class() == Class::Infrastructure => {
            admin.topics().map(|_| 0).map_err(Error::failed)
        }
        Err(error) => Err(Error::failed(error)),
    });
    ends.sum()
}

/// The same, asked for no more often than it takes to tell a speed: the broker has other work.
pub(crate) fn end_now_and_then(admin: &Admin, topic: &str, partitions: i32) -> Result<u64, Error> {
    thread::sleep(LOOK);
    end(admin, topic, partitions)
}
