//! The connection to MariaDB: where it is, how a session is set up, and a limit on how long any call may take.

use std::time::Duration;

use service::{Error, Secret, tls_advice};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlQueryResult, MySqlRow},
};

use crate::{connector::Defaults, settings::Settings, statement::STATEMENTS_MAX, tls::Tls};

/// Where a connector's database is, and who the connector is there.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    host: String,
    port: u16,
    socket: Option<String>,
    /// The database of tables that are named without one.
    pub(crate) database: Option<String>,
    user: String,
    password: Option<Secret>,
    tls: Tls,
}

/// One session; calls that take longer than [`CALL_TIMEOUT`] end with an error, after which the session is of no use.
#[derive(Debug)]
pub(crate) struct Session {
    connection: MySqlConnection,
    /// The largest packet that the server takes, in bytes: a longer statement would end the connection.
    pub(crate) packet_bytes_max: usize,
}

/// Longer than the server waits for a lock, so that the server's own answer comes first.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// So many tables may have all of their statements prepared in one session; the statements longest not used make room for more.
const TABLES_PREPARED: usize = 10;

/// What every session starts with. Nothing is cut to fit (strict mode); a statement belongs to a transaction that COMMIT
/// or ROLLBACK ends (no BEGIN to send); READ COMMITTED takes no gap locks, over which parallel writers would deadlock.
/// A writer that freezes in mid-transaction does not hold up its successor: the server ends idle transactions, after a
/// time that leaves enough for the acknowledgement of dead letters.
const SETUP: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
    autocommit = 0, innodb_lock_wait_timeout = 10, idle_transaction_timeout = 15; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

impl Session {
    /// Connects and sets the session up.
    pub(crate) async fn connect(target: &Target) -> Result<Self, sqlx::Error> {
        let connecting = async {
            let mut connection = target.options().connect().await?;
            connection.execute(SETUP).await?;
            let packet: u64 =
                sqlx::query_scalar("SELECT @@max_allowed_packet").fetch_one(&mut connection).await?;
            connection.execute("COMMIT").await?;
            Ok(Self { connection, packet_bytes_max: packet as usize })
        };
        limited(CONNECT_TIMEOUT, connecting).await
    }

    /// Runs a prepared statement; its text is the key under which the server's handle is kept.
    pub(crate) async fn run(
        &mut self,
        sql: &'static str,
        arguments: MySqlArguments,
    ) -> Result<MySqlQueryResult, sqlx::Error> {
        limited(CALL_TIMEOUT, sqlx::query_with(sql, arguments).execute(&mut self.connection)).await
    }

    /// Runs a prepared statement whose text was made of checked identifiers.
    pub(crate) async fn run_built(
        &mut self,
        sql: std::sync::Arc<str>,
        arguments: MySqlArguments,
    ) -> Result<MySqlQueryResult, sqlx::Error> {
        limited(CALL_TIMEOUT, sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut self.connection))
            .await
    }

    /// Reads all rows of a query.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        arguments: MySqlArguments,
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        limited(CALL_TIMEOUT, sqlx::query_with(sql, arguments).fetch_all(&mut self.connection)).await
    }

    /// Ends the transaction; only an answer proves that it was committed.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        limited(CALL_TIMEOUT, self.connection.execute("COMMIT")).await.map(drop)
    }

    /// Says goodbye to the server; it undoes what is open.
    pub(crate) async fn close(self) {
        // A server that does not answer will notice by itself.
        let _ = limited(CONNECT_TIMEOUT, self.connection.close()).await;
    }

    /// Undoes the transaction.
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        limited(CALL_TIMEOUT, self.connection.execute("ROLLBACK")).await.map(drop)
    }
}

impl Target {
    fn options(&self) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new().host(&self.host).port(self.port).username(&self.user);
        let options = self.tls.apply(options);
        let options =
            self.password.iter().fold(options, |options, password| options.password(password.expose()));
        let options = self.socket.iter().fold(options, MySqlConnectOptions::socket);
        let options = self.database.iter().fold(options, |options, database| options.database(database));
        options.statement_cache_capacity(STATEMENTS_MAX * TABLES_PREPARED).disable_statement_logging()
    }

    /// What to do about an error of signing in that no waiting will mend.
    pub(crate) fn advice(&self, error: &sqlx::Error) -> String {
        let of_tls = tls_advice(error).map(|advice| format!("; {advice} (sslMode, serverSslCert)"));
        let advice = match error {
            sqlx::Error::Tls(_) => "; see sslMode of the URL",
            sqlx::Error::Database(_) if !self.tls.is_used() => {
                "; if the account requires TLS, the URL needs sslMode=verify-full"
            }
            _ => "",
        };
        of_tls.unwrap_or_else(|| advice.to_owned())
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        let text = format!("no answer from the database within {} s", limit.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text)))
    })
}

/// Reads `connection.*`, with the service's flags for what the document leaves out.
pub(crate) fn target(settings: &Settings<'_>, defaults: &Defaults) -> Result<Target, Error> {
    const URL: &str = "connection.url";
    let url =
        settings.find(&[URL]).or(defaults.url.as_deref()).ok_or_else(|| settings.refused(URL, ALLOWED))?;
    let mut target = parse(url).map_err(|allowed| settings.refused(URL, &allowed))?;
    if let Some(user) =
        settings.find(&["connection.user", "connection.username"]).or(defaults.user.as_deref())
    {
        user.clone_into(&mut target.user);
    }
    if target.user.is_empty() {
        return Err(settings.refused("connection.user", "the name of a user (or --mariadb-user)"));
    }
    if let Some(password) = settings.find(&["connection.password"]) {
        target.password = Some(secret(password));
    } else if target.password.is_none() {
        target.password.clone_from(&defaults.password);
    }
    Ok(target)
}

const ALLOWED: &str = "jdbc:mariadb://host[:port][/database][?sslMode=disable|trust|verify-ca|verify-full\
    &serverSslCert=FILE] (or --mariadb-url)";

fn secret(text: &str) -> Secret {
    text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}

/// Parses a JDBC URL of MariaDB Connector/J or MySQL Connector/J; parameters that tune those drivers mean nothing here.
/// An error is what is allowed.
fn parse(url: &str) -> Result<Target, String> {
    let (mut target, parameters) = address(url).ok_or(ALLOWED)?;
    for (name, value) in parameters.split('&').filter_map(|parameter| parameter.split_once('=')) {
        match name {
            "user" => value.clone_into(&mut target.user),
            "password" => target.password = Some(secret(value)),
            "localSocket" => target.socket = Some(value.to_owned()),
            _ => target.tls.set(name, value)?,
        }
    }
    target.tls.check()?;
    Ok(target)
}

/// The part of a URL before its parameters, and these.
fn address(url: &str) -> Option<(Target, &str)> {
    let url = url.strip_prefix("jdbc:").unwrap_or(url);
    let rest = url.strip_prefix("mariadb://").or_else(|| url.strip_prefix("mysql://"))?;
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (address, 3306),
    };
    if host.is_empty() || host.contains(',') || database.contains('/') {
        return None;
    }
    let target = Target {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        socket: None,
        database: (!database.is_empty()).then(|| database.to_owned()),
        user: String::new(),
        password: None,
        tls: Tls::default(),
    };
    Some((target, parameters))
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// URLs as both drivers write them are understood; parameters of no meaning here are let be.
    #[test]
    fn jdbc_urls_are_understood() {
        let target =
            parse("jdbc:mariadb://db:3307/app?rewriteBatchedStatements=true&sslMode=trust").expect("valid");
        assert_eq!(
            (target.host.as_str(), target.port, target.database.as_deref()),
            ("db", 3307, Some("app"))
        );
        assert!(target.tls.is_used());
        let target = parse("jdbc:mysql://db").expect("valid");
        assert_eq!((target.port, target.database, target.tls.is_used()), (3306, None, false));
        assert_eq!(parse("mariadb://[::1]:3306/").expect("valid").host, "::1");
    }

    /// What cannot be a single MariaDB is refused.
    #[test]
    fn other_urls_are_refused() {
        for url in [
            "jdbc:postgresql://db/app",
            "jdbc:mariadb://",
            "jdbc:mariadb://a,b/app",
            "jdbc:mariadb://db:x/app",
            "jdbc:mariadb:replication://a,b/app",
            "jdbc:mariadb://db/app?sslMode=maybe",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    /// A password in the URL is not printed with the target.
    #[test]
    fn passwords_stay_out_of_debug_output() {
        let target = parse("jdbc:mariadb://db/app?user=u&password=s3cret").expect("valid");
        assert!(!format!("{target:?} {target}").contains("s3cret"));
    }
}
