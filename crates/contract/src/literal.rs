//! Times as CEL writes them: `timestamp('…')` and `duration('…')`, in microseconds.

use chrono::DateTime;

/// Microseconds since 1970 of an RFC 3339 text.
pub(crate) fn timestamp_micros(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros())
}

/// Microseconds of a duration such as `1h30m`, `-90s` or `1.5s` (CEL specification, "duration").
pub(crate) fn duration_micros(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    if rest.is_empty() {
        return None;
    }
    let mut micros = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        micros += number
            * match &rest[digits..unit] {
                "h" => 3_600e6,
                "m" => 60e6,
                "s" => 1e6,
                "ms" => 1e3,
                "us" => 1.0,
                "ns" => 1e-3,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Some((sign * micros) as i64)
}

#[cfg(test)]
mod tests {
    use super::duration_micros;

    /// Units add up, signs and fractions count, nonsense is refused.
    #[test]
    fn durations_are_read() {
        for (text, micros) in [
            ("168h", Some(604_800_000_000)),
            ("1h30m", Some(5_400_000_000)),
            ("-90s", Some(-90_000_000)),
            ("1.5s", Some(1_500_000)),
            ("10ms", Some(10_000)),
            ("10", None),
            ("5 days", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(duration_micros(text), micros, "{text}");
        }
    }
}
