//! When the steps of a batch ended: measured on the clock that never goes back, told as moments of the calendar.

use std::time::{Duration, Instant, SystemTime};

use telemetry::names::spans;

/// A step of a batch; each begins when the one before it ends, or when its turn comes.
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
    begins: [Duration; 4],
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
        Self { began, since, begins: [Duration::ZERO; 4], ends: [Duration::ZERO; 4] }
    }

    /// A step begins now, and not when the one before it ended: the batch had to wait for its turn.
    pub(crate) fn begin(&mut self, step: Step, now: Instant) {
        self.begins[step as usize] = now.saturating_duration_since(self.since);
    }

    /// A step ends now, and the next one begins.
    pub(crate) fn end(&mut self, step: Step, now: Instant) {
        let end = now.saturating_duration_since(self.since);
        self.ends[step as usize] = end;
        if let Some(begin) = self.begins.get_mut(step as usize + 1) {
            *begin = end;
        }
    }

    /// When a step began.
    pub(crate) fn began(&self, step: Step) -> SystemTime {
        self.began + self.begins[step as usize]
    }

    /// When a step ended.
    pub(crate) fn ended(&self, step: Step) -> SystemTime {
        self.began + self.ends[step as usize]
    }

    /// How long it took from the end of one step to the end of another.
    pub(crate) fn took(&self, after: Step, until: Step) -> Duration {
        self.ends[until as usize].saturating_sub(self.ends[after as usize])
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

    /// A batch that waits for the one before it is neither judged nor sent meanwhile.
    #[test]
    fn waiting_is_no_step() {
        let ms = Duration::from_millis;
        let since = clock::instant();
        let mut laps = Laps::start(UNIX_EPOCH, since);
        laps.end(Step::Poll, since + ms(5));
        laps.begin(Step::Judge, since + ms(6));
        laps.end(Step::Judge, since + ms(8));
        laps.begin(Step::Send, since + ms(20));
        assert_eq!(laps.began(Step::Judge), UNIX_EPOCH + ms(6));
        assert_eq!(
            (laps.ended(Step::Judge), laps.began(Step::Send)),
            (UNIX_EPOCH + ms(8), UNIX_EPOCH + ms(20))
        );
    }
}
