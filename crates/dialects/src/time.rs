//! The forms in which the sources write times.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

/// Years that a table's DATETIME holds.
const YEARS: std::ops::RangeInclusive<i32> = 1000..=9999;

/// Python's `time.ctime()`, such as `Fri Oct  2 19:26:20 2026`: local, a second blank before days of one digit.
pub(crate) fn ctime(text: &str, zone: Tz) -> Option<i64> {
    local(NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y").ok()?, zone)
}

/// ISO 8601 with `T` or a blank between date and time, any fraction, with or without an offset from UTC.
pub(crate) fn iso(text: &str, zone: Tz) -> Option<i64> {
    let text = text.replacen(' ', "T", 1);
    match DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z") {
        Ok(time) => millis(time.to_utc()),
        Err(_) => local(NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").ok()?, zone),
    }
}

/// Seconds since 1970 UTC, with any fraction, as Python's `time.time()` gives them.
pub(crate) fn unix(seconds: f64) -> Option<i64> {
    // A float beyond the range of the integer becomes its limit, which is no time either.
    millis(DateTime::from_timestamp_millis((seconds * 1_000.0).round() as i64)?)
}

/// A time that names no offset. Where clocks go back and it comes twice, it is the earlier one; where they go forward and it
/// does not exist, it is as much later as the clocks were put forward.
fn local(time: NaiveDateTime, zone: Tz) -> Option<i64> {
    let offset = match zone.offset_from_local_datetime(&time) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset,
        LocalResult::None => {
            let day_before = time.checked_sub_days(Days::new(1))?;
            zone.offset_from_local_datetime(&day_before).earliest()?
        }
    };
    millis(time.checked_sub_offset(offset.fix())?.and_utc())
}

fn millis(time: DateTime<Utc>) -> Option<i64> {
    YEARS.contains(&time.year()).then(|| time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use chrono_tz::{Europe::Paris, UTC};

    use super::*;

    fn shown(millis: Option<i64>) -> Option<String> {
        DateTime::from_timestamp_millis(millis?).map(|time| time.format("%FT%T%.3f").to_string())
    }

    /// One and two digits of the day, and nothing that is no date.
    #[test]
    fn ctime_is_read() {
        for (text, expected) in [
            ("Fri Oct  2 19:26:20 2026", Some("2026-10-02T19:26:20.000")),
            ("Mon Dec 21 00:00:00 2026", Some("2026-12-21T00:00:00.000")),
            ("Fri Oct 2 19:26:20 2026", Some("2026-10-02T19:26:20.000")),
            ("Sat Oct  2 19:26:20 2026", None),
            ("Fri Oct 32 19:26:20 2026", None),
            ("Fri Oct  2 25:26:20 2026", None),
            ("Fri Oct  2 19:26:20 0026", None),
            ("2026-10-02 19:26:20", None),
            ("", None),
        ] {
            assert_eq!(shown(ctime(text, UTC)).as_deref(), expected, "{text}");
        }
    }

    /// Every form of the three JSON dialects; an offset that is given counts more than the zone.
    #[test]
    fn iso_is_read() {
        for (text, expected) in [
            ("2001-05-03T12:34:56", Some("2001-05-03T10:34:56.000")),
            ("2001-05-03T12:34:56.123456", Some("2001-05-03T10:34:56.123")),
            ("2025-12-10 14:43:52", Some("2025-12-10T13:43:52.000")),
            ("2025-12-20T11:45:25.964046+00:00", Some("2025-12-20T11:45:25.964")),
            ("2025-12-20T11:45:25Z", Some("2025-12-20T11:45:25.000")),
            ("2025-12-20T11:45:25+0200", Some("2025-12-20T09:45:25.000")),
            ("2025-02-30T11:45:25", None),
            ("20251210", None),
            ("12025-12-20T11:45:25Z", None),
        ] {
            assert_eq!(shown(iso(text, Paris)).as_deref(), expected, "{text}");
        }
    }

    /// The hour that comes twice is the first one, the hour that never comes is an hour later.
    #[test]
    fn changes_of_the_clock_have_one_answer() {
        assert_eq!(shown(iso("2026-10-25T02:30:00", Paris)).as_deref(), Some("2026-10-25T00:30:00.000"));
        assert_eq!(shown(iso("2026-03-29T02:30:00", Paris)).as_deref(), Some("2026-03-29T01:30:00.000"));
        // A whole day that an island skipped.
        let apia = chrono_tz::Pacific::Apia;
        assert_eq!(shown(iso("2011-12-30T12:00:00", apia)).as_deref(), Some("2011-12-30T22:00:00.000"));
    }

    /// Fractions are kept to the millisecond, and no float is too wild.
    #[test]
    fn unix_seconds_are_read() {
        assert_eq!(unix(1_765_374_232.5), Some(1_765_374_232_500));
        assert_eq!(unix(-1.0), Some(-1_000));
        for seconds in [1.7e12, f64::MAX, f64::MIN, f64::INFINITY] {
            assert_eq!(unix(seconds), None, "{seconds}");
        }
    }
}
