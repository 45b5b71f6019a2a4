//! The queries by name: what each answers, and its SQL. `init.sql` has most aggregates as views, for the mysql client.
//!
//! In a text, `{window}` stands for the condition on time, `{key}` for that on the argument, `{table}`, `{time}` and
//! `{columns}` for what the table has, `{index}` for the index that must be read. A LIMIT is added where there is one. Every query reads an index: `cargo run --release -p
//! bench -- queries` shows which, on 10 million rows.

use super::argument::Kind;

/// A query with a name.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// What it is called; queries of different streams may share a name.
    pub name: &'static str,
    /// The stream that it is about; `None` for all of them together.
    pub stream: Option<Stream>,
    /// What it answers, in a few words.
    pub answers: &'static str,
    /// What it has to be told, if anything.
    pub argument: Option<Kind>,
    /// Where its rows are.
    pub table: &'static Table,
    /// Which times it looks at where nobody says.
    pub scope: Scope,
    /// How many rows it gives where nobody says.
    pub rows: Option<u32>,
    /// Which events alone it looks at, whatever the times.
    pub among: Option<&'static str>,
    sql: &'static str,
}

/// A stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stream {
    /// Toll passages
    Toll,
    /// Jams, accidents and cameras
    Traffic,
    /// Weather readings
    Weather,
}

/// Which times a query looks at where nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All there are.
    All,
    /// The last hour before the newest event.
    LastHour,
}

/// A table, and what of it queries need.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    name: &'static str,
    /// The column with the time of a row's event.
    time: &'static str,
    /// What a list of rows shows.
    columns: &'static str,
    /// Where the time of the newest event is found.
    newest: Newest,
}

/// Where the time of a table's newest event is found.
#[derive(Debug, PartialEq, Eq)]
enum Newest {
    /// In the table itself, whose rows carry flags that tell implausible times.
    Flags,
    /// In another table, whose rows carry flags, since those of this one do not.
    In(&'static Table),
    /// It is the highest: these times are Turnpike's own.
    Highest,
}

const PASSAGES: Table = Table {
    name: "traffic_db.toll_passages",
    time: "occurred_at",
    columns:
        "id, occurred_at, toll_plaza_id, vehicle_type, lane, amount, currency, transponder_id, vehicle_id,
       flags, dialect, event_id",
    newest: Newest::Flags,
};

const EVENTS: Table = Table {
    name: "traffic_db.traffic_events",
    time: "occurred_at",
    columns: "id, occurred_at, event_type, city, road, severity, avg_speed_kmh, length_m, lanes_blocked,
       injuries_reported, speed_limit_kmh, direction, active, latitude, longitude, flags, dialect, event_id",
    newest: Newest::Flags,
};

const READINGS: Table = Table {
    name: "weather_db.readings",
    time: "observed_at",
    columns:
        "id, observed_at, sensor_id, city, temperature_c, humidity_pct, wind_speed_mps, surface_temperature_c,
       flags, dialect, event_id",
    newest: Newest::Flags,
};

const WARNINGS: Table = Table {
    name: "weather_db.warning_temperatures",
    time: "timestamp",
    columns: "id, timestamp, sensor_id, temperature",
    newest: Newest::In(&READINGS),
};

const LIVE: Table = Table {
    name: "tolldata.livetolldata",
    time: "timestamp",
    columns: "timestamp, vehicle_id, vehicle_type, toll_plaza_id",
    newest: Newest::In(&PASSAGES),
};

const DEAD_LETTERS: Table = Table {
    name: "turnpike.dead_letters",
    time: "failed_at",
    columns: "reason, topic, connector",
    newest: Newest::Highest,
};

/// What was stored last; within times, what happened last. The rest of these is said by each query.
const NEWEST: Query = Query {
    name: "newest",
    stream: None,
    answers: "what was stored last; with times, the newest of these",
    argument: None,
    table: &PASSAGES,
    scope: Scope::All,
    rows: Some(10),
    among: None,
    sql: "SELECT {columns}
FROM {table}
WHERE {window}
ORDER BY {newest} DESC",
};

/// The newest rows with one thing in common. The index is told, since MariaDB else takes only the thing from it and reads all its
/// rows that are newer than the window, from the newest on.
const BY: Query = Query {
    sql: "SELECT {columns}
FROM {table}{index}
WHERE {key} AND {window}
ORDER BY {time} DESC",
    ..NEWEST
};

/// One row about a stream. Only the count needs a window: the first and the last time are the ends of an index.
const SPAN: Query = Query {
    name: "span",
    answers: "how many events in the window; the first and the last of all times, and the seconds between",
    scope: Scope::LastHour,
    rows: None,
    sql: "SELECT (SELECT COUNT(*)
        FROM {table}
        WHERE {window}
       ) AS events_in_window,
       MIN({time}) AS first_of_all_times, MAX({time}) AS last_of_all_times,
       ROUND(TIMESTAMPDIFF(MICROSECOND, MIN({time}), MAX({time})) / 1000000, 3) AS seconds_between
FROM {table}",
    ..NEWEST
};

/// A row for each set of flags. By the order of storing: what is flagged for its time is in no window of times.
const FLAGGED: Query = Query {
    name: "flagged",
    answers: "which rules the newest 20,000 stored events fail that only flag, and how often",
    among: Some("the newest 20,000 stored"),
    scope: Scope::All,
    sql: "SELECT flags, COUNT(*) AS events, MIN({time}) AS first_event, MAX({time}) AS last_event
FROM (SELECT flags, {time} FROM {table} ORDER BY id DESC LIMIT 20000) AS newest_rows
WHERE flags IS NOT NULL AND {window}
GROUP BY flags
ORDER BY events DESC, flags",
    ..SPAN
};

/// What counts passages.
const TOLL: Query = Query { stream: Some(Stream::Toll), ..SPAN };

const TRAFFIC: Option<Stream> = Some(Stream::Traffic);
const WEATHER: Option<Stream> = Some(Stream::Weather);

/// All queries, in the order in which they are listed.
pub const CATALOGUE: &[Query] = &[
    Query { stream: Some(Stream::Toll), ..NEWEST },
    Query { stream: TRAFFIC, table: &EVENTS, ..NEWEST },
    Query { stream: WEATHER, table: &READINGS, ..NEWEST },
    Query {
        name: "by-vehicle",
        stream: Some(Stream::Toll),
        answers: "the passages of one vehicle, newest first",
        argument: Some(Kind::Vehicle),
        ..BY
    },
    Query {
        name: "by-plaza",
        stream: Some(Stream::Toll),
        answers: "the passages at one plaza, newest first",
        argument: Some(Kind::Plaza),
        ..BY
    },
    Query {
        name: "by-type",
        stream: Some(Stream::Toll),
        answers: "the passages of one type of vehicle, newest first",
        argument: Some(Kind::VehicleType),
        ..BY
    },
    Query {
        name: "by-type",
        stream: TRAFFIC,
        answers: "the events of one type, newest first",
        argument: Some(Kind::EventType),
        table: &EVENTS,
        ..BY
    },
    Query {
        name: "by-road",
        stream: TRAFFIC,
        answers: "the events on one road, newest first",
        argument: Some(Kind::Road),
        table: &EVENTS,
        ..BY
    },
    Query {
        name: "by-sensor",
        stream: WEATHER,
        answers: "the readings of one sensor, newest first",
        argument: Some(Kind::Sensor),
        table: &READINGS,
        ..BY
    },
    Query {
        name: "vehicles-per-plaza",
        answers: "how many vehicles passed each plaza",
        sql: "SELECT toll_plaza_id, COUNT(*) AS vehicles
FROM {table}
WHERE {window}
GROUP BY toll_plaza_id
ORDER BY vehicles DESC, toll_plaza_id",
        ..TOLL
    },
    Query {
        name: "vehicles-per-minute",
        answers: "the busiest minutes of single plazas",
        rows: Some(10),
        sql: "SELECT toll_plaza_id, CAST({time} AS DATETIME) - INTERVAL SECOND({time}) SECOND AS minute,
       COUNT(*) AS vehicles
FROM {table}
WHERE {window}
GROUP BY toll_plaza_id, minute
ORDER BY vehicles DESC, minute, toll_plaza_id",
        ..TOLL
    },
    Query {
        name: "type-mix",
        answers: "how many vehicles of each type, and their share",
        sql: "SELECT vehicle_type, COUNT(*) AS vehicles, ROUND(100 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent
FROM {table}
WHERE {window}
GROUP BY vehicle_type
ORDER BY vehicles DESC, vehicle_type",
        ..TOLL
    },
    Query {
        name: "truck-share",
        answers: "the share of trucks among the vehicles of each plaza",
        sql: "SELECT toll_plaza_id, COUNT(*) AS vehicles, SUM(vehicle_type = 'truck') AS trucks,
       ROUND(100 * AVG(vehicle_type = 'truck'), 1) AS percent
FROM {table}
WHERE {window}
GROUP BY toll_plaza_id
ORDER BY percent DESC, toll_plaza_id",
        ..TOLL
    },
    Query { stream: Some(Stream::Toll), ..SPAN },
    Query { stream: TRAFFIC, table: &EVENTS, ..SPAN },
    Query { stream: WEATHER, table: &READINGS, ..SPAN },
    Query {
        name: "duplicates",
        answers: "the rows that stand more than once in livetolldata, which has no key to refuse them",
        table: &LIVE,
        sql: "SELECT {columns}, COUNT(*) AS times
FROM {table}
JOIN (SELECT timestamp, vehicle_id, toll_plaza_id
      FROM {table}
      WHERE {window}
      GROUP BY timestamp, vehicle_id, toll_plaza_id
      HAVING COUNT(*) > 1) AS repeated USING (timestamp, vehicle_id, toll_plaza_id)
GROUP BY {columns}
HAVING times > 1",
        ..TOLL
    },
    Query {
        name: "jams-by-road",
        stream: TRAFFIC,
        answers: "how many jams each road had, how slow and how long",
        table: &EVENTS,
        sql: "SELECT road, COUNT(*) AS jams, SUM(severity = 'HIGH') AS high, SUM(severity = 'MEDIUM') AS medium,
       SUM(severity = 'LOW') AS low, ROUND(AVG(avg_speed_kmh), 1) AS mean_speed_kmh,
       MAX(length_m) AS longest_m, MAX({time}) AS last_event
FROM {table}
WHERE event_type = 'TRAFFIC_JAM' AND {window}
GROUP BY road
ORDER BY jams DESC, road",
        ..SPAN
    },
    Query {
        name: "alerts",
        stream: WEATHER,
        answers: "the readings above 30 degrees, with the city of their sensor, newest first",
        table: &WARNINGS,
        sql: "SELECT {columns},
       (SELECT city FROM weather_db.readings WHERE readings.sensor_id = warning.sensor_id
        ORDER BY observed_at DESC LIMIT 1) AS city
FROM {table} AS warning
WHERE {window}
ORDER BY {time} DESC",
        ..NEWEST
    },
    Query { stream: Some(Stream::Toll), ..FLAGGED },
    Query { stream: TRAFFIC, table: &EVENTS, ..FLAGGED },
    Query { stream: WEATHER, table: &READINGS, ..FLAGGED },
    Query {
        name: "dead-letters",
        answers: "why records were set aside, where, and how often",
        table: &DEAD_LETTERS,
        sql: "SELECT {columns}, COUNT(*) AS letters, MIN({time}) AS first_failed_at, MAX({time}) AS last_failed_at
FROM {table}
WHERE {window}
GROUP BY {columns}
ORDER BY letters DESC, reason, topic, connector",
        ..SPAN
    },
];

/// Among so many rows, the newest by time and as many of those stored last, one is looked for whose time is not flagged.
const NEWEST_ROWS: u32 = 1_000;

impl Query {
    /// The statement, with the conditions on its argument and on time.
    pub(super) fn statement(&self, key: &str, window: &str, rows: Option<u32>) -> String {
        let Table { name, time, columns, .. } = self.table;
        // What was stored last has the highest id.
        let newest = if window.is_empty() { "id" } else { time };
        let mut text = self.sql.to_owned();
        if window.is_empty() {
            text = text.replace(" AND {window}", "");
            let lines = text.lines().filter(|line| line.trim() != "WHERE {window}");
            text = lines.collect::<Vec<_>>().join("\n");
        }
        let index = self.argument.and_then(Kind::index);
        let index = index.map(|index| format!(" FORCE INDEX ({index})")).unwrap_or_default();
        let fillings = [
            ("{index}", index.as_str()),
            ("{columns}", *columns),
            ("{table}", *name),
            ("{time}", *time),
            ("{newest}", newest),
            ("{window}", window),
            // Last, since it may hold any text.
            ("{key}", key),
        ];
        for (place, filling) in fillings {
            text = text.replace(place, filling);
        }
        match rows {
            Some(rows) => format!("{text}\nLIMIT {rows}"),
            None => text,
        }
    }
}

impl Table {
    /// The condition that an event is not before `from`, and before `to`; empty without either.
    pub(super) fn between(&self, from: Option<&str>, to: Option<&str>) -> String {
        let time = self.time;
        let from = from.map(|from| format!("{time} >= '{from}'"));
        let to = to.map(|to| format!("{time} < '{to}'"));
        from.into_iter().chain(to).collect::<Vec<_>>().join(" AND ")
    }

    /// Asks for the time of the newest event: of those whose own time is not flagged as implausible. A source whose clock runs ahead
    /// can fill the newest rows by time, and old events that come late those stored last, so it looks at both. Where all are flagged,
    /// as in a replay of what is long past, what was stored last counts.
    ///
    /// `init.sql` has the same as `traffic_db.newest_passage` and `newest_traffic_event`.
    pub(super) fn newest(&self) -> String {
        let Self { name, time, newest, .. } = self;
        match newest {
            Newest::Highest => format!("SELECT MAX({time}) AS newest\nFROM {name}"),
            // The other table is empty where only this one is written.
            Newest::In(other) => {
                format!("SELECT COALESCE((\n{}\n), MAX({time})) AS newest\nFROM {name}", other.newest())
            }
            Newest::Flags => format!(
                "SELECT COALESCE(MAX(plausible), MAX(stored)) AS newest
FROM ((SELECT IF(flags LIKE '%IMPLAUSIBLE_TIME%', NULL, {time}) AS plausible, NULL AS stored
       FROM {name} ORDER BY {time} DESC LIMIT {NEWEST_ROWS})
      UNION ALL
      (SELECT IF(flags LIKE '%IMPLAUSIBLE_TIME%', NULL, {time}), {time}
       FROM {name} ORDER BY id DESC LIMIT {NEWEST_ROWS})) AS newest_rows"
            ),
        }
    }
}

impl Stream {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toll => "toll",
            Self::Traffic => "traffic",
            Self::Weather => "weather",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, EVENTS, PASSAGES};

    /// Views find the newest event as queries do.
    #[test]
    fn views_have_the_same_newest_time() {
        let init = include_str!("../../../../init.sql");
        for (view, table) in [("newest_passage", PASSAGES), ("newest_traffic_event", EVENTS)] {
            let view = format!("VIEW traffic_db.{view} AS\nSELECT (\n{}\n) AS newest;", table.newest());
            assert!(init.contains(&view), "init.sql has not {view}");
        }
    }

    /// A name and a stream tell a query; every placeholder is filled, with times and without.
    #[test]
    fn the_catalogue_is_consistent() {
        for (index, query) in CATALOGUE.iter().enumerate() {
            let first =
                CATALOGUE.iter().position(|other| (other.name, other.stream) == (query.name, query.stream));
            assert_eq!(first, Some(index), "{}", query.name);
            assert_eq!(query.sql.contains("{key}"), query.argument.is_some(), "{}", query.name);
            for window in ["", "occurred_at < '2026-10-02'"] {
                let statement = query.statement("road = '{window}'", window, Some(3));
                assert_eq!(statement.contains("2026-10-02"), !window.is_empty(), "{statement}");
                assert!(!statement.replace("'{window}'", "").contains('{'), "{statement}");
                assert!(statement.ends_with("\nLIMIT 3"), "{statement}");
            }
        }
    }
}
