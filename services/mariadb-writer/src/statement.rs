//! The text of the statements: multi-row INSERTs of some sizes, so that the server prepares each once.

use std::{
    fmt::Write as _,
    sync::{Arc, OnceLock},
};

use crate::connector::{InsertMode, TableName};

/// The largest number of rows in one statement. Larger ones are slower to parse and no faster to run.
const CHUNK_ROWS_MAX: usize = 512;
/// Up to so many rows have a statement of just their number, since a small batch that needs two waits twice; more go by powers of two.
const EXACT_ROWS_MAX: usize = 32;
/// Wider tables have powers of two alone: the server keeps memory for each placeholder of each prepared statement.
const EXACT_COLUMNS_MAX: usize = 64;
/// Placeholders that one prepared statement may have; the protocol counts them in 16 bits.
const PLACEHOLDERS_MAX: usize = 65_535;

/// The statements of one table and set of columns, one for each number of rows up to [`EXACT_ROWS_MAX`] and for each power of two above.
#[derive(Debug)]
pub(crate) struct Statements {
    table: TableName,
    columns: Vec<String>,
    update: Vec<String>,
    mode: InsertMode,
    rows_max: usize,
    exact_rows_max: usize,
    texts: Vec<OnceLock<Arc<str>>>,
}

/// How many statements a table may have.
pub(crate) const STATEMENTS_MAX: usize = place(CHUNK_ROWS_MAX) + 1;

/// Where the statement for so many rows stands among the others.
const fn place(rows: usize) -> usize {
    if rows <= EXACT_ROWS_MAX {
        rows - 1
    } else {
        EXACT_ROWS_MAX - 1 + (rows.ilog2() - EXACT_ROWS_MAX.ilog2()) as usize
    }
}

impl Statements {
    /// Statements for these columns; an upsert leaves `key` columns as they are.
    pub(crate) fn new(table: &TableName, columns: Vec<String>, mode: InsertMode, key: &[String]) -> Self {
        let is_key = |column: &&String| key.iter().any(|name| name.eq_ignore_ascii_case(column));
        let update = columns.iter().filter(|column| !is_key(column)).cloned().collect();
        let rows_max = CHUNK_ROWS_MAX.min(PLACEHOLDERS_MAX / columns.len().max(1)).max(1);
        let exact_rows_max = if columns.len() > EXACT_COLUMNS_MAX { 1 } else { EXACT_ROWS_MAX };
        let texts = (0..STATEMENTS_MAX).map(|_| OnceLock::new()).collect();
        Self { table: table.clone(), columns, update, mode, rows_max, exact_rows_max, texts }
    }

    /// The table.
    pub(crate) fn table(&self) -> &TableName {
        &self.table
    }

    /// How rows are written.
    pub(crate) fn mode(&self) -> InsertMode {
        self.mode
    }

    /// The columns in the order of their placeholders.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The largest chunk that is not larger than `rows`, which is at least 1.
    pub(crate) fn chunk_rows(&self, rows: usize) -> usize {
        let rows = rows.min(self.rows_max);
        if rows <= self.exact_rows_max { rows } else { 1 << rows.ilog2() }
    }

    /// The statement for a chunk of a size that [`Self::chunk_rows`] gave.
    pub(crate) fn text(&self, chunk_rows: usize) -> Arc<str> {
        debug_assert_eq!(chunk_rows, self.chunk_rows(chunk_rows), "no statement has so many rows");
        let text = self.texts[place(chunk_rows)].get_or_init(|| self.build(chunk_rows).into());
        Arc::clone(text)
    }

    fn build(&self, rows: usize) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        let (database, table) = (quoted(&self.table.database), quoted(&self.table.table));
        let mut text = format!(
            "INSERT INTO {database}.{table} ({}) VALUES {}",
            names.join(","),
            vec![row; rows].join(",")
        );
        if self.mode == InsertMode::Upsert {
            // A table that is nothing but its key has nothing to update; setting a key to itself changes nothing.
            let key = self.columns.get(..1).unwrap_or_default();
            let update = if self.update.is_empty() { key } else { &self.update };
            for (index, column) in update.iter().map(|column| quoted(column)).enumerate() {
                let separator = if index == 0 { " ON DUPLICATE KEY UPDATE " } else { "," };
                let _ = write!(text, "{separator}{column}=VALUES({column})");
            }
        }
        text
    }
}

/// An identifier as MariaDB quotes it.
fn quoted(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::Statements;
    use crate::connector::{InsertMode, TableName};

    fn statements(mode: InsertMode, columns: &[&str], key: &[&str]) -> Statements {
        let table = TableName { database: "app".into(), table: "o`dd".into() };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Statements::new(&table, owned(columns), mode, &owned(key))
    }

    /// Identifiers are quoted, also against quotes in them; an upsert updates what is no key.
    #[test]
    fn texts_are_what_mariadb_reads() {
        let insert = statements(InsertMode::Insert, &["id", "a"], &[]);
        assert_eq!(&*insert.text(2), "INSERT INTO `app`.`o``dd` (`id`,`a`) VALUES (?,?),(?,?)");
        let upsert = statements(InsertMode::Upsert, &["id", "a"], &["ID"]);
        let text =
            "INSERT INTO `app`.`o``dd` (`id`,`a`) VALUES (?,?) ON DUPLICATE KEY UPDATE `a`=VALUES(`a`)";
        assert_eq!(&*upsert.text(1), text);
        let key_alone = statements(InsertMode::Upsert, &["id"], &["id"]);
        assert!(key_alone.text(1).ends_with("ON DUPLICATE KEY UPDATE `id`=VALUES(`id`)"));
    }

    /// Few rows are one statement, many are cut into few sizes, and no statement has more placeholders than the protocol counts.
    #[test]
    fn chunks_have_few_sizes_within_the_limits() {
        let narrow = statements(InsertMode::Insert, &["a"], &[]);
        for (rows, chunk) in [
            (1, 1),
            (2, 2),
            (3, 3),
            (31, 31),
            (32, 32),
            (33, 32),
            (63, 32),
            (64, 64),
            (511, 256),
            (512, 512),
            (5_000, 512),
        ] {
            assert_eq!(narrow.chunk_rows(rows), chunk, "of {rows}");
            let text = narrow.text(chunk);
            assert_eq!(text.matches("(?)").count(), chunk, "{text}");
        }
        let names: Vec<String> = (0..300).map(|index| format!("c{index}")).collect();
        let wide = statements(InsertMode::Insert, &names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        assert_eq!([31, 33, 5_000].map(|rows| wide.chunk_rows(rows)), [16, 32, 128]);
    }
}
