//! The streams with their tables, and who makes, carries and stores their records.

/// Who stores rows and dead letters.
pub(super) const WRITER: &str = "mariadb-writer";
/// Who judges records.
pub(super) const VALIDATOR: &str = "validator";

/// A stream of records.
#[derive(Debug)]
pub(super) struct Stream {
    /// Where its records arrive.
    pub(super) topic: &'static str,
    /// Who makes them.
    pub(super) generator: &'static str,
    /// Where they are stored.
    pub(super) tables: &'static [Table],
}

/// A table with the connector that fills it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Its name, with that of its database.
    pub(super) name: &'static str,
    /// The connector, as the ledger names it.
    pub(super) connector: &'static str,
    /// Which records become rows.
    pub(super) takes: Takes,
    /// Whether rows have an `id` that grows; where they have none, only counting tells how many came.
    pub(super) has_id: bool,
}

/// Which records become rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// All.
    All,
    /// Those that a filter lets through: perhaps none for a while.
    Some,
}

const fn table(name: &'static str, connector: &'static str) -> Table {
    Table { name, connector, takes: Takes::All, has_id: true }
}

/// All streams.
pub(super) const STREAMS: [Stream; 3] = [
    Stream {
        topic: "toll",
        generator: "toll-generator",
        tables: &[
            table("traffic_db.toll_passages", "toll-passages"),
            Table { has_id: false, ..table("tolldata.livetolldata", "live-toll-data") },
        ],
    },
    Stream {
        topic: "traffic.events",
        generator: "traffic-generator",
        tables: &[table("traffic_db.traffic_events", "traffic-events")],
    },
    Stream {
        topic: "weather_data",
        generator: "weather-generator",
        tables: &[
            table("weather_db.readings", READINGS),
            Table { takes: Takes::Some, ..table("weather_db.warning_temperatures", WARNINGS) },
        ],
    },
];

/// Stores all readings.
pub(super) const READINGS: &str = "weather-readings";
/// Stores those above 30 °C.
pub(super) const WARNINGS: &str = "warning-temperatures";

/// Where records are stored that were set aside, of whatever stream.
pub(super) const DEAD_LETTERS: Table = table("turnpike.dead_letters", "dead-letters");

/// All tables, in the order in which they are shown.
pub(super) fn tables() -> impl Iterator<Item = &'static Table> {
    const { &STREAMS }.iter().flat_map(|stream| stream.tables).chain(std::iter::once(const { &DEAD_LETTERS }))
}
