//! Waiting with a deadline, and how long something took: the one place of this crate that reads the clock.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often a condition is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Measures from its making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "processes and ports are waited for in real time")]
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Elapsed time for people, as in `2.1 s`.
    pub(crate) fn text(self) -> String {
        format!("{:.1} s", self.elapsed().as_secs_f64())
    }
}

/// Asks `attempt` until it gives a value, or `limit` is over (then `None`).
pub(crate) fn wait_for<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let stopwatch = Stopwatch::start();
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if stopwatch.elapsed() >= limit {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
