//! Waiting for what a service depends on.

use std::error::Error as StdError;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use telemetry::names::{self, spans};
use telemetry::{KeyValue, OpenTelemetrySpanExt as _, SPAN_TARGET};
use tracing::{Instrument as _, Span};

use crate::{Error, Health, Stop, cause_chain};

/// Shortest pause between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Longest pause between two attempts, before jitter of up to as much again keeps many waiters apart.
const PAUSE_MAX: Duration = Duration::from_millis(2_500);

/// Why an attempt did not succeed.
#[derive(Debug)]
pub enum Attempt {
    /// It may succeed later.
    Retry(Box<dyn StdError + Send + Sync>),
    /// It never will.
    GiveUp(Error),
}

/// Tries until an attempt succeeds, or gives up, or the service is told to stop ([`Error::Stopped`]).
///
/// Pauses grow from 100 ms to 5 s. The wait is a span, with an event for each failed attempt. The state of the dependency, with the reason of the last failure, is kept in
/// `health`, which logs its changes; failures are counted as retries. A stop drops an attempt that is under way.
pub async fn wait_for<T, F, Fut>(
    dependency: &str,
    stop: &Stop,
    health: &Health,
    attempt: F,
) -> Result<T, Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Attempt>>,
{
    let span = tracing::info_span!(
        target: SPAN_TARGET,
        "connect",
        otel.name = spans::connect(dependency),
        otel.kind = "client",
        { names::DEPENDENCY } = dependency
    );
    let tried = repeat(dependency, stop, health, &span, attempt);
    tried.instrument(span.clone()).await
}

async fn repeat<T, F, Fut>(
    dependency: &str,
    stop: &Stop,
    health: &Health,
    span: &Span,
    mut attempt: F,
) -> Result<T, Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Attempt>>,
{
    let pauses =
        ExponentialBuilder::new().with_min_delay(PAUSE_MIN).with_max_delay(PAUSE_MAX).without_max_times();
    for pause in pauses.with_jitter().build() {
        let attempted = tokio::select! {
            biased;
            () = stop.requested() => return Err(Error::Stopped),
            attempted = attempt() => attempted,
        };
        match attempted {
            Ok(reached) => {
                health.set(dependency, Ok(()));
                return Ok(reached);
            }
            Err(Attempt::GiveUp(error)) => {
                span.set_status(telemetry::Status::error(cause_chain(&error)));
                health.set(dependency, Err(cause_chain(&error)));
                return Err(error);
            }
            Err(Attempt::Retry(error)) => {
                let reason = cause_chain(&*error);
                span.add_event(spans::RETRY, vec![KeyValue::new(names::ERROR_MESSAGE, reason.clone())]);
                health.retrying(dependency, reason);
            }
        }
        tokio::select! {
            () = stop.requested() => return Err(Error::Stopped),
            () = tokio::time::sleep(pause) => {}
        }
    }
    unreachable!("there is no limit to the number of pauses")
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::{Metrics, names};

    /// Failures are repeated, counted and told in health; success ends the wait and makes the dependency ready.
    #[tokio::test]
    async fn repeats_until_it_succeeds() {
        let (stop, metrics) = (Stop::default(), Metrics::default());
        let health = Health::new(&metrics);
        let mut attempts = 0;
        let reached = wait_for("harbour", &stop, &health, || {
            attempts += 1;
            let attempt = attempts;
            let ready = health.is_ready();
            async move {
                assert!(!ready);
                if attempt < 3 { Err(Attempt::Retry("the tide is out".into())) } else { Ok(attempt) }
            }
        })
        .await;
        assert_eq!(reached.ok(), Some(3));
        assert!(health.is_ready());
        let labels = [(names::DEPENDENCY, "harbour"), (names::ERROR_TYPE, "infrastructure")];
        assert_eq!(metrics.counter(&names::RETRIES, &labels).get(), 2);
    }

    /// What never can succeed ends the wait at once, and so does the wish to stop, even within an attempt.
    #[tokio::test]
    async fn ends_early_when_hopeless_or_told_to_stop() {
        let (stop, health) = (Stop::default(), Health::new(&Metrics::default()));
        let hopeless = || async { Err::<(), _>(Attempt::GiveUp(Error::config("berth", "0", "1 to 9"))) };
        assert!(matches!(wait_for("harbour", &stop, &health, hopeless).await, Err(Error::Config { .. })));

        let stopper = stop.clone();
        let endless = move || {
            stopper.request();
            std::future::pending::<Result<(), Attempt>>()
        };
        assert!(matches!(wait_for("harbour", &stop, &health, endless).await, Err(Error::Stopped)));
    }
}
