//! What the database's errors mean for the record at hand: errors of data move on, errors of infrastructure wait.
//!
//! Numbers and SQLSTATEs are those of MariaDB's list of error codes (<https://mariadb.com/kb/en/mariadb-error-codes/>).

use dead_letter::Reason;
use service::tls_advice;
use sqlx::mysql::MySqlDatabaseError;

use crate::rejection::Rejection;

/// What to do about an error of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// This row can never be stored.
    Data(Reason),
    /// Another transaction was in the way: the same work again, at once.
    Collision,
    /// Nothing will change until somebody changes the settings, the rights or the table.
    Config,
    /// The database is away, full, busy or read-only: wait.
    Infrastructure,
    /// Not a known error; to be waited for like infrastructure, since a record that waits is not lost.
    Unknown,
}

/// What an error means.
pub(crate) fn class(error: &sqlx::Error) -> Class {
    match database_error(error) {
        Some(error) => class_of(error.number(), error.code().unwrap_or_default()),
        None if matches!(error, sqlx::Error::Tls(_)) || tls_advice(error).is_some() => Class::Config,
        None => Class::Infrastructure,
    }
}

/// The rejection of the one row that caused a data error.
pub(crate) fn rejection(reason: Reason, error: &sqlx::Error) -> Rejection {
    match database_error(error) {
        Some(error) => Rejection::of_row(
            reason,
            error.number(),
            error.code().unwrap_or_default(),
            error.message().to_owned(),
        ),
        None => Rejection::of_row(reason, 0, "", error.to_string()),
    }
}

/// The server's number of an error; `None` if it is not the server's.
pub(crate) fn number(error: &sqlx::Error) -> Option<u16> {
    database_error(error).map(MySqlDatabaseError::number)
}

fn database_error(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

fn class_of(errno: u16, sql_state: &str) -> Class {
    match errno {
        // Duplicate entry, in its variants.
        1022 | 1062 | 1169 | 1586 => Class::Data(Reason::DuplicateKey),
        // NULL in a column that takes none.
        1048 => Class::Data(Reason::MissingField),
        // Out of range; data too long; BIGINT out of range.
        1264 | 1406 | 1690 => Class::Data(Reason::ValueTooLong),
        // Data truncated; truncated wrong value; incorrect value; illegal value found during parsing; incorrect
        // value for a function.
        1265 | 1292 | 1366 | 1367 | 1411 => Class::Data(Reason::TypeMismatch),
        // Foreign keys; CHECK constraints of MySQL and (only with this SQLSTATE) of MariaDB; SIGNAL of a trigger.
        1216 | 1452 | 1644 | 3819 => Class::Data(Reason::Constraint),
        4025 if sql_state == "23000" => Class::Data(Reason::Constraint),
        // Row size too large, for the page or for the table.
        1118 => Class::Data(Reason::TooLarge),
        // Lock wait timeout; deadlock.
        1205 | 1213 => Class::Collision,
        // Host not allowed; access denied (database, user, without password, table, column, privilege); password
        // to be changed; account locked.
        1130 | 1044 | 1045 | 1698 | 1142 | 1143 | 1227 | 1820 | 1862 | 4151 => Class::Config,
        // Unknown database, column, table; column count; no default for a column; prepared statement must be made anew.
        1049 | 1054 | 1146 | 1136 | 1364 => Class::Config,
        // Disk full (writing, table, temporary); too many connections (server, user, resource).
        3 | 28 | 1021 | 1114 | 1040 | 1203 | 1226 => Class::Infrastructure,
        // Read-only (option, mode); shutting down; connection killed; statement interrupted or out of time.
        1290 | 1836 | 1053 | 1077 | 1079 | 1927 | 1317 | 1969 => Class::Infrastructure,
        // Out of memory; network errors of the server; packets; engine errors; table being changed or locked.
        1037 | 1038 | 1041 | 1152..=1161 | 1030 | 1099 | 1100 | 1105 | 1180 | 1412 | 1615 => {
            Class::Infrastructure
        }
        _ => match sql_state.get(..2) {
            Some("22") => Class::Data(Reason::TypeMismatch),
            Some("23") => Class::Data(Reason::Constraint),
            Some("08") => Class::Infrastructure,
            _ => Class::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use dead_letter::Reason;

    use super::{Class, class, class_of};

    /// Data errors have reasons of their own; nothing that a record did not cause is among them.
    #[test]
    fn data_and_infrastructure_are_told_apart() {
        for (errno, sql_state, expected) in [
            (1062, "23000", Class::Data(Reason::DuplicateKey)),
            (1048, "23000", Class::Data(Reason::MissingField)),
            (1264, "22003", Class::Data(Reason::ValueTooLong)),
            (1406, "22001", Class::Data(Reason::ValueTooLong)),
            (1292, "22007", Class::Data(Reason::TypeMismatch)),
            (1366, "22007", Class::Data(Reason::TypeMismatch)),
            (1452, "23000", Class::Data(Reason::Constraint)),
            (4025, "23000", Class::Data(Reason::Constraint)),
            (1213, "40001", Class::Collision),
            (1205, "HY000", Class::Collision),
            (1045, "28000", Class::Config),
            (1049, "42000", Class::Config),
            (1146, "42S02", Class::Config),
            (1054, "42S22", Class::Config),
            (1021, "HY000", Class::Infrastructure),
            (1114, "HY000", Class::Infrastructure),
            (1290, "HY000", Class::Infrastructure),
            (1040, "08004", Class::Infrastructure),
            (1053, "08S01", Class::Infrastructure),
        ] {
            assert_eq!(class_of(errno, sql_state), expected, "{errno}");
        }
    }

    /// An error that is on no list waits, unless its SQLSTATE says that it is about data.
    #[test]
    fn unknown_errors_wait() {
        assert_eq!(class_of(9_999, "HY000"), Class::Unknown);
        assert_eq!(class_of(9_999, ""), Class::Unknown);
        assert_eq!(class_of(4025, "HY000"), Class::Unknown);
        assert_eq!(class_of(9_999, "22012"), Class::Data(Reason::TypeMismatch));
        let lost = sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(class(&lost), Class::Infrastructure);
    }
}
