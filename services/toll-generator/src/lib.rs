//! The toll generator: passages of a seeded world of toll plazas. All that it does is in the crate
//! `generator`; here is what is special about tolls.

use events::TollPassage;
use generator::Source;
use serde::{Serialize, Serializer};
use service::{Context, Description, Error};
use simulation::toll::{self, Mix, TollWorld, VEHICLES_MAX};
use uuid::Uuid;

pub use generator::Record;

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

/// All settings of the toll generator.
pub type Config = generator::Config<Tolls>;
/// The records that it writes.
pub type Stream = generator::Stream<Tolls>;

/// Toll passages as a source of events.
#[derive(Debug, Clone, Copy)]
pub struct Tolls;

/// Settings of the world of toll plazas.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Settings {
    /// How many vehicles there are to come back.
    #[arg(long, env = "TURNPIKE_VEHICLES", default_value_t = 50_000, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(VEHICLES_MAX)))]
    pub vehicles: u32,

    /// How often each type passes: of car, truck, van, bus and motorcycle.
    #[arg(long, env = "TURNPIKE_MIX", default_value_t, value_name = "TYPE=PARTS,...")]
    #[serde(serialize_with = "as_text")]
    pub mix: Mix,
}

impl Source for Tolls {
    type World = TollWorld;
    type Settings = Settings;

    const DESCRIPTION: Description = DESCRIPTION;
    const STREAM: &'static str = "toll";
    const TOPIC: &'static str = "toll";
    const SCHEMA: &'static str = TollPassage::SCHEMA;

    fn options(settings: &Settings) -> toll::Options {
        toll::Options { vehicles: settings.vehicles, mix: settings.mix.clone() }
    }

    /// The vehicle, so that its passages stay in order.
    fn key(passage: &TollPassage, out: &mut Vec<u8>) {
        let mut text = Uuid::encode_buffer();
        out.extend_from_slice(passage.vehicle_id.hyphenated().encode_lower(&mut text).as_bytes());
    }

    fn encode(passage: &TollPassage, out: &mut Vec<u8>) {
        passage.encode(out);
    }
}

/// Runs the generator until the wanted number of records is written, or until it is told to stop.
pub async fn run(context: Context<Config>) -> Result<(), Error> {
    generator::run(context).await
}

fn as_text<S: Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;
    use simulation::{Seed, faults::Shares};

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        config: Config,
    }

    fn parse(arguments: &[&str]) -> Result<Config, String> {
        let arguments = std::iter::once("toll-generator").chain(arguments.iter().copied());
        CommandLine::try_parse_from(arguments).map(|line| line.config).map_err(|error| error.to_string())
    }

    /// Printed settings can be given back as they are, and without any the world is the library's own.
    #[test]
    fn settings_print_as_they_are_written() {
        let config = parse(&["--mix=car=1,bus=2"]).unwrap();
        let printed = serde_json::to_value(&config).unwrap();
        assert_eq!((&printed["mix"], &printed["vehicles"]), (&"car=1,bus=2".into(), &50_000.into()));
        assert_eq!(Tolls::options(&parse(&[]).unwrap().world), toll::Options::default());
    }

    #[test]
    fn bad_values_are_refused_with_what_is_allowed() {
        for (argument, hint) in
            [("--mix=suv=1", "allowed are car, truck, van, bus, motorcycle"), ("--vehicles=0", "1..=1000000")]
        {
            let error = parse(&[argument]).unwrap_err();
            assert!(error.contains(hint), "{argument}: {error}");
        }
    }
    /// The key is the vehicle's id as text: a UUID version 5, the same whenever the vehicle comes back.
    #[test]
    fn records_are_keyed_by_vehicle() {
        let options = toll::Options { vehicles: 3, mix: "car=1".parse().unwrap() };
        let mut stream = Stream::new(Seed::new(1), &options, &Shares::default(), 7);
        let keys = (0..100).map(|now_ms| String::from_utf8(stream.next(now_ms).key.to_vec()).unwrap());
        let keys: BTreeSet<String> = keys.collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| key.parse::<Uuid>().unwrap().get_version_num() == 5), "{keys:?}");
    }
}
