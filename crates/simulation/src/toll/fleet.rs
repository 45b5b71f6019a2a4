//! The vehicles of the world: each has a plate, known to the outside by a pseudonym only, and a transponder.

use std::collections::HashSet;

use fake::{
    Fake,
    faker::automotive::raw::LicencePlate,
    locales::{FR_FR, IT_IT, NL_NL},
};
use rand::RngExt;
use uuid::Uuid;

use super::{Options, VehicleType};
use crate::{Random, Seed, weights::Weights};

/// The most vehicles a world may have: each needs a plate and a transponder of its own.
pub const VEHICLES_MAX: u32 = 1_000_000;

/// Numbers of transponders.
const TRANSPONDER_IDS: std::ops::RangeInclusive<i32> = 10_000..=10_000_000;

/// One vehicle in this many passes regularly.
const REGULAR_ONE_IN: usize = 5;
/// Probability that a passage is one of a regular vehicle, beyond its even part.
const REGULAR_SHARE: f64 = 0.6;

/// Where plates come from, and how often.
const COUNTRIES: [(&str, f64); 3] = [("F", 0.8), ("I", 0.12), ("NL", 0.08)];

/// One vehicle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vehicle {
    /// Pseudonym: UUID version 5 of the plate, so that the plate itself leaves this module nowhere.
    pub(super) id: Uuid,
    /// Unique among all vehicles.
    pub(super) transponder_id: i32,
}

/// All vehicles, by type.
#[derive(Debug)]
pub(super) struct Fleet {
    vehicles: [Vec<Vehicle>; VehicleType::COUNT],
}

impl Fleet {
    pub(super) fn new(seed: Seed, options: &Options) -> Self {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"vehicles.turnpike");
        let countries = Weights::new(COUNTRIES.map(|(_, share)| share));
        let total = options.vehicles.min(VEHICLES_MAX);
        let mut plates_taken = HashSet::new();
        let mut transponders_taken = HashSet::new();
        let vehicles = VehicleType::ALL.map(|vehicle_type| {
            let seed = seed.child(vehicle_type.name());
            let mut plates = seed.child("plates").random();
            let mut transponders = seed.child("transponders").random();
            (0..count(total, options.mix.share(vehicle_type)))
                .map(|_| {
                    let plate = unique(&mut plates_taken, || plate(&countries, &mut plates));
                    let transponder_id =
                        unique(&mut transponders_taken, || transponders.random_range(TRANSPONDER_IDS));
                    Vehicle { id: Uuid::new_v5(&namespace, plate.as_bytes()), transponder_id }
                })
                .collect()
        });
        Fleet { vehicles }
    }

    /// A vehicle of a type that has a share in the mix; regular ones come more often.
    pub(super) fn choose(&self, vehicle_type: VehicleType, random: &mut Random) -> Vehicle {
        let mut candidates = self.vehicles[vehicle_type as usize].as_slice();
        if random.random_bool(REGULAR_SHARE) {
            candidates = &candidates[..candidates.len().div_ceil(REGULAR_ONE_IN)];
        }
        candidates[random.random_range(0..candidates.len())]
    }
}

/// How many of `total` vehicles belong to a type with this share: at least one if it passes at all.
fn count(total: u32, share: f64) -> u32 {
    let count = (f64::from(total) * share).round() as u32;
    if share > 0.0 { count.max(1) } else { 0 }
}

/// Draws until the value is a new one.
fn unique<T: Clone + Eq + std::hash::Hash>(taken: &mut HashSet<T>, mut draw: impl FnMut() -> T) -> T {
    loop {
        let value = draw();
        if taken.insert(value.clone()) {
            return value;
        }
    }
}

/// A plate with its country, such as `F AB-123-CD`.
fn plate(countries: &Weights<3>, random: &mut Random) -> String {
    let (country, _) = COUNTRIES[countries.choose(random.random())];
    let number: String = match country {
        "F" => LicencePlate(FR_FR).fake_with_rng(random),
        "I" => LicencePlate(IT_IT).fake_with_rng(random),
        _ => LicencePlate(NL_NL).fake_with_rng(random),
    };
    format!("{country} {number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toll::Mix;

    fn fleet(seed: u64, vehicles: u32) -> Fleet {
        Fleet::new(Seed::new(seed), &Options { vehicles, mix: Mix::default() })
    }

    /// Pseudonyms and transponders are unique over all types, and within their ranges.
    #[test]
    fn every_vehicle_is_one_of_a_kind() {
        let fleet = fleet(1, 5_100);
        let all: Vec<Vehicle> = fleet.vehicles.iter().flatten().copied().collect();
        assert_eq!(all.len(), 5_100);
        assert_eq!(all.iter().map(|vehicle| vehicle.id).collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|vehicle| vehicle.transponder_id).collect::<HashSet<_>>().len(), all.len());
        assert!(all.iter().all(|vehicle| TRANSPONDER_IDS.contains(&vehicle.transponder_id)));
        assert!(all.iter().all(|vehicle| vehicle.id.get_version_num() == 5));
    }

    /// A type keeps its vehicles when another type joins the mix.
    #[test]
    fn types_do_not_disturb_each_other() {
        let cars_and_buses = Options { vehicles: 40, mix: "car=1,bus=1".parse().unwrap() };
        let cars = Options { vehicles: 20, mix: "car=1".parse().unwrap() };
        let ids = |options| {
            let fleet = Fleet::new(Seed::new(3), options);
            fleet.vehicles[VehicleType::Car as usize].iter().map(|vehicle| vehicle.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&cars_and_buses), ids(&cars));
    }

    /// The smallest world still has a vehicle of each type that passes, and none of those that do not.
    #[test]
    fn a_tiny_fleet_has_every_type_of_the_mix() {
        let fleet = fleet(1, 1);
        assert_eq!(fleet.vehicles.each_ref().map(Vec::len), [1, 1, 1, 0, 0]);
        let mut random = Seed::new(9).random();
        fleet.choose(VehicleType::Van, &mut random);
    }

    #[test]
    fn plates_look_like_plates() {
        let countries = Weights::new(COUNTRIES.map(|(_, share)| share));
        let mut random = Seed::new(1).random();
        for _ in 0..100 {
            let plate = plate(&countries, &mut random);
            let (country, number) = plate.split_once(' ').unwrap();
            assert!(COUNTRIES.iter().any(|(known, _)| *known == country), "{plate}");
            assert_eq!(number.split('-').count(), 3, "{plate}");
        }
    }
}
