//! Command lines, variables and secrets: what is answered, what is refused and how.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;

use super::fixture::{Ended, Process, run, run_in};

/// Refused, in exactly one line that holds all of these texts and exit code 2.
fn assert_refused(ended: &Ended, texts: &[&str]) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let [line] = ended.stderr.as_slice() else { panic!("one line expected: {ended:?}") };
    for text in texts {
        assert!(line.contains(text), "no {text:?} in {line:?}");
    }
}

/// Whatever is wrong with a command line: one line that names key, value and what is allowed.
#[test]
fn wrong_command_lines_are_refused_in_one_line() {
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--ships=many"], &["--ships (TURNPIKE_SHIPS)", "\"many\"", "a whole number from 1 to 9"]),
        (&["--ships=10"], &["--ships", "\"10\"", "1 to 9"]),
        (&["--ships"], &["--ships", "\"\"", "1 to 9"]),
        (&["--ships=1", "--ships=2"], &["--ships", "given once"]),
        (&["--shipz=1"], &["\"--shipz\"", "--help", "--ships"]),
        (&["sail"], &["\"sail\"", "--help"]),
        (&["--log-style=xml"], &["--log-style (TURNPIKE_LOG_STYLE)", "\"xml\"", "text, json, ibm"]),
        (&["--log-level=inof"], &["--log-level", "\"inof\"", "info"]),
        (&["--http-address=here"], &["--http-address (TURNPIKE_HTTP_ADDRESS)", "\"here\"", "HTTP"]),
    ];
    for (arguments, texts) in cases {
        assert_refused(&run(arguments), texts);
    }
}

/// The same for a variable: the line names it.
#[test]
fn wrong_variables_are_refused_in_one_line() {
    let ended = run_in(&[], &[("TURNPIKE_SHIPS", OsStr::new("0"))]);
    assert_refused(&ended, &["TURNPIKE_SHIPS", "\"0\"", "1 to 9"]);
}

/// A port that somebody else has is refused like any other setting.
#[test]
fn a_taken_port_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&["--http-address", &address, "--log-level=off"]);
    assert_refused(&ended, &["--http-address (TURNPIKE_HTTP_ADDRESS)", &address, "port 0"]);
}

/// Help and version go to stdout; help has the examples and hides secrets.
#[test]
fn help_and_version_are_answers() {
    let help = run_in(&["--help"], &[("TURNPIKE_PASSWORD", OsStr::new("hunter2"))]);
    assert_eq!((help.code, help.stderr.len()), (Some(0), 0), "{help:?}");
    for text in ["Behaves as it is told", "  fixture --ships 4", "healthcheck", "TURNPIKE_SHIPS", "_FILE"] {
        assert!(help.stdout.contains(text), "no {text:?} in {}", help.stdout);
    }
    assert!(!help.stdout.contains("hunter2"));

    let version = run(&["--version"]);
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.contains(concat!("fixture ", env!("CARGO_PKG_VERSION"))));
}

/// `--print-config` shows what takes effect, variables included, as JSON, but no secret.
#[test]
fn printed_configuration_is_effective_and_redacted() {
    let variables = [("TURNPIKE_SHIPS", OsStr::new("5")), ("TURNPIKE_PASSWORD", OsStr::new("hunter2"))];
    let ended = run_in(&["--print-config", "--grpc-address=127.0.0.1:7"], &variables);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json = &ended.stdout[ended.stdout.find('{').expect("JSON")..];
    let config: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(config["ships"], 5);
    assert_eq!(config["password"], "[redacted]");
    assert_eq!(config["grpc_address"], "127.0.0.1:7");
    assert_eq!(config["log_level"], "info");
    assert!(!ended.stdout.contains("hunter2"));
}

/// A secret comes from the file that its variable with `_FILE` names; the flag itself goes first.
#[test]
fn secrets_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "hunter2 \n").unwrap();
    let variables = [("TURNPIKE_PASSWORD_FILE", file.as_os_str())];
    for (flags, secret) in [(&[][..], "hunter2 "), (&["--password=open"][..], "open")] {
        let arguments = [
            flags,
            &[
                "--behave=tell-secret",
                "--http-address=127.0.0.1:0",
                "--grpc-address=127.0.0.1:0",
                "--log-style=json",
            ],
        ]
        .concat();
        let process = Process::start(&arguments, &variables);
        let told = process.log("secret: ");
        assert_eq!(told["message"], format!("secret: Some({secret:?})"));
        assert_eq!(process.ended().code, Some(0));
    }
}

/// A secret's file that cannot be read, or beside the variable itself, is refused.
#[test]
fn doubtful_secret_files_are_refused() {
    let missing = OsStr::new("/nowhere/password");
    let ended = run_in(&[], &[("TURNPIKE_PASSWORD_FILE", missing)]);
    assert_refused(&ended, &["TURNPIKE_PASSWORD_FILE", "/nowhere/password", "readable file"]);

    let both = [("TURNPIKE_PASSWORD_FILE", missing), ("TURNPIKE_PASSWORD", OsStr::new("hunter2"))];
    let ended = run_in(&[], &both);
    assert_refused(&ended, &["TURNPIKE_PASSWORD_FILE", "only one of"]);
    assert!(!ended.stderr[0].contains("hunter2"));
}

/// A source pipeline's lines go to stdout, all of them by the end; beside them log lines are for what is wrong, unless a
/// level is given.
#[test]
fn a_source_style_speaks_on_stdout() {
    let quiet: &[&str] = &[];
    for (level, has_log_lines) in [(quiet, false), (&["--log-level=info"], true)] {
        let ports = ["--http-address=127.0.0.1:0", "--grpc-address=127.0.0.1:0"];
        let ended = run(&[&["--behave=speak", "--log-style=ibm"], &ports[..], level].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("Connecting to Kafka\nConnected to Kafka\n"), "{ended:?}");
        assert_eq!(!ended.stderr.is_empty(), has_log_lines, "{ended:?}");
    }
    let plain = run(&["--behave=speak", "--http-address=127.0.0.1:0", "--grpc-address=127.0.0.1:0"]);
    assert!(!plain.stdout.contains("Kafka"), "{plain:?}");
}
