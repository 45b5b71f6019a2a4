//! A labelled tree of seeds: every place that draws has its own generator, so a new draw in one place moves
//! no other.

use rand::SeedableRng;

/// The generator of every world: small, fast, and its stream is the same in every release.
pub type Random = rand_xoshiro::Xoshiro256PlusPlus;

/// A node in the tree of seeds. A child depends on its parent and its label alone, not on what else was
/// drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The root of a tree, as given by `--seed`.
    pub fn new(root: u64) -> Self {
        Seed(root)
    }

    /// The seed of the part called `label`.
    #[must_use]
    pub fn child(self, label: &str) -> Self {
        // FNV-1a over the label. The parent is mixed first: seeds 1 and 2 differ in bits in which labels
        // differ too.
        let hash = label
            .bytes()
            .fold(mix(self.0), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Seed(mix(hash))
    }

    /// The seed of one of many parts that have numbers instead of names, such as the hours of a life.
    #[must_use]
    pub fn at(self, index: i64) -> Self {
        Seed(mix(mix(self.0).rotate_left(32) ^ index as u64))
    }

    /// A generator at the start of this seed's stream.
    pub fn random(self) -> Random {
        Random::seed_from_u64(self.0)
    }
}

/// One step of `SplitMix64`: lets every bit touch every other.
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use std::collections::BTreeSet;

    /// Labels, their order and their depth all tell seeds apart.
    #[test]
    fn every_path_is_another_seed() {
        let root = Seed::new(1);
        let paths = [
            root,
            root.child("a"),
            root.child("b"),
            root.child("ab"),
            root.child("a").child("b"),
            root.child("b").child("a"),
            root.child(""),
            root.at(0),
            root.at(1),
            root.at(-1),
            root.at(1).at(0),
            root.at(0).at(1),
            Seed::new(0).at(0),
            Seed::new(2).child("a"),
        ];
        let seeds: BTreeSet<u64> = paths.iter().map(|seed| seed.0).collect();
        assert_eq!(seeds.len(), paths.len());
    }

    /// These numbers are what makes a seed mean the same next year; they must never change.
    #[test]
    fn streams_are_stable() {
        let mut random = Seed::new(1).child("vehicles").random();
        assert_eq!(
            [random.random::<u64>(), random.random::<u64>()],
            [14_706_903_128_541_341_903, 11_699_715_132_857_170_496]
        );
    }
}
