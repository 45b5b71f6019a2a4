//! Every kind of malformed record ends in the dead letters: right code, right stage, original bytes.

use std::{collections::BTreeMap, fs, time::Duration};

use dead_letter::{Context, FLAGS, Reason, Stage};
use generator::Source;
use kafka::{Headers, NewTopic, Outgoing};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value as Json, json};
use simulation::{
    World,
    faults::{Kind, Outcome},
};
use system_tests::{Expected, Pipeline, Read, Run, Sent, Service, assert_drains, eventually, read_topic};
use toll_generator::Tolls;
use traffic_generator::Traffic;
use weather_generator::Weather;

const COUNT: u64 = 9_000;

/// A stream as this test sees it.
struct Flow {
    generator: Service,
    /// Its connectors; the first writes to `table`.
    connectors: &'static [&'static str],
    /// The table in which an event stands once.
    table: &'static str,
}

/// The stage at which a kind of fault is found.
fn stage(kind: Kind) -> Stage {
    match kind {
        Kind::BadFraming | Kind::UnknownSchemaId | Kind::Truncated | Kind::TrailingBytes => {
            Stage::ValueConverter
        }
        Kind::Duplicate => Stage::TaskPut,
        _ => Stage::Transformation,
    }
}

fn context(read: &Read) -> Context {
    let headers = read.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
    Context::from_headers(headers).expect("the headers of a dead letter")
}

/// Passages: every kind of fault is refused, but for old times.
#[test]
fn each_kind_of_bad_passage_lands_with_its_code_and_its_bytes() {
    let connectors = &["toll-passages", "live-toll-data"];
    let pipeline = Pipeline::start();
    let expected = each_kind_lands::<Tolls>(
        &pipeline,
        &Flow { generator: Service::Generator, connectors, table: "traffic_db.toll_passages" },
    );
    pipeline.assert_rows(&expected);
    // The second table has no key, so a passage that was sent twice stands there twice.
    let valid = read_topic(&pipeline.kafka(), "toll.valid").len() as u64;
    assert_eq!(pipeline.count("SELECT COUNT(*) FROM tolldata.livetolldata"), valid);
}

/// Events: the three shapes, with categories and contradictions of their own.
#[test]
fn each_kind_of_bad_event_lands_with_its_code_and_its_bytes() {
    let connectors = &["traffic-events"];
    let flow = Flow { generator: Service::TrafficGenerator, connectors, table: "traffic_db.traffic_events" };
    each_kind_lands::<Traffic>(&Pipeline::start(), &flow);
}

/// Readings: an unknown city is only flagged, a mark for a missing value is refused.
#[test]
fn each_kind_of_bad_reading_lands_with_its_code_and_its_bytes() {
    let connectors = &["weather-readings"];
    let flow = Flow { generator: Service::WeatherGenerator, connectors, table: "weather_db.readings" };
    each_kind_lands::<Weather>(&Pipeline::start(), &flow);
}

/// One record in ten is broken in one of all ways. Each is found again by its bytes: as a dead letter with the code of its
/// kind, the coordinates of the record that failed, its key and its timestamp, or as a row with the flag of its kind.
fn each_kind_lands<S: Source>(pipeline: &Pipeline, flow: &Flow) -> Expected
where
    <S::World as World>::Options: Default,
{
    let _consumers = pipeline.spawn_consumers();
    let expected = pipeline.generate_of::<S>(flow.generator, &Run::new(5, COUNT, 5_000, "all=10%"));
    let outcome = |sent: &Sent| sent.fault.map(S::World::outcome);
    let count = |is: fn(Outcome) -> bool| {
        expected.sent.iter().filter(|sent| outcome(sent).is_some_and(is)).count() as u64
    };
    let refused = count(|outcome| matches!(outcome, Outcome::Refused(_)));
    let repeated = count(|outcome| outcome == Outcome::Repeated);
    flow.connectors.iter().for_each(|connector| pipeline.await_read(connector, COUNT - refused));
    pipeline.await_read("dead-letters", refused + repeated);

    let by_place = |topic: &str| -> BTreeMap<(i32, i64), Read> {
        let records = read_topic(&pipeline.kafka(), topic).into_iter();
        records.map(|read| ((read.partition, read.offset), read)).collect()
    };
    let raw = by_place(S::TOPIC);
    let valid = by_place(&format!("{}.valid", S::TOPIC));
    let letters = read_topic(&pipeline.kafka(), &format!("{}.dlq", S::TOPIC));
    let mut found: BTreeMap<&[u8], Vec<(Reason, Stage)>> = BTreeMap::new();
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
        found.entry(&letter.value).or_default().push((context.reason, context.stage));
    }
    let flags: BTreeMap<&[u8], Option<&str>> =
        valid.values().map(|read| (&*read.value, read.header(FLAGS))).collect();
    for sent in &expected.sent {
        let flags = flags.get(&*sent.value).copied().flatten();
        let (Some(kind), Some(outcome)) = (sent.fault, outcome(sent)) else {
            assert_eq!(flags, None, "a good record is flagged");
            continue;
        };
        let code = match outcome {
            Outcome::Refused(reason) => reason,
            Outcome::Repeated => Reason::DuplicateKey,
            Outcome::Flagged(reason) => {
                let is_flagged = flags
                    .is_some_and(|flags| flags.starts_with(&format!("{reason}:")) && !flags.contains(','));
                assert!(is_flagged, "a {kind:?} record has the flags {flags:?}");
                continue;
            }
        };
        let codes = found.get_mut(&*sent.value);
        let codes = codes.unwrap_or_else(|| panic!("a {kind:?} record is no dead letter"));
        let place = codes.iter().position(|found| *found == (code, stage(kind)));
        codes.swap_remove(place.unwrap_or_else(|| panic!("a {kind:?} record has the codes {codes:?}")));
    }
    assert!(found.values().all(Vec::is_empty), "dead letters that nobody broke: {found:?}");
    assert_eq!(letters.len() as u64, refused + repeated);

    let rows = pipeline.count(&format!("SELECT COUNT(*) FROM {}", flow.table));
    assert_eq!(rows, COUNT - refused - repeated);
    let flagged = pipeline.count(&format!("SELECT COUNT(*) FROM {} WHERE flags IS NOT NULL", flow.table));
    assert_eq!(flagged, count(|outcome| matches!(outcome, Outcome::Flagged(_))));
    stored_letters_are_complete(pipeline, &letters);
    expected
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
        let detail: Json = context.detail.parse().expect("JSON");
        let failed = detail.as_array().expect("a list").iter();
        let rules: Vec<_> =
            failed.map(|failure| failure["rule"].as_str().unwrap_or_default().to_owned()).collect();
        assert_eq!(rules, ["amount_fits_vehicle_type"]);
        assert!(detail[0]["values"]["amount"].is_string(), "{detail}");
        assert_eq!(context.contract_version.as_deref(), Some("2"));
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
        receipt: None,
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

const TEXTS: &str = r#"{ "type": "record", "name": "Texts", "fields": [
    { "name": "plain", "type": "string" }, { "name": "fixed", "type": "string" }, { "name": "level", "type": "string" },
    { "name": "id", "type": "string" }, { "name": "western", "type": "string" }, { "name": "wide", "type": "string" } ] }"#;
const TEXTS_TABLE: &str = "CREATE TABLE tolldata.texts (plain VARCHAR(9) CHARACTER SET ascii, fixed CHAR(9) CHARACTER SET ascii, \
    level ENUM('LOW', 'HIGH') CHARACTER SET ascii, id UUID, western VARCHAR(9) CHARACTER SET latin1, wide TEXT CHARACTER SET utf8mb4)";

/// Text is stored as it is whatever a column's character set, and set aside where the column cannot hold it.
#[test]
fn text_goes_into_columns_of_any_character_set() {
    let pipeline = Pipeline::without_topics();
    pipeline.sql(TEXTS_TABLE);
    let topics = ["texts", "texts.dlq"].map(|name| NewTopic::new(name, 1, 1));
    pipeline.kafka().admin().and_then(|admin| admin.create_topics(&topics)).expect("topics");
    let schema_id = pipeline.register("texts-value", TEXTS);
    let id = "01a200c8-d78b-77ff-b330-8d683b4dc13e";
    let records = [
        ["A-7", "EUR", "LOW", id, "Oslo", "Oslo"],
        ["", "a b", "HIGH", id, "Zürich", "Zürich 🚗"],
        ["Zürich", "EUR", "LOW", id, "Oslo", "Oslo"],
        ["A-7", "Zürich", "LOW", id, "Oslo", "Oslo"],
        ["A-7", "EUR", "LOW", id, "🚗", "Oslo"],
        ["A-7", "EUR", "MIDDLE", id, "Oslo", "Oslo"],
        ["0123456789", "EUR", "LOW", id, "Oslo", "Oslo"],
    ];
    let values = records.map(|texts| {
        let mut value = Vec::new();
        schema_registry::frame(schema_id, &mut value);
        for text in texts {
            // Avro writes a length as a number with a sign.
            value.push(2 * text.len() as u8);
            value.extend_from_slice(text.as_bytes());
        }
        value
    });
    pipeline.send("texts", None, &values);
    let document = json!({ "name": "texts", "config": {
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "topics": "texts",
        "table.name.format": "tolldata.texts", "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "texts.dlq",
        "errors.deadletterqueue.context.headers.enable": "true",
    } });
    let file = pipeline.stack.folder().path().join("texts.json");
    fs::write(&file, document.to_string()).expect("the document is written");
    let writer = pipeline.spawn(Service::Writer, &["--connectors", &file.display().to_string()]);
    pipeline.await_read("texts", records.len() as u64);
    assert_drains(&writer);
    // The client shows no characters of four bytes.
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
    let stored = pipeline
        .sql("SELECT plain, fixed, level, id, western, HEX(wide) FROM tolldata.texts ORDER BY western");
    assert_eq!(
        stored,
        format!(
            "A-7\tEUR\tLOW\t{id}\tOslo\t{}\n\ta b\tHIGH\t{id}\tZürich\t{}",
            hex("Oslo"),
            hex("Zürich 🚗")
        )
    );
    let letters = read_topic(&pipeline.kafka(), "texts.dlq");
    let refused: Vec<_> =
        letters.iter().map(|letter| (letter.value.as_slice(), context(letter).reason)).collect();
    let mismatch = Reason::TypeMismatch;
    let reasons = [mismatch, mismatch, mismatch, mismatch, Reason::ValueTooLong];
    let expected: Vec<_> = values[2..].iter().map(Vec::as_slice).zip(reasons).collect();
    assert_eq!(refused, expected);
}
