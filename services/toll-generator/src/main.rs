//! Writes simulated toll passages to Kafka; see the README beside this folder.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run(&toll_generator::DESCRIPTION, toll_generator::run)
}
