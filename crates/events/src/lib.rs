//! The events that travel through Turnpike, and the Avro codec of their flat records.
//!
//! An event is a flat Avro record (the shape that Kafka Connect calls relational), written by its type
//! ([`TollPassage`], [`TrafficEvent`], [`WeatherReading`]) and read through a [`Shape`]: a record schema compiled once, by which each record is decoded into borrowed
//! [`Value`]s without an allocation. This crate does no I/O and is **not** a general Avro library: arrays, maps and
//! nested records are refused by [`Shape::parse`] by name; the generic values of `apache-avro` serve them elsewhere.

mod decode;
mod encode;
mod record;
mod shape;
mod toll;
mod traffic;
mod value;
mod weather;

pub use decode::DecodeError;
pub use record::EncodeError;
pub use shape::{Field, Kind, Logical, Shape, ShapeError};
pub use toll::TollPassage;
pub use traffic::TrafficEvent;
pub use value::{Decimal, Value};
pub use weather::WeatherReading;
