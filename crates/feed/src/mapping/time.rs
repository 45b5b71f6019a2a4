//! Times as sources write them: formats, zones, and local times that do not exist or exist twice.

use std::fmt::Write as _;

use chrono::{
    DateTime, NaiveDateTime, TimeZone as _,
    format::{Fixed, Item as Part, Numeric, Parsed, StrftimeItems, parse},
};
use chrono_tz::Tz;

/// A way to write a time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    /// RFC 3339: `2026-10-02T08:00:00+02:00`.
    Rfc3339,
    /// Seconds since 1970 UTC, with or without a fraction.
    UnixSeconds,
    /// Milliseconds since 1970 UTC.
    UnixMillis,
    /// `/Date(1790920800000-0700)/`, as JSON of WCF services has it: milliseconds since 1970 UTC, and an offset to ignore.
    Wcf,
    /// Fields of strftime.
    Strftime {
        /// The fields and what stands between them.
        parts: Vec<Part<'static>>,
        /// Whether they tell the offset from UTC.
        has_offset: bool,
    },
}

/// The names of the formats that are not written in fields of strftime.
pub(crate) const NAMED: [&str; 4] = ["rfc3339", "unix", "unix_ms", "wcf"];

impl Format {
    /// Reads a format's name or its fields; the error says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "rfc3339" => return Ok(Self::Rfc3339),
            "unix" => return Ok(Self::UnixSeconds),
            "unix_ms" => return Ok(Self::UnixMillis),
            "wcf" => return Ok(Self::Wcf),
            _ => {}
        }
        if !text.contains('%') {
            return Err(format!("{}, or fields of strftime such as %Y-%m-%dT%H:%M:%S", NAMED.join(", ")));
        }
        let no_fields = |_| "fields of strftime, such as %Y-%m-%dT%H:%M:%S; one of these is none".to_owned();
        let parts = StrftimeItems::new(text).parse_to_owned().map_err(no_fields)?;
        let format = Self::Strftime { has_offset: parts.iter().any(tells_offset), parts };
        // `%#z` is for reading alone.
        let written = StrftimeItems::new(&text.replace("%#z", "%z")).parse_to_owned().map_err(no_fields)?;
        format.check(&written).map(|()| format)
    }

    /// Whether a time in this format stands for one moment without a zone beside it.
    pub(crate) fn has_offset(&self) -> bool {
        !matches!(self, Self::Strftime { has_offset: false, .. })
    }

    /// A format must tell at least a day: what is written in it must be a time when it is read.
    fn check(&self, written_as: &[Part<'static>]) -> Result<(), String> {
        let example = DateTime::from_timestamp_nanos(1_790_920_861_250_000_000).fixed_offset();
        let mut written = String::new();
        let read = write!(written, "{}", example.format_with_items(written_as.iter()))
            .map_err(|error| error.to_string())
            .and_then(|()| self.read(&written, Some(Tz::UTC)));
        read.map(drop).map_err(|_| "fields of strftime that tell at least a day".to_owned())
    }

    /// Milliseconds since 1970 UTC; the error says what is wrong with the text.
    pub(crate) fn read(&self, text: &str, zone: Option<Tz>) -> Result<i64, String> {
        match self {
            Self::Rfc3339 => match DateTime::parse_from_rfc3339(text) {
                Ok(time) => Ok(time.timestamp_millis()),
                Err(error) => Err(format!("is no time in RFC 3339 ({error})")),
            },
            Self::UnixSeconds => match text.parse::<f64>() {
                Ok(seconds) if seconds.abs() < 1e12 => Ok((seconds * 1_000.0).round() as i64),
                _ => Err("is no number of seconds since 1970".to_owned()),
            },
            Self::UnixMillis => {
                text.parse().map_err(|_| "is no number of milliseconds since 1970".to_owned())
            }
            Self::Wcf => {
                let inner = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/"));
                // The sign of the offset is a later one than that of a time before 1970.
                let end = inner.and_then(|inner| inner.get(1..)?.find(['+', '-'])).map(|at| at + 1);
                let millis = inner.map(|inner| &inner[..end.unwrap_or(inner.len())]);
                millis
                    .and_then(|millis| millis.parse().ok())
                    .ok_or_else(|| "is not written as /Date(1790920800000)/".to_owned())
            }
            Self::Strftime { parts, .. } => read_parts(parts, text, zone),
        }
    }
}

fn tells_offset(part: &Part<'_>) -> bool {
    match part {
        Part::Numeric(Numeric::Timestamp, _) => true,
        Part::Fixed(fixed) => {
            // The permissive offset, `%#z`, is an internal field whose name is not public.
            let shown = format!("{fixed:?}");
            matches!(fixed, Fixed::RFC2822 | Fixed::RFC3339) || shown.contains("Offset")
        }
        _ => false,
    }
}

fn read_parts(parts: &[Part<'static>], text: &str, zone: Option<Tz>) -> Result<i64, String> {
    let unreadable = |error| format!("is no time in this format ({error})");
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, parts.iter()).map_err(unreadable)?;
    if parsed.timestamp().is_some() || parsed.offset().is_some() {
        let _ = parsed.set_offset(0);
        return parsed.to_datetime().map(|time| time.timestamp_millis()).map_err(unreadable);
    }
    let date = parsed.to_naive_date().map_err(unreadable)?;
    // Hours alone are full ones, and a day alone begins at midnight.
    if parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() {
        parsed.set_hour(0).map_err(unreadable)?;
    }
    if parsed.minute().is_none() {
        parsed.set_minute(0).map_err(unreadable)?;
    }
    let time = parsed.to_naive_time().map_err(unreadable)?;
    in_zone(date.and_time(time), zone.unwrap_or(Tz::UTC))
}

/// The moment of a local time; the earlier of two when clocks were set back, an error in the gap when they were set forward.
fn in_zone(local: NaiveDateTime, zone: Tz) -> Result<i64, String> {
    match zone.from_local_datetime(&local).earliest() {
        Some(time) => Ok(time.timestamp_millis()),
        None => Err(format!("did not exist in {zone}: clocks were set forward over it")),
    }
}

/// The zone of a name such as `Europe/Berlin`.
pub(crate) fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// The zone whose name is most like this one.
pub(crate) fn similar_zone(name: &str) -> Option<&'static str> {
    let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    super::suggest::similar(name, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str, zone: &str) -> Result<String, String> {
        let format = Format::parse(format).expect("a format");
        let zone = (!zone.is_empty()).then(|| super::zone(zone).expect("a zone"));
        let ms = format.read(text, zone)?;
        let time = DateTime::from_timestamp_millis(ms).expect("in range");
        Ok(time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string())
    }

    /// The formats of the feeds that we ship mappings for, and a few others.
    #[test]
    fn times_are_read_as_they_are_written() {
        for (format, text, zone, expected) in [
            ("%Y%m%d%H%M%S", "20260102030000", "UTC", "2026-01-02T03:00:00Z"),
            ("%Y-%m-%d %H:%M:%S", "2026-10-02 00:30:05", "Asia/Taipei", "2026-10-01T16:30:05Z"),
            ("%Y-%m-%dT%H:%M", "2026-07-02T14:15", "Europe/Paris", "2026-07-02T12:15:00Z"),
            ("%Y-%m-%dT%H:%M:%S%z", "2026-09-28T07:15:00+0200", "", "2026-09-28T05:15:00Z"),
            ("%Y-%m-%dT%H:%M:%S%#z", "2026-09-28T07:15:00Z", "", "2026-09-28T07:15:00Z"),
            ("%y %j %H:%M:%S%.f", "26 275 6:3:9.07", "Europe/Helsinki", "2026-10-02T03:03:09.070Z"),
            ("%m/%d/%Y %H", "10/02/2026 23", "America/New_York", "2026-10-03T03:00:00Z"),
            ("%d.%m.%Y", "02.10.2026", "UTC", "2026-10-02T00:00:00Z"),
            ("rfc3339", "2026-10-02T08:00:00.250+02:00", "", "2026-10-02T06:00:00.250Z"),
            ("unix", "1790920800.5", "", "2026-10-02T06:00:00.500Z"),
            ("unix_ms", "1790920800250", "", "2026-10-02T06:00:00.250Z"),
            ("wcf", "/Date(1790920800000-0700)/", "", "2026-10-02T06:00:00Z"),
            ("wcf", "/Date(-1000)/", "", "1969-12-31T23:59:59Z"),
            ("%s", "1790920800", "", "2026-10-02T06:00:00Z"),
        ] {
            assert_eq!(read(format, text, zone).as_deref(), Ok(expected), "{format} {text}");
        }
    }

    /// When clocks are set back, a local time stands for its first occurrence; in the gap of spring it stands for none.
    #[test]
    fn local_times_that_exist_twice_or_not_at_all() {
        let format = "%Y-%m-%d %H:%M";
        assert_eq!(read(format, "2026-10-25 02:30", "Europe/Berlin").as_deref(), Ok("2026-10-25T00:30:00Z"));
        let gap = read(format, "2026-03-29 02:30", "Europe/Berlin").expect_err("no such time");
        assert_eq!(gap, "did not exist in Europe/Berlin: clocks were set forward over it");
    }

    /// Texts that are no time say so.
    #[test]
    fn other_texts_are_refused() {
        for (format, text) in [
            ("%Y%m%d%H%M%S", "20261302030000"),
            ("%Y-%m-%d", "yesterday"),
            ("rfc3339", "2026-10-02"),
            ("unix", "1e300"),
            ("unix", "nan"),
            ("unix_ms", "1.5"),
            ("wcf", "/Date()/"),
            ("wcf", "Date(1)"),
        ] {
            assert!(read(format, text, "UTC").is_err(), "{format} {text}");
        }
    }

    /// A format without a day, one with an unknown field and one without any are no formats.
    #[test]
    fn formats_are_checked() {
        for (format, allowed) in [
            ("%H:%M", "fields of strftime that tell at least a day"),
            ("%Y-%Q", "one of these is none"),
            ("YYYY-MM-DD", "rfc3339, unix, unix_ms, wcf, or fields of strftime"),
        ] {
            let error = Format::parse(format).expect_err(format);
            assert!(error.contains(allowed), "{format}: {error}");
        }
        assert!(!Format::parse("%Y-%m-%d").expect("a format").has_offset());
        for format in ["%Y-%m-%d %H:%M %z", "%Y-%m-%dT%H:%M:%S%:z", "%Y-%m-%d %H:%M%#z", "%+", "%s", "unix"] {
            assert!(Format::parse(format).expect("a format").has_offset(), "{format}");
        }
    }
}
