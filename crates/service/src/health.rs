//! Whether what a service depends on answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::{Metrics, names};
use tokio::sync::watch;

use crate::Voice;

/// Every known dependency: ready, or the reason why not.
pub(crate) type Dependencies = BTreeMap<String, Result<(), String>>;

/// The dependencies of a service; clones share them.
///
/// The service is ready when it knows at least one dependency and all are ready, so never before its start is over.
#[derive(Clone, Debug)]
pub struct Health {
    dependencies: Arc<watch::Sender<Dependencies>>,
    metrics: Metrics,
    voice: Voice,
}

impl Health {
    /// No dependency known; their states and retries are counted in `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        Self { dependencies: Arc::default(), metrics: metrics.clone(), voice: Voice::default() }
    }

    /// The same, whose waits are also told by `voice`.
    #[must_use]
    pub fn speaking(self, voice: &Voice) -> Self {
        Self { voice: voice.clone(), ..self }
    }

    /// Says that a dependency answers, or why not. A change, also of the reason, is one log line.
    pub fn set(&self, dependency: &str, state: Result<(), String>) {
        self.metrics
            .gauge(&names::DEPENDENCY_READY, &[(names::DEPENDENCY, dependency)])
            .set(i64::from(state.is_ok()));
        self.dependencies.send_if_modified(|dependencies| {
            if dependencies.get(dependency) == Some(&state) {
                return false;
            }
            match &state {
                Ok(()) => tracing::info!(dependency, "{dependency} is ready"),
                Err(reason) => tracing::warn!(dependency, reason, "{dependency} is not ready"),
            }
            dependencies.insert(dependency.to_owned(), state);
            true
        });
    }

    /// Whether every known dependency answers.
    pub fn is_ready(&self) -> bool {
        all_ready(&self.dependencies.borrow())
    }

    /// A copy of what is known.
    pub(crate) fn dependencies(&self) -> Dependencies {
        self.dependencies.borrow().clone()
    }

    /// Follows the changes.
    pub(crate) fn changes(&self) -> watch::Receiver<Dependencies> {
        self.dependencies.subscribe()
    }

    /// Counts a failed attempt, and tells that it will be repeated.
    pub(crate) fn retrying(&self, dependency: &str, reason: String) {
        let labels = [(names::DEPENDENCY, dependency), (names::ERROR_TYPE, "infrastructure")];
        self.metrics.counter(&names::RETRIES, &labels).add(1);
        self.voice.say_waiting(dependency, &reason);
        self.set(dependency, Err(reason));
    }
}

pub(crate) fn all_ready(dependencies: &Dependencies) -> bool {
    !dependencies.is_empty() && dependencies.values().all(Result::is_ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ready means: something is known, and all of it answers.
    #[test]
    fn ready_needs_all_and_at_least_one() {
        let health = Health::new(&Metrics::default());
        assert!(!health.is_ready());
        health.set("kafka", Ok(()));
        assert!(health.is_ready());
        health.set("mariadb", Err("connection refused".to_owned()));
        assert!(!health.is_ready());
        health.set("mariadb", Ok(()));
        assert!(health.is_ready());
    }

    /// Followers are woken by changes only, so a reason repeated every second is told once.
    #[test]
    fn repetition_is_no_change() {
        let health = Health::new(&Metrics::default());
        let mut changes = health.changes();
        for (reason, is_change) in [("away", true), ("away", false), ("refused", true)] {
            health.set("kafka", Err(reason.to_owned()));
            assert_eq!(changes.has_changed().ok(), Some(is_change), "{reason}");
            changes.mark_unchanged();
        }
    }
}
