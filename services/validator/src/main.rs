//! The validator's executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run(&validator::DESCRIPTION, validator::run)
}
