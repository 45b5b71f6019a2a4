//! What was measured: as a Markdown table for people, and in `target/bench/report.json` for programs.

use std::{fs, path::Path};

use serde::Serialize;
use service::Error;

use crate::say;

/// One figure beside its limit, both measured in the same run, in turn.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// What was measured, for example `telemetry.validator`.
    pub(crate) name: String,
    /// The median.
    pub(crate) value: f64,
    /// What one of it is.
    pub(crate) unit: &'static str,
    /// What it is held against.
    pub(crate) limit: &'static str,
    /// The limit's median.
    pub(crate) limit_value: f64,
    /// The median of the ratios of the pairs.
    pub(crate) ratio: f64,
    /// The smallest of them.
    pub(crate) min: f64,
    /// The largest of them.
    pub(crate) max: f64,
    /// How many pairs.
    pub(crate) pairs: usize,
    /// Processor seconds for a million records, median.
    pub(crate) cpu_s_per_million: f64,
    /// The same of the limit.
    pub(crate) limit_cpu_s_per_million: f64,
    /// Most resident memory of all runs, in MiB.
    pub(crate) peak_rss_mib: f64,
}

#[derive(Serialize)]
struct Report<'f> {
    results: &'f [Figure],
}

/// Where the report goes.
const REPORT: &str = "target/bench/report.json";

/// Prints the table and writes the report.
pub(crate) fn publish(figures: &[Figure]) -> Result<(), Error> {
    say(
        "| what | value | limit | ratio | min | max | pairs | processor s per million: value, limit | peak MiB |",
    )?;
    say("|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    for figure in figures {
        let Figure { name, value, unit, limit, limit_value, ratio, min, max, pairs, .. } = figure;
        let (cpu, limit_cpu) = (figure.cpu_s_per_million, figure.limit_cpu_s_per_million);
        say(format!(
            "| {name} | {value:.0} {unit} | {limit}: {limit_value:.0} | {ratio:.3} | {min:.3} | {max:.3} | {pairs} | {cpu:.2}, {limit_cpu:.2} | {:.0} |",
            figure.peak_rss_mib
        ))?;
    }
    let path = Path::new(REPORT);
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let json = serde_json::to_vec_pretty(&Report { results: figures }).map_err(Error::failed)?;
    folder.and_then(|()| fs::write(path, json)).map_err(Error::failed)?;
    say(format!("\nwritten to {REPORT}"))
}

/// The middle of some values; the upper one of two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
