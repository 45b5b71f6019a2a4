//! Writes simulated traffic events to Kafka; see the README beside this folder.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run(&traffic_generator::DESCRIPTION, traffic_generator::run)
}
