//! Text of the source pipelines in front of the shipped contracts: what goes on in which form, and what is refused why.

use std::{cell::RefCell, convert::Infallible, path::PathBuf, sync::Arc};

use chrono_tz::Tz;
use dead_letter::Reason;
use dialects::Dialect;
use events::{Shape, Value};
use schema_registry::SchemaId;
use serde_json::Value as Json;
use validator::{
    StreamPath,
    bench::{Bench, Raw, Schema, Schemas},
    stream::Stream,
    verdict::{Marks, Refusal, Verdict},
};

/// 2026-10-02 17:26:20 UTC, as the records' Kafka timestamp.
const NOW_MS: i64 = 1_790_961_980_000;
const SCHEMA_ID: u32 = 7;

const IBM: &str = "Fri Oct  2 19:26:20 2026,9820660,truck,4004";
const TOLL: &str = r#"{"vehicle_id": "6fa459ea-ee8a-4ca4-894e-db77e160355e", "vehicle_type": "Car", "toll_plaza_id": "TP010", "timestamp": "2026-10-02T19:26:19.5"}"#;
const METEO: &str =
    r#"{"sensor_id": 1, "temp\u00e9rature": 22.85, "city": "Paris", "timestamp": "2026-10-02 19:26:20"}"#;
const JAM: &str = r#"{"event_id": "0b0c8cd5-3d52-4f8e-8a2f-0d40f3a2c001", "event_type": "TRAFFIC_JAM", "ts_utc": "2026-10-02T17:26:20.000001+00:00", "city": "Paris", "road": "A6", "lat": 48.85, "lon": 2.3, "severity": "HIGH", "avg_speed_kmh": 12, "length_m": 3400}"#;
const ACCIDENT: &str = r#"{"event_id": "0b0c8cd5-3d52-4f8e-8a2f-0d40f3a2c002", "event_type": "ACCIDENT", "ts_utc": "2026-10-02T17:26:20+00:00", "city": "Paris", "road": "Peripherique", "lat": 48.812345, "lon": 2.251, "severity": "MINOR", "lanes_blocked": 2, "injuries_reported": false}"#;
/// The sample of the pipeline's own text, of today: it says Lille and stands in Paris.
const CAMERA: &str = r#"{"event_id": "b137c55c-d83f-4bc4-b9a7-23b77c144897", "event_type": "SPEED_CAMERA", "ts_utc": "2026-10-02T17:26:19.964046+00:00", "city": "Lille", "road": "A6", "lat": 48.8061, "lon": 2.318646, "speed_limit_kmh": 70, "direction": "N", "active": true}"#;

/// A registry that is empty at first, and numbers what is registered from [`SCHEMA_ID`].
#[derive(Default)]
struct Registry {
    registered: RefCell<Vec<(String, String)>>,
}

impl Schemas for Registry {
    type Outage = Infallible;

    fn find(&self, id: SchemaId) -> Result<Schema, Infallible> {
        let registered = self.registered.borrow();
        let SchemaId::Id(id) = id else { return Ok(Schema::Unknown) };
        let found = id.checked_sub(SCHEMA_ID).and_then(|index| registered.get(index as usize));
        Ok(match found {
            Some((_, schema)) => Schema::Known(Arc::new(Shape::parse(schema).expect("compiles"))),
            None => Schema::Unknown,
        })
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, Infallible> {
        let mut registered = self.registered.borrow_mut();
        registered.push((subject.to_owned(), schema.to_owned()));
        Ok(SCHEMA_ID + registered.len() as u32 - 1)
    }
}

/// One stream in front of its bench.
struct Court {
    stream: Stream,
    bench: Bench,
    registry: Registry,
}

impl Court {
    fn new(topic: &str, event: &str) -> Self {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas")).join(event);
        let stream = Stream::load(&StreamPath { topic: topic.to_owned(), path }).expect("the contract loads");
        Self { stream, bench: Bench::new(Tz::Europe__Paris), registry: Registry::default() }
    }

    fn toll() -> Self {
        Self::new("toll", "toll_passage")
    }

    fn traffic() -> Self {
        Self::new("traffic.events", "traffic_event")
    }

    fn weather() -> Self {
        Self::new("weather_data", "weather_reading")
    }

    fn verdict(&mut self, text: &str) -> Verdict {
        let raw = Raw { value: Some(text.as_bytes()), partition: 2, offset: 41, timestamp_ms: NOW_MS };
        let Ok(verdict) = self.bench.judge(&self.stream, raw, std::iter::empty(), &self.registry);
        verdict
    }

    fn marks(&mut self, text: &str) -> Marks {
        match self.verdict(text) {
            Verdict::Marked(marks) => *marks,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Flags of a record that goes on.
    fn flags(&mut self, text: &str) -> String {
        self.marks(text).flags.unwrap_or_default()
    }

    fn refusal(&mut self, text: &str) -> Refusal {
        match self.verdict(text) {
            Verdict::Refused(refusal) => *refusal,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Asserts the reason of a record in which one thing is changed, and that `named` stands in its message.
    fn assert_refused(&mut self, record: &str, changes: &[(&str, &str, Reason, &str)]) {
        for (from, to, reason, named) in changes {
            assert!(record.contains(from), "{from}");
            let text = record.replacen(from, to, 1);
            let refusal = self.refusal(&text);
            assert_eq!(refusal.reason, *reason, "{text}: {}", refusal.message);
            assert!(refusal.message.contains(named), "{text}: {}", refusal.message);
            assert_eq!(detail(&refusal)[0]["code"], reason.code());
            assert!(refusal.dialect.is_some());
        }
    }
}

/// Everything that was found.
fn detail(refusal: &Refusal) -> Json {
    refusal.detail.parse().expect("JSON")
}

/// Every shape of every pipeline goes on as framed Avro that decodes by the schema that was registered for it, once.
#[test]
fn text_goes_on_as_avro() {
    for (mut court, dialect, texts) in [
        (Court::toll(), Dialect::Ibm, &[IBM, "Fri Oct  2 19:26:20 2026,10000,car,4010\n"][..]),
        (Court::toll(), Dialect::Toll, &[TOLL]),
        (Court::traffic(), Dialect::Traffic, &[JAM, ACCIDENT, CAMERA]),
        (
            Court::weather(),
            Dialect::Meteo,
            &[METEO, &METEO.replace(r"\u00e9", "e"), &METEO.replace(r"\u00e9", "é")],
        ),
    ] {
        for text in texts {
            let normalised = court.marks(text).normalised.expect("it is another text than it was");
            assert_eq!(normalised.dialect, dialect);
            let (id, avro) =
                schema_registry::split(&normalised.value, std::iter::empty()).expect("it is framed");
            assert_eq!(id, SchemaId::Id(SCHEMA_ID));
            let (shape, mut values) = (Shape::parse(dialect.schema()).expect("compiles"), Vec::new());
            shape.decode(avro, &mut values).expect("it decodes");
            assert!(!values.contains(&Value::String("")), "{text}: {values:?}");
        }
        let registered = court.registry.registered.into_inner();
        assert_eq!(registered, [(court.stream.subject(), dialect.schema().to_owned())]);
    }
}

/// Five faults that the copies of the IBM lab's generator are known for, and five reasons.
#[test]
fn each_fault_of_a_line_has_its_own_reason() {
    let mut toll = Court::toll();
    toll.assert_refused(
        IBM,
        &[
            ("truck", "Car", Reason::WrongCase, "vehicle_type is \"Car\""),
            ("truck", "SUV", Reason::UnknownCategory, "vehicle_type is \"SUV\""),
            ("4004", "9999", Reason::OutOfRange, "toll_plaza_id is 9999"),
            ("4004", "4004,1", Reason::WrongFieldCount, "5 fields"),
            ("9820660", "", Reason::MissingField, "vehicle_id is missing"),
            ("Oct  2", "Oct 42", Reason::Unparsable, "timestamp is"),
            ("9820660", "9999", Reason::OutOfRange, "transponder_id is 9999"),
        ],
    );
    toll.assert_refused(
        TOLL,
        &[
            ("TP010", "TP999", Reason::OutOfRange, "toll_plaza_id is 4998"),
            ("TP010", "TP000", Reason::OutOfRange, "toll_plaza_id is 3999"),
            ("TP010", "10", Reason::Unparsable, "toll_plaza_id is \"10\""),
            ("\"Car\"", "\"CAR\"", Reason::WrongCase, "vehicle_type is \"CAR\""),
            (", \"timestamp\"", "", Reason::Unparsable, "JSON"),
        ],
    );
}

/// A field of the wrong kind of event is named.
#[test]
fn a_field_of_another_kind_is_refused() {
    let mut traffic = Court::traffic();
    traffic.assert_refused(JAM, &[("HIGH", "MAJOR", Reason::Contradiction, "severity")]);
    traffic.assert_refused(ACCIDENT, &[("MINOR", "LOW", Reason::Contradiction, "severity")]);
    let lanes = [("\"active\"", "\"lanes_blocked\": 1, \"active\"", Reason::Contradiction, "lanes_blocked")];
    traffic.assert_refused(CAMERA, &lanes);
}

/// The times that the toll JSON draws since 1970, and a city in the wrong place, are flagged and go on.
#[test]
fn oddities_of_the_sources_are_flagged() {
    assert_eq!(Court::toll().flags(TOLL), "");
    let old = TOLL.replace("2026", "1987");
    assert_eq!(Court::toll().flags(&old), "IMPLAUSIBLE_TIME:occurred_at_recent");
    assert_eq!(
        Court::traffic().flags(CAMERA),
        "CONTRADICTION:city_fits_coordinates,CONTRADICTION:city_fits_road"
    );
    assert_eq!(Court::traffic().flags(JAM), "");
    // Clocks of a zone east of the configured one are ahead of Kafka's: told, not refused.
    let ahead = IBM.replace("19:26", "22:26");
    assert_eq!(Court::toll().flags(&ahead), "IMPLAUSIBLE_TIME:occurred_at_not_ahead");
}

/// A refusal says which field of the source it was, and what stood there.
#[test]
fn a_refusal_names_the_field_and_what_was_seen() {
    let refusal = Court::weather().refusal(&METEO.replace("22.85", "\"warm\""));
    assert_eq!(
        (refusal.reason, refusal.dialect, &refusal.rule),
        (Reason::Unparsable, Some(Dialect::Meteo), &None)
    );
    assert_eq!(refusal.message, "température is \"warm\"; wanted is a number");
    assert_eq!(detail(&refusal)[0]["values"]["température"], "warm");
    let refusal = Court::toll().refusal("hello");
    assert_eq!(detail(&refusal)[0]["values"]["record"], "hello");
}

/// What is no text of a dialect is not framed, as ever: JSON that is no object, text where JSON is expected.
#[test]
fn other_bytes_are_not_framed() {
    for text in ["[1]", "hello", "\u{7}"] {
        let refusal = Court::traffic().refusal(text);
        assert_eq!((refusal.reason, refusal.dialect), (Reason::NotFramed, None));
    }
}
