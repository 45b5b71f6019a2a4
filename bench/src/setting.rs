//! What the measurements run on: a stack, processes of the services, and topics full of real records.

mod disk;
mod topics;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use kafka::{Admin, Connection, Headers, Outgoing};
use local_stack::{Jit, Process, Progress, Signal, Stack, User};
use schema_registry::Registry;
use serde_json::{Value, json};
use service::{Error, clock};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, Row as _, mysql::MySqlConnectOptions};
use system_tests::{get, http_address};
use tokio::runtime::{self, Runtime};

use crate::{passages::Passages, progress, watch::last_words};

pub(crate) use topics::Passing;

/// Memory of the database's page cache, in a full and in a quick run.
const BUFFER_POOL_MIB: u32 = 2_048;
const BUFFER_POOL_MIB_QUICK: u32 = 1_024;
/// MariaDB's redo log: as on a server that is meant for writing. With the 96 MiB that are its default the pages of a single
/// run are written out while it lasts, and a run measures the disk.
const REDO_LOG_MIB: u32 = 1_024;
/// How long a service may take to end after SIGTERM.
const ENDS_IN: Duration = Duration::from_secs(20);
/// How long the broker may take for what is left of a topic that is being filled.
const ACKNOWLEDGED_IN: Duration = Duration::from_mins(1);

/// A broker, a database and a registry on this machine, and what was put into them.
pub(crate) struct Setting {
    /// Kafka, MariaDB and the registry.
    pub(crate) stack: Stack,
    /// Whether little time is to be spent.
    pub(crate) quick: bool,
    /// How many pairs a figure is the median of.
    pub(crate) pairs: u32,
    /// When the newest passage of all topics happened; all have happened when they are read.
    pub(crate) newest_ms: i64,
    admin: Admin,
    database: Mutex<Database>,
    registry: Registry,
    /// Records of each topic that was filled.
    topics: Mutex<BTreeMap<String, u64>>,
    /// How many names were made.
    names: AtomicU32,
    /// What is done once only.
    done: Mutex<BTreeSet<&'static str>>,
}

/// One connection that stays, so that looking at the database costs it and the machine next to nothing.
struct Database {
    runtime: Runtime,
    connection: MySqlConnection,
}

impl Setting {
    /// Starts a fresh stack, and makes sure that its commits are durable.
    pub(crate) fn start(quick: bool, pairs: u32) -> Result<Self, Error> {
        let options = local_stack::Options {
            buffer_pool_mib: if quick { BUFFER_POOL_MIB_QUICK } else { BUFFER_POOL_MIB },
            jit: Jit::Thorough,
            progress: Progress::to(|line| progress(line)),
            ..local_stack::Options::default()
        };
        let stack = Stack::start(options).map_err(Error::failed)?;
        disk::expect_free(stack.folder().path(), quick)?;
        let admin = kafka(&stack).admin().map_err(Error::failed)?;
        let database = Database::connect(&stack)?;
        let options = schema_registry::Options::new(stack.registry.url());
        let registry = Registry::new(&options).map_err(Error::failed)?;
        let setting = Self {
            stack,
            quick,
            pairs,
            newest_ms: clock::now_ms(),
            admin,
            database: Mutex::new(database),
            registry,
            topics: Mutex::default(),
            names: AtomicU32::default(),
            done: Mutex::default(),
        };
        setting.sql(&format!("SET GLOBAL innodb_log_file_size = {}", u64::from(REDO_LOG_MIB) << 20))?;
        let flush = setting.number("SELECT @@innodb_flush_log_at_trx_commit")?;
        if flush != 1 {
            return Err(Error::failed("the database's commits are not durable, so its speed means nothing"));
        }
        Ok(setting)
    }

    /// How to reach the broker.
    pub(crate) fn connection(&self) -> Connection {
        kafka(&self.stack)
    }

    /// Topics, and how far they go.
    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Runs statements as the administrator, by MariaDB's own client; answers rows as lines, columns parted by tabs.
    pub(crate) fn sql(&self, statements: &str) -> Result<String, Error> {
        self.stack.mariadb.sql(statements).map_err(Error::failed)
    }

    /// One whole number of the database, by a connection that stays open; NULL counts as 0.
    pub(crate) fn number(&self, query: &str) -> Result<u64, Error> {
        let Database { runtime, connection } = &mut *self.database();
        let row = runtime.block_on(sqlx::query(AssertSqlSafe(query)).fetch_one(connection));
        // Signed or not, wide or narrow: whatever the server takes it for.
        let number = row.and_then(|row| row.try_get_unchecked::<Option<i64>, _>(0)).map_err(Error::failed)?;
        Ok(number.unwrap_or(0) as u64)
    }

    /// A name that no run had before: of a connector, whose group and ledger are then new as well.
    pub(crate) fn fresh(&self, name: &str) -> String {
        format!("{}-{}", name.replace(['.', '_'], "-"), self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether this is asked for the first time.
    pub(crate) fn is_first(&self, what: &'static str) -> bool {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(what)
    }

    /// Records that a connector is done with, by the ledger: committed together with the rows.
    pub(crate) fn stored(&self, connector: &str) -> Result<u64, Error> {
        self.number(&format!(
            "SELECT CAST(SUM(read_count) AS SIGNED) FROM turnpike.ledger WHERE connector = '{connector}'"
        ))
    }

    /// Starts a service of this build, which knows where the stack is; `run` tells its log from others.
    pub(crate) fn spawn(&self, service: &str, run: &str, arguments: &[&str]) -> Result<Process, Error> {
        // Whatever the shell has set.
        self.spawn_with(service, run, arguments, &[("OTEL_SDK_DISABLED", "true")])
    }

    /// The same with variables of its environment.
    pub(crate) fn spawn_with(
        &self,
        service: &str,
        run: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Process, Error> {
        let own = std::env::current_exe().map_err(Error::failed)?;
        let mut command = Command::new(own.with_file_name(service));
        command
            .args(["--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0"])
            .args(["--kafka-bootstrap-servers", &self.stack.kafka.bootstrap_servers()])
            .args(["--schema-registry-url", &self.stack.registry.url()])
            .args(arguments)
            .envs(variables.iter().copied());
        if service == "mariadb-writer" {
            let (url, user) = (self.stack.mariadb.jdbc_url(), User::Writer);
            command
                .args(["--mariadb-url", &url, "--mariadb-user", user.name()])
                .env("TURNPIKE_MARIADB_PASSWORD", self.stack.mariadb.password(user));
        }
        let log = self.path(&format!("{run}-{service}.log"));
        Process::spawn(service, &command, &log).map_err(Error::failed)
    }

    /// What a service says of itself: the sum of a metric's samples whose labels are `meant`, 0 without any.
    #[expect(clippy::unused_self, reason = "reads like the others")]
    pub(crate) fn metric(
        &self,
        process: &Process,
        metric: &str,
        meant: impl Fn(&str) -> bool,
    ) -> Result<f64, Error> {
        let text = get(&format!("http://{}/metrics", http_address(process))).map_err(Error::failed)?;
        let samples = text.lines().filter_map(|line| {
            let (labels, value) = line.strip_prefix(metric)?.rsplit_once(' ')?;
            (labels.starts_with('{') && meant(labels)).then(|| value.parse::<f64>().ok())?
        });
        Ok(samples.sum())
    }

    /// Asks a service to end, which it must do in order.
    #[expect(clippy::unused_self, reason = "reads as the counterpart of `spawn`")]
    pub(crate) fn end(&self, process: &Process) -> Result<(), Error> {
        process.kill(Signal::TERM);
        let status = process.wait(ENDS_IN).map_err(Error::failed)?;
        if status.success() {
            return Ok(());
        }
        let (name, said) = (process.name(), last_words(process));
        Err(Error::failed(format!("{name} ended with {status}: {said}")))
    }

    /// Writes a connector's document, named after the run, alone into a folder; gives the folder.
    pub(crate) fn connector(&self, run: &str, config: &Value) -> Result<String, Error> {
        let folder = self.path(run);
        let document = json!({ "name": run, "config": config }).to_string();
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join("connector.json"), document))
            .map_err(Error::failed)?;
        Ok(folder.display().to_string())
    }

    /// A place for a file that goes with the stack.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.stack.folder().path().join(file)
    }

    /// Makes (once) a topic of so many valid passages, framed and keyed as a generator sends them.
    pub(crate) fn passages(&self, topic: &str, partitions: i32, count: u64) -> Result<(), Error> {
        self.passages_until(topic, partitions, count, self.newest_ms)
    }

    /// The same, the newest of which happened at another time.
    pub(crate) fn passages_until(
        &self,
        topic: &str,
        partitions: i32,
        count: u64,
        newest_ms: i64,
    ) -> Result<(), Error> {
        let schema_id = self.register(topic, events::TollPassage::SCHEMA)?;
        let mut passages = Passages::new(count, newest_ms);
        let mut value = Vec::new();
        self.fill(topic, partitions, count, |send| {
            passages.try_for_each(|passage| {
                value.clear();
                schema_registry::frame(schema_id, &mut value);
                passage.encode(&mut value);
                send(passage.vehicle_id.to_string().as_bytes(), &value, passage.occurred_at_ms)
            })
        })
    }

    /// Registers the schema of a topic's values; gives its id.
    pub(crate) fn register(&self, topic: &str, schema: &str) -> Result<u32, Error> {
        let database = self.database();
        let id = database.runtime.block_on(self.registry.register(&format!("{topic}-value"), schema));
        id.map_err(Error::failed)
    }

    /// Makes (once) a topic and lets `records` send what is to be in it: key, value and time of each, `count` in all.
    pub(crate) fn fill(
        &self,
        topic: &str,
        partitions: i32,
        count: u64,
        records: impl FnOnce(&mut dyn FnMut(&[u8], &[u8], i64) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = topics.get(topic) {
            let words = || Error::failed(format!("topic {topic} has {known} records, not {count}"));
            return (*known == count).then_some(()).ok_or_else(words);
        }
        self.create_topic(topic, partitions)?;
        let producer = self.connection().producer("bench", &[]).map_err(Error::failed)?;
        records(&mut |key, value, timestamp_ms| {
            let record = Outgoing {
                topic,
                partition: None,
                key: Some(key),
                value: Some(value),
                timestamp_ms: Some(timestamp_ms),
                headers: Headers::new(),
                receipt: None,
            };
            producer.send(record).map_err(Error::failed)
        })?;
        producer.drain(ACKNOWLEDGED_IN).map_err(Error::failed)?;
        if producer.delivered() != count {
            let delivered = producer.delivered();
            return Err(Error::failed(format!("topic {topic} got {delivered} records instead of {count}")));
        }
        progress(format!("  topic {topic}: {count} records in {partitions} partitions"));
        topics.insert(topic.to_owned(), count);
        Ok(())
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database {
    fn connect(stack: &Stack) -> Result<Self, Error> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::failed)?;
        let url = stack.mariadb.url(User::Administrator);
        let options: MySqlConnectOptions = url.parse().map_err(Error::failed)?;
        let connection = runtime.block_on(options.connect()).map_err(Error::failed)?;
        Ok(Self { runtime, connection })
    }
}

fn kafka(stack: &Stack) -> Connection {
    Connection::new(stack.kafka.bootstrap_servers())
}
