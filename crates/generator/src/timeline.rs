//! The time that records carry: the wall clock's, or a simulated one that makes a run repeatable.

use std::time::Duration;

use simulation::Pacing;

/// Where the time of records comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeline {
    /// The wall clock, read once a batch.
    Wall {
        /// Its last reading, a Unix time.
        now_ms: i64,
    },
    /// A clock of its own, which goes on by the mean distance of two records with each record.
    Simulated {
        /// Unix time of the first record.
        start_ms: i64,
        /// What has passed since, by this clock.
        elapsed: Duration,
    },
}

impl Timeline {
    /// The simulated clock if there is a start time, else the wall clock.
    pub(crate) fn new(start_ms: Option<i64>, wall_ms: i64) -> Self {
        match start_ms {
            Some(start_ms) => Timeline::Simulated { start_ms, elapsed: Duration::ZERO },
            None => Timeline::Wall { now_ms: wall_ms },
        }
    }

    /// Takes note of the wall clock; a simulated clock does not care.
    pub(crate) fn tick(&mut self, wall_ms: i64) {
        if let Timeline::Wall { now_ms } = self {
            *now_ms = wall_ms;
        }
    }

    /// The Unix time now.
    pub(crate) fn now_ms(&self) -> i64 {
        match self {
            Timeline::Wall { now_ms } => *now_ms,
            Timeline::Simulated { start_ms, elapsed } => start_ms.saturating_add(elapsed.as_millis() as i64),
        }
    }

    /// The time of the next record; a simulated clock then goes on.
    pub(crate) fn next_ms(&mut self, pacing: &Pacing) -> i64 {
        let now_ms = self.now_ms();
        if let Timeline::Simulated { elapsed, .. } = self {
            *elapsed = elapsed.saturating_add(pacing.interval(now_ms));
        }
        now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times<const N: usize>(timeline: &mut Timeline, rate: u64) -> [i64; N] {
        let pacing = Pacing::new(rate, 0.0, None);
        std::array::from_fn(|_| timeline.next_ms(&pacing))
    }

    /// Simulated time depends on the records alone: a millisecond each at full speed, else the inverse of the
    /// rate.
    #[test]
    fn simulated_time_goes_on_with_each_record() {
        let mut timeline = Timeline::new(Some(1_000), 99);
        assert_eq!(times(&mut timeline, 0), [1_000, 1_001, 1_002]);
        timeline.tick(77);
        assert_eq!(times(&mut timeline, 400), [1_003, 1_005, 1_008, 1_010, 1_013]);
    }

    #[test]
    fn wall_time_is_what_the_clock_said_last() {
        let mut timeline = Timeline::new(None, 99);
        assert_eq!(times(&mut timeline, 1), [99, 99]);
        timeline.tick(150);
        assert_eq!(times(&mut timeline, 1), [150, 150]);
    }
}
