//! The world of toll plazas: vehicles that come back, plazas that fill and empty through the day, and what
//! they charge.

mod faults;
mod fleet;
mod mix;
mod plazas;

use std::borrow::Cow;

use events::TollPassage;
use rand::{Rng, RngExt};

use crate::{Random, Seed, demand::Curve, demand::Hour};
pub use faults::spoil;
use fleet::Fleet;
pub use fleet::VEHICLES_MAX;
pub use mix::{Mix, VehicleType};
use plazas::Plazas;

/// The only currency of this world.
const CURRENCY: &str = "EUR";

/// Settings of a [`World`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many vehicles there are, shared out among the types by the mix; at most [`VEHICLES_MAX`].
    pub vehicles: u32,
    /// How often each type of vehicle passes.
    pub mix: Mix,
}

impl Default for Options {
    fn default() -> Self {
        Options { vehicles: 50_000, mix: Mix::default() }
    }
}

/// Everything that passes the toll plazas, in the order in which it passes.
///
/// The same seed, options and times give the same passages. After construction nothing is allocated.
#[derive(Debug)]
pub struct World {
    mix: Mix,
    fleet: Fleet,
    plazas: Plazas,
    types: Random,
    vehicles: Random,
    places: Random,
    lanes: Random,
    event_ids: Random,
}

impl World {
    /// Builds the vehicles and the plazas' tariffs, which takes some microseconds a vehicle.
    pub fn new(seed: Seed, options: &Options) -> Self {
        World {
            mix: options.mix.clone(),
            fleet: Fleet::new(seed.child("fleet"), options),
            plazas: Plazas::new(seed.child("tariffs")),
            types: seed.child("types").random(),
            vehicles: seed.child("vehicles").random(),
            places: seed.child("places").random(),
            lanes: seed.child("lanes").random(),
            event_ids: seed.child("event-ids").random(),
        }
    }

    /// Demand of all plazas together, with a daily mean of 1.
    pub fn demand() -> Curve {
        Plazas::demand()
    }

    /// The next passage, at the Unix time `now_ms`.
    pub fn next(&mut self, now_ms: i64) -> TollPassage {
        let vehicle_type = self.mix.choose(self.types.next_u32());
        let vehicle = self.fleet.choose(vehicle_type, &mut self.vehicles);
        let plaza = self.plazas.choose(Hour::of(now_ms), vehicle_type, self.places.next_u32());
        let mut event_id_bits = [0; 10];
        self.event_ids.fill_bytes(&mut event_id_bits);
        let event_id = uuid::Builder::from_unix_timestamp_millis(now_ms.max(0) as u64, &event_id_bits);
        TollPassage {
            event_id: event_id.into_uuid(),
            vehicle_id: vehicle.id,
            transponder_id: vehicle.transponder_id,
            vehicle_type: Cow::Borrowed(vehicle_type.name()),
            toll_plaza_id: plaza.id,
            lane: self.lanes.random_range(1..=plaza.lanes),
            amount_cents: plaza.tariff_cents(vehicle_type),
            currency: Cow::Borrowed(CURRENCY),
            occurred_at_ms: now_ms,
        }
    }
}
