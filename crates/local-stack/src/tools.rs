//! The programs of this machine that the stack uses.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Error, Process};

/// Looked at after the PATH: servers are installed where ordinary users do not look.
const SERVER_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Finds a command, or says how to install it.
pub(crate) fn find(command: &str) -> Result<PathBuf, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the PATH is no setting of ours, and setpriv reports a miss too late"
    )]
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    std::env::split_paths(&path)
        .chain(SERVER_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(command))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Error::MissingCommand { command: command.to_owned() })
}

/// A command in the one locale that knows all letters and speaks English: Java cannot open `target` below a folder with
/// an accent in its name otherwise.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// Runs a program to its end with a fresh log; it must succeed within `limit`.
pub(crate) fn run(name: &str, command: &Command, log: &Path, limit: Duration) -> Result<(), Error> {
    fs::remove_file(log).ok();
    let process = Process::spawn(name, command, log)?;
    let status = process.wait(limit)?;
    if status.success() { Ok(()) } else { Err(process.ended_with(status)) }
}
