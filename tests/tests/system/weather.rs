//! What the weather pipeline promised, each check by its number.

use std::{borrow::Cow, time::Duration};

use events::WeatherReading;
use local_stack::Process;
use service::clock;
use system_tests::{Pipeline, Service, assert_drains, eventually, outage_lasts, read_topic};
use uuid::Uuid;

/// The pipeline's own words while it waits, before the reason.
const WAITS_FOR_KAFKA: &str = "Kafka broker non disponible, nouvelle tentative dans 5 secondes...";
const WAITS_FOR_DATABASE: &str = "Erreur de connexion à la base de données : ";
/// What the check calls a minute.
const MINUTE: Duration = Duration::from_mins(1);

fn reading(id: u128, temperature_c: f64) -> WeatherReading {
    WeatherReading {
        event_id: Uuid::from_u128(id),
        sensor_id: 1,
        city: Cow::Borrowed("Paris"),
        temperature_c,
        humidity_pct: None,
        wind_speed_mps: None,
        surface_temperature_c: None,
        observed_at_ms: clock::now_ms(),
    }
}

fn send(pipeline: &Pipeline, temperatures: &[f64]) {
    let readings: Vec<_> = (1_u128..).zip(temperatures).map(|(id, at)| reading(id, *at)).collect();
    pipeline.send_events("weather_data", WeatherReading::SCHEMA, &readings, WeatherReading::encode);
}

fn generator(pipeline: &Pipeline, args: &[&str]) -> Process {
    pipeline.spawn(Service::WeatherGenerator, args)
}

fn count(pipeline: &Pipeline, table: &str) -> u64 {
    pipeline.count(&format!("SELECT COUNT(*) FROM weather_db.{table}"))
}

/// What was sent, read back from the raw topic, is in the tables: each reading once, each above 30 °C an alert as well.
fn assert_all_stored(pipeline: &Pipeline) {
    let sent = read_topic(&pipeline.kafka(), "weather_data");
    let total = sent.len() as u64;
    for connector in ["weather-readings", "warning-temperatures"] {
        pipeline.await_read(connector, total);
    }
    let mut ids: Vec<String> =
        sent.iter().map(|record| record.fields(WeatherReading::SCHEMA).swap_remove(0).1).collect();
    ids.sort();
    let stored = pipeline.sql("SELECT event_id FROM weather_db.readings ORDER BY event_id");
    assert!(stored.lines().eq(&ids), "{} rows of {total} readings", stored.lines().count());
    let hot = pipeline.count("SELECT COUNT(*) FROM weather_db.readings WHERE temperature_c > 30");
    assert_eq!(count(pipeline, "warning_temperatures"), hot);
    assert_eq!(read_topic(&pipeline.kafka(), "weather_data.dlq"), []);
}

/// 30.00 is no alert, 30.01 is one; the alert has the pipeline's own columns.
#[test]
fn a4_2_thirty_is_no_alert_and_a_hundredth_more_is_one() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    send(&pipeline, &[29.99, 30.00, 30.01, -4.5]);
    pipeline.await_read("warning-temperatures", 4);
    assert_eq!(
        pipeline.sql("SELECT id, sensor_id, temperature FROM weather_db.warning_temperatures"),
        "1\t1\t30.01"
    );
    let ledger =
        "SELECT SUM(read_count), SUM(stored_count), SUM(dead_count), SUM(skipped_count) FROM turnpike.ledger
        WHERE connector = 'warning-temperatures'";
    assert_eq!(pipeline.sql(ledger), "4\t1\t0\t3");
    let columns = "SELECT GROUP_CONCAT(CONCAT(column_name, ' ', data_type) ORDER BY ordinal_position)
        FROM information_schema.columns WHERE table_schema = 'weather_db' AND table_name = 'warning_temperatures'";
    assert_eq!(pipeline.sql(columns), "id int,sensor_id int,temperature float,timestamp datetime");
}

/// The readings that raise no alert are rows as well.
#[test]
fn a4_3_normal_readings_are_kept() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    let generator = generator(&pipeline, &["--count", "1000", "--rate", "5000"]);
    assert!(generator.wait(MINUTE).expect("it ends").success());
    assert_all_stored(&pipeline);
    let normal = pipeline.count("SELECT COUNT(*) FROM weather_db.readings WHERE temperature_c <= 30");
    assert!(normal > 500, "{normal} normal readings of 1000");
}

/// Everything starts before broker and database: each says that it waits, in the pipeline's words, and when both are
/// there, the readings arrive.
#[test]
fn a4_4_any_start_order_works_with_the_wait_lines() {
    let pipeline = Pipeline::start();
    pipeline.stack.kafka.stop().expect("the broker stops");
    pipeline.stack.mariadb.stop().expect("the database stops");
    let style = ["--log-style", "meteo"];
    let writer = pipeline.spawn(Service::Writer, &style);
    let generator = generator(&pipeline, &[&style[..], &["--count", "200", "--rate", "200"]].concat());
    let validator = pipeline.spawn(Service::Validator, &[]);
    let says = |process: &Process, text: &str| {
        eventually(&format!("{} says `{text}`", process.name()), || {
            let output = process.output().unwrap_or_default();
            output.lines().any(|line| line.starts_with(text)).then_some(())
        });
    };
    says(&generator, WAITS_FOR_KAFKA);
    says(&writer, WAITS_FOR_DATABASE);
    pipeline.stack.mariadb.start().expect("the database starts");
    says(&writer, "Connexion à la base de données réussie.");
    pipeline.stack.kafka.start().expect("the broker starts");
    assert!(generator.wait(MINUTE).expect("it ends").success());
    assert_all_stored(&pipeline);
    assert_drains(&validator);
    assert_drains(&writer);
}

/// A writer that is stopped for a minute, while readings go on, has missed nothing when it comes back.
#[test]
fn a4_5_a_consumer_that_was_stopped_for_a_minute_loses_nothing() {
    let pipeline = Pipeline::start();
    let [_validator, writer] = pipeline.spawn_consumers();
    let generator = generator(&pipeline, &["--rate", "100"]);
    eventually("readings are stored", || (pipeline.read_count("weather-readings") > 100).then_some(()));
    assert_drains(&writer);
    let before = count(&pipeline, "readings");
    outage_lasts(MINUTE);
    assert_drains(&generator);
    assert_eq!(count(&pipeline, "readings"), before, "nobody is there to store");
    let _writer = pipeline.spawn(Service::Writer, &["--instance", "a"]);
    assert_all_stored(&pipeline);
    assert!(count(&pipeline, "readings") > before + 5_000, "a minute's readings have come");
}

/// SIGTERM ends every service with 0 within ten seconds, and what was read is committed: a second run adds nothing.
#[test]
fn a4_6_sigterm_drains_and_commits() {
    let pipeline = Pipeline::start();
    let [validator, writer] = pipeline.spawn_consumers();
    let generator = generator(&pipeline, &["--rate", "2000"]);
    eventually("readings are stored", || (pipeline.read_count("weather-readings") > 2_000).then_some(()));
    assert_drains(&generator);
    assert_drains(&validator);
    assert_drains(&writer);
    let stored = "SELECT SUM(stored_count) FROM turnpike.ledger WHERE connector = 'weather-readings'";
    assert_eq!(pipeline.count(stored), count(&pipeline, "readings"));
    let _consumers = pipeline.spawn_consumers();
    assert_all_stored(&pipeline);
}

/// The database is away for a minute: the writer waits without ending, and then catches up.
#[test]
fn a4_7_the_database_may_be_away_for_a_minute() {
    let pipeline = Pipeline::start();
    let [_validator, writer] = pipeline.spawn_consumers();
    let generator = generator(&pipeline, &["--rate", "100"]);
    eventually("readings are stored", || (pipeline.read_count("weather-readings") > 100).then_some(()));
    pipeline.stack.mariadb.stop().expect("the database stops");
    outage_lasts(MINUTE);
    assert!(writer.is_running() && generator.is_running(), "a service gave up");
    pipeline.stack.mariadb.start().expect("the database starts");
    assert_drains(&generator);
    assert_all_stored(&pipeline);
    assert!(count(&pipeline, "readings") > 5_000, "a minute's readings have come");
}
