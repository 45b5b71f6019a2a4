//! `make bench-peers`: the writer's work by others, each in turn with the writer, on the same topic, table and durability.

mod connect;
mod contest;
mod course;
mod python;
mod settings;
mod standings;

use std::{path::PathBuf, process::ExitCode};

use service::{Error, cause_chain};

use crate::{machine, progress, report, setting::Setting};
use connect::Converter;
use contest::{Contest, Ground, Work};
use course::Courses;
use settings::{Home, SinkSettings};
use standings::{Outcome, standings};

/// Which peers, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Fewer records and pairs, and no more than one task
    #[arg(long)]
    quick: bool,
    /// Only figures with one of these texts in their names, for example `debezium` or `append.python`
    #[arg(long, value_name = "TEXT,...", value_delimiter = ',')]
    only: Vec<String>,
    /// How many pairs of runs a figure is the median of (default 5; with --quick 2)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=99))]
    pairs: Option<u32>,
    /// Keep the result as docs/results/DATE-NAME.md
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    /// Folder with the plugin of another sink: its jars, and a driver for MariaDB
    #[arg(long, value_name = "DIR")]
    plugin: Option<PathBuf>,
    /// Settings of that sink's connector; without, those of bench/peers/sinks that name a class of the plugin
    #[arg(long, value_name = "FILE", requires = "plugin")]
    plugin_config: Option<PathBuf>,
}

/// What the report is called.
const NAME: &str = "peers";

const PAIRS: u32 = 5;
const PAIRS_QUICK: u32 = 2;

/// Measures; exit code 1 if a target is missed, or if a peer did not run.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let home = Home::install()?;
    let contests = contests(options, &home)?;
    if contests.is_empty() {
        return Err(Error::config("--only", options.only.join(","), "a part of a figure's name"));
    }
    let pairs = options.pairs.unwrap_or(if options.quick { PAIRS_QUICK } else { PAIRS });
    report::clear(NAME)?;
    let setting = Setting::start(options.quick, pairs)?;
    let courses = Courses::new(&setting);
    let converter = Converter::start(&setting)?;
    let ground = Ground { setting: &setting, home: &home, courses: &courses, converter: &converter };
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut failures = Vec::new();
    // The first run of all pays for what the broker and the database do once.
    contest::warm_up(&setting, &courses)?;
    for (number, contest) in contests.iter().enumerate() {
        progress(format!("{} ({} of {})", contest.name(), number + 1, contests.len()));
        match contest.hold(&ground) {
            Ok(outcome) => {
                outcomes.push(outcome);
                // What is measured stays, whatever becomes of the rest; who is the fastest is known at the end.
                report::write(NAME, &standings::of_each(&outcomes))?;
            }
            Err(error) => {
                let failure = format!("failed: {}: {}", contest.name(), cause_chain(&error));
                progress(&failure);
                failures.push(failure);
                outcomes.push(Outcome::failed(contest));
            }
        }
    }
    let (figures, table) = standings(&outcomes);
    let (markdown, is_reached) = report::publish(NAME, &figures, &failures)?;
    let markdown = markdown + &standings::publish(&table)?;
    if let Some(name) = &options.save {
        let machine = machine::described(&setting)?;
        report::save(name, "The writer's work by others", (&markdown, &[]), &machine)?;
    }
    Ok(if is_reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is to be measured, the quick ones of each work first.
fn contests(options: &Options, home: &Home) -> Result<Vec<Contest>, Error> {
    let mut sinks = SinkSettings::shipped(home)?;
    if let Some(plugin) = &options.plugin {
        sinks.extend(SinkSettings::of_plugin(plugin, options.plugin_config.as_deref())?);
    }
    let mut contests: Vec<Contest> = sinks.iter().flat_map(Contest::of_sink).collect();
    contests.extend(python::contests());
    contests.sort_by_key(|contest| (contest.tasks, contest.work != Work::Append));
    if options.quick {
        contests.retain(|contest| contest.tasks == 1);
    }
    let is_asked_for = |contest: &Contest| {
        options.only.is_empty() || options.only.iter().any(|text| contest.name().contains(text.as_str()))
    };
    contests.retain(is_asked_for);
    Ok(contests)
}
