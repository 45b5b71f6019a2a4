//! What cannot be read, and what is said of it; and that no bytes at all make the readers panic.

use chrono_tz::Tz;
use dialects::{Dialect, Event, Origin};
use proptest::prelude::*;

const ORIGIN: Origin<'_> = Origin { topic: "t", partition: 0, offset: 0, timestamp_ms: 0 };

/// What is said of a record: `REASON field: message`.
fn told(dialect: Dialect, value: &[u8]) -> String {
    let shown = String::from_utf8_lossy(value);
    let fault = dialect.read(value, &ORIGIN, Tz::UTC).expect_err(&shown);
    format!("{} {}: {}", fault.reason, fault.field.unwrap_or("-"), fault.message)
}

/// Asserts what is said of a good record in which one thing is changed.
fn assert_told(dialect: Dialect, record: &str, changes: &[(&str, &str, &str)]) {
    for (from, to, expected) in changes {
        assert!(record.contains(from), "{from}");
        assert_eq!(told(dialect, record.replacen(from, to, 1).as_bytes()), *expected);
    }
}

/// Every fault of a line says which field, and what stood there.
#[test]
fn faults_of_a_line_name_the_field() {
    const COUNT: &str = "it needs 4: timestamp, vehicle_id, vehicle_type, toll_plaza_id";
    const DATE: &str = "wanted is a date such as `Fri Oct  2 19:26:20 2026`";
    const NO_DATE: &str = "UNPARSABLE timestamp: timestamp is \"Fri Oct 42 19:26:20 2026\"";
    let line = "Fri Oct  2 19:26:20 2026,9820660,truck,4004";
    assert_told(
        Dialect::Ibm,
        line,
        &[
            ("4004", "4004,3", &format!("WRONG_FIELD_COUNT -: the line has 5 fields; {COUNT}")),
            (line, "hello", &format!("WRONG_FIELD_COUNT -: the line has 1 field; {COUNT}")),
            ("9820660", "", "MISSING_FIELD vehicle_id: vehicle_id is missing"),
            ("4004", "\r\n", "MISSING_FIELD toll_plaza_id: toll_plaza_id is missing"),
            ("9820660", "98x", r#"UNPARSABLE vehicle_id: vehicle_id is "98x"; wanted is a whole number"#),
            (
                "9820660",
                "N/A",
                r#"SENTINEL vehicle_id: vehicle_id is "N/A", which stands for a missing value"#,
            ),
            (
                "4004",
                "4e10",
                r#"UNPARSABLE toll_plaza_id: toll_plaza_id is "4e10"; wanted is a whole number"#,
            ),
            (
                "4004",
                "4004004004",
                r#"OUT_OF_RANGE toll_plaza_id: toll_plaza_id is "4004004004", more than 32 bits hold"#,
            ),
            ("Oct  2", "Oct 42", &format!("{NO_DATE}; {DATE}")),
        ],
    );
    let broken = [b"Fri Oct  2 19:26:20 2026,9820660,tr\xff".as_slice(), &[b'x'; 2_000]].concat();
    assert_eq!(told(Dialect::Ibm, &broken), "UNPARSABLE -: the text is not UTF-8 behind byte 35");
}

/// Every fault of a toll record says which field, and what stood there.
#[test]
fn faults_of_toll_json_name_the_field() {
    const PLAZA: &str = "wanted is a plaza such as TP005";
    const TIME: &str = "wanted is a time such as 2026-10-02T19:26:20";
    assert_told(
        Dialect::Toll,
        r#"{"vehicle_id": "6fa459ea-ee8a-4ca4-894e-db77e160355e", "vehicle_type": "Car", "toll_plaza_id": "TP001", "timestamp": "2001-05-03T12:34:56"}"#,
        &[
            ("\"TP001\"", "\"P1\"", &format!(r#"UNPARSABLE toll_plaza_id: toll_plaza_id is "P1"; {PLAZA}"#)),
            ("\"TP001\"", "4004", &format!("UNPARSABLE toll_plaza_id: toll_plaza_id is 4004; {PLAZA}")),
            ("TP001", "TP+01", &format!(r#"UNPARSABLE toll_plaza_id: toll_plaza_id is "TP+01"; {PLAZA}"#)),
            (
                "6fa459ea-ee8a-4ca4-",
                "",
                r#"UNPARSABLE vehicle_id: vehicle_id is "894e-db77e160355e"; wanted is a UUID"#,
            ),
            ("\"Car\"", "null", "MISSING_FIELD vehicle_type: vehicle_type is missing"),
            ("\"Car\"", "\"\"", "MISSING_FIELD vehicle_type: vehicle_type is missing"),
            (
                "05-03",
                "13-03",
                &format!(r#"UNPARSABLE timestamp: timestamp is "2001-13-03T12:34:56"; {TIME}"#),
            ),
        ],
    );
}

/// Every fault of a traffic record says which field, and what stood there.
#[test]
fn faults_of_traffic_json_name_the_field() {
    assert_told(
        Dialect::Traffic,
        r#"{"event_id": "b137c55c-d83f-4bc4-b9a7-23b77c144897", "event_type": "SPEED_CAMERA", "ts_utc": "2025-12-20T11:45:25+00:00", "city": "Lille", "road": "A6", "lat": 48.8061, "lon": 2.318646, "speed_limit_kmh": 70, "active": true}"#,
        &[
            ("\"lat\"", "\"latitude\"", "MISSING_FIELD lat: lat is missing"),
            ("48.8061", "\"48.8061\"", r#"UNPARSABLE lat: lat is "48.8061"; wanted is a number"#),
            (
                "70",
                "\"70\"",
                r#"UNPARSABLE speed_limit_kmh: speed_limit_kmh is "70"; wanted is a whole number"#,
            ),
            ("70", "70.5", "UNPARSABLE speed_limit_kmh: speed_limit_kmh is 70.5; wanted is a whole number"),
            (
                "70",
                "7000000000",
                "OUT_OF_RANGE speed_limit_kmh: speed_limit_kmh is 7000000000, more than 32 bits hold",
            ),
            ("true", "\"true\"", r#"UNPARSABLE active: active is "true"; wanted is true or false"#),
            ("\"Lille\"", "[\"Lille\"]", r#"UNPARSABLE city: city is "[\"Lille\"]"; wanted is a text"#),
        ],
    );
}

/// Every fault of a weather record says which field, and what stood there.
#[test]
fn faults_of_weather_json_name_the_field() {
    const TIME: &str = "wanted is a time such as 2026-10-02T19:26:20";
    assert_told(
        Dialect::Meteo,
        r#"{"sensor_id": 1, "temp\u00e9rature": 22.85, "city": "Paris", "timestamp": "2025-12-10 14:43:52"}"#,
        &[
            (
                "22.85",
                "\"mq\"",
                r#"SENTINEL température: température is "mq", which stands for a missing value"#,
            ),
            ("22.85", "[22.85]", r#"UNPARSABLE température: température is "[22.85]"; wanted is a number"#),
            (r"temp\u00e9rature", "t", "MISSING_FIELD température: température is missing"),
            (", \"city\": \"Paris\"", "", "MISSING_FIELD city: city is missing"),
            (
                "\"2025-12-10 14:43:52\"",
                "1e12",
                &format!("UNPARSABLE timestamp: timestamp is 1000000000000.0; {TIME}"),
            ),
        ],
    );
}

/// A record that is no JSON says where it breaks; nesting without end is cut short.
#[test]
fn broken_json_says_where_it_breaks() {
    let begins = "UNPARSABLE -: the value begins as a JSON object and is none: ";
    let deep = format!("{{\"a\":{}", "[".repeat(1 << 20));
    for (value, why) in [
        ("{\"sensor_id\": 1,", "EOF while parsing a value at line 1 column 16"),
        ("{\"sensor_id\": NaN}", "expected value at line 1 column 15"),
        ("{} {}", "trailing characters at line 1 column 4"),
        (&deep, "recursion limit exceeded at line 1 column 132"),
    ] {
        assert_eq!(told(Dialect::Meteo, value.as_bytes()), format!("{begins}{why}"));
    }
}

/// What can be read is not judged: capitals and ranges are left as they stand, for the contract to see.
#[test]
fn nothing_is_corrected_beyond_the_dialect() {
    let line = |line: &[u8]| match Dialect::Ibm.read(line, &ORIGIN, Tz::UTC) {
        Ok(Event::Toll(passage)) => (passage.vehicle_type.into_owned(), passage.toll_plaza_id),
        other => panic!("{other:?}"),
    };
    assert_eq!(line(b"Fri Oct  2 19:26:20 2026,9820660,Car,9999"), ("Car".to_owned(), 9999));
    assert_eq!(line(b"Fri Oct  2 19:26:20 2026,1, SUV,-1"), (" SUV".to_owned(), -1));
    let json = |vehicle_type: &str, plaza: &str| {
        let json = format!(
            r#"{{"vehicle_id": "6fa459ea-ee8a-4ca4-894e-db77e160355e", "vehicle_type": "{vehicle_type}", "toll_plaza_id": "{plaza}", "timestamp": "2001-05-03T12:34:56"}}"#
        );
        match Dialect::Toll.read(json.as_bytes(), &ORIGIN, Tz::UTC) {
            Ok(Event::Toll(passage)) => (passage.vehicle_type.into_owned(), passage.toll_plaza_id),
            other => panic!("{other:?}"),
        }
    };
    for (theirs, ours) in [("Car", "car"), ("Bus", "bus"), ("CAR", "CAR"), ("car", "car"), ("SUV", "SUV")] {
        assert_eq!(json(theirs, "TP001"), (ours.to_owned(), 4000));
    }
    assert_eq!([json("Car", "TP000").1, json("Car", "TP010").1, json("Car", "TP999").1], [3999, 4009, 4998]);
}

/// Text that looks like a record: fields and marks of the dialects in any order.
fn almost_a_record() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            ",",
            ":",
            "\"",
            "\\u00e9",
            "null",
            "true",
            "-1e309",
            "99999999999999999999",
            "Fri Oct  2 19:26:20 2026",
            "2025-12-10 14:43:52",
            "262143-12-31T23:59:59",
            "-262143-01-01T00:00:00",
            "\"sensor_id\":1,",
            "\"température\":22.85,",
            "\"city\":\"Paris\",",
            "\"timestamp\":",
            "TP001",
            "+23:59",
        ])
        .prop_map(|part| part.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Values of every JSON type where a time, a number or a text is wanted.
fn any_json() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|int| int.to_string()),
        any::<f64>()
            .prop_filter("JSON has no other floats", |float| float.is_finite())
            .prop_map(|float| float.to_string()),
        "[-+0-9TZ: .]{0,30}".prop_map(|text| format!("{text:?}")),
        Just("[{}]".to_owned()),
    ]
}

proptest! {
    /// No bytes make a reader panic, and those of no record are refused with a reason and a bounded message.
    #[test]
    fn no_bytes_panic(value in almost_a_record()) {
        for dialect in Dialect::ALL {
            for zone in [Tz::UTC, Tz::Europe__Paris, Tz::Pacific__Apia] {
                if let Err(fault) = dialect.read(&value, &ORIGIN, zone) {
                    prop_assert!(fault.message.len() < 1_000);
                }
            }
        }
    }

    /// No value of any field makes a reader panic.
    #[test]
    fn no_field_panics(time in any_json(), number in any_json(), id in any_json(), year in any::<i32>()) {
        let json = format!(r#"{{"sensor_id": {id}, "temperature": {number}, "city": "Paris", "timestamp": {time}}}"#);
        let _ = Dialect::Meteo.read(json.as_bytes(), &ORIGIN, Tz::Pacific__Apia);
        let line = format!("Fri Oct  2 19:26:20 {year},{id},truck,{number}");
        let _ = Dialect::Ibm.read(line.as_bytes(), &ORIGIN, Tz::America__New_York);
    }
}
