//! Accidents and jams: where and when they are, as a function of the seed and the time.
//!
//! Time is cut into slots. In each slot a road may see one incident begin; whether it does, and what it is, depends on
//! the seed, the road and the slot alone. So the roads at some time are the same for whoever asks, however
//! often and in whatever order.

use rand::RngExt as _;

use super::roads::{COUNT, Place, ROADS};
use crate::{
    Random, Seed,
    demand::{COMMUTER, Curve, Hour},
};

const MINUTE_MS: i64 = 60_000;
/// Length of a slot.
const SLOT_MS: i64 = 10 * MINUTE_MS;
/// Slots that an incident lasts at most, from the beginning of its own.
const LIFE_SLOTS: i64 = 10;
/// Incidents that can be under way at the same time.
const INCIDENTS_MAX: usize = COUNT * LIFE_SLOTS as usize;
/// How long after an accident the cars behind it are a jam.
const JAM_AFTER_MS: i64 = 2 * MINUTE_MS;
/// Most of the likelihood that a slot of a road has an incident: however busy, some have none.
const CHANCE_MAX: f64 = 0.9;
/// Metres of the shortest jam that is told of, and of the longest.
const LENGTHS_M: std::ops::RangeInclusive<f64> = 200.0..=5_000.0;

/// A jam: it grows, stays for a while and clears.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jam {
    begins_ms: i64,
    grown_ms: i64,
    clearing_ms: i64,
    ends_ms: i64,
    /// Speed at its worst, as a part of the free flow.
    slowest: f64,
    longest_m: f64,
}

/// An accident, until the road is cleared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Accident {
    begins_ms: i64,
    ends_ms: i64,
    lanes_blocked: i32,
    pub(super) is_major: bool,
    pub(super) injuries: bool,
}

/// A jam somewhere, and the accident that caused it, if one did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incident {
    /// Position in [`ROADS`].
    pub(super) road: usize,
    pub(super) place: Place,
    pub(super) jam: Jam,
    pub(super) accident: Option<Accident>,
}

impl Jam {
    /// How bad it is: 0 as it begins and ends, 1 at its worst.
    fn strength(&self, now_ms: i64) -> f64 {
        let part = |from_ms: i64, to_ms: i64| (now_ms - from_ms) as f64 / (to_ms - from_ms) as f64;
        let growing = part(self.begins_ms, self.grown_ms);
        let clearing = part(self.ends_ms, self.clearing_ms);
        growing.min(clearing).clamp(0.0, 1.0)
    }

    /// The mean speed in it, as a part of the free flow; `free` is the speed at which a jam is none.
    pub(super) fn speed(&self, free: f64, now_ms: i64) -> f64 {
        free - (free - self.slowest) * self.strength(now_ms)
    }

    /// Its length, in tens of metres.
    pub(super) fn length_m(&self, now_ms: i64) -> i32 {
        let shortest_m = *LENGTHS_M.start();
        let length_m = shortest_m + (self.longest_m - shortest_m) * self.strength(now_ms);
        (length_m / 10.0).round() as i32 * 10
    }
}

impl Accident {
    /// Lanes that it blocks: one fewer towards the end, but always one.
    pub(super) fn lanes_blocked(&self, now_ms: i64) -> i32 {
        let is_late = (now_ms - self.begins_ms) * 3 > (self.ends_ms - self.begins_ms) * 2;
        (self.lanes_blocked - i32::from(is_late)).max(1)
    }
}

/// All incidents around the time that was asked for last.
#[derive(Debug)]
pub(super) struct Incidents {
    seed: Seed,
    /// How busy the roads are, relative to usual days.
    congestion: f64,
    demand: Curve,
    /// The newest slot whose incidents are in `near`.
    slot: Option<i64>,
    near: Vec<Incident>,
    /// From when, and until when, `jams` and `accidents` are those under way.
    from_ms: i64,
    until_ms: i64,
    /// Positions in `near`.
    jams: Vec<usize>,
    accidents: Vec<usize>,
}

impl Incidents {
    pub(super) fn new(seed: Seed, congestion: f64) -> Self {
        Incidents {
            seed,
            congestion,
            demand: Curve::daily_mean_of([(1.0, &COMMUTER)]),
            slot: None,
            near: Vec::with_capacity(INCIDENTS_MAX),
            from_ms: 0,
            until_ms: 0,
            jams: Vec::with_capacity(INCIDENTS_MAX),
            accidents: Vec::with_capacity(INCIDENTS_MAX),
        }
    }

    /// Finds out what is under way at a time.
    pub(super) fn go_to(&mut self, now_ms: i64) {
        let slot = now_ms.div_euclid(SLOT_MS);
        if self.slot != Some(slot) {
            self.slot = Some(slot);
            self.near.clear();
            for begun in slot - LIFE_SLOTS + 1..=slot {
                self.near.extend((0..COUNT).filter_map(|road| {
                    incident(
                        self.seed,
                        road,
                        begun,
                        self.congestion * self.demand.at(hour(begun)),
                        self.congestion,
                    )
                }));
            }
        } else if (self.from_ms..self.until_ms).contains(&now_ms) {
            return;
        }
        (self.from_ms, self.until_ms) = (slot * SLOT_MS, (slot + 1) * SLOT_MS);
        self.jams.clear();
        self.accidents.clear();
        for index in 0..self.near.len() {
            let Incident { jam, accident, .. } = self.near[index];
            if self.is_on(jam.begins_ms, jam.ends_ms, now_ms) {
                self.jams.push(index);
            }
            if accident.is_some_and(|accident| self.is_on(accident.begins_ms, accident.ends_ms, now_ms)) {
                self.accidents.push(index);
            }
        }
    }

    /// Whether something is under way; narrows the time for which the answer holds.
    fn is_on(&mut self, begins_ms: i64, ends_ms: i64, now_ms: i64) -> bool {
        for change_ms in [begins_ms, ends_ms] {
            if change_ms <= now_ms {
                self.from_ms = self.from_ms.max(change_ms);
            } else {
                self.until_ms = self.until_ms.min(change_ms);
            }
        }
        (begins_ms..ends_ms).contains(&now_ms)
    }

    /// One of the jams that are under way, if there is any.
    pub(super) fn jam(&self, random: &mut Random) -> Option<&Incident> {
        self.one_of(&self.jams, random)
    }

    /// One of the accidents that are not cleared, if there is any.
    pub(super) fn accident(&self, random: &mut Random) -> Option<(&Incident, &Accident)> {
        let incident = self.one_of(&self.accidents, random)?;
        Some((incident, incident.accident.as_ref()?))
    }

    fn one_of(&self, positions: &[usize], random: &mut Random) -> Option<&Incident> {
        let count = positions.len();
        (count > 0).then(|| &self.near[positions[random.random_range(0..count)]])
    }
}

fn hour(slot: i64) -> Hour {
    Hour::of(slot * SLOT_MS)
}

/// What begins in a slot of a road. `traffic` is how much there is on the roads; a part of all incidents does not
/// depend on it but on `congestion` alone: road works at night are jams as well.
fn incident(seed: Seed, road: usize, slot: i64, traffic: f64, congestion: f64) -> Option<Incident> {
    let mut random = seed.at(road as i64).at(slot).random();
    let jam_chance = (0.05 * congestion + 0.09 * traffic) * ROADS[road].prone;
    let accident_chance = 0.05 * (congestion + traffic);
    let draw: f64 = random.random();
    if draw >= (jam_chance + accident_chance).min(CHANCE_MAX) {
        return None;
    }
    // Incidents of neighbouring slots are on different stretches, so that they do not overlap.
    let part: f64 = random.random();
    let place = ROADS[road].place((slot.rem_euclid(LIFE_SLOTS) as f64 + part) / LIFE_SLOTS as f64);
    let begins_ms = slot * SLOT_MS + random.random_range(0..SLOT_MS);
    let accident = (draw < accident_chance).then(|| Accident::new(begins_ms, &mut random));
    let jam = match &accident {
        Some(accident) => Jam::behind(accident, &mut random),
        None => Jam::of_rush(begins_ms, &mut random),
    };
    Some(Incident { road, place, jam, accident })
}

impl Accident {
    fn new(begins_ms: i64, random: &mut Random) -> Self {
        let is_major = random.random_bool(0.35);
        let lanes_blocked = if is_major { random.random_range(2..=3) } else { 1 };
        let injuries = random.random_bool(if is_major { 0.7 } else { 0.1 });
        let lasts = if is_major { 25..50 } else { 12..30 };
        let ends_ms = begins_ms + random.random_range(lasts) * MINUTE_MS;
        Accident { begins_ms, ends_ms, lanes_blocked, is_major, injuries }
    }
}

impl Jam {
    /// It begins soon after the accident, and clears once the road is free.
    fn behind(accident: &Accident, random: &mut Random) -> Self {
        let begins_ms = accident.begins_ms + JAM_AFTER_MS;
        let slowest = match accident.lanes_blocked {
            1 => random.random_range(0.25..0.6),
            2 => random.random_range(0.1..0.3),
            _ => random.random_range(0.03..0.12),
        };
        Jam {
            begins_ms,
            grown_ms: begins_ms + random.random_range(3..9) * MINUTE_MS,
            clearing_ms: accident.ends_ms,
            ends_ms: accident.ends_ms + random.random_range(8..25) * MINUTE_MS,
            slowest,
            longest_m: length_m(slowest, random),
        }
    }

    /// Too many cars at once.
    fn of_rush(begins_ms: i64, random: &mut Random) -> Self {
        let grown_ms = begins_ms + random.random_range(5..20) * MINUTE_MS;
        let clearing_ms = grown_ms + random.random_range(8..40) * MINUTE_MS;
        let slowest = random.random_range(0.05..0.7);
        Jam {
            begins_ms,
            grown_ms,
            clearing_ms,
            ends_ms: clearing_ms + random.random_range(5..20) * MINUTE_MS,
            slowest,
            longest_m: length_m(slowest, random),
        }
    }
}

/// The slower, the longer.
fn length_m(slowest: f64, random: &mut Random) -> f64 {
    let spread: f64 = random.random_range(0.4..1.3);
    (LENGTHS_M.end() * (1.0 - slowest) * spread).clamp(500.0, *LENGTHS_M.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Friday, the second of October 2026, at 07:26:20 UTC.
    const FRIDAY_MS: i64 = 1_790_925_980_000;

    /// All incidents that begin in a day.
    fn day(congestion: f64) -> Vec<Incident> {
        let demand = Curve::daily_mean_of([(1.0, &COMMUTER)]);
        let first = FRIDAY_MS / SLOT_MS;
        (first..first + 144)
            .flat_map(|slot| (0..COUNT).map(move |road| (slot, road)))
            .filter_map(|(slot, road)| {
                incident(Seed::new(1), road, slot, congestion * demand.at(hour(slot)), congestion)
            })
            .collect()
    }

    /// No incident outlives the window in which it is looked for, and each jam of an accident is behind it.
    #[test]
    fn incidents_begin_grow_clear_and_end() {
        let all = day(1.0);
        assert!((100..500).contains(&all.len()), "{} incidents", all.len());
        for Incident { jam, accident, .. } in &all {
            let first_ms = accident.map_or(jam.begins_ms, |accident| accident.begins_ms);
            let slot = first_ms.div_euclid(SLOT_MS);
            assert!(jam.ends_ms <= (slot + LIFE_SLOTS) * SLOT_MS, "{jam:?} of slot {slot}");
            assert!(first_ms <= jam.begins_ms && jam.begins_ms < jam.grown_ms);
            assert!(jam.grown_ms < jam.clearing_ms && jam.clearing_ms < jam.ends_ms, "{jam:?}");
            assert!(jam.strength(jam.begins_ms) < 1e-9 && jam.strength(jam.ends_ms) < 1e-9);
            assert!((jam.strength(jam.grown_ms) - 1.0).abs() < 1e-9);
            assert!((200..=5_000).contains(&jam.length_m(jam.grown_ms)));
            if let Some(accident) = accident {
                assert!((accident.begins_ms..accident.ends_ms).contains(&jam.begins_ms));
                assert!((1..=3).contains(&accident.lanes_blocked(accident.begins_ms)));
                assert!((1..=2).contains(&accident.lanes_blocked(accident.ends_ms)));
            }
        }
        let accidents = all.iter().filter(|incident| incident.accident.is_some()).count();
        assert!((50..250).contains(&accidents), "{accidents} accidents");
    }

    #[test]
    fn congestion_makes_more_of_them() {
        assert!(day(0.0).is_empty());
        assert!(day(3.0).len() > day(1.0).len() * 3 / 2);
    }

    /// Whether asked each second or at once, whether forwards or backwards: the roads are the same.
    #[test]
    fn what_is_under_way_depends_on_the_time_alone() {
        let state = |incidents: &Incidents| {
            let begins = |positions: &[usize]| {
                positions.iter().map(|index| incidents.near[*index].jam.begins_ms).collect::<Vec<_>>()
            };
            (begins(&incidents.jams), begins(&incidents.accidents))
        };
        let mut patient = Incidents::new(Seed::new(1), 1.0);
        let mut seen = Vec::new();
        for second in 0..3 * 3600 {
            patient.go_to(FRIDAY_MS + second * 1000);
            seen.push((second, state(&patient)));
        }
        assert!(seen.iter().any(|(_, (_, accidents))| !accidents.is_empty()));
        let mut hasty = Incidents::new(Seed::new(1), 1.0);
        for (second, expected) in seen.into_iter().rev().step_by(61) {
            hasty.go_to(FRIDAY_MS + second * 1000);
            assert_eq!(state(&hasty), expected, "after {second} s");
        }
    }
}
