//! Appending to a table that has many rows already, beside the same at one million.

use std::{ops::Range, thread};

use service::Error;

use super::{RECORDS, UNIT, document, few_pairs, store, warm_up};
use crate::{
    pairs::{figure, pairs},
    progress,
    report::Figure,
    rows::{FIRST, GROWN, PASSAGES, Table},
    setting::Setting,
};

/// Name and rows of each size that is compared with [`FEW`].
const SIZES: [(&str, u64); 2] = [("writer.append_at_10m", 10_000_000), ("writer.append_at_50m", 50_000_000)];
/// Name and rows of what they are compared with.
const FEW: (&str, u64) = ("writer.append_at_1m", 1_000_000);
/// Sessions that fill a table, each with a stretch of its own.
const SESSIONS: u64 = 2;
/// Rows that one statement makes.
const CHUNK_ROWS: u64 = 1_000_000;
/// Passages of a millisecond, as those of the topics.
const A_MILLISECOND: u64 = 5;

/// Rows as passages would have become, of numbers: ids in the order of their time, but not within a millisecond.
const FILL: &str = "
INSERT INTO {table}
SELECT CONCAT(INSERT(LPAD(LOWER(HEX(ms)), 12, '0'), 9, 0, '-'), '-7', LEFT(draw, 3), '-8', SUBSTR(draw, 4, 3), '-', RIGHT(draw, 12)),
    INSERT(INSERT(INSERT(INSERT(MD5(seq MOD 49999), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-'),
    ELT(1 + seq MOD 3, 'car', 'truck', 'van'), 4000 + seq MOD 11, 1 + seq MOD 4, 2.50 + seq MOD 17, 'EUR', FROM_UNIXTIME(ms / 1000)
FROM (SELECT seq, {first_ms} + seq DIV {a_millisecond} AS ms, MD5(seq) AS draw FROM bench.seq_{from}_to_{to}) AS numbers";

/// Measures all sizes; the tables are dropped at once.
pub(super) fn growth(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    warm_up(setting)?;
    let measured = measure(setting, figures);
    let dropped = [GROWN, FIRST].iter().try_for_each(|table| table.drop(setting));
    measured.and(dropped)
}

fn measure(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let (few_name, few) = FEW;
    for table in [FIRST, GROWN] {
        table.clear(setting)?;
    }
    let most = SIZES.iter().map(|(_, rows)| *rows).max().unwrap_or(few);
    fill(setting, &FIRST, most, 0..few)?;
    let (mut rows, mut seen_at_few) = (0, Vec::new());
    let mut of_sizes = Vec::new();
    for (index, (name, size)) in SIZES.into_iter().enumerate() {
        fill(setting, &GROWN, most, rows..size)?;
        rows = size;
        let topics = topics(setting, name, index)?;
        let _passing = setting.passing(topics.iter().cloned());
        let ours = |pair: u32| store(setting, name, &document(&topics[pair as usize], &GROWN, 1), RECORDS);
        let theirs = |pair: u32| {
            PASSAGES.clear(setting)?;
            setting.sql(&format!("INSERT INTO {} SELECT * FROM {}", PASSAGES.name, FIRST.name))?;
            let seen = store(setting, few_name, &document(&topics[pair as usize], &PASSAGES, 1), RECORDS)?;
            seen_at_few.push(seen);
            Ok(seen.speed)
        };
        of_sizes.push(pairs(name, UNIT, "the same at 1 million rows", few_pairs(setting), ours, theirs)?);
    }
    if !seen_at_few.is_empty() {
        figures.push(figure(few_name, UNIT, "", &seen_at_few, None));
    }
    figures.append(&mut of_sizes);
    PASSAGES.clear(setting)
}

/// A topic for each pair of a size, so that what is appended is new each time: all later than what the tables are filled with.
fn topics(setting: &Setting, name: &str, size: usize) -> Result<Vec<String>, Error> {
    let make = |pair: u32| {
        let topic = format!("bench.{name}-{pair}");
        let before = u64::from(few_pairs(setting)) * size as u64 + u64::from(pair) + 1;
        let later = (appended(setting) - before * RECORDS) / A_MILLISECOND;
        setting.passages_until(&topic, 1, RECORDS, setting.newest_ms - later as i64)?;
        Ok(topic)
    };
    (0..few_pairs(setting)).map(make).collect()
}

/// Passages of all topics together.
fn appended(setting: &Setting) -> u64 {
    SIZES.len() as u64 * u64::from(few_pairs(setting)) * RECORDS
}

/// Fills a table with the rows of these numbers out of so many that end before the passages of the topics begin.
fn fill(setting: &Setting, table: &Table, most: u64, rows: Range<u64>) -> Result<(), Error> {
    let before = most + appended(setting) + RECORDS;
    let first_ms = setting.newest_ms - (before / A_MILLISECOND) as i64;
    let at = |session: u64| rows.start + (rows.end - rows.start) * session / SESSIONS;
    thread::scope(|scope| {
        let stretches = (0..SESSIONS).map(|session| at(session)..at(session + 1));
        let sessions: Vec<_> =
            stretches.map(|rows| scope.spawn(|| fill_stretch(setting, table, first_ms, rows))).collect();
        let mut filled = sessions
            .into_iter()
            .map(|session| session.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        filled.try_for_each(|filled| filled)
    })?;
    progress(format!("  {}: {} rows", table.name, rows.end));
    Ok(())
}

fn fill_stretch(setting: &Setting, table: &Table, first_ms: i64, rows: Range<u64>) -> Result<(), Error> {
    for from in rows.clone().step_by(CHUNK_ROWS as usize) {
        let to = (from + CHUNK_ROWS).min(rows.end) - 1;
        let sql = FILL
            .replace("{table}", table.name)
            .replace("{first_ms}", &first_ms.to_string())
            .replace("{a_millisecond}", &A_MILLISECOND.to_string())
            .replace("{from}", &from.to_string())
            .replace("{to}", &to.to_string());
        setting.sql(&sql)?;
    }
    Ok(())
}
