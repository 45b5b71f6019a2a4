//! Exit codes, signals and the drain.

use std::time::Duration;

use super::fixture::Process;

/// Too short for anything to drain that does not end by itself.
const SHORT: Duration = Duration::from_millis(300);

/// Every way to end has its exit code, and every failure its one line with all causes.
#[test]
fn exit_codes_and_their_lines() {
    let cases = [
        ("return", 0, "fixture stopped"),
        ("fail", 1, "fixture failed: the harbour burnt down"),
        ("refuse-setting", 2, "fixture: berth = \"0\" is not allowed; allowed: 1 to 9"),
        ("fail-in-task", 1, "fixture failed: task crane failed: the rope broke"),
        ("panic-in-main", 1, "fixture failed: the main function panicked"),
        ("panic-in-task", 1, "fixture failed: task crane failed: it panicked"),
        ("panic-in-thread", 1, "fixture failed: task crane failed: it panicked"),
    ];
    for (behave, code, told) in cases {
        let ended = Process::serve(&["--behave", behave]).ended();
        assert_eq!(ended.code, Some(code), "{behave}: {ended:?}");
        let escaped = serde_json::to_string(told).unwrap();
        let tells = |line: &&String| line.contains(told) || line.contains(&escaped);
        assert_eq!(ended.stderr.iter().filter(tells).count(), 1, "{behave}: {ended:?}");
    }
}

/// SIGTERM and SIGINT: every task drains, then the process ends well.
#[test]
fn a_signal_drains() {
    for signal in ["TERM", "INT"] {
        let process = Process::serve(&[]);
        process.log("harbour is ready");
        process.signal(signal);
        process.log("stopping on a signal");
        let ended = process.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for name in ["drained north", "drained south", "fixture stopped"] {
            assert!(ended.stderr.iter().any(|line| line.contains(name)), "no {name:?} in {ended:?}");
        }
    }
}

/// A second signal does not wait for the drain, not even when every thread of the runtime is held.
#[test]
fn a_second_signal_exits_at_once() {
    for (behave, signal, code) in [("stick-in-thread", "TERM", 143), ("stick-everywhere", "INT", 130)] {
        let process = Process::serve(&["--behave", behave]);
        process.addresses();
        process.signal(signal);
        process.log("stopping on a signal");
        process.signal(signal);
        assert_eq!(process.ended().code, Some(code), "{behave}");
    }
}

/// What does not drain in time is named, and ends the process with exit code 1.
#[test]
fn stuck_work_is_named_after_the_deadline() {
    for (behave, named) in [("stick-in-thread", "stuck-0"), ("stick-everywhere", "stuck")] {
        let process = Process::serve_with_drain(&["--behave", behave], SHORT);
        process.addresses();
        process.signal("TERM");
        let told = process.log("not drained within 300ms");
        assert!(told["message"].as_str().unwrap().contains(named), "{told}");
        assert_eq!(process.ended().code, Some(1));
    }
}

/// A failure is told with its causes though the drain after it never ends.
#[test]
fn a_failure_beside_stuck_work_is_told() {
    let process = Process::serve_with_drain(&["--behave=fail-beside-stuck"], SHORT);
    process.log("not drained within 300ms, still running: stuck-0");
    process.log("fixture failed: task crane failed: the rope broke");
    assert_eq!(process.ended().code, Some(1));
}
