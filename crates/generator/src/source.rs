//! What a generator says of itself: the world that it shows, and what becomes of the world's events on Kafka.

use std::fmt::Debug;

use serde::Serialize;
use service::Description;
use simulation::World;

/// One kind of generator; all that the others do not share with it.
///
/// The implementor is a name without content: everything that has state is the [`World`].
pub trait Source: Debug + Clone + Copy + Send + Sync + 'static {
    /// The world whose events are written.
    type World: World<Options: Debug + Send, Event: Debug> + Debug + Send + 'static;
    /// Settings of the world, as flags and environment.
    type Settings: clap::Args + Serialize + Debug + Clone + Send + Sync + 'static;

    /// What `--help` says; the name is the service's.
    const DESCRIPTION: Description;
    /// The stream's name in metrics; seeds of its world and faults are children of this name.
    const STREAM: &'static str;
    /// Topic to write to, unless another is wanted.
    const TOPIC: &'static str;
    /// Avro schema of the event.
    const SCHEMA: &'static str;

    /// The world that the settings ask for.
    fn options(settings: &Self::Settings) -> <Self::World as World>::Options;

    /// Appends the key of the event's record.
    fn key(event: &<Self::World as World>::Event, out: &mut Vec<u8>);

    /// Appends the event as bare Avro, without the registry's framing.
    fn encode(event: &<Self::World as World>::Event, out: &mut Vec<u8>);
}
