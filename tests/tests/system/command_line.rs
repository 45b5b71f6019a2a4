//! The command line against a running system: topics, ledger, tail, and the demo as a whole.

use std::{fs::File, process::Command, time::Duration};

use local_stack::Signal;
use system_tests::{Pipeline, Run, executable, root};

/// The ledger balances after a run, says so with 0, and a single count that is off ends it with 1, naming the place.
#[test]
fn the_ledger_finds_a_single_missing_record() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let expected = pipeline.generate(&Run::new(2, 5_000, 5_000, "out_of_range=2%"));
    let dead = expected.sent.len() as u64 - expected.good();
    pipeline.settle(expected.good(), dead);
    let balanced = pipeline.turnpike(&["ledger", "--settle", "30"]);
    assert_eq!(balanced.code, Some(0), "{}", balanced.text);
    assert!(balanced.text.contains("balanced: 5 000 records read"), "{}", balanced.text);
    let json = pipeline.turnpike(&["ledger", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.text).expect("one JSON object");
    assert_eq!(json["state"], "balanced", "{json}");

    pipeline.sql(
        "UPDATE turnpike.ledger SET read_count = read_count - 1, stored_count = stored_count - 1
         WHERE connector = 'toll-passages' AND partition_number = 2",
    );
    let short = pipeline.turnpike(&["ledger"]);
    assert_eq!(short.code, Some(1), "{}", short.text);
    assert!(short.text.contains("out of balance") && short.text.contains("toll-passages"), "{}", short.text);
}

/// Records are shown decoded, with key, partition and offset; dead letters with their reason.
#[test]
fn tail_shows_records_and_reasons() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let expected = pipeline.generate(&Run::new(4, 200, 1_000, "bad_framing=5%,out_of_range=5%"));
    pipeline.settle(expected.good(), expected.sent.len() as u64 - expected.good());
    let tail = pipeline.turnpike(&["tail", "toll.valid", "--from-beginning", "--no-follow"]);
    assert_eq!(tail.code, Some(0), "{}", tail.text);
    let lines: Vec<&str> = tail.text.lines().collect();
    assert_eq!(lines.len() as u64, expected.good());
    for line in lines {
        assert!(
            line.starts_with("toll.valid[")
                && line.contains("]@")
                && line.contains("key=")
                && line.contains("\"toll_plaza_id\""),
            "{line}"
        );
    }
    let letters = pipeline.turnpike(&["tail", "toll", "--dlq", "--from-beginning", "--no-follow"]);
    assert_eq!(letters.code, Some(0), "{}", letters.text);
    assert!(letters.text.contains("NOT_FRAMED") && letters.text.contains("OUT_OF_RANGE"), "{}", letters.text);
    assert_eq!(letters.text.lines().count() as u64, expected.sent.len() as u64 - expected.good());
}

/// The demo starts everything, stores rows and, told to stop, drains, balances and leaves with 0; what it printed says so.
#[test]
fn the_demo_balances_when_told_to_stop() {
    let alone = Pipeline::without_topics();
    let log = alone.stack.folder().path().join("demo.txt");
    let mut demo = Command::new(executable("turnpike"));
    demo.args(["demo", "--rate", "500", "--malformed", "2%"]).current_dir(root());
    let process = local_stack::Process::spawn("demo", &demo, &log).expect("the demo starts");
    let stored = |line: &str| (line.starts_with("8 s") && line.contains("toll-passages ")).then_some(());
    process.wait_for_line(Duration::from_mins(1), stored).expect("the demo stores rows");
    process.kill(Signal::TERM);
    let status = process.wait(Duration::from_mins(2)).expect("the demo ends");
    let said = std::io::read_to_string(File::open(&log).expect("its output")).expect("text");
    assert!(status.success(), "{said}");
    for part in [
        "the first row is stored",
        "mariadb --no-defaults",
        "stored by ",
        "traffic-events ",
        "weather-readings ",
        "balanced: ",
        "toll_plaza_id",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}
