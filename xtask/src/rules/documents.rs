//! Rules about text: links that lead somewhere, and nothing that is true on one machine only.

use super::{Finding, matching, pattern};
use crate::tree::Tree;

/// A link in Markdown to a file of the repository names one that is there.
pub(super) fn links_resolve(tree: &Tree) -> Vec<Finding> {
    let link = pattern(r"\]\(([^()# ]+)(#[^() ]*)?\)");
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md") {
        let mut in_code = false;
        for (index, line) in text.lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            if in_code {
                continue;
            }
            let targets =
                link.captures_iter(line).filter_map(|captures| captures.get(1)).map(|target| target.as_str());
            let missing = targets.filter(|target| !target.contains(':') && !tree.has(&resolve(path, target)));
            findings.extend(missing.map(|target| {
                Finding::new(path, index + 1, format!("leads nowhere: {target}; mend the link"))
            }));
        }
    }
    findings
}

/// The path from the root to which `target` leads from the page `path`.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// No file names a folder of one machine: a home, a workplace, a fixed place under /tmp.
pub(super) fn no_machine_paths(tree: &Tree) -> Vec<Finding> {
    let machine =
        pattern(r"(^|[^-0-9A-Za-z_.~/})])/(root|work|home/[a-z]+|Users/[A-Za-z]+|tmp/[0-9A-Za-z])[^ ]*");
    let what = |matched: &str| {
        let path = matched.trim_start_matches(|start: char| start != '/');
        format!(
            "{path} is a path of one machine; use one relative to the repository, or a temporary folder's real name"
        )
    };
    // What cargo writes is not ours.
    let ours = tree.files().filter(|(path, _)| *path != "Cargo.lock");
    ours.flat_map(|(path, text)| matching(path, text, &machine, what)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    /// Links are followed from the page's own folder; addresses, anchors and code are left alone.
    #[test]
    fn broken_links_are_found() {
        let page = "[a](../README.md#top) [b](./gone.md) [c](https://x.org/y) [d](#here)\n```\n[e](gone.md)\n```\n[f](reasons/)\n";
        let tree = Tree::of(&[
            ("README.md", "[g](docs/missing)"),
            ("docs/page.md", page),
            ("docs/reasons/A.md", ""),
        ]);
        assert_eq!(places(&links_resolve(&tree)), ["README.md:1", "docs/page.md:1"]);
    }

    /// Homes and workplaces are found in any kind of file; paths that only look alike are not.
    #[test]
    fn machine_paths_are_found() {
        let text = ["cd /wo", "rk/main\nopen(\"/ro", "ot/x\")\n/ho", "me/ann/y\n/tm", "p/out\n"].concat();
        let fine = "target/work/a $HOME/work/b ~/root/c /tmp https://x.org/home/ann/ tmpfs: /tmp\n";
        let tree = Tree::of(&[("run.sh", &text), ("fine.md", fine), ("Cargo.lock", &text)]);
        assert_eq!(places(&no_machine_paths(&tree)), ["run.sh:1", "run.sh:2", "run.sh:3", "run.sh:4"]);
    }
}
