//! The tables: what has come since the first look, and all rows counted against the ledger.

use std::collections::BTreeMap;

use service::Error;

use super::{
    evidence::{Counted, Counts, Rows, Warm},
    streams::{READINGS, Table, WARNINGS, tables},
};
use crate::database::{Database, Session};

/// More rows of one table are not counted: that would take seconds.
const ROWS_COUNTED_MAX: u64 = 3_000_000;
/// So many of the newest dead letters are sorted by their reason.
const LETTERS_SORTED: u64 = 100_000;
/// As many reasons are told.
const REASONS_MAX: usize = 3;

const BY_PARTITION: &str =
    "SELECT connector, topic, partition_number, read_count, stored_count, dead_count FROM turnpike.ledger";
/// All that follows is read as it is at this moment: rows and ledger are committed together, so they agree to the last one.
const SNAPSHOT: [&str; 2] = [
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
];

/// The newest row of each table when it was first looked at.
pub(super) type Marks = BTreeMap<&'static str, u64>;

/// What one look at the tables gives.
#[derive(Debug)]
pub(super) struct Seen {
    /// What there is in each.
    pub(super) rows: BTreeMap<&'static str, Rows>,
    /// The newest dead letters by reason.
    pub(super) reasons: Vec<(String, u64)>,
}

/// Looks at all tables; `marks` are set the first time.
pub(super) async fn look(database: &Database, marks: &mut Option<Marks>) -> Result<Seen, Error> {
    let mut session = database.connect().await?;
    if marks.is_none() {
        *marks = Some(newest(&mut session).await?);
    }
    let none = Marks::new();
    let marks = marks.as_ref().unwrap_or(&none);
    let mark = |table: &Table| marks.get(table.name).copied().unwrap_or(0);
    let grown: Vec<String> = tables().map(|table| since(table, mark(table))).collect();
    let grown = numbers(&mut session, &selected(&grown)).await?;
    let rows = tables().zip(grown).map(|(table, grown)| {
        let rows = Rows { any: grown + mark(table) > 0, grown: table.has_id.then_some(grown) };
        (table.name, rows)
    });
    let rows = rows.collect();
    let reasons = reasons(&mut session).await?;
    session.close().await?;
    Ok(Seen { rows, reasons })
}

/// The highest id of each table that has ids.
async fn newest(session: &mut Session<'_>) -> Result<Marks, Error> {
    let with_ids = || tables().filter(|table| table.has_id);
    let highest: Vec<String> =
        with_ids().map(|table| format!("SELECT COALESCE(MAX(id), 0) FROM {}", table.name)).collect();
    let highest = numbers(session, &selected(&highest)).await?;
    Ok(with_ids().map(|table| table.name).zip(highest).collect())
}

/// How many rows have come after a mark; where there are no ids, whether there is a row.
fn since(table: &Table, mark: u64) -> String {
    let name = table.name;
    if table.has_id {
        format!("SELECT COUNT(*) FROM {name} WHERE id > {mark}")
    } else {
        format!("SELECT EXISTS (SELECT 1 FROM {name})")
    }
}

/// One row with the single answer of each question.
fn selected(questions: &[String]) -> String {
    let questions: Vec<String> = questions.iter().map(|question| format!("({question})")).collect();
    format!("SELECT {}", questions.join(", "))
}

async fn reasons(session: &mut Session<'_>) -> Result<Vec<(String, u64)>, Error> {
    let sql = format!(
        "SELECT reason, COUNT(*) FROM (SELECT reason FROM turnpike.dead_letters ORDER BY id DESC LIMIT {LETTERS_SORTED}) AS newest \
         GROUP BY reason ORDER BY 2 DESC, 1 LIMIT {REASONS_MAX}"
    );
    let rows = session.all(&sql).await?;
    Ok(rows.iter().map(|row| (text(row, 0).to_owned(), number(row, 1))).collect())
}

/// All rows and the ledger, as they are at one moment.
pub(super) async fn count(database: &Database) -> Result<Counts, Error> {
    let mut session = database.connect().await?;
    for statement in SNAPSHOT {
        session.all(statement).await?;
    }
    let entries: Vec<Entry> = session.all(BY_PARTITION).await?.iter().map(|row| Entry::read(row)).collect();
    let mut counted = Vec::new();
    for table in tables() {
        let entries = entries.iter().filter(|entry| entry.connector == table.connector);
        let stored = entries.map(|entry| entry.stored).sum();
        let rows = if stored > ROWS_COUNTED_MAX {
            None
        } else {
            numbers(&mut session, &format!("SELECT COUNT(*) FROM {}", table.name)).await?.first().copied()
        };
        counted.push(Counted { table: table.name, stored, rows });
    }
    let rows_of = |connector: &str| {
        let table = tables().find(|table| table.connector == connector)?;
        counted.iter().find(|counted| counted.table == table.name)?.rows
    };
    let warm = match (rows_of(READINGS), rows_of(WARNINGS)) {
        (Some(_), Some(warnings)) => {
            let sql = "SELECT COUNT(*) FROM weather_db.readings WHERE temperature_c > 30.0";
            let readings = numbers(&mut session, sql).await?.first().copied().unwrap_or(0);
            Some(warm(&entries, readings, warnings))
        }
        _ => None,
    };
    session.close().await?;
    Ok(Counts { tables: counted, warm })
}

/// A partition of a connector, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    connector: String,
    at: (String, u64),
    read: u64,
    stored: u64,
    dead: u64,
}

impl Entry {
    fn read(row: &[Option<String>]) -> Self {
        Self {
            connector: text(row, 0).to_owned(),
            at: (text(row, 1).to_owned(), number(row, 2)),
            read: number(row, 3),
            stored: number(row, 4),
            dead: number(row, 5),
        }
    }
}

/// By how much readings and warnings may differ: two connectors read the same records, each at its own pace, and a record that one
/// has set aside (a reading that comes twice) the other may have.
fn warm(entries: &[Entry], readings: u64, warnings: u64) -> Warm {
    let of = |connector: &'static str| entries.iter().filter(move |entry| entry.connector == connector);
    let dead = |connector| of(connector).map(|entry| entry.dead).sum::<u64>();
    let ahead = |one: &'static str, other: &'static str| -> u64 {
        let read_by_other =
            |at: &(String, u64)| of(other).find(|entry| entry.at == *at).map_or(0, |entry| entry.read);
        of(one).map(|entry| entry.read.saturating_sub(read_by_other(&entry.at))).sum()
    };
    Warm {
        readings,
        warnings,
        ahead_max: ahead(WARNINGS, READINGS) + dead(READINGS),
        behind_max: ahead(READINGS, WARNINGS) + dead(WARNINGS),
    }
}

/// The numbers of the only row.
async fn numbers(session: &mut Session<'_>, sql: &str) -> Result<Vec<u64>, Error> {
    let rows = session.all(sql).await?;
    Ok(rows.first().map(|row| (0..row.len()).map(|column| number(row, column)).collect()).unwrap_or_default())
}

fn text(row: &[Option<String>], column: usize) -> &str {
    row.get(column).and_then(Option::as_deref).unwrap_or_default()
}

fn number(row: &[Option<String>], column: usize) -> u64 {
    text(row, column).parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Entry, READINGS, WARNINGS, Warm, selected, since, tables, warm};

    /// What one connector has read and the other has not may be a difference, and so may what one has set aside.
    #[test]
    fn warnings_may_be_ahead_and_behind() {
        let entry = |connector: &str, partition, read, dead| Entry {
            connector: connector.to_owned(),
            at: ("weather_data.valid".to_owned(), partition),
            read,
            stored: read - dead,
            dead,
        };
        let entries = [
            entry(READINGS, 0, 100, 2),
            entry(READINGS, 1, 90, 0),
            entry(WARNINGS, 0, 97, 1),
            entry(WARNINGS, 1, 95, 0),
            entry(WARNINGS, 2, 4, 0),
        ];
        assert_eq!(
            warm(&entries, 30, 31),
            Warm { readings: 30, warnings: 31, ahead_max: 5 + 4 + 2, behind_max: 3 + 1 }
        );
    }

    /// One statement asks all tables; that without ids says only whether it has rows.
    #[test]
    fn all_tables_are_asked_at_once() {
        let questions: Vec<String> = tables().map(|table| since(table, 7)).collect();
        let sql = selected(&questions);
        assert!(
            sql.starts_with(
                "SELECT (SELECT COUNT(*) FROM traffic_db.toll_passages WHERE id > 7), (SELECT EXISTS"
            ),
            "{sql}"
        );
        assert!(sql.ends_with("(SELECT COUNT(*) FROM turnpike.dead_letters WHERE id > 7)"), "{sql}");
    }
}
