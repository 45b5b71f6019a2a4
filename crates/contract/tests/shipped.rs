//! The shipped contracts: each keeps to its own examples, and the records of the source pipelines get the verdicts
//! that they should.

use std::sync::LazyLock;

use contract::{Contract, Examples, Failure, Judge, OnFailure, Report};
use dead_letter::Reason;
use events::{Shape, TollPassage, TrafficEvent, Value, WeatherReading};
use serde_json::json;
use uuid::Uuid;

/// 2026-10-02 19:26:20 UTC.
const NOW_MS: i64 = 1_790_969_180_000;
const DAY_MS: i64 = 86_400_000;

/// A stream's contract, bound to its schema, and its examples.
struct Shipped {
    shape: Shape,
    judge: Judge,
    examples: Examples,
}

static TOLL: LazyLock<Shipped> = LazyLock::new(|| {
    Shipped::read(
        TollPassage::SCHEMA,
        include_str!("../../../schemas/toll_passage.contract.json"),
        include_str!("../../../schemas/toll_passage.examples.json"),
    )
});
static TRAFFIC: LazyLock<Shipped> = LazyLock::new(|| {
    Shipped::read(
        TrafficEvent::SCHEMA,
        include_str!("../../../schemas/traffic_event.contract.json"),
        include_str!("../../../schemas/traffic_event.examples.json"),
    )
});
static WEATHER: LazyLock<Shipped> = LazyLock::new(|| {
    Shipped::read(
        WeatherReading::SCHEMA,
        include_str!("../../../schemas/weather_reading.contract.json"),
        include_str!("../../../schemas/weather_reading.examples.json"),
    )
});

fn all() -> [&'static Shipped; 3] {
    [&*TOLL, &*TRAFFIC, &*WEATHER]
}

/// What a record fails: refusing rules with their codes, the text of its flags, and the dead letter's detail.
struct Verdict {
    /// How often memory was asked for to find that out.
    allocations: u64,
    refused: Vec<(String, Reason)>,
    flags: Option<String>,
    detail: serde_json::Value,
}

impl Shipped {
    fn read(schema: &str, contract: &str, examples: &str) -> Self {
        let shape = Shape::parse(schema).expect("the schema compiles");
        let judge = contract.parse::<Contract>().expect("parses").bind(&shape).expect("binds");
        Self { shape, judge, examples: examples.parse().expect("parses") }
    }

    fn report(&self) -> Report {
        self.examples.check(&self.judge, &self.shape).expect("fits the schema")
    }

    fn verdict(&self, avro: &[u8]) -> Verdict {
        let Self { shape, judge, .. } = self;
        let mut values: Vec<Value<'_>> = Vec::with_capacity(shape.fields().len());
        let mut failures: Vec<Failure> = Vec::new();
        let measured = allocation_counter::measure(|| {
            shape.decode(avro, &mut values).expect("decodes");
            judge.judge(&values, NOW_MS, &mut failures);
        });
        let rules = failures.iter().map(|failure| judge.rule(failure));
        let refusing = rules.filter(|rule| rule.on_failure == OnFailure::Refuse);
        Verdict {
            allocations: measured.count_total,
            refused: refusing.map(|rule| (rule.name.clone(), rule.code)).collect(),
            flags: judge.flags(&failures),
            detail: judge.detail(&failures, &values).parse().expect("JSON"),
        }
    }
}

fn passage() -> TollPassage {
    TollPassage {
        event_id: Uuid::nil(),
        vehicle_id: Uuid::nil(),
        transponder_id: Some(9_820_660),
        vehicle_type: "truck".into(),
        toll_plaza_id: 4004,
        lane: Some(3),
        amount_cents: Some(1860),
        currency: Some("EUR".into()),
        occurred_at_ms: NOW_MS - 40,
    }
}

fn of_passage(change: impl FnOnce(&mut TollPassage)) -> Verdict {
    let mut passage = passage();
    change(&mut passage);
    let mut avro = Vec::new();
    passage.encode(&mut avro);
    TOLL.verdict(&avro)
}

/// An event with what all kinds have: the sample of the traffic pipeline's own text, a camera of Lille in Paris.
fn event(event_type: &'static str) -> TrafficEvent {
    TrafficEvent {
        event_id: "b137c55c-d83f-4bc4-b9a7-23b77c144897".parse().expect("a UUID"),
        event_type: event_type.into(),
        city: "Lille".into(),
        road: "A6".into(),
        latitude: 48.8061,
        longitude: 2.318_646,
        occurred_at_ms: NOW_MS - 40,
        severity: None,
        avg_speed_kmh: None,
        length_m: None,
        lanes_blocked: None,
        injuries_reported: None,
        speed_limit_kmh: None,
        direction: None,
        active: None,
    }
}

fn jam() -> TrafficEvent {
    TrafficEvent {
        severity: Some("LOW".into()),
        avg_speed_kmh: Some(20),
        length_m: Some(1001),
        ..event("TRAFFIC_JAM")
    }
}

fn accident() -> TrafficEvent {
    TrafficEvent {
        severity: Some("MAJOR".into()),
        lanes_blocked: Some(2),
        injuries_reported: Some(true),
        ..event("ACCIDENT")
    }
}

fn camera() -> TrafficEvent {
    TrafficEvent {
        speed_limit_kmh: Some(70),
        direction: Some("N".into()),
        active: Some(true),
        ..event("SPEED_CAMERA")
    }
}

fn of_event(event: &TrafficEvent) -> Verdict {
    let mut avro = Vec::new();
    event.encode(&mut avro);
    TRAFFIC.verdict(&avro)
}

fn of_reading(temperature_c: f64, change: impl FnOnce(&mut WeatherReading)) -> Verdict {
    let mut reading = WeatherReading {
        event_id: Uuid::nil(),
        sensor_id: 1,
        city: "Paris".into(),
        temperature_c,
        humidity_pct: None,
        wind_speed_mps: None,
        surface_temperature_c: None,
        observed_at_ms: NOW_MS - 40,
    };
    change(&mut reading);
    let mut avro = Vec::new();
    reading.encode(&mut avro);
    WEATHER.verdict(&avro)
}

/// Decoding a good record and applying all rules to it asks the allocator for nothing.
#[test]
fn good_records_are_judged_without_an_allocation() {
    let in_paris = |event| of_event(&TrafficEvent { city: "Paris".into(), ..event });
    let verdicts = [of_passage(|_| ()), in_paris(accident()), in_paris(camera()), of_reading(18.5, |_| ())];
    for Verdict { refused, flags, allocations, .. } in verdicts {
        assert_eq!((refused, flags, allocations), (Vec::new(), None, 0));
    }
    assert!(of_passage(|passage| passage.lane = Some(99)).allocations > 0, "what is found is kept somewhere");
}

/// Every rule of every contract has examples, and all do what they should.
#[test]
fn contracts_keep_to_their_examples() {
    for stream in all() {
        let report = stream.report();
        assert!(report.is_good(), "{}: {report:#?}", stream.shape.name());
    }
}

/// An example that fails a refusing rule fails no other refusing rule: a fault has one reason.
#[test]
fn a_fault_has_one_reason() {
    for stream in all() {
        let refuses = |name: &String| {
            stream.judge.rules().any(|rule| rule.name == *name && rule.on_failure == OnFailure::Refuse)
        };
        for rule in stream.report().rules {
            let others: Vec<_> = rule.also_failed.iter().filter(|name| refuses(name)).collect();
            assert!(others.is_empty(), "{}: {others:?}", rule.rule.name);
        }
    }
}

/// Passages written with the first version of their schema are judged by the same contract.
#[test]
fn the_first_schema_of_passages_still_fits() {
    let schema = include_str!("../../../schemas/golden/toll_passage.v1.schema.json");
    let shape = Shape::parse(schema).expect("the schema compiles");
    let contract = include_str!("../../../schemas/toll_passage.contract.json").parse::<Contract>();
    let bound = contract.expect("parses").bind(&shape);
    assert!(bound.is_ok(), "{bound:?}");
}

/// Even a record with every flag there is has a text that the column `flags` holds.
#[test]
fn all_flags_together_fit_their_column() {
    const FLAGS_CHARS_MAX: usize = 500;
    for stream in all() {
        let flags = stream.judge.rules().filter(|rule| rule.on_failure == OnFailure::Flag);
        let length: usize = flags.map(|rule| rule.code.code().len() + 1 + rule.name.len() + 1).sum();
        assert!(length <= FLAGS_CHARS_MAX, "{length}");
    }
}

/// Each way in which a passage can break the contract is found under its own code, and a good one passes.
#[test]
fn passages_are_told_good_from_bad() {
    type Damage = fn(&mut TollPassage);
    let cases: [(Damage, Option<(&str, Reason)>); 13] = [
        (|_| {}, None),
        (|p| (p.transponder_id, p.lane, p.amount_cents, p.currency) = (None, None, None, None), None),
        (|p| p.transponder_id = Some(5), Some(("transponder_id_in_range", Reason::OutOfRange))),
        (|p| p.transponder_id = Some(65_535), None),
        (|p| p.transponder_id = Some(-99), Some(("transponder_id_not_sentinel", Reason::Sentinel))),
        (|p| p.vehicle_type = "Car".into(), Some(("vehicle_type_case", Reason::WrongCase))),
        (|p| p.vehicle_type = "SUV".into(), Some(("vehicle_type_known", Reason::UnknownCategory))),
        (|p| p.vehicle_type = "".into(), Some(("vehicle_type_present", Reason::MissingField))),
        (|p| p.toll_plaza_id = 9999, Some(("toll_plaza_id_in_range", Reason::OutOfRange))),
        (|p| p.lane = Some(65_535), Some(("lane_not_sentinel", Reason::Sentinel))),
        (|p| p.amount_cents = Some(-9900), Some(("amount_not_sentinel", Reason::Sentinel))),
        (|p| p.amount_cents = Some(499), Some(("amount_fits_vehicle_type", Reason::Contradiction))),
        (|p| p.currency = Some("USD".into()), Some(("currency_known", Reason::UnknownCategory))),
    ];
    for (index, (damage, wanted)) in cases.into_iter().enumerate() {
        let verdict = of_passage(damage);
        let wanted: Vec<_> = wanted.into_iter().map(|(rule, code)| (rule.to_owned(), code)).collect();
        assert_eq!(verdict.refused, wanted, "case {index}");
        assert_eq!(verdict.flags, None, "case {index}");
    }
}

/// Decades ago and hours ahead are flags, days ahead is a refusal: devices have wrong clocks, and senders no zones.
#[test]
fn implausible_times_are_flagged_or_refused() {
    let of = |ahead_ms: i64| of_passage(|passage| passage.occurred_at_ms = NOW_MS + ahead_ms);
    let old = of(-39 * 365 * DAY_MS);
    assert_eq!(old.refused, []);
    assert_eq!(old.flags.as_deref(), Some("IMPLAUSIBLE_TIME:occurred_at_recent"));
    let local = of(2 * 3_600_000);
    assert_eq!(local.refused, []);
    assert_eq!(local.flags.as_deref(), Some("IMPLAUSIBLE_TIME:occurred_at_not_ahead"));
    for ahead_ms in [DAY_MS, 400 * 365 * DAY_MS, i64::MAX - NOW_MS] {
        let refused = [("occurred_at_not_in_future".to_owned(), Reason::ImplausibleTime)];
        assert_eq!(of(ahead_ms).refused, refused, "{ahead_ms}");
    }
}

/// All failed rules are listed, each with the values that it saw, in the form that people write.
#[test]
fn a_verdict_lists_every_reason_with_its_values() {
    let verdict = of_passage(|p| (p.lane, p.amount_cents) = (Some(99), Some(-150)));
    let codes: Vec<_> = verdict.refused.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [Reason::OutOfRange, Reason::OutOfRange]);
    assert_eq!(verdict.detail[0]["values"], json!({"lane": 99}));
    assert_eq!(verdict.detail[1]["values"], json!({"amount": "-1.50"}));
}

/// The traffic pipeline's own sample, a camera of Lille that stands in Paris, passes and is flagged.
#[test]
fn the_sample_of_lille_in_paris_is_flagged() {
    let verdict = of_event(&camera());
    assert_eq!(verdict.refused, []);
    assert_eq!(
        verdict.flags.as_deref(),
        Some("CONTRADICTION:city_fits_coordinates,CONTRADICTION:city_fits_road")
    );
}

/// What the traffic pipeline's own producer can draw is never refused, and four cities in five are flagged.
#[test]
fn events_of_the_source_producer_pass() {
    let mut flagged = 0;
    let mut all = 0;
    for city in ["Paris", "Lyon", "Marseille", "Lille", "Toulouse"] {
        for road in ["A1", "A6", "A7", "A10", "A13", "Peripherique", "N118"] {
            let jams = ["LOW", "MEDIUM", "HIGH"].into_iter().flat_map(|severity| {
                (5..=35).map(move |speed| TrafficEvent {
                    severity: Some(severity.into()),
                    avg_speed_kmh: Some(speed),
                    length_m: Some(200 + 160 * (speed - 5)),
                    ..jam()
                })
            });
            let accidents = ["MINOR", "MAJOR"].into_iter().flat_map(|severity| {
                (1..=3).map(move |lanes| TrafficEvent {
                    severity: Some(severity.into()),
                    lanes_blocked: Some(lanes),
                    injuries_reported: Some(lanes == 2),
                    ..accident()
                })
            });
            let cameras = [30, 50, 70, 90, 110, 130].into_iter().flat_map(|limit| {
                ["N", "S", "E", "W"].map(|direction| TrafficEvent {
                    speed_limit_kmh: Some(limit),
                    direction: Some(direction.into()),
                    ..camera()
                })
            });
            for event in jams.chain(accidents).chain(cameras) {
                let event = TrafficEvent { city: city.into(), road: road.into(), ..event };
                let verdict = of_event(&event);
                assert_eq!(verdict.refused, [], "{event:?}");
                let flags = verdict.flags.unwrap_or_default();
                flagged += u32::from(flags.contains("city_fits_coordinates"));
                all += 1;
            }
        }
    }
    assert_eq!(flagged * 5, all * 4);
}

/// A field that does not belong to its kind of event is refused by a rule that names it.
#[test]
fn fields_of_other_kinds_are_refused_by_name() {
    let cases = [
        (TrafficEvent { severity: Some("MAJOR".into()), ..jam() }, "severity_of_jam", "severity"),
        (TrafficEvent { severity: Some("LOW".into()), ..accident() }, "severity_of_accident", "severity"),
        (
            TrafficEvent { lanes_blocked: Some(2), ..camera() },
            "lanes_blocked_of_accident_only",
            "lanes_blocked",
        ),
    ];
    for (event, rule, field) in cases {
        let verdict = of_event(&event);
        assert_eq!(verdict.refused, [(rule.to_owned(), Reason::Contradiction)], "{event:?}");
        let detail = verdict.detail.as_array().expect("a list");
        let failed = detail.iter().find(|failed| failed["rule"] == rule).expect("is listed");
        assert!(!failed["values"][field].is_null(), "{failed}");
    }
}

/// A jam at nearly free flow cannot be HIGH; one that is merely called wrong is flagged.
#[test]
fn severity_is_held_against_speed() {
    let of = |severity: &'static str, speed| {
        of_event(&TrafficEvent {
            city: "Paris".into(),
            severity: Some(severity.into()),
            avg_speed_kmh: Some(speed),
            ..jam()
        })
    };
    assert_eq!(of("HIGH", 99).refused, [("high_jam_is_slow".to_owned(), Reason::Contradiction)]);
    let wrong = of("HIGH", 60);
    assert_eq!(wrong.refused, []);
    assert_eq!(wrong.flags.as_deref(), Some("CONTRADICTION:severity_fits_speed"));
    assert_eq!(of("MEDIUM", 60).flags, None);
}

/// What the weather pipeline's producer draws passes; marks for "not measured" are told from impossible values.
#[test]
fn readings_are_told_good_from_bad() {
    for temperature_c in [5.0, 22.85, 30.0, 30.01, 35.0] {
        let verdict = of_reading(temperature_c, |_| {});
        assert_eq!((verdict.refused, verdict.flags), (vec![], None), "{temperature_c}");
    }
    let refused = |rule: &str, code| vec![(rule.to_owned(), code)];
    assert_eq!(of_reading(1001.0, |_| {}).refused, refused("temperature_c_not_sentinel", Reason::Sentinel));
    for temperature_c in [295.15, -60.5, f64::NAN, f64::INFINITY] {
        assert_eq!(
            of_reading(temperature_c, |_| {}).refused,
            refused("temperature_c_in_range", Reason::OutOfRange),
            "{temperature_c}"
        );
    }
    assert_eq!(
        of_reading(20.0, |reading| reading.city = "mq".into()).refused,
        refused("city_not_sentinel", Reason::Sentinel)
    );
    let odd = of_reading(5.0, |reading| {
        (reading.city, reading.surface_temperature_c) = ("Nantes".into(), Some(50.0));
    });
    assert_eq!(odd.refused, []);
    assert_eq!(odd.flags.as_deref(), Some("UNKNOWN_CATEGORY:city_known,CONTRADICTION:surface_fits_air"));
}
