//! What the figures were measured on: versions and the machine, without its name.

use std::{fs, process::Command, thread};

use service::Error;

use crate::setting::Setting;

/// A line for each, as a Markdown list.
pub(crate) fn described(setting: &Setting) -> Result<String, Error> {
    let facts = [
        ("cores", thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string())),
        ("processor", fact("/proc/cpuinfo", "model name")),
        ("memory", fact("/proc/meminfo", "MemTotal")),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("Kafka", local_stack::Kafka::VERSION.to_owned()),
        ("MariaDB", setting.sql("SELECT VERSION()")?.trim().to_owned()),
        ("Java", said("java", &["-version"])),
        ("Rust", said("rustc", &["--version"])),
        ("Turnpike", commit()),
    ];
    Ok(facts.iter().map(|(what, fact)| format!("- {what}: {fact}\n")).collect())
}

fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let is_changed = !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!("{commit}{}", if is_changed { " with changes" } else { "" })
}

/// The first line of what a program says; nothing if it says nothing.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return unknown() };
    // Java tells its version on the other stream.
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// The value of the first line `key: value` of a file.
fn fact(path: &str, key: &str) -> String {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
    line.map_or_else(unknown, |(_, value)| value.trim().to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
