//! The end of a demo: the generators stop, everything drains, the ledger is shown, and all that ran is stopped.

use std::{process::ExitCode, time::Duration};

use service::{Error, cause_chain, clock};

use super::{Demo, crew::Crew, summary::VALIDATOR_GROUP};
use crate::{
    database::{Database, text},
    ledger::{Books, Detail, Sources, as_text, examine},
    output::{grouped, row, table},
    shell::Shell,
};

/// How often the books are read while draining.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Draining goes on for as long as the books change, and is given up after this long without a change: longer than it takes
/// to end the transaction of a validator that was killed (20 s), or to start a broker again.
const STANDSTILL_MAX: Duration = Duration::from_mins(1);
/// How long the books may take to come to rest after that.
const SETTLE: Duration = Duration::from_secs(5);

/// The first rows of each stream's table, as the pipelines that Turnpike comes from look at theirs.
const TABLES: [(&str, &[&str], &str); 4] = [
    (
        "select * from tolldata.livetolldata limit 3",
        &["timestamp", "vehicle_id", "vehicle_type", "toll_plaza_id"],
        "SELECT CAST(timestamp AS CHAR), CAST(vehicle_id AS CHAR), vehicle_type, CAST(toll_plaza_id AS CHAR) \
         FROM tolldata.livetolldata LIMIT 3",
    ),
    (
        "select * from traffic_db.toll_data order by id desc limit 3",
        &["id", "vehicle_id", "vehicle_type", "toll_plaza_id", "timestamp"],
        "SELECT CAST(id AS CHAR), CAST(vehicle_id AS CHAR), vehicle_type, toll_plaza_id, CAST(timestamp AS CHAR) \
         FROM traffic_db.toll_data ORDER BY id DESC LIMIT 3",
    ),
    (
        "select event_type, city, road, severity, occurred_at from traffic_db.traffic_events order by id desc limit 3",
        &["event_type", "city", "road", "severity", "occurred_at"],
        "SELECT event_type, city, road, COALESCE(severity, ''), CAST(occurred_at AS CHAR) \
         FROM traffic_db.traffic_events ORDER BY id DESC LIMIT 3",
    ),
    (
        "select * from weather_db.warning_temperatures order by id desc limit 3",
        &["id", "sensor_id", "temperature", "timestamp"],
        "SELECT CAST(id AS CHAR), CAST(sensor_id AS CHAR), CAST(temperature AS CHAR), CAST(timestamp AS CHAR) \
         FROM weather_db.warning_temperatures ORDER BY id DESC LIMIT 3",
    ),
];

impl Demo<'_> {
    /// Ends everything in the order in which records pass, and judges by the ledger.
    pub(super) fn end(mut self, shell: &mut Shell) -> Result<ExitCode, Error> {
        shell.output.keep_block();
        shell.output.say("stopping the generators")?;
        self.crew.stop_generators(shell)?;
        let Self { kafka, database, crew, traces, .. } = &mut self;
        let mut sources = Sources::new(kafka, database, VALIDATOR_GROUP)?;
        if !crew.has_failed() {
            drain(crew, &mut sources, shell)?;
        }
        shell.output.keep_block();
        let settle = if crew.has_failed() { Duration::ZERO } else { SETTLE };
        let (books, verdict) = examine(&mut sources, shell, settle)?;
        shell.output.say(as_text(&books, &verdict, Detail::Sums))?;
        for (query, columns, sql) in TABLES {
            shell.output.say(format!("{query}\n{}", first_rows(database, columns, sql, shell)?))?;
        }
        crew.stop_all(shell)?;
        if let Some(traces) = traces {
            traces.show(shell)?;
        }
        if verdict.is_balanced() && !verdict.is_settled() {
            shell.output.say("not proved: something was still in flight")?;
        }
        let is_proved = verdict.is_balanced() && verdict.is_settled() && !crew.has_failed();
        Ok(if is_proved { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Waits until nothing is in flight, nothing moves any more, a service fails, or the user has had enough.
fn drain(crew: &mut Crew<'_>, sources: &mut Sources<'_>, shell: &mut Shell) -> Result<(), Error> {
    let patience = STANDSTILL_MAX.as_secs();
    shell.output.say(format!("draining what is in flight; given up when nothing moves for {patience} s"))?;
    let mut last = Books::default();
    let mut moved = clock::instant();
    while !crew.has_failed() {
        crew.look(shell)?;
        let note = match sources.read(shell) {
            Ok(books) => {
                let verdict = books.verdict();
                if verdict.is_settled() {
                    return Ok(());
                }
                if books != last {
                    (last, moved) = (books, clock::instant());
                }
                format!("draining, {} in flight", grouped(verdict.in_flight_records()))
            }
            Err(error) => format!("draining; {}", cause_chain(&error)),
        };
        crew.draw(Some(note), shell)?;
        if moved.elapsed() > STANDSTILL_MAX {
            return shell.output.say(format!("nothing has moved for {patience} s"));
        }
        if shell.is_told_to_stop(LOOK_EVERY) {
            return shell.output.say("told again to stop: no more draining");
        }
    }
    Ok(())
}

fn first_rows(database: &Database, columns: &[&str], sql: &str, shell: &Shell) -> Result<String, Error> {
    let mut table = table(columns, &[]);
    for found in shell.wait(database.rows(sql))? {
        let cells = (0..columns.len()).map(|column| text(&found, column)).collect::<Result<Vec<_>, _>>()?;
        table.add_row(row(cells));
    }
    Ok(table.to_string())
}
