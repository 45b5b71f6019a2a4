//! A table as the database describes it, and whether rows of a given form can go there.

use sqlx::{Arguments as _, Row as _, mysql::MySqlArguments};

use crate::{connector::TableName, database::Session};

/// A table and what of it matters to whoever inserts.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: TableName,
    /// Its columns in their order.
    pub(crate) columns: Vec<Column>,
    /// The columns of each unique key, the primary key among them.
    pub(crate) unique_keys: Vec<Vec<String>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Whether it takes NULL.
    pub(crate) nullable: bool,
    /// Where its value comes from if a row leaves it out.
    pub(crate) unset: Unset,
    /// Most characters (or bytes) that it holds, if it has a limit.
    pub(crate) length_max: Option<u64>,
    /// Whether it is text that holds ASCII alone.
    pub(crate) ascii: bool,
}

/// Where a column's value comes from if a row leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unset {
    /// From nowhere: each row must supply it.
    Refused,
    /// It is NULL, a default or the next number.
    Default,
    /// The database computes it, and no row may supply it.
    Generated,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// It is not there, or not to be seen.
    #[error("table {0} does not exist, or the user may not see it")]
    Missing(TableName),
    /// It cannot take part in a transaction.
    #[error("table {0} is kept by {1}, which has no transactions")]
    NotTransactional(TableName, String),
    /// The database did not answer the question.
    #[error("cannot read the description of table {0}")]
    Unreadable(TableName, #[source] sqlx::Error),
}

const ENGINE: &str = "SELECT t.engine, e.transactions = 'YES' FROM information_schema.tables t \
    LEFT JOIN information_schema.engines e ON e.engine = t.engine WHERE t.table_schema = ? AND t.table_name = ?";

const COLUMNS: &str = "SELECT column_name, is_nullable = 'YES', \
    is_nullable = 'YES' OR column_default IS NOT NULL OR extra LIKE '%auto_increment%', extra LIKE '%GENERATED%', \
    character_maximum_length, COALESCE(character_set_name = 'ascii', 0) AND (data_type LIKE '%char' OR data_type LIKE '%text') \
    FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";

const UNIQUE_KEYS: &str = "SELECT index_name, column_name FROM information_schema.statistics \
    WHERE table_schema = ? AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index";

impl Table {
    /// Reads a table's description.
    pub(crate) async fn read(session: &mut Session, name: &TableName) -> Result<Self, TableError> {
        let table =
            Self::ask(session, name).await.map_err(|error| TableError::Unreadable(name.clone(), error))?;
        // The questions opened a transaction, whose view of the world must not last.
        session.rollback().await.map_err(|error| TableError::Unreadable(name.clone(), error))?;
        table
    }

    async fn ask(session: &mut Session, name: &TableName) -> Result<Result<Self, TableError>, sqlx::Error> {
        let engines = session.rows(ENGINE, arguments(name)).await?;
        let Some(engine) = engines.first() else { return Ok(Err(TableError::Missing(name.clone()))) };
        if engine.try_get::<Option<bool>, _>(1)? != Some(true) {
            let engine = engine.try_get::<Option<String>, _>(0)?.unwrap_or_else(|| "a view".to_owned());
            return Ok(Err(TableError::NotTransactional(name.clone(), engine)));
        }
        let mut columns = Vec::new();
        for row in session.rows(COLUMNS, arguments(name)).await? {
            columns.push(Column {
                name: row.try_get(0)?,
                nullable: row.try_get(1)?,
                unset: match (row.try_get(2)?, row.try_get(3)?) {
                    (_, true) => Unset::Generated,
                    (true, false) => Unset::Default,
                    (false, false) => Unset::Refused,
                },
                length_max: row.try_get(4)?,
                ascii: row.try_get(5)?,
            });
        }
        let mut unique_keys: Vec<(String, Vec<String>)> = Vec::new();
        for row in session.rows(UNIQUE_KEYS, arguments(name)).await? {
            let (index, column): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            match unique_keys.last_mut() {
                Some((last, columns)) if *last == index => columns.push(column),
                _ => unique_keys.push((index, vec![column])),
            }
        }
        let unique_keys = unique_keys.into_iter().map(|(_, columns)| columns).collect();
        Ok(Ok(Self { name: name.clone(), columns, unique_keys }))
    }

    /// The column of a name; MariaDB compares column names without case.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Columns that a row must supply and `supplied` does not name.
    pub(crate) fn unsupplied(&self, supplied: &[String]) -> Vec<&str> {
        let is_supplied =
            |column: &Column| supplied.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        let missing =
            self.columns.iter().filter(|column| column.unset == Unset::Refused && !is_supplied(column));
        missing.map(|column| column.name.as_str()).collect()
    }

    /// Whether these columns are together a unique key.
    pub(crate) fn is_unique(&self, columns: &[String]) -> bool {
        self.unique_keys.iter().any(|key| same(key, columns))
    }

    /// Unique keys other than `key` on which rows of `supplied` columns can collide.
    pub(crate) fn other_unique_keys(&self, key: &[String], supplied: &[String]) -> Vec<String> {
        let collides = |unique: &&Vec<String>| {
            !same(unique, key)
                && unique.iter().all(|name| supplied.iter().any(|column| column.eq_ignore_ascii_case(name)))
        };
        self.unique_keys.iter().filter(collides).map(|unique| unique.join(", ")).collect()
    }
}

fn same(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|name| b.iter().any(|other| other.eq_ignore_ascii_case(name)))
}

fn arguments(name: &TableName) -> MySqlArguments {
    let mut arguments = MySqlArguments::default();
    for text in [&name.database, &name.table] {
        arguments.add(text.as_str()).expect("text always has an encoding");
    }
    arguments
}
