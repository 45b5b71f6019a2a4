//! What the validator says of each kind of record, without a broker: code, stage, rule and detail.

use std::{cell::Cell, convert::Infallible, path::PathBuf, sync::Arc};

use dead_letter::{Reason, Stage};
use events::{Shape, TollPassage};
use schema_registry::{SchemaId, frame};
use validator::{
    StreamPath,
    stream::Stream,
    verdict::{Bench, Refusal, Schema},
};

const NOW_MS: i64 = 1_790_969_180_000;
const SCHEMA_ID: u32 = 7;
const OTHER_ID: u32 = 8;
const OLDER_ID: u32 = 9;

fn toll() -> Stream {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/toll_passage"));
    Stream::load(&StreamPath { topic: "toll".to_owned(), path }).expect("the shipped contract loads")
}

fn framed(change: impl FnOnce(&mut TollPassage)) -> Vec<u8> {
    let mut passage = TollPassage {
        event_id: uuid::Uuid::nil(),
        vehicle_id: uuid::Uuid::nil(),
        transponder_id: 9_820_660,
        vehicle_type: "car".into(),
        toll_plaza_id: 4004,
        lane: 3,
        amount_cents: 460,
        currency: "EUR".into(),
        occurred_at_ms: NOW_MS - 40,
    };
    change(&mut passage);
    let mut value = Vec::new();
    frame(SCHEMA_ID, &mut value);
    passage.encode(&mut value);
    value
}

fn registry(id: SchemaId) -> Schema {
    let text = match id {
        SchemaId::Id(SCHEMA_ID) => TollPassage::SCHEMA,
        SchemaId::Id(OTHER_ID) => r#"{"type":"record","name":"Other","fields":[]}"#,
        SchemaId::Id(OLDER_ID) => {
            r#"{"type":"record","name":"turnpike.TollPassage","fields":[{"name":"lane","type":"int"}]}"#
        }
        _ => return Schema::Unknown,
    };
    Schema::Known(Arc::new(Shape::parse(text).expect("compiles")))
}

fn verdict(value: Option<&[u8]>) -> Option<Refusal> {
    let none = std::iter::empty::<(&str, Option<&[u8]>)>();
    let Ok(verdict) =
        Bench::new().judge(&toll(), value, none, NOW_MS, |id| Ok::<_, Infallible>(registry(id)));
    verdict
}

/// Every structural fault has its code and is a fault of the value; every rule's is the transformation's.
#[test]
fn each_fault_has_its_code_and_stage() {
    assert_eq!(verdict(Some(&framed(|_| ()))), None);
    let good = framed(|_| ());
    let with_id = |id: u32, body: &[u8]| [&[0][..], &id.to_be_bytes(), body].concat();
    let cases: [(Option<Vec<u8>>, Reason, Stage); 10] = [
        (None, Reason::NullValue, Stage::ValueConverter),
        (Some(Vec::new()), Reason::NotFramed, Stage::ValueConverter),
        (Some(vec![7; 40]), Reason::NotFramed, Stage::ValueConverter),
        (Some(with_id(u32::MAX, &good[5..])), Reason::UnknownSchema, Stage::ValueConverter),
        (Some(with_id(OTHER_ID, &[])), Reason::WrongSubject, Stage::ValueConverter),
        (Some(with_id(OLDER_ID, &[6])), Reason::MissingField, Stage::ValueConverter),
        (Some(good[..good.len() - 4].to_vec()), Reason::Undecodable, Stage::ValueConverter),
        (Some([&good[..], &[1, 2]].concat()), Reason::TrailingBytes, Stage::ValueConverter),
        (Some(framed(|p| p.lane = 99)), Reason::OutOfRange, Stage::Transformation),
        (Some(framed(|p| p.amount_cents = 3800)), Reason::Contradiction, Stage::Transformation),
    ];
    for (value, reason, stage) in cases {
        let refusal = verdict(value.as_deref()).unwrap_or_else(|| panic!("{reason} was not found"));
        assert_eq!((refusal.reason, refusal.stage), (reason, stage), "{}", refusal.message);
        assert_eq!(refusal.detail[0]["code"], reason.code());
        assert_eq!(refusal.rule.is_some(), stage == Stage::Transformation);
    }
}

/// A rule's refusal says in one sentence what it saw.
#[test]
fn a_refusal_explains_itself() {
    let refusal = verdict(Some(&framed(|p| p.lane = 99))).expect("refused");
    assert_eq!(refusal.rule.as_deref(), Some("lane_in_range"));
    assert_eq!(refusal.message, "lane_in_range: lane is 99");
}

/// A known schema is looked up once; an unknown one again each time, for it may be registered a moment later.
#[test]
fn schemas_are_asked_for_once() {
    let (stream, mut bench, asked) = (toll(), Bench::new(), Cell::new(0));
    let mut judge = |value: &[u8]| {
        let look_up = |id| {
            asked.set(asked.get() + 1);
            Ok::<_, Infallible>(registry(id))
        };
        let none = std::iter::empty::<(&str, Option<&[u8]>)>();
        let Ok(verdict) = bench.judge(&stream, Some(value), none, NOW_MS, look_up);
        verdict
    };
    let good = framed(|_| ());
    for _ in 0..3 {
        assert_eq!(judge(&good), None);
    }
    assert_eq!(asked.get(), 1);
    for _ in 0..3 {
        assert!(judge(&[0, 255, 255, 255, 255, 1]).is_some());
    }
    assert_eq!(asked.get(), 4);
}

/// An outage of the registry is handed back: it says nothing about the record.
#[test]
fn an_outage_is_no_verdict() {
    let none = std::iter::empty::<(&str, Option<&[u8]>)>();
    let away = |_| Err("the registry is away");
    assert_eq!(
        Bench::new().judge(&toll(), Some(&framed(|_| ())), none, NOW_MS, away),
        Err("the registry is away")
    );
}
