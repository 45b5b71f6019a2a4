//! When the steps of a batch ended: measured on the clock that never goes back, told as moments of the calendar.

use std::time::{Duration, Instant, SystemTime};

use telemetry::names::spans;

/// A step of a batch; each begins when the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Poll,
    Judge,
    /// Until every record is in the producer's queue.
    Send,
    /// Until the transaction is over; includes the acknowledgement of what was sent.
    Commit,
}

/// The steps of one batch.
#[derive(Debug)]
pub(crate) struct Laps {
    began: SystemTime,
    since: Instant,
    ends: [Duration; 4],
}

impl Step {
    /// As its span is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poll => spans::POLL,
            Self::Judge => spans::JUDGE,
            Self::Send => spans::SEND,
            Self::Commit => spans::COMMIT,
        }
    }
}

impl Laps {
    /// The first step begins now, which both clocks tell.
    pub(crate) fn start(began: SystemTime, since: Instant) -> Self {
        Self { began, since, ends: [Duration::ZERO; 4] }
    }

    /// A step ends now, and the next one begins.
    pub(crate) fn end(&mut self, step: Step, now: Instant) {
        self.ends[step as usize] = now.saturating_duration_since(self.since);
    }

    /// When a step began.
    pub(crate) fn began(&self, step: Step) -> SystemTime {
        self.began + self.before(step)
    }

    /// When a step ended.
    pub(crate) fn ended(&self, step: Step) -> SystemTime {
        self.began + self.ends[step as usize]
    }

    /// How long it took from the end of one step to the end of another.
    pub(crate) fn took(&self, after: Step, until: Step) -> Duration {
        self.ends[until as usize].saturating_sub(self.ends[after as usize])
    }

    fn before(&self, step: Step) -> Duration {
        (step as usize).checked_sub(1).map_or(Duration::ZERO, |before| self.ends[before])
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use service::clock;

    use super::*;

    /// A step begins where the one before it ended, and the first at the start.
    #[test]
    fn steps_follow_each_other() {
        let ms = Duration::from_millis;
        let since = clock::instant();
        let mut laps = Laps::start(UNIX_EPOCH, since);
        for (step, end) in [(Step::Poll, 5), (Step::Judge, 7), (Step::Send, 8), (Step::Commit, 20)] {
            laps.end(step, since + ms(end));
        }
        assert_eq!((laps.began(Step::Poll), laps.ended(Step::Poll)), (UNIX_EPOCH, UNIX_EPOCH + ms(5)));
        assert_eq!(laps.began(Step::Commit), laps.ended(Step::Send));
        assert_eq!(
            (laps.took(Step::Poll, Step::Commit), laps.took(Step::Send, Step::Commit)),
            (ms(15), ms(12))
        );
    }
}
