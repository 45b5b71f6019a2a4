//! A record that is kept, and what its bytes alone tell.

use dead_letter::TRACEPARENT as ORIGINAL_TRACEPARENT;
use kafka::Record;
use telemetry::TRACEPARENT;

use super::name::Place;

/// A record, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A header's value as trace context.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) is_sampled: bool,
}

impl From<&Record<'_>> for Entry {
    fn from(record: &Record<'_>) -> Self {
        Self {
            place: Place::of(record.topic(), record.partition(), record.offset()),
            timestamp_ms: record.timestamp_ms(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: record
                .headers()
                .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }
}

impl Entry {
    /// The headers in order, borrowed.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// The last value of a header, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().rev().filter(|(header, _)| header == name);
        values.find_map(|(_, value)| std::str::from_utf8(value.as_deref()?).ok())
    }

    /// The trace that the record belongs to.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        self.header(TRACEPARENT).and_then(TraceContext::parse)
    }

    /// Of a dead letter: the trace of the record that failed.
    pub(crate) fn original_trace(&self) -> Option<TraceContext> {
        self.header(ORIGINAL_TRACEPARENT).and_then(TraceContext::parse)
    }
}

impl TraceContext {
    /// Reads `00-<32 digits>-<16 digits>-<2 digits>`; later versions may have more behind it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (_version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if trace_id.len() != 32 || span_id.len() != 16 || !is_hex(trace_id) || !is_hex(span_id) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace_id: trace_id.to_ascii_lowercase(),
            span_id: span_id.to_ascii_lowercase(),
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Whether any of a record's trace contexts is of this trace.
pub(crate) fn is_of_trace(record: &Record<'_>, trace_id: &str) -> bool {
    let contexts = record.headers().filter(|(name, _)| [TRACEPARENT, ORIGINAL_TRACEPARENT].contains(name));
    let mut values = contexts.filter_map(|(_, value)| value);
    values.any(|value| contains(value, trace_id.as_bytes()))
}

/// Whether bytes hold a text, in whatever case: a look that needs no decoding.
pub(crate) fn contains(bytes: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else { return true };
    let may_begin = |window: &&[u8]| window[0].eq_ignore_ascii_case(first);
    bytes.windows(text.len()).filter(may_begin).any(|window| window.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::{Entry, ORIGINAL_TRACEPARENT, Place, TRACEPARENT, TraceContext, contains};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// The flag is the last bit; what is no context is none.
    #[test]
    fn contexts_are_read() {
        let context = |flags: &str| TraceContext::parse(&format!("00-{TRACE}-00f067aa0ba902b7-{flags}"));
        assert_eq!(
            context("01").map(|context| (context.is_sampled, context.trace_id)),
            Some((true, TRACE.into()))
        );
        assert_eq!(context("03-more").map(|context| context.is_sampled), Some(true));
        assert_eq!(context("00").map(|context| context.is_sampled), Some(false));
        for text in ["", "00-0-0-00", TRACE, "00-xyf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    /// A dead letter has two contexts; of a header that stands there twice the last one counts.
    #[test]
    fn headers_give_both_contexts() {
        let parent = |digit: char| format!("00-{}-00f067aa0ba902b7-01", digit.to_string().repeat(32));
        let header = |name: &str, digit| (name.to_owned(), Some(parent(digit).into_bytes()));
        let entry = Entry {
            place: Place::of("toll.dlq", 0, 7),
            timestamp_ms: 0,
            key: None,
            value: None,
            headers: vec![
                header(TRACEPARENT, 'a'),
                header(ORIGINAL_TRACEPARENT, 'c'),
                header(TRACEPARENT, 'b'),
                (TRACEPARENT.to_owned(), None),
            ],
        };
        assert_eq!(entry.trace().expect("there").trace_id, "b".repeat(32));
        assert_eq!(entry.original_trace().expect("there").trace_id, "c".repeat(32));
    }

    /// A text is found at both ends and in any case, and not where there is too little.
    #[test]
    fn texts_are_found_in_bytes() {
        assert!(contains(b"\0\0Habc-DEF", b"abc-def") && contains(b"abc", b"abc"));
        assert!(!contains(b"ab", b"abc") && !contains(b"aabbcc", b"abc") && !contains(b"", b"a"));
    }
}
