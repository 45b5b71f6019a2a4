//! The shipped contracts judge what the worlds make: good events pass without a mark, and each kind of fault gives
//! its one right outcome and differs from the good event. Among the rules that good events keep are that points lie in
//! their city's box and severities fit the speed.

use std::{collections::BTreeSet, path::Path};

use contract::{Contract, Judge};
use events::{Shape, TollPassage, TrafficEvent, Value, WeatherReading};
use simulation::{
    Seed, World,
    faults::{Kind, Outcome},
    toll::{self, TollWorld},
    traffic::{self, TrafficWorld},
    weather::{self, WeatherWorld},
};

use crate::{FRIDAY_MORNING_MS, FRIDAY_NIGHT_MS, events};

/// An event's schema with its contract.
struct Rules {
    shape: Shape,
    judge: Judge,
}

impl Rules {
    fn of(event: &str) -> Self {
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
        let read = |suffix: &str| {
            std::fs::read_to_string(schemas.join(format!("{event}{suffix}"))).expect("a shipped file")
        };
        let shape = Shape::parse(&read(".avsc")).expect("a shipped schema");
        let contract: Contract = read(".contract.json").parse().expect("a shipped contract");
        let judge = contract.bind(&shape).expect("rules for the schema");
        Rules { shape, judge }
    }

    /// What becomes of a record that was sent at a time, `None` if it is simply good, and the rules that it fails.
    fn outcome(&self, record: &[u8], sent_ms: i64) -> (Option<Outcome>, Vec<String>) {
        let mut values: Vec<Value<'_>> = Vec::new();
        self.shape.decode(record, &mut values).expect("a record of the schema");
        let mut failures = Vec::new();
        self.judge.judge(&values, sent_ms, &mut failures);
        let sentences = failures.iter().map(|failure| self.judge.sentence(failure, &values)).collect();
        let outcome = match (self.judge.refusal(&failures), failures.first()) {
            (Some(refusal), _) => Some(Outcome::Refused(self.judge.rule(refusal).code)),
            (None, Some(flag)) => Some(Outcome::Flagged(self.judge.rule(flag).code)),
            (None, None) => None,
        };
        // Two rules may look at the same thing, but then they say the same of it.
        let codes: BTreeSet<_> = failures.iter().map(|failure| self.judge.rule(failure).code).collect();
        assert!(codes.len() <= 1, "more than one thing is wrong: {sentences:?}");
        (outcome, sentences)
    }
}

/// Whether a kind concerns the event; the others concern its bytes.
fn is_of_event(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::BadFraming | Kind::UnknownSchemaId | Kind::Truncated | Kind::TrailingBytes | Kind::Duplicate
    )
}

/// Judges many events of a world, each good and spoiled in every way.
fn judge_all<W: World<Event: Clone + PartialEq>>(
    event_name: &str,
    options: &W::Options,
    time_of: fn(&W::Event) -> i64,
    encode: fn(&W::Event, &mut Vec<u8>),
) {
    let rules = Rules::of(event_name);
    let mut world = W::new(Seed::new(1), options);
    let mut random = Seed::new(1).child("details").random();
    let mut record = Vec::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let times = [FRIDAY_MORNING_MS, FRIDAY_NIGHT_MS, FRIDAY_MORNING_MS + 290 * 86_400_000];
    for good in times.into_iter().flat_map(|start_ms| events(&mut world, start_ms, 700, 3_000)) {
        let sent_ms = time_of(&good);
        let mut judge = |event: &W::Event| {
            record.clear();
            encode(event, &mut record);
            rules.outcome(&record, sent_ms)
        };
        assert_eq!(judge(&good), (None, Vec::new()), "a good event");
        for kind in Kind::ALL {
            let mut spoiled = good.clone();
            W::spoil(kind, &mut spoiled, &mut random);
            assert_eq!(spoiled != good, is_of_event(kind), "{kind:?}");
            if is_of_event(kind) {
                let (outcome, sentences) = judge(&spoiled);
                assert_eq!(outcome, Some(W::outcome(kind)), "{kind:?}: {sentences:?}");
                failed.extend(sentences.iter().filter_map(|text| text.split(':').next().map(str::to_owned)));
            }
        }
    }
    assert!(failed.len() > 12, "faults vary: {failed:?}");
}

#[test]
fn toll_passages_are_judged_as_they_should_be() {
    let options =
        toll::Options { vehicles: 2_000, mix: "car=5,truck=5,van=5,bus=5,motorcycle=5".parse().unwrap() };
    let time_of = |passage: &TollPassage| passage.occurred_at_ms;
    judge_all::<TollWorld>("toll_passage", &options, time_of, TollPassage::encode);
}

#[test]
fn traffic_events_are_judged_as_they_should_be() {
    let time_of = |event: &TrafficEvent| event.occurred_at_ms;
    judge_all::<TrafficWorld>("traffic_event", &traffic::Options::default(), time_of, TrafficEvent::encode);
}

#[test]
fn weather_readings_are_judged_as_they_should_be() {
    let time_of = |reading: &WeatherReading| reading.observed_at_ms;
    judge_all::<WeatherWorld>(
        "weather_reading",
        &weather::Options::default(),
        time_of,
        WeatherReading::encode,
    );
}
