//! Where MariaDB is, and questions to it.

use std::{fmt, fs, str::FromStr, time::Duration};

use futures::StreamExt as _;
use service::{Error, Secret, tls_advice};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, Row as _,
    SqlSafeStr as _, Statement as _, TypeInfo as _,
    mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlRow},
};

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Access denied: to the server, to the database, to the table.
const NOT_LET_IN: [u16; 3] = [1045, 1044, 1142];

/// What `connection.url` of a JDBC sink says about encryption, and what the driver here calls it.
const OF_JDBC: [(&str, &str); 7] = [
    ("sslMode=disable", "ssl-mode=DISABLED"),
    ("sslMode=trust", "ssl-mode=REQUIRED"),
    ("sslMode=verify-ca", "ssl-mode=VERIFY_CA"),
    ("sslMode=verify-full", "ssl-mode=VERIFY_IDENTITY"),
    ("serverSslCert=", "ssl-ca="),
    ("sslCert=", "ssl-cert="),
    ("sslKey=", "ssl-key="),
];
/// Parameters that name a file.
const FILES: [&str; 3] = ["ssl-ca", "ssl-cert", "ssl-key"];

/// Where the database is and how to sign in.
#[expect(clippy::struct_field_names, reason = "the fields are flags beside those of other parts")]
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "MariaDB")]
pub(crate) struct Database {
    /// Where MariaDB is, as jdbc:mariadb://host:port or mysql://user:password@host:port
    #[arg(
        long,
        env = "TURNPIKE_MARIADB_URL",
        default_value = "jdbc:mariadb://localhost:3306",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) mariadb_url: Url,
    /// Whom to sign in as, if the URL names nobody
    #[arg(long, env = "TURNPIKE_MARIADB_USER", default_value = "turnpike_reader", value_name = "NAME")]
    pub(crate) mariadb_user: String,
    /// The password, if the URL has none
    #[arg(long, env = "TURNPIKE_MARIADB_PASSWORD", value_name = "SECRET")]
    pub(crate) mariadb_password: Option<Secret>,
}

/// A checked address; it may hold a password, so only host and port are shown.
#[derive(Clone)]
pub(crate) struct Url {
    options: Box<MySqlConnectOptions>,
    names_user: bool,
    has_password: bool,
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Session<'d> {
    database: &'d Database,
    connection: MySqlConnection,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// What its values are.
    pub(crate) kind: Type,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Numbers.
    Number,
    /// 0 or 1.
    Boolean,
    /// Anything else, also times.
    Text,
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.options.get_host(), self.options.get_port())
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = text.strip_prefix("jdbc:").unwrap_or(text);
        let rest = url.strip_prefix("mariadb://").or_else(|| url.strip_prefix("mysql://"));
        let rest =
            rest.filter(|rest| !rest.is_empty()).ok_or("a URL starts with jdbc:mariadb:// or mysql://")?;
        let rest = OF_JDBC.iter().fold(rest.to_owned(), |url, (theirs, ours)| url.replace(theirs, ours));
        check_tls(&rest)?;
        let options: MySqlConnectOptions =
            format!("mysql://{rest}").parse().map_err(|error: sqlx::Error| error.to_string())?;
        let user = rest
            .split(['/', '?'])
            .next()
            .and_then(|authority| authority.rsplit_once('@'))
            .map(|(user, _)| user);
        Ok(Self {
            options: Box::new(options.disable_statement_logging()),
            names_user: user.is_some(),
            has_password: user.is_some_and(|user| user.contains(':')),
        })
    }
}

/// Refuses files that cannot be read, and an authority that nobody would ask.
fn check_tls(url: &str) -> Result<(), String> {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    for (name, path) in parameters.split('&').filter_map(|parameter| parameter.split_once('=')) {
        if name.eq_ignore_ascii_case("sslMode") {
            return Err("sslMode=disable, trust, verify-ca or verify-full, written so".to_owned());
        }
        if FILES.contains(&name)
            && let Err(error) = fs::File::open(path)
        {
            return Err(format!("{name} must name a file that can be read ({path}: {error})"));
        }
    }
    if parameters.contains("ssl-ca=") && !parameters.contains("ssl-mode=VERIFY") {
        return Err("serverSslCert needs sslMode=verify-full (or verify-ca)".to_owned());
    }
    Ok(())
}

impl Database {
    /// Connects and signs in.
    pub(crate) async fn connect(&self) -> Result<Session<'_>, Error> {
        let options = self.options();
        let connecting = limited(CONNECT_TIMEOUT, options.connect());
        let connection = connecting.await.map_err(|error| self.told(&error))?;
        Ok(Session { database: self, connection })
    }

    /// All rows of a query, on a connection of its own.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<MySqlRow>, Error> {
        let mut session = self.connect().await?;
        let query = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut session.connection);
        let rows = limited(ANSWER_TIMEOUT, query).await.map_err(|error| self.told(&error))?;
        session.close().await?;
        Ok(rows)
    }

    /// An error with the database it concerns; an account that is not let in is a wrong command line.
    fn told(&self, error: &sqlx::Error) -> Error {
        let place = format!("MariaDB at {:?}", self.mariadb_url);
        let number =
            error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
        if number.is_some_and(|error| NOT_LET_IN.contains(&error.number())) {
            let options = self.options();
            let allowed = format!("an account that may read Turnpike's tables; {place} says: {error}");
            return Error::config("--mariadb-user and --mariadb-password", options.get_username(), allowed);
        }
        let advice = match error {
            sqlx::Error::Tls(_) => Some("see sslMode of the URL"),
            error => tls_advice(error),
        };
        if let Some(advice) = advice {
            let allowed = format!("a database that is reached by its TLS ({error}; {advice})");
            return Error::config("--mariadb-url", format!("{:?}", self.mariadb_url), allowed);
        }
        // Its causes are in its own text already.
        Error::failed(format!("{place}: {error}"))
    }

    fn options(&self) -> MySqlConnectOptions {
        let Url { options, names_user, has_password } = self.mariadb_url.clone();
        let options = if names_user { *options } else { options.username(&self.mariadb_user) };
        let password = self.mariadb_password.iter().filter(|_| !has_password);
        password.fold(options, |options, password| options.password(password.expose()))
    }
}

impl Session<'_> {
    /// The columns of a query's answer, which also has them without rows.
    pub(crate) async fn columns(&mut self, sql: &str) -> Result<Vec<Column>, Error> {
        let preparing = self.connection.prepare(AssertSqlSafe(sql).into_sql_str());
        let statement =
            limited(ANSWER_TIMEOUT, preparing).await.map_err(|error| self.database.told(&error))?;
        let columns = statement.columns().iter().map(|column| Column {
            name: column.name().to_owned(),
            kind: Type::named(column.type_info().name()),
        });
        Ok(columns.collect())
    }

    /// Hands each row of a query on as it comes, its values in the database's own text form; NULL is `None`.
    pub(crate) async fn each(
        &mut self,
        sql: &str,
        mut row: impl FnMut(Vec<Option<String>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Self { database, connection } = self;
        let mut rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(connection);
        loop {
            let next = async { rows.next().await.transpose() };
            match limited(ANSWER_TIMEOUT, next).await.map_err(|error| database.told(&error))? {
                Some(found) => {
                    let cells = (0..found.len()).map(|column| found.try_get_unchecked(column));
                    row(cells.collect::<Result<_, _>>().map_err(Error::failed)?)?;
                }
                None => return Ok(()),
            }
        }
    }

    /// All rows of a query, for answers that are known to be small; values as [`each`](Self::each) has them.
    pub(crate) async fn all(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        let mut rows = Vec::new();
        let collect = |row| {
            rows.push(row);
            Ok(())
        };
        self.each(sql, collect).await?;
        Ok(rows)
    }

    /// Says goodbye to the server.
    pub(crate) async fn close(self) -> Result<(), Error> {
        let closing = limited(CONNECT_TIMEOUT, MySqlConnection::close(self.connection));
        closing.await.map_err(|error| self.database.told(&error))
    }
}

impl Type {
    /// The type that sqlx calls by this name.
    fn named(name: &str) -> Self {
        match name.split(' ').next().unwrap_or_default() {
            "BOOLEAN" => Self::Boolean,
            "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "DECIMAL" | "FLOAT" | "DOUBLE" => {
                Self::Number
            }
            _ => Self::Text,
        }
    }
}

/// A column of a row as text; NULL as people write it.
pub(crate) fn text(row: &MySqlRow, column: usize) -> Result<String, Error> {
    let value: Option<String> = row.try_get(column).map_err(Error::failed)?;
    Ok(value.unwrap_or_else(|| "NULL".to_owned()))
}

async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        let text = format!("no answer within {} s", limit.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text)))
    })
}

#[cfg(test)]
mod tests {
    use sqlx::{ConnectOptions as _, mysql::MySqlSslMode};

    use super::{Database, Url};

    fn database(url: &str) -> Database {
        let mariadb_password = Some("flag".parse().expect("a secret"));
        Database {
            mariadb_url: url.parse().expect("a URL"),
            mariadb_user: "reader".to_owned(),
            mariadb_password,
        }
    }

    /// The writer's form and the usual one are both understood; what the URL says of the user wins over the flags.
    #[test]
    fn urls_are_understood() {
        let options = database("jdbc:mariadb://db:3307/?sslMode=verify-full").options();
        assert_eq!((options.get_host(), options.get_port(), options.get_username()), ("db", 3307, "reader"));
        assert!(matches!(options.get_ssl_mode(), MySqlSslMode::VerifyIdentity));
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let options =
            database(&format!("jdbc:mariadb://db/?sslMode=verify-ca&serverSslCert={own}")).options();
        assert!(options.to_url_lossy().as_str().contains("ssl-ca="));
        assert!(options.to_url_lossy().as_str().contains("reader:flag@"));
        let options = database("mysql://ann:s3cret@[::1]/turnpike").options();
        assert_eq!((options.get_port(), options.get_username()), (3306, "ann"));
        assert!(options.to_url_lossy().as_str().contains("ann:s3cret@"));
        assert!(database("mysql://ann@db").options().to_url_lossy().as_str().contains("ann:flag@"));
    }

    /// What is no MariaDB is refused, and a password is not printed.
    #[test]
    fn others_are_refused_and_passwords_hidden() {
        let files =
            ["jdbc:mariadb://db/?serverSslCert=/", "jdbc:mariadb://db/?sslMode=verify-ca&sslCert=no/file"];
        for url in ["postgres://db", "jdbc:mariadb://", "jdbc:mariadb://db:port", ""].into_iter().chain(files)
        {
            assert!(url.parse::<Url>().is_err(), "{url}");
        }
        let shown = format!("{:?}", database("mysql://ann:s3cret@db:3306/"));
        assert!(shown.contains("db:3306") && !shown.contains("s3cret") && !shown.contains("flag"), "{shown}");
    }
}
