//! One service of the demo: how it is started, asked, started again and stopped.

use std::{
    fmt::Write as _,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    pin::pin,
    process::{Command, ExitStatus},
    time::Duration,
};

use futures::StreamExt as _;
use local_stack::{Process, Signal, Stack, User};
use service::{Error, control::Client};

use super::{
    flows::{Reading, Totals},
    jaeger,
    summary::Running,
};

/// How long a service may take to tell how it is; the next look asks again.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a service may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Lines of a log that are shown of a service that failed.
const LAST_LINES: usize = 8;
/// Signals that a user ends a process with.
const USUAL_SIGNALS: [Signal; 5] = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
/// A process that was told twice to end exits with this and the signal's number.
const SIGNALLED: i32 = 128;
/// Settings of the user's shell are for services, not for the demo's.
const OWN_VARIABLES: &str = "TURNPIKE_";

/// A service of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    TollGenerator,
    TrafficGenerator,
    WeatherGenerator,
    Validator,
    Writer,
}

/// One record in so many is an event, one a reading; the others are passages.
const EVENT_ONE_IN: u64 = 10;

impl Service {
    /// All, in the order in which records pass.
    pub(crate) const ALL: [Self; 5] =
        [Self::TollGenerator, Self::TrafficGenerator, Self::WeatherGenerator, Self::Validator, Self::Writer];

    /// The executable's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TollGenerator => "toll-generator",
            Self::TrafficGenerator => "traffic-generator",
            Self::WeatherGenerator => "weather-generator",
            Self::Validator => "validator",
            Self::Writer => "mariadb-writer",
        }
    }

    /// Whether it makes records.
    pub(crate) fn is_generator(self) -> bool {
        matches!(self, Self::TollGenerator | Self::TrafficGenerator | Self::WeatherGenerator)
    }

    /// The generator's part of a rate of all streams together: one in ten is an event, one a reading, the others are
    /// passages. Every stream has at least one a second; 0 is as fast as possible for all.
    fn share_of(self, rate: u64) -> u64 {
        let tenth = (rate / EVENT_ONE_IN).max(1);
        match self {
            _ if rate == 0 => 0,
            Self::TollGenerator => rate.saturating_sub(2 * tenth).max(1),
            _ => tenth,
        }
    }
}

/// Where the services' executables are, and the repository with schemas and connectors.
#[derive(Debug)]
pub(crate) struct Executables {
    folder: PathBuf,
    repository: PathBuf,
}

impl Executables {
    /// Beside this executable; one line if one is missing.
    pub(crate) fn find() -> Result<Self, Error> {
        let own = std::env::current_exe().map_err(Error::failed)?;
        let folder = own.parent().unwrap_or(Path::new("/")).to_owned();
        if let Some(missing) = Service::ALL.iter().find(|service| !folder.join(service.name()).is_file()) {
            let packages = Service::ALL.map(|service| format!(" -p {}", service.name())).concat();
            let profile = if folder.ends_with("release") { " --release" } else { "" };
            return Err(Error::failed(format!(
                "{} is not in {}; build it: cargo build{profile}{packages}",
                missing.name(),
                folder.display()
            )));
        }
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let repository = repository.canonicalize().map_err(|error| {
            Error::failed(format!(
                "the repository that this was built in is gone: {}: {error}",
                repository.display()
            ))
        })?;
        Ok(Self { folder, repository })
    }
}

/// What the services are started with.
#[derive(Debug)]
pub(crate) struct Setting<'d> {
    pub(crate) executables: &'d Executables,
    pub(crate) stack: &'d Stack,
    pub(crate) rate: u64,
    pub(crate) malformed: &'d str,
}

/// A service with its present process.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) service: Service,
    http: String,
    grpc: String,
    starts: u32,
    /// `None` after it was stopped for good.
    process: Option<Process>,
    client: Option<Client>,
    pub(crate) totals: Totals,
    /// What it told last; `None` while it does not answer.
    pub(crate) reading: Option<Reading>,
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Somebody wanted it to.
    Wanted,
    /// It failed.
    Failed,
}

impl Member {
    /// Starts a service on ports of its own.
    pub(crate) fn start(service: Service, setting: &Setting<'_>) -> Result<Self, Error> {
        let port =
            || setting.stack.folder().port().map(|port| format!("127.0.0.1:{port}")).map_err(Error::failed);
        let (http, grpc) = (port()?, port()?);
        let (process, client, reading) = (None, None, None);
        let mut member =
            Self { service, http, grpc, starts: 0, process, client, totals: Totals::default(), reading };
        member.spawn(setting)?;
        Ok(member)
    }

    fn spawn(&mut self, setting: &Setting<'_>) -> Result<(), Error> {
        self.starts += 1;
        let name = self.service.name();
        let log = setting.stack.folder().path().join(format!("{name}.log"));
        let process = Process::spawn(name, &self.command(setting), &log).map_err(Error::failed)?;
        self.process = Some(process);
        Ok(())
    }

    fn command(&self, setting: &Setting<'_>) -> Command {
        let Setting { executables, stack, rate, malformed } = setting;
        let mut command = Command::new(executables.folder.join(self.service.name()));
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            let is_of_jaeger = stack.jaeger.is_some() && name_text.starts_with(jaeger::VARIABLES);
            if name_text.starts_with(OWN_VARIABLES) || is_of_jaeger {
                command.env_remove(name);
            }
        }
        if let Some(jaeger) = &stack.jaeger {
            command.envs(jaeger::environment(jaeger, *rate));
        }
        command
            .current_dir(&executables.repository)
            .args(["--http-address", &self.http, "--grpc-address", &self.grpc])
            .args(["--kafka-bootstrap-servers", &stack.kafka.bootstrap_servers()])
            .args(["--schema-registry-url", &stack.registry.url()]);
        match self.service {
            // Each start is a stream of its own: with the seed of the one before, the same vehicles would pass in the same
            // order again. Event ids would differ even so, as they begin with the time.
            Service::TollGenerator | Service::TrafficGenerator | Service::WeatherGenerator => command
                .args(["--rate", &self.service.share_of(*rate).to_string(), "--malformed", malformed])
                .args(["--seed", &self.starts.to_string()]),
            Service::Validator => command.env("TURNPIKE_INSTANCE", "demo"),
            Service::Writer => command
                .args(["--connectors", "deploy/connectors", "--mariadb-url", &stack.mariadb.jdbc_url()])
                .args(["--mariadb-user", User::Writer.name()])
                .env("TURNPIKE_MARIADB_PASSWORD", stack.mariadb.password(User::Writer))
                .env("TURNPIKE_INSTANCE", "demo"),
        };
        command
    }

    /// Asks the service for its metrics; without an answer in time it is asked anew the next time.
    pub(crate) async fn ask(&mut self) {
        if self.process.is_none() {
            self.reading = None;
            return;
        }
        let answer = tokio::time::timeout(ASK_TIMEOUT, stats(&mut self.client, &self.grpc)).await;
        self.reading = answer.ok().flatten();
        match &self.reading {
            Some(reading) => self.totals.heed(&reading.counts),
            None => self.client = None,
        }
    }

    /// Whether it was not stopped for good.
    pub(crate) fn has_process(&self) -> bool {
        self.process.is_some()
    }

    /// The control plane, while it answers.
    pub(crate) fn client(&mut self) -> Option<&mut Client> {
        self.client.as_mut()
    }

    /// Starts the service again if its process has ended, and says so; an error of its own is a failure to tell.
    pub(crate) fn revive(&mut self, setting: &Setting<'_>) -> Result<Option<Revival>, Error> {
        let Some((process, status)) =
            self.process.as_ref().and_then(|process| Some((process, process.ended()?)))
        else {
            return Ok(None);
        };
        let (name, pid) = (self.service.name(), process.pid());
        if end(status) == End::Failed {
            let failure = Revival::Failure(failure(process, &format!("ended with {status}")));
            self.process = None;
            return Ok(Some(failure));
        }
        self.totals.restart();
        self.client = None;
        self.spawn(setting)?;
        let again = self.process.as_ref().map_or(0, Process::pid);
        Ok(Some(Revival::Again(format!(
            "{name} (pid {pid}) is gone: {status}; started again as pid {again}"
        ))))
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        if let Some(process) = &self.process {
            process.kill(Signal::TERM);
        }
    }

    /// Waits for the end after [`Self::terminate`]; a text if it did not end in order.
    pub(crate) fn wait_for_end(&mut self) -> Option<String> {
        let process = self.process.take()?;
        let complaint = match process.wait(STOP_LIMIT) {
            Ok(status) if status.success() => return None,
            Ok(status) => format!("ended with {status} after SIGTERM"),
            // Dropping the process kills it.
            Err(_) => format!("had not ended {} s after SIGTERM and is killed", STOP_LIMIT.as_secs()),
        };
        Some(failure(&process, &complaint))
    }

    /// For the summary.
    pub(crate) fn running(&self) -> Running {
        let process = self.process.as_ref();
        Running {
            name: self.service.name(),
            pid: process.map(Process::pid),
            resident_kib: process.and_then(Process::resident_kib),
        }
    }
}

/// What became of a service whose process had ended.
#[derive(Debug)]
pub(crate) enum Revival {
    /// It runs again; what to say about it.
    Again(String),
    /// It failed by itself and stays down; what to say about it.
    Failure(String),
}

/// The first message of a stream: all metrics as they are now.
async fn stats(client: &mut Option<Client>, address: &str) -> Option<Reading> {
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect(address).await.ok()?),
    };
    let stream = client.watch_stats(ASK_TIMEOUT).await.ok()?;
    let stats = pin!(stream).next().await?.ok()?;
    Some(Reading::of(&stats))
}

fn end(status: ExitStatus) -> End {
    let signal = status.signal().or_else(|| status.code().and_then(|code| code.checked_sub(SIGNALLED)));
    let is_usual = signal.is_some_and(|signal| USUAL_SIGNALS.iter().any(|usual| usual.as_raw() == signal));
    if status.success() || is_usual { End::Wanted } else { End::Failed }
}

/// What went wrong, where the log is, and how it ends.
fn failure(process: &Process, complaint: &str) -> String {
    let mut text = format!("{} {complaint}; its log is {}", process.name(), process.log().display());
    let output = process.output().unwrap_or_default();
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    use super::{End, Service, end};

    /// The parts add up to the whole where it is large enough, and no stream is silent.
    #[test]
    fn the_rate_is_shared() {
        let shares = |rate| [0, 1, 2].map(|index| Service::ALL[index].share_of(rate));
        assert_eq!(shares(500), [400, 50, 50]);
        assert_eq!(shares(1), [1, 1, 1]);
        assert_eq!(shares(0), [0, 0, 0], "as fast as possible");
    }

    /// What a user does to a process is no failure of it; an exit code or a crash of its own is.
    #[test]
    fn ends_are_told_apart() {
        let signal = |number: i32| end(ExitStatus::from_raw(number));
        let code = |code: i32| end(ExitStatus::from_raw(code << 8));
        assert_eq!([signal(9), signal(15), signal(2), code(0), code(143)], [End::Wanted; 5]);
        assert_eq!([signal(11), signal(6), code(1), code(2), code(101)], [End::Failed; 5]);
    }
}
