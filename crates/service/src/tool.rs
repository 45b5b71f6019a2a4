//! Command lines of tools that end by themselves: refusals, secrets and exit codes as those of the services.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches};

use crate::refusal::refusal;
use crate::{Error, config, error};

/// Runs a tool from its command line to its exit code: what `body` returns, or 1 or 2 with one line for its error.
///
/// `C` may have subcommands. Flags of type [`Secret`](crate::Secret) may come from files, as those of services do.
pub fn run_tool<C>(name: &str, body: impl FnOnce(C) -> Result<ExitCode, Error>) -> ExitCode
where
    C: CommandFactory + FromArgMatches,
{
    let ended =
        parse(config::arguments()).and_then(|parsed: Option<C>| parsed.map_or(Ok(ExitCode::SUCCESS), body));
    ended.unwrap_or_else(|error| ExitCode::from(error::report(name, Err(error))))
}

/// What the command line says; `None` if it asks for help or the version, which has been written to stdout.
fn parse<C>(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<C>, Error>
where
    C: CommandFactory + FromArgMatches,
{
    let mut command = config::secrets_from_files(refused_in_one_line(C::command()))?;
    match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => C::from_arg_matches(&matches).map(Some).map_err(|error| refusal(&error, &command)),
        Err(answer) if !answer.use_stderr() => answer.print().map(|()| None).map_err(Error::failed),
        Err(error) => Err(refusal(&error, &command)),
    }
}

/// Without a subcommand, clap's derive would print the whole help.
fn refused_in_one_line(command: Command) -> Command {
    command.arg_required_else_help(false).disable_help_subcommand(true).mut_subcommands(refused_in_one_line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    #[command(subcommand_required = true)]
    enum Harbour {
        /// Moves a ship
        Tow {
            /// Which ship
            ship: String,
            /// Tugs to use
            #[arg(long, env = "TURNPIKE_TEST_TUGS", default_value_t = 1)]
            tugs: u8,
        },
        /// Lists ships
        List,
    }

    fn refused(arguments: &[&str]) -> String {
        let arguments = std::iter::once("harbour").chain(arguments.iter().copied()).map(OsString::from);
        parse::<Harbour>(arguments).expect_err("refused").to_string()
    }

    /// The flags of a subcommand are refused as those of a service: key, value, what is allowed.
    #[test]
    fn subcommands_are_refused_in_one_line() {
        let tugs = refused(&["tow", "Ever", "--tugs", "300"]);
        assert!(
            tugs.starts_with("--tugs (TURNPIKE_TEST_TUGS) = \"300\" is not allowed; allowed: Tugs"),
            "{tugs}"
        );
        assert_eq!(refused(&["tow"]), "<SHIP> = \"\" is not allowed; allowed: Which ship");
        assert_eq!(refused(&[]), "command = \"\" is not allowed; allowed: tow, list");
        let unknown = refused(&["sink"]);
        assert!(
            unknown.starts_with("command line = \"sink\" is not allowed; allowed: what --help lists"),
            "{unknown}"
        );
    }

    /// What is allowed comes through.
    #[test]
    fn commands_parse() {
        let parsed = parse::<Harbour>(["harbour", "list"].map(OsString::from));
        assert!(matches!(parsed, Ok(Some(Harbour::List))));
    }
}
