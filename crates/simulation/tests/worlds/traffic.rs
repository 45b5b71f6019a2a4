//! The traffic world: its golden stream, and that its roads are as roads are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use events::TrafficEvent;
use simulation::{
    Seed, World,
    traffic::{Options, TrafficWorld},
};

use crate::{FRIDAY_MORNING_MS, FRIDAY_NIGHT_MS, events, golden};

const HOUR_MS: i64 = 3_600_000;

fn world(seed: u64, congestion: f64) -> TrafficWorld {
    TrafficWorld::new(Seed::new(seed), &Options { congestion })
}

fn line(event: &TrafficEvent) -> String {
    format!(
        "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
        event.event_id,
        event.event_type,
        event.city,
        event.road,
        event.latitude,
        event.longitude,
        golden::optional(event.severity.as_ref()),
        golden::optional(event.avg_speed_kmh),
        golden::optional(event.length_m),
        golden::optional(event.lanes_blocked),
        golden::optional(event.injuries_reported),
        golden::optional(event.speed_limit_kmh),
        golden::optional(event.direction.as_ref()),
        golden::optional(event.active),
        golden::time(event.occurred_at_ms),
    )
}

/// The first events of seed 1, and how they go wrong.
#[test]
fn seed_one_gives_the_golden_stream() {
    golden::assert_golden_events("traffic_seed_1.txt", &mut world(1, 1.0), line);
    golden::assert_golden_faults("traffic_faults_seed_1.txt", &mut world(1, 1.0), line);
}

#[test]
fn the_same_seed_and_times_give_the_same_events() {
    let stream = |seed| events(&mut world(seed, 1.0), FRIDAY_MORNING_MS, 37, 1_000);
    assert_eq!(stream(7), stream(7));
    assert_ne!(stream(7), stream(8));
}

/// What is at a place: a jam or an accident is told apart from another by where it is.
fn place(event: &TrafficEvent) -> (String, u64, u64) {
    (event.road.to_string(), event.latitude.to_bits(), event.longitude.to_bits())
}

/// A jam is the same jam in each of its reports: it gets slower, stays slow and clears, and its length goes with it.
#[test]
fn jams_build_and_clear() {
    let mut jams: HashMap<_, Vec<(i64, i32, i32)>> = HashMap::new();
    for event in events(&mut world(1, 1.0), FRIDAY_MORNING_MS, 100, 8 * 36_000) {
        if let (Some(speed_kmh), Some(length_m)) = (event.avg_speed_kmh, event.length_m) {
            jams.entry(place(&event)).or_default().push((event.occurred_at_ms, speed_kmh, length_m));
        }
    }
    let whole = jams.values().filter(|reports| {
        // Not cut off by the beginning or the end of the run.
        let (first_ms, last_ms) = (reports[0].0, reports[reports.len() - 1].0);
        first_ms > FRIDAY_MORNING_MS + HOUR_MS && last_ms < FRIDAY_MORNING_MS + 7 * HOUR_MS
    });
    let mut count = 0;
    for reports in whole {
        let (first, last) = (reports[0], reports[reports.len() - 1]);
        let worst = reports.iter().min_by_key(|(_, speed_kmh, _)| *speed_kmh).copied().expect("a report");
        assert!(first.1 > worst.1 && last.1 > worst.1, "{first:?}, {worst:?}, {last:?}");
        assert!(first.2 < worst.2 && last.2 < worst.2, "{first:?}, {worst:?}, {last:?}");
        assert!(last.0 - first.0 < 100 * 60_000, "no jam lasts longer than a hundred minutes");
        let jumps = reports.windows(2).filter(|pair| (pair[1].1 - pair[0].1).abs() > 15);
        assert!(jumps.count() * 50 < reports.len(), "from report to report little changes: {reports:?}");
        count += 1;
    }
    assert!(count > 50, "{count} jams seen from beginning to end");
}

/// After an accident there is a jam behind it, at the same place of the same road.
#[test]
fn accidents_cause_jams() {
    let mut accidents: HashMap<_, i64> = HashMap::new();
    let mut jams: HashMap<_, i64> = HashMap::new();
    for event in events(&mut world(1, 1.0), FRIDAY_MORNING_MS, 50, 4 * 72_000) {
        let first = if event.event_type == "ACCIDENT" { &mut accidents } else { &mut jams };
        if event.event_type != "SPEED_CAMERA" {
            first.entry(place(&event)).or_insert(event.occurred_at_ms);
        }
    }
    let until_ms = FRIDAY_MORNING_MS + 4 * HOUR_MS - 10 * 60_000;
    let from_ms = FRIDAY_MORNING_MS + HOUR_MS;
    let seen: Vec<_> = accidents.iter().filter(|(_, first)| (from_ms..until_ms).contains(*first)).collect();
    assert!(seen.len() > 5, "{} accidents", seen.len());
    for (place, accident_ms) in seen {
        let jam_ms = jams.get(place).unwrap_or_else(|| panic!("no jam at {place:?}"));
        let later_ms = jam_ms - accident_ms;
        assert!((60_000..10 * 60_000).contains(&later_ms), "the jam is reported {later_ms} ms later");
    }
}

/// Cameras stand still and do not change their limit; nearly all of them are in use.
#[test]
fn cameras_are_fixed() {
    let mut cameras: HashMap<_, (Option<i32>, Option<String>)> = HashMap::new();
    let mut active = [0, 0];
    for event in events(&mut world(1, 1.0), FRIDAY_MORNING_MS, 100, 100_000) {
        let Some(is_active) = event.active else { continue };
        active[usize::from(is_active)] += 1;
        let camera = (event.speed_limit_kmh, event.direction.as_ref().map(ToString::to_string));
        assert_eq!(cameras.entry(place(&event)).or_insert_with(|| camera.clone()), &camera);
    }
    assert_eq!(cameras.len(), 36);
    assert!(active[1] > 10 * active[0], "{active:?}");
}

/// A peak has more jams than a night, a night has some; without congestion there are cameras alone.
#[test]
fn demand_and_congestion_make_jams() {
    let jams = |start_ms, congestion| {
        let events = events(&mut world(1, congestion), start_ms, 1, 20_000);
        let jams = events.iter().filter(|event| event.event_type == "TRAFFIC_JAM");
        jams.map(place).collect::<HashSet<_>>().len()
    };
    let (peak, night) = (jams(FRIDAY_MORNING_MS, 1.0), jams(FRIDAY_NIGHT_MS, 1.0));
    assert!(peak > night && night > 0, "{peak} at the peak, {night} at night");
    assert!(jams(FRIDAY_MORNING_MS, 5.0) > peak);
    assert_eq!(jams(FRIDAY_MORNING_MS, 0.0), 0);
}

/// At any rate there is something to report, also when time stands still, jumps ahead or goes back.
#[test]
fn time_may_do_what_it_likes() {
    let mut world = world(1, 1.0);
    let mut types: BTreeMap<String, u32> = BTreeMap::new();
    for now_ms in [
        0,
        FRIDAY_MORNING_MS,
        FRIDAY_MORNING_MS + 400 * 24 * HOUR_MS,
        FRIDAY_NIGHT_MS,
        -1,
        i64::from(i32::MIN),
    ] {
        let mut ids = BTreeSet::new();
        for event in events(&mut world, now_ms, 0, 2_000) {
            assert_eq!(event.occurred_at_ms, now_ms);
            assert!(ids.insert(event.event_id), "an id came twice");
            *types.entry(event.event_type.into_owned()).or_default() += 1;
        }
    }
    assert!(types.keys().eq(["ACCIDENT", "SPEED_CAMERA", "TRAFFIC_JAM"]), "{types:?}");
    assert!(types.values().all(|count| *count > 200), "{types:?}");
}

/// All roads of all cities are reported on within an hour of a morning.
#[test]
fn every_road_is_seen() {
    let events = events(&mut world(1, 1.0), FRIDAY_MORNING_MS, 100, 36_000);
    let roads: BTreeSet<(&str, &str)> = events.iter().map(|event| (&*event.city, &*event.road)).collect();
    let expected = [
        ("Lille", "A1"),
        ("Lyon", "A6"),
        ("Lyon", "A7"),
        ("Lyon", "Peripherique"),
        ("Marseille", "A7"),
        ("Paris", "A1"),
        ("Paris", "A10"),
        ("Paris", "A13"),
        ("Paris", "A6"),
        ("Paris", "N118"),
        ("Paris", "Peripherique"),
        ("Toulouse", "Peripherique"),
    ];
    assert!(roads.iter().copied().eq(expected), "{roads:?}");
}
