//! The house rules: each is a function from the tree to what breaks it.

mod containers;
mod dependencies;
mod documents;
mod layout;
mod observability;
mod reasons;
mod rust;
mod schemas;

use std::fmt;

use regex::Regex;

use crate::tree::Tree;

/// One breach of a rule: where, what, and what to do instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 1 as well where the file as a whole is meant.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Applies every rule.
pub(crate) fn all(tree: &Tree) -> Vec<Finding> {
    let codes: Vec<&str> = dead_letter::Reason::ALL.iter().map(|reason| reason.code()).collect();
    [
        rust::opens_with_its_purpose(tree),
        rust::files_are_short(tree),
        rust::mains_hand_over(tree),
        rust::exceptions_are_expected(tree),
        rust::nothing_unfinished(tree),
        rust::no_test_switched_off(tree),
        rust::no_sleep_in_tests(tree),
        dependencies::each_is_explained(tree),
        dependencies::each_is_used(tree),
        dependencies::gateways_are_kept(tree),
        dependencies::the_core_is_pure(tree),
        layout::folders_are_package_names(tree),
        layout::services_are_described(tree),
        documents::links_resolve(tree),
        documents::no_machine_paths(tree),
        reasons::each_code_has_a_page(tree, &codes),
        observability::metrics_are_read(tree),
        observability::generated_files_are_fresh(tree),
        observability::dashboards_name_what_there_is(tree),
        observability::alerts_name_what_there_is(tree),
        observability::alerts_have_entries(tree),
        containers::defaults_agree(tree),
        containers::toolchains_agree(tree),
        schemas::schemas_parse(tree),
        schemas::schemas_have_contracts(tree),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A pattern of a rule.
fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the rules' patterns are constants, each under test")
}

/// A finding for each line that matches; `what` gets the matched text.
fn matching(path: &str, text: &str, pattern: &Regex, what: impl Fn(&str) -> String) -> Vec<Finding> {
    let found =
        text.lines().enumerate().filter_map(|(index, line)| Some((index, pattern.find(line)?.as_str())));
    found.map(|(index, matched)| Finding::new(path, index + 1, what(matched))).collect()
}

/// For tests of rules: where they found something, as `path:line`.
#[cfg(test)]
fn places(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
}
