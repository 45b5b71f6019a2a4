//! Rows without Kafka: the tables of the bench, and how fast MariaDB takes the same rows from a file or from memory.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
};

use chrono::DateTime;
use events::{Decimal, TollPassage};
use local_stack::User;
use service::{Error, clock};
use sqlx::{
    Arguments as _, AssertSqlSafe, ConnectOptions as _, MySqlConnection,
    mysql::{MySqlArguments, MySqlConnectOptions},
};
use tokio::runtime;

use crate::{passages::Passages, setting::Setting};

/// The writer's table of the bench: eight columns and one key.
pub(crate) const PASSAGES: Table = Table {
    name: "bench.toll_passages",
    columns: "event_id,vehicle_id,vehicle_type,toll_plaza_id,lane,amount,currency,occurred_at",
    definition: PASSAGES_DEFINITION,
};
/// The same again, for many rows.
pub(crate) const GROWN: Table = Table { name: "bench.grown", ..PASSAGES };
/// The same again, for what others are filled from.
pub(crate) const FIRST: Table = Table { name: "bench.first", ..PASSAGES };
/// The table that ships, with all of its indexes.
pub(crate) const SHIPPED: Table = Table {
    name: "traffic_db.toll_passages",
    columns: "event_id,vehicle_id,transponder_id,vehicle_type,toll_plaza_id,lane,amount,currency,occurred_at",
    definition: "",
};
/// Records of any size.
pub(crate) const PAYLOADS: Table = Table {
    name: "bench.payloads",
    columns: "event_id,payload",
    definition: "
  event_id CHAR(36)       CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  payload  VARCHAR(16000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
};

const PASSAGES_DEFINITION: &str = "
  event_id      CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  vehicle_id    CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  vehicle_type  VARCHAR(20)   NOT NULL,
  toll_plaza_id SMALLINT      NOT NULL,
  lane          TINYINT       NULL,
  amount        DECIMAL(10,2) NULL,
  currency      CHAR(3)       CHARACTER SET ascii COLLATE ascii_bin NULL,
  occurred_at   DATETIME(3)   NOT NULL";

/// Rows of a statement and of a transaction that MariaDB takes fastest from memory.
const ROWS_A_STATEMENT: usize = 500;
const ROWS_A_TRANSACTION: usize = 5_000;

/// A table and what is written to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// Database and table.
    pub(crate) name: &'static str,
    /// The columns that are written, in their order.
    pub(crate) columns: &'static str,
    /// What stands between the parentheses of CREATE TABLE; empty if it is there already.
    pub(crate) definition: &'static str,
}

impl Table {
    /// Makes sure that the table is there and empty, and that the writer may use it.
    pub(crate) fn clear(&self, setting: &Setting) -> Result<(), Error> {
        let Self { name, definition, .. } = self;
        let create = if definition.is_empty() {
            String::new()
        } else {
            let user = User::Writer.name();
            format!(
                "CREATE DATABASE IF NOT EXISTS bench CHARACTER SET utf8mb4;
                 GRANT SELECT, INSERT, UPDATE ON bench.* TO {user}@'%';
                 CREATE TABLE IF NOT EXISTS {name} ({definition});"
            )
        };
        setting.sql(&format!("{create} TRUNCATE TABLE {name}")).map(|_| ())
    }

    /// Gives the table's space back.
    pub(crate) fn drop(&self, setting: &Setting) -> Result<(), Error> {
        setting.sql(&format!("DROP TABLE IF EXISTS {}", self.name)).map(|_| ())
    }

    /// Fails unless the table has so many rows.
    pub(crate) fn expect_rows(&self, setting: &Setting, rows: u64) -> Result<(), Error> {
        let found = setting.number(&format!("SELECT COUNT(*) FROM {}", self.name))?;
        if found == rows {
            return Ok(());
        }
        Err(Error::failed(format!("{} has {found} rows instead of {rows}", self.name)))
    }

    /// Writes (once) the rows of a topic of passages as files for LOAD DATA, each with its part of them.
    pub(crate) fn files(&self, setting: &Setting, rows: u64, files: u64) -> Result<Vec<PathBuf>, Error> {
        let has_transponder = self.columns.contains("transponder_id");
        let mut passages = Passages::new(rows, setting.newest_ms);
        let mut paths = Vec::new();
        for number in 0..files {
            let path = setting.path(&format!("{}-{rows}-{number}-of-{files}.csv", self.name));
            let of_file = rows * (number + 1) / files - rows * number / files;
            let part = passages.by_ref().take(of_file as usize);
            write_file(&path, part.map(|passage| csv(&passage, has_transponder)))?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// Rows a second of LOAD DATA LOCAL INFILE by MariaDB's own client: a session and a transaction for each file, all at
    /// the same time; from the first statement to the last commit.
    pub(crate) fn load(&self, setting: &Setting, files: &[PathBuf]) -> Result<f64, Error> {
        let loaded = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let sessions = files.iter().map(|file| scope.spawn(|| self.load_file(setting, file)));
            let sessions: Vec<_> = sessions.collect();
            for session in sessions {
                let of_file = session.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                loaded.lock().map_err(|_| Error::failed("a session panicked"))?.push(of_file?);
            }
            Ok::<_, Error>(())
        })?;
        let loaded = loaded.into_inner().map_err(Error::failed)?;
        let rows: f64 = loaded.iter().map(|[rows, _, _]| rows).sum();
        let began = loaded.iter().map(|[_, began, _]| *began).fold(f64::INFINITY, f64::min);
        let ended = loaded.iter().map(|[_, _, ended]| *ended).fold(0.0, f64::max);
        self.expect_rows(setting, rows as u64)?;
        Ok(rows / (ended - began))
    }

    /// How many rows a file was, and when its statement began and ended, by the server's clock.
    fn load_file(&self, setting: &Setting, file: &Path) -> Result<[f64; 3], Error> {
        let Self { name, columns, .. } = self;
        let file = file.display();
        let statements = format!(
            "SET @began = UNIX_TIMESTAMP(SYSDATE(6));
             LOAD DATA LOCAL INFILE '{file}' INTO TABLE {name} CHARACTER SET binary FIELDS TERMINATED BY ',' ({columns});
             SET @rows = ROW_COUNT(), @warnings = @@warning_count;
             SELECT @rows, @began, UNIX_TIMESTAMP(SYSDATE(6)), @warnings"
        );
        let mariadb = &setting.stack.mariadb;
        let output = Command::new("mariadb")
            .args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--batch", "--skip-column-names"])
            .args(["--local-infile=1", &format!("--port={}", mariadb.port()), "--execute", &statements])
            .env("MYSQL_PWD", mariadb.password(User::Administrator))
            .output()
            .map_err(Error::failed)?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = answer.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [rows, began, ended, 0.0] if output.status.success() => Ok([rows, began, ended]),
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(Error::failed(format!("LOAD DATA of {file} failed: {answer} {said}")))
            }
        }
    }
}

/// Writes a file (once) of these lines.
pub(crate) fn write_file(path: &Path, lines: impl Iterator<Item = String>) -> Result<(), Error> {
    if path.exists() {
        // What belongs to the files that come next is left out all the same.
        lines.for_each(drop);
        return Ok(());
    }
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(Error::failed)?);
    for line in lines {
        file.write_all(line.as_bytes()).map_err(Error::failed)?;
    }
    file.flush().map_err(Error::failed)
}

/// A passage as LOAD DATA reads it.
fn csv(passage: &TollPassage, has_transponder: bool) -> String {
    let TollPassage { event_id, vehicle_id, vehicle_type, toll_plaza_id, .. } = passage;
    let transponder = if has_transponder { or_null(passage.transponder_id) + "," } else { String::new() };
    let (lane, amount) = (or_null(passage.lane), or_null(amount(passage)));
    let currency = or_null(passage.currency.as_deref());
    let time = DateTime::from_timestamp_millis(passage.occurred_at_ms).unwrap_or_default();
    let time = time.format("%Y-%m-%d %H:%M:%S%.3f");
    format!(
        "{event_id},{vehicle_id},{transponder}{vehicle_type},{toll_plaza_id},{lane},{amount},{currency},{time}\n"
    )
}

fn or_null(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "\\N".to_owned(), |value| value.to_string())
}

fn amount(passage: &TollPassage) -> Option<String> {
    let cents = passage.amount_cents?.to_be_bytes();
    Decimal::from_bytes(&cents, 2).map(|amount| amount.to_string())
}

/// Rows a second of multi-row INSERTs from memory, over one connection of the writer's own database client.
pub(crate) fn insert(setting: &Setting, table: &Table, rows: &[TollPassage]) -> Result<f64, Error> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::failed)?;
    let url = setting.stack.mariadb.url(User::Administrator);
    let options: MySqlConnectOptions = url.parse().map_err(Error::failed)?;
    // All of it, before the clock starts.
    let transactions =
        rows.chunks(ROWS_A_TRANSACTION).map(|rows| statements(table, rows)).collect::<Result<Vec<_>, _>>()?;
    runtime.block_on(async {
        let mut connection = options.connect().await.map_err(Error::failed)?;
        let began = clock::instant();
        for transaction in transactions {
            begin_or_commit(&mut connection, "BEGIN").await?;
            for (statement, arguments) in transaction {
                let query = sqlx::query_with(AssertSqlSafe(statement), arguments);
                query.execute(&mut connection).await.map_err(Error::failed)?;
            }
            begin_or_commit(&mut connection, "COMMIT").await?;
        }
        Ok(rows.len() as f64 / began.elapsed().as_secs_f64())
    })
}

async fn begin_or_commit(connection: &mut MySqlConnection, words: &'static str) -> Result<(), Error> {
    sqlx::raw_sql(words).execute(connection).await.map(|_| ()).map_err(Error::failed)
}

/// The statements of a transaction, with what is bound to each.
fn statements(table: &Table, rows: &[TollPassage]) -> Result<Vec<(String, MySqlArguments)>, Error> {
    let of_rows = |rows: &[TollPassage]| Ok((statement(table, rows.len()), arguments(rows)?));
    rows.chunks(ROWS_A_STATEMENT).map(of_rows).collect()
}

fn statement(table: &Table, rows: usize) -> String {
    let Table { name, columns, .. } = table;
    let marks = vec!["?"; columns.split(',').count()].join(",");
    let rows = vec![format!("({marks})"); rows].join(",");
    format!("INSERT INTO {name} ({columns}) VALUES {rows}")
}

fn arguments(rows: &[TollPassage]) -> Result<MySqlArguments, Error> {
    let mut arguments = MySqlArguments::default();
    arguments.reserve(rows.len() * 8, rows.len() * 128);
    for row in rows {
        let time = DateTime::from_timestamp_millis(row.occurred_at_ms).unwrap_or_default().naive_utc();
        arguments
            .add(row.event_id.to_string())
            .and_then(|()| arguments.add(row.vehicle_id.to_string()))
            .and_then(|()| arguments.add(&*row.vehicle_type))
            .and_then(|()| arguments.add(row.toll_plaza_id))
            .and_then(|()| arguments.add(row.lane))
            .and_then(|()| arguments.add(amount(row)))
            .and_then(|()| arguments.add(row.currency.as_deref()))
            .and_then(|()| arguments.add(time))
            .map_err(Error::failed)?;
    }
    Ok(arguments)
}
