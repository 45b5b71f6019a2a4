//! Confluent Schema Registry as the services use it: the wire format, schemas by id, and errors sorted by what to do.
//!
//! The HTTP client is `schema_registry_converter`'s. What is added here is what the pipeline needs beside it: schemas
//! compiled once into [`events::Shape`]s, a memory for ids that the registry does not know, a span for every request, and
//! a [`Class`] for every failure, so that an outage is never taken for bad data.

mod error;
mod framing;
mod options;
mod own;
mod registry;
mod request;

pub use error::{Class, Error};
pub use framing::{NotFramed, SchemaId, frame, split};
pub use options::{Options, Pem};
pub use own::SCHEMA_REGISTRY;
pub use registry::{Registered, Registry};
