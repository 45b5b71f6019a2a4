//! Turns what clap says about a command line into one line that names key, value and what is allowed.

use std::error::Error as _;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, Command};

use crate::Error;
use crate::config::is_secret;
use crate::error::one_line;
use crate::secret::REDACTED;

/// Key of what belongs to no flag.
const COMMAND_LINE: &str = "command line";

/// The configuration error that a refused command line stands for.
pub(crate) fn refusal(error: &clap::Error, command: &Command) -> Error {
    let context = |kind| error.get(kind).map(ToString::to_string);
    // Subcommands are otherwise built when they are parsed, and only what is built can be shown.
    let mut command = command.clone();
    command.build();
    let arg = context(ContextKind::InvalidArg).and_then(|shown| find(&command, &shown));
    let Some(arg) = arg else { return refusal_without_flag(error) };

    let value = match context(ContextKind::InvalidValue) {
        Some(_) if is_secret(arg) => REDACTED.to_owned(),
        value => value.unwrap_or_default(),
    };
    let allowed = match error.kind() {
        ErrorKind::ValueValidation => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            // A cause may quote what it refuses.
            if is_secret(arg) { help(arg) } else { format!("{} ({cause})", help(arg)) }
        }
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg) {
            Some(other) if other != arg.to_string() => format!("not together with {other}"),
            _ => "given once".to_owned(),
        },
        _ => {
            context(ContextKind::ValidValue).filter(|values| !values.is_empty()).unwrap_or_else(|| help(arg))
        }
    };
    Error::config(key(arg), one_line(&value), one_line(&allowed))
}

/// The argument that clap shows by this text, of the command or one of its subcommands.
fn find<'c>(command: &'c Command, shown: &str) -> Option<&'c Arg> {
    let own = command.get_arguments().find(|arg| arg.to_string() == shown);
    own.or_else(|| command.get_subcommands().find_map(|subcommand| find(subcommand, shown)))
}

/// What no known flag explains: an unknown flag or word, or several flags that are missing.
fn refusal_without_flag(error: &clap::Error) -> Error {
    let context = |kind| error.get(kind).map(ToString::to_string);
    let word = context(ContextKind::InvalidArg).or_else(|| context(ContextKind::InvalidSubcommand));
    match (error.kind(), word) {
        (ErrorKind::MissingRequiredArgument, Some(flags)) => Error::config(flags, "", "a value for each"),
        (ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand, Some(word)) => {
            let similar = context(ContextKind::SuggestedArg).map(|flag| format!(", such as {flag}"));
            let allowed = format!("what --help lists{}", similar.unwrap_or_default());
            Error::config(COMMAND_LINE, word, allowed)
        }
        (ErrorKind::MissingSubcommand, _) => {
            Error::config("command", "", context(ContextKind::ValidSubcommand).unwrap_or_default())
        }
        (_, word) => {
            let said = error.to_string();
            let said = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Error::config(COMMAND_LINE, word.unwrap_or_default(), format!("what --help lists ({said})"))
        }
    }
}

/// The flag and its variable: either may be where the value came from.
fn key(arg: &Arg) -> String {
    let flag = arg.get_long().map_or_else(|| arg.to_string(), |long| format!("--{long}"));
    match arg.get_env() {
        Some(variable) => format!("{flag} ({})", variable.to_string_lossy()),
        None => flag,
    }
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}
