//! The source pipelines' own producers in front of our topics, with their own clients and nothing configured: what they
//! write arrives in the tables, marked with what it was; what cannot be is refused by a reason of its own.

use std::collections::BTreeSet;

use chrono::DateTime;
use dead_letter::Context;
use kafka::{Headers, Outgoing};
use serde_json::Value as Json;
use system_tests::{PATIENCE, Pipeline, Producer, Read, Service, eventually, read_topic};

const IBM: Producer = Producer { script: "ibm_toll_producer.py", topic: "toll", zone: "UTC0" };
const TOLL: Producer = Producer { script: "toll_json_producer.py", topic: "toll", zone: "UTC0" };
const TRAFFIC: Producer =
    Producer { script: "traffic_events_producer.py", topic: "traffic.events", zone: "UTC0" };
/// A sensor whose machine shows the time of Paris.
const METEO: Producer =
    Producer { script: "weather_producer.py", topic: "weather_data", zone: "CET-1CEST,M3.5.0,M10.5.0/3" };

/// 2024-10-02 19:26:20 UTC, a day of one digit.
const OCTOBER_2: &str = "1727897180";
const JAM: &str = r#"{"event_id": "0b0c8cd5-3d52-4f8e-8a2f-0d40f3a2c001", "event_type": "TRAFFIC_JAM", "ts_utc": "2025-12-20T11:45:24.000001+00:00", "city": "Lyon", "road": "A7", "lat": 48.85, "lon": 2.3, "severity": "HIGH", "avg_speed_kmh": 12, "length_m": 3400}"#;
const ACCIDENT: &str = r#"{"event_id": "0b0c8cd5-3d52-4f8e-8a2f-0d40f3a2c002", "event_type": "ACCIDENT", "ts_utc": "2025-12-20T11:45:24+00:00", "city": "Paris", "road": "Peripherique", "lat": 48.812345, "lon": 2.251, "severity": "MINOR", "lanes_blocked": 2, "injuries_reported": false}"#;
/// The sample in the pipeline's own text.
const CAMERA: &str = r#"{"event_id": "b137c55c-d83f-4bc4-b9a7-23b77c144897", "event_type": "SPEED_CAMERA", "ts_utc": "2025-12-20T11:45:25.964046+00:00", "city": "Lille", "road": "A6", "lat": 48.8061, "lon": 2.318646, "speed_limit_kmh": 70, "direction": "N", "active": true}"#;

/// The values of a topic as text, sorted.
fn texts(pipeline: &Pipeline, topic: &str) -> Vec<String> {
    let records = read_topic(&pipeline.kafka(), topic).into_iter();
    let mut texts: Vec<String> =
        records.map(|record| String::from_utf8(record.value).expect("text")).collect();
    texts.sort();
    texts
}

/// The records of a topic as JSON.
fn objects(pipeline: &Pipeline, topic: &str) -> Vec<Json> {
    let texts = texts(pipeline, topic);
    texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

/// Asserts that a query gives these rows, in any order.
fn assert_rows(pipeline: &Pipeline, query: &str, mut expected: Vec<String>) {
    let answer = pipeline.sql(query);
    let mut stored: Vec<&str> = answer.lines().collect();
    stored.sort_unstable();
    expected.sort();
    let missing = expected.iter().find(|row| stored.binary_search(&row.as_str()).is_err());
    assert!(stored == expected, "{} rows, wanted {}; missing {missing:?}", stored.len(), expected.len());
}

/// Dead letters of a topic as soon as there are so many, in the order of the texts that were sent.
fn refused(pipeline: &Pipeline, topic: &str, sent: &[&str]) -> Vec<(Read, Context)> {
    let letters = eventually(&format!("{} dead letters", sent.len()), || {
        let letters = read_topic(&pipeline.kafka(), topic);
        (letters.len() == sent.len()).then_some(letters)
    });
    let find = |text: &&str| {
        let letter = letters.iter().find(|letter| letter.value == text.as_bytes());
        let letter = letter.unwrap_or_else(|| panic!("{text} is not set aside as it was")).clone();
        let headers = letter.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
        let context = Context::from_headers(headers).expect("the headers of a dead letter");
        (letter, context)
    };
    sent.iter().map(find).collect()
}

/// The lab's generator: the table of four columns holds exactly the lines that were sent, also those whose day has one digit
/// and so a second blank, and one that ends as Windows ends lines.
#[test]
fn a2_1_ctime_line_parses_into_livetolldatas_four_columns() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let printed = IBM.run(&pipeline, 200, &["--seed", "5"]);
    assert_eq!(printed.matches("has passed by the toll plaza").count(), 200, "{printed}");
    IBM.run(&pipeline, 20, &["--clock", OCTOBER_2]);
    let mut lines = texts(&pipeline, "toll");
    assert_eq!(lines.iter().filter(|line| line.starts_with("Wed Oct  2 19:26:")).count(), 20, "{lines:?}");
    pipeline.send_text("toll", &["Thu Oct  3 00:00:01 2024,10000,van,4010\r\n"]);
    lines.push("Thu Oct  3 00:00:01 2024,10000,van,4010".to_owned());

    pipeline.await_read("live-toll-data", 221);
    let as_lines = "SELECT CONCAT(
            DATE_FORMAT(timestamp, '%a %b '), LPAD(DAY(timestamp), 2, ' '), DATE_FORMAT(timestamp, ' %H:%i:%s %Y'),
            ',', vehicle_id, ',', vehicle_type, ',', toll_plaza_id) FROM tolldata.livetolldata";
    assert_rows(&pipeline, as_lines, lines);

    pipeline.await_read("toll-passages", 221);
    let marks =
        "SELECT dialect, flags, COUNT(*), COUNT(DISTINCT event_id), SUM(lane IS NULL AND amount IS NULL)
        FROM traffic_db.toll_passages GROUP BY dialect, flags";
    let expected = ["ibm\tNULL\t200\t200\t200", "ibm\tIMPLAUSIBLE_TIME:occurred_at_recent\t21\t21\t21"];
    assert_rows(&pipeline, marks, expected.map(str::to_owned).to_vec());
}

/// The toll JSON: the view with that pipeline's columns holds exactly what its records say.
#[test]
fn a0_2_toll_json_lands_in_toll_data() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    TOLL.run(&pipeline, 200, &["--seed", "7"]);
    pipeline.await_read("toll-passages", 200);
    let rows = objects(&pipeline, "toll").into_iter().map(|record| {
        let field = |name: &str| record[name].as_str().expect("a text").to_owned();
        let timestamp = field("timestamp").replace('T', " ");
        [field("vehicle_id"), field("vehicle_type"), field("toll_plaza_id"), timestamp].join("\t")
    });
    let query = "SELECT vehicle_id, vehicle_type, toll_plaza_id, timestamp FROM traffic_db.toll_data";
    assert_rows(&pipeline, query, rows.collect());
    let dialects = pipeline.sql("SELECT DISTINCT dialect FROM traffic_db.toll_passages");
    assert_eq!(dialects, "toll");
    // The key stays: it is what keeps the passages of a vehicle in order.
    for record in read_topic(&pipeline.kafka(), "toll.valid") {
        assert_eq!(record.header("turnpike.dialect"), Some("toll"));
        assert!(record.value.windows(36).any(|bytes| bytes == record.key), "another vehicle's key");
    }
}

/// Nearly every time of the toll JSON is decades old: each such row says so, and no other does.
#[test]
fn a0_4_old_times_are_flagged_and_stored() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    TOLL.run(&pipeline, 200, &["--seed", "8"]);
    IBM.run(&pipeline, 10, &[]);
    pipeline.await_read("toll-passages", 210);
    let flagged =
        "SELECT COUNT(*) FROM traffic_db.toll_passages WHERE flags = 'IMPLAUSIBLE_TIME:occurred_at_recent'";
    let old = "occurred_at < UTC_TIMESTAMP() - INTERVAL 30 DAY";
    let flagged_and_old = pipeline.count(&format!("{flagged} AND {old}"));
    assert!(flagged_and_old > 190, "{flagged_and_old} old passages of 210");
    assert_eq!(pipeline.count(flagged), flagged_and_old);
    let others = format!("SELECT COUNT(*) FROM traffic_db.toll_passages WHERE flags IS NULL AND NOT {old}");
    assert_eq!(pipeline.count(&others), 210 - flagged_and_old);
}

/// Five faults that copies of the lab's generator are known for, each with its own reason, and the bytes as they came.
#[test]
fn a2_7_each_faulty_line_has_its_own_reason() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let faults = [
        ("Fri Oct  2 19:26:20 2020,9820660,Car,4004", "WRONG_CASE", "Car"),
        ("Fri Oct  2 19:26:20 2020,9820660,SUV,4004", "UNKNOWN_CATEGORY", "SUV"),
        ("Fri Oct  2 19:26:20 2020,9820660,car,9999", "OUT_OF_RANGE", "9999"),
        ("Fri Oct  2 19:26:20 2020,9820660,car,4004,3\n", "WRONG_FIELD_COUNT", "5 fields"),
        ("Fri Oct  2 19:26:20 2020,,car,4004", "MISSING_FIELD", "vehicle_id"),
    ];
    let lines = faults.map(|(line, ..)| line);
    pipeline.send_text("toll", &lines);
    let letters = refused(&pipeline, "toll.dlq", &lines);
    for ((line, code, named), (letter, context)) in faults.iter().zip(&letters) {
        assert_eq!(context.reason.code(), *code, "{line}");
        assert!(context.exception_message.contains(named), "{line}: {}", context.exception_message);
        assert_eq!(letter.header("turnpike.dialect"), Some("ibm"));
    }
    pipeline.await_read("dead-letters", 5);
    let stored = "SELECT reason, record_value FROM turnpike.dead_letters";
    let rows = faults.map(|(line, code, _)| format!("{code}\t{}", line.replace('\n', "\\n")));
    assert_rows(&pipeline, stored, rows.to_vec());
}

/// The three shapes of traffic events are one contract and one table: each row holds its record's fields, and NULL for those
/// of the other shapes.
#[test]
fn a3_1_three_shapes_validate_as_one_contract() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    TRAFFIC.run(&pipeline, 300, &["--seed", "3"]);
    pipeline.await_read("traffic-events", 300);
    let text = |value: &Json| match value {
        Json::Null => "NULL".to_owned(),
        Json::Bool(value) => u8::from(*value).to_string(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let columns = [
        "event_type",
        "city",
        "road",
        "lat",
        "lon",
        "severity",
        "avg_speed_kmh",
        "length_m",
        "lanes_blocked",
        "injuries_reported",
        "speed_limit_kmh",
        "direction",
        "active",
        "event_id",
    ];
    let records = objects(&pipeline, "traffic.events");
    let kinds: BTreeSet<&str> = records.iter().filter_map(|record| record["event_type"].as_str()).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    let rows = records.iter().map(|record| {
        let fields = columns.map(|column| text(&record[column])).join("\t");
        // The store keeps milliseconds.
        let time = DateTime::parse_from_rfc3339(record["ts_utc"].as_str().expect("a text")).expect("a time");
        let time = time.to_utc().format("%Y-%m-%d %H:%M:%S%.3f");
        format!("{fields}\t{time}\ttraffic")
    });
    let query = "SELECT event_type, city, road, latitude, longitude, severity, avg_speed_kmh, length_m, lanes_blocked,
            injuries_reported, speed_limit_kmh, direction, active, event_id, occurred_at, dialect
        FROM traffic_db.traffic_events";
    assert_rows(&pipeline, query, rows.collect());
    assert!(read_topic(&pipeline.kafka(), "traffic.events.dlq").is_empty());
}

/// A word or a field of another shape is refused, and the field is named.
#[test]
fn a3_2_a_field_of_another_shape_is_refused_by_name() {
    let pipeline = Pipeline::start();
    let _validator = pipeline.spawn(Service::Validator, &[]);
    let major_jam = JAM.replace("HIGH", "MAJOR");
    let low_accident = ACCIDENT.replace("MINOR", "LOW");
    let camera_with_lanes = CAMERA.replace("\"active\"", "\"lanes_blocked\": 1, \"active\"");
    let sent = [&*major_jam, &low_accident, &camera_with_lanes];
    pipeline.send_text("traffic.events", &sent);
    let letters = refused(&pipeline, "traffic.events.dlq", &sent);
    for (field, (letter, context)) in ["severity", "severity", "lanes_blocked"].iter().zip(&letters) {
        assert_eq!(context.reason.code(), "CONTRADICTION", "{context:?}");
        assert!(context.exception_message.contains(field), "{}", context.exception_message);
        let detail: Json = context.detail.parse().expect("JSON");
        assert!(!detail[0]["values"][field].is_null(), "{detail}");
        assert_eq!(letter.header("turnpike.dialect"), Some("traffic"));
    }
}

/// The pipeline's own sample says Lille and lies in Paris: it is stored, and says that this cannot be. So do all events of its
/// producer whose city is another than Paris, and no others.
#[test]
fn a3_4_the_lille_sample_fires_the_cross_field_rule() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    pipeline.send_text("traffic.events", &[CAMERA]);
    TRAFFIC.run(&pipeline, 200, &["--seed", "4"]);
    pipeline.await_read("traffic-events", 201);
    let sample = pipeline.sql(
        "SELECT city, latitude, longitude, flags FROM traffic_db.traffic_events
         WHERE event_id = 'b137c55c-d83f-4bc4-b9a7-23b77c144897'",
    );
    assert!(sample.starts_with("Lille\t48.8061\t2.318646\t"), "{sample}");
    assert!(sample.contains("CONTRADICTION:city_fits_coordinates"), "{sample}");
    let count = |condition: &str| {
        pipeline.count(&format!("SELECT COUNT(*) FROM traffic_db.traffic_events WHERE {condition}"))
    };
    let fires = "COALESCE(flags, '') LIKE '%CONTRADICTION:city_fits_coordinates%'";
    let elsewhere = count("city <> 'Paris'");
    assert!((130..190).contains(&elsewhere), "{elsewhere} of 201 are not in Paris");
    assert_eq!(count(fires), elsewhere);
    assert_eq!(count(&format!("city = 'Paris' AND {fires}")), 0);
}

/// With the accent, without, and with the accent as it is instead of escaped: one column. The sensor's clock shows the time of
/// Paris, and the validator is told so; an hour's difference would be flagged.
#[test]
fn a4_1_temperature_with_and_without_accent_is_one_column() {
    let pipeline = Pipeline::start();
    let _validator = pipeline.spawn(Service::Validator, &["--dialect-time-zone", "Europe/Paris"]);
    let _writer = pipeline.spawn(Service::Writer, &[]);
    let printed = METEO.run(&pipeline, 100, &["--seed", "1"]);
    assert!(printed.starts_with("Envoyé ! {'sensor_id': 1, 'température': "), "{printed}");
    METEO.run(&pipeline, 100, &["--seed", "2", "--field", "temperature"]);
    let sent = texts(&pipeline, "weather_data");
    assert_eq!(
        sent.iter().filter(|text| text.contains(r#""temp\u00e9rature": "#)).count(),
        100,
        "{}",
        sent[0]
    );
    pipeline.send_text("weather_data", &[&sent[0].replace(r"\u00e9", "é")]);

    pipeline.await_read("weather-readings", 201);
    let readings = objects(&pipeline, "weather_data");
    let temperature = |reading: &Json| {
        let temperature = reading.get("température").or(reading.get("temperature"));
        temperature.and_then(Json::as_f64).expect("a temperature")
    };
    let rows = readings.iter().map(|reading| format!("1\tParis\t{}\tmeteo\tNULL", temperature(reading)));
    let query = "SELECT sensor_id, city, temperature_c, dialect, flags FROM weather_db.readings";
    assert_rows(&pipeline, query, rows.collect());
    let warm = readings.iter().filter(|reading| temperature(reading) > 30.0).count() as u64;
    assert!(warm > 10, "{warm} warm readings");
    pipeline.await_read("warning-temperatures", 201);
    assert_eq!(pipeline.count("SELECT COUNT(*) FROM weather_db.warning_temperatures"), warm);
}

/// Text waits for the registry, which has to give its Avro an id; nothing is lost or refused meanwhile.
#[test]
fn text_waits_for_the_registry() {
    let pipeline = Pipeline::start();
    pipeline.stack.registry.stop();
    let validator = pipeline.spawn(Service::Validator, &[]);
    pipeline.send_text("traffic.events", &[ACCIDENT]);
    let waits = |line: &str| (line.contains("schema-registry") && line.contains("WARN")).then_some(());
    validator.wait_for_line(PATIENCE, waits).expect("it says that it waits");
    assert!(read_topic(&pipeline.kafka(), "traffic.events.dlq").is_empty());
    pipeline.stack.registry.start().expect("the registry starts");
    eventually("the text arrives", || {
        (read_topic(&pipeline.kafka(), "traffic.events.valid").len() == 1).then_some(())
    });
}

/// What a record claims of itself in our headers is dropped; what it carries in its own stays.
#[test]
fn marks_that_a_record_brings_are_dropped() {
    let pipeline = Pipeline::start();
    let _validator = pipeline.spawn(Service::Validator, &[]);
    let brought =
        [("turnpike.flags", "OUT_OF_RANGE:nothing"), ("origin", "test"), ("turnpike.dialect", "toll")];
    let headers = Headers::new().add_texts(brought);
    let record = Outgoing {
        topic: "traffic.events",
        partition: Some(3),
        key: Some(b"ACCIDENT"),
        value: Some(ACCIDENT.as_bytes()),
        timestamp_ms: Some(1_766_231_125_000),
        headers,
        receipt: None,
    };
    let producer = pipeline.kafka().producer("test", &[]).expect("a producer");
    producer.send(record).and_then(|()| producer.drain(PATIENCE)).expect("acknowledged");
    let valid =
        eventually("the record goes on", || read_topic(&pipeline.kafka(), "traffic.events.valid").pop());
    let headers: Vec<_> = valid.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("origin", "test"), ("turnpike.dialect", "traffic")]);
    let place = (valid.partition, valid.timestamp_ms, valid.key.as_slice());
    assert_eq!(place, (3, 1_766_231_125_000, &b"ACCIDENT"[..]));
}
