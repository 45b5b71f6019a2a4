//! The toll world as a whole: its golden stream, its mix, its vehicles that come back, and its days.

use std::collections::{BTreeMap, HashMap, HashSet};

use events::TollPassage;
use simulation::{
    Seed, World,
    toll::{Options, TollWorld, VehicleType},
};

use crate::{FRIDAY_MORNING_MS, FRIDAY_NIGHT_MS, events, golden};

fn world(seed: u64, mix: &str) -> TollWorld {
    TollWorld::new(Seed::new(seed), &Options { vehicles: 2_000, mix: mix.parse().expect("a mix") })
}

/// Passages one millisecond apart.
fn passages(world: &mut TollWorld, start_ms: i64, count: i64) -> Vec<TollPassage> {
    events(world, start_ms, 1, count)
}

fn line(passage: &TollPassage) -> String {
    format!(
        "{} {} {} {} {} {} {} {} {}",
        passage.event_id,
        passage.vehicle_id,
        golden::optional(passage.transponder_id),
        passage.vehicle_type,
        passage.toll_plaza_id,
        golden::optional(passage.lane),
        golden::optional(passage.amount_cents),
        golden::optional(passage.currency.as_ref()),
        golden::time(passage.occurred_at_ms),
    )
}

/// The first passages of seed 1, and how they go wrong.
#[test]
fn seed_one_gives_the_golden_stream() {
    let world = || world(1, "car=11,truck=4,van=2,bus=1,motorcycle=1");
    golden::assert_golden_events("toll_seed_1.txt", &mut world(), line);
    golden::assert_golden_faults("toll_faults_seed_1.txt", &mut world(), line);
}

#[test]
fn the_same_seed_and_times_give_the_same_passages() {
    let stream = |seed| passages(&mut world(seed, "car=11,truck=4,van=2"), FRIDAY_MORNING_MS, 1_000);
    assert_eq!(stream(7), stream(7));
    assert_ne!(stream(7), stream(8));
}

/// Chi-square with two degrees of freedom: 13.8 is passed by chance once in a thousand seeds.
#[test]
fn the_default_mix_is_eleven_to_four_to_two() {
    const RECORDS: i64 = 100_000;
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for passage in passages(&mut world(1, "car=11,truck=4,van=2"), FRIDAY_MORNING_MS, RECORDS) {
        *counts.entry(passage.vehicle_type.into_owned()).or_default() += 1.0;
    }
    assert_eq!(counts.len(), 3, "nothing else passes: {counts:?}");
    let chi_square: f64 = [("car", 11.0), ("truck", 4.0), ("van", 2.0)]
        .map(|(name, part)| {
            let expected = RECORDS as f64 * part / 17.0;
            (counts[name] - expected).powi(2) / expected
        })
        .iter()
        .sum();
    assert!(chi_square < 13.8, "chi-square {chi_square} of {counts:?}");
}

/// A vehicle that comes back is the same vehicle: one type and one transponder for each pseudonym.
#[test]
fn vehicles_come_back() {
    let mut known: HashMap<_, (Option<i32>, String)> = HashMap::new();
    let mut times: HashMap<_, u32> = HashMap::new();
    for passage in passages(&mut world(1, "car=11,truck=4,van=2"), FRIDAY_MORNING_MS, 20_000) {
        let vehicle = (passage.transponder_id, passage.vehicle_type.into_owned());
        assert_eq!(known.entry(passage.vehicle_id).or_insert_with(|| vehicle.clone()), &vehicle);
        *times.entry(passage.vehicle_id).or_default() += 1;
    }
    assert!(known.len() <= 2_000, "no more vehicles than there are");
    let transponders: HashSet<Option<i32>> = known.values().map(|(transponder, _)| *transponder).collect();
    assert_eq!(transponders.len(), known.len(), "no two vehicles share a transponder");
    let mut times: Vec<u32> = times.into_values().collect();
    times.sort_unstable();
    let (most, least) = (times[times.len() * 19 / 20], times[times.len() / 2]);
    assert!(most > 3 * least, "regular vehicles come more often: {most} against {least}");
}

/// Every passage of a world with all types keeps to the ranges of the contract.
#[test]
fn good_passages_keep_to_the_contract() {
    let mut event_ids = HashSet::new();
    for start_ms in [FRIDAY_MORNING_MS, FRIDAY_NIGHT_MS] {
        let mut world = world(start_ms as u64, "car=5,truck=5,van=5,bus=5,motorcycle=5");
        for passage in passages(&mut world, start_ms, 20_000) {
            let text = line(&passage);
            let vehicle_type = VehicleType::named(&passage.vehicle_type).expect("a known type");
            let amounts = if vehicle_type.is_heavy() { 500..=20_000 } else { 1..=2_000 };
            assert!(passage.amount_cents.is_some_and(|cents| amounts.contains(&cents)), "{text}");
            assert!((4000..=4010).contains(&passage.toll_plaza_id), "{text}");
            assert!(passage.lane.is_some_and(|lane| (1..=12).contains(&lane)), "{text}");
            let transponder = passage.transponder_id;
            assert!(transponder.is_some_and(|id| (10_000..=10_000_000).contains(&id)), "{text}");
            assert_eq!(passage.currency.as_deref(), Some("EUR"));
            assert_eq!((passage.event_id.get_version_num(), passage.vehicle_id.get_version_num()), (7, 5));
            assert_eq!(passage.event_id.as_u128() >> 80, passage.occurred_at_ms as u128, "{text}");
            assert!(event_ids.insert(passage.event_id), "an id came twice: {text}");
        }
    }
}

/// Commuters fill their plazas in the morning; at night the trucks' plazas lead. All eleven are seen at
/// either hour.
#[test]
fn demand_differs_by_hour_and_plaza() {
    let by_plaza = |start_ms| {
        let mut counts: BTreeMap<i32, u32> = BTreeMap::new();
        for passage in passages(&mut world(1, "car=11,truck=4,van=2"), start_ms, 20_000) {
            *counts.entry(passage.toll_plaza_id).or_default() += 1;
        }
        counts
    };
    let (morning, night) = (by_plaza(FRIDAY_MORNING_MS), by_plaza(FRIDAY_NIGHT_MS));
    assert!(morning.keys().copied().eq(4000..=4010) && night.keys().copied().eq(4000..=4010));
    let commuter = 4000;
    let freight = 4003;
    assert!(morning[&commuter] > morning[&freight], "{morning:?}");
    assert!(night[&freight] > 2 * night[&commuter], "{night:?}");
    assert!(morning[&4000] > 4 * morning[&4010], "large plazas stand out: {morning:?}");
}
