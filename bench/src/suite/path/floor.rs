//! The way of a record by bare clients: sent, read, sent again in a transaction, read, inserted and committed. One at a time, so
//! that no record waits for another.

use std::time::Duration;

use kafka::{
    BatchLimits, Consumer, ConsumerSettings, Headers, NewTopic, Outgoing, Position, Producer, Property,
    Rebalance, Record, TopicPartition, TransactionalProducer,
};
use local_stack::User;
use service::{Error, clock};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, mysql::MySqlConnectOptions};
use tokio::runtime::{self, Runtime};

use super::watching::Ages;
use crate::setting::Setting;

/// How long a run takes, and how many records come first that do not count.
const RUNS_FOR: Duration = Duration::from_secs(2);
const WARM_UP: usize = 20;
/// How long a record may take to come.
const COMES_IN: Duration = Duration::from_secs(10);
/// A record is taken as soon as it is there.
const LIMITS: BatchLimits =
    BatchLimits { rows_max: 1, bytes_max: 1, wait: Duration::from_secs(1), linger: Duration::ZERO };
/// As long as a framed passage.
const VALUE: [u8; 120] = [b'x'; 120];
const KEY: [u8; 36] = [b'k'; 36];
const TABLE: &str = "bench.floor";

/// The clients.
pub(super) struct Floor {
    producer: Producer,
    judge: TransactionalProducer,
    raw: Consumer,
    valid: Consumer,
    runtime: Runtime,
    database: MySqlConnection,
    /// The two topics.
    topics: [String; 2],
}

impl Floor {
    /// Connects them all.
    pub(super) fn start(setting: &Setting) -> Result<Self, Error> {
        let topics = [setting.fresh("floor-raw"), setting.fresh("floor-valid")];
        let new = topics.each_ref().map(|topic| NewTopic::new(topic, 1, 1));
        setting.admin().create_topics(&new).map_err(Error::failed)?;
        let kafka = setting.connection();
        let at_once = [Property { key: "linger.ms".to_owned(), value: "0".to_owned() }];
        let producer = kafka.producer("floor", &at_once).map_err(Error::failed)?;
        let judge = kafka.alternating_producer(&topics[1]).map_err(Error::failed)?;
        judge.init().map_err(Error::failed)?;
        let [raw, valid] = topics.each_ref().map(|topic| {
            let settings = ConsumerSettings {
                group_id: topic.clone(),
                client_id: topic.clone(),
                ..ConsumerSettings::default()
            };
            let consumer = kafka.consumer(&settings)?;
            consumer.subscribe(&[topic]).map(|()| consumer)
        });
        setting.sql(&format!(
            "CREATE DATABASE IF NOT EXISTS bench; CREATE OR REPLACE TABLE {TABLE} LIKE traffic_db.toll_passages"
        ))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::failed)?;
        let options: MySqlConnectOptions =
            setting.stack.mariadb.url(User::Administrator).parse().map_err(Error::failed)?;
        let database = runtime.block_on(options.connect()).map_err(Error::failed)?;
        let (raw, valid) = (raw.map_err(Error::failed)?, valid.map_err(Error::failed)?);
        Ok(Self { producer, judge, raw, valid, runtime, database, topics })
    }

    /// How long each record takes from here to its row.
    pub(super) fn run(&mut self) -> Result<Ages, Error> {
        let mut ages = Vec::new();
        let mut warm_up = WARM_UP;
        let mut began = clock::instant();
        while began.elapsed() < RUNS_FOR {
            let since = clock::instant();
            self.one()?;
            if warm_up > 0 {
                warm_up -= 1;
                began = clock::instant();
            } else {
                ages.push(since.elapsed());
            }
        }
        Ok(Ages::new(ages))
    }

    /// One record, all the way.
    fn one(&mut self) -> Result<(), Error> {
        let [raw, valid] = &self.topics;
        self.producer.send(outgoing(raw, &KEY, &VALUE)).map_err(Error::failed)?;
        let found = next(&self.raw)?;
        let at = TopicPartition { topic: found.topic().into(), partition: found.partition() };
        self.judge
            .begin()
            .and_then(|()| {
                let value = found.value().unwrap_or_default();
                self.judge.send(outgoing(valid, found.key().unwrap_or_default(), value))
            })
            .and_then(|()| self.judge.commit(&self.raw, &[(at, found.offset() + 1, String::new())], |_| true))
            .map_err(Error::failed)?;
        let found = next(&self.valid)?;
        let insert = format!(
            "INSERT INTO {TABLE} (event_id, vehicle_id, vehicle_type, toll_plaza_id, occurred_at)
             VALUES (CONCAT('floor-', ?), 'floor', 'car', 1, FROM_UNIXTIME(? / 1000))"
        );
        let unique = format!("{}-{}", self.topics[1], found.offset());
        // A statement by itself is a transaction, and is committed before it is answered.
        let insert = sqlx::query(AssertSqlSafe(insert)).bind(&unique[unique.len().saturating_sub(30)..]);
        let insert = insert.bind(found.timestamp_ms()).execute(&mut self.database);
        self.runtime.block_on(insert).map(|_| ()).map_err(Error::failed)
    }
}

fn outgoing<'r>(topic: &'r str, key: &'r [u8], value: &'r [u8]) -> Outgoing<'r> {
    Outgoing {
        topic,
        partition: Some(0),
        key: Some(key),
        value: Some(value),
        timestamp_ms: Some(clock::now_ms()),
        headers: Headers::new(),
        receipt: None,
    }
}

/// The next record; nobody else is in the group.
fn next(consumer: &Consumer) -> Result<Record<'_>, Error> {
    let (since, mut batch) = (clock::instant(), Vec::new());
    while since.elapsed() < COMES_IN {
        consumer.poll_batch(&LIMITS, &mut batch).map_err(Error::failed)?;
        for change in consumer.rebalances() {
            if let Rebalance::Assigned(partitions) = change {
                let from: Vec<_> = partitions.into_iter().map(|at| (at, Position::Beginning)).collect();
                consumer.start(&from).map_err(Error::failed)?;
            }
        }
        if let Some(record) = batch.pop() {
            return Ok(record);
        }
    }
    Err(Error::failed("a record of the bare clients does not come"))
}
