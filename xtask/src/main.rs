//! Tasks of this workspace that want more than a line of make: `cargo run -p xtask -- check`.
//!
//! `check` ("tidy") holds the house rules that neither the compiler nor clippy can tell. It reads every file that
//! git knows or would add, and prints a line for each breach: where, what, and what to do instead.

mod rules;
mod tree;

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context;

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let result = if task == "check" {
        check()
    } else {
        Err(anyhow::anyhow!("unknown task {task:?}; there is: check"))
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Runs every rule over the workspace; true when none is broken.
fn check() -> anyhow::Result<bool> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace's root")?;
    let tree = tree::Tree::read(root)?;
    let findings = rules::all(&tree);
    for finding in &findings {
        say(&finding.to_string());
    }
    say(&match findings.len() {
        0 => format!("house rules: {} files, nothing found", tree.len()),
        count => format!("house rules: {count} found"),
    });
    Ok(findings.is_empty())
}

/// A line on standard output; a reader that went away is no error of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
