//! Counts what became of a batch.

use kafka::Record;
use telemetry::{Metric, Metrics, names};

use crate::verdict::Verdict;

/// The verdict of a good record among the reasons of the bad ones.
const VALID: &str = "VALID";

/// How often each pair of label values occurs in a batch. There are few, so looking through them is cheap.
#[derive(Debug, Default)]
struct Sums<'b>(Vec<([&'b str; 2], u64)>);

impl<'b> Sums<'b> {
    fn add(&mut self, values: [&'b str; 2]) {
        match self.0.iter_mut().find(|(known, _)| *known == values) {
            Some((_, count)) => *count += 1,
            None => self.0.push((values, 1)),
        }
    }

    fn count(&self, metrics: &Metrics, metric: &Metric, names: [&'static str; 2]) {
        for (values, count) in &self.0 {
            let labels = [(names[0], values[0]), (names[1], values[1])];
            metrics.counter(metric, &labels).add(*count);
        }
    }
}

/// Counts a batch that is committed; each counter is looked up once.
pub(crate) fn count(metrics: &Metrics, batch: &[Record<'_>], verdicts: &[Verdict]) {
    count_judged(metrics, batch.iter().map(Record::topic).zip(verdicts));
}

fn count_judged<'b>(metrics: &Metrics, judged: impl Iterator<Item = (&'b str, &'b Verdict)>) {
    let (mut verdicts, mut letters, mut flags) = (Sums::default(), Sums::default(), Sums::default());
    for (topic, verdict) in judged {
        match verdict {
            Verdict::Valid => verdicts.add([topic, VALID]),
            Verdict::Refused(refusal) => {
                verdicts.add([topic, refusal.reason.code()]);
                letters.add([refusal.stage.name(), refusal.reason.code()]);
            }
            Verdict::Marked(marks) => {
                verdicts.add([topic, VALID]);
                let marks = marks.flags.iter().flat_map(|flags| flags.split(','));
                for (code, _rule) in marks.filter_map(|flag| flag.split_once(':')) {
                    flags.add([topic, code]);
                }
            }
        }
    }
    verdicts.count(metrics, &names::VERDICTS, [names::STREAM, names::REASON]);
    letters.count(metrics, &names::DEAD_LETTERS, [names::STAGE, names::REASON]);
    flags.count(metrics, &names::FLAGS, [names::STREAM, names::REASON]);
}

#[cfg(test)]
mod tests {
    use dead_letter::{Reason, Stage};
    use serde_json::Value as Json;

    use super::*;
    use crate::verdict::{Marks, Refusal};

    fn marked(flags: Option<&str>) -> Verdict {
        let flags = flags.map(str::to_owned);
        Verdict::Marked(Box::new(Marks { flags, normalised: None }))
    }

    /// A batch of several streams: each verdict by stream and reason, each dead letter by its stage and reason, each flag of a
    /// record by its code; a record without flags counts nowhere among these.
    #[test]
    fn a_batch_is_counted_by_its_verdicts_and_flags() {
        let metrics = Metrics::default();
        let flagged = marked(Some(
            "IMPLAUSIBLE_TIME:occurred_at_recent,CONTRADICTION:city_fits_coordinates,CONTRADICTION:city_fits_road",
        ));
        let late = marked(Some("IMPLAUSIBLE_TIME:occurred_at_recent"));
        let refused = Verdict::Refused(Box::new(Refusal {
            reason: Reason::OutOfRange,
            stage: Stage::Transformation,
            rule: None,
            message: String::new(),
            detail: Json::Null,
            dialect: None,
        }));
        let judged = [
            ("traffic.events", &flagged),
            ("toll", &late),
            ("traffic.events", &flagged),
            ("traffic.events", &marked(None)),
            ("toll", &refused),
            ("traffic.events", &Verdict::Valid),
        ];
        for _batch in 0..2 {
            count_judged(&metrics, judged.into_iter());
        }
        let text = metrics.render();
        let stage = Stage::Transformation.name();
        for line in [
            r#"turnpike_validator_verdicts_total{stream="traffic.events",reason="VALID"} 8"#,
            r#"turnpike_validator_verdicts_total{stream="toll",reason="VALID"} 2"#,
            r#"turnpike_validator_verdicts_total{stream="toll",reason="OUT_OF_RANGE"} 2"#,
            r#"turnpike_validator_flags_total{stream="traffic.events",reason="CONTRADICTION"} 8"#,
            r#"turnpike_validator_flags_total{stream="traffic.events",reason="IMPLAUSIBLE_TIME"} 4"#,
            r#"turnpike_validator_flags_total{stream="toll",reason="IMPLAUSIBLE_TIME"} 2"#,
            &format!(r#"turnpike_dead_letters_total{{stage="{stage}",reason="OUT_OF_RANGE"}} 2"#),
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }

    /// However many records of a batch are alike, their sum is one entry, and so one look-up.
    #[test]
    fn records_that_are_alike_are_one_sum() {
        let mut sums = Sums::default();
        for topic in ["toll", "traffic.events", "toll", "toll"] {
            sums.add([topic, VALID]);
        }
        assert_eq!(sums.0, [(["toll", VALID], 3), (["traffic.events", VALID], 1)]);
    }
}
