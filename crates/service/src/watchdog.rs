//! Signals and the deadline of a drain, on a thread of their own: stuck work cannot hold them up.

use std::process;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Error, Stop, Tasks, error};

/// A shell adds the signal's number to this for the exit code of what a signal ended.
const SIGNALLED: i32 = 128;

/// From now on SIGTERM and SIGINT stop the service, and a service that was told to stop ends within `drain`.
///
/// A second signal ends the process at once (exit code 143 or 130), the deadline ends it with exit code 1.
#[expect(
    clippy::disallowed_methods,
    reason = "must not count as a task, for it waits for the end of all tasks"
)]
pub(crate) fn watch(service: &'static str, stop: &Stop, tasks: &Tasks, drain: Duration) -> Result<(), Error> {
    let (stop, tasks) = (stop.clone(), tasks.clone());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::failed)?;
    let signals = {
        let _entered = runtime.enter();
        Signals::new().map_err(Error::failed)?
    };
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || runtime.block_on(guard(service, signals, stop, tasks, drain)))
        .map_err(Error::failed)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "ends a process whose drain was cut short or took too long")]
async fn guard(service: &'static str, mut signals: Signals, stop: Stop, tasks: Tasks, drain: Duration) {
    tokio::select! {
        kind = signals.next() => tracing::info!(signal = kind.as_raw_value(), "stopping on a signal"),
        () = stop.requested() => {}
    }
    stop.request();
    let code = tokio::select! {
        kind = signals.next() => {
            tracing::warn!(signal = kind.as_raw_value(), "exiting at once on a second signal");
            SIGNALLED + kind.as_raw_value()
        }
        () = tokio::time::sleep(drain) => {
            let running = tasks.running();
            let running = if running.is_empty() { "the main function".to_owned() } else { running.join(", ") };
            tracing::error!("not drained within {drain:?}, still running: {running}");
            1
        }
    };
    // Why the service had to stop would otherwise never be told.
    error::report(service, tasks.take_failure());
    process::exit(code);
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}
