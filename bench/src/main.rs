//! Measures what the documentation promises: `cargo run --release -p bench -- queries`. Prints Markdown, and ends with 1 if
//! a promise is broken.

mod generators;
mod queries;
mod report;
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
    /// Every query of `turnpike query` on millions of rows: how long it takes, and by which index
    Queries(queries::Options),
    /// What telemetry costs each service at full speed
    Telemetry(telemetry::Options),
    /// The three generators together at full speed, beside a client that makes nothing
    Generators(generators::Options),
}

fn main() -> ExitCode {
    service::run_tool("bench", |command: Command| match command {
        Command::Queries(options) => queries::run(&options),
        Command::Telemetry(options) => telemetry::run(&options),
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
