//! How many records to send now: the pacing from its latest start, restarted by every pause and every new
//! rate.

use std::time::Duration;

use simulation::Pacing;

/// A pacing under control. Time is what has elapsed since the thread started.
#[derive(Debug)]
pub(crate) struct Pace {
    pacing: Pacing,
    /// When the pacing started, and the Unix time of the records then.
    since: Duration,
    since_ms: i64,
    /// Records sent since then.
    sent: u64,
    paused: bool,
}

impl Pace {
    pub(crate) fn new(pacing: Pacing, start_ms: i64) -> Self {
        Pace { pacing, since: Duration::ZERO, since_ms: start_ms, sent: 0, paused: false }
    }

    /// The pacing as it is now.
    pub(crate) fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    /// Heeds the control plane. What a pause held back is not made up for.
    pub(crate) fn heed(&mut self, paused: bool, rate: u64, elapsed: Duration, now_ms: i64) {
        if self.paused != paused || self.pacing.rate() != rate {
            self.pacing = self.pacing.at_rate(rate);
            (self.since, self.since_ms, self.sent) = (elapsed, now_ms, 0);
            self.paused = paused;
        }
    }

    /// Records that are due and not sent.
    pub(crate) fn due(&self, elapsed: Duration) -> u64 {
        if self.paused {
            return 0;
        }
        self.pacing.due(self.since_ms, elapsed.saturating_sub(self.since)).saturating_sub(self.sent)
    }

    /// Takes note of one record sent.
    pub(crate) fn record_sent(&mut self) {
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_790_925_980_000;

    /// Sends what is due at `elapsed_ms` and says how much it was.
    fn send(pace: &mut Pace, paused: bool, rate: u64, elapsed_ms: u64) -> u64 {
        let elapsed = Duration::from_millis(elapsed_ms);
        pace.heed(paused, rate, elapsed, START_MS + elapsed_ms as i64);
        let due = pace.due(elapsed);
        (0..due).for_each(|_| pace.record_sent());
        due
    }

    /// A pause sends nothing and leaves no debt; what is late for another reason is made up for.
    #[test]
    fn a_pause_leaves_no_debt_and_a_delay_does() {
        let mut pace = Pace::new(Pacing::new(100, 0.0, None), START_MS);
        assert_eq!(send(&mut pace, false, 100, 1_000), 100);
        assert_eq!(send(&mut pace, false, 100, 3_000), 200, "after a delay of two seconds");
        assert_eq!(send(&mut pace, true, 100, 4_000), 0);
        assert_eq!(send(&mut pace, true, 100, 60_000), 0);
        assert_eq!(send(&mut pace, false, 100, 61_000), 0, "the pause is over now");
        assert_eq!(send(&mut pace, false, 100, 61_500), 50);
    }

    #[test]
    fn a_new_rate_holds_from_when_it_is_given() {
        let mut pace = Pace::new(Pacing::new(100, 0.0, None), START_MS);
        assert_eq!(send(&mut pace, false, 100, 1_000), 100);
        assert_eq!(send(&mut pace, false, 1_000, 1_000), 0);
        assert_eq!(send(&mut pace, false, 1_000, 1_100), 100);
        assert_eq!(send(&mut pace, false, 100, 1_100), 0, "back at the configured rate");
        assert_eq!(send(&mut pace, false, 100, 2_100), 100);
    }
}
