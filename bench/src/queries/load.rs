//! A database as the simulated world would fill it in a week, made by the database itself from numbers.
//!
//! Vehicles, plazas (by their lanes) and types (11 cars to 4 trucks to 2 vans) have the shares of the simulated world. A day
//! has a busy and a quiet half, and the week ends at the busiest moment, so that the last hour is the fullest of all.

use chrono::{DateTime, Duration, NaiveDateTime};
use local_stack::MariaDb;
use service::{Error, clock};

use crate::progress;

/// The time of the first row, in milliseconds.
const START_MS: i64 = 1_790_350_000_000;
/// How many days the rows are spread over.
pub(super) const DAYS: u32 = 7;
/// A vehicle that passes, by both of its names: what [`PASSAGES`] makes of number 1234.
pub(super) const VEHICLE_ID: &str = "81dc9bdb-52d0-4dc2-0036-dbd8313ed055";
pub(super) const TRANSPONDER_ID: &str = "255566";

/// So many rows are one transaction.
const CHUNK_ROWS: u64 = 500_000;

/// A table and the statement that fills it with the rows `@first` to `@last` of `@total`.
struct Filling {
    table: &'static str,
    /// How many rows, for each of the passages.
    share: f64,
    sql: &'static str,
}

const FILLINGS: [Filling; 4] = [
    Filling { table: "traffic_db.toll_passages", share: 1.0, sql: PASSAGES },
    Filling { table: "traffic_db.traffic_events", share: 0.1, sql: EVENTS },
    Filling { table: "weather_db.readings", share: 0.1, sql: READINGS },
    Filling { table: "turnpike.dead_letters", share: 0.02, sql: DEAD_LETTERS },
];

/// The time of row `seq`, in milliseconds: evenly spread, then drawn to the busy half of each day. It replaces `{ms}`.
const TIME_MS: &str = "CAST({start} + 604800000 * seq / @total \
    - 43200000 * SIN(14 * PI() * seq / @total) / (2 * PI()) AS SIGNED)";

const PASSAGES: &str = "
INSERT INTO traffic_db.toll_passages (event_id, vehicle_id, transponder_id, vehicle_type, toll_plaza_id, lane, amount,
    currency, occurred_at, flags)
SELECT CONCAT(INSERT(LPAD(LOWER(HEX(ms)), 12, '0'), 9, 0, '-'), '-7000-8000-', LPAD(HEX(seq), 12, '0')),
    INSERT(INSERT(INSERT(INSERT(MD5(vehicle), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-'),
    10000 + vehicle * 199,
    CASE WHEN vehicle MOD 17 < 11 THEN 'car' WHEN vehicle MOD 17 < 15 THEN 'truck' ELSE 'van' END,
    CASE WHEN lane < 12 THEN 4000 WHEN lane < 20 THEN 4001 WHEN lane < 26 THEN 4002 WHEN lane < 36 THEN 4003
         WHEN lane < 48 THEN 4004 WHEN lane < 52 THEN 4005 WHEN lane < 58 THEN 4006 WHEN lane < 61 THEN 4007
         WHEN lane < 69 THEN 4008 WHEN lane < 74 THEN 4009 ELSE 4010 END,
    1 + lane MOD 2, 2.50 + vehicle MOD 17, 'EUR', FROM_UNIXTIME(ms / 1000),
    IF(seq MOD 97 = 0, 'IMPLAUSIBLE_TIME:occurred_at_recent', NULL)
FROM (SELECT seq, {ms} AS ms, CRC32(seq) MOD 50000 AS vehicle, CRC32(CONCAT(seq, 'lane')) MOD 76 AS lane
      FROM traffic_db.seq_1_to_{total} WHERE seq BETWEEN @first AND @last) AS numbers";

const EVENTS: &str = "
INSERT INTO traffic_db.traffic_events (event_id, event_type, city, road, latitude, longitude, occurred_at, severity,
    avg_speed_kmh, length_m, lanes_blocked, injuries_reported, speed_limit_kmh, direction, active, flags)
SELECT CONCAT(INSERT(LPAD(LOWER(HEX(ms)), 12, '0'), 9, 0, '-'), '-7000-8000-', LPAD(HEX(seq), 12, '0')),
    ELT(1 + kind, 'TRAFFIC_JAM', 'ACCIDENT', 'SPEED_CAMERA'), 'Paris',
    ELT(1 + draw MOD 7, 'A1', 'A6', 'A7', 'A10', 'A13', 'N118', 'Peripherique'),
    48.80 + draw MOD 1000 / 10000, 2.25 + draw MOD 1700 / 10000, FROM_UNIXTIME(ms / 1000),
    IF(kind = 0, ELT(1 + draw MOD 3, 'LOW', 'MEDIUM', 'HIGH'), IF(kind = 1, 'MINOR', NULL)),
    IF(kind = 0, 5 + draw MOD 31, NULL), IF(kind = 0, 200 + draw MOD 4800, NULL), IF(kind = 1, 1 + draw MOD 3, NULL),
    IF(kind = 1, draw MOD 2, NULL), IF(kind = 2, 70, NULL), IF(kind = 2, 'N', NULL), IF(kind = 2, 1, NULL),
    IF(draw MOD 5 > 0, 'CONTRADICTION:city_fits_coordinates', NULL)
FROM (SELECT seq, {ms} AS ms, CRC32(seq) AS draw, CRC32(CONCAT(seq, 'kind')) MOD 3 AS kind
      FROM traffic_db.seq_1_to_{total} WHERE seq BETWEEN @first AND @last) AS numbers";

const READINGS: &str = "
INSERT INTO weather_db.readings (event_id, sensor_id, city, temperature_c, humidity_pct, observed_at, flags)
SELECT CONCAT(INSERT(LPAD(LOWER(HEX(ms)), 12, '0'), 9, 0, '-'), '-7000-8000-', LPAD(HEX(seq), 12, '0')),
    1 + draw MOD 50, ELT(1 + draw MOD 5, 'Paris', 'Lyon', 'Marseille', 'Lille', 'Toulouse'),
    5 + draw MOD 3000 / 100, 40 + draw MOD 50, FROM_UNIXTIME(ms / 1000),
    IF(seq MOD 97 = 0, 'IMPLAUSIBLE_TIME:observed_at_recent', NULL)
FROM (SELECT seq, {ms} AS ms, CRC32(seq) AS draw
      FROM traffic_db.seq_1_to_{total} WHERE seq BETWEEN @first AND @last) AS numbers";

const DEAD_LETTERS: &str = "
INSERT INTO turnpike.dead_letters (topic, partition_number, record_offset, connector, stage, reason, detail, record_value,
    failed_at, attempt, dlq_topic, dlq_partition, dlq_offset)
SELECT 'toll', seq MOD 4, seq, 'validator', 'TRANSFORMATION',
    ELT(1 + CRC32(seq) MOD 4, 'OUT_OF_RANGE', 'NOT_FRAMED', 'MISSING_FIELD', 'CONTRADICTION'), '[]', REPEAT('x', 120),
    FROM_UNIXTIME({ms} / 1000), 1, 'toll.dlq', seq MOD 4, seq
FROM traffic_db.seq_1_to_{total} WHERE seq BETWEEN @first AND @last";

/// What other tables hold of these, in the order of the connectors that would have written it.
const DERIVED: &str = "
INSERT INTO tolldata.livetolldata
SELECT CAST(occurred_at AS DATETIME), transponder_id, vehicle_type, toll_plaza_id FROM traffic_db.toll_passages ORDER BY id;
INSERT INTO weather_db.warning_temperatures (sensor_id, temperature, timestamp)
SELECT sensor_id, temperature_c, observed_at FROM weather_db.readings WHERE temperature_c > 30.0 ORDER BY id;
ANALYZE TABLE traffic_db.toll_passages, traffic_db.traffic_events, weather_db.readings, weather_db.warning_temperatures,
    tolldata.livetolldata, turnpike.dead_letters";

/// The beginning of a busy hour in the middle of the week.
pub(super) fn busy() -> NaiveDateTime {
    let start = DateTime::from_timestamp_millis(START_MS).expect("a time of this century");
    (start + Duration::days(4) - Duration::minutes(30)).naive_utc()
}

/// Fills all tables, and lets the database look at what it has.
pub(super) fn all(mariadb: &MariaDb, passages: u64) -> Result<(), Error> {
    let started = clock::instant();
    for Filling { table, share, sql } in FILLINGS {
        let total = ((passages as f64 * share) as u64).max(1);
        let sql = sql
            .replace("{ms}", TIME_MS)
            .replace("{start}", &START_MS.to_string())
            .replace("{total}", &total.to_string());
        let mut first = 1;
        while first <= total {
            let last = (first + CHUNK_ROWS - 1).min(total);
            let variables = format!("SET @total = {total}, @first = {first}, @last = {last}");
            mariadb.sql(&format!("{variables};{sql}")).map_err(Error::failed)?;
            progress(format!("{table}: {last} of {total} rows ({} s)", started.elapsed().as_secs()));
            first = last + 1;
        }
    }
    mariadb.sql(DERIVED).map_err(Error::failed)?;
    progress(format!("all tables are full and analysed ({} s)", started.elapsed().as_secs()));
    Ok(())
}
