//! The mappings that we ship, each with a sample of its feed: what every record of it becomes.
//!
//! `UPDATE_GOLDEN=1 cargo test -p feed` writes what is found to `tests/golden`; read the difference before it is committed.

use std::{fs, path::PathBuf};

use feed::{Mapping, preview};

fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn lines(feed: &str, sample: &str) -> String {
    let mapping = fs::read_to_string(path(&format!("../../deploy/feeds/{feed}.json"))).expect("a mapping");
    let mapping = Mapping::parse(&mapping).unwrap_or_else(|mistake| panic!("{feed}.json, {mistake}"));
    let source = fs::File::open(path(&format!("../../deploy/feeds/samples/{sample}"))).expect("a sample");
    let mut lines = String::new();
    let say = |line: &str| {
        lines.push_str(line);
        lines.push('\n');
        Ok(())
    };
    preview(&mapping, source, Some(sample), say).expect("the sample is readable");
    lines
}

fn is_as_golden(feed: &str, sample: &str) {
    let (found, golden) = (lines(feed, sample), path(&format!("tests/golden/{feed}.txt")));
    if option_env!("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &found).expect("written");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert!(found == expected, "{} differs; found:\n{found}", golden.display());
}

/// Kelvin, `mq`, compact UTC times, a heading row and a blank last column; stations of other places are left out.
#[test]
fn synop_france() {
    is_as_golden("synop-france", "synop-france.csv");
}

/// Times without a zone, whose zone is another member; km/h; nulls.
#[test]
fn open_meteo() {
    is_as_golden("open-meteo", "open-meteo.json");
}

/// Fahrenheit, miles an hour, `N/A` and nulls, times in milliseconds within a text.
#[test]
fn wsdot_weather() {
    is_as_golden("wsdot-weather", "wsdot-weather.json");
}

/// No heading row, codes for types and gantries, local time.
#[test]
fn taiwan_m06a() {
    is_as_golden("taiwan-m06a", "taiwan-m06a.csv");
}

/// Numbers and flags as texts, an offset without a colon, warnings that are no jam.
#[test]
fn autobahn() {
    is_as_golden("autobahn", "autobahn.json");
}

/// A time in six columns with hundredths of a second that lack their zero, and detectors that say they are faulty.
#[test]
fn fintraffic_lam() {
    is_as_golden("fintraffic-lam", "fintraffic-lam.csv");
}

/// Every mapping in the folder is under test here, and has a sample.
#[test]
fn no_mapping_is_forgotten() {
    let tested = ["autobahn", "fintraffic-lam", "open-meteo", "synop-france", "taiwan-m06a", "wsdot-weather"];
    let files = fs::read_dir(path("../../deploy/feeds")).expect("the folder").flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| file.file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names, tested);
}
