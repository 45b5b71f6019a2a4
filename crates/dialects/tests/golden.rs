//! Records of the five pipelines, byte for byte as their programs wrote them, and the Avro that they become.
//!
//! `UPDATE_GOLDEN=1 cargo test -p dialects` writes the files of `golden/` anew.

use std::{fs, path::PathBuf};

use chrono_tz::Tz;
use dialects::{Dialect, Event, Origin};
use events::{Shape, TollPassage, TrafficEvent, Value, WeatherReading};

const ORIGIN: Origin<'_> = Origin { topic: "t", partition: 1, offset: 41, timestamp_ms: 1_790_969_180_000 };

/// The kafka-python generator of the IBM lab: ctime with its second blank, no key.
const IBM: &[u8] = b"Fri Oct  2 19:26:20 2026,9820660,truck,4004";
/// The confluent-kafka producer of the toll JSON, `json.dumps` of a dict.
const TOLL: &[u8] = br#"{"vehicle_id": "6fa459ea-ee8a-4ca4-894e-db77e160355e", "vehicle_type": "Motorcycle", "toll_plaza_id": "TP010", "timestamp": "1987-06-05T04:03:02.123456"}"#;
/// The traffic producer's three shapes.
const JAM: &[u8] = br#"{"event_id": "0b0c8cd5-3d52-4f8e-8a2f-0d40f3a2c001", "event_type": "TRAFFIC_JAM", "ts_utc": "2025-12-20T11:45:24.000001+00:00", "city": "Lyon", "road": "A7", "lat": 48.85, "lon": 2.3, "severity": "HIGH", "avg_speed_kmh": 12, "length_m": 3400}"#;
const ACCIDENT: &[u8] = br#"{"event_id": "0b0c8cd5-3d52-4f8e-8a2f-0d40f3a2c002", "event_type": "ACCIDENT", "ts_utc": "2025-12-20T11:45:24+00:00", "city": "Paris", "road": "Peripherique", "lat": 48.812345, "lon": 2.251, "severity": "MINOR", "lanes_blocked": 2, "injuries_reported": false}"#;
/// The sample that the pipeline's own text shows.
const CAMERA: &[u8] = br#"{"event_id": "b137c55c-d83f-4bc4-b9a7-23b77c144897", "event_type": "SPEED_CAMERA", "ts_utc": "2025-12-20T11:45:25.964046+00:00", "city": "Lille", "road": "A6", "lat": 48.8061, "lon": 2.318646, "speed_limit_kmh": 70, "direction": "N", "active": true}"#;
/// The weather simulator: `json.dumps` escapes the accent.
const METEO: &[u8] =
    br#"{"sensor_id": 1, "temp\u00e9rature": 22.85, "city": "Paris", "timestamp": "2025-12-10 14:43:52"}"#;

fn cases() -> [(&'static str, Dialect, &'static [u8]); 6] {
    [
        ("ibm", Dialect::Ibm, IBM),
        ("toll", Dialect::Toll, TOLL),
        ("traffic_jam", Dialect::Traffic, JAM),
        ("traffic_accident", Dialect::Traffic, ACCIDENT),
        ("traffic_camera", Dialect::Traffic, CAMERA),
        ("meteo", Dialect::Meteo, METEO),
    ]
}

fn avro(dialect: Dialect, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    dialect.read(value, &ORIGIN, Tz::Europe__Paris).expect("a good record").encode(&mut bytes);
    bytes
}

/// Each record is recognised, and becomes the same bytes for ever.
#[test]
#[expect(clippy::disallowed_methods, reason = "the one variable that rewrites golden files")]
fn records_become_the_same_bytes_for_ever() {
    for (name, dialect, value) in cases() {
        let schema = Shape::parse(dialect.schema()).expect("the schema compiles");
        assert_eq!(Dialect::recognise(schema.name(), value), Some(dialect), "{name}");
        let hex: Vec<String> = avro(dialect, value).iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<String> = hex.chunks(32).map(|line| line.join(" ")).collect();
        let lines = format!("{}\n", lines.join("\n"));
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.hex"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &lines).expect("written");
        }
        let golden = fs::read_to_string(&path).expect("a golden file");
        assert_eq!(lines, golden, "{name}: what {} must become", String::from_utf8_lossy(value));
    }
}

/// The bytes decode by the dialect's schema, and say what the text says.
#[test]
fn the_bytes_say_what_the_text_says() {
    let value_of = |dialect: Dialect, value: &[u8], field: &str| {
        let shape = Shape::parse(dialect.schema()).expect("the schema compiles");
        let (bytes, mut values) = (avro(dialect, value), Vec::new());
        shape.decode(&bytes, &mut values).expect("decodes");
        format!("{:?}", values[shape.index_of(field).expect("the field is there")])
    };
    let (text, int, null) = (|t| format!("{:?}", Value::String(t)), Value::Int, format!("{:?}", Value::Null));
    let long = |millis| format!("{:?}", Value::Long(millis));
    for (dialect, value, field, expected) in [
        (Dialect::Ibm, IBM, "transponder_id", format!("{:?}", int(9_820_660))),
        (Dialect::Ibm, IBM, "vehicle_type", text("truck")),
        (Dialect::Ibm, IBM, "toll_plaza_id", format!("{:?}", int(4004))),
        (Dialect::Ibm, IBM, "lane", null.clone()),
        (Dialect::Ibm, IBM, "occurred_at", long(1_790_961_980_000)),
        (Dialect::Toll, TOLL, "vehicle_id", text("6fa459ea-ee8a-4ca4-894e-db77e160355e")),
        (Dialect::Toll, TOLL, "vehicle_type", text("motorcycle")),
        (Dialect::Toll, TOLL, "toll_plaza_id", format!("{:?}", int(4009))),
        (Dialect::Toll, TOLL, "transponder_id", null.clone()),
        (Dialect::Toll, TOLL, "occurred_at", long(549_856_982_123)),
        (Dialect::Traffic, JAM, "avg_speed_kmh", format!("{:?}", int(12))),
        (Dialect::Traffic, JAM, "lanes_blocked", null.clone()),
        (Dialect::Traffic, ACCIDENT, "injuries_reported", format!("{:?}", Value::Boolean(false))),
        (Dialect::Traffic, CAMERA, "event_id", text("b137c55c-d83f-4bc4-b9a7-23b77c144897")),
        (Dialect::Traffic, CAMERA, "latitude", format!("{:?}", Value::Double(48.8061))),
        (Dialect::Traffic, CAMERA, "direction", text("N")),
        (Dialect::Traffic, CAMERA, "occurred_at", long(1_766_231_125_964)),
        (Dialect::Meteo, METEO, "temperature_c", format!("{:?}", Value::Double(22.85))),
        (Dialect::Meteo, METEO, "humidity_pct", null),
        (Dialect::Meteo, METEO, "observed_at", long(1_765_374_232_000)),
    ] {
        assert_eq!(value_of(dialect, value, field), expected, "{dialect}: {field}");
    }
}

/// What differs only in its spelling becomes the same event.
#[test]
fn spellings_of_one_record_are_one_event() {
    let line = |value: &[u8]| match Dialect::Ibm.read(value, &ORIGIN, Tz::UTC) {
        Ok(Event::Toll(passage)) => TollPassage { event_id: uuid::Uuid::nil(), ..passage },
        other => panic!("{other:?}"),
    };
    assert_eq!(line(IBM), line(&[IBM, b"\r\n"].concat()));

    let temperature = |field: &str, timestamp: &str| {
        let json =
            format!(r#"{{"timestamp": {timestamp}, "city": "Paris", "{field}": 22.85, "sensor_id": 1}}"#);
        match Dialect::Meteo.read(json.as_bytes(), &ORIGIN, Tz::Europe__Paris) {
            Ok(Event::Weather(reading)) => WeatherReading { event_id: uuid::Uuid::nil(), ..reading },
            other => panic!("{other:?}"),
        }
    };
    let local = r#""2025-12-10 14:43:52""#;
    let reading = temperature("temperature", local);
    for field in ["température", "tempe\u{301}rature", r"temp\u00e9rature"] {
        assert_eq!(temperature(field, local), reading, "{field}");
    }
    for timestamp in ["1765374232", "1765374232.0", r#""2025-12-10T13:43:52Z""#] {
        assert_eq!(temperature("temperature", timestamp), reading, "{timestamp}");
    }

    let camera = |json: &str| match Dialect::Traffic.read(json.as_bytes(), &ORIGIN, Tz::Europe__Paris) {
        Ok(Event::Traffic(event)) => event,
        other => panic!("{other:?}"),
    };
    let sample = std::str::from_utf8(CAMERA).expect("text");
    let expected: TrafficEvent = camera(sample);
    assert_eq!(camera(&sample.replace("+00:00", "")), expected, "ts_utc is UTC whatever the zone is");
    assert_eq!(camera(&sample.replace('{', r#"{"note": ["ignored"], "severity": null, "#)), expected);
}
