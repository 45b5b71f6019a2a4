//! The records that are written: events, encoded and framed, some of them spoiled on purpose.

use simulation::{
    Seed, World,
    faults::{Faults, Kind, Shares, spoil_frame},
};

use crate::Source;

/// Room for a key: a UUID as text.
const KEY_BYTES: usize = 36;
/// Room for a framed event; a few trailing bytes may make it grow once.
const VALUE_BYTES: usize = 192;

/// All records of a run, in their order. Does no I/O, so a test can tell in advance what a run writes.
///
/// After construction nothing is allocated: two buffers are filled in turn, and the one with the latest good
/// record is kept for its duplicate.
#[derive(Debug)]
pub struct Stream<S: Source> {
    world: S::World,
    faults: Faults,
    schema_id: u32,
    slots: [Slot; 2],
    /// The slot of the latest good record.
    good: usize,
}

/// A record as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What keeps its order, as text.
    pub key: &'a [u8],
    /// The framed Avro, or what became of it.
    pub value: &'a [u8],
    /// What is wrong with it, if anything is.
    pub fault: Option<Kind>,
}

#[derive(Debug)]
struct Slot {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<S: Source> Stream<S> {
    /// The stream of a seed; values are framed with `schema_id`.
    pub fn new(seed: Seed, world: &<S::World as World>::Options, malformed: &Shares, schema_id: u32) -> Self {
        let seed = seed.child(S::STREAM);
        Stream {
            world: S::World::new(seed, world),
            faults: Faults::new(seed.child("faults"), malformed),
            schema_id,
            slots: [Slot::empty(), Slot::empty()],
            good: 0,
        }
    }

    /// The id of the schema that values are framed with.
    pub(crate) fn schema_id(&self) -> u32 {
        self.schema_id
    }

    /// The next record, at the Unix time `now_ms`.
    ///
    /// A duplicate repeats the latest good record; as long as there is none yet, a good one comes instead.
    pub fn next(&mut self, now_ms: i64) -> Record<'_> {
        let fault = match self.faults.draw() {
            Some((Kind::Duplicate, _)) if self.slots[self.good].value.is_empty() => None,
            Some((Kind::Duplicate, _)) => return self.slots[self.good].record(Some(Kind::Duplicate)),
            fault => fault,
        };
        let mut event = self.world.next(now_ms);
        let spare = 1 - self.good;
        let slot = &mut self.slots[spare];
        let Some((kind, random)) = fault else {
            slot.fill::<S>(&event, self.schema_id);
            self.good = spare;
            return slot.record(None);
        };
        S::World::spoil(kind, &mut event, random);
        slot.fill::<S>(&event, self.schema_id);
        spoil_frame(kind, &mut slot.value, random);
        slot.record(Some(kind))
    }
}

impl Slot {
    fn empty() -> Self {
        Slot { key: Vec::with_capacity(KEY_BYTES), value: Vec::with_capacity(VALUE_BYTES) }
    }

    fn record(&self, fault: Option<Kind>) -> Record<'_> {
        Record { key: &self.key, value: &self.value, fault }
    }

    fn fill<S: Source>(&mut self, event: &<S::World as World>::Event, schema_id: u32) {
        self.key.clear();
        S::key(event, &mut self.key);
        self.value.clear();
        schema_registry::frame(schema_id, &mut self.value);
        S::encode(event, &mut self.value);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
