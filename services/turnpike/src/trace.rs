//! `turnpike trace`: the passport of one event, from its sender to its row or dead letter.

mod entry;
mod finding;
pub(crate) mod finished;
pub(crate) mod http;
mod jaeger;
mod journey;
mod judged;
mod log;
mod name;
mod passport;
mod progress;
mod schemas;
mod sheet;
mod shown;
pub(crate) mod spans;
mod stored;
mod tables;
mod traced;
mod transaction;
pub(crate) mod tree;

use std::process::ExitCode;

use chrono::Duration;
use chrono_tz::Tz;
use kafka::Connection;
use service::Error;
use validator::StreamPath;

use crate::{database::Database, query::length, shell::Shell};
use finding::{Finding, Reach};
use http::Http;
use jaeger::Jaeger;
use judged::Streams;
use log::Log;
use name::Name;
use passport::Passport;
use schemas::Schemas;
use tables::Tables;

/// Which event, and where everything is that knows of it.
#[derive(Debug, clap::Args)]
#[group(skip)] // its name would be that of the registry's options
#[command(after_help = "Examples:
  turnpike trace toll/2/41
  turnpike trace toll.dlq-0@7
  turnpike trace 01a1fd58-65c4-7c33-92a7-3cb9d9a1a35e
  turnpike trace 4bf92f3577b34da6a3ce929d0e0e4736 --json | jq .judged
  turnpike trace 5a8a62a8-65c4-5c33-92a7-3cb9d9a1a35e --vehicle --last 3
  turnpike trace 0b0c8cd5-3d52-4f8e-8a2f-0d40f3a2c001 --since 7d

Shown are the record, what each rule says of it, what became of it in Kafka and in MariaDB, and its spans where it was sampled. Rules are applied again: a verdict depends on the record and its timestamp alone. What cannot be reached is told, and the rest is shown.
An event is looked for near the time that its id or its row tells, and else, like a trace that Jaeger does not have, in all topics back to --since. It joins no consumer group, commits nothing and registers nothing.
Exit codes: 0 found, 1 not found or Kafka away, 2 an ID or another argument that is not allowed.")]
pub(crate) struct Options {
    /// Which event: by a record's place, by its own id, by its trace, or by its vehicle
    #[arg(value_name = "ID")]
    id: Name,
    /// The UUID is a vehicle's
    #[arg(long)]
    vehicle: bool,
    /// So many of a vehicle's passages, the newest first
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=PASSPORTS_MAX))]
    last: u32,
    /// How far back to look where nothing tells the time, as 90s, 15m, 1h or 7d
    #[arg(long, value_name = "LENGTH", default_value = "1h", value_parser = length)]
    since: Duration,
    /// Look through everything that the broker still has
    #[arg(long, conflicts_with = "since")]
    from_beginning: bool,
    /// One JSON object for each event, each on a line
    #[arg(long)]
    json: bool,
    /// Where Jaeger is
    #[arg(long, env = "TURNPIKE_JAEGER_URL", default_value = "http://127.0.0.1:16686", value_name = "URL", value_parser = url)]
    jaeger_url: String,
    /// Streams with other contracts than those that are shipped: a raw topic and the path of its schema (.avsc) and contract
    /// (.contract.json) without the suffix
    #[arg(long, env = "TURNPIKE_STREAMS", value_name = "TOPIC=PATH,...", value_delimiter = ',')]
    stream: Vec<StreamPath>,
    /// The zone of times in text records, as the validator has it
    #[arg(long, env = "TURNPIKE_DIALECT_TIME_ZONE", default_value = "UTC", value_name = "ZONE", value_parser = time_zone)]
    dialect_time_zone: Tz,
    /// The consumer group of the validators
    #[arg(long, default_value = "turnpike-validator", value_name = "NAME")]
    validator_group: String,
    #[command(flatten)]
    kafka: Connection,
    #[command(flatten)]
    schema_registry: schema_registry::Options,
    #[command(flatten)]
    database: Database,
}

/// More are better asked for with `turnpike query by-vehicle`.
const PASSPORTS_MAX: i64 = 100;

/// Everything that knows something of a record.
#[derive(Debug)]
struct Sources<'o> {
    kafka: &'o Connection,
    validator_group: &'o str,
    log: Log<'o>,
    streams: Streams,
    schemas: Schemas<'o>,
    tables: Tables<'o>,
    jaeger: Jaeger<'o>,
}

/// Shows the passports of what is found.
pub(crate) fn run(options: &Options, shell: &Shell) -> Result<ExitCode, Error> {
    let http = Http::new()?;
    let sources = Sources {
        kafka: &options.kafka,
        validator_group: &options.validator_group,
        streams: Streams::load(&options.stream, options.dialect_time_zone)?,
        schemas: Schemas::new(&options.schema_registry, shell)?,
        tables: Tables::new(&options.database, shell),
        jaeger: Jaeger::new(&options.jaeger_url, &http, shell),
        log: Log::open(&options.kafka)?,
    };
    let reach = Reach {
        is_vehicle: options.vehicle,
        last: options.last,
        since_ms: (!options.from_beginning).then(|| finding::since(options.since)),
    };
    for (index, found) in finding::find(&options.id, reach, &sources)?.into_iter().enumerate() {
        let passport = match found {
            Finding::Record(entry) => Passport::of(entry, &sources)?,
            Finding::Trace(trace) => Passport::of_trace(trace, &sources),
        };
        if options.json {
            shell.output.say(serde_json::to_string(&passport).map_err(Error::failed)?)?;
        } else {
            let parting = if index > 0 { "\n" } else { "" };
            shell.output.say(format!("{parting}{}", shown::page(&passport)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn time_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| "a name of the time zone database, such as UTC or Europe/Paris".to_owned())
}

pub(crate) fn url(text: &str) -> Result<String, String> {
    let is_http = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    if is_http { Ok(text.to_owned()) } else { Err("an address such as http://127.0.0.1:16686".to_owned()) }
}
