//! What the validator says of each kind of record, without a broker: code, stage, rule and detail.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    path::PathBuf,
    sync::Arc,
};

use chrono_tz::Tz;
use dead_letter::{Reason, Stage};
use events::{Shape, TollPassage};
use schema_registry::{SchemaId, frame};
use serde_json::{Value as Json, json};
use validator::{
    StreamPath,
    bench::{Bench, Identity, Raw, Schema, Schemas},
    stream::Stream,
    verdict::{Refusal, Verdict},
};

const NOW_MS: i64 = 1_790_969_180_000;
const SCHEMA_ID: u32 = 7;
const OTHER_ID: u32 = 8;
const OLDER_ID: u32 = 9;

fn stream(topic: &str, event: &str) -> Stream {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas")).join(event);
    Stream::load(&StreamPath { topic: topic.to_owned(), path }).expect("the shipped contract loads")
}

fn toll() -> Stream {
    stream("toll", "toll_passage")
}

fn framed(change: impl FnOnce(&mut TollPassage)) -> Vec<u8> {
    let mut passage = TollPassage {
        event_id: uuid::Uuid::nil(),
        vehicle_id: uuid::Uuid::nil(),
        transponder_id: Some(9_820_660),
        vehicle_type: "car".into(),
        toll_plaza_id: 4004,
        lane: Some(3),
        amount_cents: Some(460),
        currency: Some("EUR".into()),
        occurred_at_ms: NOW_MS - 40,
    };
    change(&mut passage);
    let mut value = Vec::new();
    frame(SCHEMA_ID, &mut value);
    passage.encode(&mut value);
    value
}

/// A registry with three schemas, and whatever is registered, all under [`SCHEMA_ID`].
#[derive(Default)]
struct Registry {
    asked: Cell<u32>,
    registered: RefCell<Vec<(String, String)>>,
}

impl Schemas for Registry {
    type Outage = Infallible;

    fn find(&self, id: SchemaId) -> Result<Schema, Infallible> {
        self.asked.set(self.asked.get() + 1);
        let registered = self.registered.borrow();
        let text = match id {
            SchemaId::Id(SCHEMA_ID) => registered.last().map_or(TollPassage::SCHEMA, |(_, schema)| schema),
            SchemaId::Id(OTHER_ID) => r#"{"type":"record","name":"Other","fields":[]}"#,
            SchemaId::Id(OLDER_ID) => {
                r#"{"type":"record","name":"turnpike.TollPassage","fields":[{"name":"lane","type":"int"}]}"#
            }
            _ => return Ok(Schema::Unknown),
        };
        Ok(Schema::Known(Arc::new(Shape::parse(text).expect("compiles"))))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, Infallible> {
        self.registered.borrow_mut().push((subject.to_owned(), schema.to_owned()));
        Ok(SCHEMA_ID)
    }
}

/// A registry that is away.
struct Away;

impl Schemas for Away {
    type Outage = &'static str;

    fn find(&self, _: SchemaId) -> Result<Schema, &'static str> {
        Err("the registry is away")
    }

    fn register(&self, _: &str, _: &str) -> Result<u32, &'static str> {
        Err("the registry is away")
    }
}

fn raw(value: Option<&[u8]>) -> Raw<'_> {
    Raw { value, partition: 0, offset: 41, timestamp_ms: NOW_MS }
}

fn none() -> impl Iterator<Item = (&'static str, Option<&'static [u8]>)> {
    std::iter::empty()
}

fn verdict_on(stream: &Stream, value: Option<&[u8]>) -> Verdict {
    let Ok(verdict) = Bench::new(Tz::UTC).judge(stream, raw(value), none(), &Registry::default());
    verdict
}

fn refusal(stream: &Stream, value: &[u8]) -> Refusal {
    match verdict_on(stream, Some(value)) {
        Verdict::Refused(refusal) => *refusal,
        other => panic!("{} is not refused: {other:?}", String::from_utf8_lossy(value)),
    }
}

/// Every structural fault has its code and is a fault of the value; every rule's is the transformation's.
#[test]
fn each_fault_has_its_code_and_stage() {
    let toll = toll();
    assert_eq!(verdict_on(&toll, Some(&framed(|_| ()))), Verdict::Valid);
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
        (Some(framed(|p| p.lane = Some(99))), Reason::OutOfRange, Stage::Transformation),
        (Some(framed(|p| p.amount_cents = Some(3800))), Reason::Contradiction, Stage::Transformation),
    ];
    for (value, reason, stage) in cases {
        let Verdict::Refused(refusal) = verdict_on(&toll, value.as_deref()) else {
            panic!("{reason} was not found")
        };
        assert_eq!((refusal.reason, refusal.stage), (reason, stage), "{}", refusal.message);
        let detail: Json = refusal.detail.parse().expect("JSON");
        assert_eq!(detail[0]["code"], reason.code());
        assert_eq!(refusal.rule.is_some(), stage == Stage::Transformation);
        assert_eq!(refusal.dialect, None);
    }
}

/// All rules that a refused record fails are named, in the contract's order, those that only flag as well.
#[test]
fn a_refusal_names_all_rules() {
    let refusal = refusal(
        &toll(),
        &framed(|p| {
            p.lane = Some(99);
            p.amount_cents = Some(-150);
            p.occurred_at_ms = 549_857_000_000;
        }),
    );
    let failed: Vec<_> = refusal.failed_rules.iter().map(|(code, rule)| json!([code.code(), rule])).collect();
    let expected = [
        json!(["OUT_OF_RANGE", "lane_in_range"]),
        json!(["OUT_OF_RANGE", "amount_in_range"]),
        json!(["IMPLAUSIBLE_TIME", "occurred_at_recent"]),
    ];
    assert_eq!(failed, expected);
    let detail: Vec<Json> = serde_json::from_str(&refusal.detail).expect("a list");
    let told: Vec<_> = detail.iter().map(|found| json!([found["code"], found["rule"]])).collect();
    assert_eq!(told, expected);
}

/// A rule's refusal says in one sentence what it saw.
#[test]
fn a_refusal_explains_itself() {
    let refusal = refusal(&toll(), &framed(|p| p.lane = Some(99)));
    assert_eq!(refusal.rule.as_deref(), Some("lane_in_range"));
    assert_eq!(refusal.message, "lane_in_range: lane is 99");
}

/// A field of a megabyte is shown shortened: the dead letter must not outgrow its topic.
#[test]
fn a_refusal_is_bounded() {
    let long = "é".repeat(500_000);
    let refusal = refusal(&toll(), &framed(|p| p.vehicle_type = long.into()));
    assert!(refusal.message.contains("vehicle_type is \"éé") && refusal.message.len() < 1_000);
    assert!(refusal.detail.len() < 10_000);
}

/// A record that fails only rules that flag goes on as it is, and the flags name codes and rules.
#[test]
fn a_flagged_record_goes_on() {
    let Verdict::Marked(marks) = verdict_on(&toll(), Some(&framed(|p| p.occurred_at_ms = 549_857_000_000)))
    else {
        panic!("a passage of 1987 is not flagged")
    };
    assert_eq!(marks.flags.as_deref(), Some("IMPLAUSIBLE_TIME:occurred_at_recent"));
    assert_eq!(marks.normalised, None);
}

/// What tells a record from others is read also where the rest of it cannot be, once its schema is known.
#[test]
fn a_spoiled_record_is_identified() {
    let (stream, mut bench, good) = (toll(), Bench::new(Tz::UTC), framed(|_| ()));
    let known = Identity { schema_id: Some(SchemaId::Id(SCHEMA_ID)), event_id: None };
    assert_eq!(bench.identify(&good, none()), known);
    let Ok(verdict) = bench.judge(&stream, raw(Some(&good)), none(), &Registry::default());
    assert_eq!(verdict, Verdict::Valid);
    let identified = Identity { event_id: Some(uuid::Uuid::nil().to_string()), ..known.clone() };
    assert_eq!(bench.identify(&good, none()), identified);
    assert_eq!(bench.identify(&good[..good.len() - 4], none()), identified);
    assert_eq!(bench.identify(&good[..9], none()), known);
    assert_eq!(bench.identify(IBM.as_bytes(), none()), Identity::default());
}

/// A known schema is looked up once; an unknown one again each time, for it may be registered a moment later.
#[test]
fn schemas_are_asked_for_once() {
    let (stream, mut bench, registry) = (toll(), Bench::new(Tz::UTC), Registry::default());
    let mut judge = |value: &[u8]| {
        let Ok(verdict) = bench.judge(&stream, raw(Some(value)), none(), &registry);
        verdict
    };
    let good = framed(|_| ());
    for _ in 0..3 {
        assert_eq!(judge(&good), Verdict::Valid);
    }
    assert_eq!(registry.asked.get(), 1);
    for _ in 0..3 {
        assert!(!judge(&[0, 255, 255, 255, 255, 1]).is_valid());
    }
    assert_eq!(registry.asked.get(), 4);
}

/// An outage of the registry is handed back: it says nothing about the record, be it Avro or text.
#[test]
fn an_outage_is_no_verdict() {
    for value in [framed(|_| ()), IBM.as_bytes().to_vec()] {
        let outage = Bench::new(Tz::UTC).judge(&toll(), raw(Some(&value)), none(), &Away);
        assert_eq!(outage, Err("the registry is away"));
    }
}

/// A node of the registry that has not heard of what another one has registered.
struct Lagging;

impl Schemas for Lagging {
    type Outage = Infallible;

    fn find(&self, _: SchemaId) -> Result<Schema, Infallible> {
        Ok(Schema::Unknown)
    }

    fn register(&self, _: &str, _: &str) -> Result<u32, Infallible> {
        Ok(SCHEMA_ID)
    }
}

/// Our own schema is not asked for: text goes on even if the registry does not know yet what it has just registered.
#[test]
fn a_lagging_registry_refuses_no_text() {
    let Ok(verdict) = Bench::new(Tz::UTC).judge(&toll(), raw(Some(IBM.as_bytes())), none(), &Lagging);
    assert!(verdict.is_valid(), "{verdict:?}");
}

const IBM: &str = "Fri Oct  2 18:26:20 2026,9820660,truck,4004";
