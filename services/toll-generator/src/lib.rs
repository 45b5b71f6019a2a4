//! The toll generator: a seeded world of toll plazas whose passages are written to Kafka, as Avro, at a
//! wanted pace.
//!
//! At the start the topics are created where absent and the schema is registered; then one thread produces.
//! What is written depends on the seed, the options and the clock alone ([`Stream`]), so whoever knows them
//! knows each record and what is wrong with it.

mod config;
mod pace;
mod producing;
mod schema;
mod stream;
mod timeline;
mod topics;

use kafka::Property;
use service::{Context, Description, Error};

pub use config::Config;
use producing::Producing;
pub use stream::{Record, Stream};

/// What `--help` says.
pub const DESCRIPTION: Description = Description {
    name: "toll-generator",
    about: "Writes simulated toll passages to Kafka",
    examples: "\
toll-generator --rate 100
toll-generator --rate 1000 --burstiness 0.5 --malformed all=2%
toll-generator --rate 0 --count 1000000 --seed 7 --start-time 2026-10-02T06:00:00Z
toll-generator --rate 50 --follow-demand --mix car=11,truck=4,van=2,bus=1,motorcycle=1",
};

/// Runs the generator until the wanted number of records is written, or until it is told to stop.
pub async fn run(context: Context<Config>) -> Result<(), Error> {
    let Context { config, metrics, health, control, tasks, stop } = context;
    control.set_rate(Some(config.rate));
    let properties = producer_properties(&config);
    let producer = config
        .kafka
        .producer(DESCRIPTION.name, &properties)
        .map_err(|error| topics::refused(&config, error))?;
    topics::bootstrap(&config, &producer, &stop, &health).await?;
    let schema_id = schema::id(&config, &stop, &health).await?;
    let stream = config.stream(schema_id);
    let producing = Producing::new(&config, &metrics, &control, &stop, &health, producer, stream);
    tasks.spawn_thread("producing", move || producing.run());
    tasks.finished().await
}

/// A broker forgets an idempotent producer whose newest record is a day old by its own timestamp. With simulated times
/// that can be at any restart of a broker, and a request that overtakes a failed one would then be accepted: so there is
/// no second one on its way.
fn producer_properties(config: &Config) -> Vec<Property> {
    let one = Property { key: "max.in.flight.requests.per.connection".to_owned(), value: "1".to_owned() };
    config.start_time.map(|_| one).into_iter().collect()
}
