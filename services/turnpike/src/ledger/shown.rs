//! The books as a table for people, and as JSON for machines.

use std::fmt::Write as _;

use serde::Serialize;
use service::Error;

use super::books::{Account, Books, Verdict};
use crate::output::{grouped, row, table};

const COLUMNS: [&str; 8] =
    ["reader", "topic", "partition", "read", "valid or stored", "dead", "skipped", "lag"];
const NUMBERS: [&str; 6] = ["partition", "read", "valid or stored", "dead", "skipped", "lag"];

/// How much of the books is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A sum for each reader's topic.
    Sums,
    /// Each partition, then the sum.
    Partitions,
}

/// The accounts, then the verdict.
pub(crate) fn as_text(books: &Books, verdict: &Verdict, detail: Detail) -> String {
    let mut table = table(&COLUMNS, &NUMBERS);
    let accounts: Vec<&Account> = books.judged.iter().chain(&books.stored).collect();
    for accounts in accounts.chunk_by(|a, b| (&a.reader, &a.topic) == (&b.reader, &b.topic)) {
        for account in accounts.iter().filter(|_| detail == Detail::Partitions) {
            let Account { reader, topic, partition, .. } = account;
            table.add_row(row([reader, topic, &partition.to_string()]
                .into_iter()
                .chain(&numbers(&[account]))));
        }
        let Account { reader, topic, .. } = accounts[0];
        table.add_row(row([reader, topic, &"all".to_owned()].into_iter().chain(&numbers(accounts))));
    }
    let mut text = format!("{table}\n");
    for note in &verdict.notes {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "note: {note}");
    }
    text + &sentence(books, verdict)
}

/// The verdict in words; what is out of balance has a line each.
pub(crate) fn sentence(books: &Books, verdict: &Verdict) -> String {
    if !verdict.is_balanced() {
        return format!("out of balance: {}", verdict.findings.join("\nout of balance: "));
    }
    let sum = |part: fn(&Account) -> u64| grouped(books.judged.iter().map(part).sum());
    let (read, valid, dead) = (sum(|one| one.read), sum(|one| one.passed), sum(|one| one.dead));
    let judged = format!("{read} records read = {valid} valid + {dead} dead");
    if verdict.is_settled() {
        return format!("balanced: {judged}; every one is accounted for, nothing is in flight");
    }
    let flights = verdict
        .in_flight
        .iter()
        .map(|flight| format!("{} for {} in {}", grouped(flight.records), flight.reader, flight.topic));
    format!("balanced so far: {judged}; in flight: {}", flights.collect::<Vec<_>>().join(", "))
}

fn numbers(accounts: &[&Account]) -> [String; 5] {
    let sum = |part: fn(&Account) -> u64| grouped(accounts.iter().map(|account| part(account)).sum());
    [
        sum(|one| one.read),
        sum(|one| one.passed),
        sum(|one| one.dead),
        sum(|one| one.skipped),
        sum(|one| one.lag),
    ]
}

/// Books and verdict as they are sent to machines.
#[derive(Serialize)]
struct Shown<'b> {
    /// `balanced`, `in flight` or `out of balance`.
    state: &'static str,
    #[serde(flatten)]
    verdict: &'b Verdict,
    #[serde(flatten)]
    books: &'b Books,
}

/// One line of JSON: `state`, `findings`, `in_flight`, `notes`, `judged` and `stored`.
pub(crate) fn as_json(books: &Books, verdict: &Verdict) -> Result<String, Error> {
    let state = match (verdict.is_balanced(), verdict.is_settled()) {
        (false, _) => "out of balance",
        (true, false) => "in flight",
        (true, true) => "balanced",
    };
    serde_json::to_string(&Shown { state, verdict, books }).map_err(Error::failed)
}

#[cfg(test)]
mod tests {
    use super::{Account, Books, Detail, as_json, as_text};

    fn books() -> Books {
        let account = |reader: &str, topic: &str, partition, read, lag| Account {
            reader: reader.to_owned(),
            topic: topic.to_owned(),
            partition,
            read,
            passed: read - 1,
            dead: 1,
            skipped: 0,
            next_offset: read as i64,
            end_offset: Some((read + lag) as i64),
            lag,
        };
        Books {
            judged: vec![account("validator", "toll", 0, 1_000, 0), account("validator", "toll", 1, 500, 0)],
            stored: vec![
                account("toll-passages", "toll.valid", 0, 999, 0),
                account("toll-passages", "toll.valid", 1, 400, 99),
            ],
        }
    }

    /// Each partition has a line, each reader a sum, and the last line is the verdict.
    #[test]
    fn the_table_has_lines_and_sums() {
        let books = books();
        let text = as_text(&books, &books.verdict(), Detail::Partitions);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.trim_matches('│').split_whitespace().collect()).collect();
        assert!(lines.contains(&vec!["validator", "toll", "0", "1", "000", "999", "1", "0", "0"]), "{text}");
        assert!(
            lines.contains(&vec!["validator", "toll", "all", "1", "500", "1", "498", "2", "0", "0"]),
            "{text}"
        );
        assert!(lines.contains(&vec![
            "toll-passages",
            "toll.valid",
            "all",
            "1",
            "399",
            "1",
            "397",
            "2",
            "0",
            "99"
        ]));
        let last = text.lines().last().unwrap_or_default();
        assert_eq!(
            last,
            "balanced so far: 1 500 records read = 1 498 valid + 2 dead; in flight: 99 for toll-passages in toll.valid, \
             4 for (no connector yet) in toll.dlq"
        );
    }

    /// What is out of balance stands at the end, and in the state of the JSON form.
    #[test]
    fn findings_are_the_verdict() {
        let mut books = books();
        books.judged[0].dead = 0;
        let verdict = books.verdict();
        let last = as_text(&books, &verdict, Detail::Sums).lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("out of balance: validator has read 1000 records of toll[0]"), "{last}");
        let json: serde_json::Value =
            serde_json::from_str(&as_json(&books, &verdict).expect("JSON")).expect("parses");
        assert_eq!(json["state"], "out of balance");
        assert_eq!(json["findings"].as_array().map(Vec::len), Some(1));
    }

    /// JSON has every account with its numbers.
    #[test]
    fn json_has_the_accounts() {
        let books = books();
        let json: serde_json::Value =
            serde_json::from_str(&as_json(&books, &books.verdict()).expect("JSON")).expect("parses");
        assert_eq!(json["state"], "in flight");
        assert_eq!(json["judged"][1]["partition"], 1);
        assert_eq!(json["stored"][1]["lag"], 99);
        assert_eq!(json["in_flight"][0]["reader"], "toll-passages");
    }
}
