//! Rules about where things are: a folder is what its name says.

use super::Finding;
use crate::tree::Tree;

/// In `crates/` and `services/` a folder has the name of its package.
pub(super) fn folders_are_package_names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in ["crates", "services"].iter().flat_map(|parent| tree.folders(parent)) {
        let manifest = format!("{folder}/Cargo.toml");
        let expected = format!("name = \"{}\"", folder.rsplit('/').next().unwrap_or_default());
        let Some(text) = tree.text(&manifest) else {
            findings.push(Finding::new(
                &folder,
                1,
                "holds no package; delete the folder or give it a Cargo.toml",
            ));
            continue;
        };
        let package = text.lines().skip_while(|line| line.trim() != "[package]").skip(1);
        let name = package.take_while(|line| !line.starts_with('[')).find(|line| line.starts_with("name = "));
        if name.map(str::trim) != Some(&expected) {
            findings.push(Finding::new(
                &manifest,
                1,
                format!("the package is not named as its folder; write {expected}"),
            ));
        }
    }
    findings
}

/// A service says what it reads, writes and can be set to.
pub(super) fn services_are_described(tree: &Tree) -> Vec<Finding> {
    let folders = tree.folders("services").into_iter();
    let silent = folders.map(|folder| format!("{folder}/README.md")).filter(|page| tree.text(page).is_none());
    silent
        .map(|page| {
            Finding::new(&page, 1, "missing; say what the service reads, writes, its settings and signals")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    /// Another name than the folder's is found, and a folder without a package.
    #[test]
    fn misnamed_packages_are_found() {
        let tree = Tree::of(&[
            ("crates/events/Cargo.toml", "[package]\nname = \"events\"\n"),
            ("crates/kafka/Cargo.toml", "[package]\nname = \"kafka-link\"\n"),
            ("services/old/notes.md", ""),
        ]);
        assert_eq!(
            places(&folders_are_package_names(&tree)),
            ["crates/kafka/Cargo.toml:1", "services/old:1"]
        );
    }

    /// A service without a README is found, a library needs none.
    #[test]
    fn undescribed_services_are_found() {
        let tree = Tree::of(&[
            ("services/a/README.md", ""),
            ("services/b/Cargo.toml", ""),
            ("crates/c/Cargo.toml", ""),
        ]);
        assert_eq!(places(&services_are_described(&tree)), ["services/b/README.md:1"]);
    }
}
