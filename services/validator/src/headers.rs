//! The headers that a judged record goes on with.

use dead_letter::{Context as Letter, DIALECT, FLAGS, is_mark, is_own_header};
use dialects::Dialect;
use kafka::{Headers, Record};
use service::clock;
use telemetry::{TRACEPARENT, TRACESTATE};

use crate::{
    DESCRIPTION,
    verdict::{Marks, Refusal},
};

/// A header as a record has it.
type Header<'h> = (&'h str, Option<&'h [u8]>);

/// The record's own headers, then what is said of it. Marks that it came with are nobody's word, and are dropped. Of a traced record the
/// context is that of its being sent on, in place of the one that it came with.
pub(crate) fn valid(record: &Record<'_>, marks: Option<&Marks>, traceparent: Option<&str>) -> Headers {
    if !record.has_headers() {
        return added(Headers::new(), said(marks, traceparent));
    }
    let is_as_it_came = traceparent.is_none() && !record.headers().any(|(name, _)| is_mark(name));
    let headers = if is_as_it_came {
        Headers::from_record(record)
    } else {
        collected(kept(record.headers(), is_mark, traceparent.is_some()))
    };
    added(headers, said(marks, traceparent))
}

/// The record's own headers, then those of the dead letter in place of any that it carried before. A letter that begins a trace
/// keeps the context that its record came with under another name; what others keep beside that one is said of no other trace.
pub(crate) fn dead_letter(
    record: &Record<'_>,
    refusal: &Refusal,
    contract_version: &str,
    traceparent: Option<&str>,
) -> Headers {
    let headers = collected(kept_by_letter(record.headers(), traceparent.is_some()));
    let headers = added(headers, refusal.dialect.into_iter().map(dialect));
    let letter = Letter {
        topic: record.topic().to_owned(),
        partition: record.partition(),
        offset: record.offset(),
        connector_name: DESCRIPTION.name.to_owned(),
        task_id: 0,
        stage: refusal.stage,
        exception_class: format!("turnpike.{}", refusal.reason),
        exception_message: refusal.message.clone(),
        reason: refusal.reason,
        rule: refusal.rule.clone(),
        detail: refusal.detail.clone(),
        contract_version: Some(contract_version.to_owned()),
        attempt: Letter::attempts_of(record.headers()) + 1,
        failed_at_ms: clock::now_ms(),
    };
    added(headers.add_texts(letter.headers()), contexts(record.headers(), traceparent))
}

/// What stays of a record's own headers.
fn kept<'h>(
    own: impl Iterator<Item = Header<'h>>,
    is_dropped: impl Fn(&str) -> bool,
    is_traced: bool,
) -> impl Iterator<Item = Header<'h>> {
    own.filter(move |(name, _)| !(is_dropped(name) || is_traced && *name == TRACEPARENT))
}

/// What stays of them in a letter, which may have a trace of its own.
fn kept_by_letter<'h>(
    own: impl Iterator<Item = Header<'h>>,
    is_traced: bool,
) -> impl Iterator<Item = Header<'h>> {
    let is_dropped =
        move |name: &str| is_mark(name) || is_own_header(name) || is_traced && name == TRACESTATE;
    kept(own, is_dropped, is_traced)
}

/// What is said of a good record.
fn said<'h>(marks: Option<&'h Marks>, traceparent: Option<&'h str>) -> impl Iterator<Item = Header<'h>> {
    let flags = marks.and_then(|marks| marks.flags.as_deref());
    let normalised = marks.and_then(|marks| marks.normalised.as_ref());
    let flags = flags.map(|flags| (FLAGS, Some(flags.as_bytes())));
    let dialect = normalised.map(|normalised| dialect(normalised.dialect));
    let context = traceparent.map(|context| (TRACEPARENT, Some(context.as_bytes())));
    [flags, dialect, context].into_iter().flatten()
}

/// The letter's own context, and the one that its record came with.
fn contexts<'h>(
    own: impl Iterator<Item = Header<'h>>,
    traceparent: Option<&'h str>,
) -> impl Iterator<Item = Header<'h>> {
    let context = traceparent.map(|context| (TRACEPARENT, Some(context.as_bytes())));
    let mut own = own.filter(move |(name, _)| traceparent.is_some() && *name == TRACEPARENT);
    let original = own.next().map(|(_, value)| (dead_letter::TRACEPARENT, value));
    [context, original].into_iter().flatten()
}

fn dialect(dialect: Dialect) -> Header<'static> {
    (DIALECT, Some(dialect.name().as_bytes()))
}

fn collected<'h>(headers: impl Iterator<Item = Header<'h>>) -> Headers {
    added(Headers::new(), headers)
}

fn added<'h>(headers: Headers, more: impl Iterator<Item = Header<'h>>) -> Headers {
    more.fold(headers, |headers, (name, value)| headers.add(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OWN: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    fn record() -> impl Iterator<Item = Header<'static>> {
        let state: Header<'_> = (TRACESTATE, Some(b"a=1"));
        [(TRACEPARENT, Some(CAME.as_bytes())), state, (FLAGS, None), ("null", None)].into_iter()
    }

    /// A record that is not traced goes on with the context that it came with, if any; nothing is added for telemetry.
    #[test]
    fn an_untraced_record_keeps_its_headers() {
        let names: Vec<_> = kept(record(), is_mark, false).chain(said(None, None)).collect();
        let [context, state, _, null] = record().collect::<Vec<_>>()[..] else { panic!("four headers") };
        assert_eq!(names, [context, state, null]);
        assert_eq!(contexts(record(), None).next(), None);
    }

    /// A traced record carries the context of its being sent on, once; what others keep beside it stays.
    #[test]
    fn a_traced_record_has_a_new_context() {
        let marks = Marks { flags: Some("CODE:rule".to_owned()), normalised: None };
        let mut headers: Vec<Header<'_>> = kept(record(), is_mark, true).collect();
        headers.extend(said(Some(&marks), Some(OWN)));
        let state: Header<'_> = (TRACESTATE, Some(b"a=1"));
        let flags: Header<'_> = (FLAGS, Some(b"CODE:rule"));
        assert_eq!(headers, [state, ("null", None), flags, (TRACEPARENT, Some(OWN.as_bytes()))]);
    }

    /// A letter that begins a trace says where its record's trace is; of a record without one it has but its own.
    #[test]
    fn a_letter_keeps_the_context_of_its_record() {
        let own = (TRACEPARENT, Some(OWN.as_bytes()));
        let original = (dead_letter::TRACEPARENT, Some(CAME.as_bytes()));
        assert_eq!(contexts(record(), Some(OWN)).collect::<Vec<_>>(), [own, original]);
        assert_eq!(contexts(std::iter::empty(), Some(OWN)).collect::<Vec<_>>(), [own]);
    }

    /// A letter that begins a trace has nothing else of its record's; one that is not traced goes on with all of it.
    #[test]
    fn a_new_trace_begins_without_the_state_of_the_old_one() {
        let names = |is_traced| kept_by_letter(record(), is_traced).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(true), ["null"]);
        assert_eq!(names(false), [TRACEPARENT, TRACESTATE, "null"]);
    }
}
