//! The whole path, as somebody sees it who reads the table: how old a passage is when its row is there.
//!
//! The real services run: a generator at a rate, a validator, and a writer with the connector that ships ([`chain`]). Beside them
//! a client asks the database each millisecond for the rows that it has not seen ([`watching`]), and compares the moment at which it
//! has them with the time that the generator gave the record. So no commit counts before others can read it, and what the asking
//! costs is in the figures. The limit is the same way by bare clients, one record at a time ([`floor`]).

mod chain;
mod floor;
mod watching;

use std::time::Duration;

use service::{Error, cause_chain};

use super::Item;
use crate::{pairs, progress, report::Figure, report::median, setting::Setting, watch::Seen};
use chain::{Chain, Run};
use floor::Floor;
use watching::Ages;

/// What is measured here.
pub(super) const ITEMS: &[Item] = &[
    Item {
        names: &["path.p50_ms_at_1000", "path.p99_ms_at_1000", "path.p999_ms_at_1000"],
        seconds: [115, 32],
        run: |setting, figures| at(setting, figures, 1_000),
    },
    Item {
        names: &["path.p50_ms_at_5000", "path.p99_ms_at_5000", "path.p999_ms_at_5000"],
        seconds: [55, 32],
        run: |setting, figures| at(setting, figures, 5_000),
    },
    Item {
        names: &["path.p50_ms_at_20000", "path.p99_ms_at_20000", "path.p999_ms_at_20000"],
        seconds: [55, 0],
        run: |setting, figures| at(setting, figures, 20_000),
    },
    Item { names: &["path.max_rate_p99_100ms"], seconds: [115, 0], run: max_rate },
];

/// What is told of the ages, and as what.
const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.999, "p999")];
/// How long a rate is measured in each run: 20 s of five.
const MEASURED: Duration = Duration::from_secs(4);
const MEASURED_QUICK: Duration = Duration::from_secs(3);

/// The age that the highest rate is asked for.
const AGE_MAX_MS: f64 = 100.0;
/// Where the first search for the highest rate begins (the others where one ended), and by how much it goes up.
const RATE_FIRST: f64 = 20_000.0;
const RATE_STEP: f64 = 1.5;
/// Steps up, or down, at most, and how often the last one is then halved.
const STEPS_MAX: u32 = 6;
const HALVINGS: u32 = 2;
/// How often the search is made.
const SEARCHES_MAX: u32 = 3;

const LIMIT: &str = "bare clients, one record at a time";

/// The quantiles at a rate, and those of the bare clients, in turn.
fn at(setting: &Setting, figures: &mut Vec<Figure>, rate: u64) -> Result<(), Error> {
    let mut chain = Chain::start(setting)?;
    let told = |error: &Error| progress(format!("  the limit, {LIMIT}, failed: {}", cause_chain(error)));
    let mut floor = Floor::start(setting).inspect_err(told).ok();
    let (mut runs, mut limits) = (Vec::new(), Vec::new());
    for pair in 0..setting.pairs {
        for is_ours in [pair.is_multiple_of(2), !pair.is_multiple_of(2)] {
            if is_ours {
                runs.push(held(&mut chain, rate, if setting.quick { MEASURED_QUICK } else { MEASURED })?);
            } else if let Some(of_floor) = &mut floor {
                match of_floor.run() {
                    Ok(ages) => limits.push(ages),
                    Err(error) => {
                        told(&error);
                        floor = None;
                    }
                }
            }
        }
    }
    chain.end()?;
    for (quantile, name) in QUANTILES {
        let seen: Vec<Seen> =
            runs.iter().map(|run| Seen { speed: run.ages.quantile_ms(quantile), ..run.cost }).collect();
        let limits: Vec<f64> = limits.iter().map(|ages: &Ages| ages.quantile_ms(quantile)).collect();
        let limits = floor.is_some().then_some(&*limits);
        figures.push(pairs::figure(&format!("path.{name}_ms_at_{rate}"), "ms", LIMIT, &seen, limits));
    }
    Ok(())
}

/// A run at a rate that must be held.
fn held(chain: &mut Chain<'_>, rate: u64, measured: Duration) -> Result<Run, Error> {
    let run = chain.run(rate, measured)?;
    progress(format!("  {}", run.text()));
    if run.is_held() { Ok(run) } else { Err(Error::failed(format!("the rate is not held: {}", run.text()))) }
}

/// The highest rate at which 99 of 100 rows are there within a tenth of a second.
fn max_rate(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let mut chain = Chain::start(setting)?;
    let mut seen: Vec<Seen> = Vec::new();
    for _ in 0..setting.pairs.min(SEARCHES_MAX) {
        let first = seen.last().map_or(RATE_FIRST, |last| last.speed);
        seen.push(search(&mut chain, first)?);
    }
    chain.end()?;
    figures.push(pairs::figure("path.max_rate_p99_100ms", "records/s", "", &seen, None));
    progress(format!("  median of {} searches: {:.0}", seen.len(), median(&speeds(&seen))));
    Ok(())
}

/// Goes up until it is too much, then between the last two; down, if the first is too much already.
fn search(chain: &mut Chain<'_>, first: f64) -> Result<Seen, Error> {
    let mut good: Option<Seen> = None;
    let mut bad: Option<f64> = None;
    for _ in 0..=STEPS_MAX {
        let rate = match (good, bad) {
            (None, None) => first,
            (Some(good), None) => good.speed * RATE_STEP,
            (None, Some(bad)) => bad / RATE_STEP,
            (Some(_), Some(_)) => break,
        };
        try_rate(chain, rate, &mut good, &mut bad)?;
    }
    for _ in 0..HALVINGS {
        if let (Some(low), Some(high)) = (good, bad) {
            try_rate(chain, f64::midpoint(low.speed, high), &mut good, &mut bad)?;
        }
    }
    good.ok_or_else(|| Error::failed("no rate was held"))
}

fn try_rate(
    chain: &mut Chain<'_>,
    rate: f64,
    good: &mut Option<Seen>,
    bad: &mut Option<f64>,
) -> Result<(), Error> {
    let run = chain.run(rate as u64, MEASURED_QUICK)?;
    let is_good = run.is_held() && run.ages.quantile_ms(0.99) < AGE_MAX_MS;
    progress(format!("  {}: {}", run.text(), if is_good { "held" } else { "too much" }));
    if is_good {
        *good = Some(Seen { speed: rate, ..run.cost });
    } else {
        *bad = Some(rate);
    }
    Ok(())
}

fn speeds(seen: &[Seen]) -> Vec<f64> {
    seen.iter().map(|seen| seen.speed).collect()
}
