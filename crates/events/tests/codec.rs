//! The codec against `apache-avro`, against golden bytes that must stay decodable, and against damaged input.

use std::{borrow::Cow, fs};

use apache_avro::{
    Schema, reader::datum::GenericDatumReader, schema_compatibility::SchemaCompatibility,
    types::Value as Generic,
};
use events::{Decimal, DecodeError, Shape, TollPassage, TrafficEvent, Value, WeatherReading};
use proptest::prelude::*;
use uuid::Uuid;

fn example() -> TollPassage {
    TollPassage {
        event_id: Uuid::from_u128(0x0190_4a5c_7e00_7abc_8def_0123_4567_89ab),
        vehicle_id: Uuid::from_u128(0x6fa4_59ea_ee8a_5ca4_894e_db77_e160_355e),
        transponder_id: Some(9_820_660),
        vehicle_type: Cow::Borrowed("truck"),
        toll_plaza_id: 4004,
        lane: Some(3),
        amount_cents: Some(1860),
        currency: Some(Cow::Borrowed("EUR")),
        occurred_at_ms: 1_790_969_180_000,
    }
}

fn jam() -> TrafficEvent {
    TrafficEvent {
        event_id: Uuid::from_u128(0x0190_4a5c_7e00_7abc_8def_0123_4567_89ac),
        event_type: Cow::Borrowed("TRAFFIC_JAM"),
        city: Cow::Borrowed("Lyon"),
        road: Cow::Borrowed("A7"),
        latitude: 45.726_411,
        longitude: 4.823_99,
        occurred_at_ms: 1_790_969_180_000,
        severity: Some(Cow::Borrowed("HIGH")),
        avg_speed_kmh: Some(19),
        length_m: Some(2_600),
        lanes_blocked: None,
        injuries_reported: None,
        speed_limit_kmh: None,
        direction: None,
        active: None,
    }
}

fn accident() -> TrafficEvent {
    TrafficEvent {
        event_type: Cow::Borrowed("ACCIDENT"),
        severity: Some(Cow::Borrowed("MINOR")),
        avg_speed_kmh: None,
        length_m: None,
        lanes_blocked: Some(1),
        injuries_reported: Some(false),
        ..jam()
    }
}

fn camera() -> TrafficEvent {
    TrafficEvent {
        event_type: Cow::Borrowed("SPEED_CAMERA"),
        severity: None,
        avg_speed_kmh: None,
        length_m: None,
        speed_limit_kmh: Some(90),
        direction: Some(Cow::Borrowed("N")),
        active: Some(true),
        ..jam()
    }
}

fn reading() -> WeatherReading {
    WeatherReading {
        event_id: Uuid::from_u128(0x0190_4a5c_7e00_7abc_8def_0123_4567_89ad),
        sensor_id: 17,
        city: Cow::Borrowed("Orléans"),
        temperature_c: 31.55,
        humidity_pct: Some(48.0),
        wind_speed_mps: None,
        surface_temperature_c: Some(42.25),
        observed_at_ms: 1_790_969_180_000,
    }
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    bytes
}

fn toll_shape() -> Shape {
    Shape::parse(TollPassage::SCHEMA).expect("the shipped schema compiles")
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = |byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits");
    hex.split_whitespace().map(digits).collect()
}

/// The bytes of version 1, written down once, under its own schema: whatever the schema becomes, they stay readable.
#[test]
fn golden_bytes_of_version_1_decode() {
    let golden = bytes_of(include_str!("../../../schemas/golden/toll_passage.v1.hex"));
    let shape = Shape::parse(include_str!("../../../schemas/golden/toll_passage.v1.schema.json"));
    let mut values = Vec::new();
    shape.expect("compiles").decode(&golden, &mut values).expect("decodes");
    assert_eq!(
        values,
        [
            Value::String("01904a5c-7e00-7abc-8def-0123456789ab"),
            Value::String("6fa459ea-ee8a-5ca4-894e-db77e160355e"),
            Value::Int(9_820_660),
            Value::String("truck"),
            Value::Int(4004),
            Value::Int(3),
            Value::Bytes(&[0x07, 0x44]),
            Value::String("EUR"),
            Value::Long(1_790_969_180_000),
        ]
    );
}

/// Version 2 reads what version 1 wrote, by Avro's rules of schema resolution: what the registry asks for as BACKWARD.
#[test]
fn version_2_can_read_version_1() {
    let [old, new] =
        [include_str!("../../../schemas/golden/toll_passage.v1.schema.json"), TollPassage::SCHEMA]
            .map(|schema| Schema::parse_str(schema).expect("parses"));
    assert!(SchemaCompatibility::can_read(&old, &new).is_ok());
}

/// The bytes of the present versions; `UPDATE_GOLDEN=1` writes them down, for a new version only.
#[test]
#[expect(clippy::disallowed_methods, reason = "the variable is the test's own")]
fn golden_bytes_of_the_present_versions_are_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/golden");
    for (name, bytes) in [
        ("toll_passage.v2", encoded(|out| example().encode(out))),
        ("traffic_event.jam.v1", encoded(|out| jam().encode(out))),
        ("traffic_event.accident.v1", encoded(|out| accident().encode(out))),
        ("traffic_event.camera.v1", encoded(|out| camera().encode(out))),
        ("weather_reading.v1", encoded(|out| reading().encode(out))),
    ] {
        let path = format!("{folder}/{name}.hex");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, hex(&bytes)).expect("written");
        }
        let golden = fs::read_to_string(&path).expect("there is a golden file");
        assert_eq!(hex(&bytes), golden, "{name}");
    }
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bytes.chunks(16).map(|bytes| line(bytes) + "\n").collect()
}

/// Types and registered schemas are one: `apache-avro` reads what a type writes, to the last byte, and the shape reads
/// the same.
#[test]
fn apache_avro_reads_what_the_types_write() {
    for (name, schema, bytes) in [
        (TollPassage::NAME, TollPassage::SCHEMA, encoded(|out| example().encode(out))),
        (TrafficEvent::NAME, TrafficEvent::SCHEMA, encoded(|out| jam().encode(out))),
        (TrafficEvent::NAME, TrafficEvent::SCHEMA, encoded(|out| accident().encode(out))),
        (TrafficEvent::NAME, TrafficEvent::SCHEMA, encoded(|out| camera().encode(out))),
        (WeatherReading::NAME, WeatherReading::SCHEMA, encoded(|out| reading().encode(out))),
    ] {
        let parsed = Schema::parse_str(schema).expect("parses");
        let shape = Shape::parse(schema).expect("compiles");
        assert_eq!(shape.name(), name);
        let mut rest = bytes.as_slice();
        let reader = GenericDatumReader::builder(&parsed).build().expect("a reader");
        let Generic::Record(fields) = reader.read_value(&mut rest).expect("decodes") else {
            panic!("not a record")
        };
        assert!(rest.is_empty(), "{name}: {} bytes are left", rest.len());
        let mut values = Vec::new();
        shape.decode(&bytes, &mut values).expect("decodes");
        for ((field, value), generic) in shape.fields().iter().zip(&values).zip(&fields) {
            assert_eq!(field.name, generic.0);
            assert!(is_same(*value, &generic.1), "{name}.{}: {value:?}, {:?}", field.name, generic.1);
        }
        assert_eq!(values.len(), fields.len());
    }
}

fn is_same(value: Value<'_>, generic: &Generic) -> bool {
    match (value, generic) {
        (value, Generic::Union(_, inner)) => is_same(value, inner),
        (Value::Null, Generic::Null) => true,
        (Value::Boolean(value), Generic::Boolean(generic)) => value == *generic,
        (Value::Int(value), Generic::Int(generic)) => value == *generic,
        (Value::Long(value), Generic::TimestampMillis(generic)) => value == *generic,
        (Value::Double(value), Generic::Double(generic)) => value.to_bits() == generic.to_bits(),
        (Value::String(value), Generic::String(generic)) => value == generic,
        (Value::String(value), Generic::Uuid(generic)) => value == generic.to_string(),
        (Value::Bytes(value), Generic::Decimal(generic)) => {
            Vec::<u8>::try_from(generic).is_ok_and(|generic| generic == value)
        }
        _ => false,
    }
}

/// A record cut anywhere names the field that is cut; one with bytes after it says how many.
#[test]
fn damage_is_located() {
    let bytes = encoded(|out| example().encode(out));
    let shape = toll_shape();
    let mut values = Vec::new();
    for length in 0..bytes.len() {
        assert!(
            matches!(shape.decode(&bytes[..length], &mut values), Err(DecodeError::Truncated { .. })),
            "cut at {length}"
        );
    }
    assert_eq!(
        shape.decode(&bytes[..40], &mut Vec::new()),
        Err(DecodeError::Truncated { field: "vehicle_id".into(), length: 40 })
    );
    let mut longer = bytes.clone();
    longer.extend([0, 0, 0]);
    assert_eq!(shape.decode(&longer, &mut Vec::new()), Err(DecodeError::TrailingBytes { count: 3 }));
}

/// Optional fields, in either order of the union, and every primitive type.
#[test]
fn every_flat_type_decodes() {
    let shape = Shape::parse(
        r#"{"type":"record","name":"All","fields":[
            {"name":"a","type":["null","int"],"default":null}, {"name":"b","type":["string","null"]},
            {"name":"c","type":"boolean"}, {"name":"d","type":"float"}, {"name":"e","type":"double"},
            {"name":"f","type":["null","long"]}]}"#,
    )
    .expect("compiles");
    let mut bytes = vec![2, 3, 2, 1];
    bytes.extend(1.5_f32.to_le_bytes());
    bytes.extend((-2.25_f64).to_le_bytes());
    bytes.push(0);
    let mut values = Vec::new();
    shape.decode(&bytes, &mut values).expect("decodes");
    assert_eq!(
        values,
        [
            Value::Int(-2),
            Value::Null,
            Value::Boolean(true),
            Value::Float(1.5),
            Value::Double(-2.25),
            Value::Null
        ]
    );
}

/// A nested type is refused with the record, the field and what was found.
#[test]
fn a_nested_type_is_refused_by_name() {
    let nested = r#"{"type":"record","name":"Trip","namespace":"x","fields":[{"name":"stops","type":{"type":"array","items":"int"}}]}"#;
    let error = Shape::parse(nested).expect_err("refused").to_string();
    assert!(error.contains("field `stops` of x.Trip is a array"), "{error}");
}

proptest! {
    /// Any passage comes back as it went in.
    #[test]
    fn any_passage_survives(
        ids in any::<(u128, u128)>(), plaza in any::<i32>(), occurred_at_ms in any::<i64>(),
        optional in any::<(Option<i32>, Option<i32>, Option<i64>)>(),
        vehicle_type in "\\PC{0,20}", currency in proptest::option::of("[A-Z]{3}"),
    ) {
        let passage = TollPassage {
            event_id: Uuid::from_u128(ids.0),
            vehicle_id: Uuid::from_u128(ids.1),
            transponder_id: optional.0,
            vehicle_type: Cow::Owned(vehicle_type.clone()),
            toll_plaza_id: plaza,
            lane: optional.1,
            amount_cents: optional.2,
            currency: currency.clone().map(Cow::Owned),
            occurred_at_ms,
        };
        let bytes = encoded(|out| passage.encode(out));
        let mut values = Vec::new();
        toll_shape().decode(&bytes, &mut values).expect("decodes");
        let event_id = passage.event_id.to_string();
        prop_assert_eq!(values[0], Value::String(&event_id));
        prop_assert_eq!(values[2], optional.0.map_or(Value::Null, Value::Int));
        prop_assert_eq!(values[3], Value::String(&vehicle_type));
        prop_assert_eq!(values[4], Value::Int(plaza));
        prop_assert_eq!(values[5], optional.1.map_or(Value::Null, Value::Int));
        let amount = match values[6] {
            Value::Bytes(amount) => Decimal::from_bytes(amount, 2).map(|decimal| decimal.unscaled),
            _ => None,
        };
        prop_assert_eq!(amount, optional.2.map(i128::from));
        prop_assert_eq!(values[7], currency.as_deref().map_or(Value::Null, Value::String));
        prop_assert_eq!(values[8], Value::Long(occurred_at_ms));
    }

    /// Any bytes whatever are decoded or refused, never a panic, and never with bytes left over unseen.
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut values = Vec::new();
        if toll_shape().decode(&bytes, &mut values).is_ok() {
            prop_assert_eq!(values.len(), 9);
        }
    }
}
