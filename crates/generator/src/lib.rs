//! What all generators share: a seeded world is written to Kafka, as Avro, at a wanted pace.
//!
//! At the start the topics are created where absent and the schema is registered; then one thread produces.
//! What is written depends on the seed, the options and the clock alone ([`Stream`]), so whoever knows them
//! knows each record and what is wrong with it. What differs from generator to generator is its [`Source`].

mod config;
mod pace;
mod producing;
mod schema;
mod source;
mod stream;
mod styled;
#[cfg(test)]
mod testing;
mod timeline;
mod topics;
mod traced;

use service::{Context, Error};

pub use config::Config;
use producing::Producing;
pub use source::Source;
pub use stream::{Record, Stream};

/// Runs a generator until the wanted number of records is written, or until it is told to stop.
pub async fn run<S: Source>(context: Context<Config<S>>) -> Result<(), Error> {
    let Context { config, metrics, tracer, health, control, tasks, stop, voice } = context;
    let voice = styled::of_stream(voice, S::STREAM);
    control.set_rate(Some(config.rate));
    let producer = config
        .kafka
        .telling_producer(S::DESCRIPTION.name, &[], styled::on_delivery(&voice))
        .map_err(|error| topics::refused(&config, error))?;
    topics::bootstrap(&config, &producer, &stop, &health, &voice).await?;
    let schema_id = schema::id(&config, &stop, &health).await?;
    let stream = config.stream(schema_id);
    let producing = Producing::new(&config, &metrics, &control, &stop, &health, producer, stream);
    let producing = producing.speaking(&voice).traced_by(&tracer);
    tasks.spawn_thread("producing", move || producing.run());
    tasks.finished().await
}
