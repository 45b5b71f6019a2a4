//! The traffic generator: reports of jams, accidents and cameras on the roads of a seeded world. All that it does is in
//! the crate `generator`; here is what is special about traffic.

use events::TrafficEvent;
use generator::Source;
use serde::Serialize;
use service::{Context, Description, Error};
use simulation::traffic::{self, CONGESTION_MAX, TrafficWorld};

pub use generator::Record;

/// What `--help` says.
pub const DESCRIPTION: Description = Description {
    name: "traffic-generator",
    about: "Writes simulated traffic events to Kafka: jams, accidents and speed cameras",
    examples: "\
traffic-generator --rate 20
traffic-generator --rate 200 --congestion 3 --malformed all=2%
traffic-generator --rate 0 --count 1000000 --seed 7 --start-time 2026-10-02T06:00:00Z
traffic-generator --rate 50 --follow-demand",
};

/// All settings of the traffic generator.
pub type Config = generator::Config<Traffic>;
/// The records that it writes.
pub type Stream = generator::Stream<Traffic>;

/// Traffic as a source of events.
#[derive(Debug, Clone, Copy)]
pub struct Traffic;

/// Settings of the world of roads.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Settings {
    /// How busy the roads are: 1 is as usual, 0 leaves nothing but cameras to report, at most 10.
    #[arg(long, env = "TURNPIKE_CONGESTION", default_value_t = 1.0, value_name = "FACTOR",
        value_parser = congestion)]
    pub congestion: f64,
}

impl Source for Traffic {
    type World = TrafficWorld;
    type Settings = Settings;

    const DESCRIPTION: Description = DESCRIPTION;
    const STREAM: &'static str = "traffic";
    const TOPIC: &'static str = "traffic.events";
    const SCHEMA: &'static str = TrafficEvent::SCHEMA;

    fn options(settings: &Settings) -> traffic::Options {
        traffic::Options { congestion: settings.congestion }
    }

    /// The road, so that what happens on it stays in order.
    fn key(event: &TrafficEvent, out: &mut Vec<u8>) {
        out.extend_from_slice(event.road.as_bytes());
    }

    fn encode(event: &TrafficEvent, out: &mut Vec<u8>) {
        event.encode(out);
    }
}

/// Runs the generator until the wanted number of records is written, or until it is told to stop.
pub async fn run(context: Context<Config>) -> Result<(), Error> {
    generator::run(context).await
}

fn congestion(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (0.0..=CONGESTION_MAX).contains(factor));
    factor.ok_or_else(|| format!("not a number from 0 to {CONGESTION_MAX}"))
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
        let arguments = std::iter::once("traffic-generator").chain(arguments.iter().copied());
        CommandLine::try_parse_from(arguments).map(|line| line.config).map_err(|error| error.to_string())
    }

    /// Without settings the world is the library's own and the topic the stream's.
    #[test]
    fn the_default_is_a_usual_day() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.topic, "traffic.events");
        assert_eq!(Traffic::options(&config.world), traffic::Options::default());
        assert_eq!(serde_json::to_value(&config).unwrap()["congestion"], 1.0);
    }

    #[test]
    fn bad_values_are_refused_with_what_is_allowed() {
        for argument in ["--congestion=11", "--congestion=-1", "--congestion=NaN", "--congestion=much"] {
            let error = parse(&[argument]).unwrap_err();
            assert!(error.contains("not a number from 0 to 10"), "{argument}: {error}");
        }
    }
    /// The key is the road; the same number near two cities is one key.
    #[test]
    fn records_are_keyed_by_road() {
        let mut stream = Stream::new(Seed::new(1), &traffic::Options::default(), &Shares::default(), 7);
        let keys = (0..1_000).map(|now_ms| String::from_utf8(stream.next(now_ms).key.to_vec()).unwrap());
        let keys: BTreeSet<String> = keys.collect();
        assert!(keys.iter().eq(["A1", "A10", "A13", "A6", "A7", "N118", "Peripherique"]), "{keys:?}");
    }
}
