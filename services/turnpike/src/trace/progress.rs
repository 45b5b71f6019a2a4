//! How far a search is, for whoever waits for it at a terminal.

use std::{
    cell::Cell,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use service::clock;

use crate::output::grouped;

/// How often it is said, once it takes longer than this.
const EVERY: Duration = Duration::from_millis(500);
/// The clock is looked at after so many records.
const RECORDS: u64 = 1_024;
const CLEAR_LINE: &str = "\r\x1b[K";

/// Counts records, and says on stderr how many, if that is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    is_terminal: bool,
    records: Cell<u64>,
    said_at: Cell<Instant>,
    is_drawn: Cell<bool>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            records: Cell::new(0),
            said_at: Cell::new(clock::instant()),
            is_drawn: Cell::new(false),
        }
    }
}

impl Progress {
    /// One more record.
    pub(crate) fn count(&self, topic: &str) {
        let records = self.records.get() + 1;
        self.records.set(records);
        if self.is_terminal && records.is_multiple_of(RECORDS) && self.said_at.get().elapsed() > EVERY {
            self.said_at.set(clock::instant());
            self.is_drawn.set(true);
            // A closed stderr leaves nobody to tell.
            let _ =
                write!(io::stderr(), "{CLEAR_LINE}looked at {} records, now in {topic}", grouped(records));
        }
    }

    /// How many records were looked at.
    pub(crate) fn records(&self) -> u64 {
        self.records.get()
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.is_drawn.replace(false) {
            let _ = write!(io::stderr(), "{CLEAR_LINE}");
        }
    }
}
