//! The writer: how fast a full topic becomes rows, beside MariaDB alone with the same rows.

mod growth;
mod sizes;

use std::{fs, thread, time::Duration};

use events::TollPassage;
use serde_json::{Value, json};
use service::{Error, clock};

use super::Item;
use crate::{
    pairs::{cpu_figure, pairs, runs},
    passages::Passages,
    progress,
    report::Figure,
    rows::{self, PASSAGES, SHIPPED, Table},
    setting::Setting,
    watch::{Seen, cpu_seconds_of, last_words, watch},
};

/// What is measured here.
pub(super) const ITEMS: &[Item] = &[
    Item { names: &["writer.append", "writer.append_cpu"], seconds: [75, 25], run: append },
    Item { names: &["writer.append_vs_insert"], seconds: [45, 19], run: append_vs_insert },
    Item { names: &["writer.append_4"], seconds: [68, 18], run: append_4 },
    Item { names: &["writer.upsert"], seconds: [64, 16], run: upsert },
    Item { names: &["writer.upsert_4"], seconds: [42, 0], run: upsert_4 },
    Item { names: &["writer.append_shipped"], seconds: [65, 20], run: append_shipped },
    Item { names: &["writer.start_to_first_row_ms"], seconds: [12, 6], run: start_to_first_row },
    Item {
        names: &["writer.partitions_1", "writer.partitions_2", "writer.partitions_4"],
        seconds: [90, 0],
        run: partitions,
    },
    Item {
        names: &["writer.size_100_b", "writer.size_1_kb", "writer.size_10_kb"],
        seconds: [72, 0],
        run: sizes::sizes,
    },
    Item { names: &["writer.lag_5m"], seconds: [95, 0], run: lag },
    Item {
        names: &["writer.append_at_1m", "writer.append_at_10m", "writer.append_at_50m"],
        seconds: [350, 0],
        run: growth::growth,
    },
];

/// Records of a run.
const RECORDS: u64 = 1_000_000;
const RECORDS_QUICK: u64 = 300_000;
/// Records of a run into the table that ships: its seven indexes take their time.
const RECORDS_SHIPPED: u64 = 300_000;
const RECORDS_SHIPPED_QUICK: u64 = 100_000;
/// The backlog that is drained.
const LAG_RECORDS: u64 = 5_000_000;
/// Pairs, at most, of figures that are many or take long.
const PAIRS_FEW: u32 = 3;

/// A connector that updates the row of an event that is there already.
const UPSERT: [(&str, &str); 3] =
    [("insert.mode", "upsert"), ("pk.mode", "record_value"), ("pk.fields", "event_id")];

const UNIT: &str = "rows/s";
const LOAD_DATA: &str = "LOAD DATA LOCAL INFILE";
const INSERT: &str = "multi-row INSERT from memory";

/// A document beyond which nothing is tuned: every other setting is as it ships.
fn document(topic: &str, table: &Table, tasks: u32) -> Value {
    json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "tasks.max": tasks.to_string(),
        "topics": topic,
        "table.name.format": table.name,
        "insert.mode": "insert",
        "fields.whitelist": table.columns,
    })
}

/// Stores a topic into an emptied table, and makes sure that it has as many rows then, whatever the ledger says.
fn store_all(
    setting: &Setting,
    name: &str,
    config: &Value,
    table: &Table,
    records: u64,
) -> Result<Seen, Error> {
    table.clear(setting)?;
    let seen = store(setting, name, config, records)?;
    table.expect_rows(setting, records)?;
    Ok(seen)
}

/// Stores a topic by a writer that has never seen it, and makes sure that it counts every record as stored.
fn store(setting: &Setting, name: &str, config: &Value, records: u64) -> Result<Seen, Error> {
    let run = setting.fresh(name);
    let folder = setting.connector(&run, config)?;
    let process = setting.spawn("mariadb-writer", &run, &["--connectors", &folder])?;
    let seen = watch(&process, records, || setting.stored(&run))?;
    setting.end(&process)?;
    let stored = setting.number(&format!(
        "SELECT CAST(SUM(stored_count) AS SIGNED) FROM turnpike.ledger WHERE connector = '{run}'"
    ))?;
    if stored != records {
        return Err(Error::failed(format!("the writer stored {stored} of {records} records")));
    }
    Ok(seen)
}

/// A first run, which does not count: the first reader of all pays for what the broker and the database do once.
fn warm_up(setting: &Setting) -> Result<(), Error> {
    if setting.is_first("writer") {
        let topic = topic(setting, 1)?;
        let config = document(&topic, &PASSAGES, 1);
        store_all(setting, "warm-up", &config, &PASSAGES, records(setting))?;
        progress("  a first run, which does not count, is done");
    }
    Ok(())
}

/// Measures, and tells what the database itself has used for it, in processor seconds per million rows: where that is a core's whole time,
/// it is the limit.
fn telling<T>(
    setting: &Setting,
    what: &str,
    rows: u64,
    run: impl FnOnce() -> Result<T, Error>,
) -> Result<(T, f64), Error> {
    let used = || setting.stack.mariadb.pid().map_or(Ok(0.0), cpu_seconds_of);
    let before = used()?;
    let measured = run()?;
    let seconds = (used()? - before) / rows as f64 * 1e6;
    progress(format!("    {what}: MariaDB used {seconds:.2} processor s per million rows"));
    Ok((measured, seconds))
}

/// How many pairs a figure has that is one of many or takes long.
fn few_pairs(setting: &Setting) -> u32 {
    setting.pairs.min(PAIRS_FEW)
}

/// Records of a run of this setting.
fn records(setting: &Setting) -> u64 {
    if setting.quick { RECORDS_QUICK } else { RECORDS }
}

/// The topic of passages with so many partitions, made once.
fn topic(setting: &Setting, partitions: i32) -> Result<String, Error> {
    let topic = format!("bench.passages-{partitions}");
    setting.passages(&topic, partitions, records(setting))?;
    Ok(topic)
}

/// Appends a topic of so many partitions by so many tasks, beside as many sessions of LOAD DATA. The second figure is of processor time: the
/// writer's beside MariaDB's for LOAD DATA, since one machine takes twice as long as another for the same row.
fn beside_load(
    setting: &Setting,
    name: &str,
    partitions: i32,
    tasks: u32,
    mode: &[(&str, &str)],
    of: u32,
) -> Result<[Figure; 2], Error> {
    warm_up(setting)?;
    let (topic, records) = (topic(setting, partitions)?, records(setting));
    let (mut all_seen, mut all_used) = (Vec::new(), Vec::new());
    let files = PASSAGES.files(setting, records, u64::from(tasks))?;
    let mut config = document(&topic, &PASSAGES, tasks);
    for (key, value) in mode {
        config[*key] = json!(value);
    }
    let limit = match tasks {
        1 => LOAD_DATA.to_owned(),
        _ => format!("{LOAD_DATA}, {tasks} sessions"),
    };
    let ours = |_| {
        let seen = store_anew(setting, name, &config, records)?;
        all_seen.push(seen);
        Ok(seen)
    };
    let theirs = |_| {
        PASSAGES.clear(setting)?;
        let (speed, used) = telling(setting, &limit, records, || PASSAGES.load(setting, &files))?;
        all_used.push(used);
        Ok(speed)
    };
    let speed = pairs(name, UNIT, &limit, of, ours, theirs)?;
    let cpu = cpu_figure(&format!("{name}_cpu"), &format!("MariaDB's own for {limit}"), &all_seen, &all_used);
    Ok([speed, cpu])
}

/// Stores all records of a topic in the emptied table, which must then hold as many rows.
fn store_anew(setting: &Setting, name: &str, config: &Value, records: u64) -> Result<Seen, Error> {
    PASSAGES.clear(setting)?;
    let (seen, _) = telling(setting, name, records, || store(setting, name, config, records))?;
    PASSAGES.expect_rows(setting, records)?;
    Ok(seen)
}

fn append(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    figures.extend(beside_load(setting, "writer.append", 1, 1, &[], setting.pairs)?);
    Ok(())
}

fn append_4(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let [speed, _] = beside_load(setting, "writer.append_4", 4, 1, &[], setting.pairs)?;
    figures.push(speed);
    Ok(())
}

fn upsert(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let [speed, _] = beside_load(setting, "writer.upsert", 1, 1, &UPSERT, setting.pairs)?;
    figures.push(speed);
    Ok(())
}

fn upsert_4(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let pairs = setting.pairs.min(PAIRS_FEW);
    let [speed, _] = beside_load(setting, "writer.upsert_4", 4, 1, &UPSERT, pairs)?;
    figures.push(speed);
    Ok(())
}

fn partitions(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    for count in [1, 2, 4_u8] {
        let name = format!("writer.partitions_{count}");
        let [speed, _] = beside_load(setting, &name, count.into(), count.into(), &[], few_pairs(setting))?;
        figures.push(speed);
    }
    Ok(())
}

fn append_vs_insert(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    warm_up(setting)?;
    let (topic, records) = (topic(setting, 1)?, records(setting));
    let passages: Vec<TollPassage> = Passages::new(records, setting.newest_ms).collect();
    let config = document(&topic, &PASSAGES, 1);
    let name = "writer.append_vs_insert";
    let ours = |_| store_anew(setting, name, &config, records);
    let theirs = |_| {
        PASSAGES.clear(setting)?;
        let (speed, _) = telling(setting, INSERT, records, || rows::insert(setting, &PASSAGES, &passages))?;
        Ok(speed)
    };
    figures.push(pairs(name, UNIT, INSERT, few_pairs(setting), ours, theirs)?);
    Ok(())
}

/// The table that ships, by the document that ships.
fn append_shipped(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    warm_up(setting)?;
    let (topic, records) =
        ("bench.shipped", if setting.quick { RECORDS_SHIPPED_QUICK } else { RECORDS_SHIPPED });
    setting.passages(topic, 1, records)?;
    let shipped = fs::read_to_string("deploy/connectors/toll-passages.json").map_err(Error::failed)?;
    let mut config: Value = serde_json::from_str(&shipped).map_err(Error::failed)?;
    let mut config = config["config"].take();
    let letters = format!("{topic}.dlq");
    config["topics"] = json!(topic);
    config["errors.deadletterqueue.topic.name"] = json!(letters);
    setting.fill(&letters, 1, 0, |_| Ok(()))?;
    let files = SHIPPED.files(setting, records, 1)?;
    let name = "writer.append_shipped";
    let ours = |_| store_all(setting, name, &config, &SHIPPED, records);
    let theirs = |_| {
        SHIPPED.clear(setting)?;
        SHIPPED.load(setting, &files)
    };
    figures.push(pairs(name, UNIT, LOAD_DATA, few_pairs(setting), ours, theirs)?);
    Ok(())
}

/// From the start of the process to the moment at which somebody else sees a row.
fn start_to_first_row(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    const LOOK: Duration = Duration::from_millis(1);
    const WITHIN: Duration = Duration::from_mins(1);
    warm_up(setting)?;
    let config = document(&topic(setting, 1)?, &PASSAGES, 1);
    let name = "writer.start_to_first_row_ms";
    let measure = |_| {
        PASSAGES.clear(setting)?;
        let run = setting.fresh(name);
        let folder = setting.connector(&run, &config)?;
        let began = clock::instant();
        let process = setting.spawn("mariadb-writer", &run, &["--connectors", &folder])?;
        while setting.number(&format!("SELECT EXISTS (SELECT 1 FROM {})", PASSAGES.name))? == 0 {
            if began.elapsed() > WITHIN || !process.is_running() {
                return Err(Error::failed(format!("no row: {}", last_words(&process))));
            }
            thread::sleep(LOOK);
        }
        let milliseconds = began.elapsed().as_secs_f64() * 1e3;
        setting.end(&process)?;
        Ok(Seen { speed: milliseconds, cpu_s_per_million: 0.0, peak_rss_mib: 0.0 })
    };
    figures.push(runs(name, "ms", setting.pairs, measure)?);
    Ok(())
}

/// A backlog of five million records.
fn lag(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    warm_up(setting)?;
    let topic = "bench.passages-lag";
    let _passing = setting.passing([topic.to_owned()]);
    setting.passages(topic, 1, LAG_RECORDS)?;
    let config = document(topic, &PASSAGES, 1);
    let name = "writer.lag_5m";
    let measure = |_| store_all(setting, name, &config, &PASSAGES, LAG_RECORDS);
    figures.push(runs(name, UNIT, few_pairs(setting), measure)?);
    PASSAGES.clear(setting)
}
