//! How far a reader is behind. Pure: offsets and times are arguments.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::TopicPartition;

/// How far behind a reader is on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Offsets between the last record handled and the end; transactions' markers are among them.
    pub records: i64,
    /// For how many milliseconds at least something has been left to read; 0 if nothing is.
    pub age_ms: i64,
}

/// Where a reader stands on one partition, as it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Everything before this offset is handled.
    pub next_offset: i64,
    /// The offset behind the last record or marker.
    pub end: i64,
    /// When the last handled record was made, in milliseconds since 1970 UTC.
    pub handled_ms: i64,
    /// Whether the reader takes whatever comes: it is not paused, and does not wait for anything else.
    pub is_reading: bool,
}

/// Tells lag and its age from one look to the next.
///
/// Where a partition ends with a transaction's marker, offsets alone never say that all is read. So a partition of which neither the
/// end nor what is handled has moved for a while, though the reader takes whatever comes, counts as read.
#[derive(Debug, Default)]
pub struct LagMeter {
    seen: HashMap<TopicPartition, Seen>,
}

#[derive(Debug)]
struct Seen {
    offsets: (i64, i64),
    still_since: Instant,
    /// When nothing was left to read, for the last time.
    caught_up: Instant,
}

/// How long nothing must have moved.
const STILL: Duration = Duration::from_secs(3);

impl LagMeter {
    /// Looks at a partition, about once a second.
    pub fn look(&mut self, at: &TopicPartition, standing: Standing, now: Instant, now_ms: i64) -> Lag {
        let Standing { next_offset, end, handled_ms, is_reading } = standing;
        let offsets = (next_offset, end);
        let new = || Seen { offsets, still_since: now, caught_up: now };
        let seen = self.seen.entry(at.clone()).or_insert_with(new);
        if seen.offsets != offsets || !is_reading {
            (seen.offsets, seen.still_since) = (offsets, now);
        }
        if next_offset >= end || now.saturating_duration_since(seen.still_since) >= STILL {
            seen.caught_up = now;
            return Lag::default();
        }
        // A reader that has read everything stands right before the marker, whatever the time on its last record.
        if is_reading && end - next_offset <= 1 {
            seen.caught_up = now;
        }
        let waiting = now.saturating_duration_since(seen.caught_up).as_millis() as i64;
        Lag { records: end - next_offset, age_ms: (now_ms - handled_ms).clamp(0, waiting) }
    }

    /// A partition belongs to another reader now.
    pub fn forget(&mut self, at: &TopicPartition) {
        self.seen.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time at which a record was handled last.
    const HANDLED_MS: i64 = 1_000_000;

    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    /// A look at each second: where the reader is, where the partition ends, whether it reads; and what is to be told.
    fn check(looks: &[(i64, i64, bool, Lag)]) {
        let (mut meter, start) = (LagMeter::default(), start());
        let at = TopicPartition { topic: "toll".into(), partition: 0 };
        for (second, (next_offset, end, is_reading, expected)) in (0..).zip(looks) {
            let standing = Standing {
                next_offset: *next_offset,
                end: *end,
                handled_ms: HANDLED_MS,
                is_reading: *is_reading,
            };
            let now = start + Duration::from_secs(second);
            let lag = meter.look(&at, standing, now, HANDLED_MS + 3_600_000);
            assert_eq!(lag, *expected, "second {second}");
        }
    }

    fn lag(records: i64, seconds: i64) -> Lag {
        Lag { records, age_ms: seconds * 1_000 }
    }

    /// A marker at the end is no lag for long, and after a quiet hour the first record is not an hour late.
    #[test]
    fn a_marker_is_nothing_to_read() {
        let read = Lag::default();
        check(&[
            (9, 9, true, read),
            (9, 10, true, lag(1, 0)),
            (9, 10, true, lag(1, 0)),
            (9, 10, true, lag(1, 0)),
            (9, 10, true, read),
            (9, 10, true, read),
            (9, 12, true, lag(3, 1)),
            (12, 12, true, read),
        ]);
    }

    /// What a paused or slow reader has before it stays lag, however long, and grows old.
    #[test]
    fn what_is_left_grows_old() {
        check(&[
            (9, 9, true, Lag::default()),
            (9, 20, false, lag(11, 1)),
            (9, 20, false, lag(11, 2)),
            (9, 20, false, lag(11, 3)),
            (9, 20, false, lag(11, 4)),
            (9, 20, false, lag(11, 5)),
            (10, 30, true, lag(20, 6)),
            (11, 40, true, lag(29, 7)),
        ]);
    }
}
