//! Records of every stream and dialect whose way through the system is known: stored, flagged, refused by the validator, or
//! rejected by the database. Half of them come with a `traceparent`.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use events::{TollPassage, TrafficEvent, WeatherReading};
use kafka::{Headers, Outgoing};
use service::clock;
use uuid::Uuid;

use crate::{PATIENCE, Pipeline};

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is stored, with nothing to remark.
    Stored,
    /// It is stored, and a rule remarks on it.
    Flagged,
    /// The validator sets it aside.
    Refused,
    /// The database takes no row of it.
    Rejected,
}

/// A topic and its kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Passages.
    Toll,
    /// Jams, accidents and cameras.
    Traffic,
    /// Readings.
    Weather,
}

/// A record to be sent.
#[derive(Debug, Clone)]
pub struct Case {
    /// Where to.
    pub stream: Stream,
    /// The source pipeline that writes so; `None` if it is Avro.
    pub dialect: Option<&'static str>,
    /// What becomes of it.
    pub fate: Fate,
    /// Its key.
    pub key: String,
    /// The context that it comes with.
    pub traceparent: Option<String>,
    /// Its value, which no other case has.
    pub value: Vec<u8>,
}

/// All fates.
const FATES: [Fate; 4] = [Fate::Stored, Fate::Flagged, Fate::Refused, Fate::Rejected];

/// How the sources write: a stream, and the dialect if it is text.
const SOURCES: [(Stream, Option<&str>); 7] = [
    (Stream::Toll, None),
    (Stream::Toll, Some("ibm")),
    (Stream::Toll, Some("toll")),
    (Stream::Traffic, None),
    (Stream::Traffic, Some("traffic")),
    (Stream::Weather, None),
    (Stream::Weather, Some("meteo")),
];

/// What comes with each context.
pub(crate) const TRACESTATE: &str = "vendor=of:its-own";

/// Rows that the tables take no longer.
const CONSTRAINTS: [(&str, &str); 3] = [
    ("traffic_db.toll_passages", "toll_plaza_id <> 4004"),
    ("traffic_db.traffic_events", "road <> 'N118'"),
    ("weather_db.readings", "sensor_id <> 13"),
];

impl Stream {
    /// The raw topic.
    pub fn topic(self) -> &'static str {
        match self {
            Self::Toll => "toll",
            Self::Traffic => "traffic.events",
            Self::Weather => "weather_data",
        }
    }

    /// The connectors that read its good records, sorted, each with its table. The database rejects by the one named
    /// [`Self::keyed`] alone.
    pub fn connectors(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Toll => &[("live-toll-data", "livetolldata"), ("toll-passages", "toll_passages")],
            Self::Traffic => &[("traffic-events", "traffic_events")],
            Self::Weather => {
                &[("warning-temperatures", "warning_temperatures"), ("weather-readings", "readings")]
            }
        }
    }

    /// The connector whose table has a key and a constraint.
    pub fn keyed(self) -> &'static str {
        match self {
            Self::Toll => "toll-passages",
            Self::Traffic => "traffic-events",
            Self::Weather => "weather-readings",
        }
    }
}

impl Case {
    /// Whether somebody follows it.
    pub fn is_traced(&self) -> bool {
        self.traceparent.is_some() || self.dialect.is_some()
    }
}

impl Pipeline {
    /// Makes the tables reject the cases that are to be rejected.
    pub fn close_tables(&self) {
        for (table, condition) in CONSTRAINTS {
            self.sql(&format!("ALTER TABLE {table} ADD CONSTRAINT closed CHECK ({condition})"));
        }
    }

    /// Every way of writing with every fate, with and without a context; all are sent.
    pub fn send_cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (stream, dialect) in SOURCES {
            for fate in FATES {
                for is_traced in [true, false] {
                    let number = cases.len() as u32 + 1;
                    let traceparent =
                        is_traced.then(|| format!("00-{:032x}-{number:016x}-01", 0xace_0000 + number));
                    let value = match dialect {
                        None => self.avro(stream, fate, number),
                        Some(dialect) => text(dialect, fate, number).into_bytes(),
                    };
                    cases.push(Case { stream, dialect, fate, key: "case".to_owned(), traceparent, value });
                }
            }
        }
        self.send_these(&cases);
        cases
    }

    /// Sends cases, and waits until they are acknowledged.
    pub fn send_these(&self, cases: &[Case]) {
        let producer = self.kafka().producer("cases", &[]).expect("a producer");
        for case in cases {
            let headers = Headers::new().add("origin", Some(b"case"));
            let headers = match case.traceparent.as_deref() {
                Some(traceparent) => headers
                    .add(telemetry::TRACEPARENT, Some(traceparent.as_bytes()))
                    .add(telemetry::TRACESTATE, Some(TRACESTATE.as_bytes())),
                None => headers,
            };
            let record = Outgoing {
                topic: case.stream.topic(),
                partition: None,
                key: Some(case.key.as_bytes()),
                value: Some(&case.value),
                timestamp_ms: None,
                headers,
                receipt: None,
            };
            producer.send(record).expect("queued");
        }
        producer.drain(PATIENCE).expect("acknowledged");
    }

    fn avro(&self, stream: Stream, fate: Fate, number: u32) -> Vec<u8> {
        let schema = match stream {
            Stream::Toll => TollPassage::SCHEMA,
            Stream::Traffic => TrafficEvent::SCHEMA,
            Stream::Weather => WeatherReading::SCHEMA,
        };
        let mut value = Vec::new();
        schema_registry::frame(self.register(&format!("{}-value", stream.topic()), schema), &mut value);
        match stream {
            Stream::Toll => passage(fate, number).encode(&mut value),
            Stream::Traffic => camera(fate, number).encode(&mut value),
            Stream::Weather => reading(fate, number).encode(&mut value),
        }
        value
    }
}

/// Waits until every connector has read what the cases come to.
pub fn await_cases(pipeline: &Pipeline, cases: &[Case]) {
    let count = |of: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| of(case)).count() as u64;
    for stream in [Stream::Toll, Stream::Traffic, Stream::Weather] {
        for (connector, _) in stream.connectors() {
            let goes_on = |case: &Case| case.stream == stream && case.fate != Fate::Refused;
            pipeline.await_read(connector, count(&goes_on));
        }
    }
    pipeline.await_read("dead-letters", count(&|case| matches!(case.fate, Fate::Refused | Fate::Rejected)));
}

/// The time of a case: now, or so long ago that it is flagged.
fn time(is_old: bool) -> DateTime<Utc> {
    let now = DateTime::from_timestamp_millis(clock::now_ms()).expect("a time of this century");
    if is_old { now - TimeDelta::days(90) } else { now }
}

fn plaza(fate: Fate) -> i32 {
    match fate {
        Fate::Stored | Fate::Flagged => 4_000,
        Fate::Refused => 4_099,
        Fate::Rejected => 4_004,
    }
}

fn passage(fate: Fate, number: u32) -> TollPassage {
    TollPassage {
        event_id: Uuid::from_u128(number.into()),
        vehicle_id: Uuid::from_u128(number.into()),
        transponder_id: None,
        vehicle_type: Cow::Borrowed("car"),
        toll_plaza_id: plaza(fate),
        lane: Some(1),
        amount_cents: None,
        currency: None,
        occurred_at_ms: time(fate == Fate::Flagged).timestamp_millis(),
    }
}

fn camera(fate: Fate, number: u32) -> TrafficEvent {
    TrafficEvent {
        event_id: Uuid::from_u128(number.into()),
        event_type: Cow::Borrowed("SPEED_CAMERA"),
        city: Cow::Borrowed(if fate == Fate::Flagged { "Toulouse" } else { "Paris" }),
        road: Cow::Borrowed(if fate == Fate::Rejected { "N118" } else { "A6" }),
        latitude: 48.85,
        longitude: 2.35,
        occurred_at_ms: time(false).timestamp_millis(),
        severity: None,
        avg_speed_kmh: None,
        length_m: None,
        lanes_blocked: (fate == Fate::Refused).then_some(1),
        injuries_reported: None,
        speed_limit_kmh: Some(70),
        direction: Some(Cow::Borrowed("N")),
        active: Some(true),
    }
}

fn reading(fate: Fate, number: u32) -> WeatherReading {
    WeatherReading {
        event_id: Uuid::from_u128(number.into()),
        sensor_id: if fate == Fate::Rejected { 13 } else { 1 },
        city: Cow::Borrowed(if fate == Fate::Flagged { "Atlantis" } else { "Paris" }),
        temperature_c: temperature(fate, number),
        humidity_pct: None,
        wind_speed_mps: None,
        surface_temperature_c: None,
        observed_at_ms: time(false).timestamp_millis(),
    }
}

/// A temperature that no other case has. Those that are flagged are alerts as well.
fn temperature(fate: Fate, number: u32) -> f64 {
    let degrees = match fate {
        Fate::Stored | Fate::Rejected => 20,
        Fate::Flagged => 35,
        Fate::Refused => 90,
    };
    f64::from(degrees) + f64::from(number) / 1_000.0
}

fn text(dialect: &str, fate: Fate, number: u32) -> String {
    let time = time(fate == Fate::Flagged);
    let id = Uuid::from_u128(number.into());
    match dialect {
        "ibm" => {
            format!("{},{},car,{}", time.format("%a %b %e %H:%M:%S %Y"), 10_000 + number, plaza(fate))
        }
        "toll" => {
            let (plaza, time) = (format!("TP{:03}", plaza(fate) - 3_999), time.format("%Y-%m-%dT%H:%M:%S"));
            format!(
                r#"{{"vehicle_id": "{id}", "vehicle_type": "Car", "toll_plaza_id": "{plaza}", "timestamp": "{time}"}}"#
            )
        }
        "traffic" => {
            let camera = camera(fate, number);
            let lanes = camera
                .lanes_blocked
                .map_or_else(String::new, |lanes| format!(r#""lanes_blocked": {lanes}, "#));
            let (city, road, time) =
                (camera.city, camera.road, self::time(false).format("%Y-%m-%dT%H:%M:%S+00:00"));
            format!(
                r#"{{"event_id": "{id}", "event_type": "SPEED_CAMERA", "ts_utc": "{time}", "city": "{city}", "road": "{road}", "lat": 48.85, "lon": 2.35, {lanes}"speed_limit_kmh": 70, "direction": "N", "active": true}}"#
            )
        }
        "meteo" => {
            let reading = reading(fate, number);
            let (sensor, city, temperature) = (reading.sensor_id, reading.city, reading.temperature_c);
            let time = self::time(false).format("%Y-%m-%d %H:%M:%S");
            format!(
                r#"{{"sensor_id": {sensor}, "temp\u00e9rature": {temperature}, "city": "{city}", "timestamp": "{time}"}}"#
            )
        }
        other => panic!("nobody writes {other}"),
    }
}
