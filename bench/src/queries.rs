//! Every named query on a full database: the median of some runs, and the index that its plan reads.

mod load;

use std::{process::ExitCode, time::Duration};

use chrono::NaiveDateTime;
use local_stack::{Folder, MariaDb, Progress, User};
use service::{Error, clock};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, Row as _, mysql::MySqlConnectOptions};
use turnpike::query::{CATALOGUE, Kind, Query, Request};

use crate::{progress, say};

/// How much is loaded, and what is asked of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Toll passages to load; events, readings and dead letters are a tenth of them or fewer
    #[arg(long, default_value_t = 10_000_000, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1_000..))]
    rows: u64,
    /// How often each query is run
    #[arg(long, default_value_t = 7, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What the median of a query may take
    #[arg(long, default_value_t = 200.0, value_name = "MILLISECONDS")]
    limit_ms: f64,
    /// Memory of the database's page cache
    #[arg(long, default_value_t = 1_024, value_name = "MIB")]
    buffer_pool_mib: u32,
}

/// What a query was found to take.
struct Measured {
    name: String,
    times_ms: Vec<f64>,
    rows: usize,
    plan: Plan,
}

/// What EXPLAIN says.
#[derive(Default)]
struct Plan {
    indexes: Vec<String>,
    /// A table of which every row would be read.
    whole_table: Option<String>,
}

/// Loads a database and measures all queries; exit code 1 if one is too slow or reads no index.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let folder = Folder::claim().map_err(Error::failed)?;
    let mariadb = MariaDb::create(&folder, options.buffer_pool_mib, &Progress::to(|line| progress(line)));
    let mariadb = mariadb.map_err(Error::failed)?;
    mariadb.start().map_err(Error::failed)?;
    load::all(&mariadb, options.rows)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::failed)?;
    let measured = runtime.block_on(measure_all(&mariadb, options.runs))?;
    report(&measured, options)
}

async fn measure_all(mariadb: &MariaDb, runs: u32) -> Result<Vec<Measured>, Error> {
    let url = mariadb.url(User::Reader);
    let options: MySqlConnectOptions = url.parse().map_err(|error: sqlx::Error| Error::failed(error))?;
    let mut connection = options.disable_statement_logging().connect().await.map_err(Error::failed)?;
    let mut measured = Vec::new();
    for query in CATALOGUE {
        for argument in arguments(query) {
            measured.push(measure(&mut connection, query, *argument, runs).await?);
        }
    }
    Ok(measured)
}

/// What is asked about: something that is there, and where it can be asked for, something that is not.
fn arguments(query: &Query) -> &'static [Option<&'static str>] {
    match query.argument {
        None => &[None],
        Some(Kind::Vehicle) => &[Some(load::VEHICLE_ID), Some(load::TRANSPONDER_ID), Some("17")],
        Some(Kind::Plaza) => &[Some("TP005"), Some("4999")],
        Some(Kind::VehicleType) => &[Some("truck"), Some("motorcycle")],
        Some(Kind::EventType) => &[Some("ACCIDENT"), Some("FLOOD")],
        Some(Kind::Road) => &[Some("A6"), Some("A99")],
        Some(Kind::Sensor) => &[Some("7"), Some("999")],
    }
}

async fn measure(
    connection: &mut MySqlConnection,
    query: &'static Query,
    argument: Option<&str>,
    runs: u32,
) -> Result<Measured, Error> {
    let request = Request::new(query, argument)?;
    let mut times_ms = Vec::new();
    let mut rows = 0;
    let mut statement = String::new();
    for _ in 0..runs {
        let started = clock::instant();
        let newest = match request.newest() {
            Some(question) => {
                let row = sqlx::query(AssertSqlSafe(question)).fetch_one(&mut *connection).await;
                row.and_then(|row| row.try_get::<Option<NaiveDateTime>, _>(0)).map_err(Error::failed)?
            }
            None => None,
        };
        statement = request.statement(request.window.range(newest));
        let answer = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).fetch_all(&mut *connection).await;
        rows = answer.map_err(Error::failed)?.len();
        times_ms.push(milliseconds(started.elapsed()));
    }
    times_ms.sort_by(f64::total_cmp);
    let stream = query.stream.map(|stream| format!(" ({})", stream.name())).unwrap_or_default();
    let argument = argument.map(|argument| format!(" {argument}")).unwrap_or_default();
    let name = format!("{}{argument}{stream}", query.name);
    let mut plan = Plan::default();
    for statement in request.newest().iter().chain([&statement]) {
        plan.read(connection, statement).await?;
    }
    Ok(Measured { name, times_ms, rows, plan })
}

impl Plan {
    /// Adds what a statement reads.
    async fn read(&mut self, connection: &mut MySqlConnection, statement: &str) -> Result<(), Error> {
        let explain = format!("EXPLAIN {statement}");
        let rows =
            sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(connection).await.map_err(Error::failed)?;
        for row in rows {
            let text =
                |column: &str| row.try_get_unchecked::<Option<String>, _>(column).map_err(Error::failed);
            match (text("table")?, text("key")?) {
                (_, Some(key)) if self.indexes.contains(&key) => {}
                (_, Some(key)) => self.indexes.push(key),
                // Not a table of the database, but what another row of the plan gives.
                (Some(table), None) if !table.starts_with('<') => self.whole_table = Some(table),
                _ => {}
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        match (&self.whole_table, &self.indexes[..]) {
            (Some(table), _) => format!("**none, all of {table}**"),
            // What is known to be empty is not looked up.
            (None, []) => "(nothing to read)".to_owned(),
            (None, indexes) => indexes.join(", "),
        }
    }
}

impl Measured {
    fn median_ms(&self) -> f64 {
        self.times_ms[self.times_ms.len() / 2]
    }

    fn is_kept(&self, limit_ms: f64) -> bool {
        self.median_ms() <= limit_ms && self.plan.whole_table.is_none()
    }
}

fn report(measured: &[Measured], options: &Options) -> Result<ExitCode, Error> {
    let Options { rows, runs, limit_ms, buffer_pool_mib } = options;
    say(format!(
        "{rows} passages of {} days, {runs} runs of each query, page cache {buffer_pool_mib} MiB; newest event and answer together.\n",
        load::DAYS
    ))?;
    say("| query | median ms | min | max | rows | index |\n|---|--:|--:|--:|--:|---|")?;
    for one in measured {
        let (Some(min), Some(max)) = (one.times_ms.first(), one.times_ms.last()) else { continue };
        let (median, plan) = (one.median_ms(), one.plan.text());
        say(format!("| {} | {median:.1} | {min:.1} | {max:.1} | {} | {plan} |", one.name, one.rows))?;
    }
    let broken: Vec<&str> =
        measured.iter().filter(|one| !one.is_kept(*limit_ms)).map(|one| one.name.as_str()).collect();
    if broken.is_empty() {
        say(format!("\nEvery query reads an index and has its median within {limit_ms} ms."))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("\nOver {limit_ms} ms in the median, or without an index: {}.", broken.join(", ")))?;
    Ok(ExitCode::FAILURE)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
