//! Writes simulated weather readings to Kafka; see the README beside this folder.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run(&weather_generator::DESCRIPTION, weather_generator::run)
}
