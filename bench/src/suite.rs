//! `make bench`: every figure beside its limit, one after the other, into one report.

mod generator;
mod path;
mod validator;
mod writer;

use std::{process::ExitCode, time::Instant};

use service::{Error, cause_chain, clock};

use crate::{machine, plot, progress, report, report::Figure, setting::Setting, telemetry};

/// What to measure, and how long it may take.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Less of everything, in less than five minutes; what takes longer is left out
    #[arg(long)]
    quick: bool,
    /// Only figures of these names, or whose names begin with one of them and a dot
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// How many pairs of runs a figure is the median of (default 5; with --quick 3)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=99))]
    pairs: Option<u32>,
    /// Keep the result in docs/results, with date, versions and machine
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = NAME)]
    save: Option<String>,
}

/// What the report is called, and a result that is kept.
const NAME: &str = "report";

/// Pairs of a figure, in a full and in a quick run.
const PAIRS: u32 = 5;
const PAIRS_QUICK: u32 = 3;

/// Figures that are measured together.
pub(crate) struct Item {
    /// Their names.
    pub(crate) names: &'static [&'static str],
    /// About how long they take: seconds of a full run, and of a quick one (0: it is left out there).
    pub(crate) seconds: [u32; 2],
    /// Measures them; those that are found before something fails are kept.
    pub(crate) run: fn(&Setting, &mut Vec<Figure>) -> Result<(), Error>,
}

/// Everything that can be measured, in its order.
fn items() -> Vec<&'static Item> {
    let all = [writer::ITEMS, validator::ITEMS, generator::ITEMS, path::ITEMS, telemetry::ITEMS];
    all.into_iter().flatten().collect()
}

/// Measures; exit code 1 if a target is missed, a limit or a service failed, or the machine is too noisy to tell.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let items = chosen(options)?;
    let pairs = options.pairs.unwrap_or(if options.quick { PAIRS_QUICK } else { PAIRS });
    report::clear(NAME)?;
    let setting = Setting::start(options.quick, pairs)?;
    let measure = |item: &Item, figures: &mut Vec<Figure>| {
        let measured = (item.run)(&setting, figures);
        // What is there already is not lost if somebody loses patience.
        measured.and(report::write(NAME, figures))
    };
    let (figures, failures) = all(options.quick, &items, measure);
    let (markdown, is_good) = report::publish(NAME, &figures, &failures)?;
    let pictures = plot::all(NAME, &figures)?;
    if let Some(name) = &options.save {
        report::save(name, "Bench", (&markdown, &pictures), &machine::described(&setting)?)?;
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures one item after the other, whatever becomes of those before; gives the figures, and what failed.
fn all(
    is_quick: bool,
    items: &[&Item],
    mut measure: impl FnMut(&Item, &mut Vec<Figure>) -> Result<(), Error>,
) -> (Vec<Figure>, Vec<String>) {
    let (mut figures, mut failures) = (Vec::new(), Vec::new());
    let mut left = Left::new(is_quick, items);
    for item in items {
        let names = item.names.join(", ");
        progress(format!("{names}: {}", left.text()));
        if let Err(error) = measure(item, &mut figures) {
            let failure = format!("failed: {names}: {}", cause_chain(&error));
            progress(&failure);
            failures.push(failure);
        }
        left.done(item);
    }
    (figures, failures)
}

/// The items that the options ask for.
fn chosen(options: &Options) -> Result<Vec<&'static Item>, Error> {
    let all = items();
    let is_meant = |name: &str, asked: &String| {
        name == asked || name.strip_prefix(asked.as_str()).is_some_and(|rest| rest.starts_with('.'))
    };
    for asked in &options.only {
        if !all.iter().flat_map(|item| item.names).any(|name| is_meant(name, asked)) {
            let names: Vec<&str> = all.iter().flat_map(|item| item.names.iter().copied()).collect();
            return Err(Error::config("--only", asked.clone(), names.join(", ")));
        }
    }
    let is_asked_for = |item: &Item| {
        let by_name = item.names.iter().any(|name| options.only.iter().any(|asked| is_meant(name, asked)));
        if options.only.is_empty() { !options.quick || item.seconds[1] > 0 } else { by_name }
    };
    Ok(all.into_iter().filter(|item| is_asked_for(item)).collect())
}

/// How long the rest will take, from what the done part was thought to take and took.
struct Left {
    is_quick: bool,
    started: Instant,
    all_seconds: u32,
    done_seconds: u32,
}

impl Left {
    fn new(is_quick: bool, items: &[&Item]) -> Self {
        let mut left = Self { is_quick, started: clock::instant(), all_seconds: 0, done_seconds: 0 };
        left.all_seconds = items.iter().map(|item| left.seconds(item)).sum();
        left
    }

    fn seconds(&self, item: &Item) -> u32 {
        let [full, quick] = item.seconds;
        if self.is_quick && quick > 0 { quick } else { full }
    }

    fn done(&mut self, item: &Item) {
        self.done_seconds += self.seconds(item);
    }

    fn text(&self) -> String {
        let open = f64::from(self.all_seconds - self.done_seconds);
        let spent = self.started.elapsed().as_secs_f64();
        // Too little was done yet to tell how this machine differs.
        let pace = if self.done_seconds < 30 { 1.0 } else { spent / f64::from(self.done_seconds) };
        format!("{:.0} s so far, about {:.0} s left", spent, open * pace)
    }
}

#[cfg(test)]
#[path = "suite_tests.rs"]
mod tests;
