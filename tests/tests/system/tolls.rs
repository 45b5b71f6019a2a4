//! What the three toll pipelines promised, each check by its number.

use std::{collections::BTreeMap, process::Command, time::Duration};

use chrono::DateTime;
use events::TollPassage;
use service::clock;
use system_tests::{Pipeline, Run, Service, assert_drains, eventually, executable, read_topic};
use uuid::Uuid;

/// A passage of the lab's generator: 11 of 17 are cars, 4 trucks, 2 vans.
const MIX: [(&str, f64); 3] = [("car", 11.0 / 17.0), ("truck", 4.0 / 17.0), ("van", 2.0 / 17.0)];
/// The value that a chi-squared variable of two degrees of freedom exceeds once in a thousand times.
const CHI_SQUARED_MAX: f64 = 13.8;

/// Topics are created once, and Kafka's own for offsets with them; the second time they are already there, and a refusal says why, with exit
/// code 1.
#[test]
fn a0_1_topic_bootstrap_is_idempotent() {
    let pipeline = Pipeline::without_topics();
    let created = pipeline.turnpike_ok(&["topics", "create"]);
    assert!(created.contains("Creating topic 'toll'...\nTopic 'toll' created successfully."), "{created}");
    assert!(created.contains("Topic 'weather_data.dlq' created successfully."), "{created}");
    // No group has asked for it yet; the first one then waits for nothing.
    let admin = pipeline.kafka().admin().expect("an admin client");
    eventually("Kafka's topic for offsets", || admin.offsets("__consumer_offsets", 0).ok());
    let again = pipeline.turnpike_ok(&["topics", "create"]);
    assert_eq!(again.matches("is already there.").count(), 9, "{again}");
    let refused = pipeline.turnpike(&["topics", "create", "bad/name"]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains("Failed to create topic 'bad/name':"), "{}", refused.text);
    let described = pipeline.turnpike_ok(&["topics", "describe", "toll"]);
    assert!(described.contains("leader"), "{described}");
    let unknown = pipeline.turnpike(&["topics", "describe", "tolls"]);
    assert!(unknown.code == Some(1) && unknown.text.contains("tolls"), "{}", unknown.text);
}

/// The newest ten passages, by the pipeline's own query and by the tool: the same vehicles, newest first.
#[test]
fn a0_3_the_newest_ten_query_works() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    pipeline.generate(&Run::new(1, 100, 1_000, ""));
    pipeline.settle(100, 0);
    let newest = pipeline.sql("SELECT * FROM traffic_db.toll_data ORDER BY id DESC LIMIT 10");
    let rows: Vec<Vec<&str>> = newest.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 10);
    for row in &rows {
        let [_id, vehicle_id, vehicle_type, plaza, timestamp] = row[..] else {
            panic!("five columns: {row:?}")
        };
        assert_eq!(vehicle_id.len(), 36, "{row:?}");
        assert!(["Car", "Truck", "Van"].contains(&vehicle_type), "{row:?}");
        assert!(plaza.len() == 5 && ("TP001"..="TP011").contains(&plaza), "{row:?}");
        assert_eq!(timestamp.len(), "2026-10-02 06:00:00".len(), "{row:?}");
    }
    let told = pipeline.turnpike_ok(&["query", "newest", "-n", "10", "--format", "csv"]);
    assert_eq!(told.lines().count(), 11, "a header and ten rows: {told}");
    let newest_ids =
        pipeline.sql("SELECT vehicle_id FROM traffic_db.toll_passages ORDER BY id DESC LIMIT 10");
    let newest_ids: Vec<&str> = newest_ids.lines().collect();
    assert_eq!(rows.iter().map(|row| row[1]).collect::<Vec<_>>(), newest_ids);
    for (line, vehicle_id) in told.lines().skip(1).zip(newest_ids) {
        assert!(line.contains(vehicle_id), "{vehicle_id} is not in {line}");
    }
}

/// A row that the table refuses is a dead letter with its bytes; its neighbours are stored.
#[test]
fn a0_5_a_failed_insert_is_a_dead_letter() {
    let pipeline = Pipeline::start();
    pipeline.sql("ALTER TABLE traffic_db.toll_passages ADD CONSTRAINT closed CHECK (toll_plaza_id <> 4004)");
    let _consumers = pipeline.spawn_consumers();
    let expected = pipeline.generate(&Run::new(8, 1_000, 5_000, ""));
    let refused: Vec<_> =
        expected.rows().into_iter().filter(|row| row.columns.split('\t').nth(3) == Some("4004")).collect();
    assert!(refused.len() > 20, "{} passages of the closed plaza", refused.len());
    pipeline.settle(1_000, refused.len() as u64);
    let stored = pipeline.count("SELECT COUNT(*) FROM traffic_db.toll_passages");
    assert_eq!(stored, 1_000 - refused.len() as u64);
    let letters = pipeline.sql(
        "SELECT COUNT(*), MIN(reason), MAX(reason), SUM(record_value IS NULL) FROM turnpike.dead_letters
         WHERE connector = 'toll-passages'",
    );
    assert_eq!(letters, format!("{}\tCONSTRAINT\tCONSTRAINT\t0", refused.len()));
    for letter in read_topic(&pipeline.kafka(), "toll.dlq") {
        let fields = letter.fields(TollPassage::SCHEMA);
        assert!(refused.iter().any(|row| row.event_id == fields[0].1), "{fields:?} was not to be refused");
    }
}

/// Tolls, traffic and weather are topics of their own, each with its records in its own table.
#[test]
fn a1_1_three_categories_have_topics_of_their_own() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    for service in [Service::Generator, Service::TrafficGenerator, Service::WeatherGenerator] {
        let generator = pipeline.spawn(service, &["--count", "500", "--rate", "2000"]);
        let status = generator.wait(Duration::from_mins(1)).expect("the generator ends");
        assert!(status.success(), "{}", generator.output().unwrap_or_default());
    }
    for (topic, connector, table) in [
        ("toll", "toll-passages", "traffic_db.toll_passages"),
        ("traffic.events", "traffic-events", "traffic_db.traffic_events"),
        ("weather_data", "weather-readings", "weather_db.readings"),
    ] {
        assert_eq!(read_topic(&pipeline.kafka(), topic).len(), 500, "{topic}");
        pipeline.await_read(connector, 500);
        assert_eq!(pipeline.count(&format!("SELECT COUNT(*) FROM {table}")), 500, "{table}");
    }
    let balanced = pipeline.turnpike_ok(&["ledger", "--settle", "30"]);
    assert!(balanced.contains("balanced: 1 500 records read"), "{balanced}");
}

/// The tool answers by vehicle, plaza, type and time range as the rows say, and exports.
#[test]
fn a1_3_the_tool_answers_by_vehicle_plaza_type_and_time() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    pipeline.generate(&Run::new(6, 2_000, 1_000, ""));
    pipeline.settle(2_000, 0);
    let rows = |args: &[&str]| {
        let told =
            pipeline.turnpike_ok(&[&["query"], args, &["--format", "csv", "--limit", "5000"]].concat());
        told.lines().count() as u64 - 1
    };
    let count = |condition: &str| {
        pipeline.count(&format!("SELECT COUNT(*) FROM traffic_db.toll_passages WHERE {condition}"))
    };
    let vehicle = pipeline.sql(
        "SELECT vehicle_id, MIN(transponder_id) FROM traffic_db.toll_passages GROUP BY vehicle_id
         ORDER BY COUNT(*) DESC LIMIT 1",
    );
    let (vehicle_id, transponder_id) = vehicle.split_once('\t').expect("two columns");
    let passages = count(&format!("vehicle_id = '{vehicle_id}'"));
    assert!(passages > 1, "no vehicle came back");
    assert_eq!(rows(&["by-vehicle", vehicle_id]), passages);
    assert_eq!(rows(&["by-vehicle", transponder_id]), passages);
    assert_eq!(rows(&["by-plaza", "4004"]), count("toll_plaza_id = 4004"));
    assert_eq!(rows(&["by-plaza", "TP005"]), count("toll_plaza_id = 4004"));
    assert_eq!(rows(&["by-type", "truck"]), count("vehicle_type = 'truck'"));
    let middle = pipeline.sql(
        "SELECT DATE_FORMAT(MIN(occurred_at) + INTERVAL 1 SECOND, '%Y-%m-%dT%H:%i:%sZ') FROM traffic_db.toll_passages",
    );
    let since = count(&format!("occurred_at >= '{}'", middle.replace('T', " ").replace('Z', "")));
    assert!(since > 0 && since < 2_000);
    assert_eq!(rows(&["newest", "--from", &middle]), since);

    let json = pipeline.turnpike_ok(&["query", "by-plaza", "4004", "--format", "json", "--limit", "3"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(3), "{json}");
    assert_eq!(json[0]["toll_plaza_id"], 4004, "{json}");
    let unknown = pipeline.turnpike(&["query", "newst"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.text);
    assert!(unknown.text.contains("newest"), "{}", unknown.text);
}

/// Broker, database and services end in order and start again: what was stored is there, and the stream goes on.
#[test]
fn a1_4_history_survives_a_restart_of_everything() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let before = pipeline.generate(&Run::new(20, 1_000, 5_000, ""));
    pipeline.settle(1_000, 0);
    consumers.iter().for_each(assert_drains);
    pipeline.stack.kafka.stop().expect("the broker stops");
    pipeline.stack.mariadb.stop().expect("the database stops");
    pipeline.stack.kafka.start().expect("the broker starts");
    pipeline.stack.mariadb.start().expect("the database starts");
    pipeline.assert_rows(&before);
    let _consumers = pipeline.spawn_consumers();
    let args = Run::new(21, 1_000, 5_000, "").args();
    let generator = pipeline.spawn(Service::Generator, &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(generator.wait(Duration::from_mins(1)).expect("it ends").success());
    pipeline.settle(2_000, 0);
    assert_eq!(pipeline.count("SELECT COUNT(DISTINCT event_id) FROM traffic_db.toll_passages"), 2_000);
}

/// 100 000 messages of the default mix are 11 : 4 : 2 within sampling error (a chi-squared test).
#[test]
fn a2_2_the_mix_is_eleven_to_four_to_two() {
    let pipeline = Pipeline::start();
    let count = 100_000;
    let generator = pipeline.spawn(Service::Generator, &["--count", "100000", "--rate", "0", "--seed", "17"]);
    assert!(generator.wait(Duration::from_mins(2)).expect("it ends").success());
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for record in read_topic(&pipeline.kafka(), "toll") {
        let (_, vehicle_type) = record.fields(TollPassage::SCHEMA).swap_remove(3);
        *seen.entry(vehicle_type).or_default() += 1;
    }
    assert_eq!(seen.values().sum::<u64>(), count);
    let chi_squared: f64 = MIX
        .iter()
        .map(|(vehicle_type, share)| {
            let expected = share * count as f64;
            let observed = seen.get(*vehicle_type).copied().unwrap_or(0) as f64;
            (observed - expected).powi(2) / expected
        })
        .sum();
    assert!(seen.len() == 3 && chi_squared < CHI_SQUARED_MAX, "{chi_squared}: {seen:?}");
}

/// The lab's health check lists ten rows in its own four columns.
#[test]
fn a2_3_the_top_ten_are_listed() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    pipeline.generate(&Run::new(1, 100, 1_000, ""));
    pipeline.settle(100, 0);
    let live = pipeline.sql("SELECT * FROM tolldata.livetolldata LIMIT 10");
    assert_eq!(live.lines().count(), 10);
    for line in live.lines() {
        let [timestamp, vehicle_id, vehicle_type, plaza] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        assert_eq!(timestamp.len(), "2026-10-02 19:26:20".len(), "{line}");
        assert!((10_000..=10_000_000).contains(&vehicle_id.parse().unwrap_or(0)), "{line}");
        assert!(["car", "truck", "van"].contains(&vehicle_type), "{line}");
        assert!((4_000..=4_010).contains(&plaza.parse().unwrap_or(0)), "{line}");
    }
    let columns = "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns
        WHERE table_schema = ";
    assert_eq!(
        pipeline.sql(&format!("{columns} 'tolldata' AND table_name = 'livetolldata'")),
        "timestamp,vehicle_id,vehicle_type,toll_plaza_id"
    );
    assert_eq!(
        pipeline.sql(&format!("{columns} 'traffic_db' AND table_name = 'toll_data'")),
        "id,vehicle_id,vehicle_type,toll_plaza_id,timestamp"
    );
}

/// A wrong password ends the writer with a clear line and a code that is not 0.
#[test]
fn a2_5_wrong_credentials_end_with_a_message_and_a_code() {
    let pipeline = Pipeline::start();
    let mut command = pipeline.command(Service::Writer, &[]);
    command.env("TURNPIKE_MARIADB_PASSWORD", "wrong");
    let writer = pipeline.spawn_command(Service::Writer, &command);
    let status = writer.wait(Duration::from_secs(30)).expect("it ends");
    let output = writer.output().unwrap_or_default();
    assert_eq!(status.code(), Some(2), "{output}");
    let last = output.lines().last().unwrap_or_default();
    assert!(last.contains("turnpike_writer") && last.contains("1045"), "{last}");
    let mut query = Command::new(executable("turnpike"));
    query
        .args(["query", "newest", "--mariadb-user", "turnpike_reader"])
        .args(["--mariadb-url", &pipeline.stack.mariadb.jdbc_url()])
        .env("TURNPIKE_MARIADB_PASSWORD", "wrong");
    let refused = query.output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("turnpike_reader"), "{said}");
}

/// Rows that were sent before validator and writer first ran are judged and stored.
#[test]
fn a2_6_what_was_sent_before_is_loaded() {
    let pipeline = Pipeline::start();
    let expected = pipeline.generate(&Run::new(3, 1_000, 1_000, ""));
    let _consumers = [pipeline.spawn(Service::Validator, &[]), pipeline.spawn(Service::Writer, &[])];
    pipeline.settle(1_000, 0);
    pipeline.assert_rows(&expected);
}

/// The passages of [`a2_4_the_six_queries_answer_right`]: plaza, type, seconds since the first minute, transponder.
const PASSAGES: [(i32, &str, i64, i32); 10] = [
    (4_000, "car", 1, 10_001),
    (4_000, "car", 2, 10_002),
    (4_000, "truck", 3, 10_003),
    (4_001, "van", 4, 10_004),
    (4_000, "truck", 60, 10_003),
    (4_001, "truck", 65, 10_005),
    (4_001, "car", 66, 10_001),
    (4_001, "car", 67, 10_006),
    (4_002, "car", 150, 10_007),
    (4_002, "car", 150, 10_007),
];

fn passage(number: usize, start_ms: i64) -> TollPassage {
    let (toll_plaza_id, vehicle_type, seconds, transponder_id) = PASSAGES[number];
    TollPassage {
        event_id: Uuid::from_u128(number as u128 + 1),
        vehicle_id: Uuid::from_u128(transponder_id as u128),
        transponder_id: Some(transponder_id),
        vehicle_type: vehicle_type.into(),
        toll_plaza_id,
        lane: Some(1),
        amount_cents: None,
        currency: None,
        occurred_at_ms: start_ms + seconds * 1_000,
    }
}

/// The six queries of the best copy of the lab, on ten passages that a person can count: vehicles per plaza, mix, truck
/// share, vehicles per plaza and minute, span, duplicates. The views give the same.
#[test]
fn a2_4_the_six_queries_answer_right() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let start_ms = clock::now_ms() / 60_000 * 60_000 - 600_000;
    let passages: Vec<_> = (0..PASSAGES.len()).map(|number| passage(number, start_ms)).collect();
    pipeline.send_events("toll", TollPassage::SCHEMA, &passages, TollPassage::encode);
    pipeline.settle(10, 0);

    let ask = |query: &[&str]| {
        let told = pipeline.turnpike_ok(&[&["query"], query, &["--format", "csv"]].concat());
        told.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ask(&["vehicles-per-plaza"]), ["4000,4", "4001,4", "4002,2"]);
    assert_eq!(ask(&["type-mix"]), ["car,6,60.0", "truck,3,30.0", "van,1,10.0"]);
    assert_eq!(ask(&["truck-share"]), ["4000,4,2,50.0", "4001,4,1,25.0", "4002,2,0,0.0"]);
    let minute = |number: i64| {
        let time = DateTime::from_timestamp_millis(start_ms + number * 60_000).expect("a time");
        time.format("%Y-%m-%d %H:%M:%S").to_string()
    };
    let busiest = [(4_000, 0, 3), (4_001, 1, 3), (4_002, 2, 2), (4_001, 0, 1), (4_000, 1, 1)];
    assert_eq!(
        ask(&["vehicles-per-minute"]),
        busiest.map(|(plaza, number, vehicles)| format!("{plaza},{},{vehicles}", minute(number)))
    );
    let [span] = &ask(&["span"])[..] else { panic!("one row") };
    assert!(span.starts_with("10,") && span.ends_with(",149.000"), "{span}");
    let [duplicates] = &ask(&["duplicates"])[..] else { panic!("one group") };
    assert!(duplicates.contains("10007,car,4002") && duplicates.ends_with(",2"), "{duplicates}");

    for (view, query) in [
        ("traffic_db.vehicles_per_plaza", "vehicles-per-plaza"),
        ("traffic_db.type_mix", "type-mix"),
        ("traffic_db.truck_share", "truck-share"),
        ("traffic_db.vehicles_per_plaza_minute", "vehicles-per-minute"),
        ("tolldata.duplicate_groups", "duplicates"),
    ] {
        let viewed = pipeline.sql(&format!("SELECT * FROM {view}")).replace('\t', ",");
        let (mut viewed, mut told): (Vec<_>, Vec<_>) =
            (viewed.lines().map(str::to_owned).collect(), ask(&[query]));
        viewed.sort();
        told.sort();
        assert_eq!(viewed, told, "{view}");
    }
    let viewed = pipeline.sql("SELECT * FROM traffic_db.stream_span WHERE stream = 'toll'");
    assert_eq!(viewed.replace('\t', ","), format!("toll,{span}"));
}
