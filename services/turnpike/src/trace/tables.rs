//! What MariaDB knows of a record: its rows, its dead letters, how far each connector has read.

use std::cell::RefCell;

use chrono::DateTime;
use serde::Serialize;
use serde_json::Value as Json;
use service::{Error, cause_chain};
use uuid::Uuid;

use super::name::Place;
use crate::{database::Database, shell::Shell, tail::Fields};

/// The longest text that a column which is searched by takes.
const TEXT_CHARACTERS_MAX: usize = 100;
/// Rows that are shown of one table.
const ROWS_MAX: u32 = 10;

/// The tables of one database, asked one question at a time; after an error it is not asked again.
#[derive(Debug)]
pub(crate) struct Tables<'o> {
    database: &'o Database,
    shell: &'o Shell,
    away: RefCell<Option<String>>,
}

/// A table that a connector of this project writes.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) connector: &'static str,
    /// The raw topic of its stream.
    raw: &'static str,
    pub(crate) table: &'static str,
    columns: &'static str,
    /// The condition by which the rows of an event are found.
    condition: fn(&Fields) -> Option<String>,
    /// Whether it leaves records out on purpose.
    pub(crate) has_filter: bool,
}

const SINKS: [Sink; 5] = [
    Sink {
        connector: "toll-passages",
        raw: "toll",
        table: "traffic_db.toll_passages",
        columns: "id, flags, dialect",
        condition: by_event_id,
        has_filter: false,
    },
    Sink {
        connector: "live-toll-data",
        raw: "toll",
        table: "tolldata.livetolldata",
        // The table has no key: all that can be told is how many rows look like this one.
        columns: "timestamp, vehicle_id, vehicle_type, toll_plaza_id",
        condition: |fields| {
            let time = whole_seconds(fields, "occurred_at")?;
            let transponder = number(fields, "transponder_id").unwrap_or_else(|| "NULL".to_owned());
            let (kind, plaza) = (text(fields, "vehicle_type")?, number(fields, "toll_plaza_id")?);
            Some(format!(
                "timestamp = {time} AND vehicle_id <=> {transponder} AND vehicle_type = {kind} AND toll_plaza_id = {plaza}"
            ))
        },
        has_filter: false,
    },
    Sink {
        connector: "traffic-events",
        raw: "traffic.events",
        table: "traffic_db.traffic_events",
        columns: "id, flags, dialect",
        condition: by_event_id,
        has_filter: false,
    },
    Sink {
        connector: "weather-readings",
        raw: "weather_data",
        table: "weather_db.readings",
        columns: "id, flags, dialect",
        condition: by_event_id,
        has_filter: false,
    },
    Sink {
        connector: "warning-temperatures",
        raw: "weather_data",
        table: "weather_db.warning_temperatures",
        columns: "id",
        condition: |fields| {
            let (time, sensor) = (whole_seconds(fields, "observed_at")?, number(fields, "sensor_id")?);
            let temperature = number(fields, "temperature_c")?;
            // The column is a FLOAT.
            Some(format!(
                "timestamp = {time} AND sensor_id = {sensor} AND ABS(temperature - {temperature}) < 0.001"
            ))
        },
        has_filter: true,
    },
];

/// A row, as columns and their values in the database's own text.
pub(crate) type Row = Vec<(&'static str, Option<String>)>;

/// How far a connector has read a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) connector: String,
    pub(crate) next_offset: i64,
}

/// A dead letter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LetterRow {
    pub(crate) id: String,
    pub(crate) connector: String,
    /// Where the letter stands.
    #[serde(skip)]
    pub(crate) place: Place,
}

/// An event that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// The raw topic of its stream.
    pub(crate) raw: &'static str,
    pub(crate) occurred_at_ms: i64,
}

/// The tables of events, with the raw topic and the column of their time.
const EVENTS: [(&str, &str, &str); 3] = [
    ("traffic_db.toll_passages", "toll", "occurred_at"),
    ("traffic_db.traffic_events", "traffic.events", "occurred_at"),
    ("weather_db.readings", "weather_data", "observed_at"),
];

impl<'o> Tables<'o> {
    /// Nothing is asked yet.
    pub(crate) fn new(database: &'o Database, shell: &'o Shell) -> Self {
        Self { database, shell, away: RefCell::default() }
    }

    /// Why nothing can be had of it, if that is so.
    pub(crate) fn away(&self) -> Option<String> {
        self.away.borrow().clone()
    }

    /// The stream and the time of a stored event.
    pub(crate) fn event(&self, id: &Uuid) -> Option<Event> {
        EVENTS.iter().find_map(|(table, raw, time)| {
            let millis = format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {time}) DIV 1000");
            let rows = self.ask(&format!("SELECT {millis} FROM {table} WHERE event_id = '{id}'"))?;
            let occurred_at_ms = rows.first()?.first()?.as_deref()?.parse().ok()?;
            Some(Event { raw, occurred_at_ms })
        })
    }

    /// The newest passages of a vehicle, by the ids of their events.
    pub(crate) fn passages(&self, vehicle: &str, last: u32) -> Option<Vec<String>> {
        let rows = self.ask(&format!(
            "SELECT event_id FROM traffic_db.toll_passages WHERE {vehicle} ORDER BY occurred_at DESC, id DESC LIMIT {last}"
        ))?;
        Some(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    /// The stored dead letters of a record.
    pub(crate) fn letters(&self, of: &Place) -> Vec<LetterRow> {
        let Place { topic, partition, offset } = of;
        let Some(topic) = quoted(topic) else { return Vec::new() };
        let rows = self.ask(&format!(
            "SELECT id, connector, dlq_topic, dlq_partition, dlq_offset FROM turnpike.dead_letters \
             WHERE topic = {topic} AND partition_number = {partition} AND record_offset = {offset} ORDER BY id"
        ));
        let read = |row: Vec<Option<String>>| {
            let [id, connector, topic, partition, offset] = <[_; 5]>::try_from(row).ok()?;
            let place =
                Place { topic: topic?, partition: partition?.parse().ok()?, offset: offset?.parse().ok()? };
            Some(LetterRow { id: id?, connector: connector?, place })
        };
        rows.into_iter().flatten().filter_map(read).collect()
    }

    /// How far each connector has read the partition of a place.
    pub(crate) fn ledger(&self, place: &Place) -> Vec<Entry> {
        let Some(topic) = quoted(&place.topic) else { return Vec::new() };
        let rows = self.ask(&format!(
            "SELECT connector, next_offset FROM turnpike.ledger WHERE topic = {topic} AND partition_number = {} ORDER BY connector",
            place.partition
        ));
        let read = |row: Vec<Option<String>>| {
            let [connector, next_offset] = <[_; 2]>::try_from(row).ok()?;
            Some(Entry { connector: connector?, next_offset: next_offset?.parse().ok()? })
        };
        rows.into_iter().flatten().filter_map(read).collect()
    }

    /// The rows that an event has, or seems to have, in a connector's table.
    pub(crate) fn rows(&self, sink: &Sink, fields: &Fields) -> Option<Vec<Row>> {
        let (columns, table, condition) = (sink.columns, sink.table, (sink.condition)(fields)?);
        let rows = self.ask(&format!("SELECT {columns} FROM {table} WHERE {condition} LIMIT {ROWS_MAX}"))?;
        Some(rows.into_iter().map(|row| columns.split(", ").zip(row).collect()).collect())
    }

    fn ask(&self, sql: &str) -> Option<Vec<Vec<Option<String>>>> {
        if self.away.borrow().is_some() {
            return None;
        }
        let answer = self.shell.wait(async {
            let mut session = self.database.connect().await?;
            let rows = session.all(sql).await?;
            session.close().await?;
            Ok::<_, Error>(rows)
        });
        answer.map_err(|error| self.away.replace(Some(cause_chain(&error)))).ok()
    }
}

/// The connectors that store a stream's records.
pub(crate) fn sinks(raw: &str) -> impl Iterator<Item = &'static Sink> {
    SINKS.iter().filter(move |sink| sink.raw == raw)
}

fn by_event_id(fields: &Fields) -> Option<String> {
    Some(format!("event_id = {}", text(fields, "event_id")?))
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    quoted(fields.get(name)?.as_str()?)
}

fn number(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).filter(|value| value.is_number()).map(Json::to_string)
}

/// A time without its fraction, which `DATETIME` cuts off.
fn whole_seconds(fields: &Fields, name: &str) -> Option<String> {
    let time = DateTime::parse_from_rfc3339(fields.get(name)?.as_str()?).ok()?;
    Some(format!("'{}'", time.to_utc().format("%Y-%m-%d %H:%M:%S")))
}

/// A text as SQL writes it. Quotes are doubled and so are backslashes, so it ends where it should whatever the server's mode.
fn quoted(text: &str) -> Option<String> {
    let is_text = text.chars().count() <= TEXT_CHARACTERS_MAX && !text.chars().any(char::is_control);
    is_text.then(|| format!("'{}'", text.replace('\\', r"\\").replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Fields, sinks};

    fn passage(transponder: serde_json::Value, kind: &str) -> Fields {
        Fields(vec![
            ("event_id".into(), json!("01a1fd58-65c4-7c33-92a7-3cb9d9a1a35e")),
            ("transponder_id".into(), transponder),
            ("vehicle_type".into(), json!(kind)),
            ("toll_plaza_id".into(), json!(4004)),
            ("occurred_at".into(), json!("2026-10-02T19:26:20.999Z")),
        ])
    }

    fn condition(connector: &str, fields: &Fields) -> Option<String> {
        let raws = ["toll", "traffic.events", "weather_data"];
        let sink = raws.into_iter().flat_map(sinks).find(|sink| sink.connector == connector);
        (sink.expect("a connector").condition)(fields)
    }

    /// A table with ids is asked by the event's; one without by all that it keeps, to the second, and null for null.
    #[test]
    fn rows_are_found_by_what_their_table_keeps() {
        assert_eq!(
            condition("toll-passages", &passage(json!(7), "car")).as_deref(),
            Some("event_id = '01a1fd58-65c4-7c33-92a7-3cb9d9a1a35e'")
        );
        for (transponder, written) in [(json!(7), "7"), (json!(null), "NULL")] {
            let expected = format!(
                "timestamp = '2026-10-02 19:26:20' AND vehicle_id <=> {written} AND vehicle_type = 'car' AND toll_plaza_id = 4004"
            );
            assert_eq!(condition("live-toll-data", &passage(transponder, "car")), Some(expected));
        }
        let reading = Fields(vec![
            ("sensor_id".into(), json!(7)),
            ("temperature_c".into(), json!(30.5)),
            ("observed_at".into(), json!("2026-10-02T19:26:20.000Z")),
        ]);
        let warning = condition("warning-temperatures", &reading).expect("all is there");
        assert!(warning.contains("sensor_id = 7") && warning.contains("- 30.5"), "{warning}");
        assert_eq!(condition("weather-readings", &reading), None);
    }

    /// What a sender wrote into a field cannot leave its quotes.
    #[test]
    fn foreign_text_stays_text() {
        let told = condition("live-toll-data", &passage(json!(7), r"x\' OR 1=1 -- ")).expect("a condition");
        assert!(told.contains(r"vehicle_type = 'x\\'' OR 1=1 -- '"), "{told}");
        assert_eq!(condition("live-toll-data", &passage(json!(7), "a\nb")), None);
        assert_eq!(condition("live-toll-data", &passage(json!(7), &"a".repeat(101))), None);
    }
}
