//! Two processes that take turns: one is stopped while the other works.

use std::{thread, time::Duration};

use local_stack::{Process, Signal};
use service::{Error, clock};

use crate::watch::{Seen, cpu_seconds};

/// One of the two.
pub(super) struct Turn<'s> {
    /// The process, which works from its start on.
    pub(super) process: Process,
    /// How many records there are for it.
    pub(super) records: u64,
    /// How many it is done with.
    pub(super) done: Box<dyn Fn() -> Result<u64, Error> + 's>,
}

/// How long the turns are, and how many each has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    /// Pairs of turns: A B, B A, A B and so on.
    pairs: u32,
    /// How long each is looked at.
    length: Duration,
}

/// What one of them did in its turns.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    records: u64,
    seconds: f64,
    cpu_seconds: f64,
}

/// Where a process is.
#[derive(Debug, Clone, Copy)]
struct Look {
    done: u64,
    at: std::time::Instant,
    cpu_seconds: f64,
}

/// So many records each is done with before it is measured: clients connect, groups form, schemas are found.
const WARM_UP_RECORDS: u64 = 50_000;
/// The beginning of a turn that is not measured: what was in its hands when it was stopped, and what comes first behind that. A broker
/// that wrote to a stopped process asks only now and then whether there is room again, so that may take a second.
const SETTLED_RECORDS: u64 = 30_000;
/// How long either may take.
const GOING_IN: Duration = Duration::from_secs(30);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

impl Turns {
    /// Of a full run.
    pub(super) const FULL: Self = Self { pairs: 4, length: Duration::from_millis(700) };
    /// Of a quick run.
    pub(super) const QUICK: Self = Self { pairs: 2, length: Duration::from_millis(600) };

    /// Lets them take turns, and says what each did. Both are stopped then (SIGSTOP); what they leave undone does not matter.
    pub(super) fn take(self, both: &[Turn<'_>; 2]) -> Result<[Seen; 2], Error> {
        for turn in both {
            turn.gets_to(WARM_UP_RECORDS)?;
            turn.process.kill(Signal::STOP);
        }
        let mut sums = [Sum::default(); 2];
        for pair in 0..self.pairs {
            for index in if pair.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                both[index].goes_on()?;
                let before = both[index].look()?;
                thread::sleep(self.length);
                let after = both[index].look()?;
                both[index].process.kill(Signal::STOP);
                sums[index].add(before, after);
            }
        }
        let [first, second] = both;
        Ok([first.seen(sums[0])?, second.seen(sums[1])?])
    }
}

impl Turn<'_> {
    /// Waits until it is done with so many.
    fn gets_to(&self, records: u64) -> Result<(), Error> {
        let since = clock::instant();
        while (self.done)()? < records {
            if since.elapsed() > GOING_IN || !self.process.is_running() {
                let (name, log) = (self.process.name(), self.process.log().display());
                return Err(Error::failed(format!("{name} does not get going; see {log}")));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Lets it go on where it was stopped.
    fn goes_on(&self) -> Result<(), Error> {
        let settled = (self.done)()? + SETTLED_RECORDS;
        self.process.kill(Signal::CONT);
        self.gets_to(settled)
    }

    fn look(&self) -> Result<Look, Error> {
        let done = (self.done)()?;
        Ok(Look { done, at: clock::instant(), cpu_seconds: cpu_seconds(&self.process)? })
    }

    fn seen(&self, sum: Sum) -> Result<Seen, Error> {
        let name = self.process.name();
        if (self.done)()? >= self.records {
            return Err(Error::failed(format!("{name} ran out of records while it was measured")));
        }
        if sum.records == 0 {
            return Err(Error::failed(format!("{name} did nothing; see {}", self.process.log().display())));
        }
        Ok(Seen {
            speed: sum.records as f64 / sum.seconds,
            cpu_s_per_million: sum.cpu_seconds / sum.records as f64 * 1e6,
            peak_rss_mib: self.process.resident_peak_kib().unwrap_or(0) as f64 / 1_024.0,
        })
    }
}

impl Sum {
    fn add(&mut self, before: Look, after: Look) {
        self.records += after.done.saturating_sub(before.done);
        self.seconds += (after.at - before.at).as_secs_f64();
        self.cpu_seconds += after.cpu_seconds - before.cpu_seconds;
    }
}
