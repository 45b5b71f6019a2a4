//! What a PromQL query names: its series and its labels. No parser, just enough to tell them from functions and words of the language.

use std::collections::{BTreeMap, BTreeSet};

/// Words of the language that may stand where a series could.
const WORDS: &[&str] = &[
    "and",
    "or",
    "unless",
    "offset",
    "bool",
    "inf",
    "nan",
    "atan2",
    "start",
    "end",
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
];
/// Words behind which labels stand in brackets.
const BEFORE_LABELS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Functions whose second argument is a label that they make.
const LABEL_MAKERS: &[&str] = &["label_replace", "label_join"];

/// What a query names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// Each series with the labels that its selector compares.
    pub(crate) series: Vec<(String, Vec<String>)>,
    /// Labels that aggregations and joins name.
    pub(crate) labels: BTreeSet<String>,
    /// Labels that the query makes itself.
    made: BTreeSet<String>,
}

/// What is wrong with the names of a query, given all series and their labels.
pub(crate) fn mistakes(query: &str, known: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let named = named(query);
    let mut mistakes = Vec::new();
    let mut usable: BTreeSet<&str> = named.made.iter().map(String::as_str).collect();
    for (series, compared) in &named.series {
        let Some(labels) = known.get(series) else {
            mistakes.push(format!("no metric is called {series}; take one of docs/metrics.md"));
            continue;
        };
        usable.extend(labels.iter().map(String::as_str));
        let strange = compared.iter().filter(|label| !labels.contains(label));
        mistakes.extend(
            strange.map(|label| format!("{series} has no label {label}; it has {}", labels.join(", "))),
        );
    }
    if mistakes.is_empty() {
        let strange = named.labels.iter().filter(|label| !usable.contains(label.as_str()));
        mistakes.extend(strange.map(|label| format!("no series of this query has a label {label}")));
    }
    mistakes
}

/// The labels that what a query returns can have.
pub(crate) fn labels_of(query: &str, known: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let named = named(query);
    let of_series = named.series.iter().filter_map(|(series, _)| known.get(series)).flatten().cloned();
    of_series.chain(named.made).collect()
}

/// The labels of the series that a recording rule makes: those that it sums by.
pub(crate) fn labels_by(query: &str) -> Vec<String> {
    named(query).labels.into_iter().collect()
}

/// Finds the names in `query`.
pub(crate) fn named(query: &str) -> Named {
    let tokens = tokens(query);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.as_str());
    let mut named = Named::default();
    let mut at = 0;
    while at < tokens.len() {
        let token = text(at);
        at += 1;
        if !is_name(token) || WORDS.contains(&token) {
            continue;
        }
        if BEFORE_LABELS.contains(&token) {
            // `group_left` may stand alone.
            if text(at) == "(" {
                named.labels.extend(names_until(")", &tokens[at..]));
                at += names_end(")", &tokens[at..]);
            }
        } else if LABEL_MAKERS.contains(&token) {
            named.made.extend(first_string_argument(&tokens[at..]));
        } else if text(at) == "{" {
            named.series.push((token.to_owned(), names_until("}", &tokens[at..]).collect()));
            at += names_end("}", &tokens[at..]);
        } else if text(at) != "(" {
            named.series.push((token.to_owned(), Vec::new()));
        }
    }
    named
}

fn names_end(bracket: &str, tokens: &[String]) -> usize {
    tokens.iter().position(|token| token == bracket).unwrap_or(tokens.len())
}

fn names_until<'t>(bracket: &str, tokens: &'t [String]) -> impl Iterator<Item = String> + 't {
    tokens[..names_end(bracket, tokens)].iter().filter(|token| is_name(token)).cloned()
}

/// The first argument of a call that is a string: those inside of other calls and selectors are theirs.
fn first_string_argument(call: &[String]) -> Option<String> {
    let mut depth = 0;
    for token in call {
        match token.as_str() {
            "(" | "{" => depth += 1,
            ")" | "}" => depth -= 1,
            token if depth == 1 && token.starts_with('\'') => return Some(token[1..].to_owned()),
            _ => {}
        }
    }
    None
}

/// Names, brackets and commas; a string becomes one token that opens with `'`. Numbers, ranges, operators and Grafana's variables go.
fn tokens(query: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let length = match first {
            '\'' | '"' | '`' => {
                let inside = after.find(first).unwrap_or(after.len());
                tokens.push(format!("'{}", &after[..inside]));
                (inside + 2).min(rest.len())
            }
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '$' | '0'..='9' => 1 + after.find(|c: char| !is_inside(c) && c != '.').unwrap_or(after.len()),
            _ if is_inside(first) => {
                let length = rest.find(|c: char| !is_inside(c)).unwrap_or(rest.len());
                tokens.push(rest[..length].to_owned());
                length
            }
            _ => {
                tokens.extend(Some(first.to_string()).filter(|_| "(){},".contains(first)));
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_inside(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeMap<String, Vec<String>> {
        let series =
            [("a_total", vec!["stream", "reason"]), ("b_bucket", vec!["le", "stream"]), ("up", vec!["job"])];
        let owned = |labels: Vec<&str>| labels.into_iter().map(str::to_owned).collect();
        series.into_iter().map(|(name, labels)| (name.to_owned(), owned(labels))).collect()
    }

    /// Queries that name what there is, in every form that they are written in here.
    #[test]
    fn good_queries_pass() {
        for query in [
            "sum by (stream) (rate(a_total{reason!='VALID', stream=~\"$stream\"}[5m]))",
            "histogram_quantile(0.99, sum by (le, stream) (rate(b_bucket{stream=~'${stream:regex}'}[$__rate_interval])))",
            "(a_total > 0 unless a_total offset 10m) and on () (up == 1)",
            "quantile_over_time(0.25, sum by (stream) (rate(a_total[5m]))[1d:5m] offset 15m) > 1e3",
            "label_replace(sum by (stream) (a_total{reason='x'}), 'connector', '$1', 'stream', '(.+)') * on (connector) group_left () up",
            "sum(rate(a_total[5m])) by (reason) # by (nothing)",
            "topk(5, count(up))",
        ] {
            assert_eq!(mistakes(query, &known()), Vec::<String>::new(), "{query}");
        }
    }

    /// A wrong metric, a wrong label in a selector and a wrong label of an aggregation are told apart.
    #[test]
    fn wrong_names_are_told() {
        let tell = |query| mistakes(query, &known()).join("; ");
        assert!(tell("rate(c_total[5m])").starts_with("no metric is called c_total"));
        assert!(tell("rate(a_total{topic='x'}[5m])").starts_with("a_total has no label topic"));
        assert_eq!(tell("sum by (topic) (a_total)"), "no series of this query has a label topic");
        assert_eq!(tell("a_total and on (topic) up"), "no series of this query has a label topic");
    }

    /// What a query can return, for its legend.
    #[test]
    fn returned_labels_are_those_of_its_series_and_its_own() {
        let labels = labels_of("label_replace(up, 'node', '$1', 'job', '(.+)')", &known());
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["job", "node"]);
        assert_eq!(labels_by("sum by (b, a) (x)"), ["a", "b"]);
    }
}
