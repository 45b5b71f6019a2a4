//! The only reader of the system's clocks; everything else is handed the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 (UTC), as Kafka's record timestamps count them; 0 while the clock stands before that.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now_ms() -> i64 {
    ms_of(SystemTime::now())
}

/// A moment as Kafka's record timestamps count it, as [`now_ms`].
pub fn ms_of(moment: SystemTime) -> i64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

/// A moment on the clock that never goes back, for measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// A moment of the calendar, as spans begin and end at.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn system() -> SystemTime {
    SystemTime::now()
}
