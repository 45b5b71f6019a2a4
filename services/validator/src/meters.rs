//! Counts what became of a batch.

use dead_letter::{Reason, Stage};
use kafka::Record;
use telemetry::{Counter, Metrics, names};

use crate::verdict::Verdict;

/// The verdict of a good record among the reasons of the bad ones.
const VALID: &str = "VALID";

/// Counts a batch that is committed.
///
/// Runs of the same topic and verdict are counted at once: nearly always one run a batch.
pub(crate) fn count(metrics: &Metrics, batch: &[Record<'_>], verdicts: &[Verdict]) {
    let mut runs: Vec<(Counter, u64)> = Vec::new();
    let mut last = None;
    for (record, verdict) in batch.iter().zip(verdicts) {
        let kind = (record.topic(), refused(verdict));
        if last != Some(kind) {
            let reason = kind.1.map_or(VALID, |(_, reason)| reason.code());
            let labels = [(names::STREAM, kind.0), (names::REASON, reason)];
            runs.push((metrics.counter(&names::VERDICTS, &labels), 0));
            last = Some(kind);
        }
        if let Some((_, count)) = runs.last_mut() {
            *count += 1;
        }
        count_reasons(metrics, record.topic(), verdict);
    }
    for (counter, count) in runs {
        counter.add(count);
    }
}

fn refused(verdict: &Verdict) -> Option<(Stage, Reason)> {
    match verdict {
        Verdict::Refused(refusal) => Some((refusal.stage, refusal.reason)),
        Verdict::Valid | Verdict::Marked(_) => None,
    }
}

fn count_reasons(metrics: &Metrics, topic: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Valid => {}
        Verdict::Refused(refusal) => {
            let labels = [(names::STAGE, refusal.stage.name()), (names::REASON, refusal.reason.code())];
            metrics.counter(&names::DEAD_LETTERS, &labels).add(1);
        }
        Verdict::Marked(marks) => {
            let flags = marks.flags.iter().flat_map(|flags| flags.split(','));
            for (code, _rule) in flags.filter_map(|flag| flag.split_once(':')) {
                let labels = [(names::STREAM, topic), (names::REASON, code)];
                metrics.counter(&names::FLAGS, &labels).add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Marks;

    /// Each flag of a record counts by its code; a record without any counts nowhere.
    #[test]
    fn flags_are_counted_by_their_codes() {
        let metrics = Metrics::default();
        let flags = "IMPLAUSIBLE_TIME:occurred_at_recent,CONTRADICTION:city_fits_coordinates,CONTRADICTION:city_fits_road";
        for flags in [Some(flags.to_owned()), None] {
            let marks = Marks { flags, normalised: None };
            count_reasons(&metrics, "traffic.events", &Verdict::Marked(Box::new(marks)));
        }
        count_reasons(&metrics, "traffic.events", &Verdict::Valid);
        let text = metrics.render();
        for (code, count) in [("CONTRADICTION", 2), ("IMPLAUSIBLE_TIME", 1)] {
            let line = format!(
                r#"turnpike_validator_flags_total{{stream="traffic.events",reason="{code}"}} {count}"#
            );
            assert!(text.contains(&line), "no {line} in\n{text}");
        }
    }
}
