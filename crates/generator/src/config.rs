//! Settings of a generator, as flags and environment.

use chrono::{DateTime, Utc};
use clap::{ArgAction, value_parser};
use serde::{Serialize, Serializer};
use simulation::{Pacing, Seed, World, faults::Shares};

use crate::{Source, Stream};

const MALFORMED_HELP: &str = "\
Share of malformed records by kind, as 2% or 0.02

Kinds: bad_framing, unknown_schema_id, truncated, trailing_bytes, out_of_range, unknown_category, contradiction, \
old_time, future_time, sentinel, wrong_case, duplicate; all=SHARE spreads evenly over the kinds that are not named.";

/// What is written, how fast, and where to.
#[derive(Debug, Clone, clap::Args, Serialize)]
#[serde(bound = "")]
pub struct Config<S: Source> {
    /// Topic to write to; created at the start with the two beside it, NAME.valid and NAME.dlq.
    #[arg(long, env = "TURNPIKE_TOPIC", default_value = S::TOPIC, value_name = "NAME")]
    pub topic: String,

    /// Records a second; 0 is as fast as possible.
    #[arg(long, env = "TURNPIKE_RATE", default_value_t = 10, value_name = "RECORDS")]
    pub rate: u64,

    /// Records to write before exiting; 0 is endless.
    #[arg(long, env = "TURNPIKE_COUNT", default_value_t = 0, value_name = "RECORDS")]
    pub count: u64,

    /// Seed of the world: the same seed, options and times give the same records.
    #[arg(long, env = "TURNPIKE_SEED", default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,

    /// Time of the first record in RFC 3339; the default is the wall clock's.
    ///
    /// From there, time goes on by the distance of two records (1 ms at rate 0), so that a run can be
    /// repeated byte for byte.
    #[arg(long, env = "TURNPIKE_START_TIME", value_name = "TIME", value_parser = start_time)]
    pub start_time: Option<DateTime<Utc>>,

    /// Share of each second's records that come together in its first tenth, 0 to 1.
    #[arg(long, env = "TURNPIKE_BURSTINESS", default_value_t = 0.0, value_name = "SHARE",
        value_parser = share)]
    pub burstiness: f64,

    /// Let the rate follow demand through the day; --rate is then the mean of a day.
    #[arg(long, env = "TURNPIKE_FOLLOW_DEMAND")]
    pub follow_demand: bool,

    /// The world.
    #[command(flatten)]
    #[serde(flatten)]
    pub world: S::Settings,

    /// Share of malformed records by kind, as 2% or 0.02.
    #[arg(
        long,
        env = "TURNPIKE_MALFORMED",
        default_value_t,
        value_name = "KIND=SHARE,...",
        hide_default_value = true,
        long_help = MALFORMED_HELP
    )]
    #[serde(serialize_with = "as_text")]
    pub malformed: Shares,

    /// Partitions of topics that have to be created.
    #[arg(long, env = "TURNPIKE_PARTITIONS", default_value_t = 4, value_name = "NUMBER",
        value_parser = value_parser!(i32).range(1..))]
    pub partitions: i32,

    /// Copies of each partition of topics that have to be created.
    #[arg(long, env = "TURNPIKE_REPLICATION_FACTOR", default_value_t = 1, value_name = "NUMBER",
        value_parser = value_parser!(i32).range(1..))]
    pub replication_factor: i32,

    /// Register the schema at the start; if false, the latest registered one is used, and must be the same.
    #[arg(long, env = "TURNPIKE_REGISTER_SCHEMA", default_value_t = true, action = ArgAction::Set,
        value_name = "true|false")]
    pub register_schema: bool,

    /// The cluster.
    #[command(flatten)]
    #[serde(flatten)]
    pub kafka: kafka::Connection,

    /// The registry.
    #[command(flatten)]
    #[serde(flatten)]
    pub schema_registry: schema_registry::Options,
}

impl<S: Source> Config<S> {
    /// The records of these settings, framed with the id of their schema.
    pub fn stream(&self, schema_id: u32) -> Stream<S> {
        Stream::new(Seed::new(self.seed), &S::options(&self.world), &self.malformed, schema_id)
    }

    /// When records are due.
    pub fn pacing(&self) -> Pacing {
        let demand = self.follow_demand.then(S::World::demand);
        Pacing::new(self.rate, self.burstiness, demand)
    }
}

fn start_time(text: &str) -> Result<DateTime<Utc>, String> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) if time.timestamp_millis() >= 0 => Ok(time.to_utc()),
        Ok(_) => Err("Kafka knows no time before 1970".to_owned()),
        Err(error) => Err(format!("{error}; a time is written as 2026-10-02T06:00:00Z")),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "not a number from 0 to 1".to_owned())
}

fn as_text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use simulation::faults::Kind;

    use super::*;
    use crate::testing::{CommandLine, parse};

    #[test]
    fn the_default_is_a_quiet_endless_stream_without_faults() {
        let config = parse(&[]).unwrap();
        assert_eq!((config.topic.as_str(), config.rate, config.count, config.seed), ("toll", 10, 0, 1));
        assert_eq!(config.malformed, Shares::default());
        assert!(config.register_schema && !config.follow_demand && config.start_time.is_none());
    }

    /// Printed settings can be given back as they are.
    #[test]
    fn settings_print_as_they_are_written() {
        let config = parse(&[
            "--vehicles=100",
            "--malformed=truncated=1%",
            "--start-time=2026-10-02T08:00:00+02:00",
            "--register-schema=false",
        ])
        .unwrap();
        let printed = serde_json::to_value(&config).unwrap();
        assert_eq!(printed["vehicles"], 100, "the world's settings stand among the others");
        assert_eq!(printed["malformed"], "truncated=0.01");
        assert_eq!(printed["start_time"], "2026-10-02T06:00:00Z");
        assert_eq!(printed["register_schema"], false);
        assert!(printed["kafka_bootstrap_servers"].is_string() && printed["schema_registry_url"].is_string());
    }

    #[test]
    fn bad_values_are_refused_with_what_is_allowed() {
        for (argument, hint) in [
            ("--burstiness=2", "not a number from 0 to 1"),
            ("--start-time=yesterday", "a time is written as 2026-10-02T06:00:00Z"),
            ("--start-time=1969-12-31T23:59:59Z", "Kafka knows no time before 1970"),
            ("--malformed=late=1%", "allowed are all, bad_framing"),
            ("--partitions=0", "1.."),
            ("--register-schema=maybe", "true, false"),
        ] {
            let error = parse(&[argument]).unwrap_err();
            assert!(error.contains(hint), "{argument}: {error}");
        }
    }
    /// Whoever asks for help is told of every kind.
    #[test]
    fn help_names_every_kind_of_fault() {
        let help = CommandLine::command().render_long_help().to_string();
        for kind in Kind::ALL {
            assert!(help.contains(kind.name()), "{} is missing", kind.name());
        }
    }
}
