//! Flags and environment of the validator.

use std::{path::PathBuf, str::FromStr};

use chrono_tz::Tz;
use clap::{ArgAction, value_parser};
use kafka::Connection;
use serde::Serialize;

/// The streams that this project ships schemas and contracts of.
const STREAMS: &str =
    "toll=schemas/toll_passage,traffic.events=schemas/traffic_event,weather_data=schemas/weather_reading";

/// What the validator can be told.
#[derive(Debug, Clone, Serialize, clap::Args)]
pub struct Settings {
    /// A raw topic and the path of its schema (.avsc) and contract (.contract.json) without the suffix; may be repeated.
    #[arg(
        long,
        env = "TURNPIKE_STREAMS",
        value_name = "TOPIC=PATH",
        default_value = STREAMS,
        value_delimiter = ','
    )]
    pub stream: Vec<StreamPath>,
    /// The zone of times in text records that name no offset from UTC, such as Europe/Paris.
    #[arg(long, env = "TURNPIKE_DIALECT_TIME_ZONE", default_value = "UTC", value_name = "ZONE", value_parser = time_zone)]
    pub dialect_time_zone: Tz,
    /// A name of this instance that survives restarts; with it, a restarted instance gets its partitions back at once.
    ///
    /// Without it the host's name serves for the transactional id alone.
    #[arg(long, env = "TURNPIKE_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Consumer group.
    #[arg(long, env = "TURNPIKE_GROUP_ID", default_value = "turnpike-validator", value_name = "NAME")]
    pub group_id: String,
    /// Records in a transaction at most.
    #[arg(long, env = "TURNPIKE_BATCH_ROWS_MAX", default_value_t = 5_000, value_name = "RECORDS",
        value_parser = value_parser!(u32).range(1..=100_000))]
    pub batch_rows_max: u32,
    /// Bytes of records in a transaction at most.
    #[arg(long, env = "TURNPIKE_BATCH_BYTES_MAX", default_value_t = 4 << 20, value_name = "BYTES",
        value_parser = value_parser!(u32).range(1..=1 << 30))]
    pub batch_bytes_max: u32,
    /// How long a transaction waits for more records after its first, in milliseconds; records gather while the one before it is
    /// committed.
    #[arg(long, env = "TURNPIKE_BATCH_LINGER_MS", default_value_t = 0, value_name = "MS",
        value_parser = value_parser!(u64).range(0..=10_000))]
    pub batch_linger_ms: u64,
    /// Register our schema when the first text of a stream comes; if false, the latest registered one is used, and must have
    /// the same fields.
    #[arg(long, env = "TURNPIKE_REGISTER_SCHEMA", default_value_t = true, action = ArgAction::Set,
        value_name = "true|false")]
    pub register_schema: bool,
    /// Where Kafka is.
    #[command(flatten)]
    pub kafka: Connection,
    /// Where the registry is.
    #[command(flatten)]
    pub schema_registry: schema_registry::Options,
}

fn time_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| "a name of the time zone database, such as UTC or Europe/Paris".to_owned())
}

/// A topic and where its schema and contract are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamPath {
    /// The raw topic.
    pub topic: String,
    /// Path without `.avsc` and `.contract.json`.
    pub path: PathBuf,
}

impl FromStr for StreamPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((topic, path)) if !topic.is_empty() && !path.is_empty() => {
                Ok(Self { topic: topic.to_owned(), path: path.into() })
            }
            _ => Err("a stream has the form topic=path, such as toll=schemas/toll_passage".to_owned()),
        }
    }
}
