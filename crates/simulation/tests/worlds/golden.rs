//! Golden files: what a seed gave when it was written down.

use std::{fmt::Write, path::Path};

use simulation::{
    Seed, World,
    faults::{Faults, Shares},
};

use crate::{FRIDAY_MORNING_MS, events};

/// How far events of golden files are apart.
const STEP_MS: i64 = 50;
const EVENTS: i64 = 40;

/// The first events of a world, as they were when the file was written.
pub(crate) fn assert_golden_events<W: World>(name: &str, world: &mut W, line: fn(&W::Event) -> String) {
    let mut text = String::new();
    for event in events(world, FRIDAY_MORNING_MS, STEP_MS, EVENTS) {
        writeln!(text, "{}", line(&event)).expect("text grows");
    }
    assert_golden(name, &text);
}

/// How each kind of fault that concerns the event spoils the first events of a world.
pub(crate) fn assert_golden_faults<W: World>(name: &str, world: &mut W, line: fn(&W::Event) -> String) {
    let shares: Shares =
        "out_of_range=20%,unknown_category=15%,contradiction=20%,old_time=5%,future_time=5%,\
        sentinel=20%,wrong_case=15%"
            .parse()
            .expect("shares that add up to one");
    let mut faults = Faults::new(Seed::new(1).child("faults"), &shares);
    let mut text = String::new();
    for mut event in events(world, FRIDAY_MORNING_MS, STEP_MS, EVENTS) {
        let (kind, random) = faults.draw().expect("the shares add up to one");
        W::spoil(kind, &mut event, random);
        writeln!(text, "{:<16} {}", kind.name(), line(&event)).expect("text grows");
    }
    assert_golden(name, &text);
}

/// Compares with the checked-in file, or writes it when `UPDATE_GOLDEN` is set.
#[expect(clippy::disallowed_methods, reason = "the one variable that rewrites golden files")]
fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == actual, "{name} has changed; if that is meant, run the test with UPDATE_GOLDEN=1");
}

/// A value, or a dash where there is none.
pub(crate) fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A time as people read it.
pub(crate) fn time(time_ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(time_ms).expect("a time in range");
    time.format("%FT%T%.3fZ").to_string()
}
