//! Calls of the database, timed: a value of a histogram each, and a span each if their batch has one.

use std::time::Instant;

use service::clock;
use telemetry::{
    Span,
    names::{self, spans},
};

use crate::{
    connector::TableName,
    errors::{self, Class},
    meters::Meters,
    traces::Traces,
};

/// What the database is asked to do for a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Statement<'t> {
    /// Store rows.
    Insert {
        /// Of this table.
        table: &'t TableName,
        /// So many.
        rows: usize,
    },
    /// Move these many partitions on in the ledger.
    UpdateLedger(usize),
    /// Commit all of it.
    Commit,
}

/// A call that is under way.
#[derive(Debug)]
pub(crate) struct Call<'t> {
    statement: Statement<'t>,
    began: Instant,
    span: Option<Span>,
}

const LEDGER: &str = "ledger";
const LEDGER_DATABASE: &str = "turnpike";

impl Statement<'_> {
    /// What its span is called.
    pub(crate) fn span_name(&self) -> String {
        match self {
            Self::Insert { table, .. } => spans::insert(&table.table),
            Self::UpdateLedger(_) => spans::UPDATE_LEDGER.to_owned(),
            Self::Commit => spans::DB_COMMIT.to_owned(),
        }
    }

    /// What its span says of it.
    pub(crate) fn describe(&self, span: &mut Span) {
        span.set(names::DB_SYSTEM, names::MARIADB);
        span.set(names::DB_OPERATION, self.operation());
        span.set(names::DB_SUMMARY, self.span_name());
        let (database, table, rows) = match *self {
            Self::Insert { table, rows } => (table.database.as_str(), table.table.as_str(), rows),
            Self::UpdateLedger(partitions) => (LEDGER_DATABASE, LEDGER, partitions),
            Self::Commit => return,
        };
        span.set(names::DB_NAMESPACE, database.to_owned());
        span.set(names::DB_COLLECTION, table.to_owned());
        span.set(names::DB_ROWS, rows as i64);
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "INSERT",
            Self::UpdateLedger(_) => "UPDATE",
            Self::Commit => "COMMIT",
        }
    }

    fn table(&self) -> Option<&str> {
        match self {
            Self::Insert { table, .. } => Some(&table.table),
            Self::UpdateLedger(_) => Some(LEDGER),
            Self::Commit => None,
        }
    }
}

impl<'t> Call<'t> {
    /// The call begins.
    pub(crate) fn begin(statement: Statement<'t>, traces: &mut Traces) -> Self {
        Self { statement, span: traces.call(&statement), began: clock::instant() }
    }

    /// The database has answered, or has not.
    pub(crate) fn end<T>(self, meters: &Meters, answer: &Result<T, sqlx::Error>) {
        let Self { statement, began, span } = self;
        meters.called(statement.operation(), statement.table(), began.elapsed());
        if let (Some(mut span), Err(error)) = (span, answer) {
            if let Some(number) = errors::number(error) {
                span.set(names::DB_STATUS, number.to_string());
            }
            span.fail(kind(errors::class(error)), error.to_string());
        }
    }
}

/// What errors of a class are called in signals.
fn kind(class: Class) -> &'static str {
    match class {
        Class::Data(reason) => reason.code(),
        Class::Collision => COLLISION,
        Class::Config | Class::Infrastructure | Class::Unknown => INFRASTRUCTURE,
    }
}

/// Another transaction was in the way.
pub(crate) const COLLISION: &str = "collision";
/// Everything that is waited for.
pub(crate) const INFRASTRUCTURE: &str = "infrastructure";

#[cfg(test)]
mod tests {
    use dead_letter::Reason;

    use super::{Statement, kind};
    use crate::{connector::TableName, errors::Class};

    /// A statement is called by its operation and its table, of which there are few.
    #[test]
    fn statements_have_few_names() {
        let table = TableName { database: "traffic_db".into(), table: "toll_passages".into() };
        let insert = Statement::Insert { table: &table, rows: 512 };
        assert_eq!(insert.span_name(), "INSERT toll_passages");
        assert_eq!((insert.operation(), insert.table()), ("INSERT", Some("toll_passages")));
        let ledger = Statement::UpdateLedger(3);
        assert_eq!((ledger.operation(), ledger.table()), ("UPDATE", Some("ledger")));
        assert_eq!((Statement::Commit.span_name().as_str(), Statement::Commit.table()), ("COMMIT", None));
    }

    /// A refused row is told by its reason, everything else by what is done about it.
    #[test]
    fn errors_are_told_by_few_kinds() {
        assert_eq!(kind(Class::Data(Reason::DuplicateKey)), "DUPLICATE_KEY");
        assert_eq!(
            [Class::Collision, Class::Config, Class::Unknown].map(kind),
            ["collision", "infrastructure", "infrastructure"]
        );
    }
}
