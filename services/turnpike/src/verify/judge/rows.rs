//! Rows: that there are some, that they grow with what arrives, and that they are as many as the ledger has stored.

use std::{cmp::Ordering, time::Duration};

use super::{
    super::{
        asked::Asked,
        check::Check,
        evidence::{Counted, Counts, Evidence, Ledger, Rows, Warm, set_aside},
        streams::{DEAD_LETTERS, Stream, Table, Takes, VALIDATOR, WRITER},
    },
    log_behind, log_of,
};
use crate::output::grouped;

const NAME: &str = "rows";
/// A stream that has got nothing for so long is quiet: its rows need not grow.
const QUIET: Duration = Duration::from_secs(10);

/// The rows of a stream's table grow if the stream does.
pub(super) fn of_stream(asked: &Asked, evidence: &Evidence, stream: &Stream, table: &Table) -> Check {
    let (ledger, rows) = match seen(evidence, table) {
        Ok(seen) => seen,
        Err(check) => return check,
    };
    let name = table.name;
    let is_new = |rows: u64| rows > 0 || table.takes == Takes::Some;
    let arrived = evidence.arrived(stream).unwrap_or(0);
    let seconds = ledger.between.as_secs_f64();
    let grown = rows.grown.unwrap_or_else(|| ledger.stored_since(table.connector));
    let total = total(evidence, table);
    if !rows.any && table.takes == Takes::All {
        return Check::pending(
            NAME,
            format!("{name}: no row yet; {}", came(stream, arrived, seconds)),
            next(ledger, stream),
        );
    }
    if arrived > 0 && is_new(grown) {
        return Check::met(
            NAME,
            format!("{name}: {total}+{}; {}", grouped(grown), came(stream, arrived, seconds)),
        );
    }
    if arrived > 0 {
        let says = format!("{name}: {total}no new row, though {}", came(stream, arrived, seconds));
        return Check::pending(NAME, says, next(ledger, stream));
    }
    if asked.names(stream.generator) {
        let says =
            format!("{name}: {total}nothing new; {} sends nothing to {}", stream.generator, stream.topic);
        return Check::pending(NAME, says, log_of(stream.generator));
    }
    let says = format!("{name}: {total}quiet, {} got nothing in {seconds:.0} s", stream.topic);
    if ledger.between < QUIET {
        Check::pending(NAME, says, log_of(stream.generator))
    } else {
        Check::met(NAME, says)
    }
}

/// The table of dead letters grows if records are set aside.
pub(super) fn of_dead_letters(evidence: &Evidence) -> Check {
    let table = &DEAD_LETTERS;
    let (ledger, rows) = match seen(evidence, table) {
        Ok(seen) => seen,
        Err(check) => return check,
    };
    let (grown, set_aside) = (rows.grown.unwrap_or(0), ledger.set_aside_since());
    let says = format!(
        "{}: {}+{}; {} set aside in {:.1} s",
        table.name,
        total(evidence, table),
        grouped(grown),
        grouped(set_aside),
        ledger.between.as_secs_f64()
    );
    if set_aside > 0 && grown == 0 {
        Check::pending(NAME, says, log_of(WRITER))
    } else {
        Check::met(NAME, says)
    }
}

fn seen<'e>(evidence: &'e Evidence, table: &Table) -> Result<(&'e Ledger, Rows), Check> {
    let unknown = |why: &String| Check::pending(NAME, format!("{}: {why}", table.name), log_behind(why));
    let tables = evidence.tables.as_ref().map_err(unknown)?;
    let ledger = evidence.ledger.as_ref().map_err(unknown)?;
    Ok((ledger, tables.get(table.name).copied().unwrap_or_default()))
}

fn came(stream: &Stream, arrived: u64, seconds: f64) -> String {
    format!("{} got {} in {seconds:.1} s", stream.topic, grouped(arrived))
}

/// `1 204 rows, ` if they were counted.
fn total(evidence: &Evidence, table: &Table) -> String {
    let counts = evidence.counts.as_ref().and_then(|counts| counts.as_ref().ok());
    let counted =
        counts.and_then(|counts| counts.tables.iter().find(|counted| counted.table == table.name)?.rows);
    counted.map(|rows| format!("{} rows, ", grouped(rows))).unwrap_or_default()
}

/// Whose log tells why a stream's records become no rows: the validator's if it stands before them, else the writer's.
fn next(ledger: &Ledger, stream: &Stream) -> String {
    let stands =
        ledger.standing().any(|account| account.reader == VALIDATOR && account.topic == stream.topic);
    log_of(if stands { VALIDATOR } else { WRITER })
}

/// There are as many rows as the ledger has stored, and as many warnings as warm readings.
pub(super) fn against_ledger(evidence: &Evidence) -> Option<Check> {
    const NAME: &str = "rows = ledger";
    const NEXT: &str = "were rows changed by hand, or restored without the ledger? docs/runbook.md; turnpike ledger --partitions";
    let Counts { tables, warm } = match evidence.counts.as_ref()? {
        Ok(counts) => counts,
        Err(why) => return Some(Check::pending(NAME, why, log_behind(why))),
    };
    let of_letters = |counted: &&Counted| counted.table == DEAD_LETTERS.name;
    let (rows, stored) = (sum(tables, |counted| counted.rows), sum(tables, |counted| Some(counted.stored)));
    let mut differing: Vec<String> =
        tables.iter().filter(|counted| !of_letters(counted)).filter_map(difference).collect();
    differing.extend(warm.as_ref().and_then(apart));
    let letters = tables.iter().find(of_letters);
    differing.extend(letters.filter(|counted| counted.rows > Some(counted.stored)).and_then(difference));
    if !differing.is_empty() {
        return Some(Check::short(NAME, differing.join("\n"), NEXT));
    }
    if let Some(says) = letters.and_then(|counted| lacking_letters(evidence, counted.rows?)) {
        // The marks of a transaction reach its topics one after the other, so a letter may be counted before it can be read.
        return Some(Check::pending(NAME, says, NEXT));
    }
    let left_out = tables.iter().filter(|counted| counted.rows.is_none());
    let left_out: Vec<String> =
        left_out.map(|counted| format!("{} with its {}", counted.table, grouped(counted.stored))).collect();
    let mut says =
        vec![format!("{} rows of {} tables, each once", grouped(rows), tables.len() - left_out.len())];
    if let Some(Warm { readings, warnings, .. }) = warm {
        says.push(format!("{} warnings of {} readings above 30 °C", grouped(*warnings), grouped(*readings)));
    }
    let in_left_out = sum(tables, |counted| counted.rows.is_none().then_some(counted.stored));
    match stored - in_left_out - rows {
        0 => {}
        twice => says.push(format!("{} dead letters came twice and stand there once", grouped(twice))),
    }
    if !left_out.is_empty() {
        says.push(format!("not counted, as they are too many: {}", left_out.join(", ")));
    }
    Some(Check::met(NAME, says.join("; ")))
}

fn sum(tables: &[Counted], part: fn(&Counted) -> Option<u64>) -> u64 {
    tables.iter().filter_map(part).sum()
}

/// By how many the rows of a table are off.
fn difference(counted: &Counted) -> Option<String> {
    let (Counted { table, stored, .. }, rows) = (counted, counted.rows?);
    match rows.cmp(stored) {
        Ordering::Less => Some(format!("{table} lacks {}", off(stored - rows, rows, *stored))),
        Ordering::Greater => Some(format!("{table} has too many, by {}", off(rows - stored, rows, *stored))),
        Ordering::Equal => None,
    }
}

/// What is wrong with the table of dead letters if it has fewer than were set aside, but for those on their way. It may have fewer than
/// the ledger has stored: one that came twice stands there once.
fn lacking_letters(evidence: &Evidence, rows: u64) -> Option<String> {
    let books = &evidence.ledger.as_ref().ok()?.now;
    let readers = books.stored.iter().filter(|account| account.reader == DEAD_LETTERS.connector);
    let elsewhere: u64 = readers.map(|account| account.lag + account.dead + account.skipped).sum();
    let least = set_aside(books).saturating_sub(elsewhere);
    (rows < least).then(|| {
        let (table, lacking) = (DEAD_LETTERS.name, grouped(least - rows));
        format!("{table} lacks {lacking}: {} rows, and {} were set aside", grouped(rows), grouped(least))
    })
}

fn off(by: u64, rows: u64, stored: u64) -> String {
    format!("{}: {} rows, and the ledger has stored {}", grouped(by), grouped(rows), grouped(stored))
}

/// What is wrong with the warnings, judged by the readings.
fn apart(warm: &Warm) -> Option<String> {
    let Warm { readings, warnings, ahead_max, behind_max } = *warm;
    let is_apart = warnings > readings + ahead_max || warnings + behind_max < readings;
    is_apart.then(|| {
        format!(
            "weather_db.warning_temperatures has {} rows, and weather_db.readings {} above 30 °C: that may differ by +{} and -{}",
            grouped(warnings),
            grouped(readings),
            grouped(ahead_max),
            grouped(behind_max)
        )
    })
}
