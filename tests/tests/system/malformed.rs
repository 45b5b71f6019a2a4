//! Every kind of malformed record ends in the dead letters: right code, right stage, original bytes.

use std::{collections::BTreeMap, time::Duration};

use dead_letter::{Context, Reason, Stage};
use kafka::{Headers, Outgoing};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use simulation::faults::Kind;
use system_tests::{Pipeline, Read, Run, Service, eventually, read_topic};

const COUNT: u64 = 9_000;

fn expected_code(kind: Kind) -> (Reason, Stage) {
    match kind {
        Kind::BadFraming => (Reason::NotFramed, Stage::ValueConverter),
        Kind::UnknownSchemaId => (Reason::UnknownSchema, Stage::ValueConverter),
        Kind::Truncated => (Reason::Undecodable, Stage::ValueConverter),
        Kind::TrailingBytes => (Reason::TrailingBytes, Stage::ValueConverter),
        Kind::OutOfRange => (Reason::OutOfRange, Stage::Transformation),
        Kind::UnknownCategory => (Reason::UnknownCategory, Stage::Transformation),
        Kind::Contradiction => (Reason::Contradiction, Stage::Transformation),
        Kind::OldTime => (Reason::ImplausibleTime, Stage::Transformation),
        Kind::Duplicate => (Reason::DuplicateKey, Stage::TaskPut),
    }
}

fn context(read: &Read) -> Context {
    let headers = read.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
    Context::from_headers(headers).expect("the headers of a dead letter")
}

/// One record in ten is broken in one of nine ways. Each is found again by its bytes, with the code of its kind, the
/// coordinates of the record that failed, its key and its timestamp; the good ones are stored.
#[test]
fn each_kind_lands_with_its_code_and_its_bytes() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let expected = pipeline.generate(&Run::new(5, COUNT, 5_000, "all=10%"));
    let duplicates = expected.sent.iter().filter(|sent| sent.fault == Some(Kind::Duplicate)).count() as u64;
    let refused = expected.sent.iter().filter(|sent| sent.fault.is_some()).count() as u64 - duplicates;
    pipeline.settle(COUNT - refused, refused + duplicates);

    let raw: BTreeMap<(i32, i64), Read> = read_topic(&pipeline.kafka(), "toll")
        .into_iter()
        .map(|read| ((read.partition, read.offset), read))
        .collect();
    let valid: BTreeMap<(i32, i64), Read> = read_topic(&pipeline.kafka(), "toll.valid")
        .into_iter()
        .map(|read| ((read.partition, read.offset), read))
        .collect();
    let letters = read_topic(&pipeline.kafka(), "toll.dlq");
    let mut found: BTreeMap<Vec<u8>, Vec<(Reason, Stage)>> = BTreeMap::new();
    for letter in &letters {
        let context = context(letter);
        let origin = if context.connector_name == "validator" { &raw } else { &valid };
        let origin = &origin[&(context.partition, context.offset)];
        assert!(
            (&letter.value, &letter.key, letter.timestamp_ms, letter.partition)
                == (&origin.value, &origin.key, origin.timestamp_ms, origin.partition),
            "the dead letter at {} of partition {} differs from its original",
            letter.offset,
            letter.partition
        );
        assert!(context.exception_message.len() > 10 && context.attempt == 1, "{context:?}");
        found.entry(letter.value.clone()).or_default().push((context.reason, context.stage));
    }
    for sent in &expected.sent {
        let Some(kind) = sent.fault else { continue };
        let codes =
            found.get_mut(&sent.value).unwrap_or_else(|| panic!("a {kind:?} record is not in toll.dlq"));
        let place = codes.iter().position(|code| *code == expected_code(kind));
        codes.swap_remove(place.unwrap_or_else(|| panic!("a {kind:?} record has the codes {codes:?}")));
    }
    assert!(found.values().all(Vec::is_empty), "dead letters that nobody broke: {found:?}");
    assert_eq!(letters.len() as u64, refused + duplicates);

    pipeline.assert_rows(&expected);
    // The second table has no key, so a passage that was sent twice stands there twice.
    assert_eq!(pipeline.count("SELECT COUNT(*) FROM tolldata.livetolldata"), COUNT - refused);
    stored_letters_are_complete(&pipeline, &letters);
}

/// The table of dead letters holds the same bytes, reasons and coordinates.
fn stored_letters_are_complete(pipeline: &Pipeline, letters: &[Read]) {
    let mut on_topic: Vec<String> = letters
        .iter()
        .map(|letter| {
            let context = context(letter);
            let hex: String = letter.value.iter().map(|byte| format!("{byte:02X}")).collect();
            format!(
                "{}\t{}\t{}\t{}\t{}\t{hex}",
                context.topic, context.partition, context.offset, context.connector_name, context.reason
            )
        })
        .collect();
    on_topic.sort();
    let stored = eventually("all dead letters are stored", || {
        let stored = pipeline.sql(
            "SELECT topic, partition_number, record_offset, connector, reason, HEX(record_value) FROM turnpike.dead_letters",
        );
        (stored.lines().count() == letters.len()).then_some(stored)
    });
    let mut stored: Vec<&str> = stored.lines().collect();
    stored.sort_unstable();
    assert!(stored == on_topic, "the table and the topic tell different dead letters");
}

/// The validator alone: what it refuses is on the topic as soon as it is read, with all reasons in the detail.
#[test]
fn the_detail_lists_every_failed_rule() {
    let pipeline = Pipeline::start();
    let _validator = pipeline.spawn(Service::Validator, &[]);
    pipeline.generate(&Run::new(1, 50, 1_000, "contradiction=100%"));
    let letters = eventually("fifty dead letters", || {
        let letters = read_topic(&pipeline.kafka(), "toll.dlq");
        (letters.len() == 50).then_some(letters)
    });
    for letter in letters {
        let context = context(&letter);
        let failed = context.detail.as_array().expect("a list").iter();
        let rules: Vec<_> =
            failed.map(|failure| failure["rule"].as_str().unwrap_or_default().to_owned()).collect();
        assert_eq!(rules, ["amount_fits_vehicle_type"]);
        assert!(context.detail[0]["values"]["amount"].is_string(), "{}", context.detail);
        assert_eq!(context.contract_version.as_deref(), Some("1"));
    }
}

/// A bad record as large as the raw topic takes still fits the dead-letter topic, headers and all, and the table.
#[test]
fn the_largest_bad_record_is_set_aside_whole() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let mut value = vec![0xff; 1_048_000];
    // Nothing that a compressor could make smaller.
    Xoshiro256PlusPlus::seed_from_u64(1).fill_bytes(&mut value[1..]);
    let producer = pipeline.kafka().producer("large", &[]).expect("a producer");
    let record = Outgoing {
        topic: "toll",
        partition: Some(1),
        key: None,
        value: Some(&value),
        timestamp_ms: None,
        headers: Headers::new().add("origin", Some(b"test")),
    };
    producer
        .send(record)
        .and_then(|()| producer.drain(Duration::from_secs(30)))
        .expect("the raw topic takes it");
    pipeline.settle(0, 1);
    let letters = read_topic(&pipeline.kafka(), "toll.dlq");
    assert!(letters.len() == 1 && letters[0].value == value, "{} letters", letters.len());
    assert_eq!(letters[0].header("origin"), Some("test"));
    let stored = pipeline.sql("SELECT reason, LENGTH(record_value) FROM turnpike.dead_letters");
    assert_eq!(stored, "NOT_FRAMED\t1048000");
}
