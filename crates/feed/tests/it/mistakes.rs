//! Mapping files that are wrong: each is refused with the place, what stands there and what may.

use feed::Mapping;

const GOOD: &str = r#"{
  "name": "stations",
  "stream": "weather",
  "format": { "type": "csv", "delimiter": ";" },
  "source": { "url": "https://example.org/a.csv", "interval_seconds": 60 },
  "missing": ["mq"],
  "identity": ["id", "date"],
  "skip_if": { "state": ["off"] },
  "fields": {
    "sensor_id": { "from": "id" },
    "city": { "from": "id", "map": { "7149": "Paris" }, "otherwise": "elsewhere" },
    "temperature_c": { "from": "t", "unit": "K" },
    "observed_at": { "from": "date", "format": "%Y%m%d%H%M%S", "zone": "UTC" }
  }
}"#;

/// The mistake of the good file with one text in place of another.
fn mistake(text: &str, instead: &str) -> String {
    assert!(GOOD.contains(text), "the good file lacks {text}");
    match Mapping::parse(&GOOD.replacen(text, instead, 1)) {
        Ok(_) => panic!("{instead} is taken"),
        Err(mistake) => mistake.to_string(),
    }
}

fn assert_mistakes(cases: &[(&str, &str, &str)]) {
    Mapping::parse(GOOD).expect("the good file is good");
    for (text, instead, expected) in cases {
        let found = mistake(text, instead);
        assert!(found.contains(expected), "{instead}\n   found: {found}\nexpected: {expected}");
    }
}

/// Broken JSON, unknown and missing members: line, column and what was meant.
#[test]
fn of_the_document() {
    assert_mistakes(&[
        (
            "\"weather\",",
            "\"weather\"",
            "line 4, column 3, . = \"\" is not allowed; allowed: JSON (expected `,` or `}`)",
        ),
        (
            "\"identity\"",
            "\"identiy\"",
            "line 7, column 11, identiy = \"identiy\" is not allowed; allowed: name, doc, stream, format, source, \
             missing, time_zone, identity, skip_if, skip_unless, fields; did you mean `identity`?",
        ),
        (
            "\"unit\": \"K\"",
            "\"units\": \"K\"",
            "fields.temperature_c.units = \"units\" is not allowed; allowed: from, join, value, unit,",
        ),
        (
            "\"csv\"",
            "\"cvs\"",
            "format.type = \"cvs\" is not allowed; allowed: csv, jsonl, json; did you mean `csv`?",
        ),
        ("\"name\": \"stations\",", "", "missing field `name`"),
        (
            "\"from\": \"id\" }",
            "\"from\": 7 }",
            "fields.sensor_id.from = \"\" is not allowed; allowed: invalid type: integer `7`, expected a string",
        ),
        ("\"sensor_id\": {", "\"city\": {", "each name once, and `city` is there twice"),
        ("\"UTC\" }\n  }\n}", "\"UTC\" }\n  }\n} x", "JSON (trailing characters)"),
    ]);
}

/// Fields that the event does not have, or needs: known from its schema.
#[test]
fn of_fields() {
    assert_mistakes(&[
        (
            "\"temperature_c\"",
            "\"temprature_c\"",
            "line 12, column 21, fields.temprature_c = \"temprature_c\" is not allowed; allowed: the fields of \
             turnpike.WeatherReading: sensor_id, city, temperature_c, humidity_pct, wind_speed_mps, \
             surface_temperature_c, observed_at; did you mean `temperature_c`?",
        ),
        (
            "\"sensor_id\": { \"from\": \"id\" },",
            "",
            "line 9, column 13, fields = \"\" is not allowed; allowed: a rule for `sensor_id`, which \
             turnpike.WeatherReading needs",
        ),
        ("\"sensor_id\": {", "\"event_id\": {", "the feed makes event_id of what `identity` names"),
        (
            "{ \"from\": \"id\" }",
            "{}",
            "fields.sensor_id = \"sensor_id\" is not allowed; allowed: one of from, join and value",
        ),
        ("{ \"from\": \"id\" }", "{ \"from\": \"id\", \"value\": 1 }", "one of from, join and value"),
        (
            "{ \"from\": \"id\" }",
            "{ \"join\": \"{id\" }",
            "fields.sensor_id.join = \"{id\" is not allowed; allowed: a } for every {",
        ),
        (
            "{ \"from\": \"id\" }",
            "{ \"value\": \"seven\" }",
            "fields.sensor_id.value = \"seven\" is not allowed; allowed: a value for sensor_id (`seven` is no number)",
        ),
        ("{ \"from\": \"id\" }", "{ \"value\": 3000000000 }", "does not fit 32 bits"),
        ("{ \"from\": \"id\" }", "{ \"value\": [1] }", "a value for sensor_id (one value)"),
        (
            "{ \"from\": \"id\" }",
            "{ \"from\": \"id\", \"pseudonym\": true }",
            "fields.sensor_id.pseudonym = \"true\" is not allowed; allowed: for a field that is a UUID",
        ),
        ("{ \"from\": \"id\" }", "{ \"from\": \"id\", \"otherwise\": 1 }", "a map beside it"),
        (
            "\"elsewhere\"",
            "null",
            "fields.city.otherwise = \"null\" is not allowed; allowed: a value for city",
        ),
    ]);
}

/// Units that the field is not measured in, with those that it is.
#[test]
fn of_units() {
    assert_mistakes(&[
        (
            "\"unit\": \"K\"",
            "\"unit\": \"Kelvin\"",
            "line 12, column 45, fields.temperature_c.unit = \"Kelvin\" is not allowed; allowed: °C, C, K, °F, F, \
             also as a part such as 0.1 °C",
        ),
        ("\"unit\": \"K\"", "\"unit\": \"mph\"", "°C, C, K, °F, F"),
        ("{ \"from\": \"id\" }", "{ \"from\": \"id\", \"unit\": \"m\" }", "no unit for sensor_id"),
        ("\"unit\": \"K\"", "\"format\": \"%Y\"", "a format for a time alone"),
    ]);
}

/// Formats and zones: a time without an offset needs a zone, and a zone must exist.
#[test]
fn of_times() {
    assert_mistakes(&[
        (
            "\"zone\": \"UTC\"",
            "\"zone\": \"Europe/Pariss\"",
            "fields.observed_at.zone = \"Europe/Pariss\" is not allowed; allowed: a name such as UTC or \
             Europe/Paris; did you mean `Europe/Paris`?",
        ),
        (
            ", \"zone\": \"UTC\"",
            "",
            "zone, zone_from or the mapping's time_zone, for the format tells no offset",
        ),
        (
            "\"format\": \"%Y%m%d%H%M%S\", ",
            "",
            "a format for a time: rfc3339, unix, unix_ms, wcf or fields of strftime",
        ),
        (
            "%Y%m%d%H%M%S",
            "yyyyMMdd",
            "fields.observed_at.format = \"yyyyMMdd\" is not allowed; allowed: rfc3339",
        ),
        ("%Y%m%d%H%M%S", "%H%M", "fields of strftime that tell at least a day"),
        (
            ", \"zone\": \"UTC\" }\n  }",
            " }\n  }, \"time_zone\": \"Asia/Taipeh\"",
            "time_zone = \"Asia/Taipeh\" is not allowed; allowed: a name such as UTC or Europe/Paris; did you mean `Asia/Taipei`?",
        ),
    ]);
}

/// The name, the stream, the format and the source.
#[test]
fn of_the_source() {
    assert_mistakes(&[
        (
            "\"stations\"",
            "\"My Stations\"",
            "name = \"My Stations\" is not allowed; allowed: 1 to 60 small letters, digits and hyphens",
        ),
        (
            "\"weather\"",
            "\"wether\"",
            "stream = \"wether\" is not allowed; allowed: toll, traffic, weather; did you mean `weather`?",
        ),
        (
            "\";\"",
            "\";;\"",
            "format.delimiter = \";;\" is not allowed; allowed: one character such as , or ; or \\t",
        ),
        (
            "\"delimiter\": \";\"",
            "\"records\": \"/a\"",
            "delimiter, header and columns for csv, records for json",
        ),
        ("\"delimiter\": \";\"", "\"header\": false", "the names of all columns in order"),
        (
            "\"delimiter\": \";\"",
            "\"columns\": [\"id\", \"tt\", \"date\", \"state\"]",
            "there is no column `t`; did you mean `tt`?",
        ),
        (
            "https://example.org/a.csv",
            "example.org/a.csv",
            "source.url = \"example.org/a.csv\" is not allowed; allowed: an address such as",
        ),
        (
            "60 }",
            "0 }",
            "source.interval_seconds = \"0\" is not allowed; allowed: seconds, from 0.05 to 86400",
        ),
        (
            "\"type\": \"csv\", \"delimiter\": \";\"",
            "\"type\": \"jsonl\"",
            "fields.sensor_id.from = \"id\" is not allowed; allowed: a JSON pointer (RFC 6901); did you mean `/id`?",
        ),
    ]);
}
