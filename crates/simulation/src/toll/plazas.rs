//! The eleven toll plazas: how large they are, when they are busy, and what they charge.

use rand::RngExt;

use super::VehicleType;
use crate::{
    Seed,
    demand::{self, Curve, Hour},
    weights::Weights,
};

/// How many plazas there are.
const COUNT: usize = 11;

/// What a plaza's traffic consists of.
#[derive(Debug, Clone, Copy)]
enum Traffic {
    Commuter,
    Leisure,
    Freight,
}

impl Traffic {
    fn curve(self) -> &'static Curve {
        match self {
            Traffic::Commuter => &demand::COMMUTER,
            Traffic::Leisure => &demand::LEISURE,
            Traffic::Freight => &demand::FREIGHT,
        }
    }

    /// How much likelier than elsewhere a vehicle of this type is found here.
    fn attracts(self, vehicle_type: VehicleType) -> f64 {
        match (self, vehicle_type) {
            (Traffic::Freight, VehicleType::Truck) => 4.0,
            (Traffic::Commuter, VehicleType::Van) | (Traffic::Leisure, VehicleType::Bus) => 2.0,
            (Traffic::Leisure, VehicleType::Motorcycle) => 3.0,
            (Traffic::Leisure, VehicleType::Truck) => 0.4,
            _ => 1.0,
        }
    }
}

/// Id, lanes and traffic of each plaza. Lanes are the measure of size: a plaza of twice the lanes has twice
/// the traffic.
const PLAZAS: [(i32, i32, Traffic); COUNT] = [
    (4000, 12, Traffic::Commuter),
    (4001, 8, Traffic::Commuter),
    (4002, 6, Traffic::Leisure),
    (4003, 10, Traffic::Freight),
    (4004, 12, Traffic::Leisure),
    (4005, 4, Traffic::Commuter),
    (4006, 6, Traffic::Freight),
    (4007, 3, Traffic::Leisure),
    (4008, 8, Traffic::Commuter),
    (4009, 5, Traffic::Freight),
    (4010, 2, Traffic::Leisure),
];

/// What a car pays, in tens of cents; the least and the most that keep every tariff within its contract.
const CAR_TARIFF_TENS: std::ops::RangeInclusive<i64> = 22..=120;

/// What a type pays, as a multiple of a car's tariff.
fn tariff_factor(vehicle_type: VehicleType) -> f64 {
    match vehicle_type {
        VehicleType::Motorcycle => 0.6,
        VehicleType::Car => 1.0,
        VehicleType::Van => 1.5,
        VehicleType::Bus => 2.4,
        VehicleType::Truck => 3.2,
    }
}

/// One plaza.
#[derive(Debug)]
pub(super) struct Plaza {
    pub(super) id: i32,
    /// Lanes are numbered from 1 to this.
    pub(super) lanes: i32,
    tariffs_cents: [i64; VehicleType::COUNT],
}

impl Plaza {
    pub(super) fn tariff_cents(&self, vehicle_type: VehicleType) -> i64 {
        self.tariffs_cents[vehicle_type as usize]
    }
}

/// All plazas, and how the traffic of each hour and type falls on them.
#[derive(Debug)]
pub(super) struct Plazas {
    plazas: [Plaza; COUNT],
    /// By [`Hour::index`], then by type.
    weights: Vec<[Weights<COUNT>; VehicleType::COUNT]>,
}

impl Plazas {
    pub(super) fn new(seed: Seed) -> Self {
        let plazas = PLAZAS.map(|(id, lanes, _)| {
            let car_tens = seed.child(&id.to_string()).random().random_range(CAR_TARIFF_TENS);
            let tariffs_cents = VehicleType::ALL
                .map(|vehicle_type| (car_tens as f64 * tariff_factor(vehicle_type)).round() as i64 * 10);
            Plaza { id, lanes, tariffs_cents }
        });
        let weights = Hour::all()
            .map(|hour| {
                VehicleType::ALL.map(|vehicle_type| {
                    Weights::new(PLAZAS.map(|(_, lanes, traffic)| {
                        f64::from(lanes) * traffic.curve().at(hour) * traffic.attracts(vehicle_type)
                    }))
                })
            })
            .collect();
        Plazas { plazas, weights }
    }

    /// Demand of all plazas together, with a daily mean of 1.
    pub(super) fn demand() -> Curve {
        Curve::daily_mean_of(PLAZAS.iter().map(|(_, lanes, traffic)| (f64::from(*lanes), traffic.curve())))
    }

    /// The plaza that `draw`, uniform over all 32-bit numbers, falls on.
    pub(super) fn choose(&self, hour: Hour, vehicle_type: VehicleType, draw: u32) -> &Plaza {
        &self.plazas[self.weights[hour.index()][vehicle_type as usize].choose(draw)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the seed, tariffs are what the contract allows: light vehicles at most 20.00, heavy ones 5.00
    /// to 200.00.
    #[test]
    fn tariffs_keep_to_the_contract() {
        for seed in 0..500 {
            for plaza in Plazas::new(Seed::new(seed)).plazas {
                for vehicle_type in VehicleType::ALL {
                    let cents = plaza.tariff_cents(vehicle_type);
                    let allowed = if vehicle_type.is_heavy() { 500..=20_000 } else { 1..=2_000 };
                    assert!(allowed.contains(&cents), "{vehicle_type:?} pays {cents} at {}", plaza.id);
                }
            }
        }
    }

    #[test]
    fn plazas_are_numbered_and_have_up_to_twelve_lanes() {
        assert!(PLAZAS.iter().map(|(id, ..)| *id).eq(4000..=4010));
        assert!(PLAZAS.iter().all(|(_, lanes, _)| (1..=12).contains(lanes)));
    }
}
