//! A small source for the tests of this crate: passages of a hundred vehicles or so.

use clap::Parser as _;
use events::TollPassage;
use serde::Serialize;
use service::{Description, clock};
use simulation::toll::{self, TollWorld};
use telemetry::{Export, Identity, Metrics};

use crate::{Config, Source};

/// Toll passages with fewer settings than the real ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passages;

/// Settings of its world.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub(crate) struct Settings {
    #[arg(long, default_value_t = 100)]
    vehicles: u32,
}

impl Source for Passages {
    type World = TollWorld;
    type Settings = Settings;

    const DESCRIPTION: Description =
        Description { name: "passages", about: "Writes passages", examples: "passages" };
    const STREAM: &'static str = "toll";
    const TOPIC: &'static str = "toll";
    const SCHEMA: &'static str = TollPassage::SCHEMA;

    fn options(settings: &Settings) -> toll::Options {
        toll::Options { vehicles: settings.vehicles, ..toll::Options::default() }
    }

    fn key(event: &TollPassage, out: &mut Vec<u8>) {
        out.extend_from_slice(event.vehicle_id.to_string().as_bytes());
    }

    fn encode(event: &TollPassage, out: &mut Vec<u8>) {
        event.encode(out);
    }
}

/// A command line of these settings alone.
#[derive(Debug, clap::Parser)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    config: Config<Passages>,
}

/// The settings that arguments ask for.
pub(crate) fn parse(arguments: &[&str]) -> Result<Config<Passages>, String> {
    let arguments = std::iter::once("passages").chain(arguments.iter().copied());
    CommandLine::try_parse_from(arguments).map(|line| line.config).map_err(|error| error.to_string())
}

#[derive(Debug, clap::Parser)]
struct TelemetryLine {
    #[command(flatten)]
    options: telemetry::Options,
}

/// Spans of every record, for a collector that is not there: its queue, in `metrics`, has those that have ended.
pub(crate) fn tracing_all(metrics: &Metrics) -> Export {
    let arguments = "passages --otlp-endpoint=http://127.0.0.1:1 --traces-sampler=always_on \
        --span-delay=600000 --metrics-exporter=none --logs-exporter=none";
    let options = TelemetryLine::parse_from(arguments.split_whitespace()).options;
    let identity = Identity {
        service: "passages",
        version: "0",
        instance: "test",
        started: clock::system(),
        started_instant: clock::instant(),
    };
    Export::new(&options, &identity, metrics).expect("telemetry")
}
