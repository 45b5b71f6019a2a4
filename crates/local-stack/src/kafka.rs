//! A Kafka broker of one node, which is its own controller (`KRaft`).

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

mod home;

use crate::{
    Error, Folder, Progress, Security, Signal, daemon::Daemon, files, security::Ports, time::Stopwatch, tools,
};
use home::Home;

/// Long enough for a broker that was killed: its controller first waits for the end of the old session (3 s).
const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// Chosen by measuring: the serial collector needs the least memory for a heap of this size.
const JVM_OPTIONS: [&str; 7] = [
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Dlog4j2.configurationFile=log4j2.properties",
];

const LOGGING: &str = "\
status = error
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c)%n
";

/// How the broker's JVM compiles what it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Jit {
    /// Quickly (C1 alone): for a broker that lives for a minute. At 300,000 records a second that halves its processor time while it is
    /// young, and saves 40 MiB: resident memory stays near 200 MiB.
    #[default]
    Quick,
    /// As the JVM does by itself, and a broker in production with it: what runs often is compiled once more, and better (C2). After some minutes
    /// of load small requests take half of the processor time.
    Thorough,
}

impl Jit {
    fn option(self) -> &'static str {
        match self {
            Self::Quick => "-XX:TieredStopAtLevel=1",
            Self::Thorough => "-XX:+TieredCompilation",
        }
    }
}

/// A broker with its data in a stack's folder. Topics are never created by themselves.
#[derive(Debug)]
pub struct Kafka {
    daemon: Daemon,
    port: u16,
    secured: Option<Ports>,
    progress: Progress,
    _folder: Arc<Folder>,
}

impl Kafka {
    /// The version of the broker.
    pub const VERSION: &str = home::VERSION;

    /// Lays out an empty broker; the first ever on this checkout fetches and prepares what all share.
    pub fn create(folder: &Arc<Folder>, progress: &Progress) -> Result<Self, Error> {
        Self::create_secured(folder, Jit::Quick, None, progress)
    }

    /// The same with listeners for those who sign in, over TLS.
    pub(crate) fn create_secured(
        folder: &Arc<Folder>,
        jit: Jit,
        security: Option<&Security>,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let java = tools::find("java")?;
        let home = Home::prepare(progress)?;
        let (port, controller_port) = (folder.port()?, folder.port()?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let broker = |data: PathBuf, archive_option: OsString, log: PathBuf| -> Result<Daemon, Error> {
            files::create_folder(&data)?;
            files::write(&data.join("log4j2.properties"), LOGGING)?;
            files::write(&data.join("server.properties"), &settings(port, controller_port))?;
            files::copy_folder(&home.template(), &data.join("data"))?;
            Ok(Daemon {
                name: format!("Kafka {}", Self::VERSION),
                program: java.clone(),
                arguments: java_arguments(jit, archive_option, &home.class_path()),
                environment: Vec::new(),
                folder: data,
                log,
                address,
                is_ready: answers_api_versions,
                start_limit: START_LIMIT,
                stop_limit: STOP_LIMIT,
                process: Mutex::default(),
            })
        };
        let archive = home.class_data_archive(&java, progress, |option| {
            let data = folder.path().join("kafka-training");
            let daemon = broker(data.clone(), option, folder.path().join("kafka-training.log"))?;
            daemon.start()?;
            daemon.stop()?;
            files::remove_folder(&data)
        })?;
        let data = folder.path().join("kafka");
        let daemon = broker(data.clone(), archive, folder.path().join("kafka.log"))?;
        let secured = security.map(|security| {
            let ports = Ports { password: folder.port()?, certificate: folder.port()? };
            security.lay_out(&data)?;
            let plain = settings(port, controller_port);
            let with_listeners = plain + &security.broker_settings(port, controller_port, ports);
            files::write(&data.join("server.properties"), &with_listeners)?;
            files::remove_folder(&data.join("data"))?;
            let log = folder.path().join("kafka-format.log");
            home.format(&data, "server.properties", &security.scram_users(), &log)?;
            Ok(ports)
        });
        let secured = secured.transpose()?;
        Ok(Self { daemon, port, secured, progress: progress.clone(), _folder: Arc::clone(folder) })
    }

    /// Where clients of a secured stack connect by password (SASL), over TLS.
    pub fn password_servers(&self) -> Option<String> {
        self.secured.map(|ports| format!("localhost:{}", ports.password))
    }

    /// Where clients of a secured stack connect by certificate (mutual TLS).
    pub fn certificate_servers(&self) -> Option<String> {
        self.secured.map(|ports| format!("localhost:{}", ports.certificate))
    }

    /// Starts the broker and waits until it answers; nothing happens if it runs already.
    pub fn start(&self) -> Result<(), Error> {
        let stopwatch = Stopwatch::start();
        self.daemon.start()?;
        self.progress.say(format!(
            "{} is up on {} ({})",
            self.daemon.name,
            self.daemon.address,
            stopwatch.text()
        ));
        Ok(())
    }

    /// Shuts the broker down in order; its data and port stay.
    pub fn stop(&self) -> Result<(), Error> {
        self.daemon.stop()
    }

    /// Kills the broker as a crash would; its data and port stay.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Sends a signal: SIGSTOP freezes the broker, SIGCONT lets it go on.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Where clients connect, as in `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Resident memory in KiB, while it runs.
    pub fn resident_kib(&self) -> Option<u64> {
        self.daemon.resident_kib()
    }

    /// Highest resident memory since its start in KiB, while it runs.
    pub fn resident_peak_kib(&self) -> Option<u64> {
        self.daemon.resident_peak_kib()
    }

    /// What it writes: warnings and errors.
    pub fn log(&self) -> &Path {
        &self.daemon.log
    }
}

fn java_arguments(jit: Jit, archive_option: OsString, class_path: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = JVM_OPTIONS.map(OsString::from).into();
    arguments.push(jit.option().into());
    arguments.push(archive_option);
    arguments.push("-cp".into());
    arguments.push(class_path.into());
    arguments.extend(["kafka.Kafka", "server.properties"].map(OsString::from));
    arguments
}

/// Settings of a broker for one machine. Paths are relative: properties files know no other letters than Latin.
fn settings(port: u16, controller_port: u16) -> String {
    format!(
        "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=BROKER://127.0.0.1:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs=data
auto.create.topics.enable=false
# One node: one replica of everything, and few internal partitions to open at a start.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# Quick answers: groups form at once, short sessions are allowed, abandoned transactions end soon after their time-out,
# and a broker that was killed may come back after 3 s.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Little memory and few threads.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=16777216
"
    )
}

/// Whether a broker answers there: `ApiVersions` is the first request of every client, and needs no login.
fn answers_api_versions(address: SocketAddr) -> bool {
    const CORRELATION_ID: i32 = 7;
    const API_VERSIONS_KEY: i16 = 18;
    const API_VERSION: i16 = 0;
    const NO_CLIENT_ID: i16 = -1;
    const NO_ERROR: [u8; 2] = [0, 0];

    let exchange = || -> io::Result<bool> {
        let mut request = Vec::new();
        request.extend(API_VERSIONS_KEY.to_be_bytes());
        request.extend(API_VERSION.to_be_bytes());
        request.extend(CORRELATION_ID.to_be_bytes());
        request.extend(NO_CLIENT_ID.to_be_bytes());
        let mut stream = TcpStream::connect_timeout(&address, PROBE_LIMIT)?;
        stream.set_read_timeout(Some(PROBE_LIMIT))?;
        stream.write_all(&(request.len() as u32).to_be_bytes())?;
        stream.write_all(&request)?;
        let mut answer = [0; 10]; // length, correlation id, error code
        stream.read_exact(&mut answer)?;
        Ok(answer[4..8] == CORRELATION_ID.to_be_bytes() && answer[8..] == NO_ERROR)
    };
    exchange().unwrap_or(false)
}
