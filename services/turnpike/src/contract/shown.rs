//! Checked contracts as tables for people, and as JSON for machines; mistakes with the place in their file.

use std::{fmt::Write as _, path::Path};

use contract::{ContractError, OnFailure, RuleReport, Tally};
use serde_json::json;

use super::Checked;
use crate::output::{row, table};

const COLUMNS: [&str; 6] =
    ["rule", "on failure", "code", "passes", "fails", "its failing examples also fail"];
/// How much of an expression is shown before and after a mistake.
const EXCERPT_CHARS: usize = 40;

/// A line about each rule, then what misbehaves, then the sum.
pub(super) fn text(checked: &Checked) -> String {
    let Checked { file, version, record, report } = checked;
    let mut table = table(&COLUMNS, &["passes", "fails"]);
    for RuleReport { rule, passes, fails, also_failed, .. } in &report.rules {
        let on_failure = match rule.on_failure {
            OnFailure::Refuse => "refuse",
            OnFailure::Flag => "flag",
        };
        table.add_row(row([
            &rule.name,
            on_failure,
            rule.code.code(),
            &share(*passes),
            &share(*fails),
            &also_failed.join(", "),
        ]));
    }
    let mut text = format!("{}, version {version}, for {record}\n{table}\n", file.display());
    let of_rules = report.rules.iter().flat_map(|rule| {
        rule.surprises.iter().map(|surprise| format!("rule `{}`: {surprise}", rule.rule.name))
    });
    for surprise in report.surprises.iter().cloned().chain(of_rules) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{surprise}");
    }
    let examples: usize = report.rules.iter().map(|rule| rule.passes.all + rule.fails.all).sum();
    let right: usize = report.rules.iter().map(|rule| rule.passes.right + rule.fails.right).sum();
    let verdict = if report.is_good() { "good" } else { "not good" };
    let _ = write!(
        text,
        "{verdict}: {} rules, {right} of {examples} examples do what they should",
        report.rules.len()
    );
    text
}

fn share(tally: Tally) -> String {
    format!("{}/{}", tally.right, tally.all)
}

/// One object on one line.
pub(super) fn json(checked: &Checked) -> String {
    let tally = |tally: Tally| json!({ "right": tally.right, "all": tally.all });
    let rules = checked.report.rules.iter().map(|rule| {
        json!({
            "name": rule.rule.name,
            "on_failure": match rule.rule.on_failure { OnFailure::Refuse => "DLQ", OnFailure::Flag => "NONE" },
            "code": rule.rule.code.code(),
            "passes": tally(rule.passes),
            "fails": tally(rule.fails),
            "also_failed": rule.also_failed,
            "surprises": rule.surprises,
        })
    });
    json!({
        "contract": checked.file.to_string_lossy(),
        "version": checked.version,
        "record": checked.record,
        "is_good": checked.report.is_good(),
        "rules": rules.collect::<Vec<_>>(),
        "surprises": checked.report.surprises,
    })
    .to_string()
}

/// What is wrong with a contract; a rule's mistake with its line in the file, and the place in the expression.
pub(super) fn mistake(file: &Path, text: &str, error: &ContractError) -> String {
    let ContractError::Rule { expr, mistake, .. } = error else {
        return format!("{}: {error}", file.display());
    };
    let written = json!(expr).to_string();
    let line = text.lines().position(|line| line.contains(&written)).map(|index| format!(":{}", index + 1));
    let (excerpt, caret) = excerpt(expr, mistake.column);
    format!("{}{}: {error}\n  {excerpt}\n  {:>caret$}", file.display(), line.unwrap_or_default(), "^")
}

/// The part of an expression around a column, and the column in that part; both count from 1.
fn excerpt(expr: &str, column: usize) -> (String, usize) {
    let start = column.saturating_sub(EXCERPT_CHARS + 1);
    let shown = expr.chars().skip(start).take(2 * EXCERPT_CHARS);
    // A line break inside would put the caret in the wrong place.
    let shown = shown.map(|c| if c.is_whitespace() { ' ' } else { c });
    (shown.collect(), column - start)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use contract::{Contract, Examples};
    use events::{Shape, TollPassage};

    use super::{Checked, excerpt, json, mistake, text};

    const CONTRACT: &str = include_str!("../../../../schemas/toll_passage.contract.json");
    const EXAMPLES: &str = include_str!("../../../../schemas/toll_passage.examples.json");
    const LANE: &str = "message.lane >= 1";

    /// The shipped contract with examples of which some text was replaced, checked.
    fn checked(from: &str, to: &str) -> Checked {
        let shape = Shape::parse(TollPassage::SCHEMA).expect("compiles");
        let contract: Contract = CONTRACT.parse().expect("parses");
        let judge = contract.bind(&shape).expect("binds");
        assert!(EXAMPLES.contains(from));
        let examples: Examples = EXAMPLES.replace(from, to).parse().expect("parses");
        Checked {
            report: examples.check(&judge, &shape).expect("fits"),
            file: "toll.contract.json".into(),
            version: contract.version().to_owned(),
            record: shape.name().to_owned(),
        }
    }

    /// A good contract ends with the sum; its table has a line for each rule.
    #[test]
    fn a_good_contract_is_summed_up() {
        let text = text(&checked("", ""));
        assert!(text.starts_with("toll.contract.json, version 2, for turnpike.TollPassage\n"), "{text}");
        assert!(text.contains("good: ") && !text.contains("not good"), "{text}");
        let lane = text.lines().find(|line| line.contains("lane_in_range")).expect("has a line");
        for part in ["refuse", "OUT_OF_RANGE", "4/4", "3/3"] {
            assert!(lane.contains(part), "{lane}");
        }
    }

    /// An example that misbehaves is told with its rule, and in JSON.
    #[test]
    fn a_misbehaving_example_is_told() {
        let checked = checked(r#"{ "lane": 99 }"#, r#"{ "lane": 9 }"#);
        let text = text(&checked);
        assert!(text.contains(r#"rule `lane_in_range`: fails[2] passes: {"lane":9}"#), "{text}");
        assert!(text.contains("\nnot good: "), "{text}");
        let json: serde_json::Value = serde_json::from_str(&json(&checked)).expect("is JSON");
        assert_eq!(json["is_good"], false);
        let lane =
            json["rules"].as_array().expect("a list").iter().find(|rule| rule["name"] == "lane_in_range");
        assert_eq!(lane.expect("is listed")["fails"], serde_json::json!({"right": 2, "all": 3}));
    }

    /// A mistake in a rule has the file's line, the rule, the column, a suggestion, and a caret under the place.
    #[test]
    fn a_mistake_has_its_place() {
        let told = |to: &str| {
            let text = CONTRACT.replace(LANE, to);
            let shape = Shape::parse(TollPassage::SCHEMA).expect("compiles");
            let bound = text.parse::<Contract>().map(|contract| contract.bind(&shape));
            let (Err(error) | Ok(Err(error))) = bound else { panic!("`{to}` was accepted") };
            mistake(Path::new("toll.contract.json"), &text, &error)
        };
        let line = CONTRACT.lines().position(|line| line.contains(LANE)).expect("is there") + 1;
        for (to, what) in [
            ("message.lanee >= 1", "turnpike.TollPassage has no field `lanee`; did you mean `lane`?"),
            ("message.lane >= 'a'", "an int cannot be compared with a string"),
            ("message.lane >= ", "expecting"),
        ] {
            let told = told(to);
            let head = format!("toll.contract.json:{line}: rule `lane_in_range`, expr column ");
            assert!(told.starts_with(&head) && told.contains(what), "{told}");
            let lines: Vec<&str> = told.lines().collect();
            assert_eq!(lines.len(), 3, "{told}");
            assert!(lines[2].len() <= lines[1].len(), "{told}");
        }
    }

    /// The caret's column follows the excerpt: at the start, and far inside.
    #[test]
    fn excerpts_keep_the_column() {
        assert_eq!(excerpt("message.x", 8), ("message.x".to_owned(), 8));
        let (shown, column) = excerpt(&format!("{}X{}", "a".repeat(100), "b".repeat(100)), 101);
        assert_eq!(shown.chars().nth(column - 1), Some('X'));
        assert_eq!(shown.len(), 80);
    }
}
