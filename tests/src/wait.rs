//! Waiting for a condition, with a deadline instead of a guess.

use std::{
    sync::mpsc::{RecvTimeoutError, sync_channel},
    time::Duration,
};

use service::clock;

/// How long the system may take for what it does in seconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Asks until the answer is there.
pub fn eventually<T>(awaited: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = clock::instant();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(since.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {awaited}");
        pause(LOOK_EVERY);
    }
}

/// Lets `time` pass, where it is the time itself that a test is about: an outage of so many seconds.
pub(crate) fn pause(time: Duration) {
    let (_sender, never) = sync_channel::<()>(0);
    assert_eq!(never.recv_timeout(time), Err(RecvTimeoutError::Timeout));
}
