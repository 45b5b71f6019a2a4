//! Rules about Rust sources: how files open, how long they are, and what may not stand in them.

use super::{Finding, matching, pattern};
use crate::tree::Tree;

/// Longer files are usually two things.
const FILE_LINES_MAX: usize = 499;
/// A `main.rs` hands over to its library.
const MAIN_LINES_MAX: usize = 60;

/// Every file says in its first line what it is for.
pub(super) fn opens_with_its_purpose(tree: &Tree) -> Vec<Finding> {
    let silent = tree.ending(".rs").filter(|(_, text)| !text.starts_with("//! "));
    silent
        .map(|(path, _)| {
            Finding::new(path, 1, "does not open with `//! `; say in a line what the file is for")
        })
        .collect()
}

/// Files stay short enough to be read in one sitting.
pub(super) fn files_are_short(tree: &Tree) -> Vec<Finding> {
    longer_than(tree, ".rs", FILE_LINES_MAX, "split it where it is two things")
}

/// A `main.rs` is a hand-over.
pub(super) fn mains_hand_over(tree: &Tree) -> Vec<Finding> {
    longer_than(tree, "src/main.rs", MAIN_LINES_MAX, "move the work into the library")
}

fn longer_than(tree: &Tree, suffix: &str, lines_max: usize, instead: &str) -> Vec<Finding> {
    let measured = tree.ending(suffix).map(|(path, text)| (path, text.lines().count()));
    measured
        .filter(|(_, lines)| *lines > lines_max)
        .map(|(path, lines)| {
            Finding::new(path, lines, format!("{lines} lines, {lines_max} at most; {instead}"))
        })
        .collect()
}

/// An exception to a lint is expected, so that it goes when its reason goes.
pub(super) fn exceptions_are_expected(tree: &Tree) -> Vec<Finding> {
    let allow = pattern(r"#!?\[(cfg_attr\(.*)?allow\(");
    each_line(tree, &allow, |_| "a lint is allowed; use #[expect(lint, reason = \"...\")]".to_owned())
}

/// Nothing is left to be done later.
pub(super) fn nothing_unfinished(tree: &Tree) -> Vec<Finding> {
    let unfinished = pattern(r"(?-u:\b)((todo|unimplemented)!|(T[O]DO|FIX[M]E|X{3})(?-u:\b))");
    let what = |matched: &str| format!("{matched}: unfinished; do it, or open an issue and leave no mark");
    let scripts = tree.ending(".sh").chain(tree.ending("Makefile")).chain(tree.ending(".ci/run"));
    let mut findings = each_line(tree, &unfinished, what);
    findings.extend(scripts.flat_map(|(path, text)| matching(path, text, &unfinished, what)));
    findings
}

/// Every test runs, and says itself what must be true.
pub(super) fn no_test_switched_off(tree: &Tree) -> Vec<Finding> {
    let switched_off = pattern(r"#\[(ignore|should_panic)(?-u:\b)");
    each_line(tree, &switched_off, |matched| {
        format!(
            "{matched}]: mend or delete the test; for a panic, assert on the error that is returned instead"
        )
    })
}

/// Tests wait for a condition with a deadline: a sleep is too long on a fast machine and too short on a slow one.
pub(super) fn no_sleep_in_tests(tree: &Tree) -> Vec<Finding> {
    let sleep = pattern(r"(?-u:\b)sleep(_until|_ms)?\(|(thread|time)::sleep");
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs") {
        let all_tests = path.starts_with("tests/") || path.contains("/tests/");
        let tests_from =
            if all_tests { Some(0) } else { text.lines().position(|line| line.trim() == "#[cfg(test)]") };
        let Some(tests_from) = tests_from else { continue };
        let what = |_: &str| "a sleep in a test; wait for the condition with a deadline".to_owned();
        findings.extend(
            matching(path, text, &sleep, what).into_iter().filter(|finding| finding.line > tests_from),
        );
    }
    findings
}

fn each_line(tree: &Tree, pattern: &regex::Regex, what: impl Fn(&str) -> String) -> Vec<Finding> {
    tree.ending(".rs").flat_map(|(path, text)| matching(path, text, pattern, &what)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    /// A file that opens with code, and one that opens with an item's comment, are both silent about themselves.
    #[test]
    fn silent_files_are_found() {
        let tree = Tree::of(&[
            ("a.rs", "//! Says it.\n"),
            ("b.rs", "use std;\n"),
            ("c.rs", "/// An item's.\n"),
            ("d.md", ""),
        ]);
        assert_eq!(places(&opens_with_its_purpose(&tree)), ["b.rs:1", "c.rs:1"]);
    }

    /// The limit itself is still fine, one line more is not; a long file that is not Rust is no concern.
    #[test]
    fn long_files_are_found() {
        let (fits, long) = ("x\n".repeat(499), "x\n".repeat(500));
        let tree = Tree::of(&[("fits.rs", &fits), ("long.rs", &long), ("long.md", &long)]);
        assert_eq!(places(&files_are_short(&tree)), ["long.rs:500"]);
        let (fits, long) = ("x\n".repeat(60), "x\n".repeat(61));
        let tree = Tree::of(&[("a/src/main.rs", &fits), ("b/src/main.rs", &long), ("b/src/lib.rs", &long)]);
        assert_eq!(places(&mains_hand_over(&tree)), ["b/src/main.rs:61"]);
    }

    /// Every form of allowing a lint is found, expecting one is not.
    #[test]
    fn allowed_lints_are_found() {
        let text =
            ["#[", "allow(dead_code)]\n#![", "allow(x)]\n#[cfg_", "attr(test, allow(x))]\n#[expect(x)]\n"]
                .concat();
        assert_eq!(
            places(&exceptions_are_expected(&Tree::of(&[("a.rs", &text)]))),
            ["a.rs:1", "a.rs:2", "a.rs:3"]
        );
    }

    /// Marks of unfinished work are found in Rust and in scripts, also in comments.
    #[test]
    fn unfinished_work_is_found() {
        let rust = ["to", "do!()\nunimpl", "emented!()\n// TO", "DO later\nlet todos = 1;\n"].concat();
        let make = ["# FIX", "ME\nmktemp XX", "XXXX\n"].concat();
        let tree = Tree::of(&[("a.rs", &rust), ("Makefile", &make), ("notes.md", &make)]);
        assert_eq!(places(&nothing_unfinished(&tree)), ["a.rs:1", "a.rs:2", "a.rs:3", "Makefile:1"]);
    }

    /// Both ways of switching a test off are found.
    #[test]
    fn switched_off_tests_are_found() {
        let text = ["#[", "ignore = \"slow\"]\n#[", "should_panic]\n#[test]\n"].concat();
        assert_eq!(places(&no_test_switched_off(&Tree::of(&[("a.rs", &text)]))), ["a.rs:1", "a.rs:2"]);
    }

    /// A sleep counts in a test module and in a test suite, and not in the code above.
    #[test]
    fn sleeps_in_tests_are_found() {
        let nap = ["std::thread::", "sleep", "(pause);\n"].concat();
        let module = format!("{nap}#[cfg(test)]\n{nap}");
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", &module),
            ("tests/src/a.rs", &nap),
            ("crates/a/tests/b.rs", &nap),
        ]);
        let found = ["crates/a/src/lib.rs:3", "crates/a/tests/b.rs:1", "tests/src/a.rs:1"];
        assert_eq!(places(&no_sleep_in_tests(&tree)), found);
    }
}
