//! Times as Python's library writes them. All are UTC: events carry no zone, and the line must not depend on the machine.

use chrono::{DateTime, Utc};

fn utc(time_ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(time_ms)
}

/// `time.ctime`: `Fri Oct  2 19:26:20 2026`, a one-digit day with a second space before it.
pub(crate) fn ctime(time_ms: i64) -> Option<String> {
    Some(utc(time_ms)?.format("%a %b %e %H:%M:%S %Y").to_string())
}

/// `datetime.isoformat` of a time in UTC: six digits after the second, or none if they were all zero.
pub(crate) fn isoformat(time_ms: i64) -> Option<String> {
    let time = utc(time_ms)?;
    let fraction = if time.timestamp_subsec_micros() == 0 { "" } else { "%.6f" };
    Some(time.format(&format!("%Y-%m-%dT%H:%M:%S{fraction}+00:00")).to_string())
}

/// `strftime("%Y-%m-%d %H:%M:%S")`: `2025-12-10 14:43:52`.
pub(crate) fn plain(time_ms: i64) -> Option<String> {
    Some(utc(time_ms)?.format("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of one and of two digits, and a fraction that Python leaves out.
    #[test]
    fn times_are_pythons() {
        let oct_2 = 1_790_969_180_000;
        assert_eq!(ctime(oct_2).as_deref(), Some("Fri Oct  2 19:26:20 2026"));
        assert_eq!(ctime(oct_2 + 8 * 86_400_000).as_deref(), Some("Sat Oct 10 19:26:20 2026"));
        assert_eq!(isoformat(oct_2).as_deref(), Some("2026-10-02T19:26:20+00:00"));
        assert_eq!(isoformat(oct_2 + 64).as_deref(), Some("2026-10-02T19:26:20.064000+00:00"));
        assert_eq!(plain(oct_2 + 999).as_deref(), Some("2026-10-02 19:26:20"));
        assert_eq!(isoformat(i64::MAX), None);
    }
}
