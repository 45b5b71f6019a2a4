//! What every world offers to whoever shows its events.

use crate::{Random, Seed, demand::Curve, faults::Kind, faults::Outcome};

/// A seeded world that makes events of one type.
///
/// The same seed, options and times give the same events. After construction nothing is allocated.
pub trait World: Sized {
    /// What can be chosen about it.
    type Options;
    /// What happens in it.
    type Event;

    /// Builds the world.
    fn new(seed: Seed, options: &Self::Options) -> Self;

    /// How many events there are by the hour, with a daily mean of 1.
    fn demand() -> Curve;

    /// The next event, at the Unix time `now_ms`.
    fn next(&mut self, now_ms: i64) -> Self::Event;

    /// Spoils a good event in place, if `kind` is one that concerns the event and not its bytes.
    ///
    /// Exactly one thing is wrong afterwards, so that the verdict has one right answer: [`World::outcome`].
    fn spoil(kind: Kind, event: &mut Self::Event, random: &mut Random);

    /// What the stream's contract makes of a record that was spoiled in this way.
    fn outcome(kind: Kind) -> Outcome {
        kind.outcome()
    }
}
