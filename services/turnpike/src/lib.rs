//! The command line: `turnpike demo`, `topics`, `ledger`, `tail`, `query`, `trace`, `verify`, `feed` and `contract`. Its README is the manual.

mod contract;
mod database;
mod demo;
mod feed;
mod kafka_error;
mod ledger;
mod output;
pub mod query;
mod shell;
mod tail;
mod topics;
mod trace;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use crate::shell::Shell;

/// Looks at a running Turnpike, or runs a whole one on this machine.
#[derive(Debug, Parser)]
#[command(name = "turnpike", version, about, after_help = AFTER_HELP)]
enum Command {
    /// Runs everything on this machine with a live summary: Kafka, MariaDB, registry, generators, validator, writer
    Demo(demo::Options),
    /// Creates, lists and describes topics
    #[command(subcommand)]
    Topics(topics::Command),
    /// Proves that every record is accounted for; exit code 1 if one is not
    Ledger(ledger::Options),
    /// Prints the records of a topic, decoded
    Tail(tail::Options),
    /// Answers questions about what is stored: newest, by vehicle, per plaza and minute, alerts, and more
    Query(query::Options),
    /// Shows the whole life of one event: its record, what each rule says, its row or dead letter, its spans
    Trace(trace::Options),
    /// Proves a running system: topics, rows that grow, ledger, dead letters, a whole trace, services and memory
    Verify(verify::Options),
    /// Takes a CSV or JSON feed, from a file or over HTTP, into a stream; see turnpike feed --help
    #[command(disable_help_flag = true)]
    Feed(feed::Options),
    /// Works on data contracts without anything running
    #[command(subcommand)]
    Contract(contract::Command),
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, out of balance or not verified, 2 a command line or a file that is not allowed.
A secret may also come from a file that <VARIABLE>_FILE names.

Examples:
  turnpike demo --seconds 30 --rate 1000 --malformed 5%
  turnpike topics create
  turnpike ledger --watch
  turnpike tail toll --dlq --from-beginning -n 10
  turnpike query vehicles-per-plaza
  turnpike trace toll/2/41
  turnpike verify --within-seconds 60
  turnpike feed deploy/feeds/synop-france.json --file deploy/feeds/samples/synop-france.csv";

/// Runs the command line from its arguments to its exit code.
pub fn main() -> ExitCode {
    service::run_tool("turnpike", |command: Command| {
        let mut shell = Shell::open()?;
        match command {
            Command::Demo(options) => demo::run(&options, &mut shell),
            Command::Topics(command) => topics::run(&command, &shell),
            Command::Ledger(options) => ledger::run(&options, &mut shell),
            Command::Tail(options) => tail::run(&options, &mut shell),
            Command::Query(options) => query::run(&options, &shell),
            Command::Trace(options) => trace::run(&options, &shell),
            Command::Verify(options) => verify::run(&options, &shell),
            Command::Feed(options) => Ok(feed::run(options)),
            Command::Contract(command) => contract::run(&command, &shell),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Command;

    /// No two flags of a command clash, and every example in the help parses.
    #[test]
    fn the_command_line_is_consistent() {
        let mut command = Command::command();
        command.build();
        let mut pages = vec![command.render_long_help().to_string()];
        for subcommand in command.get_subcommands_mut() {
            pages.push(subcommand.render_long_help().to_string());
            pages.extend(
                subcommand.get_subcommands_mut().map(|command| command.render_long_help().to_string()),
            );
        }
        let examples =
            pages.iter().flat_map(|page| page.lines()).filter_map(|line| line.strip_prefix("  turnpike "));
        let mut count = 0;
        for example in examples {
            let words =
                example.split("  ").next().and_then(|example| example.split(" | ").next()).unwrap_or(example);
            let words = std::iter::once("turnpike").chain(words.split_whitespace());
            assert!(Command::command().try_get_matches_from(words).is_ok(), "{example}");
            count += 1;
        }
        assert!(count > 10, "{count} examples");
    }
}
