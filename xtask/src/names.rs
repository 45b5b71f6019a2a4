//! The metrics and labels that `crates/telemetry` defines, read from its sources: the labels of a metric stand in its doc comment alone.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::tree::Tree;

/// Where the names are defined.
const FOLDER: &str = "crates/telemetry/src/names/";
/// Labels that Prometheus adds to whatever it scrapes.
const SCRAPED: &[&str] = &["instance", "job"];
/// Series of Prometheus' own, with their labels.
const OF_PROMETHEUS: &[(&str, &[&str])] =
    &[("up", SCRAPED), ("ALERTS", &["alertname", "alertstate", "instance", "job", "severity"])];

/// A metric as its definition and doc comment describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metric {
    /// With dots, as it goes over OTLP.
    pub(crate) name: String,
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    /// `Count`, `Milliseconds`, ...
    pub(crate) unit: String,
    /// With dots, in the order in which the doc comment names them.
    pub(crate) labels: Vec<String>,
    /// One sentence for people.
    pub(crate) help: String,
    /// What Kafka Connect calls the same number.
    pub(crate) connect: Option<String>,
}

/// All names, in the order of their definition.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The metrics.
    pub(crate) metrics: Vec<Metric>,
    /// Labels, attributes of spans, and whatever else is a text.
    pub(crate) texts: BTreeSet<String>,
}

impl Names {
    /// Reads the sources in `tree`. What does not look like a definition is left out, and found by [`Names::unread`].
    pub(crate) fn read(tree: &Tree) -> Names {
        let sources = || tree.files().filter(|(path, _)| path.starts_with(FOLDER));
        let constant = pattern(r#"pub const (\w+): &str =\s*"([^"]+)";"#);
        let constants: BTreeMap<&str, &str> = sources()
            .flat_map(|(_, text)| constant.captures_iter(text))
            .map(|captures| captures.extract())
            .map(|(_, [name, value])| (name, value))
            .collect();
        Names {
            metrics: sources().flat_map(|(_, text)| metrics(text, &constants)).collect(),
            texts: constants.into_values().map(str::to_owned).collect(),
        }
    }

    /// How many definitions of metrics could not be read.
    pub(crate) fn unread(&self, tree: &Tree) -> usize {
        let defined = |text: &str| text.matches(": Metric =").count();
        let sources = tree.files().filter(|(path, _)| path.starts_with(FOLDER));
        sources.map(|(_, text)| defined(text)).sum::<usize>().saturating_sub(self.metrics.len())
    }

    /// Every series that `/metrics` can show, with its labels, and those of Prometheus.
    pub(crate) fn series(&self) -> BTreeMap<String, Vec<String>> {
        let owned = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        let mut series: BTreeMap<String, Vec<String>> =
            OF_PROMETHEUS.iter().map(|(name, labels)| ((*name).to_owned(), owned(labels))).collect();
        for metric in &self.metrics {
            let mut labels = owned(SCRAPED);
            labels.extend(metric.labels.iter().map(|label| underscored(label)));
            for (suffix, more) in metric.suffixes() {
                let with_more = labels.iter().cloned().chain(more.map(str::to_owned)).collect();
                series.insert(format!("{}{suffix}", metric.family()), with_more);
            }
        }
        series
    }
}

impl Metric {
    /// The name in `/metrics`; a histogram has its three series under it.
    pub(crate) fn exposed(&self) -> String {
        let suffix = if self.kind == "counter" { "_total" } else { "" };
        format!("{}{suffix}", self.family())
    }

    /// The unit as `/metrics` has it.
    pub(crate) fn exposed_unit(&self) -> &str {
        match self.unit.as_str() {
            "Milliseconds" | "Microseconds" => "seconds",
            "Bytes" => "bytes",
            _ => "count",
        }
    }

    fn family(&self) -> String {
        let unit = match self.exposed_unit() {
            "count" => String::new(),
            unit => format!("_{unit}"),
        };
        format!("{}{unit}", underscored(&self.name))
    }

    fn suffixes(&self) -> Vec<(&'static str, Option<&'static str>)> {
        match self.kind.as_str() {
            "counter" => vec![("_total", None)],
            "histogram" => vec![("_bucket", Some("le")), ("_sum", None), ("_count", None)],
            _ => vec![("", None)],
        }
    }
}

/// A name as `/metrics` has it.
pub(crate) fn underscored(name: &str) -> String {
    name.replace('.', "_")
}

/// The definitions of one source file. Labels that its opening comment names are those of all its metrics.
fn metrics(text: &str, constants: &BTreeMap<&str, &str>) -> Vec<Metric> {
    let definition = pattern(r#"((?:///.*\n)*)pub const \w+: Metric\s*=\s*(\w+)((?:"[^"]*"|[^";])*);"#);
    let opening: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let found = definition.captures_iter(text).map(|captures| captures.extract());
    found
        .filter_map(|(_, [doc, constructor, body])| {
            let string = pattern(r#""([^"]*)""#);
            let mut strings = string.captures_iter(body).map(|captures| captures[1].to_owned());
            let last_part = |prefix: &str| {
                let found = pattern(&format!(r"{prefix}::(\w+)")).captures(body)?;
                Some(found[1].to_owned())
            };
            let kind = match constructor {
                "Metric" => last_part("Kind")?.to_lowercase(),
                "counter" | "histogram" => constructor.to_owned(),
                _ => "gauge".to_owned(),
            };
            Some(Metric {
                name: strings.next()?,
                kind,
                unit: last_part("Unit").unwrap_or_else(|| "Count".to_owned()),
                labels: labels(&format!("{opening}{doc}"), constants),
                help: strings.next()?,
                connect: pattern(r"Kafka Connect: `([^`]+)`").captures(doc).map(|found| found[1].to_owned()),
            })
        })
        .collect()
}

/// The labels that a doc comment names: by their constants, as a link or not, or as they are.
fn labels(doc: &str, constants: &BTreeMap<&str, &str>) -> Vec<String> {
    let code = pattern(r"`([\w.]+)`");
    let label = |named: &str| {
        let itself = constants.values().find(|label| **label == named);
        constants.get(named).or(itself).map(|label| (*label).to_owned())
    };
    code.captures_iter(doc).filter_map(|captures| label(&captures[1])).collect()
}

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("patterns of this module are constants, each under test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Names {
        let labels =
            "pub const TOPIC: &str = \"messaging.destination.name\";\npub const TASK: &str = \"task\";\n";
        Names::read(&Tree::of(&[
            ("crates/telemetry/src/names/attributes.rs", labels),
            ("crates/telemetry/src/names/metrics.rs", text),
        ]))
    }

    /// Every way in which a metric may be written is read: one line, several, and field by field.
    #[test]
    fn definitions_are_read() {
        let names = read(concat!(
            "/// Records, by `TOPIC` (Kafka Connect: `sink-x`).\npub const A: Metric = counter(\"a.b\", \"Helps; a\");\n",
            "/// Time.\npub const B: Metric =\n    histogram(\"b\", Unit::Milliseconds, \"Helps\");\n",
            "/// CPU.\npub const C: Metric = Metric {\n    name: \"c.time\",\n    kind: Kind::Counter,\n",
            "    unit: Unit::Milliseconds,\n    help: \"Helps\",\n};\n",
        ));
        let a = Metric {
            name: "a.b".to_owned(),
            kind: "counter".to_owned(),
            unit: "Count".to_owned(),
            labels: vec!["messaging.destination.name".to_owned()],
            help: "Helps; a".to_owned(),
            connect: Some("sink-x".to_owned()),
        };
        assert_eq!(names.metrics.first(), Some(&a));
        let exposed: Vec<String> = names.metrics.iter().map(Metric::exposed).collect();
        assert_eq!(exposed, ["a_b_total", "b_seconds", "c_time_seconds_total"]);
        let series = names.series();
        assert_eq!(series["a_b_total"], ["instance", "job", "messaging_destination_name"]);
        assert_eq!(series["b_seconds_bucket"], ["instance", "job", "le"]);
        assert!(series.contains_key("b_seconds_count") && series.contains_key("up"));
    }

    /// The opening comment of a file may name labels for all of it.
    #[test]
    fn labels_of_a_file_are_those_of_its_metrics() {
        let names = read("//! Labels: `task`.\n\n/// X.\npub const X: Metric = plain(\"x\", \"Helps\");\n");
        assert_eq!(
            (names.metrics[0].kind.as_str(), &names.metrics[0].labels[..]),
            ("gauge", &["task".to_owned()][..])
        );
    }

    /// No definition of this workspace is overlooked.
    #[test]
    fn all_of_this_workspace_are_read() {
        let tree = Tree::read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        let names = Names::read(&tree);
        assert!(names.metrics.len() > 50, "{}", names.metrics.len());
        assert_eq!(names.unread(&tree), 0);
        assert!(names.series().contains_key("turnpike_end_to_end_latency_seconds_bucket"));
    }
}
