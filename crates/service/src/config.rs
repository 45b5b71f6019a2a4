//! From command line and environment to a typed configuration.

use std::any::TypeId;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;

use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use log_styles::Style;
use serde::Serialize;
use telemetry::{LogFilter, LogStyle};

use crate::refusal::refusal;
use crate::{Description, Error, Secret, http};

/// The subcommand by which a service asks itself how it is.
const HEALTHCHECK: &str = "healthcheck";

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation<C> {
    /// To serve with this configuration.
    Serve(Common, C),
    /// To ask the service at this address for this path.
    Healthcheck(SocketAddr, &'static str),
    /// For help, the version or the configuration, which has been written to stdout.
    Answered,
}

/// What every service can be told.
#[derive(Clone, Debug, Args, Serialize)]
#[command(next_help_heading = "Every service")]
pub(crate) struct Common {
    /// Where to serve health and metrics over HTTP; port 0 takes a free one
    #[arg(
        long,
        env = "TURNPIKE_HTTP_ADDRESS",
        value_name = "IP:PORT",
        default_value = "127.0.0.1:8080",
        global = true
    )]
    pub(crate) http_address: SocketAddr,
    /// Where to serve the control plane over gRPC; port 0 takes a free one
    #[arg(long, env = "TURNPIKE_GRPC_ADDRESS", value_name = "IP:PORT", default_value = "127.0.0.1:50051")]
    pub(crate) grpc_address: SocketAddr,
    /// How log lines look on stderr, or the source pipeline whose own lines are printed on stdout instead
    #[arg(
        long,
        alias = "log-format",
        env = "TURNPIKE_LOG_STYLE",
        value_name = "STYLE",
        default_value = "text"
    )]
    pub(crate) log_style: LogStyle,
    /// Which log lines are written: a level, or levels by module such as info,kafka=debug; warn is the default beside a
    /// source pipeline's lines
    #[arg(
        long,
        env = "TURNPIKE_LOG_LEVEL",
        value_name = "LEVELS",
        default_value = "info",
        default_value_ifs = Style::ALL.map(|style| ("log_style", style.name(), "warn"))
    )]
    pub(crate) log_level: LogFilter,
    /// Where telemetry goes.
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) telemetry: telemetry::Options,
    /// Print the configuration as it takes effect, as JSON without secrets, and exit
    #[arg(long)]
    #[serde(skip)]
    print_config: bool,
}

#[derive(Serialize)]
struct Effective<'a, C> {
    #[serde(flatten)]
    common: &'a Common,
    #[serde(flatten)]
    own: &'a C,
}

/// The arguments of this process.
pub(crate) fn arguments() -> impl Iterator<Item = OsString> {
    env::args_os()
}

/// Reads the command line and the environment; help, version and `--print-config` are answered here.
pub(crate) fn parse<C: Args + Serialize>(
    description: &Description,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Invocation<C>, Error> {
    let mut command = secrets_from_files(command::<C>(description))?;
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(answer) if !answer.use_stderr() => {
            answer.print().map_err(Error::failed)?;
            return Ok(Invocation::Answered);
        }
        Err(error) => return Err(refusal(&error, &command)),
    };
    let refused = |error: clap::Error| refusal(&error, &command);
    let common = Common::from_arg_matches(&matches).map_err(refused)?;
    if let Some(("healthcheck", matches)) = matches.subcommand() {
        let path = if matches.get_flag("live") { http::LIVE } else { http::READY };
        return Ok(Invocation::Healthcheck(common.http_address, path));
    }
    let own = C::from_arg_matches(&matches).map_err(refused)?;
    if common.print_config {
        let effective = Effective { common: &common, own: &own };
        let json = serde_json::to_string_pretty(&effective).map_err(Error::failed)?;
        writeln!(io::stdout(), "{json}").map_err(Error::failed)?;
        return Ok(Invocation::Answered);
    }
    Ok(Invocation::Serve(common, own))
}

fn command<C: Args>(description: &Description) -> Command {
    let healthcheck = Command::new(HEALTHCHECK)
        .about("Ask the running service at --http-address whether it is ready; exit 0 if so, else 1")
        .arg(Arg::new("live").long("live").action(ArgAction::SetTrue).help("Ask only whether it runs"));
    Common::augment_args(C::augment_args(Command::new(description.name)))
        // After the flags: their structs' comments would take the place of the description.
        .about(description.about)
        .long_about(None)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(format!(
            "A secret may also come from a file that <VARIABLE>_FILE names.\n\nExamples:\n{}",
            description.examples.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join(
                "
"
            )
        ))
        .subcommand(healthcheck)
        .subcommand_negates_reqs(true)
        .disable_help_subcommand(true)
}

/// Hides the values of secret flags in `--help`, and lets them come from the files that `<VARIABLE>_FILE` name.
///
/// A flag is secret when its type is [`Secret`] or it hides the value of its variable.
pub(crate) fn secrets_from_files(command: Command) -> Result<Command, Error> {
    let mut outcome = Ok(());
    let command = secrets(command, &mut outcome);
    outcome.map(|()| command)
}

fn secrets(command: Command, outcome: &mut Result<(), Error>) -> Command {
    let variables: Vec<OsString> =
        command.get_arguments().filter_map(Arg::get_env).map(ToOwned::to_owned).collect();
    let command = command.mut_args(|arg| {
        if !is_secret(&arg) {
            return arg;
        }
        match read_secret_file(&arg, &variables) {
            // Leaked, because clap wants it for as long as the process lives, as the configuration does.
            Ok(Some(secret)) => arg.required(false).default_value(&*secret.leak()).hide_default_value(true),
            Ok(None) => arg,
            Err(error) => {
                *outcome = Err(error);
                arg
            }
        }
        .hide_env_values(true)
    });
    command.mut_subcommands(|subcommand| secrets(subcommand, outcome))
}

pub(crate) fn is_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set() || arg.get_value_parser().type_id() == TypeId::of::<Secret>()
}

/// The content of the file that the flag's variable with `_FILE` names, without the line's end; not if that is the variable
/// of a flag of its own.
fn read_secret_file(arg: &Arg, variables: &[OsString]) -> Result<Option<String>, Error> {
    let Some(variable) = arg.get_env().and_then(|name| name.to_str()) else { return Ok(None) };
    let file_variable = format!("{variable}_FILE");
    if variables.iter().any(|taken| *taken == *file_variable) {
        return Ok(None);
    }
    let Some(path) = environment(&file_variable) else { return Ok(None) };
    let shown = path.to_string_lossy();
    if environment(variable).is_some() {
        return Err(Error::config(
            file_variable,
            shown,
            format!("only one of {variable} and {variable}_FILE"),
        ));
    }
    match fs::read_to_string(&path) {
        Ok(content) => Ok(Some(content.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => {
            Err(Error::config(file_variable, shown, format!("a readable file with the secret ({error})")))
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "<VARIABLE>_FILE belongs to the flag of <VARIABLE>, which is typed"
)]
fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}
