//! Which times a query looks at: all, between two, or up to the newest event. Times are those of the events, in UTC.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime};

/// Which times are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// All there are.
    All,
    /// From a time on, and before another.
    Between(Option<NaiveDateTime>, Option<NaiveDateTime>),
    /// So long before the newest event.
    Last(Duration),
}

/// A window whose ends are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// The first moment that is looked at.
    pub from: Option<NaiveDateTime>,
    /// The first moment that is not looked at any more.
    pub to: Option<NaiveDateTime>,
}

/// Tables have times to the millisecond, so what ends with an event ends one after it.
const MOMENT: Duration = Duration::milliseconds(1);
/// Longer ago than anything here.
const DAYS_MAX: i64 = 36_500;

impl Window {
    /// Where it begins and ends, with the newest event at `newest`.
    pub fn range(self, newest: Option<NaiveDateTime>) -> Range {
        match self {
            Self::All => Range::default(),
            Self::Between(from, to) => Range { from, to },
            Self::Last(length) => {
                let to = newest.and_then(|newest| newest.checked_add_signed(MOMENT));
                Range { from: to.and_then(|to| to.checked_sub_signed(length)), to }
            }
        }
    }
}

impl Range {
    /// In words: `of all times`, `from 2026-10-02 00:00:00 on`.
    pub(super) fn words(self) -> String {
        match (self.from, self.to) {
            (None, None) => "of all times".to_owned(),
            (Some(from), None) => format!("from {from} UTC on"),
            (None, Some(to)) => format!("before {to} UTC"),
            (Some(from), Some(to)) => format!("from {from} to {to} UTC"),
        }
    }
}

/// A moment as SQL writes it.
pub(super) fn sql(moment: NaiveDateTime) -> String {
    moment.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// A time on the command line.
pub(super) fn moment(text: &str) -> Result<NaiveDateTime, String> {
    const FORMS: [&str; 4] =
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let text = text.trim();
    let with_zone = DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.naive_utc());
    with_zone
        .or_else(|| FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()))
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .ok_or_else(|| {
            "a time in UTC such as 2026-10-02, '2026-10-02 19:26' or 2026-10-02T19:26:20.123Z".to_owned()
        })
}

/// A length of time on the command line.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) =
        text.split_at(text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len()));
    let number = number.parse::<i64>().ok().filter(|number| *number > 0);
    let length = number.and_then(|number| match unit {
        "s" => Duration::try_seconds(number),
        "m" => Duration::try_minutes(number),
        "h" => Duration::try_hours(number),
        "d" => Duration::try_days(number),
        _ => None,
    });
    length
        .filter(|length| length.num_days() <= DAYS_MAX)
        .ok_or_else(|| "a length of time such as 90s, 15m, 1h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::{Range, Window, length, moment, sql};

    /// Times are UTC unless they name their zone, and a date is its first moment.
    #[test]
    fn moments_are_understood() {
        for (text, expected) in [
            ("2026-10-02", "2026-10-02 00:00:00.000"),
            ("2026-10-02 19:26", "2026-10-02 19:26:00.000"),
            ("2026-10-02T19:26:20.123", "2026-10-02 19:26:20.123"),
            ("2026-10-02T19:26:20.123Z", "2026-10-02 19:26:20.123"),
            ("2026-10-02T21:26:20+02:00", "2026-10-02 19:26:20.000"),
        ] {
            assert_eq!(sql(moment(text).expect(text)), expected);
        }
        for text in ["", "yesterday", "2026-02-30", "19:26", "2026-10-02 25:00"] {
            assert!(moment(text).expect_err(text).contains("2026-10-02T19:26:20.123Z"));
        }
    }

    /// A length has a unit, and is one.
    #[test]
    fn lengths_are_understood() {
        assert_eq!(length("90s"), Ok(Duration::seconds(90)));
        assert_eq!(length("15m"), Ok(Duration::minutes(15)));
        assert_eq!(length("1h"), Ok(Duration::hours(1)));
        assert_eq!(length("7d"), Ok(Duration::days(7)));
        for text in ["", "0h", "1", "h", "-1h", "1 h", "1w", "99999999999999d", "40000d"] {
            assert!(length(text).is_err(), "{text}");
        }
    }

    /// The newest event is within the last hour, what is exactly an hour older is not.
    #[test]
    fn the_last_hour_ends_with_the_newest_event() {
        let newest = moment("2026-10-02T19:26:20.123Z").expect("a time");
        let Range { from: Some(from), to: Some(to) } = Window::Last(Duration::hours(1)).range(Some(newest))
        else {
            panic!("both ends are known");
        };
        assert!(from > newest - Duration::hours(1) && from <= newest && newest < to);
        assert_eq!(Window::Last(Duration::hours(1)).range(None), Range::default());
        assert_eq!(Window::All.range(Some(newest)).words(), "of all times");
    }
}
