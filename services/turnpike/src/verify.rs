//! `turnpike verify`: proves a running system as a whole: topics, rows, ledger, dead letters, a trace, services and their memory.

mod asked;
mod check;
mod containers;
mod evidence;
mod judge;
mod look;
mod processes;
mod streams;
mod tables;

use std::{
    fs,
    io::{self, Read as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use kafka::Connection;
use service::{Error, clock};

use crate::{database::Database, output::warn, shell::Shell, trace};
use asked::{Address, Asked, Faults};
use check::{Check, as_json, card, is_verified, of_short};
use containers::Container;
use judge::judge;
use look::Looker;

/// How often everything is looked at until it is proved.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is said what is waited for, if that does not change.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// In place of the path of a file: standard input.
const STDIN: &str = "-";

/// What to prove, and where everything is.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:
  turnpike verify
  turnpike verify --faults 2% --within-seconds 60
  turnpike verify --service validator:8080,mariadb-writer:8080 --jaeger-url http://jaeger:16686
  turnpike verify --containers memory.txt --first-row-seconds 41.2 --json

It looks once a second until all is proved, and gives up after --within-seconds. Progress is told on stderr, the card on stdout: a line for each check, with what to do where it falls short. It writes nothing, and joins no consumer group.
Exit code 0: verified, 1: something falls short, 2: an argument that is not allowed.")]
pub(crate) struct Options {
    /// How long it may take until all is proved; a validator that was killed leaves a transaction open for 20 s
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    within_seconds: u64,
    /// Share of records that the generators make wrong, as they take it, or none: then no new dead letter may come
    #[arg(long, env = "TURNPIKE_MALFORMED", value_name = "SHARE")]
    faults: Option<Faults>,
    /// Where Jaeger is; without it no trace is asked for
    #[arg(long, env = "TURNPIKE_JAEGER_URL", value_name = "URL", value_parser = url_or_nothing)]
    jaeger_url: Option<String>,
    /// Where a browser finds Jaeger, if elsewhere
    #[arg(long, env = "TURNPIKE_JAEGER_LINK_URL", value_name = "URL", value_parser = url_or_nothing)]
    jaeger_link_url: Option<String>,
    /// HTTP ports of services that must be ready; a generator among them must send, too. Each address behind a host's name is asked
    #[arg(
        long,
        env = "TURNPIKE_VERIFY_SERVICES",
        value_name = "[NAME=]HOST:PORT,...",
        value_delimiter = ','
    )]
    service: Vec<Address>,
    /// What all processes of these services together may use
    #[arg(long, value_name = "MIB", default_value_t = 150)]
    services_memory_limit_mib: u64,
    /// A file, or - for standard input, with the memory of the containers: a name, a tab and bytes, or what docker stats --no-stream --format
    /// '{{.Name}}\t{{.MemUsage}}' prints
    #[arg(long, value_name = "FILE")]
    containers: Option<String>,
    /// What they together may use, without prometheus, grafana and feed
    #[arg(long, value_name = "MIB", default_value_t = 2_048)]
    stack_memory_limit_mib: u64,
    /// Seconds from the start of everything to the first row, as whoever started it has measured them
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    first_row_seconds: Option<f64>,
    /// How many they may be
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    first_row_limit_seconds: f64,
    /// Print one JSON object in place of the card
    #[arg(long)]
    json: bool,
    /// The consumer group of the validators
    #[arg(long, default_value = "turnpike-validator", value_name = "NAME")]
    validator_group: String,
    #[command(flatten)]
    kafka: Connection,
    #[command(flatten)]
    database: Database,
}

impl Options {
    fn jaeger_url(&self) -> Option<&str> {
        given(self.jaeger_url.as_ref())
    }

    fn asked(&self) -> Result<Asked, Error> {
        let link =
            self.jaeger_url().map(|url| given(self.jaeger_link_url.as_ref()).unwrap_or(url).to_owned());
        Ok(Asked {
            faults: self.faults.clone(),
            services: self.service.clone(),
            services_memory_limit_mib: self.services_memory_limit_mib,
            containers: self.containers.as_deref().map(containers).transpose()?,
            stack_memory_limit_mib: self.stack_memory_limit_mib,
            first_row_seconds: self.first_row_seconds,
            first_row_limit_seconds: self.first_row_limit_seconds,
            jaeger_link: link,
        })
    }
}

/// Looks until all is proved, or for as long as it may take, and shows the card.
pub(crate) fn run(options: &Options, shell: &Shell) -> Result<ExitCode, Error> {
    let started = clock::instant();
    let within = Duration::from_secs(options.within_seconds);
    let asked = options.asked()?;
    let mut looker = Looker::new(options, &asked, shell)?;
    let mut teller = Teller::default();
    warn(format!("looking at everything, for up to {} s", within.as_secs()));
    let checks = loop {
        let mut evidence = looker.look()?;
        let mut checks = judge(&asked, &evidence);
        let is_last = started.elapsed() >= within;
        if is_last || !checks.iter().any(Check::is_pending) {
            evidence.counts = Some(looker.count()?);
            checks = judge(&asked, &evidence);
        }
        if is_last || !checks.iter().any(Check::is_pending) {
            break checks;
        }
        teller.tell(&checks, started.elapsed());
        thread::sleep(LOOK_EVERY);
    };
    let seconds = started.elapsed().as_secs_f64();
    shell.output.say(if options.json { as_json(&checks, seconds)? } else { card(&checks, seconds) })?;
    Ok(if is_verified(&checks) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what is waited for, when that changes and now and then.
#[derive(Debug, Default)]
struct Teller {
    said: String,
    at: Duration,
}

impl Teller {
    fn tell(&mut self, checks: &[Check], elapsed: Duration) {
        let awaited = of_short(checks);
        if awaited != self.said || elapsed >= self.at + SAY_EVERY {
            warn(format!("{} s: not proved yet: {awaited}", elapsed.as_secs()));
            (self.said, self.at) = (awaited, elapsed);
        }
    }
}

fn containers(path: &str) -> Result<Vec<Container>, Error> {
    let refused = |allowed: String| Error::config("--containers", path, allowed);
    let text = if path == STDIN {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let text = text.map_err(|error| refused(format!("a file that can be read, or - ({error})")))?;
    containers::parse(&text).map_err(|error| refused(format!("a file of lines NAME<TAB>BYTES; {error}")))
}

/// A variable that is set and empty says nothing.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim_end_matches('/')).filter(|text| !text.is_empty())
}

fn url_or_nothing(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { trace::url(text) }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    seconds.ok_or_else(|| "a number of seconds, such as 41.2".to_owned())
}
