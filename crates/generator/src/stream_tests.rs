//! Tests of the stream as whoever reads the topic sees it: golden bytes, faults and their shares,
//! duplicates.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use events::{DecodeError, Shape, TollPassage, Value};
use schema_registry::{NotFramed, SchemaId, split};
use simulation::{
    Seed,
    faults::{Kind, Shares},
    toll::Options,
};

use crate::{Stream, testing::Passages};

/// Friday, the second of October 2026, at 07:26:20 UTC.
const START_MS: i64 = 1_790_925_980_000;
const SCHEMA_ID: u32 = 7;

/// A record with bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    key: String,
    value: Vec<u8>,
    fault: Option<Kind>,
}

fn records(seed: u64, malformed: &str, count: i64) -> Vec<Sent> {
    let malformed: Shares = malformed.parse().expect("shares");
    let options = Options { vehicles: 2_000, ..Options::default() };
    let mut stream = Stream::<Passages>::new(Seed::new(seed), &options, &malformed, SCHEMA_ID);
    let next = |step| {
        let record = stream.next(START_MS + step);
        let key = String::from_utf8(record.key.to_vec()).expect("keys are text");
        Sent { key, value: record.value.to_vec(), fault: record.fault }
    };
    (0..count).map(next).collect()
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

/// The first records of seed 1, byte for byte, half of them malformed.
#[test]
fn seed_one_gives_the_golden_bytes() {
    let mut text = String::new();
    for Sent { key, value, fault } in records(1, "all=50%", 30) {
        let fault = fault.map_or("good", Kind::name);
        write!(text, "{fault:<17} {key} ").expect("text grows");
        for byte in value {
            write!(text, "{byte:02x}").expect("text grows");
        }
        text.push('\n');
    }
    assert_golden("stream_seed_1.txt", &text);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(records(5, "all=20%", 1_000), records(5, "all=20%", 1_000));
    assert_ne!(records(5, "", 10), records(6, "", 10));
}

/// A fault changes its own record: the good ones are those of a stream without faults.
#[test]
fn faults_leave_the_other_records_alone() {
    let good = records(5, "", 1_000);
    let spoiled = records(5, "all=20%,duplicate=0", 1_000);
    let mut faults = 0;
    for (good, spoiled) in good.iter().zip(&spoiled) {
        assert_eq!(good.key, spoiled.key);
        assert_eq!(good.value == spoiled.value, spoiled.fault.is_none());
        faults += usize::from(spoiled.fault.is_some());
    }
    assert!((120..280).contains(&faults), "{faults} faults");
}

/// Good records decode; each kind of fault is found at the step where it belongs, and the later steps see
/// nothing of it.
#[test]
fn each_fault_is_found_where_it_belongs() {
    let shape = Shape::parse(TollPassage::SCHEMA).expect("our schema");
    for Sent { key, value, fault } in records(1, "all=50%", 20_000) {
        let framed = split(&value, std::iter::empty());
        if fault == Some(Kind::BadFraming) {
            assert!(matches!(framed, Err(NotFramed::OtherFirstByte(_))), "{framed:?}");
            continue;
        }
        let (id, avro) = framed.expect("only one kind breaks the framing");
        assert_eq!(id != SchemaId::Id(SCHEMA_ID), fault == Some(Kind::UnknownSchemaId));
        let mut values = Vec::new();
        let decoded = shape.decode(avro, &mut values);
        match fault {
            Some(Kind::TrailingBytes) => assert!(matches!(decoded, Err(DecodeError::TrailingBytes { .. }))),
            Some(Kind::Truncated) => {
                assert!(decoded.is_err() && !matches!(decoded, Err(DecodeError::TrailingBytes { .. })));
            }
            _ => {
                decoded.expect("only two kinds break the body");
                let index = shape.index_of("vehicle_id").expect("a field");
                assert!(matches!(values[index], Value::String(id) if id == key), "the key is the vehicle");
            }
        }
    }
}

/// Of 100 000 records, each kind has its share within five standard deviations.
#[test]
fn every_kind_has_its_share() {
    const RECORDS: i64 = 100_000;
    let mut counts: BTreeMap<Option<Kind>, f64> = BTreeMap::new();
    for record in records(1, "all=11%,duplicate=3%", RECORDS) {
        *counts.entry(record.fault).or_default() += 1.0;
    }
    for kind in Kind::ALL {
        let share = if kind == Kind::Duplicate { 0.03 } else { 0.11 / 11.0 };
        let expected = share * RECORDS as f64;
        let seen = counts[&Some(kind)];
        assert!((seen - expected).abs() < 5.0 * expected.sqrt(), "{kind:?}: {seen} instead of {expected}");
    }
}

/// A duplicate is the latest good record, right after it unless a malformed one came in between.
#[test]
fn duplicates_repeat_the_latest_good_record() {
    let mut latest: Option<Sent> = None;
    let mut duplicates = 0;
    for record in records(3, "duplicate=30%,truncated=30%", 2_000) {
        match record.fault {
            None => latest = Some(record),
            Some(Kind::Duplicate) => {
                let original = latest.as_ref().expect("a good record came before");
                assert_eq!((&record.key, &record.value), (&original.key, &original.value));
                duplicates += 1;
            }
            Some(_) => {}
        }
    }
    assert!(duplicates > 400, "{duplicates} duplicates");
    let only = records(3, "duplicate=100%", 10);
    assert_eq!(only[0].fault, None, "there is nothing to repeat yet");
    assert!(only[1..].iter().all(|record| record.fault == Some(Kind::Duplicate)));
}
