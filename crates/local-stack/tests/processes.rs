//! Child processes: their output, their end, and that they cannot be left behind.

use std::{path::PathBuf, process::Command, time::Duration};

use local_stack::{Error, Folder, Process, Signal};

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Output goes to the log with the arguments, environment and folder that were asked for; the exit code comes back.
#[test]
fn a_process_runs_as_asked_and_ends() {
    let folder = Folder::claim().unwrap();
    let log = folder.path().join("logs/echo.log");
    let mut command = shell("echo \"$GREETING from $PWD\"; echo trouble >&2; exit 3");
    command.env("GREETING", "hello").current_dir("/");
    let process = Process::spawn("echo", &command, &log).unwrap();
    assert_eq!(process.wait(LIMIT).unwrap().code(), Some(3));
    assert_eq!(process.output().unwrap(), "hello from /\ntrouble\n");
    assert!(!process.is_running() && process.resident_kib().is_none());
    // Again, with the same log: only its own output counts.
    let again = Process::spawn("echo", &command, &log).unwrap();
    assert_eq!(
        again.wait_for_line(LIMIT, |line| line.strip_prefix("hello from ").map(PathBuf::from)).unwrap(),
        *"/"
    );
    again.wait(LIMIT).unwrap();
    assert_eq!(again.output().unwrap().lines().count(), 2);
}

/// Signals reach the program itself, whose id is told; one that does not listen is killed.
#[test]
fn a_process_is_stopped() {
    let folder = Folder::claim().unwrap();
    let log = folder.path().join("sleep.log");
    let process = Process::spawn("sleep", &shell("echo pid $$; exec sleep 1000"), &log).unwrap();
    let pid = process.wait_for_line(LIMIT, |line| line.strip_prefix("pid ").map(str::to_owned)).unwrap();
    assert_eq!(pid, process.pid().to_string());
    assert!(matches!(process.wait(Duration::ZERO), Err(Error::TooSlow { .. })));
    assert!(process.resident_kib().unwrap() <= process.resident_peak_kib().unwrap());
    assert_eq!(signal_of(process.stop(LIMIT).unwrap()), Some(Signal::TERM.as_raw()));

    let deaf =
        Process::spawn("deaf", &shell("trap '' TERM; echo ready; while :; do sleep 1; done"), &log).unwrap();
    deaf.wait_for_line(LIMIT, |line| (line == "ready").then_some(())).unwrap();
    assert_eq!(signal_of(deaf.stop(Duration::from_millis(100)).unwrap()), Some(Signal::KILL.as_raw()));
    deaf.kill(Signal::KILL);
}

fn signal_of(status: std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// A process that ends before it says what was waited for is reported with what it wrote of the reason.
#[test]
fn an_early_end_is_told_with_its_words() {
    let folder = Folder::claim().unwrap();
    let log = folder.path().join("early.log");
    let process = Process::spawn("early", &shell("echo no such table >&2; exit 2"), &log).unwrap();
    let error = process.wait_for_line(LIMIT, |line| line.strip_prefix("ready").map(drop)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("early ended with exit status: 2: no such table"), "{text}");

    let script =
        "echo starting; echo '[ERROR] no such jar'; echo '  at somewhere'; echo see the manual; exit 1";
    let process = Process::spawn("early", &shell(script), &log).unwrap();
    let error = process.wait_for_line(LIMIT, |line| line.strip_prefix("ready").map(drop)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("early ended with exit status: 1: [ERROR] no such jar (more in /"), "{text}");
}

/// A missing program is named at once, with what to do.
#[test]
fn a_missing_program_is_named() {
    let folder = Folder::claim().unwrap();
    let log = folder.path().join("missing.log");
    for name in ["no-such-server", "/nowhere/no-such-server"] {
        let error = Process::spawn("server", &Command::new(name), &log).unwrap_err();
        let expected = format!("the command {name} is missing: run deploy/local/install");
        assert_eq!(error.to_string(), expected);
    }
}

/// Two folders at a time are two folders with ports of their own, and both go at the end unless kept.
#[test]
fn folders_are_apart_and_removed() {
    let (one, two) = (Folder::claim().unwrap(), Folder::claim().unwrap());
    assert_ne!(one.path(), two.path());
    let ports = [one.port(), one.port(), two.port(), two.port()].map(Result::unwrap);
    assert!(ports.is_sorted_by(|a, b| a < b) || ports[0] > ports[2], "{ports:?}");
    let (path, kept) = (one.path().to_path_buf(), two.path().to_path_buf());
    std::fs::write(path.join("data"), "rows").unwrap();
    two.keep().unwrap();
    drop((one, two));
    assert!(!path.join("data").exists());
    assert!(kept.join("kept").exists());
    std::fs::remove_dir_all(kept).unwrap();
}
