//! Judges every record of the raw topics: good ones go on as they came, bad ones to the dead letters with a reason.
//!
//! One thread consumes, judges and forwards a batch at a time (`worker.rs`); if more waits, that is judged on another while the batch
//! is committed. What a record is worth is decided by pure code ([`bench`](mod@bench)). Text of the source pipelines is turned into
//! our Avro on the way. The forwarded records, the dead letters, the offsets they came from and the counts of all three become
//! visible in one Kafka transaction.

mod batch;
pub mod bench;
mod headers;
mod laps;
mod meters;
pub mod progress;
mod schemas;
mod settings;
pub mod stream;
mod traced;
pub mod verdict;
mod watch;
mod worker;

use std::sync::Arc;

use schema_registry::Registry;
use service::{Context, Description, Error};

pub use settings::{Settings, StreamPath};
use stream::Stream;

/// What the executable says of itself.
pub const DESCRIPTION: Description = Description {
    name: "validator",
    about: "Judges the records of the raw topics by their data contracts; forwards good ones, sets bad ones aside",
    examples:
        "  validator --kafka-bootstrap-servers localhost:9092 --schema-registry-url http://localhost:8081
  validator --instance a &  validator --instance b     two that share the partitions
  validator --stream toll=schemas/toll_passage         one topic alone, and where its schema and contract are
  validator --dialect-time-zone Europe/Paris           where the clocks of text without an offset are
  validator --print-config                             what it would run with",
};

/// Runs until told to stop.
pub async fn run(context: Context<Settings>) -> Result<(), Error> {
    let settings = &context.config;
    let streams: Vec<Stream> = settings.stream.iter().map(Stream::load).collect::<Result<_, _>>()?;
    let registry = Arc::new(Registry::new(&settings.schema_registry).map_err(Error::failed)?);
    let watched = Arc::default();
    let watch = watch::Watch::new(&context, Arc::clone(&watched))?;
    let worker = worker::Worker::new(&context, streams, registry, watched)?;
    context.tasks.spawn_thread("watch", move || {
        watch.run();
        Ok(())
    });
    context.tasks.spawn_thread("validator", move || worker.run());
    context.tasks.finished().await
}
