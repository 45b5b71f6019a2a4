//! What the process itself uses, as Linux tells it.

use std::fs;
use std::time::Duration;

use crate::{Metrics, names};

/// Clock ticks in a second: on Linux always so for what `/proc` shows.
const TICKS_A_SECOND: u64 = 100;
/// Where the ticks in user mode stand among what follows the command's name in `/proc/self/stat`; those in the kernel come next.
const USER_TICKS: usize = 11;

/// Takes the measures of this process into `metrics`. What Linux does not tell stays as it was.
pub fn observe_process(metrics: &Metrics, uptime: Duration) {
    metrics.gauge(&names::UPTIME, &[]).set(uptime.as_millis() as i64);
    if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(ticks) {
        let counter = metrics.counter(&names::CPU_TIME, &[]);
        counter.add((ticks * 1_000 / TICKS_A_SECOND).saturating_sub(counter.get()));
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        if let Some(kib) = field(&status, "VmRSS:") {
            metrics.gauge(&names::MEMORY, &[]).set(kib * 1_024);
        }
        if let Some(threads) = field(&status, "Threads:") {
            metrics.gauge(&names::THREADS, &[]).set(threads);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The one that reads the list is in it.
        metrics.gauge(&names::FILE_DESCRIPTORS, &[]).set(open.count() as i64 - 1);
    }
}

/// Processor time in ticks. The command's name stands in brackets and may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(USER_TICKS);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn field(status: &str, name: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that tests has memory, threads, files and soon processor time, and a name with brackets confuses nobody.
    #[test]
    fn this_process_is_seen() {
        let metrics = Metrics::default();
        observe_process(&metrics, Duration::from_secs(3));
        assert!(metrics.gauge(&names::MEMORY, &[]).get() > 1 << 20);
        assert!(metrics.gauge(&names::THREADS, &[]).get() >= 1);
        assert!(metrics.gauge(&names::FILE_DESCRIPTORS, &[]).get() >= 3);
        assert_eq!(ticks("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14"), Some(42));
    }
}
