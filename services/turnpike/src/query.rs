//! `turnpike query`: questions with names to the tables of all streams, each answered by an index.

mod argument;
mod catalogue;
mod shown;
mod window;

use std::process::ExitCode;

use chrono::{Duration, NaiveDateTime};
use service::{Error, clock};

pub use argument::Kind;
pub use catalogue::{CATALOGUE, Query, Scope, Stream, Table};
pub(crate) use window::length;
pub use window::{Range, Window};

use crate::{
    database::{Database, Session},
    output::{row, table, warn},
    shell::Shell,
};
use shown::{Answer, Format};

/// What an aggregate looks at where nobody says.
const LAST: Duration = Duration::hours(1);
/// How alike two names must be (Jaro-Winkler) before one is offered in place of the other.
const LIKENESS_MIN: f64 = 0.75;

/// Which question, about what and when, and how to show the answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  turnpike query --list
  turnpike query newest -n 3
  turnpike query newest --stream weather --format csv
  turnpike query by-vehicle 9820660
  turnpike query by-plaza TP005 --from 2026-10-02T08:00 --to 2026-10-02T09:00 -n 1000 --format json
  turnpike query by-type TRAFFIC_JAM --stream traffic
  turnpike query vehicles-per-plaza
  turnpike query vehicles-per-minute --last 1d
  turnpike query truck-share --all --explain

Times are those of the events, in UTC. Counts and shares look at the last hour before the newest event, unless --last, --from, --to or --all say otherwise; lists look at all times. What was looked at is told behind a table, and on stderr with CSV and JSON. NULL is an empty field in CSV.
Exit codes: 0 answered (also without rows), 1 failed, 2 a command line that is not allowed.")]
pub(crate) struct Options {
    /// The query's name; --list shows all
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// What the query is about, if it has to be told: a vehicle, a plaza, a type, a road, a sensor
    #[arg(value_name = "ARGUMENT", allow_hyphen_values = true)]
    argument: Option<String>,
    /// The stream, where several have a query of this name
    #[arg(long, value_name = "STREAM")]
    stream: Option<Stream>,
    /// Only events from this time on, as 2026-10-02, '2026-10-02 19:26' or 2026-10-02T19:26:20.123Z
    #[arg(long, value_name = "TIME", value_parser = window::moment)]
    from: Option<NaiveDateTime>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = window::moment)]
    to: Option<NaiveDateTime>,
    /// Only events so long before the newest one, as 90s, 15m, 1h or 7d
    #[arg(long, value_name = "LENGTH", value_parser = window::length, conflicts_with_all = ["from", "to", "all"])]
    last: Option<Duration>,
    /// Events of all times; with millions of them, counting takes seconds
    #[arg(long, conflicts_with_all = ["from", "to"])]
    all: bool,
    /// At most so many rows
    #[arg(short = 'n', long = "limit", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=ROWS_MAX))]
    rows: Option<u32>,
    /// How to show the answer
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    #[command(flatten)]
    instead: Instead,
    #[command(flatten)]
    database: Database,
}

/// What may be shown in place of an answer.
#[derive(Debug, clap::Args)]
struct Instead {
    /// Shows the names of all queries and what they answer
    #[arg(long, conflicts_with_all = ["name", "explain", "sql"])]
    list: bool,
    /// Shows how the database would find the answer, and by which index
    #[arg(long, conflicts_with = "sql")]
    explain: bool,
    /// Shows the SQL of the query
    #[arg(long)]
    sql: bool,
}

/// More rows are better read with the mysql client.
const ROWS_MAX: i64 = 10_000_000;

/// A query with everything that it has to be told but the time of the newest event.
#[derive(Debug)]
pub struct Request {
    /// Which query.
    pub query: &'static Query,
    /// Which times it looks at.
    pub window: Window,
    key: String,
    rows: Option<u32>,
}

impl Request {
    /// A request for the defaults of `query`, about `argument` if it needs one.
    ///
    /// # Errors
    /// The argument is missing, or not what the query is about.
    pub fn new(query: &'static Query, argument: Option<&str>) -> Result<Self, Error> {
        let key = match (query.argument, argument) {
            (Some(kind), Some(text)) => kind.condition(text)?,
            (Some(kind), None) => return Err(kind.missing()),
            (None, None) => String::new(),
            (None, Some(text)) => {
                return Err(Error::config("argument", text, format!("nothing: {} needs none", query.name)));
            }
        };
        let window = match query.scope {
            Scope::All => Window::All,
            Scope::LastHour => Window::Last(LAST),
        };
        Ok(Self { query, window, key, rows: query.rows })
    }

    /// The question for the time of the newest event, if the request depends on it.
    pub fn newest(&self) -> Option<String> {
        matches!(self.window, Window::Last(_)).then(|| self.query.table.newest())
    }

    /// The statement that answers the request.
    pub fn statement(&self, range: Range) -> String {
        let (from, to) = (range.from.map(window::sql), range.to.map(window::sql));
        let window = self.query.table.between(from.as_deref(), to.as_deref());
        self.query.statement(&self.key, &window, self.rows)
    }
}

/// Answers one question.
pub(crate) fn run(options: &Options, shell: &Shell) -> Result<ExitCode, Error> {
    if options.instead.list {
        shell.output.say(list())?;
        return Ok(ExitCode::SUCCESS);
    }
    let request = options.request()?;
    shell.wait(answer(options, &request, shell))?;
    Ok(ExitCode::SUCCESS)
}

async fn answer(options: &Options, request: &Request, shell: &Shell) -> Result<(), Error> {
    let mut session = options.database.connect().await?;
    let range = request.window.range(newest(&mut session, request).await?);
    let statement = request.statement(range);
    if options.instead.sql {
        shell.output.say(format!("{statement};"))?;
        return session.close().await;
    }
    let statement = if options.instead.explain { format!("EXPLAIN {statement}") } else { statement };
    let asked = clock::instant();
    let columns = session.columns(&statement).await?;
    let mut answer = Answer::new(options.format, columns, &shell.output);
    session.each(&statement, |row| answer.add(row)).await?;
    let rows = answer.finish()?;
    session.close().await?;
    let caption = caption(request, range, rows, asked.elapsed());
    match options.format {
        Format::Table => shell.output.say(caption),
        Format::Csv | Format::Json => {
            warn(caption);
            Ok(())
        }
    }
}

async fn newest(session: &mut Session<'_>, request: &Request) -> Result<Option<NaiveDateTime>, Error> {
    let Some(question) = request.newest() else { return Ok(None) };
    let mut newest = None;
    session
        .each(&question, |row| {
            let moment = row.into_iter().next().flatten();
            newest = moment.as_deref().map(window::moment).transpose().map_err(Error::failed)?;
            Ok(())
        })
        .await?;
    Ok(newest)
}

/// What was answered, about which times, and how long it took.
fn caption(request: &Request, range: Range, rows: u64, took: std::time::Duration) -> String {
    let Request { query, window, rows: rows_max, .. } = request;
    let stream = query.stream.map(|stream| format!(" ({})", stream.name())).unwrap_or_default();
    let count = match rows {
        0 => "no rows".to_owned(),
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    };
    let cut = match rows_max {
        Some(rows_max) if rows == u64::from(*rows_max) => ", more with -n",
        _ => "",
    };
    let newest = match (window, range.to) {
        (Window::Last(_), Some(_)) => ", up to the newest event",
        (Window::Last(_), None) => ", as there is no event yet",
        _ => "",
    };
    let among = query.among.map(|among| format!(", among {among}")).unwrap_or_default();
    format!(
        "{}{stream}: {count}{cut}, {}{newest}{among} ({} ms)",
        query.name,
        range.words(),
        took.as_millis()
    )
}

impl Options {
    fn request(&self) -> Result<Request, Error> {
        let query = self.query()?;
        let mut request = Request::new(query, self.argument.as_deref())?;
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Error::config("--to", window::sql(to), "a time after that of --from"));
        }
        match (self.from, self.to, self.last) {
            (None, None, Some(length)) => request.window = Window::Last(length),
            (None, None, None) if self.all => request.window = Window::All,
            (None, None, None) => {}
            (from, to, _) => request.window = Window::Between(from, to),
        }
        request.rows = self.rows.or(request.rows);
        Ok(request)
    }

    fn query(&self) -> Result<&'static Query, Error> {
        let Some(name) = self.name.as_deref() else {
            return Err(Error::config("NAME", "", "the name of a query; turnpike query --list shows all"));
        };
        let named: Vec<&'static Query> = CATALOGUE.iter().filter(|query| query.name == name).collect();
        let Some(first) = named.first() else { return Err(unknown(name)) };
        let Some(stream) = self.stream else { return Ok(first) };
        named.iter().copied().find(|query| query.stream == Some(stream)).ok_or_else(|| {
            let streams: Vec<&str> = named.iter().filter_map(|query| Some(query.stream?.name())).collect();
            let allowed = match &streams[..] {
                [] => format!("nothing: {name} is about all streams together"),
                streams => format!("{} (the streams of {name})", streams.join(", ")),
            };
            Error::config("--stream", stream.name(), allowed)
        })
    }
}

/// The error for a name that no query has, with the one that was perhaps meant.
fn unknown(name: &str) -> Error {
    let likeness = |query: &&Query| strsim::jaro_winkler(query.name, name);
    let best = CATALOGUE.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let guess = best.filter(|best| likeness(best) >= LIKENESS_MIN);
    let guess = guess.map(|best| format!("did you mean {}? ", best.name)).unwrap_or_default();
    let mut names: Vec<&str> = CATALOGUE.iter().map(|query| query.name).collect();
    names.dedup();
    Error::config("NAME", name, format!("{guess}There are {}; see turnpike query --list", names.join(", ")))
}

/// All queries as a table.
fn list() -> String {
    let mut table = table(&["query", "stream", "times", "rows", "what it answers"], &["rows"]);
    for query in CATALOGUE {
        let argument = query.argument.map(|kind| format!(" {}", kind.name())).unwrap_or_default();
        let times = match query.scope {
            Scope::All => "all",
            Scope::LastHour => "last hour",
        };
        table.add_row(row([
            format!("{}{argument}", query.name),
            query.stream.map_or("all", Stream::name).to_owned(),
            times.to_owned(),
            query.rows.map_or_else(|| "all".to_owned(), |rows| rows.to_string()),
            query.answers.to_owned(),
        ]));
    }
    table.to_string()
}

#[cfg(test)]
mod tests;
