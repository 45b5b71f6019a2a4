//! What telemetry costs: each service at full speed with one record in a thousand traced, in turn with telemetry off.

mod leg;

use std::process::ExitCode;

use leg::{STAGES, Setting};
use service::Error;

use crate::{
    progress,
    report::{Figure, median, publish},
    say,
    watch::Seen,
};

/// How much, how often, and what is promised.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Records that the writer works off in each run; the validator twice as many, the generator four times
    #[arg(long, default_value_t = 500_000, value_name = "RECORDS", value_parser = clap::value_parser!(u64).range(10_000..))]
    records: u64,
    /// How many pairs of runs
    #[arg(long, default_value_t = 5, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Share of records that are traced
    #[arg(long, default_value_t = 0.001, value_name = "SHARE")]
    share: f64,
    /// The least that the speed with telemetry may be, as a share of the speed without, in the median
    #[arg(long, default_value_t = 0.97, value_name = "RATIO")]
    limit: f64,
}

/// A spread beyond this says more about the machine than about the services.
const SPREAD_MAX: f64 = 0.3;

/// Measures in pairs; exit code 1 if telemetry costs more than is promised, or if the machine is too noisy to tell.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let setting = Setting::start(options.records, options.share)?;
    // Each stage with telemetry and without.
    let mut with: [Vec<Seen>; STAGES.len()] = Default::default();
    let mut without = with.clone();
    for pair in 0..options.pairs {
        // Whatever drifts while the bench runs hits both: on, off, off, on.
        for is_on in [pair % 2 == 0, pair % 2 != 0] {
            let seen = setting.leg(pair, is_on)?;
            let stages = if is_on { &mut with } else { &mut without };
            for (stage, seen) in stages.iter_mut().zip(seen) {
                stage.push(seen);
            }
        }
        progress(format!("pair {} of {} is measured", pair + 1, options.pairs));
    }
    let traced = setting.spans();
    let figures: Vec<Figure> = STAGES
        .iter()
        .zip(with.iter().zip(&without))
        .map(|(stage, (with, without))| figure(stage, with, without))
        .collect();
    publish(&figures)?;
    say(format!("{traced} spans arrived"))?;
    if traced == 0 {
        return Err(Error::failed("no span arrived, so what was measured is not telemetry"));
    }
    let noisy: Vec<&str> = figures
        .iter()
        .filter(|figure| figure.max - figure.min > SPREAD_MAX)
        .map(|figure| &*figure.name)
        .collect();
    if !noisy.is_empty() {
        say(format!(
            "\nno verdict: too noisy a machine, the ratios of {} spread over {:.0} %",
            noisy.join(", "),
            SPREAD_MAX * 100.0
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    let missed: Vec<&Figure> = figures.iter().filter(|figure| figure.ratio < options.limit).collect();
    for Figure { name, ratio, .. } in &missed {
        say(format!("\nnot reached: {name} {ratio:.3} instead of {}", options.limit))?;
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn figure(stage: &str, with: &[Seen], without: &[Seen]) -> Figure {
    let of = |seen: &[Seen], what: fn(&Seen) -> f64| median(&seen.iter().map(what).collect::<Vec<_>>());
    let ratios: Vec<f64> =
        with.iter().zip(without).map(|(with, without)| with.speed / without.speed).collect();
    Figure {
        name: format!("telemetry.{stage}"),
        value: of(with, |seen| seen.speed),
        unit: "records/s",
        limit: "telemetry off",
        limit_value: of(without, |seen| seen.speed),
        ratio: median(&ratios),
        min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        max: ratios.iter().copied().fold(0.0, f64::max),
        pairs: ratios.len(),
        cpu_s_per_million: of(with, |seen| seen.cpu_s_per_million),
        limit_cpu_s_per_million: of(without, |seen| seen.cpu_s_per_million),
        peak_rss_mib: with.iter().map(|seen| seen.peak_rss_mib).fold(0.0, f64::max),
    }
}
