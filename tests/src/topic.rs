//! Everything that a topic holds, as a reader sees it that ignores what was not committed.

use std::{collections::BTreeSet, time::Duration};

use kafka::{Connection, Found, Position};

/// A record with everything that a test compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The timestamp in milliseconds.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The headers.
    pub headers: Vec<(String, String)>,
}

/// Reads all partitions of a topic from the beginning to the end.
pub fn read_topic(kafka: &Connection, topic: &str) -> Vec<Read> {
    let topics = kafka.admin().and_then(|admin| admin.topics()).expect("the broker answers");
    let described = topics.iter().find(|known| known.name == topic).expect("the topic is there");
    let mut open: BTreeSet<i32> = described.partitions.iter().map(|partition| partition.number).collect();
    let from: Vec<_> = open.iter().map(|partition| (*partition, Position::Beginning)).collect();
    let reader = kafka.reader(topic, &from).expect("a reader");
    let mut records = Vec::new();
    while !open.is_empty() {
        match reader.next(Duration::from_secs(30)).expect("the topic can be read") {
            Found::Record(record) => records.push(Read {
                partition: record.partition(),
                offset: record.offset(),
                timestamp_ms: record.timestamp_ms(),
                key: record.key().unwrap_or_default().to_vec(),
                value: record.value().unwrap_or_default().to_vec(),
                headers: record
                    .headers()
                    .map(|(name, value)| {
                        (name.to_owned(), String::from_utf8_lossy(value.unwrap_or_default()).into_owned())
                    })
                    .collect(),
            }),
            Found::EndOf(partition) => {
                open.remove(&partition);
            }
            Found::Nothing => panic!("{topic} did not come to its end; partitions {open:?} are open"),
        }
    }
    records
}

impl Read {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
