//! Feeds: tables and JSON of other people, from files or over HTTP, mapped to our events.
//!
//! A mapping file says which field comes from where ([`Mapping`]). One thread takes the source apart, maps each record
//! and sends it: to the raw topic of its stream, or to the dead letters if it cannot be an event. Events, dead letters
//! and the place where the source was left become visible in one Kafka transaction, so a feed that is killed at any
//! time goes on without losing or repeating a record. `docs/feeds.md` is the manual.

mod batch;
mod cluster;
mod config;
mod feed;
mod file;
mod http;
mod item;
mod mapping;
mod outlet;
mod polling;
mod position;
mod preview;
mod records;
mod stream;
mod traced;

use std::{fs, io, time::Duration};

use service::{Context, Description, Error};

use batch::{Tally, Topics};
pub use config::Config;
use feed::{Feed, Input};
use http::Address;
pub use mapping::{Mapping, Mistake};
pub use position::TOPIC as POSITIONS_TOPIC;
pub use preview::preview;
pub use stream::Stream;

/// How long from one question to the next where nobody says.
const INTERVAL: Duration = Duration::from_mins(5);

/// What `--help` says.
pub const DESCRIPTION: Description = Description {
    name: "turnpike feed",
    about: "Takes a CSV or JSON feed, from a file or over HTTP, into a stream of events",
    examples: "\
turnpike feed deploy/feeds/synop-france.json --file deploy/feeds/samples/synop-france.csv
turnpike feed deploy/feeds/taiwan-m06a.json --file deploy/feeds/samples/taiwan-m06a.csv --dry-run
turnpike feed deploy/feeds/open-meteo.json
turnpike feed deploy/feeds/autobahn.json --url http://localhost:8000/warnings --interval-seconds 60
turnpike feed deploy/feeds/wsdot-weather.json --polls 1",
};

/// Runs a feed until the end of its file, or until it is told to stop.
pub async fn run(context: Context<Config>) -> Result<(), Error> {
    let Context { config, metrics, tracer, health, control, tasks, stop, .. } = context;
    let mapping = load(&config)?;
    let input = input(&config, &mapping)?;
    if config.dry_run {
        return preview::show(&mapping, &input, &mut io::stdout().lock()).await;
    }
    let topic = config.topic.clone().unwrap_or_else(|| mapping.stream.topic.to_owned());
    let topics = Topics { dlq: format!("{topic}.dlq"), raw: topic };
    if let Input::Http(address, _) = &input {
        health.set(&address.shown, Err("not asked yet".to_owned()));
    }
    cluster::create_topics(&config, &topics, &stop, &health).await?;
    let schema_id = cluster::schema_id(&config, &mapping, &topics, &stop, &health).await?;
    let feed = Feed {
        starts_over: config.start_over,
        config,
        mapping,
        topics,
        schema_id,
        stop,
        health,
        control,
        metrics,
        tracer,
        tally: Tally::default(),
        polls: 0,
    };
    tasks.spawn_thread("feed", move || feed.run(&input));
    tasks.finished().await
}

/// Reads the mapping file; a mistake is told with its place.
fn load(config: &Config) -> Result<Mapping, Error> {
    let shown = config.mapping.display();
    let text = fs::read_to_string(&config.mapping).map_err(|error| {
        Error::config("MAPPING", shown.to_string(), format!("a readable mapping file ({error})"))
    })?;
    Mapping::parse(&text).map_err(|Mistake { line, column, path, found, allowed }| {
        Error::config(format!("{shown}, line {line}, column {column}, {path}"), found, allowed)
    })
}

fn input(config: &Config, mapping: &Mapping) -> Result<Input, Error> {
    if let Some(path) = &config.file {
        let shown = path.display().to_string();
        let full = fs::canonicalize(path)
            .map_err(|error| Error::config("--file", shown, format!("a readable file ({error})")))?;
        return Ok(Input::File(full));
    }
    let source = mapping.source.as_ref();
    let Some(url) = config.url.as_ref().or(source.map(|source| &source.url)) else {
        return Err(Error::config("--file or --url", "", "one of them, for the mapping names no source"));
    };
    let interval = config.interval().or(source.and_then(|source| source.interval)).unwrap_or(INTERVAL);
    Ok(Input::Http(Address::new(url, config.token.as_ref(), config.timeout())?, interval))
}
