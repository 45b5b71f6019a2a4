//! The passages that the writer and the validator are measured with: a generator's, the same each time they are asked for.

use events::TollPassage;
use generator::Source as _;
use simulation::{
    Seed, World as _,
    toll::{Options, TollWorld},
};
use toll_generator::Tolls;

/// Any seed: the figures do not depend on it.
const SEED: u64 = 7;
/// So many passages happen in a millisecond, as in a country with some traffic; their ids are in this order, but not within
/// a millisecond.
const A_MILLISECOND: u64 = 5;

/// So many passages in the order of their time.
#[derive(Debug)]
pub(crate) struct Passages {
    world: TollWorld,
    first_ms: i64,
    next: u64,
    count: u64,
}

impl Passages {
    /// The newest happens at `newest_ms`.
    pub(crate) fn new(count: u64, newest_ms: i64) -> Self {
        let seed = Seed::new(SEED).child(Tolls::STREAM);
        let world = TollWorld::new(seed, &Options::default());
        Self { world, first_ms: newest_ms - (count / A_MILLISECOND) as i64, next: 0, count }
    }
}

impl Iterator for Passages {
    type Item = TollPassage;

    fn next(&mut self) -> Option<TollPassage> {
        if self.next == self.count {
            return None;
        }
        let now_ms = self.first_ms + (self.next / A_MILLISECOND) as i64;
        self.next += 1;
        Some(self.world.next(now_ms))
    }
}
