//! A service that behaves as it is told, and a handle on its process.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use log_styles::Line;
use serde::Serialize;
use serde_json::Value;
use telemetry::names;

use crate::{Context, DRAIN, Description, Error, Secret, run_with};

/// Holds the command line of the service, an argument a line after the milliseconds it may drain.
const COMMAND_LINE: &str = "SERVICE_FIXTURE_COMMAND_LINE";

/// A test fails when a process is silent for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lines of a process that a test has not read yet.
const LINES_MAX: usize = 1_000;

const DESCRIPTION: Description = Description {
    name: "fixture",
    about: "Behaves as it is told",
    examples: "fixture --ships 4\nfixture healthcheck",
};

#[derive(Debug, Args, Serialize)]
struct Config {
    /// What to do
    #[arg(long, default_value = "serve")]
    behave: Behave,
    /// Ships a day, a whole number from 1 to 9
    #[arg(long, env = "TURNPIKE_SHIPS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    ships: u32,
    /// The harbour master's password
    #[arg(long, env = "TURNPIKE_PASSWORD")]
    password: Option<Secret>,
    /// Never become ready
    #[arg(long)]
    closed: bool,
    /// Have a rate
    #[arg(long)]
    rate: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
enum Behave {
    /// Serve until told to stop, then drain two tasks.
    Serve,
    Return,
    Fail,
    RefuseSetting,
    FailInTask,
    PanicInMain,
    PanicInTask,
    PanicInThread,
    TellSecret,
    /// Say two lines of a source pipeline.
    Speak,
    /// Fail in one task while another never ends.
    FailBesideStuck,
    /// Never end, in a thread.
    StickInThread,
    /// Never end, holding the main thread and all workers.
    StickEverywhere,
}

async fn behave(context: Context<Config>) -> Result<(), Error> {
    let Context { config, tasks, stop, .. } = &context;
    match config.behave {
        Behave::Serve => serve(&context).await?,
        Behave::Return => {}
        Behave::Fail => return Err(Error::failed("the harbour burnt down")),
        Behave::RefuseSetting => return Err(Error::config("berth", "0", "1 to 9")),
        Behave::FailInTask => tasks.spawn("crane", async { Err(Error::failed("the rope broke")) }),
        Behave::PanicInMain => panic!("on purpose"),
        Behave::PanicInTask => tasks.spawn("crane", async { panic!("on purpose") }),
        Behave::PanicInThread => tasks.spawn_thread("crane", || panic!("on purpose")),
        Behave::TellSecret => tracing::info!("secret: {:?}", config.password.as_ref().map(Secret::expose)),
        Behave::Speak => {
            context.voice.say(&Line::KafkaConnecting);
            context.voice.say(&Line::KafkaConnected);
        }
        Behave::FailBesideStuck => {
            tasks.spawn_thread("stuck-0", park_forever);
            tasks.spawn("crane", async { Err(Error::failed("the rope broke")) });
        }
        Behave::StickInThread => {
            tasks.spawn_thread("stuck-0", park_forever);
            stop.requested().await;
        }
        Behave::StickEverywhere => {
            for _ in 0..8 {
                tasks.spawn("stuck", async { park_forever() });
            }
            park_forever()?;
        }
    }
    tasks.finished().await
}

async fn serve(context: &Context<Config>) -> Result<(), Error> {
    let Context { config, metrics, health, control, tasks, stop, .. } = context;
    metrics.counter(&names::CONSUMED, &[(names::TOPIC, "toll")]).add(7);
    metrics.histogram(&names::END_TO_END_MS, &[]).record_all([10, 20, 30]);
    control.set_rate(config.rate);
    health.set("harbour", if config.closed { Err("the tide is out".to_owned()) } else { Ok(()) });
    for name in ["north", "south"] {
        let stop = stop.clone();
        tasks.spawn(name, async move {
            stop.requested().await;
            tokio::task::yield_now().await;
            tracing::info!("drained {name}");
            Ok(())
        });
    }
    stop.requested().await;
    Ok(())
}

fn park_forever() -> Result<(), Error> {
    loop {
        thread::park();
    }
}

/// Not a test: the body of the processes that the tests start.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the process stands for a service whose exit code is looked at"
)]
fn main_of_the_fixture() {
    let Ok(lines) = env::var(COMMAND_LINE) else { return };
    let mut lines = lines.lines();
    let drain_ms = lines.next().and_then(|line| line.parse().ok()).expect("the first line is the drain");
    let arguments = [DESCRIPTION.name].into_iter().chain(lines).map(Into::into);
    std::process::exit(run_with(&DESCRIPTION, Duration::from_millis(drain_ms), arguments, behave).into());
}

/// A process of the fixture; killed when dropped.
pub(super) struct Process {
    child: Child,
    stderr: Receiver<String>,
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    /// All of stdout.
    pub(super) stdout: String,
    /// What was not read before of stderr.
    pub(super) stderr: Vec<String>,
}

/// Runs a command line to its end.
pub(super) fn run(arguments: &[&str]) -> Ended {
    run_in(arguments, &[])
}

/// Runs a command line to its end, with these environment variables.
pub(super) fn run_in(arguments: &[&str], variables: &[(&str, &OsStr)]) -> Ended {
    Process::start(arguments, variables).ended()
}

impl Process {
    /// Starts a service on free ports, with log lines in JSON.
    pub(super) fn serve(arguments: &[&str]) -> Self {
        Self::serve_with_drain(arguments, DRAIN)
    }

    pub(super) fn serve_with_drain(arguments: &[&str], drain: Duration) -> Self {
        let common = [
            "--http-address=127.0.0.1:0",
            "--grpc-address=127.0.0.1:0",
            "--log-style=json",
            "--log-level=info",
        ];
        Self::start_with_drain(&[arguments, &common].concat(), &[], drain)
    }

    /// Starts a command line as it is.
    pub(super) fn start(arguments: &[&str], variables: &[(&str, &OsStr)]) -> Self {
        Self::start_with_drain(arguments, variables, DRAIN)
    }

    fn start_with_drain(arguments: &[&str], variables: &[(&str, &OsStr)], drain: Duration) -> Self {
        let lines = format!("{}\n{}", drain.as_millis(), arguments.join("\n"));
        let mut child = Command::new(env::current_exe().expect("tests have a path"))
            .args(["process_tests::fixture::main_of_the_fixture", "--exact", "--nocapture"])
            .env_clear()
            .envs(variables.iter().copied())
            .env(COMMAND_LINE, lines)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the test binary starts again");
        let read = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (sender, stderr) = sync_channel(LINES_MAX);
        #[expect(clippy::disallowed_methods, reason = "ends with the process that it reads from")]
        thread::spawn(move || read.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, stderr }
    }

    /// The next log line that holds all of this text.
    pub(super) fn log(&self, text: &str) -> Value {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {text:?}"));
            if line.contains(text) {
                return serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            }
        }
    }

    /// Where the ports are, HTTP first; reads up to the line that says so.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let started = self.log("fixture started");
        let address = |field: &str| started[field].as_str().and_then(|address| address.parse().ok());
        (address("http").expect("field http"), address("grpc").expect("field grpc"))
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} was not sent");
    }

    /// Waits for the end.
    pub(super) fn ended(mut self) -> Ended {
        let mut stderr = Vec::new();
        // The end of stderr is the end of the process.
        let end = loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => stderr.push(line),
                Err(end) => break end,
            }
        };
        assert_eq!(end, RecvTimeoutError::Disconnected, "still runs after {stderr:?}");
        let mut stdout = String::new();
        self.child.stdout.take().expect("stdout is piped").read_to_string(&mut stdout).expect("text");
        Ended { code: self.child.wait().expect("our child").code(), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
