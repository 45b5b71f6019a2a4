//! Reads the books: the validator's counts from Kafka, the connectors' from MariaDB, and how far the topics go.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kafka::{Admin, Connection, Consumer, ConsumerSettings, Found, Position, Topic, TopicPartition};
use service::{Error, clock};
use sqlx::Row as _;
use validator::progress::Counts;

use super::books::{Account, Books};
use crate::{database::Database, kafka_error::told, shell::Shell};

const ENTRIES: &str = "SELECT connector, topic, partition_number, next_offset, read_count, stored_count, dead_count, skipped_count \
    FROM turnpike.ledger ORDER BY connector, topic, partition_number";

/// How long it may take to find whether a record is left.
const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

/// Where the books are.
#[derive(Debug)]
pub(crate) struct Sources<'o> {
    kafka: &'o Connection,
    database: &'o Database,
    admin: Admin,
    /// Knows the validators' group and never joins it.
    group: Consumer,
    /// Readers that had nothing left, by name, topic and partition: the offset they stood at, and the end at that time.
    exhausted: BTreeMap<(String, String, i32), (i64, i64)>,
}

/// A row of `turnpike.ledger`.
struct Entry {
    next_offset: i64,
    counts: [u64; 4],
}

/// Connector and topic, then partition.
type Entries = BTreeMap<(String, String), BTreeMap<i32, Entry>>;

impl<'o> Sources<'o> {
    /// Clients for everything that is read; nothing is asked yet.
    pub(crate) fn new(kafka: &'o Connection, database: &'o Database, group_id: &str) -> Result<Self, Error> {
        let settings = ConsumerSettings {
            group_id: group_id.to_owned(),
            client_id: "turnpike-ledger".to_owned(),
            ..ConsumerSettings::default()
        };
        let admin = kafka.admin().map_err(told(kafka))?;
        let group = kafka.consumer(&settings).map_err(told(kafka))?;
        Ok(Self { kafka, database, admin, group, exhausted: BTreeMap::new() })
    }

    /// Reads all accounts in an order in which what moves meanwhile looks like being on its way: the connectors' counts first,
    /// so that none has read what the validator had not forwarded; how much is left last, so that what it had forwarded
    /// is found there.
    pub(crate) fn read(&mut self, shell: &Shell) -> Result<Books, Error> {
        let entries = self.entries(shell)?;
        let topics = self.admin.topics().map_err(told(self.kafka))?;
        let mut judged = Vec::new();
        for topic in &topics {
            let valid = format!("{}.valid", topic.name);
            if topics.iter().any(|other| other.name == valid) {
                judged.extend(self.judged(topic)?);
            }
        }
        let stored = entries.into_iter();
        let mut stored: Vec<Account> = stored
            .flat_map(|((connector, topic), entries)| stored_in(connector, topic, entries, &topics))
            .collect();
        for accounts in [&mut stored, &mut judged] {
            for accounts in accounts.chunk_by_mut(|a, b| (&a.reader, &a.topic) == (&b.reader, &b.topic)) {
                self.measure(&topics, accounts)?;
            }
        }
        if judged.is_empty() && stored.is_empty() {
            return Err(Error::failed(
                "there is no topic with another named TOPIC.valid, so nothing to account for; create them: turnpike topics create",
            ));
        }
        Ok(Books { judged, stored })
    }

    fn entries(&self, shell: &Shell) -> Result<Entries, Error> {
        let rows = shell.wait(self.database.rows(ENTRIES))?;
        let mut entries = Entries::new();
        for row in rows {
            let read = || -> Result<_, sqlx::Error> {
                let count = |column| row.try_get(column).map(|count: i64| count.max(0) as u64);
                let entry = Entry {
                    next_offset: row.try_get(3)?,
                    counts: [count(4)?, count(5)?, count(6)?, count(7)?],
                };
                Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?, entry))
            };
            let (reader, partition, entry) = read().map_err(Error::failed)?;
            entries.entry(reader).or_default().insert(partition, entry);
        }
        Ok(entries)
    }

    /// The validator's accounts of a raw topic, from the metadata of its group's committed offsets.
    fn judged(&self, topic: &Topic) -> Result<Vec<Account>, Error> {
        let partitions: Vec<TopicPartition> = topic
            .partitions
            .iter()
            .map(|partition| TopicPartition {
                topic: topic.name.as_str().into(),
                partition: partition.number,
            })
            .collect();
        let committed = self.group.committed(&partitions).map_err(told(self.kafka))?;
        let accounts = committed.into_iter().map(|committed| {
            let Counts { read, valid, dead } = Counts::from_metadata(&committed.metadata);
            Account {
                reader: "validator".to_owned(),
                topic: topic.name.clone(),
                partition: committed.at.partition,
                read,
                passed: valid,
                dead,
                skipped: 0,
                next_offset: committed.offset.unwrap_or(0),
                end_offset: None,
                lag: 0,
            }
        });
        Ok(accounts.collect())
    }

    /// Fills in where the partitions of one reader and topic end, and how much is left of them.
    ///
    /// Offsets alone do not tell: a transaction's marker takes an offset, and so do the records of an aborted one, so that a
    /// reader who has read everything stands before the end. Where offsets are left, a reader is sent to see whether
    /// there is a committed record among them.
    fn measure(&mut self, topics: &[Topic], accounts: &mut [Account]) -> Result<(), Error> {
        let topic =
            accounts.first().and_then(|account| topics.iter().find(|topic| topic.name == account.topic));
        let Some(topic) = topic else { return Ok(()) };
        let mut doubtful = Vec::new();
        for account in accounts.iter_mut() {
            if !topic.partitions.iter().any(|partition| partition.number == account.partition) {
                continue;
            }
            let (first, end) =
                self.admin.offsets(&topic.name, account.partition).map_err(told(self.kafka))?;
            account.end_offset = Some(end);
            let next = account.next_offset.max(first);
            if next < end && self.exhausted.get(&account.key()) != Some(&(account.next_offset, end)) {
                doubtful.push((account.partition, next));
            }
        }
        if doubtful.is_empty() {
            return Ok(());
        }
        let found = self.first_records(&topic.name, &doubtful)?;
        for account in accounts {
            let Some(end) = account.end_offset else { continue };
            match found.get(&account.partition) {
                Some(Some(offset)) => account.lag = (end - offset).max(1) as u64,
                Some(None) => drop(self.exhausted.insert(account.key(), (account.next_offset, end))),
                None => {}
            }
        }
        Ok(())
    }

    /// The offset of the first committed record from a place on, by partition; `None` if there is none.
    fn first_records(&self, topic: &str, from: &[(i32, i64)]) -> Result<BTreeMap<i32, Option<i64>>, Error> {
        let positions: Vec<_> =
            from.iter().map(|(partition, offset)| (*partition, Position::Offset(*offset))).collect();
        let reader = self.kafka.reader(topic, &positions).map_err(told(self.kafka))?;
        let mut unknown: BTreeSet<i32> = from.iter().map(|(partition, _)| *partition).collect();
        let mut found = BTreeMap::new();
        let started = clock::instant();
        while !unknown.is_empty() {
            let left = PROBE_TIMEOUT.saturating_sub(started.elapsed());
            let (partition, offset) = match reader.next(left).map_err(told(self.kafka))? {
                Found::Record(record) => (record.partition(), Some(record.offset())),
                Found::EndOf(partition) => (partition, None),
                Found::Nothing => {
                    let seconds = PROBE_TIMEOUT.as_secs();
                    return Err(Error::failed(format!(
                        "topic {topic} could not be read to its end within {seconds} s"
                    )));
                }
            };
            // Later records of the same partition come along, and say nothing new.
            if unknown.remove(&partition) {
                found.insert(partition, offset);
            }
        }
        Ok(found)
    }
}

/// The accounts of one connector and topic; partitions that it has not come to yet stand there with nothing read.
fn stored_in(
    connector: String,
    topic: String,
    mut entries: BTreeMap<i32, Entry>,
    topics: &[Topic],
) -> impl Iterator<Item = Account> {
    let known = topics.iter().find(|known| known.name == topic);
    for partition in known.iter().flat_map(|topic| &topic.partitions) {
        entries.entry(partition.number).or_insert(Entry { next_offset: 0, counts: [0; 4] });
    }
    entries.into_iter().map(move |(partition, Entry { next_offset, counts })| {
        let [read, passed, dead, skipped] = counts;
        let (reader, topic) = (connector.clone(), topic.clone());
        Account {
            reader,
            topic,
            partition,
            read,
            passed,
            dead,
            skipped,
            next_offset,
            end_offset: None,
            lag: 0,
        }
    })
}

impl Account {
    fn key(&self) -> (String, String, i32) {
        (self.reader.clone(), self.topic.clone(), self.partition)
    }
}
