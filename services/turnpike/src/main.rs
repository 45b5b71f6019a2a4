//! The command line's executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    turnpike::main()
}
