//! Rules about `schemas/`: every event has a schema and a contract, and both can be read.

use super::Finding;
use crate::tree::Tree;

/// Schemas and contracts are JSON.
pub(super) fn schemas_parse(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".avsc").chain(tree.ending(".contract.json")) {
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            findings.push(Finding::new(path, error.line().max(1), format!("is not JSON: {error}; mend it")));
        }
    }
    findings
}

/// A schema has its rules beside it, and rules have their schema.
pub(super) fn schemas_have_contracts(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (own, other) in [(".avsc", ".contract.json"), (".contract.json", ".avsc")] {
        for (path, _) in tree.ending(own) {
            let beside = format!("{}{other}", path.trim_end_matches(own));
            if tree.text(&beside).is_none() {
                findings.push(Finding::new(path, 1, format!("stands alone; write {beside}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    /// Broken JSON is found with its line.
    #[test]
    fn unreadable_schemas_are_found() {
        let tree = Tree::of(&[("schemas/a.avsc", "{\n\"type\": }"), ("schemas/a.contract.json", "{}")]);
        assert_eq!(places(&schemas_parse(&tree)), ["schemas/a.avsc:2"]);
    }

    /// A schema without contract is found, and a contract without schema.
    #[test]
    fn lone_schemas_are_found() {
        let tree = Tree::of(&[("schemas/a.avsc", "{}"), ("schemas/b.contract.json", "{}")]);
        assert_eq!(places(&schemas_have_contracts(&tree)), ["schemas/a.avsc:1", "schemas/b.contract.json:1"]);
    }
}
