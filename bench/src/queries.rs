//! Every named query and every view on a full database: the median of some runs, and the index that its plan reads.

mod load;

use std::{process::ExitCode, time::Duration};

use chrono::{Duration as Span, NaiveDateTime};
use local_stack::{Folder, MariaDb, Progress, User};
use service::{Error, clock};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, Row as _, mysql::MySqlConnectOptions};
use turnpike::query::{CATALOGUE, Kind, Query, Request, Stream, Window};

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
    /// What the median of a query may take; those over everything that is stored are run once, and not limited
    #[arg(long, default_value_t = 200.0, value_name = "MILLISECONDS")]
    limit_ms: f64,
    /// Memory of the database's page cache
    #[arg(long, default_value_t = 1_024, value_name = "MIB")]
    buffer_pool_mib: u32,
}

/// What is asked: a query of the command line, or a view.
enum Question {
    Query(Request),
    View(&'static str),
}

/// What a question was found to take.
struct Measured {
    name: String,
    /// Whether it has to be fast and to read no more than it needs.
    is_limited: bool,
    times_ms: Vec<f64>,
    rows: usize,
    plan: Plan,
}

/// What ANALYZE says.
#[derive(Default)]
struct Plan {
    indexes: Vec<String>,
    /// A table or an index of which every row was read.
    whole: Option<String>,
}

/// An index that is read in its order is read up to a LIMIT; the highest in the catalogue is that of `flagged`.
const INDEX_ROWS_MAX: f64 = 20_000.0;

/// Views that look at the last hour, or are asked for a few rows.
const VIEWS: [&str; 6] = [
    "traffic_db.toll_data ORDER BY id DESC LIMIT 10",
    "traffic_db.vehicles_per_plaza",
    "traffic_db.vehicles_per_plaza_minute",
    "traffic_db.type_mix",
    "traffic_db.truck_share",
    "traffic_db.jams_by_road",
];
/// Views over everything that is stored.
const VIEWS_OF_ALL: [&str; 3] = ["traffic_db.stream_span", "tolldata.duplicate_groups", "weather_db.alerts"];

/// Loads a database and measures all queries and views; exit code 1 if a limited one is too slow or reads no index.
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
            let asked = Question::Query(Request::new(query, *argument)?);
            let name = name(query, *argument, "");
            measured.push(measure(&mut connection, name, &asked, true, runs).await?);
        }
        for (window, flags) in windows(query) {
            let argument = arguments(query)[0];
            let mut request = Request::new(query, argument)?;
            request.window = window;
            let (asked, name) = (Question::Query(request), name(query, argument, flags));
            measured.push(measure(&mut connection, name, &asked, true, runs).await?);
        }
    }
    for (views, is_limited, runs) in [(&VIEWS[..], true, runs), (&VIEWS_OF_ALL, false, 1)] {
        for view in views {
            let name = format!("view {view}");
            measured.push(measure(&mut connection, name, &Question::View(view), is_limited, runs).await?);
        }
    }
    Ok(measured)
}

/// As on the command line, with the stream.
fn name(query: &Query, argument: Option<&str>, flags: &str) -> String {
    let stream = query.stream.map(|stream| format!(" ({})", stream.name())).unwrap_or_default();
    let argument = argument.map(|argument| format!(" {argument}")).unwrap_or_default();
    format!("{}{argument}{flags}{stream}", query.name)
}

/// Stretches of time that are asked for beside what a query looks at where nobody says: an hour of the busy half of a day, and
/// everything from or before it. What counts is asked for the hour alone.
fn windows(query: &Query) -> Vec<(Window, &'static str)> {
    let from = load::busy();
    let to = from + Span::hours(1);
    let hour = (Window::Between(Some(from), Some(to)), " --from --to");
    let is_list = query.name == "newest" || query.argument.is_some();
    if is_list {
        return vec![
            hour,
            (Window::Between(Some(from), None), " --from"),
            (Window::Between(None, Some(to)), " --to"),
        ];
    }
    let is_of_tolls = query.stream == Some(Stream::Toll) && query.name != "flagged";
    if is_of_tolls { vec![hour] } else { Vec::new() }
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
    name: String,
    asked: &Question,
    is_limited: bool,
    runs: u32,
) -> Result<Measured, Error> {
    progress(&name);
    let mut times_ms = Vec::new();
    let mut rows = 0;
    let mut statements = Vec::new();
    for _ in 0..runs {
        let started = clock::instant();
        statements = asked.statements(connection).await?;
        if let Some(statement) = statements.last() {
            let answer = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).fetch_all(&mut *connection).await;
            rows = answer.map_err(Error::failed)?.len();
        }
        times_ms.push(milliseconds(started.elapsed()));
    }
    times_ms.sort_by(f64::total_cmp);
    let mut plan = Plan::default();
    for statement in &statements {
        plan.read(connection, statement).await?;
    }
    Ok(Measured { name, is_limited, times_ms, rows, plan })
}

impl Question {
    /// What is sent for it: the answer last, and before it what was asked to know the time of the newest event.
    async fn statements(&self, connection: &mut MySqlConnection) -> Result<Vec<String>, Error> {
        let request = match self {
            Self::View(view) => return Ok(vec![format!("SELECT * FROM {view}")]),
            Self::Query(request) => request,
        };
        let Some(question) = request.newest() else {
            return Ok(vec![request.statement(request.window.range(None))]);
        };
        let row = sqlx::query(AssertSqlSafe(question.as_str())).fetch_one(connection).await;
        let newest = row.and_then(|row| row.try_get::<Option<NaiveDateTime>, _>(0)).map_err(Error::failed)?;
        Ok(vec![question, request.statement(request.window.range(newest))])
    }
}

impl Plan {
    /// Adds what a statement reads.
    async fn read(&mut self, connection: &mut MySqlConnection, statement: &str) -> Result<(), Error> {
        let analyze = format!("ANALYZE {statement}");
        let rows =
            sqlx::raw_sql(AssertSqlSafe(analyze)).fetch_all(connection).await.map_err(Error::failed)?;
        for row in rows {
            let text =
                |column: &str| row.try_get_unchecked::<Option<String>, _>(column).map_err(Error::failed);
            // Not a table of the database, but what another row of the plan gives.
            let Some(table) = text("table")?.filter(|table| !table.starts_with('<')) else { continue };
            let Some(key) = text("key")? else {
                self.whole = Some(table);
                continue;
            };
            let rows_read = text("r_rows")?.and_then(|rows| rows.parse::<f64>().ok());
            if text("type")?.as_deref() == Some("index")
                && rows_read.is_some_and(|rows| rows > INDEX_ROWS_MAX)
            {
                self.whole = Some(format!("{key} of {table}"));
            }
            if !self.indexes.contains(&key) {
                self.indexes.push(key);
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        match (&self.whole, &self.indexes[..]) {
            (Some(whole), _) => format!("**all of {whole}**"),
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
        !self.is_limited || self.median_ms() <= limit_ms && self.plan.whole.is_none()
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
        let free = if one.is_limited { "" } else { " (everything, not limited)" };
        say(format!("| {}{free} | {median:.1} | {min:.1} | {max:.1} | {} | {plan} |", one.name, one.rows))?;
    }
    let broken: Vec<&str> =
        measured.iter().filter(|one| !one.is_kept(*limit_ms)).map(|one| one.name.as_str()).collect();
    if broken.is_empty() {
        say(format!(
            "\nEvery query and every limited view reads a part of an index and has its median within {limit_ms} ms."
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "\nOver {limit_ms} ms in the median, or without an index to read a part of: {}.",
        broken.join(", ")
    ))?;
    Ok(ExitCode::FAILURE)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
