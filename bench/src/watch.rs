//! How fast a process works off a known amount of records, and what it uses meanwhile.

use std::{fs, thread, time::Duration};

use local_stack::Process;
use service::{Error, clock};

/// What a process was seen to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Records a second.
    pub(crate) speed: f64,
    /// Processor seconds for a million records.
    pub(crate) cpu_s_per_million: f64,
    /// Most resident memory, in MiB.
    pub(crate) peak_rss_mib: f64,
}

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long nothing may move.
const STILL_MAX: Duration = Duration::from_mins(1);
/// The first part of the work, which is not measured: clients connect, groups form.
const WARM_UP: f64 = 0.1;

/// Follows `done`, the number of records that the process is done with, from a tenth of `total` to its end.
pub(crate) fn watch(
    process: &Process,
    total: u64,
    mut done: impl FnMut() -> Result<u64, Error>,
) -> Result<Seen, Error> {
    let mut begun = None;
    let (mut last, mut moved) = (0, clock::instant());
    loop {
        let (count, now) = (done()?, clock::instant());
        if begun.is_none() && count as f64 >= total as f64 * WARM_UP {
            begun = Some((count, now, cpu_seconds(process)?));
        }
        if let Some((first, since, cpu)) = begun.filter(|_| count >= total) {
            let records = (count - first) as f64;
            if count == first {
                return Err(Error::failed(format!("{} was done between two looks", process.name())));
            }
            return Ok(Seen {
                speed: records / (now - since).as_secs_f64(),
                cpu_s_per_million: (cpu_seconds(process)? - cpu) / records * 1e6,
                peak_rss_mib: process.resident_peak_kib().unwrap_or(0) as f64 / 1_024.0,
            });
        }
        if count > last {
            (last, moved) = (count, now);
        }
        if now - moved > STILL_MAX || !process.is_running() {
            let (name, said) = (process.name(), last_words(process));
            return Err(Error::failed(format!("{name} stands at {count} of {total} records: {said}")));
        }
        thread::sleep(LOOK);
    }
}

/// How a process's log ends; the log itself goes with the stack.
pub(crate) fn last_words(process: &Process) -> String {
    const LINES: usize = 3;
    let output = process.output().unwrap_or_default();
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join(" | ")
}

/// Processor time that the process has used so far, user and system.
pub(crate) fn cpu_seconds(process: &Process) -> Result<f64, Error> {
    cpu_seconds_of(process.pid())
}

/// The same of a process by its id.
pub(crate) fn cpu_seconds_of(pid: u32) -> Result<f64, Error> {
    /// Where the ticks stand behind the command's name, and how many make a second.
    const USER_TICKS: usize = 11;
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(Error::failed)?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks =
        fields.split_whitespace().skip(USER_TICKS).take(2).filter_map(|field| field.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / TICKS_A_SECOND)
}
