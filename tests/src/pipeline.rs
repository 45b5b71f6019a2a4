//! A stack with the services on it, each its own process.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    time::Duration,
};

use generator::Source;
use kafka::{Connection, NewTopic};
use local_stack::{Options, Process, Signal, Stack, User};
use schema_registry::Registry;
use simulation::World;
use toll_generator::Tolls;

use crate::{Expected, Run, TollRow, eventually, otlp::Observed, read_topic, wait::pause};

/// How long a service may take to end after SIGTERM.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Lines of each log that a failed test shows.
const LOG_LINES_SHOWN: usize = 25;

/// A stack and what it takes to start services on it.
#[derive(Debug)]
pub struct Pipeline {
    /// Broker, database, registry.
    pub stack: Stack,
    started: Mutex<u32>,
    observed: Mutex<Option<Observed>>,
    _alone: MutexGuard<'static, ()>,
}

/// A service that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `toll-generator`.
    Generator,
    /// `traffic-generator`.
    TrafficGenerator,
    /// `weather-generator`.
    WeatherGenerator,
    /// `validator`.
    Validator,
    /// `mariadb-writer`.
    Writer,
}

impl Service {
    /// The executable's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generator => "toll-generator",
            Self::TrafficGenerator => "traffic-generator",
            Self::WeatherGenerator => "weather-generator",
            Self::Validator => "validator",
            Self::Writer => "mariadb-writer",
        }
    }
}

impl Pipeline {
    /// A fresh stack with the topics, once no other pipeline runs in this process.
    pub fn start() -> Self {
        let pipeline = Self::without_topics();
        pipeline.create_topics();
        pipeline
    }

    /// The same with a Jaeger beside it.
    pub fn with_jaeger() -> Self {
        let pipeline = Self::on(Options { jaeger: true, ..Options::default() });
        pipeline.create_topics();
        pipeline
    }

    /// A fresh stack without any topic.
    pub fn without_topics() -> Self {
        Self::on(Options::default())
    }

    pub(crate) fn on(options: Options) -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        build_services();
        let stack = Stack::start(options).expect("the stack starts");
        Self { stack, started: Mutex::new(0), observed: Mutex::default(), _alone: alone }
    }

    /// Creates the three topics of each stream.
    pub fn create_topics(&self) {
        let of = |raw: &str| [raw.to_owned(), format!("{raw}.valid"), format!("{raw}.dlq")];
        let names = ["toll", "traffic.events", "weather_data"].map(of);
        let topics: Vec<_> = names.as_flattened().iter().map(|name| NewTopic::new(name, 4, 1)).collect();
        let _first_group = self.kafka().first_group().expect("a consumer");
        self.kafka().admin().and_then(|admin| admin.create_topics(&topics)).expect("topics are created");
    }

    /// From now on services are started with these settings of their telemetry.
    pub fn observe(&self, observed: &Observed) {
        *self.observed.lock().unwrap_or_else(PoisonError::into_inner) = Some(observed.clone());
    }

    /// Gives a command the settings of telemetry.
    pub fn set_observed(&self, command: &mut Command) {
        let observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(observed) = observed.as_ref() {
            command.envs(observed.variables().iter().cloned());
        }
    }

    /// How to reach the broker.
    pub fn kafka(&self) -> Connection {
        Connection::new(self.stack.kafka.bootstrap_servers())
    }

    /// The command that starts a service with these arguments.
    pub fn command(&self, service: Service, args: &[&str]) -> Command {
        let mut command = Command::new(executable(service.name()));
        command
            .args(["--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0"])
            .args(["--kafka-bootstrap-servers", &self.stack.kafka.bootstrap_servers()])
            .args(["--schema-registry-url", &self.stack.registry.url()])
            .args(args)
            .current_dir(root());
        if service == Service::Writer {
            let given = |flag: &str| args.contains(&flag);
            if !given("--mariadb-url") {
                command.args(["--mariadb-url", &self.stack.mariadb.jdbc_url()]);
            }
            if !given("--mariadb-user") {
                command.args(["--mariadb-user", User::Writer.name()]);
            }
            command.env("TURNPIKE_MARIADB_PASSWORD", self.stack.mariadb.password(User::Writer));
        }
        self.set_observed(&mut command);
        command
    }

    /// Starts a service; its log is in the stack's folder.
    pub fn spawn(&self, service: Service, args: &[&str]) -> Process {
        self.spawn_command(service, &self.command(service, args))
    }

    /// Starts a service by a command that was made with [`Self::command`].
    pub fn spawn_command(&self, service: Service, command: &Command) -> Process {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        *started += 1;
        let log = self.stack.folder().path().join(format!("{}-{started}.log", service.name()));
        Process::spawn(service.name(), command, &log).expect("the service starts")
    }

    /// One validator and one writer with instance names.
    pub fn spawn_consumers(&self) -> [Process; 2] {
        [
            self.spawn(Service::Validator, &["--instance", "a"]),
            self.spawn(Service::Writer, &["--instance", "a"]),
        ]
    }

    /// Starts the toll generator on a run.
    pub fn spawn_generator(&self, run: &Run) -> Process {
        self.spawn_generator_of(Service::Generator, run)
    }

    /// The same of any generator.
    pub fn spawn_generator_of(&self, service: Service, run: &Run) -> Process {
        let args = run.args();
        self.spawn(service, &args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Waits for the end of the toll generator, asserts that the raw topic holds exactly the run, and gives its records.
    pub fn generated(&self, generator: &Process, run: &Run) -> Expected {
        self.generated_of::<Tolls>(generator, run)
    }

    /// Runs the toll generator to its end, asserts that the raw topic holds exactly the run, and gives its records.
    pub fn generate(&self, run: &Run) -> Expected {
        self.generated(&self.spawn_generator(run), run)
    }

    /// The same of any generator.
    pub fn generate_of<S: Source>(&self, service: Service, run: &Run) -> Expected
    where
        <S::World as World>::Options: Default,
    {
        self.generated_of::<S>(&self.spawn_generator_of(service, run), run)
    }

    fn generated_of<S: Source>(&self, generator: &Process, run: &Run) -> Expected
    where
        <S::World as World>::Options: Default,
    {
        let status = generator.wait(Duration::from_mins(2)).expect("the generator ends");
        assert!(status.success(), "the generator failed: {}", generator.output().unwrap_or_default());
        let subject = format!("{}-value", S::TOPIC);
        let schema_id = self.ask_registry(async |registry| registry.latest(&subject).await).id;
        let expected = Expected::of::<S>(run, schema_id);
        let raw = read_topic(&self.kafka(), S::TOPIC);
        let mut arrived: Vec<_> = raw.iter().map(|read| (&read.key, &read.value)).collect();
        let mut sent: Vec<_> = expected.sent.iter().map(|sent| (&sent.key, &sent.value)).collect();
        arrived.sort();
        sent.sort();
        assert!(
            arrived == sent,
            "{} records were sent and {} are on the raw topic",
            sent.len(),
            arrived.len()
        );
        expected
    }

    /// Registers a schema, or finds that it is registered; gives its id.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        self.ask_registry(async |registry| registry.register(subject, schema).await)
    }

    fn ask_registry<T>(&self, ask: impl AsyncFnOnce(&Registry) -> Result<T, schema_registry::Error>) -> T {
        let options = schema_registry::Options::new(self.stack.registry.url());
        let registry = Registry::new(&options).expect("a client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(ask(&registry)).expect("the registry answers")
    }

    /// Answers of the database, a line a row, columns parted by tabs.
    pub fn sql(&self, query: &str) -> String {
        self.stack.mariadb.sql(query).expect("the query is answered").trim_end().to_owned()
    }

    /// One number of the database.
    pub fn count(&self, query: &str) -> u64 {
        let answer = self.sql(query);
        answer.trim().parse().unwrap_or_else(|_| panic!("`{query}` gave `{answer}`"))
    }

    /// Waits until both toll connectors have read `records` and dead letters of everything that failed are stored.
    pub fn settle(&self, valid: u64, dead: u64) {
        for connector in ["toll-passages", "live-toll-data"] {
            eventually(&format!("{connector} reads {valid} records"), || {
                (self.read_count(connector) == valid).then_some(())
            });
        }
        eventually(&format!("dead-letters reads {dead} records"), || {
            (self.read_count("dead-letters") >= dead).then_some(())
        });
    }

    /// Waits until a connector has read so many records.
    pub fn await_read(&self, connector: &str, records: u64) {
        eventually(&format!("{connector} reads {records} records"), || {
            (self.read_count(connector) >= records).then_some(())
        });
    }

    /// How many records a connector has read.
    pub fn read_count(&self, connector: &str) -> u64 {
        let query = "SELECT COALESCE(SUM(read_count), 0) FROM turnpike.ledger WHERE connector = ";
        self.stack
            .mariadb
            .sql(&format!("{query}'{connector}'"))
            .ok()
            .and_then(|n| n.trim().parse().ok())
            .unwrap_or(0)
    }

    /// The ledger as text, for messages.
    pub fn ledger(&self) -> String {
        self.stack.mariadb.sql("SELECT * FROM turnpike.ledger").unwrap_or_else(|error| error.to_string())
    }

    /// The stored passages in the oracle's form, sorted.
    pub fn rows(&self) -> Vec<TollRow> {
        let answer = self.sql(
            "SELECT event_id, vehicle_id, transponder_id, vehicle_type, toll_plaza_id, lane, amount, currency,
                    TIMESTAMPDIFF(MICROSECOND, '1970-01-01', occurred_at) DIV 1000, flags FROM traffic_db.toll_passages",
        );
        let mut rows: Vec<TollRow> = answer
            .lines()
            .map(|line| {
                let (event_id, columns) = line.split_once('\t').expect("columns");
                TollRow { event_id: event_id.to_owned(), columns: columns.to_owned() }
            })
            .collect();
        rows.sort();
        rows
    }

    /// Asserts that the table without a key holds the same passages as the one with a key, each as often.
    pub fn assert_tables_agree(&self, rows: u64) {
        assert_eq!(self.count("SELECT COUNT(*) FROM tolldata.livetolldata"), rows);
        let differing = self.count(
            "SELECT COUNT(*) FROM (
                SELECT CAST(occurred_at AS DATETIME) AS t, transponder_id AS v, vehicle_type AS y, toll_plaza_id AS p
                FROM traffic_db.toll_passages EXCEPT ALL SELECT * FROM tolldata.livetolldata) AS difference",
        );
        assert_eq!(differing, 0, "the two tables tell different passages");
    }

    /// Asserts that the table holds exactly the passages that are to be stored, each once and every column right.
    pub fn assert_rows(&self, expected: &Expected) {
        let (stored, expected) = (self.rows(), expected.rows());
        let missing: Vec<_> =
            expected.iter().filter(|row| stored.binary_search(row).is_err()).take(3).collect();
        let extra: Vec<_> =
            stored.iter().filter(|row| expected.binary_search(row).is_err()).take(3).collect();
        assert!(
            stored == expected,
            "{} rows are stored and {} expected; missing {missing:?}, extra {extra:?}; {}",
            stored.len(),
            expected.len(),
            self.ledger()
        );
    }
}

impl Drop for Pipeline {
    /// The logs go with the stack's folder, so a failed test shows how they end.
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("ledger:\n{}", self.ledger());
        for entry in fs::read_dir(self.stack.folder().path()).into_iter().flatten().flatten() {
            let log = entry.path();
            if log.extension().is_some_and(|extension| extension == "log") {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
                eprintln!("\n{}:\n{}", log.display(), last.join("\n"));
            }
        }
    }
}

/// Sends SIGTERM and asserts that the service drains and ends with 0 in time.
pub fn assert_drains(process: &Process) {
    process.kill(Signal::TERM);
    let ended = process.wait(DRAIN_LIMIT);
    let output = process.output().unwrap_or_default();
    let status = ended.unwrap_or_else(|error| panic!("{error}\n{output}"));
    assert!(status.success(), "{} ended with {status}\n{output}", process.name());
}

/// Lets an outage last.
pub fn outage_lasts(time: Duration) {
    pause(time);
}

/// Builds the executables once, so that a test never runs a stale one.
fn build_services() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args([
                "build",
                "--quiet",
                "-p",
                "toll-generator",
                "-p",
                "traffic-generator",
                "-p",
                "weather-generator",
                "-p",
                "validator",
                "-p",
                "mariadb-writer",
                "-p",
                "turnpike",
            ])
            .current_dir(root());
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let status = cargo.status().expect("cargo runs");
        assert!(status.success(), "the services do not build");
    });
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// An executable of this build: beside the test's own, one folder up.
pub fn executable(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    own.ancestors().nth(2).expect("target/debug/deps").join(name)
}
