//! `turnpike trace` against a running system: one record of each fate, found by each of its names, and told truly.

use std::{
    borrow::Cow,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
};

use events::{TollPassage, WeatherReading};
use kafka::{Headers, Outgoing};
use serde_json::Value as Json;
use service::clock;
use system_tests::{PATIENCE, Pipeline, eventually};
use uuid::{Builder, Uuid};

const VEHICLE: Uuid = Uuid::from_u128(0x5a8a_62a8_65c4_5c33_92a7_3cb9_d9a1_a35e);
const TRACE: &str = "0bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
/// Nothing answers there.
const AWAY: &str = "http://127.0.0.1:1";
const DAY_MS: i64 = 86_400_000;
/// A line of the toll lab's generator, whose time is years ago.
const LINE: &[u8] = b"Fri Oct  2 19:26:20 2020,9820660,truck,4004";

/// Where the records of the passages stand, all in the same partition.
const GOOD: i64 = 0;
const FLAGGED: i64 = 1;
const REFUSED: i64 = 2;
const TWICE: i64 = 3;
const TEXT: i64 = 4;
const NOISE: i64 = 5;

fn passage(id: u128, now_ms: i64) -> TollPassage {
    let random = id.to_be_bytes();
    let random: [u8; 10] = random[6..].try_into().expect("ten bytes");
    TollPassage {
        event_id: Builder::from_unix_timestamp_millis(now_ms as u64, &random).into_uuid(),
        vehicle_id: VEHICLE,
        transponder_id: Some(20_001),
        vehicle_type: Cow::Borrowed("car"),
        toll_plaza_id: 4_004,
        lane: Some(2),
        amount_cents: Some(250),
        currency: Some(Cow::Borrowed("EUR")),
        occurred_at_ms: now_ms,
    }
}

fn framed(id: u32, passage: &TollPassage) -> Vec<u8> {
    let mut value = Vec::new();
    schema_registry::frame(id, &mut value);
    passage.encode(&mut value);
    value
}

/// Writes values to partition 0 of a topic, in this order; the first one with the context of a trace.
fn send(pipeline: &Pipeline, topic: &str, timestamp_ms: i64, values: &[Vec<u8>]) {
    let producer = pipeline.kafka().producer("test", &[]).expect("a producer");
    let (key, traceparent) = (VEHICLE.to_string(), format!("00-{TRACE}-{SPAN}-01"));
    for (index, value) in values.iter().enumerate() {
        let traced = || Headers::new().add("traceparent", Some(traceparent.as_bytes()));
        let record = Outgoing {
            topic,
            partition: Some(0),
            key: Some(key.as_bytes()),
            value: Some(value),
            timestamp_ms: Some(timestamp_ms),
            headers: if index == 0 { traced() } else { Headers::new() },
            receipt: None,
        };
        producer.send(record).expect("queued");
    }
    producer.drain(PATIENCE).expect("acknowledged");
}

/// One passage of each fate; gives the good one.
fn send_passages(pipeline: &Pipeline) -> TollPassage {
    let id = pipeline.register("toll-value", TollPassage::SCHEMA);
    let now_ms = clock::now_ms();
    let good = passage(1, now_ms);
    let flagged = TollPassage { occurred_at_ms: now_ms - 40 * DAY_MS, ..passage(2, now_ms) };
    let refused = TollPassage { lane: Some(99), ..passage(3, now_ms) };
    let passages = [&good, &flagged, &refused, &good].map(|passage| framed(id, passage));
    let values = [&passages[..], &[LINE.to_vec(), b"\xff\x1b[31m".to_vec()]].concat();
    send(pipeline, "toll", now_ms, &values);
    good
}

/// The passport as JSON, with Jaeger away.
fn told(pipeline: &Pipeline, args: &[&str]) -> Json {
    let args = [&["trace", "--json", "--jaeger-url", AWAY], args].concat();
    serde_json::from_str(&pipeline.turnpike_ok(&args)).expect("one JSON object")
}

fn of_place(pipeline: &Pipeline, topic: &str, offset: i64) -> Json {
    told(pipeline, &[&format!("{topic}/0/{offset}")])
}

/// `connector: state` of each connector.
fn states(passport: &Json) -> Vec<String> {
    let stored = passport["stored"].as_array().expect("a list");
    let state = |stored: &Json| {
        format!(
            "{}: {}",
            stored["connector"].as_str().unwrap_or("?"),
            stored["state"].as_str().unwrap_or("?")
        )
    };
    stored.iter().map(state).collect()
}

/// What a rule said, and the value of a field that it saw.
fn rule<'p>(passport: &'p Json, name: &str) -> &'p Json {
    let rules = passport["judged"]["rules"].as_array().expect("a list");
    rules.iter().find(|rule| rule["rule"] == name).expect("a rule of the contract")
}

fn started() -> (Pipeline, TollPassage) {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let good = send_passages(&pipeline);
    pipeline.settle(4, 3);
    // What is told must not depend on anybody's help.
    drop(consumers);
    (pipeline, good)
}

/// Each record is told by what became of it: stored, flagged, refused by a rule, refused by the store, read as text, not read at all.
#[test]
fn each_fate_is_told() {
    let (pipeline, good) = started();
    let event_id = good.event_id.to_string();

    let passport = of_place(&pipeline, "toll", GOOD);
    assert_eq!(
        (&passport["event_id"], &passport["judged"]["verdict"]),
        (&event_id.as_str().into(), &"valid".into())
    );
    assert_eq!(passport["record"]["schema"]["versions"][0]["subject"], "toll-value", "{passport}");
    assert_eq!(passport["record"]["schema"]["name"], "turnpike.TollPassage");
    assert_eq!(passport["forwarded"]["offset"], 0, "{passport}");
    assert_eq!(rule(&passport, "lane_in_range")["outcome"], "holds");
    assert_eq!(rule(&passport, "lane_in_range")["seen"]["lane"], 2);
    assert_eq!(states(&passport), ["toll-passages: stored", "live-toll-data: stored"]);
    let id = pipeline.sql(&format!("SELECT id FROM traffic_db.toll_passages WHERE event_id = '{event_id}'"));
    assert_eq!(passport["stored"][0]["rows"][0][0][1], id.as_str(), "{passport}");
    assert_eq!(passport["traces"][0]["url"], format!("{AWAY}/trace/{TRACE}"));

    let passport = of_place(&pipeline, "toll", FLAGGED);
    assert_eq!(passport["judged"]["flags"], "IMPLAUSIBLE_TIME:occurred_at_recent", "{passport}");
    assert_eq!(passport["forwarded"]["flags"], passport["judged"]["flags"]);
    assert_eq!(rule(&passport, "occurred_at_recent")["outcome"], "flags");
    assert_eq!(passport["is_sampled"], false);

    let passport = of_place(&pipeline, "toll", REFUSED);
    assert_eq!(
        (&passport["judged"]["reason"], &passport["forwarded"]),
        (&"OUT_OF_RANGE".into(), &Json::Null)
    );
    assert_eq!(rule(&passport, "lane_in_range")["seen"]["lane"], 99);
    let letter = &passport["dead_letters"][0];
    assert_eq!((&letter["rule"], &letter["of"]["offset"]), (&"lane_in_range".into(), &REFUSED.into()));
    assert_eq!(letter["page"], "docs/reasons/OUT_OF_RANGE.md");
    assert!(letter["row"]["id"].is_string() && letter["failed_at"].is_string(), "{letter}");

    let passport = of_place(&pipeline, "toll", TWICE);
    assert_eq!(passport["forwarded"]["offset"], 2, "the second of two that look alike: {passport}");
    assert_eq!(states(&passport), ["toll-passages: set_aside", "live-toll-data: stored"]);
    assert_eq!(passport["dead_letters"][0]["reason"], "DUPLICATE_KEY", "{passport}");
    assert_eq!(passport["dead_letters"][0]["transaction"], Json::Null);

    let passport = of_place(&pipeline, "toll", TEXT);
    assert_eq!(passport["record"]["dialect"], "ibm");
    assert_eq!(passport["record"]["value_text"], String::from_utf8_lossy(LINE).as_ref());
    assert_eq!(passport["forwarded"]["value"]["transponder_id"], 9_820_660, "{passport}");
    assert_eq!(states(&passport), ["toll-passages: stored", "live-toll-data: stored"]);

    let passport = of_place(&pipeline, "toll", NOISE);
    assert_eq!(
        (&passport["judged"]["reason"], &passport["judged"]["rules"]),
        (&"NOT_FRAMED".into(), &Json::Array(vec![]))
    );
    assert_eq!(passport["record"]["value_hex"], "ff1b5b33316d");
    let page = pipeline.turnpike_ok(&["trace", &format!("toll/0/{NOISE}")]);
    assert!(page.contains("what to do: docs/reasons/NOT_FRAMED.md") && !page.contains('\u{1b}'), "{page}");
}

/// The same passport by each name of its event: place, forwarded place, event, trace, vehicle, transponder, dead letter.
#[test]
fn each_name_leads_to_the_same_event() {
    let (pipeline, good) = started();
    let event_id = good.event_id.to_string();
    let first = of_place(&pipeline, "toll", GOOD);
    for args in
        [&["toll[0]@0"][..], &["toll.valid-0@0"], &[&event_id], &[TRACE], &[TRACE, "--from-beginning"]]
    {
        let passport = told(&pipeline, args);
        for part in ["event_id", "record", "judged", "forwarded", "stored", "dead_letters"] {
            assert_eq!(passport[part], first[part], "{args:?}");
        }
    }

    let vehicle = VEHICLE.to_string();
    let newest = told(&pipeline, &["20001"]);
    assert_eq!(newest["event_id"], first["event_id"], "the flagged passage is older: {newest}");
    assert_eq!(told(&pipeline, &[&vehicle])["event_id"], first["event_id"]);
    let both = pipeline.turnpike_ok(&["trace", "--json", "--vehicle", &vehicle, "--last", "9"]);
    assert_eq!(both.lines().count(), 2, "{both}");

    // A dead letter leads back to its record, also to that of a line, whose event has its id from the validator.
    let text = of_place(&pipeline, "toll", TEXT);
    let by_event = told(&pipeline, &[text["event_id"].as_str().expect("an id")]);
    assert_eq!(by_event["record"]["offset"], TEXT);
    for (offset, key) in [(REFUSED, "OUT_OF_RANGE"), (TWICE, "DUPLICATE_KEY")] {
        let letter = &of_place(&pipeline, "toll", offset)["dead_letters"][0];
        let back = of_place(&pipeline, "toll.dlq", letter["offset"].as_i64().expect("an offset"));
        assert_eq!(
            (&back["record"]["offset"], &back["dead_letters"][0]["reason"]),
            (&offset.into(), &key.into())
        );
    }
}

/// Nothing is found, a name is malformed, something is away: each in one line, with what can be done.
#[test]
fn what_cannot_be_told_is_said() {
    let (pipeline, good) = started();
    let refused = pipeline.turnpike(&["trace", "toll/x"]);
    assert!(refused.code == Some(2) && refused.text.contains("toll/2/41"), "{}", refused.text);
    for (id, part) in [
        ("0bf92f3577b34da6a3ce929d0e0e4737", "--from-beginning"),
        ("11111111-1111-4111-8111-111111111111", "--since"),
        ("999", "no passage of the vehicle"),
        ("toll/0/99", "is not written yet"),
        ("toll/9/0", "has no partition 9"),
        ("tol/0/0", "did you mean toll?"),
    ] {
        let missing = pipeline.turnpike(&["trace", id, "--jaeger-url", AWAY]);
        assert_eq!(missing.code, Some(1), "{id}: {}", missing.text);
        assert!(missing.text.contains(part) && missing.text.lines().count() == 1, "{id}: {}", missing.text);
    }

    // Kafka alone tells the rest; the connector's letter is found without the table's help.
    let away = ["--mariadb-url", "jdbc:mariadb://127.0.0.1:1"];
    let passport = told(&pipeline, &[&[&*format!("toll/0/{TWICE}")], &away[..]].concat());
    assert_eq!(passport["dead_letters"][0]["reason"], "DUPLICATE_KEY", "{passport}");
    assert_eq!(passport["stored"], Json::Array(vec![]));
    let notes = passport["notes"].to_string();
    assert!(notes.contains("rows and ledger are not known"), "{notes}");
    let event_id = good.event_id.to_string();
    assert_eq!(told(&pipeline, &[&[&*event_id], &away[..]].concat())["record"]["offset"], GOOD);
    let registry = ["--schema-registry-url", AWAY];
    let passport = told(&pipeline, &[&["toll/0/0"], &registry[..]].concat());
    assert!(passport["notes"].to_string().contains("not judged again"), "{passport}");
    assert_eq!(passport["forwarded"]["offset"], 0);

    // The validators are gone: what comes now waits.
    send(&pipeline, "toll", clock::now_ms(), &[LINE.to_vec()]);
    let waiting = of_place(&pipeline, "toll", NOISE + 1);
    assert!(waiting["notes"].to_string().contains("not judged yet"), "{waiting}");
}

/// A reading below the limit is left out by the alerts' filter, one above it is stored twice; an event not yet read is said to be so.
#[test]
fn a_filter_and_a_backlog_are_told_from_a_loss() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let id = pipeline.register("weather_data-value", WeatherReading::SCHEMA);
    let reading = |number: u128, temperature_c: f64| {
        let reading = WeatherReading {
            event_id: Uuid::from_u128(number),
            sensor_id: 7,
            city: Cow::Borrowed("Paris"),
            temperature_c,
            humidity_pct: None,
            wind_speed_mps: None,
            surface_temperature_c: None,
            observed_at_ms: clock::now_ms(),
        };
        let mut value = Vec::new();
        schema_registry::frame(id, &mut value);
        reading.encode(&mut value);
        value
    };
    send(&pipeline, "weather_data", clock::now_ms(), &[reading(1, 20.0), reading(2, 30.01)]);
    for connector in ["weather-readings", "warning-temperatures"] {
        pipeline.await_read(connector, 2);
    }
    let cold = of_place(&pipeline, "weather_data", 0);
    assert_eq!(states(&cold), ["weather-readings: stored", "warning-temperatures: left_out"], "{cold}");
    let warm = of_place(&pipeline, "weather_data", 1);
    assert_eq!(states(&warm), ["weather-readings: stored", "warning-temperatures: stored"], "{warm}");
    let transaction = &cold["forwarded"]["transaction"];
    assert!(transaction["is_whole"] == true && transaction["first"] == 0, "{transaction}");

    let [validator, writer] = consumers;
    drop(writer);
    send(&pipeline, "weather_data", clock::now_ms(), &[reading(3, 31.0)]);
    let backlog = eventually("it is judged", || {
        let passport = of_place(&pipeline, "weather_data", 2);
        (!passport["forwarded"].is_null()).then_some(passport)
    });
    drop(validator);
    assert_eq!(
        states(&backlog),
        ["weather-readings: not_read", "warning-temperatures: not_read"],
        "{backlog}"
    );
}

/// Jaeger's answer, recorded, with the places of this test's records.
const ANSWER: &str = include_str!("../../../services/turnpike/src/trace/jaeger_trace.json");

/// Where Jaeger answers, the spans of a sampled record are shown as a tree, and lead from a trace's id to the record.
#[test]
fn spans_are_shown_where_jaeger_has_them() {
    let (pipeline, _good) = started();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = ANSWER.replace(r#""value":"2""#, r#""value":"0""#).replace(r#""value":41"#, r#""value":0"#);
    thread::scope(|scope| {
        scope.spawn(|| serve(&listener, &answer));
        let args = ["trace", TRACE, "--jaeger-url", &url];
        let page = pipeline.turnpike_ok(&args);
        for part in [
            "toll-generator",
            "INSERT toll_passages",
            "acknowledged in toll.valid",
            &format!("{url}/trace/{TRACE}"),
        ] {
            assert!(page.contains(part), "`{part}` is not in\n{page}");
        }
        assert!(page.contains("toll[0]@0") && page.contains("✓ lane_in_range"), "{page}");
        let by_place = pipeline.turnpike_ok(&["trace", "toll/0/0", "--jaeger-url", &url]);
        assert_eq!(by_place, page);
        pipeline.turnpike(&["trace", "ffffffffffffffffffffffffffffffff", "--jaeger-url", &url]);
    });
}

/// Answers with the trace, and with 404 for others, until it is asked for the last one.
fn serve(listener: &TcpListener, answer: &str) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut line = String::new();
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        reader.read_line(&mut line).expect("a request");
        let mut header = line.clone();
        while !header.trim().is_empty() {
            header.clear();
            reader.read_line(&mut header).expect("a header");
        }
        let (status, body) =
            if line.contains(TRACE) { ("200 OK", answer) } else { ("404 Not Found", r#"{"data":null}"#) };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("answered");
        if line.contains("ffffffffffffffffffffffffffffffff") {
            return;
        }
    }
}
