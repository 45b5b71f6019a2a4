//! The weather generator: readings of the roadside sensors of a seeded world. All that it does is in the crate
//! `generator`; here is what is special about weather.

use events::WeatherReading;
use generator::Source;
use serde::Serialize;
use service::{Context, Description, Error};
use simulation::weather::{self, SENSORS_MAX, WeatherWorld};

pub use generator::Record;

/// What `--help` says.
pub const DESCRIPTION: Description = Description {
    name: "weather-generator",
    about: "Writes simulated weather readings to Kafka",
    examples: "\
weather-generator --rate 20
weather-generator --rate 1 --sensors 1
weather-generator --rate 200 --malformed all=2%
weather-generator --rate 0 --count 1000000 --seed 7 --start-time 2026-07-20T12:00:00Z",
};

/// All settings of the weather generator.
pub type Config = generator::Config<Weather>;
/// The records that it writes.
pub type Stream = generator::Stream<Weather>;

/// Weather as a source of events.
#[derive(Debug, Clone, Copy)]
pub struct Weather;

/// Settings of the world of sensors.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Settings {
    /// How many sensors there are; they read in turn.
    #[arg(long, env = "TURNPIKE_SENSORS", default_value_t = 240, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(SENSORS_MAX)))]
    pub sensors: u32,
}

impl Source for Weather {
    type World = WeatherWorld;
    type Settings = Settings;

    const DESCRIPTION: Description = DESCRIPTION;
    const STREAM: &'static str = "weather";
    const TOPIC: &'static str = "weather_data";
    const SCHEMA: &'static str = WeatherReading::SCHEMA;

    fn options(settings: &Settings) -> weather::Options {
        weather::Options { sensors: settings.sensors }
    }

    /// The sensor, so that its readings stay in order.
    fn key(reading: &WeatherReading, out: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = std::io::Write::write_fmt(out, format_args!("{}", reading.sensor_id));
    }

    fn encode(reading: &WeatherReading, out: &mut Vec<u8>) {
        reading.encode(out);
    }
}

/// Runs the generator until the wanted number of records is written, or until it is told to stop.
pub async fn run(context: Context<Config>) -> Result<(), Error> {
    generator::run(context).await
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use simulation::{Seed, faults::Shares};

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        config: Config,
    }

    fn parse(arguments: &[&str]) -> Result<Config, String> {
        let arguments = std::iter::once("weather-generator").chain(arguments.iter().copied());
        CommandLine::try_parse_from(arguments).map(|line| line.config).map_err(|error| error.to_string())
    }

    /// Without settings the world is the library's own and the topic the stream's.
    #[test]
    fn the_default_is_a_few_hundred_sensors() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.topic, "weather_data");
        assert_eq!(Weather::options(&config.world), weather::Options::default());
        assert_eq!(serde_json::to_value(&config).unwrap()["sensors"], 240);
    }

    #[test]
    fn bad_values_are_refused_with_what_is_allowed() {
        for argument in ["--sensors=0", "--sensors=100001"] {
            let error = parse(&[argument]).unwrap_err();
            assert!(error.contains("1..=100000"), "{argument}: {error}");
        }
    }
    /// The key is the sensor's number as text.
    #[test]
    fn records_are_keyed_by_sensor() {
        let mut stream = Stream::new(Seed::new(1), &weather::Options { sensors: 11 }, &Shares::default(), 7);
        let mut next = || stream.next(0).key.to_vec();
        assert_eq!((next(), next()), (b"1".to_vec(), b"2".to_vec()));
        assert_eq!((0..9).map(|_| next()).last(), Some(b"11".to_vec()));
        assert_eq!(next(), b"1");
    }
}
