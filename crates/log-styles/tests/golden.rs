//! Every style against golden lines, and those against what is known of the source pipelines' output.

use std::{borrow::Cow, fs, path::PathBuf};

use events::{Shape, TollPassage, TrafficEvent, Value, WeatherReading};
use log_styles::{Event, Line, Style};
use uuid::Uuid;

/// The lines that the pipelines are known to print, with their example's values where one is on record.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "toll",
        &[
            "Creating topic 'toll_data'...",
            "Topic 'toll_data' created successfully.",
            "Failed to create topic 'toll_data': KafkaError{code=TOPIC_ALREADY_EXISTS}",
            "Message delivered to toll [0] at offset 69",
            "Delivery failed for b'6fa459ea-ee8a-5ca4-894e-db77e160355e': Local: Message timed out",
            "Producer interrupted",
            "Inserted record for vehicle_id: 6fa459ea-ee8a-5ca4-894e-db77e160355e",
            "Error: 1062 (23000): Duplicate entry",
            "Consumer interrupted",
        ],
    ),
    (
        "toll-first",
        &[
            "Record b'6fa459ea-ee8a-5ca4-894e-db77e160355e' successfully produced to toll [0] at offset 69",
            "Producer interrupted",
        ],
    ),
    (
        "ibm",
        &[
            "A truck has passed by the toll plaza 4004 at Fri Oct  2 19:26:20 2026.",
            "Connecting to the database",
            "Connected to database",
            "Could not connect to database. Please check credentials",
            "Connecting to Kafka",
            "Connected to Kafka",
            "Reading messages from the topic toll",
            "A car was inserted into the database",
        ],
    ),
    (
        "traffic",
        &[
            "Producing to topic: traffic.events (Ctrl+C to stop)",
            "[SENT] {'event_id': 'b137c55c-d83f-4bc4-b9a7-23b77c144897', 'event_type': 'SPEED_CAMERA', \
             'ts_utc': '2025-12-20T11:45:25.964000+00:00', 'city': 'Lille', 'road': 'A6', 'lat': 48.8061, \
             'lon': 2.318646, 'speed_limit_kmh': 70, 'direction': 'N', 'active': True}",
            "[DELIVERED] topic=traffic.events partition=0 offset=41",
            "[DELIVERY ERROR] Local: Message timed out",
            "Stopping producer...",
            "Consuming from topic: traffic.events (Ctrl+C to stop)",
            "[RECEIVED] key=SPEED_CAMERA partition=0 offset=41 event={'event_id': \
             'b137c55c-d83f-4bc4-b9a7-23b77c144897', 'event_type': 'SPEED_CAMERA', \
             'ts_utc': '2025-12-20T11:45:25.964000+00:00', 'city': 'Lille', 'road': 'A6', 'lat': 48.8061, \
             'lon': 2.318646, 'speed_limit_kmh': 70, 'direction': 'N', 'active': True}",
            "Stopping consumer...",
        ],
    ),
    (
        "meteo",
        &[
            "Kafka broker non disponible, nouvelle tentative dans 5 secondes...",
            "démarrage du simulateur de capteurs...",
            "Envoyé ! {'sensor_id': 1, 'température': 22.85, 'city': 'Paris', 'timestamp': '2025-12-10 14:43:52'}",
            "Arrêt du producteur",
            "Erreur de connexion à la base de données : Connection refused. Nouvelle tentative dans 5 sec...",
            "Connexion à la base de données réussie.",
            "En attente des données...",
            "ALERTE : Température élevée (31.55°C)! ",
            "Alerte enregistrée dans la base de données.",
            "Température normale : 24.82°C",
            "Arrêt...",
        ],
    ),
    (
        "meteo-emoji",
        &["✅ Message Sent", "⚠️ ALERTE : Température élevée (31.55°C)! ", "⚠️ Alert Saved", "Arrêt..."],
    ),
];

fn passage(vehicle_type: &'static str) -> Vec<u8> {
    let mut bytes = Vec::new();
    TollPassage {
        event_id: Uuid::from_u128(0x0190_4a5c_7e00_7abc_8def_0123_4567_89ab),
        vehicle_id: Uuid::from_u128(0x6fa4_59ea_ee8a_5ca4_894e_db77_e160_355e),
        transponder_id: Some(9_820_660),
        vehicle_type: Cow::Borrowed(vehicle_type),
        toll_plaza_id: 4004,
        lane: None,
        amount_cents: None,
        currency: None,
        occurred_at_ms: 1_790_969_180_000,
    }
    .encode(&mut bytes);
    bytes
}

/// A camera, a jam and an accident; the camera is the example of the traffic pipeline's description.
fn traffic() -> [Vec<u8>; 3] {
    let text = |text| Some(Cow::Borrowed(text));
    let camera = TrafficEvent {
        event_id: Uuid::from_u128(0xb137_c55c_d83f_4bc4_b9a7_23b7_7c14_4897),
        event_type: Cow::Borrowed("SPEED_CAMERA"),
        city: Cow::Borrowed("Lille"),
        road: Cow::Borrowed("A6"),
        latitude: 48.8061,
        longitude: 2.318_646,
        occurred_at_ms: 1_766_231_125_964,
        severity: None,
        avg_speed_kmh: None,
        length_m: None,
        lanes_blocked: None,
        injuries_reported: None,
        speed_limit_kmh: Some(70),
        direction: text("N"),
        active: Some(true),
    };
    let unlimited = TrafficEvent { speed_limit_kmh: None, direction: None, active: None, ..camera.clone() };
    let jam = TrafficEvent {
        event_type: Cow::Borrowed("TRAFFIC_JAM"),
        latitude: 49.0,
        occurred_at_ms: 1_766_231_126_000,
        severity: text("HIGH"),
        avg_speed_kmh: Some(12),
        length_m: Some(3_400),
        ..unlimited.clone()
    };
    let accident = TrafficEvent {
        event_type: Cow::Borrowed("ACCIDENT"),
        severity: text("MINOR"),
        lanes_blocked: Some(2),
        injuries_reported: Some(false),
        ..unlimited
    };
    [camera, jam, accident].map(|event| {
        let mut bytes = Vec::new();
        event.encode(&mut bytes);
        bytes
    })
}

fn reading(temperature_c: f64) -> Vec<u8> {
    let mut bytes = Vec::new();
    WeatherReading {
        event_id: Uuid::from_u128(0x0190_4a5c_7e00_7abc_8def_0123_4567_89ad),
        sensor_id: 1,
        city: Cow::Borrowed("Paris"),
        temperature_c,
        humidity_pct: Some(61.5),
        wind_speed_mps: None,
        surface_temperature_c: None,
        observed_at_ms: 1_765_377_832_128,
    }
    .encode(&mut bytes);
    bytes
}

/// What surrounds the events of a run: everything that can happen, once.
fn happenings() -> Vec<Line<'static>> {
    let key = Some(b"6fa459ea-ee8a-5ca4-894e-db77e160355e".as_slice());
    let error = "Local: Message timed out";
    vec![
        Line::TopicCreating { topic: "toll_data" },
        Line::TopicCreated { topic: "toll_data" },
        Line::TopicFailed { topic: "toll_data", error: "KafkaError{code=TOPIC_ALREADY_EXISTS}" },
        Line::WaitingForKafka,
        Line::ProducerStarting { topic: "traffic.events" },
        Line::Delivered { topic: "toll", partition: 0, offset: 69, key },
        Line::Delivered { topic: "traffic.events", partition: 0, offset: 41, key: None },
        Line::DeliveryFailed { key, error },
        Line::ProducerStopping,
        Line::DatabaseConnecting,
        Line::WaitingForDatabase { error: "Connection refused" },
        Line::DatabaseRefused,
        Line::DatabaseConnected,
        Line::KafkaConnecting,
        Line::KafkaConnected,
        Line::Reading { topic: "toll" },
        Line::Reading { topic: "traffic.events" },
        Line::InsertFailed { error: "1062 (23000): Duplicate entry" },
        Line::ConsumerStopping,
    ]
}

/// Everything that a style prints about each of our events, and about everything else that can happen.
fn printed(style: Style) -> String {
    let mut lines: Vec<String> = happenings().iter().filter_map(|line| style.line(line)).collect();
    let readings = [22.85, 24.82, 30.0, 30.01, 31.0, 31.55].map(reading);
    let records = [
        (TollPassage::SCHEMA, vec![passage("truck"), passage("car")]),
        (TrafficEvent::SCHEMA, traffic().to_vec()),
        (WeatherReading::SCHEMA, readings.to_vec()),
    ];
    for (schema, records) in &records {
        let shape = Shape::parse(schema).expect("our own schemas parse");
        for record in records {
            let mut values = Vec::new();
            shape.decode(record, &mut values).expect("our own records decode");
            let event = Event::new(&shape, &values);
            let key = match shape.index_of("event_type").map(|index| values[index]) {
                Some(Value::String(key)) => Some(key.as_bytes()),
                _ => None,
            };
            let about = [
                Line::Sent { event },
                Line::Received { key, partition: 0, offset: 41, event },
                Line::Inserted { event },
            ];
            lines.extend(about.iter().filter_map(|line| style.line(line)));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What each style prints, to the byte; `UPDATE_GOLDEN=1` writes it down.
#[test]
#[expect(clippy::disallowed_methods, reason = "UPDATE_GOLDEN is a switch of the test, not a setting")]
fn styles_print_their_golden_lines() {
    for style in Style::ALL {
        let name = style.name();
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "tests", "golden", &format!("{name}.txt")].iter().collect();
        let actual = printed(style);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &actual).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == actual,
            "{name} has changed; if that is meant, run the test with UPDATE_GOLDEN=1:\n{actual}"
        );
    }
}

/// No line that a pipeline is known to print is missing.
#[test]
fn every_known_line_is_printed() {
    for (name, known) in KNOWN {
        let style = Style::ALL.into_iter().find(|style| style.name() == *name).unwrap();
        let printed = printed(style);
        for line in *known {
            assert!(
                printed.lines().any(|printed| printed == *line),
                "{name} does not print {line:?}:\n{printed}"
            );
        }
    }
}

/// A style is silent about the events of other pipelines, even where it has a line of that kind.
#[test]
fn foreign_events_are_passed_over() {
    let shape = Shape::parse(WeatherReading::SCHEMA).unwrap();
    let (bytes, mut values) = (reading(31.0), Vec::new());
    shape.decode(&bytes, &mut values).unwrap();
    let event = Event::new(&shape, &values);
    let about = [
        Line::Sent { event },
        Line::Received { key: None, partition: 0, offset: 0, event },
        Line::Inserted { event },
    ];
    for style in [Style::Ibm, Style::Toll, Style::TollFirst, Style::Traffic] {
        assert!(about.iter().all(|line| style.line(line).is_none()), "{style:?}");
    }
}

/// An event of a kind that the traffic pipeline does not know has the fields that all kinds share.
#[test]
fn an_unknown_kind_of_traffic_is_printed_without_its_own_fields() {
    let shape = Shape::parse(TrafficEvent::SCHEMA).unwrap();
    let bytes = traffic()[0].clone();
    let mut values = Vec::new();
    shape.decode(&bytes, &mut values).unwrap();
    values[shape.index_of("event_type").unwrap()] = Value::String("FLOOD");
    let line = Style::Traffic.line(&Line::Sent { event: Event::new(&shape, &values) }).unwrap();
    assert!(line.contains("'event_type': 'FLOOD'") && line.ends_with("'lon': 2.318646}"), "{line}");
}
