//! Rule about reason codes: code and page are one.

use super::Finding;
use crate::tree::Tree;

/// Folder of the pages.
const PAGES: &str = "docs/reasons";

/// Every reason code has a page that opens with it, and every page has a code.
pub(super) fn each_code_has_a_page(tree: &Tree, codes: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for code in codes {
        let page = format!("{PAGES}/{code}.md");
        match tree.text(&page) {
            None => findings.push(Finding::new(&page, 1, "missing; write the page of this reason code")),
            Some(text) if text.lines().next() != Some(&format!("# {code}")) => {
                findings.push(Finding::new(
                    &page,
                    1,
                    format!("does not open with its code; write `# {code}`"),
                ));
            }
            Some(_) => {}
        }
    }
    let pages =
        tree.ending(".md").filter_map(|(path, _)| Some((path, path.strip_prefix(PAGES)?.strip_prefix('/')?)));
    for (path, name) in pages.filter(|(_, name)| *name != "README.md") {
        if !codes.contains(&name.trim_end_matches(".md")) {
            findings.push(Finding::new(
                path,
                1,
                "no such reason code in crates/dead-letter; delete the page or add the code",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    /// A code without page, a page without code, and a page under another code's heading are found.
    #[test]
    fn codes_and_pages_that_differ_are_found() {
        let tree = Tree::of(&[
            ("docs/reasons/README.md", ""),
            ("docs/reasons/TOO_LARGE.md", "# TOO_LARGE\n"),
            ("docs/reasons/NULL_VALUE.md", "# TOO_LARGE\n"),
            ("docs/reasons/OLD.md", "# OLD\n"),
        ]);
        let found = each_code_has_a_page(&tree, &["TOO_LARGE", "NULL_VALUE", "NOT_FRAMED"]);
        assert_eq!(
            places(&found),
            ["docs/reasons/NULL_VALUE.md:1", "docs/reasons/NOT_FRAMED.md:1", "docs/reasons/OLD.md:1"]
        );
    }
}
