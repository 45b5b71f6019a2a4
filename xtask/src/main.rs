//! Tasks of this workspace that want more than a line of make: `cargo run -p xtask -- TASK`.
//!
//! - `check` ("tidy") holds the house rules that neither the compiler nor clippy can tell. It reads every file that
//!   git knows or would add, and prints a line for each breach: where, what, and what to do instead.
//! - `dashboards` writes Grafana's dashboards, `metrics` writes the page about metrics; `check` finds both out of date.

mod alerts;
mod dashboards;
mod metrics_page;
mod names;
mod query;
mod rules;
mod tree;

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::{Context, bail};

fn main() -> ExitCode {
    match run(&std::env::args().nth(1).unwrap_or_default()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Does a task; true when it found nothing to mend.
fn run(task: &str) -> anyhow::Result<bool> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace's root")?;
    let tree = tree::Tree::read(root)?;
    let files = match task {
        "check" => return Ok(check(&tree)),
        "dashboards" => dashboards::all(&tree)?,
        "metrics" => vec![(metrics_page::PAGE.to_owned(), metrics_page::page(&tree))],
        _ => bail!("unknown task {task:?}; there are: check, dashboards, metrics"),
    };
    tree::write(root, &files)?;
    say(&format!("{task}: {} written", files.len()));
    Ok(true)
}

/// Holds every rule against the workspace; true when none is broken.
fn check(tree: &tree::Tree) -> bool {
    let findings = rules::all(tree);
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    say(&match findings.len() {
        0 => format!("house rules: {} files, nothing found", tree.len()),
        count => format!("{lines}house rules: {count} found"),
    });
    findings.is_empty()
}

/// A line on standard output; a reader that went away is no error of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
