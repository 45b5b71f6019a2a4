//! `turnpike ledger`: proves that every record is accounted for, from numbers that were committed with the records.

mod books;
mod read;
mod shown;

use std::{process::ExitCode, thread, time::Duration};

use kafka::Connection;
use service::{Error, clock};

pub(crate) use books::{Account, Books, Verdict};
pub(crate) use read::Sources;
pub(crate) use shown::{Detail, as_json, as_text};

use crate::{database::Database, output::warn, shell::Shell};

/// How often the books are read again while they do not stand still.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long books may be out of balance before it is said: the markers of a transaction reach its topics one after the other, and what a
/// killed validator left open hides what is behind it for the 20 s until the broker ends it.
pub(crate) const GRACE: Duration = Duration::from_secs(25);

/// Which books to read, and how to show them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  turnpike ledger
  turnpike ledger --partitions
  turnpike ledger --settle 60 --json
  turnpike ledger --watch

Read = valid + dead at the validator, read = stored + dead + skipped at each connector; what one has passed on, the next has read. Lag is in offsets and counts transaction markers as well; 0 means that nothing is left to read.
Exit code 1: out of balance, or with --settle still in flight.")]
pub(crate) struct Options {
    /// Look again every second until Ctrl-C
    #[arg(long, conflicts_with = "settle")]
    watch: bool,
    /// Show each partition, not only the sums
    #[arg(long)]
    partitions: bool,
    /// Print JSON, with each partition; with --watch one object a line
    #[arg(long)]
    json: bool,
    /// Wait up to so many seconds until nothing is in flight, and fail if something still is
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    settle: u64,
    /// The consumer group of the validators
    #[arg(long, default_value = "turnpike-validator", value_name = "NAME")]
    validator_group: String,
    #[command(flatten)]
    kafka: Connection,
    #[command(flatten)]
    database: Database,
}

/// Reads the books once, or again and again.
pub(crate) fn run(options: &Options, shell: &mut Shell) -> Result<ExitCode, Error> {
    let Options { kafka, database, validator_group, .. } = options;
    let mut sources = Sources::new(kafka, database, validator_group)?;
    if options.watch {
        return watch(options, &mut sources, shell);
    }
    let settle = Duration::from_secs(options.settle);
    let (books, verdict) = examine(&mut sources, shell, settle)?;
    show(options, &books, &verdict, shell)?;
    let is_proved = verdict.is_balanced() && (options.settle == 0 || verdict.is_settled());
    Ok(if is_proved { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the books until they are settled, or out of balance for longer than reading takes, or `settle` is over.
pub(crate) fn examine(
    sources: &mut Sources<'_>,
    shell: &Shell,
    settle: Duration,
) -> Result<(Books, Verdict), Error> {
    let started = clock::instant();
    let mut unbalanced_since = None;
    loop {
        let books = sources.read(shell)?;
        let verdict = books.verdict();
        if !verdict.is_balanced() {
            let since = *unbalanced_since.get_or_insert_with(clock::instant);
            if since.elapsed() >= GRACE {
                return Ok((books, verdict));
            }
        } else if verdict.is_settled() || started.elapsed() >= settle {
            return Ok((books, verdict));
        } else {
            unbalanced_since = None;
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn watch(options: &Options, sources: &mut Sources<'_>, shell: &mut Shell) -> Result<ExitCode, Error> {
    shell.listen()?;
    let mut is_balanced = true;
    let mut unbalanced_since = None;
    loop {
        match sources.read(shell) {
            Ok(books) => {
                let verdict = books.verdict();
                if verdict.is_balanced() {
                    unbalanced_since = None;
                } else {
                    unbalanced_since.get_or_insert_with(clock::instant);
                }
                is_balanced = unbalanced_since.is_none_or(|since| since.elapsed() < GRACE);
                if verdict.is_balanced() || !is_balanced {
                    show(options, &books, &verdict, shell)?;
                }
            }
            Err(Error::Failed(error)) => warn(service::cause_chain(&*error)),
            Err(error) => return Err(error),
        }
        if shell.is_told_to_stop(WATCH_EVERY) {
            return Ok(if is_balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
}

fn show(options: &Options, books: &Books, verdict: &Verdict, shell: &Shell) -> Result<(), Error> {
    let detail = if options.partitions { Detail::Partitions } else { Detail::Sums };
    match (options.json, options.watch) {
        (true, _) => shell.output.say(as_json(books, verdict)?),
        (false, true) => shell.output.draw(&as_text(books, verdict, detail)),
        (false, false) => shell.output.say(as_text(books, verdict, detail)),
    }
}
