//! The toll world as a whole: its golden stream, its mix, its vehicles that come back, and its days.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write,
    path::Path,
};

use events::TollPassage;
use simulation::{
    Seed,
    faults::{Faults, Kind, Shares},
    toll::{Options, VehicleType, World, spoil},
};

/// Friday, the second of October 2026, at 07:26:20 UTC: the middle of the morning peak.
const FRIDAY_MORNING_MS: i64 = 1_790_925_980_000;
/// The night before, four hours earlier.
const FRIDAY_NIGHT_MS: i64 = FRIDAY_MORNING_MS - 4 * 3_600_000;

fn world(seed: u64, mix: &str) -> World {
    World::new(Seed::new(seed), &Options { vehicles: 2_000, mix: mix.parse().expect("a mix") })
}

/// Passages one millisecond apart.
fn passages(world: &mut World, start_ms: i64, count: i64) -> Vec<TollPassage> {
    (0..count).map(|step| world.next(start_ms + step)).collect()
}

fn line(passage: &TollPassage) -> String {
    let occurred_at =
        chrono::DateTime::from_timestamp_millis(passage.occurred_at_ms).expect("a time in range");
    format!(
        "{} {} {} {} {} {} {} {} {}",
        passage.event_id,
        passage.vehicle_id,
        passage.transponder_id,
        passage.vehicle_type,
        passage.toll_plaza_id,
        passage.lane,
        passage.amount_cents,
        passage.currency,
        occurred_at.format("%FT%T%.3fZ"),
    )
}

/// Compares with the checked-in file, or writes it when `UPDATE_GOLDEN` is set.
#[expect(clippy::disallowed_methods, reason = "the one variable that rewrites golden files")]
fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == actual, "{name} has changed; if that is meant, run the test with UPDATE_GOLDEN=1");
}

/// The first passages of seed 1, as they were when this was written.
#[test]
fn seed_one_gives_the_golden_stream() {
    let mut world = world(1, "car=11,truck=4,van=2,bus=1,motorcycle=1");
    let mut text = String::new();
    for step in 0..40 {
        writeln!(text, "{}", line(&world.next(FRIDAY_MORNING_MS + step * 50))).unwrap();
    }
    assert_golden("toll_seed_1.txt", &text);
}

/// How each kind of fault that concerns the event spoils the first passages of seed 1.
#[test]
fn seed_one_gives_the_golden_faults() {
    let shares: Shares =
        "out_of_range=30%,unknown_category=30%,contradiction=20%,old_time=20%".parse().unwrap();
    let mut faults = Faults::new(Seed::new(1).child("faults"), &shares);
    let mut world = world(1, "car=11,truck=4,van=2,bus=1,motorcycle=1");
    let mut text = String::new();
    for step in 0..40 {
        let mut passage = world.next(FRIDAY_MORNING_MS + step * 50);
        let (kind, random) = faults.draw().expect("the shares add up to one");
        spoil(kind, &mut passage, random);
        writeln!(text, "{:<16} {}", kind.name(), line(&passage)).unwrap();
    }
    assert_golden("toll_faults_seed_1.txt", &text);
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
    let mut known: HashMap<_, (i32, String)> = HashMap::new();
    let mut times: HashMap<_, u32> = HashMap::new();
    for passage in passages(&mut world(1, "car=11,truck=4,van=2"), FRIDAY_MORNING_MS, 20_000) {
        let vehicle = (passage.transponder_id, passage.vehicle_type.into_owned());
        assert_eq!(known.entry(passage.vehicle_id).or_insert_with(|| vehicle.clone()), &vehicle);
        *times.entry(passage.vehicle_id).or_default() += 1;
    }
    assert!(known.len() <= 2_000, "no more vehicles than there are");
    let transponders: HashSet<i32> = known.values().map(|(transponder, _)| *transponder).collect();
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
            assert!(amounts.contains(&passage.amount_cents), "{text}");
            assert!((4000..=4010).contains(&passage.toll_plaza_id), "{text}");
            assert!((1..=12).contains(&passage.lane), "{text}");
            assert!((10_000..=10_000_000).contains(&passage.transponder_id), "{text}");
            assert_eq!(passage.currency, "EUR");
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

/// Each kind leaves its own mark on a passage and touches nothing else that a rule looks at.
#[test]
fn spoiled_passages_are_wrong_in_the_way_they_claim() {
    let mut world = world(1, "car=1,truck=1,van=1,bus=1,motorcycle=1");
    let mut random = Seed::new(1).child("details").random();
    let mut seen = HashSet::new();
    for good in passages(&mut world, FRIDAY_MORNING_MS, 4_000) {
        let heavy = VehicleType::named(&good.vehicle_type).unwrap().is_heavy();
        for kind in Kind::ALL {
            let mut spoiled = good.clone();
            spoil(kind, &mut spoiled, &mut random);
            let in_range = (4000..=4010).contains(&spoiled.toll_plaza_id)
                && (1..=12).contains(&spoiled.lane)
                && (10_000..=10_000_000).contains(&spoiled.transponder_id)
                && spoiled.amount_cents > 0;
            let known = VehicleType::named(&spoiled.vehicle_type).is_some() && spoiled.currency == "EUR";
            let tariff_fits = if heavy { spoiled.amount_cents >= 500 } else { spoiled.amount_cents <= 2_000 };
            let recent = good.occurred_at_ms - spoiled.occurred_at_ms < 24 * 3_600_000;
            let expected = match kind {
                Kind::OutOfRange => (false, true, true, true),
                Kind::UnknownCategory => (true, false, true, true),
                Kind::Contradiction => (true, true, false, true),
                Kind::OldTime => (true, true, true, false),
                _ => (true, true, true, true),
            };
            assert_eq!((in_range, known, tariff_fits, recent), expected, "{kind:?} of {}", line(&spoiled));
            assert_eq!(expected == (true, true, true, true), spoiled == good, "{kind:?}");
            seen.insert((kind, spoiled.toll_plaza_id, spoiled.lane, spoiled.vehicle_type));
        }
    }
    assert!(seen.iter().any(|(_, plaza, ..)| *plaza == 9999), "faults vary");
}
