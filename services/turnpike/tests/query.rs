//! `turnpike query` against a real MariaDB with few rows, so that every answer can be checked by hand.

use std::{
    process::{Command, Output},
    sync::{Arc, LazyLock},
};

use local_stack::{Folder, MariaDb, Progress, User};
use serde_json::Value as Json;
use turnpike::query::{CATALOGUE, Kind, Stream};

/// Passages, events and readings of two hours, the newest at 12:00; one passage is ten hours ahead of it, with a flag.
const ROWS: &str = r"
INSERT INTO traffic_db.toll_passages
    (event_id, vehicle_id, transponder_id, vehicle_type, toll_plaza_id, lane, amount, currency, occurred_at, flags, dialect)
VALUES
('a1', '5a8a62a8-65c4-5c33-92a7-3cb9d9a1a35e', 20001, 'car',   4004, 1, 2.50, 'EUR', '2026-10-02 10:00:00.000', NULL, NULL),
('a2', '5a8a62a8-65c4-5c33-92a7-3cb9d9a1a35e', 20001, 'car',   4001, 2, 2.50, 'EUR', '2026-10-02 11:30:10.250', NULL, NULL),
('a3', '11111111-65c4-5c33-92a7-3cb9d9a1a35e', 20002, 'truck', 4004, 3, 8.00, 'EUR', '2026-10-02 11:30:20.500', NULL, 'ibm'),
('a4', '22222222-65c4-5c33-92a7-3cb9d9a1a35e', NULL,  'truck', 4004, NULL, NULL, NULL, '2026-10-02 11:30:59.999', NULL, 'toll'),
('a5', '33333333-65c4-5c33-92a7-3cb9d9a1a35e', 20004, 'van',   4004, 4, 3.75, 'EUR', '2026-10-02 12:00:00.000', NULL, NULL),
('a6', '44444444-65c4-5c33-92a7-3cb9d9a1a35e', 20005, 'car',   4001, 5, 2.50, 'EUR', '2026-10-02 22:00:00.000',
    'IMPLAUSIBLE_TIME:occurred_at_not_ahead', NULL);
INSERT INTO tolldata.livetolldata VALUES
('2026-10-02 11:30:10', 20001, 'car', 4001), ('2026-10-02 11:30:10', 20001, 'car', 4001),
('2026-10-02 11:30:10', 20001, 'car', 4004), ('2026-10-02 12:00:00', NULL, NULL, NULL),
('2026-10-02 22:00:00', 20005, 'car', 4001);
INSERT INTO traffic_db.traffic_events
    (event_id, event_type, city, road, latitude, longitude, occurred_at, severity, avg_speed_kmh, length_m, active, flags)
VALUES
('b1', 'TRAFFIC_JAM', 'Lyon', 'A6', 45.7, 4.8, '2026-10-02 11:10:00', 'HIGH', 8, 1200, NULL, NULL),
('b2', 'TRAFFIC_JAM', 'Lyon', 'A6', 45.7, 4.8, '2026-10-02 11:20:00', 'LOW', 83, 300, NULL, 'CONTRADICTION:city_fits_coordinates'),
('b3', 'SPEED_CAMERA', 'Lille', 'A1', 50.6, 3.0, '2026-10-02 11:30:00', NULL, NULL, NULL, 1, 'CONTRADICTION:city_fits_coordinates');
INSERT INTO weather_db.readings (event_id, sensor_id, city, temperature_c, observed_at, flags) VALUES
('c1', 7, 'Paris', 30.01, '2026-10-02 11:59:00', NULL), ('c2', 7, 'Paris', 30.0, '2026-10-02 12:00:00', NULL),
('c3', 8, 'Lyon', 12.5, '2026-10-02 12:00:00', 'UNKNOWN_CATEGORY:city_known');
INSERT INTO weather_db.warning_temperatures (sensor_id, temperature, timestamp) VALUES (7, 30.01, '2026-10-02 11:59:00');
INSERT INTO turnpike.dead_letters
    (topic, partition_number, record_offset, connector, stage, reason, failed_at, attempt, dlq_topic, dlq_partition, dlq_offset)
VALUES
('toll', 0, 1, 'validator', 'TRANSFORMATION', 'OUT_OF_RANGE', '2026-10-02 12:00:00', 1, 'toll.dlq', 0, 0),
('toll', 0, 2, 'validator', 'TRANSFORMATION', 'OUT_OF_RANGE', '2026-10-02 12:00:01', 1, 'toll.dlq', 0, 1),
('toll.valid', 0, 3, 'toll-passages', 'TASK_PUT', 'DUPLICATE_KEY', '2026-10-02 12:00:02', 1, 'toll.dlq', 0, 2)";

static EMPTY: LazyLock<MariaDb> = LazyLock::new(database);
static FULL: LazyLock<MariaDb> = LazyLock::new(|| {
    let database = database();
    // As when an operator brings an older database up to date.
    database.sql(include_str!("../../../init.sql")).expect("runs again");
    database.sql(ROWS).expect("inserted");
    database
});

fn database() -> MariaDb {
    let folder: Arc<Folder> = Folder::claim().expect("a folder");
    let database = MariaDb::create(&folder, 64, &Progress::default()).expect("laid out");
    database.start().expect("starts");
    database
}

fn ask(database: &MariaDb, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_turnpike"))
        .arg("query")
        .args(args)
        .env("TURNPIKE_MARIADB_URL", database.jdbc_url())
        .env("TURNPIKE_MARIADB_PASSWORD", database.password(User::Reader))
        .output()
        .expect("turnpike runs")
}

/// The answer to a question on the full database, which must succeed.
fn answer(args: &[&str]) -> String {
    let output = ask(&FULL, args);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
    out
}

fn csv(question: &str) -> String {
    answer(&[&question.split(' ').collect::<Vec<_>>()[..], &["--format", "csv"]].concat())
}

fn argument(kind: Kind) -> &'static str {
    match kind {
        Kind::Vehicle => "20001",
        Kind::Plaza => "4004",
        Kind::VehicleType => "car",
        Kind::EventType => "TRAFFIC_JAM",
        Kind::Road => "A6",
        Kind::Sensor => "7",
    }
}

/// Every query answers in every format, with rows and without, and its plan and SQL can be seen.
#[test]
fn every_query_answers() {
    for query in CATALOGUE {
        // With "--all", since what is flagged may not be of the last hour.
        let mut args = vec![query.name];
        args.extend(query.argument.map(argument));
        args.push("--all");
        let stream = query.stream.map(Stream::name);
        args.extend(stream.iter().flat_map(|stream| ["--stream", stream]));
        for format in ["table", "csv", "json"] {
            let args = [&args[..], &["--format", format]].concat();
            let full = answer(&args);
            let empty = ask(&EMPTY, &args);
            assert_eq!(empty.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&empty.stderr));
            if format == "json" {
                let rows: Json = serde_json::from_str(&full).expect("JSON");
                assert!(rows.as_array().is_some_and(|rows| !rows.is_empty()), "{args:?}: {full}");
                assert!(serde_json::from_slice::<Json>(&empty.stdout).is_ok_and(|rows| rows.is_array()));
            }
        }
        assert!(answer(&[&args[..], &["--explain"]].concat()).contains("select_type"), "{args:?}");
        let sql = answer(&[&args[..], &["--sql"]].concat());
        FULL.sql(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// Lists are newest first; what a source did not know is told apart from text in each format.
#[test]
fn lists_show_rows_and_gaps() {
    assert_eq!(
        csv("by-type truck -n 1"),
        "id,occurred_at,toll_plaza_id,vehicle_type,lane,amount,currency,transponder_id,vehicle_id,flags,dialect,event_id\n\
         4,2026-10-02 11:30:59.999,4004,truck,,,,,22222222-65c4-5c33-92a7-3cb9d9a1a35e,,toll,a4\n"
    );
    let table = answer(&["by-type", "truck", "-n", "1"]);
    assert!(table.lines().any(|line| line.matches("NULL").count() == 5), "{table}");
    assert!(
        table
            .trim_end()
            .lines()
            .last()
            .is_some_and(|caption| caption.contains("1 row, more with -n, of all times"))
    );
    let json: Json = serde_json::from_str(&answer(&["by-type", "truck", "--format", "json"])).expect("JSON");
    assert_eq!((&json[0]["lane"], &json[0]["toll_plaza_id"]), (&Json::Null, &4004.into()));
    assert_eq!((&json[1]["amount"], &json[1]["dialect"]), (&8.0.into(), &"ibm".into()));
    let camera: Json = serde_json::from_str(&answer(&["by-road", "A1", "--format", "json"])).expect("JSON");
    assert_eq!((&camera[0]["active"], &camera[0]["injuries_reported"]), (&true.into(), &Json::Null));

    let ids = |question: &str| -> Vec<String> {
        let rows: Json = serde_json::from_str(&answer(
            &[&question.split(' ').collect::<Vec<_>>()[..], &["--format", "json"]].concat(),
        ))
        .expect("JSON");
        rows.as_array()
            .expect("rows")
            .iter()
            .map(|row| row["event_id"].as_str().unwrap_or("").to_owned())
            .collect()
    };
    assert_eq!(ids("newest -n 2"), ["a6", "a5"]);
    assert_eq!(ids("newest --to 2026-10-02T12:00:00Z -n 2"), ["a4", "a3"]);
    assert_eq!(ids("by-vehicle 20001"), ["a2", "a1"]);
    assert_eq!(ids("by-vehicle 5A8A62A8-65C4-5C33-92A7-3CB9D9A1A35E"), ["a2", "a1"]);
    assert_eq!(ids("by-plaza TP005 --from 2026-10-02T11:00 --to 2026-10-02T12:00"), ["a4", "a3"]);
    assert_eq!(ids("by-type ACCIDENT --stream traffic"), Vec::<String>::new());
    assert_eq!(ids("by-sensor 7 --last 30s"), ["c2"]);
    assert_eq!(
        csv("alerts"),
        "id,timestamp,sensor_id,temperature,city\n1,2026-10-02 11:59:00,7,30.01,Paris\n"
    );
}

/// Counts look at the hour before the newest event whose time is plausible, unless they are told otherwise.
#[test]
fn counts_are_right() {
    assert_eq!(csv("vehicles-per-plaza"), "toll_plaza_id,vehicles\n4004,3\n4001,1\n");
    assert_eq!(csv("vehicles-per-plaza --all"), "toll_plaza_id,vehicles\n4004,4\n4001,2\n");
    assert_eq!(
        csv("vehicles-per-minute -n 1"),
        "toll_plaza_id,minute,vehicles\n4004,2026-10-02 11:30:00,2\n"
    );
    assert_eq!(csv("type-mix"), "vehicle_type,vehicles,percent\ntruck,2,50.0\ncar,1,25.0\nvan,1,25.0\n");
    assert_eq!(csv("truck-share"), "toll_plaza_id,vehicles,trucks,percent\n4004,3,2,66.7\n4001,1,0,0.0\n");
    let span = "events_in_window,first_of_all_times,last_of_all_times,seconds_between\n";
    let tolls = "2026-10-02 10:00:00.000,2026-10-02 22:00:00.000,43200.000\n";
    assert_eq!(csv("span"), format!("{span}4,{tolls}"));
    assert_eq!(csv("span --all"), format!("{span}6,{tolls}"));
    assert_eq!(csv("span --to 2026-10-02T10:30"), format!("{span}1,{tolls}"));
    assert!(
        csv("span --stream weather").contains("\n3,2026-10-02 11:59:00.000,2026-10-02 12:00:00.000,60.000\n")
    );
    assert_eq!(
        csv("duplicates"),
        "timestamp,vehicle_id,vehicle_type,toll_plaza_id,times\n2026-10-02 11:30:10,20001,car,4001,2\n"
    );
    assert_eq!(
        csv("jams-by-road"),
        "road,jams,high,medium,low,mean_speed_kmh,longest_m,last_event\n\
         A6,2,1,0,1,45.5,1200,2026-10-02 11:20:00.000\n"
    );
    let flagged = csv("flagged --stream traffic");
    assert!(flagged.contains("\nCONTRADICTION:city_fits_coordinates,2,"), "{flagged}");
    assert_eq!(csv("flagged --last 1h").lines().count(), 1);
    assert!(csv("flagged").contains("\nIMPLAUSIBLE_TIME:occurred_at_not_ahead,1,"));
    let letters = csv("dead-letters");
    assert!(
        letters.contains("\nOUT_OF_RANGE,toll,validator,2,2026-10-02 12:00:00.000,2026-10-02 12:00:01.000\n")
    );
    assert!(letters.contains("\nDUPLICATE_KEY,toll.valid,toll-passages,1,"), "{letters}");
}

/// The views say what the queries say: those of the last hour where nobody says, the others of all times.
#[test]
fn views_agree_with_queries() {
    for (view, question) in VIEWS {
        let rows = view_rows(&FULL, view);
        assert!(!rows.is_empty(), "{view}");
        assert_eq!(rows, rows_of(&FULL, question), "{view}");
        assert_eq!(view_rows(&EMPTY, view), rows_of(&EMPTY, question), "{view}");
    }
    for stream in ["toll", "traffic", "weather"] {
        let rows = FULL.sql(&format!("SELECT * FROM traffic_db.stream_span WHERE stream = '{stream}'"));
        let told = rows_of(&FULL, &format!("span --all --stream {stream}")).concat();
        assert_eq!(rows.expect("a view").trim_end().replace('\t', ","), format!("{stream},{told}"));
    }
}

/// Views, and the question that each answers.
const VIEWS: [(&str, &str); 7] = [
    ("traffic_db.vehicles_per_plaza", "vehicles-per-plaza"),
    ("traffic_db.vehicles_per_plaza_minute", "vehicles-per-minute -n 1000"),
    ("traffic_db.type_mix", "type-mix"),
    ("traffic_db.truck_share", "truck-share"),
    ("traffic_db.jams_by_road", "jams-by-road"),
    ("tolldata.duplicate_groups", "duplicates --all"),
    ("weather_db.alerts", "alerts -n 1000"),
];

/// The rows of a view as CSV; views have no order.
fn view_rows(database: &MariaDb, view: &str) -> Vec<String> {
    let rows = database.sql(&format!("SELECT * FROM {view}")).expect("a view");
    sorted(rows.lines().map(|line| line.replace('\t', ",")))
}

fn rows_of(database: &MariaDb, question: &str) -> Vec<String> {
    let args = [&question.split(' ').collect::<Vec<_>>()[..], &["--format", "csv"]].concat();
    let output = ask(database, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{question}: {said}");
    sorted(String::from_utf8(output.stdout).expect("text").lines().skip(1).map(str::to_owned))
}

fn sorted(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}

/// Neither sources whose clocks run ahead, however many rows they send, nor old events that come late take the last hour away
/// from queries and views; where all rows are flagged, what was stored last counts.
#[test]
fn the_last_hour_stays_with_the_plausible() {
    let database = database();
    database.sql(ROWS).expect("inserted");
    let per_plaza =
        || (rows_of(&database, "vehicles-per-plaza"), view_rows(&database, "traffic_db.vehicles_per_plaza"));
    let both = |rows: &[&str]| {
        let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        (rows.clone(), rows)
    };
    let insert = |first: u32, count: u32, time: &str, flags: &str| {
        let sql = format!(
            "INSERT INTO traffic_db.toll_passages (event_id, vehicle_id, vehicle_type, toll_plaza_id, occurred_at, flags)
             SELECT CONCAT('s', seq), 'x', 'car', 4009, '{time}', {flags} FROM traffic_db.seq_{first}_to_{}",
            first + count - 1
        );
        database.sql(&sql).expect("inserted");
    };
    let ahead = "'IMPLAUSIBLE_TIME:occurred_at_not_ahead'";
    // More rows ahead than are looked at by time, then true ones.
    insert(1, 1_500, "2026-10-02 14:00:00", ahead);
    insert(2_001, 1, "2026-10-02 12:00:00", "NULL");
    assert_eq!(per_plaza(), both(&["4001,1", "4004,3", "4009,1"]));
    assert_eq!(rows_of(&database, "duplicates"), ["2026-10-02 11:30:10,20001,car,4001,2"]);
    // A late day, in more rows than are looked at by the order of storing.
    database.sql("DELETE FROM traffic_db.toll_passages WHERE vehicle_id = 'x'").expect("deleted");
    insert(1, 1_500, "2026-10-01 12:00:00", "NULL");
    assert_eq!(per_plaza(), both(&["4001,1", "4004,3"]));
    // A replay of the past beside one row that is ahead.
    database.sql("DELETE FROM traffic_db.toll_passages").expect("deleted");
    insert(1, 1, "2026-10-02 22:00:00", ahead);
    insert(2, 1_500, "2026-05-01 12:00:00", "'IMPLAUSIBLE_TIME:occurred_at_recent'");
    assert_eq!(per_plaza(), both(&["4009,1500"]));
}

/// Text of the command line is a value and nothing else.
#[test]
fn arguments_stay_arguments() {
    for road in ["x' OR '1'='1", r"x\' OR 1=1 -- ", "{window}"] {
        assert_eq!(csv_of(&["by-road", road]).lines().count(), 1, "{road}");
    }
}

fn csv_of(args: &[&str]) -> String {
    answer(&[args, &["--format", "csv"]].concat())
}

/// What is wrong is told in one line: 2 for the command line and the account, 1 for a database that is away.
#[test]
fn failures_have_their_exit_codes() {
    let refused = |args: &[&str]| {
        let output = ask(&FULL, args);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(said.lines().count(), 1, "{said}");
        (output.status.code(), said)
    };
    let (code, said) = refused(&["vehicle-per-plaza"]);
    assert!(code == Some(2) && said.contains("did you mean vehicles-per-plaza?"), "{said}");
    let (code, said) = refused(&["newest", "--from", "soon"]);
    assert!(code == Some(2) && said.contains("2026-10-02T19:26:20.123Z"), "{said}");
    let (code, said) = refused(&["newest", "--mariadb-password", "wrong"]);
    assert!(code == Some(2) && said.contains("--mariadb-user and --mariadb-password"), "{said}");
    let (code, said) = refused(&["newest", "--mariadb-url", "jdbc:mariadb://127.0.0.1:1"]);
    assert!(code == Some(1) && said.contains("MariaDB at 127.0.0.1:1"), "{said}");
}
