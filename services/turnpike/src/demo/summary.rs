//! The live summary as a table for a terminal, and as a line for everything else. Pure.

use std::{collections::BTreeMap, time::Duration};

use super::flows::{Flow, Latency};
use crate::output::{grouped, row, table};

/// Where the lag of the validator is found.
pub(crate) const VALIDATOR_GROUP: &str = "turnpike-validator";
/// Before the name of a connector, this makes the name of its group.
pub(crate) const CONNECTOR_GROUPS: &str = "connect-";

/// What is going on, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Since the services were started.
    pub(crate) elapsed: Duration,
    /// Since the services were started, by flow.
    pub(crate) totals: BTreeMap<Flow, u64>,
    /// Records a second since the summary before.
    pub(crate) speeds: BTreeMap<Flow, u64>,
    /// By consumer group.
    pub(crate) lag: BTreeMap<String, u64>,
    /// By connector.
    pub(crate) latency: BTreeMap<String, Latency>,
    /// Everything that runs.
    pub(crate) processes: Vec<Running>,
    /// Where traces can be looked at.
    pub(crate) traces_url: Option<String>,
    /// What else there is to say.
    pub(crate) note: Option<String>,
}

/// A process of the demo.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) name: &'static str,
    /// `None` while it does not run.
    pub(crate) pid: Option<u32>,
    pub(crate) resident_kib: Option<u64>,
}

impl Flow {
    /// In words, such as `toll produced` or `stored by toll-passages`.
    fn words(&self) -> String {
        match self {
            Self::Produced(topic) => format!("{topic} produced"),
            Self::Valid(topic) => format!("{topic} valid"),
            Self::Refused(topic) => format!("{topic} dead"),
            Self::Stored(connector) => format!("stored by {connector}"),
            Self::SetAside(connector) => format!("dead by {connector}"),
        }
    }

    /// What happens to the records of all streams, and the connector that does it, if one does.
    fn verb(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Produced(_) => ("produced", None),
            Self::Valid(_) => ("valid", None),
            Self::Refused(_) => ("dead", None),
            Self::Stored(connector) => ("stored by", Some(connector)),
            Self::SetAside(connector) => ("dead by", Some(connector)),
        }
    }
}

impl Summary {
    /// Records that are produced and not yet handled by the slowest connector.
    pub(crate) fn backlog(lag: &BTreeMap<String, u64>) -> u64 {
        let connectors = lag.iter().filter(|(group, _)| group.starts_with(CONNECTOR_GROUPS));
        let slowest = connectors.map(|(_, records)| *records).max().unwrap_or(0);
        lag.get(VALIDATOR_GROUP).copied().unwrap_or(0) + slowest
    }

    /// Two tables, of flows and of processes.
    pub(crate) fn as_table(&self) -> String {
        let numbers = ["a second", "total", "lag", "p50", "p99"];
        let mut flows = table(&["records", "a second", "total", "lag", "p50", "p99"], &numbers);
        for (flow, total) in &self.totals {
            let latency = self.latency_of(flow);
            let cell = |ms: Option<f64>| ms.map(milliseconds).unwrap_or_default();
            flows.add_row(row([
                flow.words(),
                grouped(self.speeds.get(flow).copied().unwrap_or(0)),
                grouped(*total),
                self.lag_of(flow).map(grouped).unwrap_or_default(),
                cell(latency.map(|latency| latency.p50_ms)),
                cell(latency.map(|latency| latency.p99_ms)),
            ]));
        }
        let mut processes = table(&["process", "pid", "memory"], &["pid", "memory"]);
        for Running { name, pid, resident_kib } in &self.processes {
            let pid = pid.map_or_else(|| "gone".to_owned(), |pid| pid.to_string());
            let memory = resident_kib.map(|kib| format!("{} MiB", kib / 1024)).unwrap_or_default();
            processes.add_row(row([(*name).to_owned(), pid, memory]));
        }
        let seconds = self.elapsed.as_secs();
        let note = self.note.as_deref().map(|note| format!("; {note}")).unwrap_or_default();
        let traces = self.traces_url.as_deref().map(|url| format!("; traces: {url}")).unwrap_or_default();
        format!("{flows}\n{processes}\n{seconds} s{note}{traces}; Ctrl-C ends the demo")
    }

    /// One line: speeds and totals of all streams together and of each connector, lag, latency of the slowest
    /// connector, memory.
    pub(crate) fn as_line(&self) -> String {
        let mut parts = vec![format!("{} s", self.elapsed.as_secs())];
        let mut flows: Vec<(&str, Option<&str>, u64, u64)> = Vec::new();
        for (flow, total) in &self.totals {
            let (verb, connector) = flow.verb();
            let speed = self.speeds.get(flow).copied().unwrap_or(0);
            match flows.last_mut() {
                Some((last, None, speeds, totals)) if *last == verb => {
                    *speeds += speed;
                    *totals += total;
                }
                _ if connector.is_some() && *total == 0 => {}
                _ => flows.push((verb, connector, speed, *total)),
            }
        }
        let runs = flows.chunk_by(|a, b| a.0 == b.0).map(|run| {
            let counts = run.iter().map(|(_, connector, speed, total)| {
                format!("{}{speed}/s ({total})", connector.map(|name| format!("{name} ")).unwrap_or_default())
            });
            format!("{} {}", run[0].0, counts.collect::<Vec<_>>().join(", "))
        });
        parts.push(runs.collect::<Vec<_>>().join("; "));
        parts.push(format!("lag {}", Self::backlog(&self.lag)));
        let slowest = |part: fn(&Latency) -> f64| self.latency.values().map(part).max_by(f64::total_cmp);
        if let (Some(p50), Some(p99)) = (slowest(|one| one.p50_ms), slowest(|one| one.p99_ms)) {
            parts.push(format!("p50 {}, p99 {}", milliseconds(p50), milliseconds(p99)));
        }
        let memory = self.processes.iter().map(|process| {
            let memory =
                process.resident_kib.map_or_else(|| "gone".to_owned(), |kib| (kib / 1024).to_string());
            format!("{} {memory}", process.name)
        });
        parts.push(format!("MiB {}", memory.collect::<Vec<_>>().join(", ")));
        parts.extend(self.note.clone());
        parts.retain(|part| !part.is_empty());
        parts.join("; ")
    }

    fn lag_of(&self, flow: &Flow) -> Option<u64> {
        match flow {
            // The group's lag is that of all streams; it is told once.
            Flow::Valid(topic) if self.is_first_valid(topic) => self.lag.get(VALIDATOR_GROUP).copied(),
            Flow::Stored(connector) => self.lag.get(&format!("{CONNECTOR_GROUPS}{connector}")).copied(),
            Flow::Produced(_) | Flow::Valid(_) | Flow::Refused(_) | Flow::SetAside(_) => None,
        }
    }

    fn is_first_valid(&self, topic: &str) -> bool {
        let first = self.totals.keys().find(|flow| matches!(flow, Flow::Valid(_)));
        matches!(first, Some(Flow::Valid(first)) if first == topic)
    }

    fn latency_of(&self, flow: &Flow) -> Option<Latency> {
        match flow {
            Flow::Stored(connector) => self.latency.get(connector).copied(),
            _ => None,
        }
    }
}

fn milliseconds(ms: f64) -> String {
    if ms < 10_000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1_000.0) }
}

/// Speeds from two counts and the time between them; a count that fell has started anew.
pub(crate) fn speeds(
    before: &BTreeMap<Flow, u64>,
    now: &BTreeMap<Flow, u64>,
    between: Duration,
) -> BTreeMap<Flow, u64> {
    let seconds = between.as_secs_f64().max(0.001);
    let speed = |flow: &Flow, count: &u64| {
        let grown = count.saturating_sub(before.get(flow).copied().unwrap_or(0));
        (grown as f64 / seconds).round() as u64
    };
    now.iter().map(|(flow, count)| (flow.clone(), speed(flow, count))).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::{Flow, Latency, Running, Summary, speeds};

    fn summary() -> Summary {
        let stored = || Flow::Stored("live".to_owned());
        Summary {
            elapsed: Duration::from_millis(12_300),
            totals: BTreeMap::from([
                (Flow::Produced("toll".into()), 5_000),
                (Flow::Produced("weather_data".into()), 1_000),
                (Flow::Valid("toll".into()), 5_880),
                (Flow::Refused("toll".into()), 110),
                (stored(), 5_000),
            ]),
            speeds: BTreeMap::from([
                (Flow::Produced("toll".into()), 400),
                (Flow::Produced("weather_data".into()), 100),
                (Flow::Valid("toll".into()), 490),
                (stored(), 1_490),
            ]),
            lag: BTreeMap::from([("turnpike-validator".to_owned(), 10), ("connect-live".to_owned(), 880)]),
            latency: BTreeMap::from([("live".to_owned(), Latency { p50_ms: 14.2, p99_ms: 12_340.0 })]),
            processes: vec![
                Running { name: "validator", pid: Some(17), resident_kib: Some(20_480) },
                Running { name: "Kafka", pid: None, resident_kib: None },
            ],
            traces_url: Some("http://127.0.0.1:16686".to_owned()),
            note: None,
        }
    }

    /// Everything in one line: speeds with totals, lag, latency, memory.
    #[test]
    fn a_line_tells_all() {
        assert_eq!(
            summary().as_line(),
            "12 s; produced 500/s (6000); valid 490/s (5880); dead 0/s (110); stored by live 1490/s (5000); lag 890; \
             p50 14 ms, p99 12.3 s; MiB validator 20, Kafka gone"
        );
        let quiet = Summary { note: Some("draining".to_owned()), ..Summary::default() };
        assert_eq!(quiet.as_line(), "0 s; lag 0; MiB ; draining");
    }

    /// A row for each flow, with lag and latency where they belong, then a row for each process.
    #[test]
    fn the_table_has_rows() {
        let text = Summary { note: Some("draining".to_owned()), ..summary() }.as_table();
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.trim_matches('│').split_whitespace().collect()).collect();
        for line in [
            vec!["toll", "valid", "490", "5", "880", "10"],
            vec!["stored", "by", "live", "1", "490", "5", "000", "880", "14", "ms", "12.3", "s"],
            vec!["validator", "17", "20", "MiB"],
            vec!["Kafka", "gone"],
            vec![
                "12",
                "s;",
                "draining;",
                "traces:",
                "http://127.0.0.1:16686;",
                "Ctrl-C",
                "ends",
                "the",
                "demo",
            ],
        ] {
            assert!(lines.contains(&line), "{line:?} is not in\n{text}");
        }
    }

    /// The slowest connector makes the backlog, on top of what is still to be judged.
    #[test]
    fn the_backlog_is_the_longest_way() {
        let lag = [("turnpike-validator", 5), ("connect-a", 7), ("connect-b", 9), ("other", 100)];
        let lag = lag.map(|(group, records)| (group.to_owned(), records));
        assert_eq!(Summary::backlog(&BTreeMap::from(lag)), 14);
        assert_eq!(Summary::backlog(&BTreeMap::new()), 0);
    }

    /// Half a second counts half; a new flow starts from nothing; nothing runs backwards.
    #[test]
    fn speeds_are_per_second() {
        let [produced, valid, refused] =
            [Flow::Produced, Flow::Valid, Flow::Refused].map(|flow| flow("toll".to_owned()));
        let before = BTreeMap::from([(produced.clone(), 100), (valid.clone(), 50)]);
        let now = BTreeMap::from([(produced.clone(), 350), (valid.clone(), 40), (refused.clone(), 5)]);
        let expected = BTreeMap::from([(produced, 500), (valid, 0), (refused, 10)]);
        assert_eq!(speeds(&before, &now, Duration::from_millis(500)), expected);
    }
}
