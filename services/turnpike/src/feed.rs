//! `turnpike feed`: a service that is a command of this tool.

use std::{ffi::OsString, process::ExitCode};

/// The command line of the service, which reads it itself, `--help` among it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What `turnpike feed --help` lists
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "MAPPING, OPTIONS")]
    arguments: Vec<OsString>,
}

/// Runs the feed as the services are run: with health, metrics, control and a drain.
pub(crate) fn run(options: Options) -> ExitCode {
    let name = OsString::from(feed::DESCRIPTION.name);
    let arguments = std::iter::once(name).chain(options.arguments);
    service::run_with_arguments(&feed::DESCRIPTION, arguments, feed::run)
}
