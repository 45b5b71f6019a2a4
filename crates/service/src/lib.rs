//! The skeleton of every service: configuration, logs, health, control, signals, drain and exit codes.
//!
//! A service is one async function over a [`Context`], handed to [`run`]:
//!
//! ```no_run
//! use service::{Context, Description, Error};
//!
//! #[derive(Debug, clap::Args, serde::Serialize)]
//! struct Config {
//!     /// Ships a day
//!     #[arg(long, env = "TURNPIKE_SHIPS", default_value_t = 3)]
//!     ships: u32,
//! }
//!
//! async fn run(context: Context<Config>) -> Result<(), Error> {
//!     context.health.set("harbour", Ok(()));
//!     context.stop.requested().await;
//!     Ok(())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let description =
//!         Description { name: "harbour-master", about: "Keeps the berths", examples: "harbour-master --ships 4" };
//!     service::run(&description, run)
//! }
//! ```
//!
//! Exit codes: 0 done or told to stop, 1 failed or not drained in time, 2 a configuration that is not allowed.

pub mod clock;
mod config;
pub mod control;
mod error;
mod health;
mod http;
mod observed;
mod ports;
mod probe;
mod refusal;
mod secret;
mod stop;
mod tasks;
mod tls;
mod tool;
mod voice;
mod wait;
mod watchdog;

#[cfg(test)]
mod process_tests;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use config::{Common, Invocation};
pub use control::Control;
pub use error::{Error, cause_chain};
pub use health::Health;
use observed::Observed;
pub use secret::Secret;
pub use stop::Stop;
pub use tasks::Tasks;
pub use tls::tls_advice;
pub use tool::run_tool;
pub use voice::Voice;
pub use wait::{Attempt, wait_for};

/// How long a service may take to finish what it has in hand once it was told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Threads for asynchronous work: health, control and waiting need little, and records pass on threads of their own.
const WORKER_THREADS: usize = 2;

/// What `--help` says about a service.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The binary's name, also the service's name in logs and in the control plane.
    pub name: &'static str,
    /// One sentence: what it does.
    pub about: &'static str,
    /// Command lines to copy, one a line.
    pub examples: &'static str,
}

/// What a service gets to work with.
#[derive(Debug)]
pub struct Context<C> {
    /// Its own configuration.
    pub config: C,
    /// Where it counts.
    pub metrics: telemetry::Metrics,
    /// What makes the spans of its records.
    pub tracer: telemetry::Tracer,
    /// Where it says whether what it depends on answers.
    pub health: Health,
    /// What the control plane asks of it.
    pub control: Control,
    /// Its tasks and threads.
    pub tasks: Tasks,
    /// Whether it was told to stop.
    pub stop: Stop,
    /// How it tells what happens in the words of a source pipeline.
    pub voice: Voice,
}

/// Runs a service from its command line to its exit code.
///
/// The service ends when `body` has returned and all of its [`Tasks`] have ended; what stops it is `body` returning, the
/// first task that fails, SIGTERM or SIGINT. From then on it has ten seconds.
pub fn run<C, F, Fut>(description: &Description, body: F) -> ExitCode
where
    C: clap::Args + serde::Serialize,
    F: FnOnce(Context<C>) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    run_with_arguments(description, config::arguments(), body)
}

/// [`run`] with a command line of its own, the name of the program first: for a service that is a command of a tool.
pub fn run_with_arguments<C, F, Fut>(
    description: &Description,
    arguments: impl IntoIterator<Item = OsString>,
    body: F,
) -> ExitCode
where
    C: clap::Args + serde::Serialize,
    F: FnOnce(Context<C>) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    ExitCode::from(run_with(description, DRAIN, arguments, body))
}

fn run_with<C, F, Fut>(
    description: &Description,
    drain: Duration,
    arguments: impl IntoIterator<Item = OsString>,
    body: F,
) -> u8
where
    C: clap::Args + serde::Serialize,
    F: FnOnce(Context<C>) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let outcome = match config::parse(description, arguments) {
        Ok(Invocation::Serve(common, config)) => match serve(description, drain, &common, config, body) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Ok(Invocation::Healthcheck(address, path)) => probe::healthy(address, path),
        Ok(Invocation::Answered) => Ok(()),
        Err(error) => Err(error),
    };
    error::report(description.name, outcome)
}

/// Serves, tells how it ended and gives the exit code; an error is one of the start, before anything could be told.
fn serve<C, F, Fut>(
    description: &Description,
    drain: Duration,
    common: &Common,
    config: C,
    body: F,
) -> Result<u8, Error>
where
    F: FnOnce(Context<C>) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(Error::failed)?;
    let metrics = telemetry::Metrics::default();
    let observed = Observed::start(description, common, &metrics, &runtime)?;
    error::log_panics();
    let stop = Stop::default();
    let told = stop.clone();
    let voice = Voice::stdout(common.log_style.source(), &stop);
    let speech = voice.clone();
    let work = async {
        let context = Context {
            config,
            health: Health::new(&metrics).speaking(&voice),
            control: Control::new(&metrics),
            tasks: Tasks::new(&stop),
            tracer: observed.tracer(),
            metrics,
            stop,
            voice,
        };
        observed.keep_telling(&context.tasks);
        watchdog::watch(description.name, &context.stop, &context.tasks, drain)?;
        ports::open(description, common, &context).await?;
        let (stop, tasks) = (context.stop.clone(), context.tasks.clone());
        let result = body(context).await;
        stop.request();
        tasks.end_with(result).await
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    speech.flush();
    let outcome = outcome.unwrap_or_else(|_| Err(Error::failed("the main function panicked")));
    if matches!(outcome, Ok(()) | Err(Error::Stopped)) {
        tracing::info!("{} stopped", description.name);
    }
    // Why it failed is told before log lines are sent for the last time.
    let code = error::report(description.name, outcome);
    observed.end(&runtime, drain.saturating_sub(told.elapsed()));
    runtime.shutdown_background();
    Ok(code)
}
