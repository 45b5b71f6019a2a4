//! Transforms and the connectors that ship: what reaches which column, what is left out, and that the ledger counts all of it.

use std::path::{Path, PathBuf};

use events::{TrafficEvent, WeatherReading};
use kafka::Headers;
use local_stack::Signal;
use serde_json::Value as Json;

use crate::{
    proxy::Proxy,
    support::{LIMIT, Scene, passage, wait_until},
};

/// Lets half of the passages through.
const LOW_LANES: [(&str, &str); 3] = [
    ("transforms", "low"),
    ("transforms.low.type", "turnpike.Filter"),
    ("transforms.low.condition", "message.lane <= 6"),
];

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/connectors").join(format!("{name}.json"))
}

/// A shipped document for a scene: under its name, with its topics and its table, if it has one.
fn borrowed(scene: &Scene, name: &str, table: Option<&str>) -> Json {
    let text = std::fs::read_to_string(shipped(name)).unwrap();
    let mut document: Json = serde_json::from_str(&text).unwrap();
    document["name"] = scene.name.as_str().into();
    document["config"]["topics"] = scene.topic.as_str().into();
    document["config"]["errors.deadletterqueue.topic.name"] = scene.dead_letters.as_str().into();
    if let Some(table) = table {
        document["config"]["table.name.format"] = table.into();
    }
    document
}

fn reading(sensor_id: i32, temperature_c: f64) -> WeatherReading {
    WeatherReading {
        event_id: uuid::Uuid::from_u128(sensor_id as u128),
        sensor_id,
        city: "Paris".into(),
        temperature_c,
        humidity_pct: Some(40.5),
        wind_speed_mps: None,
        surface_temperature_c: None,
        observed_at_ms: 1_790_969_180_123,
    }
}

fn low_lanes(scene: &Scene, more: &[(&str, &str)]) -> Json {
    scene.document(&[&LOW_LANES, more].concat())
}

/// Waits until everything is read, and asserts that the low lanes of it are stored, once and in order, and the others counted.
fn assert_low_lanes(scene: &Scene, writer: &local_stack::Process, count: u64) {
    wait_until(writer, &format!("{count} read"), || scene.ledger().0 >= count as i64);
    let low: Vec<u64> = (0..count).filter(|number| number % 12 < 6).collect();
    let stored = scene.stored_numbers();
    for partition in 0..4 {
        let of_partition = |numbers: &[u64]| -> Vec<u64> {
            numbers.iter().copied().filter(|number| number % 4 == partition).collect()
        };
        assert!(of_partition(&stored) == of_partition(&low), "partition {partition}");
    }
    let low = low.len() as i64;
    assert_eq!((scene.ledger(), scene.skipped()), ((count as i64, low, 0), count as i64 - low));
}

/// The shipped connectors of the weather: 30.00 gives no alert, 30.01 gives one, every reading is kept, and the ledger adds up.
#[test]
fn alerts_are_filtered_and_readings_kept() {
    let scene = Scene::new("weather");
    let _shared = scene.world.shared();
    let schema = scene.world.register("weather_data.valid-value", WeatherReading::SCHEMA);
    let temperatures = [12.5, 29.99, 30.0, 30.01, 31.55, -99.0];
    let values = temperatures.iter().zip(1..).map(|(temperature, sensor_id)| {
        let mut value = Vec::new();
        schema_registry::frame(schema, &mut value);
        reading(sensor_id, *temperature).encode(&mut value);
        (sensor_id % 4, value)
    });
    scene.send(&scene.topic, values.chain([(0, b"{}".to_vec())]));

    let alerts = scene.writer(&borrowed(&scene, "warning-temperatures", None), &[]);
    wait_until(&alerts, "all records read", || scene.ledger().0 == 7);
    assert_eq!((scene.ledger(), scene.skipped()), ((7, 2, 1), 4));
    let rows =
        "SELECT sensor_id, temperature, timestamp FROM weather_db.warning_temperatures ORDER BY sensor_id";
    assert_eq!(scene.world.sql(rows), "4\t30.01\t2026-10-02 19:26:20\n5\t31.55\t2026-10-02 19:26:20\n");
    alerts.kill(Signal::TERM);
    assert_eq!(alerts.wait(LIMIT).unwrap().code(), Some(0));

    let mut all = borrowed(&scene, "weather-readings", None);
    all["name"] = format!("{}-all", scene.name).into();
    let all = scene.writer(&all, &[]);
    let count = "SELECT COUNT(*) FROM weather_db.readings";
    wait_until(&all, "all readings", || scene.world.number(count) == 6);
    let row = scene.world.sql("SELECT * FROM weather_db.readings WHERE sensor_id = 4");
    let values: Vec<&str> = row.trim().split('\t').skip(1).collect();
    let expected = [
        "00000000-0000-0000-0000-000000000004",
        "4",
        "Paris",
        "30.01",
        "40.5",
        "NULL",
        "NULL",
        "2026-10-02 19:26:20.123",
    ];
    assert_eq!(values, [&expected[..], &["NULL", "NULL"]].concat());
}

/// The shipped connector of the traffic: each kind of event has its own columns, the others are NULL.
#[test]
fn traffic_events_are_stored() {
    let scene = Scene::new("traffic");
    let _shared = scene.world.shared();
    let schema = scene.world.register("traffic.events.valid-value", TrafficEvent::SCHEMA);
    let camera = TrafficEvent {
        event_id: uuid::Uuid::from_u128(1),
        event_type: "SPEED_CAMERA".into(),
        city: "Lille".into(),
        road: "A6".into(),
        latitude: 48.8061,
        longitude: 2.318_646,
        occurred_at_ms: 1_790_969_180_123,
        severity: None,
        avg_speed_kmh: None,
        length_m: None,
        lanes_blocked: None,
        injuries_reported: None,
        speed_limit_kmh: Some(70),
        direction: Some("N".into()),
        active: Some(true),
    };
    let jam = TrafficEvent {
        event_id: uuid::Uuid::from_u128(2),
        event_type: "TRAFFIC_JAM".into(),
        severity: Some("HIGH".into()),
        avg_speed_kmh: Some(8),
        length_m: Some(1_200),
        speed_limit_kmh: None,
        direction: None,
        active: None,
        ..camera.clone()
    };
    let flags = Headers::new().add("turnpike.flags", Some(b"CONTRADICTION:city_fits_coordinates"));
    let values = [(camera, flags.add("turnpike.dialect", Some(b"traffic"))), (jam, Headers::new())];
    let values = values.into_iter().map(|(event, headers)| {
        let mut value = Vec::new();
        schema_registry::frame(schema, &mut value);
        event.encode(&mut value);
        (0, value, headers)
    });
    scene.send_with(&scene.topic, values);
    let writer = scene.writer(&borrowed(&scene, "traffic-events", None), &[]);
    wait_until(&writer, "both stored", || scene.ledger() == (2, 2, 0));
    let rows = scene.world.sql("SELECT * FROM traffic_db.traffic_events ORDER BY id");
    let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split('\t').skip(2).collect()).collect();
    let place = ["Lille", "A6", "48.8061", "2.318646", "2026-10-02 19:26:20.123"];
    let camera = [
        "NULL",
        "NULL",
        "NULL",
        "NULL",
        "NULL",
        "70",
        "N",
        "1",
        "CONTRADICTION:city_fits_coordinates",
        "traffic",
    ];
    let jam = ["HIGH", "8", "1200", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"];
    assert_eq!(rows[0], [&["SPEED_CAMERA"], &place[..], &camera].concat());
    assert_eq!(rows[1], [&["TRAFFIC_JAM"], &place[..], &jam].concat());
}

/// The shipped connector of the tolls: marks go to their columns, what a source does not know is NULL, and a mark that is no
/// text sets its record aside.
#[test]
fn marks_and_gaps_reach_their_columns() {
    let scene = Scene::new("marks");
    let _shared = scene.world.shared();
    let table = format!("traffic_db.{}", scene.table);
    let mut bare = passage(1);
    (bare.transponder_id, bare.lane, bare.amount_cents, bare.currency) = (None, None, None, None);
    let flags = "IMPLAUSIBLE_TIME:occurred_at_recent,CONTRADICTION:city_fits_coordinates";
    let twice = Headers::new().add("turnpike.dialect", Some(b"ibm")).add("turnpike.dialect", Some(b"toll"));
    let values = [
        (passage(0), Headers::new().add("turnpike.flags", Some(flags.as_bytes()))),
        (bare, twice),
        (passage(2), Headers::new().add("turnpike.flags", None)),
        (passage(3), Headers::new().add("turnpike.flags", Some(b"\xff"))),
    ];
    scene.send_with(
        &scene.topic,
        values.into_iter().map(|(passage, marks)| (0, scene.value(&passage), marks)),
    );
    let writer = scene.writer(&borrowed(&scene, "toll-passages", Some(&table)), &[]);
    wait_until(&writer, "all records read", || scene.ledger() == (4, 3, 1));
    let rows = scene.world.sql(&format!(
        "SELECT transponder_id, lane, amount, currency, flags, dialect FROM {table} ORDER BY event_id"
    ));
    let expected = format!(
        "10000\t1\t2.50\tEUR\t{flags}\tNULL\nNULL\tNULL\tNULL\tNULL\tNULL\ttoll\n10002\t3\t2.52\tEUR\tNULL\tNULL\n"
    );
    assert_eq!(rows, expected);
    let letters = scene.dead_letters(1);
    let [(_, value, headers)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(*value, scene.value(&passage(3)));
    assert_eq!(headers["turnpike.reason"], "TYPE_MISMATCH");
    assert_eq!(headers["__connect.errors.stage"], "TRANSFORMATION");
}

/// InsertField fills columns from the record's coordinates and timestamp, and from the document.
#[test]
fn inserted_fields_are_stored() {
    let scene = Scene::new("inserted");
    let _shared = scene.world.shared();
    let table = format!("traffic_db.{}", scene.table);
    scene.world.sql(&format!(
        "ALTER TABLE {table} ADD COLUMN t VARCHAR(99), ADD COLUMN p INT, ADD COLUMN o BIGINT, ADD COLUMN at DATETIME(3)"
    ));
    scene.send_passages(0..8);
    let writer = scene.writer(
        &scene.document(&[
            ("transforms", "coordinates"),
            ("transforms.coordinates.type", "org.apache.kafka.connect.transforms.InsertField$Value"),
            ("transforms.coordinates.topic.field", "t"),
            ("transforms.coordinates.partition.field", "p"),
            ("transforms.coordinates.offset.field", "o!"),
            ("transforms.coordinates.timestamp.field", "at"),
            ("transforms.coordinates.static.field", "dialect"),
            ("transforms.coordinates.static.value", "by hand"),
        ]),
        &[],
    );
    scene.wait_for_rows(&writer, 8);
    let row =
        scene.world.sql(&format!("SELECT t, p, o, at, dialect FROM {table} WHERE transponder_id = 10006"));
    assert_eq!(row, format!("{}\t2\t1\t2026-10-02 19:26:20.000\tby hand\n", scene.topic));
}

/// Rows that the database refuses, among rows that a filter leaves out: each record is counted once, as one or the other.
#[test]
fn filters_and_culprits_are_told_apart() {
    let scene = Scene::new("sieve");
    let _shared = scene.world.shared();
    let mut values: Vec<Vec<u8>> = (0..1_000).map(|number| scene.value(&passage(number))).collect();
    for number in [100, 101, 108, 600] {
        let mut long = passage(number);
        long.vehicle_type = "a vehicle with too many letters".into();
        values[number as usize] = scene.value(&long);
    }
    values[301] = scene.value(&passage(5));
    values[700] = b"{}".to_vec();
    scene.send(&scene.topic, values.into_iter().map(|value| (2, value)));
    let writer = scene.writer(&low_lanes(&scene, &[]), &[]);
    wait_until(&writer, "all records read", || scene.ledger().0 == 1_000);
    // 101 is in lane 6, 108 and 600 in lane 1; 100 is in lane 5; 301 is a second 5, in lane 6; 700 has no lane to look at.
    let culprits = [100, 101, 108, 600, 301, 700];
    let expected: Vec<u64> =
        (0..1_000).filter(|number| number % 12 < 6 && !culprits.contains(number)).collect();
    assert_eq!(scene.stored_numbers(), expected);
    let stored = expected.len() as i64;
    assert_eq!((scene.ledger(), scene.skipped()), ((1_000, stored, 6), 1_000 - stored - 6));
    assert_eq!(scene.dead_letters(6).len(), 6);
}

/// A batch of which a filter leaves nothing still moves the ledger.
#[test]
fn a_batch_of_nothing_moves_the_ledger() {
    let scene = Scene::new("nothing");
    let _shared = scene.world.shared();
    scene.send_passages(0..100);
    let writer = scene.writer(&low_lanes(&scene, &[("transforms.low.condition", "message.lane > 12")]), &[]);
    wait_until(&writer, "all records read", || scene.ledger().0 == 100);
    assert_eq!((scene.ledger(), scene.skipped(), scene.rows()), ((100, 0, 0), 100, 0));
}

/// What is left out is counted once though the answer to a COMMIT is lost.
#[test]
fn skipped_records_are_counted_once() {
    for reaches_server in [true, false] {
        let scene = Scene::new("skips-lost");
        let _shared = scene.world.shared();
        scene.send_passages(0..4_000);
        let proxy = Proxy::start(scene.world.stack.mariadb.port(), reaches_server);
        let url = format!("jdbc:mariadb://127.0.0.1:{}/", proxy.port());
        let writer =
            scene.writer(&low_lanes(&scene, &[("connection.url", &url), ("batch.size", "500")]), &[]);
        assert_low_lanes(&scene, &writer, 4_000);
        assert!(proxy.lost() >= 2, "{} answers were lost", proxy.lost());
    }
}

/// What is left out is counted once though partitions change hands in mid-stream.
#[test]
fn skipped_records_are_counted_by_one_writer() {
    let scene = Scene::new("skips-shared");
    let _shared = scene.world.shared();
    let short = [("batch.size", "50"), ("consumer.override.session.timeout.ms", "6000")];
    let document = low_lanes(&scene, &short);
    scene.send_passages(0..20_000);
    let first = scene.writer(&document, &[]);
    wait_until(&first, "progress", || scene.ledger().0 > 1_000);
    first.kill(Signal::STOP);
    let second = scene.writer(&document, &[]);
    let before = scene.ledger().0;
    wait_until(&second, "the second to go on", || scene.ledger().0 > before + 1_000);
    first.kill(Signal::CONT);
    assert_low_lanes(&scene, &second, 20_000);
}

/// A condition that is wrong in itself is refused before anything runs, one that does not fit the records when they come.
#[test]
fn wrong_conditions_end_the_writer() {
    let scene = Scene::new("condition");
    let _shared = scene.world.shared();
    scene.send_passages(0..10);
    for (condition, expected) in [
        ("message.lane <=", &["transforms.low.condition", "column "][..]),
        (
            "message.lame <= 6",
            &["transforms.low.condition", "no field `lame`", "did you mean `lane`?", "column 8"],
        ),
        ("message.vehicle_type <= 6", &["transforms.low.condition", "cannot be compared", "schema"]),
    ] {
        let writer = scene.writer(&low_lanes(&scene, &[("transforms.low.condition", condition)]), &[]);
        let status = writer.wait(LIMIT).unwrap();
        let output = writer.output().unwrap();
        assert_eq!(status.code(), Some(2), "{condition}:\n{output}");
        let line = output.lines().last().unwrap_or_default();
        for part in expected {
            assert!(line.contains(part), "{condition}: no {part:?} in {line}");
        }
    }
    assert_eq!((scene.rows(), scene.ledger()), (0, (0, 0, 0)));
}
