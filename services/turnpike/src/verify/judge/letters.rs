//! Dead letters: there where records are made wrong on purpose, and only there.

use super::super::{
    asked::Asked,
    check::Check,
    evidence::{Evidence, letters, set_aside},
    streams::DEAD_LETTERS,
};
use super::{log_behind, log_of};
use crate::output::grouped;

const NAME: &str = "dead letters";

/// Dead letters are on their topics and in their table if faults are on; if they are known to be off, no new one comes.
pub(super) fn dead_letters(asked: &Asked, evidence: &Evidence) -> Check {
    let (ledger, tables) = match (&evidence.ledger, &evidence.tables) {
        (Ok(ledger), Ok(tables)) => (ledger, tables),
        (Err(why), _) | (_, Err(why)) => return Check::pending(NAME, why, log_behind(why)),
    };
    let (set_aside, letters) = (set_aside(&ledger.now), letters(&ledger.now));
    let read: u64 = letters.values().sum();
    let has_rows = tables.get(DEAD_LETTERS.name).is_some_and(|rows| rows.any);
    let figures = format!("{} set aside{}{}", grouped(set_aside), by_topic(evidence), by_reason(evidence));
    let Some(faults) = &asked.faults else {
        return Check::not_asked(NAME, format!("{figures}; whether there must be some: --faults"));
    };
    let share = faults.refused_share();
    if share == 0.0 {
        let new = ledger.set_aside_since();
        if new > 0 {
            let says = format!("{} new, though no record is made wrong on purpose; {figures}", grouped(new));
            return Check::short(
                NAME,
                says,
                "turnpike query dead-letters; docs/reasons says what each reason means",
            );
        }
        return Check::met(NAME, format!("none new, as no record is made wrong on purpose; {figures}"));
    }
    let judged: u64 = ledger.now.judged.iter().map(|account| account.read).sum();
    let expected = (judged as f64 * share).round() as u64;
    if set_aside == 0 {
        let says = format!(
            "none yet of {} records; about {} are to be expected",
            grouped(judged),
            grouped(expected)
        );
        return Check::pending(
            NAME,
            says,
            "turnpike tail toll --dlq; with few records yet, try again a little later",
        );
    }
    if read == 0 || !has_rows {
        let says = format!("{figures}; none of them is in {} yet", DEAD_LETTERS.name);
        return Check::pending(NAME, says, log_of(super::WRITER));
    }
    Check::met(NAME, figures)
}

/// ` (toll.dlq 120, weather_data.dlq 14)`, as far as they were read from there.
fn by_topic(evidence: &Evidence) -> String {
    let Ok(ledger) = &evidence.ledger else { return String::new() };
    let letters = letters(&ledger.now);
    let topics: Vec<String> = letters
        .iter()
        .filter(|(_, read)| **read > 0)
        .map(|(topic, read)| format!("{topic} {}", grouped(*read)))
        .collect();
    if topics.is_empty() { String::new() } else { format!(" ({})", topics.join(", ")) }
}

/// `; OUT_OF_RANGE 12, NOT_FRAMED 9`: the commonest reasons among the newest.
fn by_reason(evidence: &Evidence) -> String {
    match &evidence.reasons {
        Ok(reasons) if !reasons.is_empty() => {
            let reasons = reasons.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count)));
            format!("; {}", reasons.collect::<Vec<_>>().join(", "))
        }
        _ => String::new(),
    }
}
