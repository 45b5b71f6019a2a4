//! The codec against `apache-avro`, against golden bytes that must stay decodable, and against damaged input.

use std::borrow::Cow;

use apache_avro::{Schema, reader::datum::GenericDatumReader, types::Value as Generic};
use events::{Decimal, DecodeError, Shape, TollPassage, Value};
use proptest::prelude::*;
use uuid::Uuid;

fn example() -> TollPassage {
    TollPassage {
        event_id: Uuid::from_u128(0x0190_4a5c_7e00_7abc_8def_0123_4567_89ab),
        vehicle_id: Uuid::from_u128(0x6fa4_59ea_ee8a_5ca4_894e_db77_e160_355e),
        transponder_id: 9_820_660,
        vehicle_type: Cow::Borrowed("truck"),
        toll_plaza_id: 4004,
        lane: 3,
        amount_cents: 1860,
        currency: Cow::Borrowed("EUR"),
        occurred_at_ms: 1_790_969_180_000,
    }
}

fn encoded(passage: &TollPassage) -> Vec<u8> {
    let mut bytes = Vec::new();
    passage.encode(&mut bytes);
    bytes
}

fn toll_shape() -> Shape {
    Shape::parse(TollPassage::SCHEMA).expect("the shipped schema compiles")
}

/// The bytes of version 1, written down once: whatever the schema becomes, they stay readable.
#[test]
fn golden_bytes_of_version_1_decode() {
    let golden: Vec<u8> = include_str!("../../../schemas/golden/toll_passage.v1.hex")
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect();
    assert_eq!(encoded(&example()), golden);

    let mut values = Vec::new();
    toll_shape().decode(&golden, &mut values).expect("decodes");
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

/// The typed event and the registered schema are one: `apache-avro` reads what the type writes, field by field.
#[test]
fn apache_avro_reads_what_the_type_writes() {
    let schema = Schema::parse_str(TollPassage::SCHEMA).expect("parses");
    let bytes = encoded(&example());
    let mut rest = bytes.as_slice();
    let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
    let Generic::Record(fields) = reader.read_value(&mut rest).expect("decodes") else {
        panic!("not a record")
    };
    assert!(rest.is_empty(), "{} bytes are left", rest.len());

    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    let shape = toll_shape();
    assert_eq!(names, shape.fields().iter().map(|field| field.name.as_str()).collect::<Vec<_>>());
    assert_eq!(fields[2].1, Generic::Int(9_820_660));
    assert_eq!(fields[3].1, Generic::String("truck".into()));
    assert_eq!(fields[8].1, Generic::TimestampMillis(1_790_969_180_000));
    let Generic::Decimal(amount) = &fields[6].1 else { panic!("amount is {:?}", fields[6].1) };
    let amount: Vec<u8> = amount.try_into().expect("bytes");
    assert_eq!(Decimal::from_bytes(&amount, 2).expect("small").to_string(), "18.60");
}

/// A record cut anywhere names the field that is cut; one with bytes after it says how many.
#[test]
fn damage_is_located() {
    let bytes = encoded(&example());
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
        ids in any::<(u128, u128)>(), numbers in any::<(i32, i32, i32, i64, i64)>(),
        vehicle_type in "\\PC{0,20}", currency in "[A-Z]{3}",
    ) {
        let passage = TollPassage {
            event_id: Uuid::from_u128(ids.0),
            vehicle_id: Uuid::from_u128(ids.1),
            transponder_id: numbers.0,
            vehicle_type: Cow::Owned(vehicle_type.clone()),
            toll_plaza_id: numbers.1,
            lane: numbers.2,
            amount_cents: numbers.3,
            currency: Cow::Owned(currency.clone()),
            occurred_at_ms: numbers.4,
        };
        let bytes = encoded(&passage);
        let mut values = Vec::new();
        toll_shape().decode(&bytes, &mut values).expect("decodes");
        let event_id = passage.event_id.to_string();
        prop_assert_eq!(values[0], Value::String(&event_id));
        prop_assert_eq!(values[2], Value::Int(numbers.0));
        prop_assert_eq!(values[3], Value::String(&vehicle_type));
        let Value::Bytes(amount) = values[6] else { panic!("amount is {:?}", values[6]) };
        prop_assert_eq!(Decimal::from_bytes(amount, 2).map(|d| d.unscaled), Some(i128::from(numbers.3)));
        prop_assert_eq!(values[8], Value::Long(numbers.4));
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
