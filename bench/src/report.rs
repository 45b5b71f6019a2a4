//! What was measured: as a Markdown table for people, and in `target/bench` for programs.

use std::{fs, path::Path};

use chrono::DateTime;
use serde::Serialize;
use service::{Error, clock};

use crate::{
    say,
    targets::{self, Verdict},
};

/// One figure beside its limit, both measured in the same run, in turn.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Figure {
    /// What was measured, for example `writer.append`.
    pub(crate) name: String,
    /// The median; no number if a run came out as none, and then absent from the report.
    #[serde(skip_serializing_if = "is_no_number")]
    pub(crate) value: f64,
    /// What one of it is.
    pub(crate) unit: &'static str,
    /// What it is held against; empty where there is nothing to hold it against.
    pub(crate) limit: String,
    /// The limit's median; absent if the limit failed to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_value: Option<f64>,
    /// The median of the ratios of the pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// The smallest of them; of the values, where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min: Option<f64>,
    /// The largest of them; of the values, where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<f64>,
    /// How many pairs.
    pub(crate) pairs: usize,
    /// Processor seconds of the service for a million records, median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_s_per_million: Option<f64>,
    /// Most resident memory of the service in all runs, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peak_rss_mib: Option<f64>,
    /// The least and the most of the values.
    #[serde(skip)]
    pub(crate) value_ends: Option<[f64; 2]>,
    /// The least and the most of the processor seconds of each run.
    #[serde(skip)]
    pub(crate) cpu_ends: Option<[f64; 2]>,
}

/// Units of which less is better: there a ratio above 1 is worse.
const LESS_IS_BETTER: [&str; 2] = ["ms", "processor s per million"];

impl Figure {
    /// Whether less of it is better.
    pub(crate) fn is_better_if_less(&self) -> bool {
        LESS_IS_BETTER.contains(&self.unit)
    }

    /// Whether there is a limit that failed to run.
    pub(crate) fn lacks_its_limit(&self) -> bool {
        !self.limit.is_empty() && self.ratio.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_no_number(value: &f64) -> bool {
    !value.is_finite()
}

/// A whole report.
#[derive(Debug, Serialize)]
struct Report<'f> {
    results: &'f [Figure],
}

/// Where reports go.
pub(crate) const FOLDER: &str = "target/bench";

/// Where results are kept.
const RESULTS: &str = "docs/results";

/// Removes what an earlier run left as this report, so that it does not stand as if it were new.
pub(crate) fn clear(name: &str) -> Result<(), Error> {
    fs::create_dir_all(FOLDER).map_err(Error::failed)?;
    for entry in fs::read_dir(FOLDER).map_err(Error::failed)? {
        let entry = entry.map_err(Error::failed)?;
        if entry.file_name().to_str().is_some_and(|file| is_of(name, file)) {
            fs::remove_file(entry.path()).map_err(Error::failed)?;
        }
    }
    Ok(())
}

/// Whether a file belongs to the report of this name.
fn is_of(name: &str, file: &str) -> bool {
    file.strip_prefix(name).is_some_and(|rest| {
        matches!(rest, ".json" | ".md")
            || (rest.starts_with('-') && Path::new(rest).extension() == Some("svg".as_ref()))
    })
}

/// Prints the table with its verdicts and with what could not be measured, and writes it as `NAME.md` and `NAME.json` into
/// [`FOLDER`]; gives the table, and whether everything that is asked for is reached and nothing failed.
pub(crate) fn publish(name: &str, figures: &[Figure], failures: &[String]) -> Result<(String, bool), Error> {
    let (verdicts, is_reached) = verdicts(figures);
    let failures_told: String = failures.iter().map(|failure| format!("- {failure}\n")).collect();
    let markdown = format!("{}\n{verdicts}{failures_told}", table(figures));
    say(markdown.trim_end())?;
    write(name, figures)?;
    fs::write(Path::new(FOLDER).join(format!("{name}.md")), &markdown).map_err(Error::failed)?;
    say(format!("\nwritten to {FOLDER}/{name}.json and {FOLDER}/{name}.md"))?;
    Ok((markdown, is_reached && failures.is_empty()))
}

/// Writes the figures alone, as `NAME.json`.
pub(crate) fn write(name: &str, figures: &[Figure]) -> Result<(), Error> {
    let json = serde_json::to_vec_pretty(&Report { results: figures }).map_err(Error::failed)?;
    let path = Path::new(FOLDER).join(format!("{name}.json"));
    fs::create_dir_all(FOLDER).and_then(|()| fs::write(path, json)).map_err(Error::failed)
}

/// Keeps a result for later: `docs/results/DATE-NAME.md`, with its pictures, the versions and the machine.
pub(crate) fn save(
    name: &str,
    title: &str,
    (markdown, pictures): (&str, &[String]),
    machine: &str,
) -> Result<(), Error> {
    let now = DateTime::from_timestamp_millis(clock::now_ms()).unwrap_or_default();
    let date = now.format("%Y-%m-%d");
    let folder = Path::new(RESULTS);
    fs::create_dir_all(folder).map_err(Error::failed)?;
    let mut text = vec![format!("# {title}, {date}\n\n{machine}\n{markdown}")];
    for picture in pictures {
        // What a day keeps is told apart by its name; what a picture shows stands at the end of its own.
        let shows = picture.rsplit('-').next().unwrap_or(picture);
        let kept = format!("{date}-{name}-{shows}");
        fs::copy(Path::new(FOLDER).join(picture), folder.join(&kept)).map_err(Error::failed)?;
        text.push(format!("\n![{}]({kept})\n", shows.trim_end_matches(".svg")));
    }
    let file = folder.join(format!("{date}-{name}.md"));
    fs::write(&file, text.concat()).map_err(Error::failed)?;
    say(format!("kept as {}", file.display()))
}

/// The figures as a table.
fn table(figures: &[Figure]) -> String {
    let head = "\
| figure | value | limit | ratio | min | max | pairs | processor s per million | peak MiB |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
";
    std::iter::once(head.to_owned()).chain(figures.iter().map(row)).collect()
}

fn row(figure: &Figure) -> String {
    let Figure { name, value, unit, limit, pairs, .. } = figure;
    let limit_told = match figure.limit_value {
        Some(value) => format!("{limit}: {}", number(value)),
        None if figure.lacks_its_limit() => format!("{limit}: failed"),
        None => String::new(),
    };
    // Of values where there is no limit.
    let end = |end: Option<f64>| match end {
        Some(end) if limit.is_empty() => number(end),
        end => cell(end, 3),
    };
    format!(
        "| {name} | {} {unit} | {limit_told} | {} | {} | {} | {pairs} | {} | {} |\n",
        number(*value),
        cell(figure.ratio, 3),
        end(figure.min),
        end(figure.max),
        cell(figure.cpu_s_per_million, 2),
        cell(figure.peak_rss_mib, 1),
    )
}

/// A line for each target of these figures, and whether all are reached.
fn verdicts(figures: &[Figure]) -> (String, bool) {
    let mut lines = Vec::new();
    let mut is_reached = true;
    for figure in figures {
        let name = &figure.name;
        for (target, verdict) in targets::verdicts(figure) {
            let sides = target.both_sides(figure).map(|[least, most]| {
                format!(" (runs lie on both sides: {}–{})", number(least), number(most))
            });
            let sides = sides.unwrap_or_default();
            lines.push(match verdict {
                Verdict::Reached(is) => format!("- reached: {name}, {target}: {}{sides}\n", number(is)),
                Verdict::Missed(is) => {
                    let wanted = target.number;
                    format!("- not reached: {name}, {target}: {} instead of {wanted}{sides}\n", number(is))
                }
                Verdict::TooNoisy(spread) => {
                    let spread = spread * 100.0;
                    format!("- no verdict: too noisy: {name}, {target}: its runs spread over {spread:.0} %\n")
                }
                Verdict::TooFew(pairs) => {
                    format!("- no verdict: too few pairs: {name}, {target}: {pairs}\n")
                }
                Verdict::NotMeasured => format!("- no verdict: {name}, {target}: not measured\n"),
            });
            is_reached &= matches!(verdict, Verdict::Reached(_));
        }
        if is_no_number(&figure.value) {
            is_reached = false;
            lines.push(format!("- not measured: {name} came out as no number\n"));
        } else if figure.lacks_its_limit() {
            is_reached = false;
            lines
                .push(format!("- the limit failed to run: {name}, {}; so there is no ratio\n", figure.limit));
        }
    }
    (lines.concat(), is_reached)
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map(|value| format!("{value:.digits$}")).unwrap_or_default()
}

/// A number with about four figures.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle of some values; of an even number, between the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
