//! Measures what the documentation promises: `cargo run --release -p bench -- suite`. Prints Markdown, and ends with 1 if
//! a promise is broken.

mod generators;
mod machine;
mod pairs;
mod passages;
mod peers;
mod plot;
mod queries;
mod raw;
mod report;
mod rows;
mod setting;
mod suite;
mod targets;
mod telemetry;
mod watch;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use service::Error;

/// Measures on this machine; nothing else should run meanwhile
#[derive(Debug, Parser)]
#[command(name = "bench", version, subcommand_required = true)]
enum Command {
    /// Every figure of the services beside its limit: what `make bench` runs
    Suite(suite::Options),
    /// The writer's work by others, in the same run
    Peers(peers::Options),
    /// Every query of `turnpike query` on millions of rows: how long it takes, and by which index
    Queries(queries::Options),
    /// The three generators together at full speed, beside a client that makes nothing
    Generators(generators::Options),
}

fn main() -> ExitCode {
    service::run_tool("bench", |command: Command| match command {
        Command::Suite(options) => suite::run(&options),
        Command::Peers(options) => peers::run(&options),
        Command::Queries(options) => queries::run(&options),
        Command::Generators(options) => generators::run(&options),
    })
}

/// Writes a line of the report.
fn say(line: impl AsRef<str>) -> Result<(), Error> {
    writeln!(io::stdout(), "{}", line.as_ref()).map_err(Error::failed)
}

/// Writes a line about how far it is.
fn progress(line: impl AsRef<str>) {
    // Nobody reading it is no reason to stop.
    let _ = writeln!(io::stderr(), "{}", line.as_ref());
}
