//! The world of toll plazas: vehicles that come back, plazas that fill and empty through the day, and what
//! they charge.

mod faults;
mod fleet;
mod mix;
mod plazas;

use std::borrow::Cow;

use events::TollPassage;
use rand::{Rng as _, RngExt as _};

use crate::{
    Random, Seed, World,
    demand::{Curve, Hour},
    draw,
    faults::Kind,
};
use fleet::Fleet;
pub use fleet::VEHICLES_MAX;
pub use mix::{Mix, VehicleType};
use plazas::Plazas;

/// The only currency of this world.
const CURRENCY: &str = "EUR";

/// Settings of a [`TollWorld`].
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
pub struct TollWorld {
    mix: Mix,
    fleet: Fleet,
    plazas: Plazas,
    types: Random,
    vehicles: Random,
    places: Random,
    lanes: Random,
    event_ids: Random,
}

impl World for TollWorld {
    type Options = Options;
    type Event = TollPassage;

    /// Builds the vehicles and the plazas' tariffs, which takes some microseconds a vehicle.
    fn new(seed: Seed, options: &Options) -> Self {
        TollWorld {
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

    fn demand() -> Curve {
        Plazas::demand()
    }

    fn next(&mut self, now_ms: i64) -> TollPassage {
        let vehicle_type = self.mix.choose(self.types.next_u32());
        let vehicle = self.fleet.choose(vehicle_type, &mut self.vehicles);
        let plaza = self.plazas.choose(Hour::of(now_ms), vehicle_type, self.places.next_u32());
        TollPassage {
            event_id: draw::event_id(now_ms, &mut self.event_ids),
            vehicle_id: vehicle.id,
            transponder_id: Some(vehicle.transponder_id),
            vehicle_type: Cow::Borrowed(vehicle_type.name()),
            toll_plaza_id: plaza.id,
            lane: Some(self.lanes.random_range(1..=plaza.lanes)),
            amount_cents: Some(plaza.tariff_cents(vehicle_type)),
            currency: Some(Cow::Borrowed(CURRENCY)),
            occurred_at_ms: now_ms,
        }
    }

    fn spoil(kind: Kind, passage: &mut TollPassage, random: &mut Random) {
        faults::spoil(kind, passage, random);
    }
}
