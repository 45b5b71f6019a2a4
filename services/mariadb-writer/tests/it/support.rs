//! The stack, records to write, writers to write them, and questions to the tables.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{
        OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use events::TollPassage;
use kafka::{BatchLimits, Connection, ConsumerSettings, Headers, NewTopic, Outgoing, Position, Rebalance};
use local_stack::{Options, Process, Stack, User};
use serde_json::{Value as Json, json};

/// How long anything may take that is meant to happen at once.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The stack that all tests share, and the right to use it; breaking it takes the right of being alone.
pub(crate) struct World {
    pub(crate) stack: &'static Stack,
    lock: &'static RwLock<()>,
}

static STACK: OnceLock<Stack> = OnceLock::new();
static LOCK: RwLock<()> = RwLock::new(());

pub(crate) fn world() -> World {
    let stack = STACK.get_or_init(|| Stack::start(Options::default()).unwrap());
    World { stack, lock: &LOCK }
}

/// Things of one test: a table, a topic for records, one for dead letters, and writers of them.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) topic: String,
    pub(crate) dead_letters: String,
    pub(crate) schema_id: u32,
}

impl World {
    pub(crate) fn shared(&self) -> RwLockReadGuard<'static, ()> {
        self.lock.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn alone(&self) -> RwLockWriteGuard<'static, ()> {
        self.lock.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn kafka(&self) -> Connection {
        Connection::new(self.stack.kafka.bootstrap_servers())
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.stack.mariadb.sql(statements).unwrap()
    }

    pub(crate) fn number(&self, query: &str) -> i64 {
        self.sql(query).trim().parse().unwrap()
    }

    /// Registers a schema and gives its id.
    pub(crate) fn register(&self, subject: &str, schema: &str) -> u32 {
        let options = schema_registry::Options::new(self.stack.registry.url());
        let registry = schema_registry::Registry::new(&options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(registry.register(subject, schema)).unwrap()
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        // The records' timestamps are those of the tests, so the broker would take them for old and delete them.
        let config = vec![("retention.ms".to_owned(), "-1".to_owned())];
        let topic = NewTopic { name: name.to_owned(), partitions, replication_factor: 1, config };
        let outcome = self.kafka().admin().unwrap().create_topics(&[topic]).unwrap();
        assert!(matches!(outcome[..], [(_, kafka::TopicOutcome::Created)]), "{outcome:?}");
    }
}

impl Scene {
    /// A scene of its own, with a table of toll passages; `name` is told from others by a number.
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let world = world();
        // A test that has the stack for itself may have stopped a part of it.
        let _shared = world.shared();
        let name = format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (topic, dead_letters) = (format!("{name}.valid"), format!("{name}.dlq"));
        let table = format!("passages_{}", name.replace('-', "_"));
        world.sql(&format!("CREATE TABLE traffic_db.{table} LIKE traffic_db.toll_passages"));
        world.create_topic(&topic, 4);
        world.create_topic(&dead_letters, 4);
        let schema_id = world.register("toll-value", TollPassage::SCHEMA);
        Self { world, name, table, topic, dead_letters, schema_id }
    }

    /// The scene's connector document, with some keys on top.
    pub(crate) fn document(&self, more: &[(&str, &str)]) -> Json {
        let mut config = json!({
            "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
            "topics": self.topic,
            "table.name.format": format!("traffic_db.{}", self.table),
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": self.dead_letters,
        });
        for (key, value) in more {
            config[*key] = (*value).into();
        }
        json!({ "name": self.name, "config": config })
    }

    /// Starts a writer of a document.
    pub(crate) fn writer(&self, document: &Json, more: &[&str]) -> Process {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = self.world.stack.folder().path().join("writers");
        std::fs::create_dir_all(&folder).unwrap();
        let file: PathBuf = folder.join(format!("{}-{number}.json", self.name));
        std::fs::write(&file, document.to_string()).unwrap();
        let mariadb = &self.world.stack.mariadb;
        let mut command = Command::new(env!("CARGO_BIN_EXE_mariadb-writer"));
        command
            .arg("--connectors")
            .arg(&file)
            .args([
                "--http-address",
                "127.0.0.1:0",
                "--grpc-address",
                "127.0.0.1:0",
                "--log-level",
                "info,mariadb_writer=debug",
            ])
            .args(["--kafka-bootstrap-servers", &self.world.stack.kafka.bootstrap_servers()])
            .args(["--schema-registry-url", &self.world.stack.registry.url()])
            .env("TURNPIKE_MARIADB_URL", mariadb.jdbc_url())
            .env("TURNPIKE_MARIADB_USER", User::Writer.name())
            .env("TURNPIKE_MARIADB_PASSWORD", mariadb.password(User::Writer))
            .args(more);
        let log = folder.join(format!("{}-{number}.log", self.name));
        Process::spawn(format!("writer {}", self.name), &command, &log).unwrap()
    }

    /// Frames a passage with the registered schema.
    pub(crate) fn value(&self, passage: &TollPassage) -> Vec<u8> {
        let mut value = Vec::new();
        schema_registry::frame(self.schema_id, &mut value);
        passage.encode(&mut value);
        value
    }

    /// Sends passages of these numbers, each to the partition of its number.
    pub(crate) fn send_passages(&self, numbers: impl IntoIterator<Item = u64>) {
        let values = numbers.into_iter().map(|number| ((number % 4) as i32, self.value(&passage(number))));
        self.send(&self.topic, values);
    }

    /// Sends values to partitions and waits until all are acknowledged.
    pub(crate) fn send(&self, topic: &str, values: impl IntoIterator<Item = (i32, Vec<u8>)>) {
        let headers =
            Headers::new().add("traceparent", Some(b"00-1-1-00")).add("tracestate", Some(b"other=1"));
        self.send_with(
            topic,
            values.into_iter().map(|(partition, value)| (partition, value, headers.clone())),
        );
    }

    /// The same with headers of their own.
    pub(crate) fn send_with(&self, topic: &str, values: impl IntoIterator<Item = (i32, Vec<u8>, Headers)>) {
        let producer = self.world.kafka().producer("test", &[]).unwrap();
        let timestamp_ms = Some(1_790_969_180_000);
        for (partition, value, headers) in values {
            let (key, value) = (Some(&b"vehicle"[..]), Some(&value[..]));
            producer
                .send(Outgoing {
                    topic,
                    partition: Some(partition),
                    key,
                    value,
                    timestamp_ms,
                    headers,
                    receipt: None,
                })
                .unwrap();
        }
        producer.drain(LIMIT).unwrap();
    }

    pub(crate) fn rows(&self) -> i64 {
        self.world.number(&format!("SELECT COUNT(*) FROM traffic_db.{}", self.table))
    }

    /// Waits for a number of rows.
    pub(crate) fn wait_for_rows(&self, writer: &Process, rows: i64) {
        wait_until(writer, &format!("{rows} rows"), || self.rows() >= rows);
    }

    /// The numbers of the stored passages, in the order in which they were inserted into each partition.
    pub(crate) fn stored_numbers(&self) -> Vec<u64> {
        let lines = self.world.sql(&format!("SELECT event_id FROM traffic_db.{} ORDER BY id", self.table));
        lines.lines().map(|line| uuid::Uuid::parse_str(line).unwrap().as_u128() as u64).collect()
    }

    /// All is stored once, in order within each partition, and the ledger says the same.
    pub(crate) fn assert_exactly_once(&self, count: u64) {
        let numbers = self.stored_numbers();
        for partition in 0..4 {
            let of_partition: Vec<u64> =
                numbers.iter().copied().filter(|number| number % 4 == partition).collect();
            let expected: Vec<u64> = (0..count).filter(|number| number % 4 == partition).collect();
            assert!(
                of_partition == expected,
                "partition {partition}: {} of {}",
                of_partition.len(),
                expected.len()
            );
        }
        assert_eq!(self.ledger(), (count as i64, count as i64, 0));
    }

    /// What the ledger has read, stored and set aside.
    pub(crate) fn ledger(&self) -> (i64, i64, i64) {
        let sums = "SELECT COALESCE(SUM(read_count), 0), COALESCE(SUM(stored_count), 0), COALESCE(SUM(dead_count), 0)";
        let line = self.world.sql(&format!("{sums} FROM turnpike.ledger WHERE connector = '{}'", self.name));
        let numbers: Vec<i64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    }

    /// What the ledger says that filters left out.
    pub(crate) fn skipped(&self) -> i64 {
        let sum = "SELECT COALESCE(SUM(skipped_count), 0) FROM turnpike.ledger";
        self.world.number(&format!("{sum} WHERE connector = '{}'", self.name))
    }

    /// Everything on the topic of dead letters: partition, value and headers.
    pub(crate) fn dead_letters(&self, count: usize) -> Vec<(i32, Vec<u8>, BTreeMap<String, String>)> {
        let group_id = format!("test-{}", self.name);
        let settings =
            ConsumerSettings { group_id: group_id.clone(), client_id: group_id, ..Default::default() };
        let consumer = self.world.kafka().consumer(&settings).unwrap();
        consumer.subscribe(&[&self.dead_letters]).unwrap();
        let (wait, linger) = (Duration::from_millis(200), Duration::from_millis(50));
        let limits = BatchLimits { rows_max: 100_000, bytes_max: usize::MAX, wait, linger };
        let mut records = Vec::new();
        let since = now();
        while records.len() < count && since.elapsed() < LIMIT {
            consumer.poll_batch(&limits, &mut records).unwrap();
            for change in consumer.rebalances() {
                if let Rebalance::Assigned(partitions) = change {
                    let starts: Vec<_> = partitions.into_iter().map(|at| (at, Position::Beginning)).collect();
                    consumer.start(&starts).unwrap();
                }
            }
        }
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        let headers = |record: &kafka::Record<'_>| {
            record.headers().map(|(name, value)| (name.to_owned(), text(value))).collect()
        };
        let value = |record: &kafka::Record<'_>| record.value().unwrap_or_default().to_vec();
        records.iter().map(|record| (record.partition(), value(record), headers(record))).collect()
    }
}

/// A passage that is told by its number.
pub(crate) fn passage(number: u64) -> TollPassage {
    TollPassage {
        event_id: uuid::Uuid::from_u128(number.into()),
        vehicle_id: uuid::Uuid::from_u128(u128::from(number) << 64),
        transponder_id: Some(10_000 + number as i32),
        vehicle_type: "car".into(),
        toll_plaza_id: 4_000 + (number % 11) as i32,
        lane: Some(1 + (number % 12) as i32),
        amount_cents: Some(250 + number as i64 % 1_000),
        currency: Some("EUR".into()),
        occurred_at_ms: 1_790_969_180_123 + number as i64,
    }
}

/// Waits for a condition; a writer that ends meanwhile ends the wait.
pub(crate) fn wait_until(writer: &Process, what: &str, mut condition: impl FnMut() -> bool) {
    let since = now();
    while !condition() {
        let output = || writer.output().unwrap_or_default();
        assert!(writer.is_running(), "the writer ended before {what}:\n{}", output());
        assert!(since.elapsed() < LIMIT, "no {what} within {LIMIT:?}:\n{}", output());
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "a deadline for what is waited for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
