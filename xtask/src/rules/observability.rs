//! Rules about dashboards, alerts and the list of metrics: they name what there is, and what is generated is up to date.

use std::collections::BTreeMap;

use super::{Finding, pattern};
use crate::{
    alerts::{self, ALERTS, Rule},
    dashboards, metrics_page,
    names::Names,
    query,
    tree::Tree,
};

/// What to do about each alert.
const RUNBOOK: &str = "docs/runbook.md";
/// Tests of the alerts.
const ALERT_TESTS: &str = "deploy/prometheus/alerts_test.yml";
/// What every alert says.
const SAID: &[&str] = &["severity", "summary", "description", "runbook_url"];

/// Every metric's definition can be read here, or its uses could not be checked.
pub(super) fn metrics_are_read(tree: &Tree) -> Vec<Finding> {
    let unread = Names::read(tree).unread(tree);
    let what = format!(
        "{unread} metrics are not written as xtask reads them: constructor, name and help as literals"
    );
    (unread > 0).then(|| Finding::new("crates/telemetry/src/names", 1, what)).into_iter().collect()
}

/// What is generated is what its source would give now.
pub(super) fn generated_files_are_fresh(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut compare = |path: &str, text: &str, task: &str| {
        if tree.text(path) != Some(text) {
            findings.push(Finding::new(path, 1, format!("out of date; run `cargo run -p xtask -- {task}`")));
        }
    };
    if tree.has("crates/telemetry") {
        compare(metrics_page::PAGE, &metrics_page::page(tree), "metrics");
    }
    match dashboards::all(tree) {
        Err(error) => findings.push(Finding::new(dashboards::SOURCES, 1, format!("{error:#}; mend it"))),
        Ok(files) => {
            for (path, text) in &files {
                compare(path, text, "dashboards");
            }
            let kept = tree.files().filter(|(path, _)| path.starts_with(dashboards::DASHBOARDS));
            let orphans = kept.filter(|(path, _)| files.iter().all(|(made, _)| made != path));
            findings.extend(orphans.map(|(path, _)| Finding::new(path, 1, "has no source; delete it")));
        }
    }
    findings
}

/// A dashboard asks for metrics and labels that exist, and each panel says what it shows.
pub(super) fn dashboards_name_what_there_is(tree: &Tree) -> Vec<Finding> {
    let known = known(tree, &alerts::rules(tree));
    let attributes = Names::read(tree).texts;
    let mut findings = Vec::new();
    for (path, dashboard) in dashboards::described(tree) {
        let Ok(dashboard) = dashboard else { continue };
        let text = tree.text(path).unwrap_or_default();
        let line =
            |part: &str| text.lines().position(|line| line.contains(part)).map_or(1, |index| index + 1);
        for variable in &dashboard.variables {
            if !known.get(&variable.series).is_some_and(|labels| labels.contains(&variable.label)) {
                let what = format!("{} has no label {}", variable.series, variable.label);
                findings.push(Finding::new(path, line(&variable.series), what));
            }
        }
        for panel in dashboard.panels() {
            let at = line(&format!("\"{}\"", panel.title));
            let asked = panel.queries.iter().flat_map(|dashboards::Query(legend, expr)| {
                query::mistakes(expr, &known).into_iter().chain(strange_labels(legend, "{{", expr, &known))
            });
            let silent =
                (!panel.description.ends_with('.')).then(|| "say in a sentence what it shows".to_owned());
            let tags = panel.traces.iter().flat_map(|traces| traces.tags.split(' '));
            let strange =
                tags.filter_map(|tag| Some(tag.split_once('=')?.0)).filter(|key| !attributes.contains(*key));
            let strange = strange.map(|key| format!("no span has an attribute {key}"));
            findings.extend(
                asked
                    .chain(silent)
                    .chain(strange)
                    .map(|what| Finding::new(path, at, format!("{}: {what}", panel.title))),
            );
        }
    }
    findings
}

/// An alert asks for metrics and labels that exist, says what happened, and is tested.
pub(super) fn alerts_name_what_there_is(tree: &Tree) -> Vec<Finding> {
    let rules = alerts::rules(tree);
    let known = known(tree, &rules);
    let tests = tree.text(ALERT_TESTS).unwrap_or_default();
    let mut findings = Vec::new();
    for rule in &rules {
        let mut whats = query::mistakes(&rule.expr, &known);
        if rule.is_alert {
            let said = |key: &&&str| {
                rule.says.iter().any(|(name, text)| name == **key || text.contains(&format!("{key}:")))
            };
            whats.extend(SAID.iter().filter(|key| !said(key)).map(|key| format!("has no {key}")));
            whats.extend(
                rule.says.values().flat_map(|text| strange_labels(text, "$labels.", &rule.expr, &known)),
            );
            if !tests.contains(&format!("alertname: {}\n", rule.name)) {
                whats.push(format!("is not tested; add a case to {ALERT_TESTS}"));
            }
        }
        findings.extend(
            whats.into_iter().map(|what| Finding::new(ALERTS, rule.line, format!("{}: {what}", rule.name))),
        );
    }
    findings
}

/// Every alert leads to its entry of the runbook, and every entry has its alert.
pub(super) fn alerts_have_entries(tree: &Tree) -> Vec<Finding> {
    let alerts: Vec<Rule> = alerts::rules(tree).into_iter().filter(|rule| rule.is_alert).collect();
    let runbook = tree.text(RUNBOOK).unwrap_or_default();
    let entries: Vec<(usize, &str)> = runbook
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.strip_prefix("### ")?)))
        .collect();
    let mut findings = Vec::new();
    for Rule { name, line, says, .. } in &alerts {
        let anchor = format!("{RUNBOOK}#{}", name.to_lowercase());
        if !says.get("runbook_url").is_some_and(|url| url.trim_matches(['\'', '"']).ends_with(&anchor)) {
            findings.push(Finding::new(
                ALERTS,
                *line,
                format!("{name}: its runbook_url does not end in {anchor}"),
            ));
        }
        if entries.iter().all(|(_, entry)| entry != name) {
            findings.push(Finding::new(RUNBOOK, 1, format!("no entry for {name}; write `### {name}`")));
        }
    }
    let orphans = entries.iter().filter(|(_, entry)| alerts.iter().all(|alert| alert.name != *entry));
    findings.extend(
        orphans.map(|(line, entry)| Finding::new(RUNBOOK, *line, format!("no alert is called {entry}"))),
    );
    findings
}

/// All series: those of the services, of Prometheus, and those that rules record.
fn known(tree: &Tree, rules: &[Rule]) -> BTreeMap<String, Vec<String>> {
    let mut known = Names::read(tree).series();
    let recorded = rules.iter().filter(|rule| !rule.is_alert);
    known.extend(recorded.map(|rule| (rule.name.clone(), query::labels_by(&rule.expr))));
    known
}

/// Labels that a text fills in behind `before` and that the result of `expr` cannot have.
fn strange_labels(
    text: &str,
    before: &str,
    expr: &str,
    known: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let possible = query::labels_of(expr, known);
    let label = pattern(&format!(r"{}\s*(\w+)", regex::escape(before)));
    let filled = label.captures_iter(text).map(|captures| captures[1].to_owned());
    filled
        .filter(|label| !possible.contains(label))
        .map(|label| format!("its text fills in the label {label}, which the query cannot have"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    const NAMES: (&str, &str) = (
        "crates/telemetry/src/names/metrics.rs",
        "pub const STREAM: &str = \"stream\";\n/// By [`STREAM`].\npub const A: Metric = counter(\"a\", \"Things\");\n",
    );

    fn alert(expr: &str) -> String {
        let lines = [
            "- alert: Odd",
            "  expr: EXPR",
            "  labels: {severity: page}",
            "  annotations:",
            "    summary: s {{ $labels.stream }}",
            "    description: d",
            "    runbook_url: docs/runbook.md#odd\n",
        ];
        lines.join("\n").replace("EXPR", expr)
    }

    fn whats(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    /// An alert that is whole passes; a wrong metric, a missing test and a missing entry are found.
    #[test]
    fn alerts_are_checked() {
        let (good, bad) = (alert("rate(a_total{stream='x'}[5m]) > 0"), alert("b_total > 0"));
        let of = |alerts: &str, tests: &str, runbook: &str| {
            let tree = Tree::of(&[NAMES, (ALERTS, alerts), (ALERT_TESTS, tests), (RUNBOOK, runbook)]);
            let mut found = alerts_name_what_there_is(&tree);
            found.extend(alerts_have_entries(&tree));
            whats(&found)
        };
        assert_eq!(of(&good, "  alertname: Odd\n", "### Odd\n"), Vec::<String>::new());
        let found = of(&bad, "", "### Other\n").join("\n");
        for part in [
            "no metric is called b_total",
            "label stream, which",
            "is not tested",
            "write `### Odd`",
            "no alert is called Other",
        ] {
            assert!(found.contains(part), "{part} in {found}");
        }
        assert!(
            of(&good.replace("severity", "x"), "  alertname: Odd\n", "### Odd\n")[0]
                .ends_with("has no severity")
        );
    }

    /// A dashboard's wrong metric, label, legend, choice and silence are found, each with its place.
    #[test]
    fn dashboards_are_checked() {
        let source = |series: &str, label: &str| {
            let lines = [
                r#"{"title": "A", "description": "B.","#,
                r#""variables": [{"name": "v", "title": "V", "series": "SERIES", "label": "LABEL"}],"#,
                r#""rows": [{"title": "R", "panels": ["#,
                r#"{"title": "P", "kind": "stat", "unit": "s", "description": "D.","#,
                r#""queries": [["{{LABEL}}", "sum by (LABEL) (rate(SERIES[5m]))"]]}]}]}"#,
            ];
            lines.join("\n").replace("SERIES", series).replace("LABEL", label)
        };
        let of = |source: &str| {
            let tree = Tree::of(&[NAMES, ("deploy/grafana/source/x.json", source)]);
            places(&dashboards_name_what_there_is(&tree))
        };
        let path = "deploy/grafana/source/x.json";
        assert_eq!(of(&source("a_total", "stream")), Vec::<String>::new());
        assert_eq!(
            of(&source("a_total", "topic")),
            [format!("{path}:2"), format!("{path}:4"), format!("{path}:4")]
        );
        assert_eq!(of(&source("a_total", "stream").replace("D.", "D")), [format!("{path}:4")]);
        let tagged = |tag: &str| {
            let traces = format!("\"traces\": {{\"service\": \"s\", \"tags\": \"{tag}=x\"}}, \"queries\"");
            source("a_total", "stream").replace("\"queries\"", &traces)
        };
        assert_eq!((of(&tagged("stream")), of(&tagged("steam"))), (vec![], vec![format!("{path}:4")]));
    }

    /// A generated file that differs, or whose source is gone, is found; so is a source that cannot be read.
    #[test]
    fn stale_files_are_found() {
        let source = ("deploy/grafana/source/x.json", r#"{"title": "A", "description": "B.", "rows": []}"#);
        let made = dashboards::all(&Tree::of(&[source])).unwrap();
        let (path, text) = (made[0].0.as_str(), made[0].1.as_str());
        assert_eq!(
            places(&generated_files_are_fresh(&Tree::of(&[source, (path, text)]))),
            Vec::<String>::new()
        );
        assert_eq!(
            places(&generated_files_are_fresh(&Tree::of(&[source, (path, "{}")]))),
            [format!("{path}:1")]
        );
        assert_eq!(places(&generated_files_are_fresh(&Tree::of(&[(path, text)]))), [format!("{path}:1")]);
        let broken = Tree::of(&[("deploy/grafana/source/x.json", "{")]);
        assert_eq!(places(&generated_files_are_fresh(&broken)), ["deploy/grafana/source/:1"]);
    }

    /// A definition in an unknown form is found.
    #[test]
    fn unreadable_metrics_are_found() {
        let text = "pub const A: Metric = made_by_macro!();\n";
        let tree = Tree::of(&[("crates/telemetry/src/names/metrics.rs", text)]);
        assert_eq!(places(&metrics_are_read(&tree)), ["crates/telemetry/src/names:1"]);
        assert_eq!(places(&metrics_are_read(&Tree::of(&[NAMES]))), Vec::<String>::new());
    }
}
