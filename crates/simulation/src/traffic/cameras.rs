//! Speed cameras: at fixed places, with a limit and a direction, and now and then out of use.

use rand::RngExt as _;

use super::roads::{Place, ROADS};
use crate::{Random, Seed, draw::one_of};

/// Cameras on each road.
const PER_ROAD: usize = 3;
/// How long a camera is in use or out of it at least.
const SHIFT_MS: i64 = 6 * 3_600_000;
/// How often a camera is out of use.
const OUT_OF_USE: f64 = 0.04;

/// One camera.
#[derive(Debug, Clone, Copy)]
pub(super) struct Camera {
    /// Position in [`ROADS`].
    pub(super) road: usize,
    pub(super) place: Place,
    pub(super) limit_kmh: i32,
    pub(super) direction: &'static str,
    outages: Seed,
}

/// All cameras.
#[derive(Debug)]
pub(super) struct Cameras(Vec<Camera>);

impl Cameras {
    pub(super) fn new(seed: Seed) -> Self {
        let cameras = (0..ROADS.len() * PER_ROAD).map(|index| {
            let seed = seed.at(index as i64);
            let mut random = seed.child("place").random();
            let (road, nth) = (index / PER_ROAD, index % PER_ROAD);
            let part = (nth as f64 + random.random_range(0.2..0.8)) / PER_ROAD as f64;
            let place = ROADS[road].place(part);
            Camera {
                road,
                place,
                limit_kmh: limit_kmh(ROADS[road].free_flow_kmh, &mut random),
                direction: one_of(if place.is_north_south { &["N", "S"] } else { &["E", "W"] }, &mut random),
                outages: seed.child("outages"),
            }
        });
        Cameras(cameras.collect())
    }

    pub(super) fn choose(&self, random: &mut Random) -> &Camera {
        &self.0[random.random_range(0..self.0.len())]
    }
}

impl Camera {
    /// Whether it is in use at a time.
    pub(super) fn is_active(&self, now_ms: i64) -> bool {
        !self.outages.at(now_ms.div_euclid(SHIFT_MS)).random().random_bool(OUT_OF_USE)
    }
}

/// The road's own limit, or the next lower one.
fn limit_kmh(free_flow_kmh: i32, random: &mut Random) -> i32 {
    free_flow_kmh - 20 * i32::from(random.random_bool(0.3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_stay_where_they_are_and_are_rarely_out_of_use() {
        let cameras = Cameras::new(Seed::new(1));
        let mut active = 0;
        for camera in &cameras.0 {
            assert!([50, 70, 90, 110, 130].contains(&camera.limit_kmh));
            assert_eq!(camera.place.is_north_south, ["N", "S"].contains(&camera.direction));
            active += (0..1_000).filter(|shift| camera.is_active(shift * SHIFT_MS)).count();
            assert_eq!(camera.is_active(0), camera.is_active(SHIFT_MS - 1));
        }
        let share = active as f64 / (cameras.0.len() * 1_000) as f64;
        assert!((0.95..0.97).contains(&share), "{share} in use");
    }
}
