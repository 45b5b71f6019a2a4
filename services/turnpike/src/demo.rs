//! `turnpike demo`: a whole Turnpike on this machine, each service its own process, with a live summary.

mod crew;
mod ending;
mod flows;
mod jaeger;
mod member;
mod summary;

use std::{
    process::ExitCode,
    str::FromStr,
    time::{Duration, Instant},
};

use kafka::Connection;
use local_stack::{Progress, Stack, User};
use service::{Error, clock};
use simulation::faults::Shares;

use crate::{
    database::Database,
    kafka_error::told,
    shell::Shell,
    topics::{TOPICS, create_one, outcome},
};
use crew::Crew;
use jaeger::Traces;
use member::Executables;

/// Partitions of each topic: the services' own default.
const PARTITIONS: i32 = 4;
/// Page cache of the database: enough for the index of some minutes at full speed.
const BUFFER_POOL_MIB: u32 = 256;
/// How often the summary is drawn.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// How often the services are asked until the first row is stored.
const FIRST_ROW_EVERY: Duration = Duration::from_millis(100);

/// What to run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  turnpike demo
  turnpike demo --seconds 30 --rate 1000 --malformed 5%
  turnpike demo --rate 0                     as fast as possible
  turnpike demo --malformed truncated=1%     one kind of malformed record
  turnpike demo --jaeger                     with a page where records can be followed

Every service is its own process: kill -9 the pid of one and watch it recover. Ctrl-C ends the demo: the generators stop, what is in flight is drained for as long as it moves, and the ledger must balance. A second Ctrl-C ends the draining.
Exit code 1: the ledger does not balance, or a service failed; data and logs are kept then.")]
pub(crate) struct Options {
    /// Seconds of load until it ends by itself; 0: until Ctrl-C
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    seconds: u64,
    /// Records a second of all streams together, eight in ten of them passages; 0: as fast as possible
    #[arg(long, default_value_t = 500, value_name = "RECORDS")]
    rate: u64,
    /// Share of records made wrong on purpose, of all kinds together or as KIND=SHARE,...
    #[arg(long, default_value = "2%", value_name = "SHARE")]
    malformed: Malformed,
    /// Start Jaeger too and send it the traces of up to 100 records a second; deploy/jaeger/install builds it
    #[arg(long)]
    jaeger: bool,
    /// Leave the folder with data and logs in place
    #[arg(long)]
    keep: bool,
}

/// Faults for the generators, in their own words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Malformed(String);

impl FromStr for Malformed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = if text.contains('=') { text.to_owned() } else { format!("all={text}") };
        text.parse::<Shares>().map(|_| Self(text.clone())).map_err(|error| error.to_string())
    }
}

/// A running demo.
struct Demo<'d> {
    options: &'d Options,
    started: Instant,
    stack: &'d Stack,
    kafka: Connection,
    database: Database,
    crew: Crew<'d>,
    traces: Option<Traces<'d>>,
}

/// Runs the demo from the first start to the last stop.
pub(crate) fn run(options: &Options, shell: &mut Shell) -> Result<ExitCode, Error> {
    let started = clock::instant();
    let executables = Executables::find()?;
    let output = shell.output.clone();
    // That nobody reads any more is found out by whoever writes next.
    let progress = Progress::to(move |line| drop(output.say(line)));
    let stack_options = local_stack::Options {
        buffer_pool_mib: BUFFER_POOL_MIB,
        jaeger: options.jaeger,
        keep: options.keep,
        progress,
        ..local_stack::Options::default()
    };
    let stack = Stack::start(stack_options).map_err(Error::failed)?;
    // From here on there is something to end in order.
    shell.listen()?;
    let ended = Demo::start(options, &stack, &executables, started, shell).and_then(|demo| demo.run(shell));
    let is_fine = matches!(ended, Ok(ExitCode::SUCCESS) | Err(Error::Stopped));
    if !is_fine {
        stack.folder().keep().map_err(Error::failed)?;
    }
    if options.keep || !is_fine {
        let folder = stack.folder().path().display();
        shell.output.say(format!("data and logs stay in {folder}; make clean-local removes them"))?;
    }
    ended
}

impl<'d> Demo<'d> {
    fn start(
        options: &'d Options,
        stack: &'d Stack,
        executables: &'d Executables,
        started: Instant,
        shell: &Shell,
    ) -> Result<Self, Error> {
        let kafka = Connection::new(stack.kafka.bootstrap_servers());
        let database = Database {
            mariadb_url: stack.mariadb.jdbc_url().parse().map_err(|error: String| Error::failed(error))?,
            mariadb_user: User::Reader.name().to_owned(),
            mariadb_password: stack.mariadb.password(User::Reader).parse().ok(),
        };
        let admin = kafka.admin().map_err(told(&kafka))?;
        let _first_group = kafka.first_group().map_err(told(&kafka))?;
        for name in TOPICS {
            let (text, is_there) = outcome(name, create_one(&admin, name, PARTITIONS, 1));
            if !is_there {
                return Err(Error::failed(text));
            }
            shell.output.say(text)?;
        }
        let crew = Crew::start(executables, stack, options.rate, &options.malformed.0)?;
        let took = started.elapsed().as_secs_f64();
        shell.output.say(format!(
            "three generators, validator and writer are started, {took:.1} s after the start"
        ))?;
        let traces = stack.jaeger.as_ref().map(Traces::of).transpose()?;
        if let Some(traces) = &traces {
            traces.announce(options.rate, shell)?;
        }
        Ok(Self { options, started, stack, kafka, database, crew, traces })
    }

    /// Shows what happens until the time is over or the user ends it, then ends everything in order.
    fn run(mut self, shell: &mut Shell) -> Result<ExitCode, Error> {
        let started = clock::instant();
        let seconds = self.options.seconds;
        let limit = if seconds == 0 { Duration::MAX } else { Duration::from_secs(seconds) };
        let mut next_draw = started + DRAW_EVERY;
        let mut has_row = false;
        while !self.crew.has_failed() {
            let looked = clock::instant();
            self.crew.look(shell)?;
            if !has_row && self.crew.has_row() {
                has_row = true;
                self.tell_first_row(shell)?;
            }
            if has_row && let Some(traces) = &mut self.traces {
                traces.look(shell)?;
            }
            self.crew.hold_back(shell);
            if looked >= next_draw {
                // After something that took long, the next one is not drawn at once.
                next_draw = (next_draw + DRAW_EVERY).max(clock::instant() + DRAW_EVERY / 2);
                self.crew.draw(None, shell)?;
            }
            let every = if has_row { DRAW_EVERY } else { FIRST_ROW_EVERY };
            let left = limit.saturating_sub(started.elapsed());
            let wait = every.saturating_sub(looked.elapsed()).min(left);
            if shell.is_told_to_stop(wait) || started.elapsed() >= limit {
                break;
            }
        }
        self.end(shell)
    }

    fn tell_first_row(&self, shell: &Shell) -> Result<(), Error> {
        let seconds = self.started.elapsed().as_secs_f64();
        let client = self.stack.mariadb.client_command(User::Reader);
        let Stack { kafka, mariadb, registry, .. } = self.stack;
        let (kafka, registry) = (kafka.bootstrap_servers(), registry.url());
        let (url, user) = (mariadb.jdbc_url(), User::Reader.name());
        let password = mariadb.password(User::Reader);
        let jaeger = self.stack.jaeger.as_ref();
        let jaeger =
            jaeger.map(|jaeger| format!(" TURNPIKE_JAEGER_URL={}", jaeger.url())).unwrap_or_default();
        shell.output.say(format!(
            "the first row is stored, {seconds:.1} s after the start; look inside with\n  {client}\nfor example\n  \
             {client} -e 'select * from tolldata.livetolldata limit 10'\n\
             and with turnpike query, tail, trace and ledger in a shell that knows\n  export \
             TURNPIKE_KAFKA_BOOTSTRAP_SERVERS={kafka} TURNPIKE_SCHEMA_REGISTRY_URL={registry} \
             TURNPIKE_MARIADB_URL={url} TURNPIKE_MARIADB_USER={user} TURNPIKE_MARIADB_PASSWORD={password}{jaeger}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Malformed;

    /// A share alone is of all kinds; kinds by name are handed on; what the generator would refuse is refused here.
    #[test]
    fn shares_are_checked() {
        let parse = |text: &str| text.parse::<Malformed>().map(|malformed| malformed.0);
        assert_eq!(parse("5%").as_deref(), Ok("all=5%"));
        assert_eq!(parse("0").as_deref(), Ok("all=0"));
        assert_eq!(parse("truncated=1%,duplicate=2%").as_deref(), Ok("truncated=1%,duplicate=2%"));
        assert!(parse("500%").is_err() && parse("late=1%").is_err() && parse("").is_err());
    }
}
