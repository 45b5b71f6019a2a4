//! What the figures must reach, in one table, and what is said of each.

use std::fmt;

use crate::report::Figure;

/// A promise about one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    /// The figure's name.
    pub(crate) name: &'static str,
    /// What of it is compared.
    pub(crate) what: What,
    /// On which side of the number it must be.
    pub(crate) bound: Bound,
    /// The number.
    pub(crate) number: f64,
}

/// What of a figure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The median ratio to the limit.
    Ratio,
    /// The median itself.
    Value,
    /// Processor seconds per million records.
    Cpu,
    /// Peak resident memory, in MiB.
    Rss,
}

/// On which side of a number a figure must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// At the number or above.
    AtLeast,
    /// At the number or below.
    AtMost,
}

/// What becomes of a target; the first two with what was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Kept.
    Reached(f64),
    /// Not kept.
    Missed(f64),
    /// The runs spread this far: nobody can tell.
    TooNoisy(f64),
    /// So few runs say nothing of how far they spread.
    TooFew(usize),
    /// The limit failed, or what is to be compared is absent.
    NotMeasured,
}

/// A spread beyond this says more about the machine than about the services.
pub(crate) const SPREAD_MAX: f64 = 0.3;
/// With fewer pairs there is no verdict.
const PAIRS_MIN: usize = 3;

const fn target(name: &'static str, what: What, bound: Bound, number: f64) -> Target {
    Target { name, what, bound, number }
}

/// All promises.
pub(crate) const TARGETS: [Target; 22] = {
    use Bound::{AtLeast, AtMost};
    use What::{Cpu, Ratio, Rss, Value};
    [
        target("writer.append", Ratio, AtLeast, 0.85),
        target("writer.append", Cpu, AtMost, 1.5),
        // The same where MariaDB needs 2.3 s for a million rows of LOAD DATA; other machines take more than twice as long for either.
        target("writer.append_cpu", Ratio, AtMost, 0.65),
        target("writer.append", Rss, AtMost, 40.0),
        target("writer.lag_5m", Rss, AtMost, 40.0),
        target("writer.start_to_first_row_ms", Value, AtMost, 1_000.0),
        target("writer.append_at_50m", Ratio, AtLeast, 0.90),
        target("validator.clean", Ratio, AtLeast, 0.80),
        target("validator.dirty", Ratio, AtLeast, 0.95),
        target("generator.toll", Ratio, AtLeast, 0.70),
        target("path.p50_ms_at_1000", Value, AtMost, 15.0),
        target("path.p99_ms_at_5000", Value, AtMost, 50.0),
        target("telemetry.generator", Ratio, AtLeast, 0.97),
        target("telemetry.validator", Ratio, AtLeast, 0.97),
        target("telemetry.writer", Ratio, AtLeast, 0.97),
        target("peers.append.connect", Ratio, AtLeast, 1.5),
        target("peers.append.connect_tasks", Ratio, AtLeast, 1.15),
        target("peers.append.connect_default", Ratio, AtLeast, 8.0),
        target("peers.upsert.connect", Ratio, AtLeast, 2.0),
        target("peers.upsert.connect_tasks", Ratio, AtLeast, 1.4),
        target("peers.append.python_batched", Ratio, AtLeast, 7.0),
        target("peers.append.python_tutorial", Ratio, AtLeast, 90.0),
    ]
};

/// What is to be said of each promise about a figure.
pub(crate) fn verdicts(figure: &Figure) -> Vec<(Target, Verdict)> {
    let about = TARGETS.iter().filter(|target| target.name == figure.name);
    about.map(|target| (*target, target.judge(figure))).collect()
}

impl Target {
    fn judge(&self, figure: &Figure) -> Verdict {
        let is = match self.what {
            What::Ratio => figure.ratio,
            What::Value => Some(figure.value),
            What::Cpu => figure.cpu_s_per_million,
            What::Rss => figure.peak_rss_mib,
        };
        let (Some(is), Some([least, most])) = (is, self.ends(figure)) else { return Verdict::NotMeasured };
        let spread = (most - least) / is;
        if !is.is_finite() || !spread.is_finite() {
            Verdict::NotMeasured
        } else if figure.pairs < PAIRS_MIN {
            Verdict::TooFew(figure.pairs)
        } else if spread > SPREAD_MAX {
            Verdict::TooNoisy(spread)
        } else if self.is_kept_by(is) {
            Verdict::Reached(is)
        } else {
            Verdict::Missed(is)
        }
    }

    /// The least and the most of what is compared, in all runs.
    fn ends(&self, figure: &Figure) -> Option<[f64; 2]> {
        match self.what {
            What::Ratio => Some([figure.min?, figure.max?]),
            What::Value => figure.value_ends,
            What::Cpu => figure.cpu_ends,
            // The most of all runs is what is asked for, however far they lie apart.
            What::Rss => figure.peak_rss_mib.map(|peak| [peak; 2]),
        }
    }

    /// The ends, if some runs keep the promise and some do not.
    pub(crate) fn both_sides(&self, figure: &Figure) -> Option<[f64; 2]> {
        self.ends(figure).filter(|[least, most]| self.is_kept_by(*least) != self.is_kept_by(*most))
    }

    fn is_kept_by(&self, is: f64) -> bool {
        match self.bound {
            Bound::AtLeast => is >= self.number,
            Bound::AtMost => is <= self.number,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Ratio => "ratio",
            What::Value => "value",
            What::Cpu => "processor s per million",
            What::Rss => "peak MiB",
        };
        let bound = match self.bound {
            Bound::AtLeast => "at least",
            Bound::AtMost => "at most",
        };
        write!(f, "{what} {bound} {}", self.number)
    }
}
