//! The rules for Prometheus in `deploy/prometheus/alerts.yml`. The file is read line by line: it is ours, and plain.

use std::collections::BTreeMap;

use crate::tree::Tree;

/// Where alerts and recording rules are.
pub(crate) const ALERTS: &str = "deploy/prometheus/alerts.yml";

/// An alert, or a rule that records a series.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The alert's name, or the series'.
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    /// Where it begins, from 1.
    pub(crate) line: usize,
    pub(crate) expr: String,
    /// What is said of it on one line each: `severity`, `summary`, `description`, `runbook_url`, ...
    pub(crate) says: BTreeMap<String, String>,
}

/// The rules in their order.
pub(crate) fn rules(tree: &Tree) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    // How far a block of several lines is indented at least, while one is open.
    let mut expr_indent = None;
    for (index, line) in tree.text(ALERTS).unwrap_or_default().lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if expr_indent.is_some_and(|least| indent > least || line.trim().is_empty()) {
            if let Some(rule) = rules.last_mut() {
                rule.expr.push_str(line.trim());
                rule.expr.push('\n');
            }
            continue;
        }
        expr_indent = None;
        let Some((key, value)) = line.trim_start_matches([' ', '-']).split_once(':') else { continue };
        let value = value.trim();
        match key {
            "alert" | "record" => {
                let (name, is_alert) = (value.to_owned(), key == "alert");
                rules.push(Rule { name, is_alert, line: index + 1, ..Rule::default() });
            }
            "expr" if value == "|" => expr_indent = Some(indent),
            _ => {
                let Some(rule) = rules.last_mut() else { continue };
                if key == "expr" {
                    value.clone_into(&mut rule.expr);
                } else if !value.is_empty() {
                    rule.says.insert(key.to_owned(), value.to_owned());
                }
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expressions on one line and on several are read, and what is said about each rule.
    #[test]
    fn rules_are_read() {
        let text = concat!(
            "groups:\n  - name: g\n    rules:\n      - record: a:b\n        expr: sum by (a) (b)\n      - alert: C\n        expr: |\n",
            "          b > 1\n            and a\n        for: 5m\n        labels: {severity: page}\n        annotations:\n          summary: s\n",
        );
        let rules = rules(&Tree::of(&[(ALERTS, text)]));
        assert_eq!(
            (rules[0].name.as_str(), rules[0].expr.as_str(), rules[0].is_alert),
            ("a:b", "sum by (a) (b)", false)
        );
        assert_eq!(
            (rules[1].name.as_str(), rules[1].expr.as_str(), rules[1].line),
            ("C", "b > 1\nand a\n", 6)
        );
        assert_eq!((rules[1].says["for"].as_str(), rules[1].says["summary"].as_str()), ("5m", "s"));
    }
}
