//! The headers that a judged record goes on with.

use dead_letter::{Context as Letter, DIALECT, FLAGS, is_mark, is_own_header};
use dialects::Dialect;
use kafka::{Headers, Record};
use service::clock;

use crate::verdict::{Marks, Refusal};

/// The record's own headers, then what is said of it. Marks that it came with are nobody's word, and are dropped.
pub(crate) fn valid(record: &Record<'_>, marks: Option<&Marks>) -> Headers {
    let mut headers = if record.headers().any(|(name, _)| is_mark(name)) {
        copied(record, is_mark)
    } else {
        Headers::from_record(record)
    };
    if let Some(marks) = marks {
        if let Some(flags) = &marks.flags {
            headers = headers.add(FLAGS, Some(flags.as_bytes()));
        }
        headers = with_dialect(headers, marks.normalised.as_ref().map(|normalised| normalised.dialect));
    }
    headers
}

/// The record's own headers, then those of the dead letter in place of any that it carried before.
pub(crate) fn dead_letter(record: &Record<'_>, refusal: &Refusal, contract_version: &str) -> Headers {
    let headers = copied(record, |name| is_mark(name) || is_own_header(name));
    let headers = with_dialect(headers, refusal.dialect);
    let letter = Letter {
        topic: record.topic().to_owned(),
        partition: record.partition(),
        offset: record.offset(),
        connector_name: "validator".to_owned(),
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
    letter.headers().iter().fold(headers, |headers, (name, value)| headers.add(name, Some(value.as_bytes())))
}

fn with_dialect(headers: Headers, dialect: Option<Dialect>) -> Headers {
    match dialect {
        Some(dialect) => headers.add(DIALECT, Some(dialect.name().as_bytes())),
        None => headers,
    }
}

fn copied(record: &Record<'_>, is_dropped: impl Fn(&str) -> bool) -> Headers {
    let kept = record.headers().filter(|(name, _)| !is_dropped(name));
    kept.fold(Headers::new(), |headers, (name, value)| headers.add(name, value))
}
