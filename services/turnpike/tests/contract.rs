//! `turnpike contract check` as a process: what it prints where, and with which code it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas");

fn check(arguments: &[&Path]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnpike"));
    let Output { status, stdout, stderr } =
        command.args(["contract", "check"]).args(arguments).output().expect("turnpike runs");
    let text = |bytes| String::from_utf8(bytes).expect("prints text");
    (status.code(), text(stdout), text(stderr))
}

/// The weather contract in a folder of its own, with some text of one of its files replaced.
fn spoiled(folder: &str, extension: &str, from: &str, to: &str) -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    fs::create_dir_all(&base).expect("makes the folder");
    for file in ["avsc", "contract.json", "examples.json"] {
        let name = format!("weather_reading.{file}");
        let text = fs::read_to_string(Path::new(SCHEMAS).join(&name)).expect("is shipped");
        let text = if file == extension {
            assert!(text.contains(from), "{name} has `{from}`");
            text.replace(from, to)
        } else {
            text
        };
        fs::write(base.join(name), text).expect("is written");
    }
    base.join("weather_reading.contract.json")
}

/// All shipped contracts are good: 0.
#[test]
fn shipped_contracts_are_good() {
    let files =
        ["toll_passage", "traffic_event", "weather_reading"].map(|name| Path::new(SCHEMAS).join(name));
    let (code, stdout, stderr) = check(&files.each_ref().map(PathBuf::as_path));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(stdout.lines().filter(|line| line.starts_with("good: ")).count(), 3, "{stdout}");
}

/// An example that misbehaves: 1, with the rule and the example.
#[test]
fn a_misbehaving_example_ends_with_1() {
    let file = spoiled(
        "misbehaving",
        "examples.json",
        r#"{ "humidity_pct": 100.1 }"#,
        r#"{ "humidity_pct": 99.9 }"#,
    );
    let (code, stdout, _) = check(&[&file]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(
        stdout.contains(r#"rule `humidity_pct_in_range`: fails[1] passes: {"humidity_pct":99.9}"#),
        "{stdout}"
    );
}

/// A mistake in one contract: 2, with rule, place and suggestion; the others are checked all the same.
#[test]
fn a_mistake_ends_with_2_and_spares_the_others() {
    let unknown =
        spoiled("unknown_field", "contract.json", "(message.humidity_pct >=", "(message.humidity >=");
    let syntax = spoiled(
        "syntax_error",
        "contract.json",
        "observed_at < now + duration('24h')",
        "observed_at < now +",
    );
    let types =
        spoiled("type_error", "contract.json", "observed_at < now + duration('24h')", "observed_at < 24");
    let misfit = spoiled("misfit", "examples.json", r#""sensor_id": 1,"#, r#""sensor_id": "one","#);
    let good = Path::new(SCHEMAS).join("weather_reading");
    let (code, stdout, stderr) = check(&[&unknown, &syntax, &types, &misfit, &good]);
    assert_eq!(code, Some(2), "{stderr}");
    for told in [
        "rule `humidity_pct_in_range`, expr column 39: turnpike.WeatherReading has no field `humidity`; did you mean `humidity_pct`?",
        "rule `observed_at_not_in_future`, expr column 28: Syntax error",
        "rule `observed_at_not_in_future`, expr column 21: a timestamp cannot be compared with an int",
        "weather_reading.examples.json: base: field `sensor_id` is \"one\": write a whole number",
    ] {
        assert!(stderr.contains(told), "{told}\n{stderr}");
    }
    assert!(stdout.contains("good: "), "{stdout}");
}
