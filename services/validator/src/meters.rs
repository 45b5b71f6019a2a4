//! Counts what became of a batch.

use std::sync::Arc;

use kafka::Record;
use service::clock;
use telemetry::{Gauge, Histogram, Metric, Metrics, names};

use crate::{DESCRIPTION, batch::Batch, laps::Step, stream::Stream, traced::Followed, verdict::Verdict};

/// The verdict of a good record among the reasons of the bad ones.
const VALID: &str = "VALID";

/// What the worker counts. What is known beforehand is looked up once.
#[derive(Debug)]
pub(crate) struct Meters {
    metrics: Metrics,
    outlets: Vec<Outlet>,
    batch_records: Histogram,
    process: Histogram,
    commit: Histogram,
    balance: Gauge,
}

/// A stream as it is counted.
#[derive(Debug)]
struct Outlet {
    raw: Arc<str>,
    valid: String,
    dlq: String,
    latency_ms: Histogram,
}

/// Room for the combinations of a usual batch: growing is what cost most here where many records are refused.
const COMBINATIONS: usize = 16;

/// How often each combination of label values occurs in a batch. There are few, so looking through them is cheap.
#[derive(Debug)]
struct Sums<'b, const N: usize>(Vec<([&'b str; N], u64)>);

impl<'b, const N: usize> Sums<'b, N> {
    fn add(&mut self, values: [&'b str; N]) {
        match self.0.iter_mut().find(|(known, _)| *known == values) {
            Some((_, count)) => *count += 1,
            None => self.0.push((values, 1)),
        }
    }

    fn count(&self, metrics: &Metrics, metric: &Metric, names: [&'static str; N]) {
        for (values, count) in &self.0 {
            let labels: [_; N] = std::array::from_fn(|index| (names[index], values[index]));
            metrics.counter(metric, &labels).add(*count);
        }
    }
}

impl<const N: usize> Default for Sums<'_, N> {
    fn default() -> Self {
        Self(Vec::with_capacity(COMBINATIONS))
    }
}

impl Meters {
    /// Nothing yet of these streams, which are read as this group.
    pub(crate) fn new<'s>(
        metrics: &Metrics,
        group: &str,
        streams: impl IntoIterator<Item = &'s Stream>,
    ) -> Self {
        let outlet = |stream: &Stream| Outlet {
            raw: Arc::clone(&stream.raw),
            valid: stream.valid.clone(),
            dlq: stream.dlq.clone(),
            latency_ms: metrics.histogram(&names::VALIDATOR_LATENCY, &[(names::STREAM, &stream.raw)]),
        };
        Self {
            outlets: streams.into_iter().map(outlet).collect(),
            batch_records: metrics.histogram(&names::BATCH_RECORDS, &[]),
            process: metrics.histogram(&names::PROCESS_DURATION, &[(names::GROUP, group)]),
            commit: metrics.histogram(&names::OPERATION_DURATION, &[(names::OPERATION, Step::Commit.name())]),
            balance: metrics.gauge(&names::LEDGER_BALANCE, &[(names::STAGE, DESCRIPTION.name)]),
            metrics: metrics.clone(),
        }
    }

    /// A transaction of so many records is committed, and Kafka has acknowledged so many. The books count what was judged; a record
    /// that got lost on the way to Kafka, or was sent twice, is seen here alone. What is open stays open until the service ends.
    pub(crate) fn balance(&self, read: usize, acknowledged: u64) {
        self.balance.set(self.balance.get() + read as i64 - acknowledged as i64);
    }

    /// Counts a batch that is committed; the traced ones among its records are examples of how long it took.
    pub(crate) fn count(&self, batch: &Batch<'_>, traced: &[Followed]) {
        let laps = &batch.laps;
        self.count_judged(batch.stretches().flat_map(|(records, verdicts)| {
            let topic = records[0].topic();
            verdicts.iter().map(move |verdict| (topic, verdict))
        }));
        self.batch_records.record(batch.records.len() as u64);
        self.process.record_time(laps.took(Step::Poll, Step::Commit));
        self.commit.record_time(laps.took(Step::Send, Step::Commit));
        let now_ms = clock::ms_of(laps.ended(Step::Commit));
        for (records, _) in batch.stretches() {
            let times = records.iter().map(Record::timestamp_ms);
            self.outlet(records[0].topic()).latency_ms.record_all(times.filter_map(|ms| age(ms, now_ms)));
        }
        for record in traced {
            if let Some(age) = age(record.timestamp_ms, now_ms) {
                let latency = &self.outlet(&record.topic).latency_ms;
                latency.exemplar(age, &record.context(), clock::system());
            }
        }
    }

    fn count_judged<'b>(&self, judged: impl Iterator<Item = (&'b str, &'b Verdict)>) {
        let (mut verdicts, mut letters) = (Sums::default(), Sums::default());
        let (mut flags, mut rules) = (Sums::default(), Sums::default());
        for (topic, verdict) in judged {
            match verdict {
                Verdict::Valid => verdicts.add([topic, VALID]),
                Verdict::Refused(refusal) => {
                    verdicts.add([topic, refusal.reason.code()]);
                    letters.add([refusal.stage.name(), refusal.reason.code()]);
                    for (code, rule) in &refusal.failed_rules {
                        rules.add([topic, rule, code.code()]);
                    }
                }
                Verdict::Marked(marks) => {
                    verdicts.add([topic, VALID]);
                    let marks = marks.flags.iter().flat_map(|flags| flags.split(','));
                    for (code, rule) in marks.filter_map(|flag| flag.split_once(':')) {
                        flags.add([topic, code]);
                        rules.add([topic, rule, code]);
                    }
                }
            }
        }
        verdicts.count(&self.metrics, &names::VERDICTS, [names::STREAM, names::REASON]);
        letters.count(&self.metrics, &names::DEAD_LETTERS, [names::STAGE, names::REASON]);
        flags.count(&self.metrics, &names::FLAGS, [names::STREAM, names::REASON]);
        rules.count(&self.metrics, &names::RULE_FAILURES, [names::STREAM, names::RULE, names::REASON]);
        self.count_moved(&verdicts);
    }

    /// What was read and sent follows from the verdicts.
    fn count_moved(&self, verdicts: &Sums<'_, 2>) {
        for ([topic, verdict], count) in &verdicts.0 {
            let outlet = self.outlet(topic);
            let sent_to = if *verdict == VALID { &outlet.valid } else { &outlet.dlq };
            self.metrics.counter(&names::CONSUMED, &[(names::TOPIC, topic)]).add(*count);
            self.metrics.counter(&names::SENT, &[(names::TOPIC, sent_to)]).add(*count);
        }
    }

    fn outlet(&self, topic: &str) -> &Outlet {
        let outlet = self.outlets.iter().find(|outlet| *outlet.raw == *topic);
        outlet.expect("only records of the streams are judged")
    }
}

/// How old a record is, if it says when it was made.
fn age(timestamp_ms: i64, now_ms: i64) -> Option<u64> {
    (timestamp_ms > 0).then(|| u64::try_from(now_ms - timestamp_ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Marks, Refusal};
    use dead_letter::{Reason, Stage};

    fn meters(metrics: &Metrics) -> Meters {
        let outlet = |raw: &str| Outlet {
            raw: raw.into(),
            valid: format!("{raw}.valid"),
            dlq: format!("{raw}.dlq"),
            latency_ms: metrics.histogram(&names::VALIDATOR_LATENCY, &[(names::STREAM, raw)]),
        };
        Meters { outlets: ["toll", "traffic.events"].map(outlet).into(), ..Meters::new(metrics, "group", []) }
    }

    fn marked(flags: Option<&str>) -> Verdict {
        let flags = flags.map(str::to_owned);
        Verdict::Marked(Box::new(Marks { flags, normalised: None }))
    }

    /// A batch of several streams: each verdict by stream and reason, each dead letter by its stage and reason, each flag of a
    /// record by its code, each failed rule by its name, whether it refuses or flags, and records by the topics that they leave and
    /// go to.
    #[test]
    fn a_batch_is_counted_by_its_verdicts_and_flags() {
        let metrics = Metrics::default();
        let meters = meters(&metrics);
        let flagged = marked(Some(
            "IMPLAUSIBLE_TIME:occurred_at_recent,CONTRADICTION:city_fits_coordinates,CONTRADICTION:city_fits_road",
        ));
        let late = marked(Some("IMPLAUSIBLE_TIME:occurred_at_recent"));
        let refused = Verdict::Refused(Box::new(Refusal {
            reason: Reason::OutOfRange,
            stage: Stage::Transformation,
            rule: Some("lane_in_range".to_owned()),
            message: String::new(),
            detail: String::new(),
            failed_rules: vec![
                (Reason::OutOfRange, "lane_in_range".to_owned()),
                (Reason::ImplausibleTime, "occurred_at_recent".to_owned()),
            ],
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
            meters.count_judged(judged.into_iter());
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
            r#"turnpike_validator_rule_failures_total{stream="toll",rule="lane_in_range",reason="OUT_OF_RANGE"} 2"#,
            r#"turnpike_validator_rule_failures_total{stream="toll",rule="occurred_at_recent",reason="IMPLAUSIBLE_TIME"} 4"#,
            r#"messaging_client_consumed_messages_total{messaging_destination_name="toll"} 4"#,
            r#"messaging_client_sent_messages_total{messaging_destination_name="toll.valid"} 2"#,
            r#"messaging_client_sent_messages_total{messaging_destination_name="toll.dlq"} 2"#,
            r#"messaging_client_sent_messages_total{messaging_destination_name="traffic.events.valid"} 8"#,
            &format!(r#"turnpike_dead_letters_total{{stage="{stage}",reason="OUT_OF_RANGE"}} 2"#),
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }

    /// The balance is there from the start, and shows a record that Kafka has not acknowledged, or once too often, from then on.
    #[test]
    fn what_kafka_acknowledges_is_balanced_with_what_was_read() {
        let metrics = Metrics::default();
        let meters = meters(&metrics);
        let shows = |open: i64| {
            let (text, line) =
                (metrics.render(), format!(r#"turnpike_ledger_balance{{stage="validator"}} {open}"#));
            assert!(text.lines().any(|shown| shown == line), "no {line} in\n{text}");
        };
        shows(0);
        for (read, acknowledged, open) in [(7, 7, 0), (7, 6, 1), (5, 5, 1), (2, 4, -1)] {
            meters.balance(read, acknowledged);
            shows(open);
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

    /// A record that does not say when it was made has no age, and one of the future is new.
    #[test]
    fn ages_are_those_of_records_with_a_time() {
        assert_eq!(
            [0, 1_000, 9_000].map(|timestamp_ms| age(timestamp_ms, 4_000)),
            [None, Some(3_000), Some(0)]
        );
    }
}
