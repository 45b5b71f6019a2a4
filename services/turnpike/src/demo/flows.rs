//! What flows through the demo, counted from what the services tell of themselves. Pure.

use std::collections::BTreeMap;

use service::control::v1::{Sample, Stats};
use telemetry::names;

/// What the validator calls a record without a reason against it.
const VALID: &str = "VALID";

/// How the names of topics end that the validator writes to.
const OUTPUTS: [&str; 2] = [".valid", ".dlq"];

/// Something that is counted, in the order in which records pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flow {
    /// Acknowledged by Kafka to a generator, by topic.
    Produced(String),
    /// Forwarded by the validator, by raw topic.
    Valid(String),
    /// Set aside by the validator, by raw topic.
    Refused(String),
    /// Stored by a connector.
    Stored(String),
    /// Set aside by a connector.
    SetAside(String),
}

/// What one service tells at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    /// Since its process started.
    pub(crate) counts: BTreeMap<Flow, u64>,
    /// Records still to be handled, by consumer group.
    pub(crate) lag: BTreeMap<String, u64>,
    /// Time from generated to stored over the last seconds, by connector.
    pub(crate) latency: BTreeMap<String, Latency>,
}

/// A distribution of latencies, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Counts of a service over all of its processes: each starts from nothing.
///
/// What a process counted in the instant before it was killed is missing here; the ledger has it.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    ended: BTreeMap<Flow, u64>,
    running: BTreeMap<Flow, u64>,
}

impl Reading {
    /// Picks what the demo shows from all metrics of a service.
    pub(crate) fn of(stats: &Stats) -> Self {
        let mut reading = Self::default();
        for sample in &stats.samples {
            let count = sample.value.max(0.0) as u64;
            if let Some(flow) = flow(sample) {
                *reading.counts.entry(flow).or_default() += count;
            } else if sample.name == names::LAG_RECORDS.name {
                *reading.lag.entry(label(sample, names::GROUP)).or_default() += count;
            }
        }
        for quantiles in &stats.quantiles {
            if quantiles.name == names::END_TO_END_MS.name && quantiles.count > 0 {
                let connector = quantiles.labels.get(names::CONNECTOR).cloned().unwrap_or_default();
                reading.latency.insert(connector, Latency { p50_ms: quantiles.p50, p99_ms: quantiles.p99 });
            }
        }
        reading
    }
}

fn flow(sample: &Sample) -> Option<Flow> {
    let metric = sample.name.as_str();
    if metric == names::SENT.name {
        let topic = label(sample, names::TOPIC);
        // The validator counts there as well what it forwards and sets aside: that is told by its verdicts.
        let is_raw = !OUTPUTS.iter().any(|suffix| topic.ends_with(suffix));
        is_raw.then_some(Flow::Produced(topic))
    } else if metric == names::VERDICTS.name {
        let topic = label(sample, names::STREAM);
        Some(if label(sample, names::REASON) == VALID { Flow::Valid(topic) } else { Flow::Refused(topic) })
    } else if metric == names::ROWS.name {
        Some(Flow::Stored(label(sample, names::CONNECTOR)))
    } else if metric == names::DEAD_LETTERS.name {
        let stage = label(sample, names::STAGE);
        // The validator names Connect's stages here, and counts the same records among its verdicts.
        let is_connector = stage.chars().any(|letter| letter.is_ascii_lowercase());
        is_connector.then_some(Flow::SetAside(stage))
    } else {
        None
    }
}

fn label(sample: &Sample, name: &str) -> String {
    sample.labels.get(name).cloned().unwrap_or_default()
}

impl Totals {
    /// Takes what the running process tells.
    pub(crate) fn heed(&mut self, counts: &BTreeMap<Flow, u64>) {
        self.running.clone_from(counts);
    }

    /// The process has ended, the next one counts anew.
    pub(crate) fn restart(&mut self) {
        for (flow, count) in std::mem::take(&mut self.running) {
            *self.ended.entry(flow).or_default() += count;
        }
    }

    /// The sum over all processes.
    pub(crate) fn add_to(&self, sums: &mut BTreeMap<Flow, u64>) {
        for (flow, count) in self.ended.iter().chain(&self.running) {
            *sums.entry(flow.clone()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use service::control::v1::{Quantiles, Sample, Stats};
    use telemetry::names;

    use super::{Flow, Latency, Reading, Totals};

    fn labels<const N: usize>(labels: [(&str, &str); N]) -> BTreeMap<String, String> {
        labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn sample<const N: usize>(name: &str, labelled: [(&str, &str); N], value: f64) -> Sample {
        Sample { name: name.to_owned(), labels: labels(labelled), value }
    }

    /// Counters become flows, each record counting once; reasons other than VALID add up, and gauges of all partitions by group.
    #[test]
    fn metrics_become_flows() {
        let quantiles = |count| Quantiles {
            name: names::END_TO_END_MS.name.to_owned(),
            labels: labels([(names::CONNECTOR, "live")]),
            count,
            p50: 12.0,
            p99: 40.0,
            max: 50.0,
        };
        let stats = Stats {
            time_ms: 0,
            samples: vec![
                sample(names::SENT.name, [(names::TOPIC, "toll")], 100.0),
                sample(names::SENT.name, [(names::TOPIC, "toll.valid")], 90.0),
                sample(names::SENT.name, [(names::TOPIC, "toll.dlq")], 10.0),
                sample(names::VERDICTS.name, [(names::STREAM, "toll"), (names::REASON, "VALID")], 90.0),
                sample(names::VERDICTS.name, [(names::STREAM, "toll"), (names::REASON, "OUT_OF_RANGE")], 4.0),
                sample(names::VERDICTS.name, [(names::STREAM, "toll"), (names::REASON, "NOT_FRAMED")], 6.0),
                sample(names::DEAD_LETTERS.name, [(names::STAGE, "TRANSFORMATION")], 10.0),
                sample(names::DEAD_LETTERS.name, [(names::STAGE, "passages")], 3.0),
                sample(names::ROWS.name, [(names::CONNECTOR, "passages")], 80.0),
                sample(names::LAG_RECORDS.name, [(names::GROUP, "g"), (names::PARTITION, "0")], 7.0),
                sample(names::LAG_RECORDS.name, [(names::GROUP, "g"), (names::PARTITION, "1")], 5.0),
            ],
            quantiles: vec![quantiles(9)],
        };
        let reading = Reading::of(&stats);
        let expected = [
            (Flow::Produced("toll".into()), 100),
            (Flow::Valid("toll".into()), 90),
            (Flow::Refused("toll".into()), 10),
            (Flow::Stored("passages".into()), 80),
            (Flow::SetAside("passages".into()), 3),
        ];
        assert_eq!(reading.counts, BTreeMap::from(expected));
        assert_eq!(reading.lag, BTreeMap::from([("g".to_owned(), 12)]));
        let latency = BTreeMap::from([("live".to_owned(), Latency { p50_ms: 12.0, p99_ms: 40.0 })]);
        assert_eq!(reading.latency, latency);
        let silent = Stats { quantiles: vec![quantiles(0)], ..stats };
        assert!(Reading::of(&silent).latency.is_empty());
    }

    /// A process that starts again counts from nothing, and its service goes on.
    #[test]
    fn totals_survive_a_restart() {
        let counts = |count| BTreeMap::from([(Flow::Valid("toll".into()), count)]);
        let mut totals = Totals::default();
        totals.heed(&counts(10));
        totals.heed(&counts(15));
        totals.restart();
        totals.heed(&counts(4));
        let mut sums = BTreeMap::new();
        totals.add_to(&mut sums);
        assert_eq!(sums, counts(19));
    }
}
