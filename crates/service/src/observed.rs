//! How a service is observed from its first log line to its last: sets telemetry up, keeps it going, and sends the rest at the end.

use std::fs;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use telemetry::{Export, ExportError, Identity, Metrics, Push, Repeats, Tracer};
use tokio::runtime::Runtime;

use crate::config::Common;
use crate::{Description, Error, Tasks, clock};

/// How often the process looks at itself, and repeated log lines are told.
const LOOK: Duration = Duration::from_secs(1);
/// How long the end of the service waits for a collector at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits at least, also if its own work has used up the time that a service has to end.
const PATIENCE_MIN: Duration = Duration::from_millis(500);
/// What of that time remains for the end itself.
const RESERVE: Duration = Duration::from_secs(1);
/// Where Linux tells the host's name; in a container it is the container's.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// The telemetry of one service.
pub(crate) struct Observed {
    export: Export,
    repeats: Repeats,
    metrics: Metrics,
    started: Instant,
}

impl Observed {
    /// Sets up logs, spans and metrics.
    pub(crate) fn start(
        description: &Description,
        common: &Common,
        metrics: &Metrics,
        runtime: &Runtime,
    ) -> Result<Self, Error> {
        let host = fs::read_to_string(HOST_NAME).unwrap_or_default();
        let started = clock::instant();
        let identity = Identity {
            service: description.name,
            version: env!("CARGO_PKG_VERSION"),
            instance: &format!("{}-{}", host.trim(), process::id()),
            started: clock::system(),
            started_instant: started,
        };
        // Clients for OTLP belong to the runtime that they are made in.
        let _entered = runtime.enter();
        let export = Export::new(&common.telemetry, &identity, metrics).map_err(|error| refused(&error))?;
        let repeats = telemetry::init_logs(common.log_style, &common.log_level, &export, clock::instant);
        let repeats = repeats.map_err(Error::failed)?;
        Ok(Self { export, repeats, metrics: metrics.clone(), started })
    }

    /// What makes the spans of records.
    pub(crate) fn tracer(&self) -> Tracer {
        self.export.tracer().clone()
    }

    /// Looks at the process, tells what was repeated and sends metrics, until the service ends.
    pub(crate) fn keep_telling(&self, tasks: &Tasks) {
        let (repeats, metrics, started) = (self.repeats.clone(), self.metrics.clone(), self.started);
        tasks.spawn_background("observing", async move {
            loop {
                telemetry::observe_process(&metrics, started.elapsed());
                repeats.tell();
                tokio::time::sleep(LOOK).await;
            }
        });
        if let Some(push) = self.export.push() {
            tasks.spawn_background("metrics", keep_pushing(push.clone()));
        }
    }

    /// Sends what has not been sent, in what is left of the service's time to end: a collector that is away holds nobody up for long.
    pub(crate) fn end(&self, runtime: &Runtime, left: Duration) {
        let patience = patience(left);
        self.repeats.tell_all();
        telemetry::observe_process(&self.metrics, self.started.elapsed());
        thread::scope(|scope| {
            scope.spawn(|| self.export.shutdown(patience));
            if let Some(push) = self.export.push() {
                let sent = push.send(clock::system());
                let _ = runtime.block_on(async { tokio::time::timeout(patience, sent).await });
            }
        });
    }
}

fn patience(left: Duration) -> Duration {
    left.saturating_sub(RESERVE).clamp(PATIENCE_MIN, PATIENCE)
}

async fn keep_pushing(push: Push) -> Result<(), Error> {
    loop {
        tokio::time::sleep(push.interval()).await;
        push.send(clock::system()).await;
    }
}

fn refused(error: &ExportError) -> Error {
    let allowed = "an address that takes OTLP, with headers that a request may have";
    Error::config("OTEL_EXPORTER_OTLP_*", crate::cause_chain(error), allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that has ended by itself waits longest, one that was long about it hardly.
    #[test]
    fn a_collector_gets_the_time_that_is_left() {
        let waits =
            [10_000, 4_000, 2_000, 1_200, 0].map(|left| patience(Duration::from_millis(left)).as_millis());
        assert_eq!(waits, [5_000, 3_000, 1_000, 500, 500]);
    }
}
