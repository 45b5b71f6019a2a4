//! Room on the disk: a database that runs out of it in the middle takes the figures along.

use std::{path::Path, process::Command};

use service::Error;

/// What the stack takes at most, with some to spare: a full run has a table of more than 50 million rows.
const NEEDED_GB: u64 = 11;
const NEEDED_QUICK_GB: u64 = 3;

/// Fails unless there is as much room as a run may need.
pub(super) fn expect_free(folder: &Path, is_quick: bool) -> Result<(), Error> {
    let (run, needed_gb) = if is_quick { ("quick", NEEDED_QUICK_GB) } else { ("full", NEEDED_GB) };
    let output = Command::new("df").args(["--output=avail", "--block-size=GB"]).arg(folder).output();
    let output = output.map_err(Error::failed)?.stdout;
    let answer = String::from_utf8_lossy(&output);
    let free_gb =
        answer.lines().nth(1).and_then(|line| line.trim().trim_end_matches("GB").parse::<u64>().ok());
    let Some(free_gb) = free_gb else {
        return Err(Error::failed(format!(
            "df does not tell how much is free in {}: {answer}",
            folder.display()
        )));
    };
    if free_gb >= needed_gb {
        return Ok(());
    }
    let folder = folder.display();
    Err(Error::failed(format!(
        "a {run} run needs about {needed_gb} GB in {folder}, where {free_gb} GB are free"
    )))
}
