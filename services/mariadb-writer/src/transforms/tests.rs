//! Transforms as documents name them, worked out for the schemas of our events. What they do to records: `tests/it/transforms.rs`.

use std::path::Path;

use events::{Kind, Logical, Shape, Value, WeatherReading};

use super::{Misfit, Origin, Outcome, Step, Transforms};
use crate::{document::parse, settings::Settings};

const REPLACE: &str = "org.apache.kafka.connect.transforms.ReplaceField$Value";
const INSERT: &str = "org.apache.kafka.connect.transforms.InsertField$Value";
const HEADERS: &str = "io.debezium.transforms.HeaderToValue";

/// Keys of a document with their values.
type Keys<'k> = &'k [(&'k str, &'k str)];

/// Transforms of a document with these keys; those of a transform are written without `transforms.`.
fn transforms(keys: Keys<'_>) -> Result<Transforms, String> {
    let mut config = serde_json::Map::new();
    for (key, value) in keys {
        let is_whole = ["transforms", "fields.whitelist"].contains(key);
        let key = if is_whole { (*key).to_owned() } else { format!("transforms.{key}") };
        config.insert(key, (*value).into());
    }
    let text = serde_json::json!({ "name": "c", "config": config }).to_string();
    let document = parse(Path::new("c.json"), &text).expect("a document");
    Transforms::new(&Settings::new(&document)).map_err(|error| error.to_string())
}

fn of_readings(keys: Keys<'_>) -> Result<Outcome, Misfit> {
    let shape = Shape::parse(WeatherReading::SCHEMA).expect("compiles");
    transforms(keys).expect("valid").of_schema(&shape)
}

fn columns(outcome: &Outcome) -> Vec<&str> {
    outcome.columns().map(|(_, column)| column).collect()
}

/// Without transforms all fields are written under their own names, and a record costs nothing more.
#[test]
fn nothing_is_done_where_nothing_is_asked() {
    let outcome = of_readings(&[]).expect("fits");
    let shape = Shape::parse(WeatherReading::SCHEMA).expect("compiles");
    assert_eq!(outcome.fields(), shape.fields());
    assert_eq!(outcome.columns().count(), shape.fields().len());
    assert!(outcome.steps.is_empty());
}

/// Names change step by step: what one transform has renamed, the next knows by its new name alone.
#[test]
fn transforms_follow_each_other() {
    let outcome = of_readings(&[
        ("transforms", "names, times, fewer"),
        ("names.type", REPLACE),
        ("names.include", "sensor_id, temperature_c, city"),
        ("names.renames", "temperature_c:temperature, city:town"),
        ("times.type", INSERT),
        ("times.timestamp.field", "stored_at!"),
        ("times.static.field", "source?"),
        ("times.static.value", "roadside"),
        ("fewer.type", REPLACE),
        ("fewer.exclude", "town, temperature_c"),
        ("fewer.renames", "source:origin"),
    ]);
    let outcome = outcome.expect("fits");
    assert_eq!(columns(&outcome), ["sensor_id", "temperature", "stored_at", "origin"]);
    let added = &outcome.fields()[outcome.fields().len() - 2..];
    assert_eq!((added[0].kind, added[0].logical), (Kind::Long, Some(Logical::TimestampMillis)));
    assert_eq!((added[1].kind, added[1].logical), (Kind::String, None));
    let origins: Vec<&Origin> = outcome
        .steps
        .iter()
        .map(|step| match step {
            Step::Add(origin) => origin,
            Step::Filter(_) => panic!("no filter was asked for"),
        })
        .collect();
    assert_eq!(origins, [&Origin::Timestamp, &Origin::Static("roadside".to_owned())]);
}

/// The list of columns comes after all transforms, so it names what they have added and renamed.
#[test]
fn the_list_of_columns_comes_last() {
    let outcome = of_readings(&[
        ("transforms", "marks"),
        ("marks.type", HEADERS),
        ("marks.headers", "turnpike.flags,turnpike.dialect"),
        ("marks.fields", "flags,dialect"),
        ("marks.operation", "move"),
        ("fields.whitelist", "sensor_id,dialect,flags"),
    ]);
    assert_eq!(columns(&outcome.expect("fits")), ["sensor_id", "flags", "dialect"]);
}

/// A filter reads the fields as they are called where it stands; 30.00 does not pass 30.0, 30.01 does, and what has no
/// answer does not either.
#[test]
fn filters_pass_what_is_true() {
    let shape = Shape::parse(WeatherReading::SCHEMA).expect("compiles");
    let place = |name: &str| shape.index_of(name).expect("a field");
    let passes = |condition: &str, temperature: f64, surface: Value<'_>| {
        let outcome = of_readings(&[
            ("transforms", "names,warm"),
            ("names.type", REPLACE),
            ("names.renames", "temperature_c:temperature"),
            ("warm.type", "io.debezium.transforms.Filter"),
            ("warm.language", "cel"),
            ("warm.condition", condition),
        ]);
        let mut values = vec![Value::Null; shape.fields().len()];
        values[place("temperature_c")] = Value::Double(temperature);
        values[place("surface_temperature_c")] = surface;
        match &outcome.expect("fits").steps[..] {
            [Step::Filter(filter)] => filter.matches(&values, 0) == Ok(true),
            steps => panic!("{steps:?}"),
        }
    };
    let warm = "message.temperature > 30.0";
    for (temperature, expected) in [(29.99, false), (30.0, false), (30.01, true), (f64::NAN, false)] {
        assert_eq!(passes(warm, temperature, Value::Null), expected, "{temperature}");
    }
    let frost = "message.surface_temperature_c <= 0.0";
    assert!(passes(frost, 1.0, Value::Double(-0.5)));
    assert!(!passes(frost, 1.0, Value::Null));
}

/// What only the schema can tell: a condition over fields that are not there (any more), and a field that is there already.
#[test]
fn misfits_are_told_with_key_and_guess() {
    let filter = |more: Keys<'_>| {
        let mut keys = vec![
            ("transforms", "names,warm"),
            ("names.type", REPLACE),
            ("names.renames", "temperature_c:temperature"),
            ("warm.type", "turnpike.Filter"),
        ];
        keys.extend(more);
        of_readings(&keys).expect_err("a misfit")
    };
    let misspelt = filter(&[("warm.condition", "message.sensor_id > 0 && message.temprature > 30.0")]);
    assert_eq!(misspelt.key, "transforms.warm.condition");
    for part in ["column 33", "has no field `temprature`", "did you mean `temperature`?"] {
        assert!(misspelt.allowed.contains(part), "{part}: {}", misspelt.allowed);
    }
    let renamed = filter(&[("warm.condition", "message.temperature_c > 30.0")]);
    assert!(renamed.allowed.contains("has no field `temperature_c`"), "{}", renamed.allowed);
    let text = filter(&[("warm.condition", "message.city > 30.0")]);
    assert!(text.allowed.contains("cannot be compared"), "{}", text.allowed);
    let taken = of_readings(&[("transforms", "a"), ("a.type", INSERT), ("a.topic.field", "city")]);
    let taken = taken.expect_err("a misfit");
    assert_eq!((taken.key.as_str(), taken.value.as_str()), ("transforms.a", "city"));
}

/// What a document gets wrong is refused at the start, by key and with what is allowed.
#[test]
fn wrong_transforms_are_refused_by_key() {
    let cases: &[(Keys<'_>, &[&str])] = &[
        (&[("a.type", "org.example.Mask")], &["transforms.a.type", "turnpike.Filter", "ReplaceField$Value"]),
        (
            &[("a.type", "org.apache.kafka.connect.transforms.InsertField$Key")],
            &["transforms.a.type", "InsertField$Value"],
        ),
        (&[], &["transforms.a.type", "(not set)"]),
        (&[("a.type", REPLACE), ("a.renames", "old")], &["transforms.a.renames", "old:new"]),
        (&[("a.type", REPLACE), ("a.renames", "old:")], &["transforms.a.renames", "old:new"]),
        (&[("a.type", REPLACE), ("a.predicate", "p")], &["transforms.a.predicate", "turnpike.Filter"]),
        (&[("a.type", INSERT)], &["transforms.a.static.field", "timestamp.field"]),
        (&[("a.type", INSERT), ("a.static.field", "f")], &["transforms.a.static.value"]),
        (&[("a.type", HEADERS), ("a.fields", "f"), ("a.operation", "copy")], &["transforms.a.headers"]),
        (
            &[("a.type", HEADERS), ("a.headers", "h,i"), ("a.fields", "f"), ("a.operation", "copy")],
            &["transforms.a.fields", "2 names"],
        ),
        (
            &[("a.type", HEADERS), ("a.headers", "h"), ("a.fields", "f"), ("a.operation", "cut")],
            &["transforms.a.operation", "copy, move"],
        ),
        (
            &[("a.type", HEADERS), ("a.headers", "h"), ("a.fields", "f")],
            &["transforms.a.operation", "(not set)"],
        ),
        (&[("a.type", "turnpike.Filter")], &["transforms.a.condition", "(not set)"]),
        (
            &[("a.type", "turnpike.Filter"), ("a.condition", "message.temperature_c >")],
            &["transforms.a.condition", "column "],
        ),
        (
            &[("a.type", "turnpike.Filter"), ("a.condition", "true"), ("a.language", "jsr223.groovy")],
            &["transforms.a.language", "cel"],
        ),
        (
            &[("a.type", "turnpike.Filter"), ("a.condition", "true"), ("a.topic.regex", "x")],
            &["transforms.a.topic.regex"],
        ),
        (&[("transforms", "a,a"), ("a.type", REPLACE)], &["c.json: transforms ", "differ"]),
    ];
    for (keys, expected) in cases {
        let keys = [&[("transforms", "a")], *keys].concat();
        let message = transforms(&keys).expect_err(&format!("{keys:?}"));
        for part in *expected {
            assert!(message.contains(part), "{keys:?}: no {part:?} in {message}");
        }
    }
}
