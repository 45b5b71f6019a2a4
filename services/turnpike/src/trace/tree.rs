//! A trace as a tree of lines: when each span began after the first, how long it took, and what it says.

use telemetry::names;

use super::spans::{Span, Trace, as_text};
use crate::output::harmless;

/// Attributes that are shown behind a span, with the word before them.
const SHOWN: [(&str, &str); 11] = [
    (names::VERDICT, ""),
    (names::SPAN_FLAGS, "flags "),
    (names::SPAN_RULE, "rule "),
    (names::DIALECT, "dialect "),
    (names::SPAN_OUTCOME, ""),
    (names::SPAN_CONNECTOR, "connector "),
    (names::SPAN_FAULT, "fault on purpose: "),
    (names::BATCH_COUNT, "records "),
    (names::DB_ROWS, "rows "),
    (names::DB_STATUS, "MariaDB error "),
    (names::HTTP_STATUS, "HTTP "),
];
/// Events of one span that are shown.
const EVENTS_MAX: usize = 5;

/// Links of one span that are shown; a batch has one for each traced record.
const LINKS_MAX: usize = 3;

/// A line of the tree before its columns are aligned.
struct Line {
    start: String,
    name: String,
    service: String,
    duration: String,
    remark: String,
}

/// The tree, a line a span, indented below the span that it is a part of.
pub(crate) fn lines(trace: &Trace) -> Vec<String> {
    let mut lines = Vec::new();
    for root in trace.roots() {
        add(trace, root, 0, &mut lines);
    }
    let width = |column: fn(&Line) -> &String| {
        lines.iter().map(|line| column(line).chars().count()).max().unwrap_or_default()
    };
    let (start, name) = (width(|line| &line.start), width(|line| &line.name));
    let (service, duration) = (width(|line| &line.service), width(|line| &line.duration));
    let aligned = lines.iter().map(|line| {
        let text = format!(
            "{:>start$}  {:name$}  {:service$}  {:>duration$}  {}",
            line.start, line.name, line.service, line.duration, line.remark
        );
        text.trim_end().to_owned()
    });
    aligned.collect()
}

fn add(trace: &Trace, span: &Span, depth: usize, lines: &mut Vec<Line>) {
    let indent = "  ".repeat(depth);
    lines.push(Line {
        start: format!("+{}", span_of_time(span.start_us - trace.start_us())),
        name: format!("{indent}{}", harmless(&span.name)),
        service: harmless(&span.service),
        duration: span_of_time(span.duration_us),
        remark: remark(span),
    });
    for event in span.events.iter().take(EVENTS_MAX) {
        let attributes = event.attributes.iter();
        let said: Vec<String> =
            attributes.map(|(name, value)| format!("{name}={}", harmless(&as_text(value)))).collect();
        lines.push(Line {
            start: format!("+{}", span_of_time(event.at_us - trace.start_us())),
            name: format!("{indent}  · {}", harmless(&event.name)),
            service: String::new(),
            duration: String::new(),
            remark: said.join(" "),
        });
    }
    if let Some(more) = span.events.len().checked_sub(EVENTS_MAX + 1) {
        let name = format!("{indent}  · {} more events", more + 1);
        let empty = String::new;
        lines.push(Line { start: empty(), name, service: empty(), duration: empty(), remark: empty() });
    }
    for child in trace.children(span) {
        // A span that is its own ancestor would have no end.
        if depth < trace.spans.len() {
            add(trace, child, depth + 1, lines);
        }
    }
}

fn remark(span: &Span) -> String {
    let mut said: Vec<String> = Vec::new();
    if let Some(error) = span.error() {
        said.push(format!("✗ {error}"));
    }
    said.extend(span.place().map(|place| place.to_string()));
    said.extend(span.source().map(|place| format!("of {place}")));
    for (name, word) in SHOWN {
        said.extend(span.attribute(name).map(|value| format!("{word}{value}")));
    }
    said.extend(span.links.iter().take(LINKS_MAX).map(|link| format!("→ {}", short(link))));
    let more = span.links.len().saturating_sub(LINKS_MAX);
    said.extend((more > 0).then(|| format!("and {more} more links")));
    harmless(&said.join(", "))
}

/// The first digits of a trace id, enough to tell it from the few others that are shown.
pub(crate) fn short(trace_id: &str) -> &str {
    trace_id.get(..8).unwrap_or(trace_id)
}

/// Microseconds as people read them: `0.042 ms`, `12.3 ms`, `3.21 s`, `2.5 h`.
pub(crate) fn span_of_time(micros: i64) -> String {
    let (millis, seconds) = (micros as f64 / 1_000.0, micros as f64 / 1_000_000.0);
    match micros.abs() {
        0..1_000 => format!("{millis:.3} ms"),
        1_000..1_000_000 => format!("{millis:.1} ms"),
        1_000_000..120_000_000 => format!("{seconds:.2} s"),
        120_000_000..7_200_000_000 => format!("{:.1} min", seconds / 60.0),
        7_200_000_000..172_800_000_000 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{lines, short, span_of_time};
    use crate::trace::spans::Trace;

    fn recorded() -> Trace {
        let json = include_str!("jaeger_trace.json");
        Trace::read(&serde_json::from_str(json).expect("JSON")).expect("a trace")
    }

    /// Children stand below their parents in the order in which they began, each with its own share of the time.
    #[test]
    fn a_trace_is_a_tree() {
        let shown = lines(&recorded());
        assert_eq!(
            shown,
            [
                "+0.000 ms  send toll                     toll-generator    2.1 ms  toll[2]@41",
                "  +8.0 ms    process toll                validator       0.350 ms  toll[2]@41, flagged, flags IMPLAUSIBLE_TIME:occurred_at_recent, → 0af76519",
                "  +8.2 ms      send toll.valid           validator         4.0 ms  toll.valid[2]@57",
                " +14.0 ms        process toll.valid      mariadb-writer    1.5 ms  toll.valid[2]@57, stored, connector toll-passages",
                " +15.0 ms          INSERT toll_passages  mariadb-writer    3.0 ms  → 1af76519",
                " +16.0 ms            · retry                                       error.type=1213",
                " +15.5 ms        process toll.valid      mariadb-writer    1.0 ms  ✗ DUPLICATE_KEY: Duplicate entry 'a' for key 'event_id', toll.valid[2]@57, rejected, connector live-toll-data",
            ]
        );
    }

    /// Links to other traces are told once each, and places of the record as often as it stands somewhere.
    #[test]
    fn a_trace_tells_its_links_and_places() {
        let trace = recorded();
        assert_eq!(trace.links().iter().map(|id| short(id)).collect::<Vec<_>>(), ["0af76519", "1af76519"]);
        let places: Vec<String> = trace.places().iter().map(ToString::to_string).collect();
        assert_eq!(places, ["toll[2]@41", "toll.valid[2]@57"]);
        assert_eq!(trace.trace_id, "0bf92f3577b34da6a3ce929d0e0e4736");
    }

    /// What is no trace is none: an empty answer, an error, something else.
    #[test]
    fn an_answer_without_a_trace_is_none() {
        for json in [
            r#"{"data":[]}"#,
            r#"{"data":null,"errors":[{"code":404}]}"#,
            "[]",
            r#"{"data":[{"traceID":"a","spans":[]}]}"#,
        ] {
            assert_eq!(Trace::read(&serde_json::from_str(json).expect("JSON")), None, "{json}");
        }
    }

    /// Times have three digits or so, whatever their size.
    #[test]
    fn times_are_short() {
        for (micros, text) in [
            (0, "0.000 ms"),
            (42, "0.042 ms"),
            (12_345, "12.3 ms"),
            (-5_000, "-5.0 ms"),
            (3_210_000, "3.21 s"),
            (150_000_000, "2.5 min"),
            (9_000_000_000, "2.5 h"),
            (864_000_000_000, "10.0 days"),
        ] {
            assert_eq!(span_of_time(micros), text);
        }
    }
}
