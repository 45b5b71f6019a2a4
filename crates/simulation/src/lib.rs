//! Seeded worlds for the generators: pure, so the same seed and the same times give the same events on every
//! run.
//!
//! Time and randomness are arguments everywhere: nothing here reads a clock, a file or the network, and
//! nothing sleeps. [`Seed`], [`demand`], [`Pacing`] and [`faults`] serve every stream; what belongs to one
//! stream is its [`World`], in a module of its own: [`toll`], [`traffic`], [`weather`].

pub mod demand;
mod draw;
pub mod faults;
mod pacing;
mod seed;
mod settings;
pub mod toll;
pub mod traffic;
mod waves;
pub mod weather;
mod weights;
mod world;

pub use pacing::Pacing;
pub use seed::{Random, Seed};
pub use settings::ParseError;
pub use world::World;
