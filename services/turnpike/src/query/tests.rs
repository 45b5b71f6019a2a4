//! Command lines of `turnpike query`, from their words to the SQL that is sent.

use chrono::NaiveDateTime;
use clap::{Args as _, Command, FromArgMatches as _};

use super::{CATALOGUE, Options, Request, list, window};

fn options(words: &str) -> Result<Options, String> {
    let command = Options::augment_args(Command::new("query"));
    let matches = command.try_get_matches_from(std::iter::once("query").chain(words.split_whitespace()));
    let matches = matches.map_err(|error| error.to_string())?;
    Options::from_arg_matches(&matches).map_err(|error| error.to_string())
}

fn request(words: &str) -> Result<Request, String> {
    options(words)?.request().map_err(|error| error.to_string())
}

fn newest() -> NaiveDateTime {
    window::moment("2026-10-02T19:26:20.123Z").expect("a time")
}

/// The statement of a command line, on one line.
fn sql(words: &str) -> String {
    let request = request(words).expect(words);
    let statement = request.statement(request.window.range(Some(newest())));
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Counts look at the hour before the newest event, lists at everything; flags say otherwise.
#[test]
fn windows_follow_the_flags() {
    let hour = "occurred_at >= '2026-10-02 18:26:20.124' AND occurred_at < '2026-10-02 19:26:20.124'";
    assert!(sql("vehicles-per-plaza").contains(&format!("WHERE {hour} GROUP BY")));
    assert!(sql("vehicles-per-plaza --last 1d").contains(">= '2026-10-01 19:26:20.124'"));
    assert!(!sql("vehicles-per-plaza --all").contains("WHERE"));
    let passed = sql("vehicles-per-plaza --from 2026-10-02 --to 2026-10-02T12:00");
    assert!(
        passed
            .contains("occurred_at >= '2026-10-02 00:00:00.000' AND occurred_at < '2026-10-02 12:00:00.000'")
    );
    assert!(sql("flagged --last 1h").contains(&format!("flags IS NOT NULL AND {hour} GROUP BY")));
    assert!(sql("flagged").contains("WHERE flags IS NOT NULL GROUP BY"));
    assert_eq!(sql("duplicates --all").matches("WHERE").count(), 0);
    let span = sql("span");
    assert!(span.contains(&format!("WHERE {hour} ) AS events_in_window")), "{span}");
    assert!(span.ends_with("AS seconds_between FROM traffic_db.toll_passages"), "{span}");
    assert!(sql("span --all").contains("FROM traffic_db.toll_passages ) AS events_in_window"));
    assert!(!sql("newest").contains("WHERE"));
    assert!(sql("newest").ends_with("ORDER BY id DESC LIMIT 10"));
    assert!(sql("newest --last 1h -n 3").ends_with("ORDER BY occurred_at DESC LIMIT 3"));
    assert!(
        sql("by-type truck --to 2026-10-02")
            .contains(" FORCE INDEX (by_type) WHERE vehicle_type = 'truck' AND")
    );
    assert!(sql("by-vehicle 20001").contains("FROM traffic_db.toll_passages WHERE"));
    assert!(sql("by-plaza TP005").contains("WHERE toll_plaza_id = 4004 ORDER BY occurred_at DESC LIMIT 10"));
    assert!(
        sql("by-plaza 4004 --to 2026-10-02")
            .contains("= 4004 AND occurred_at < '2026-10-02 00:00:00.000' ORDER")
    );
}

/// Queries of several streams share a name; the tolls come first.
#[test]
fn streams_are_told_apart() {
    assert!(sql("newest").contains("FROM traffic_db.toll_passages"));
    assert!(sql("newest --stream weather").contains("FROM weather_db.readings"));
    assert!(sql("span --stream traffic").contains("FROM traffic_db.traffic_events"));
    assert!(sql("alerts --stream weather").contains("FROM weather_db.warning_temperatures"));
    let wrong = request("truck-share --stream weather").expect_err("no such stream");
    assert_eq!(wrong, "--stream = \"weather\" is not allowed; allowed: toll (the streams of truck-share)");
    let none = request("dead-letters --stream toll").expect_err("no streams");
    assert!(none.contains("nothing: dead-letters is about all streams together"), "{none}");
}

/// What is wrong is refused with what would be right.
#[test]
fn wrong_command_lines_are_refused() {
    for (words, parts) in [
        ("vehicles-per-plazza", &["NAME = \"vehicles-per-plazza\"", "did you mean vehicles-per-plaza?"][..]),
        ("trucks", &["did you mean truck-share?", "by-vehicle"]),
        ("xyz", &["There are newest, by-vehicle", "--list"]),
        ("by-plaza", &["PLAZA = \"\"", "TP005"]),
        ("by-plaza four", &["PLAZA = \"four\"", "4004"]),
        ("newest 7", &["argument = \"7\"", "newest needs none"]),
        ("newest --from yesterday", &["--from", "2026-10-02T19:26:20.123Z"]),
        ("newest --from 2026-10-02 --to 2026-10-01", &["--to", "after that of --from"]),
        ("newest --last 1w", &["--last", "7d"]),
        ("newest --last 1h --all", &["--last", "--all"]),
        ("newest -n 0", &["--limit", "0"]),
        ("newest --format xml", &["--format", "csv"]),
        ("newest --sql --explain", &["--explain", "--sql"]),
        ("", &["NAME"]),
    ] {
        let message = request(words).expect_err(words);
        for part in parts {
            assert!(message.contains(part), "{words}: no {part:?} in {message}");
        }
    }
}

/// Every query stands in the list.
#[test]
fn the_list_has_all() {
    let list = list();
    for query in CATALOGUE {
        assert!(list.contains(query.name) && list.contains(query.answers), "{}", query.name);
    }
    assert!(options("--list").is_ok_and(|options| options.instead.list));
}
