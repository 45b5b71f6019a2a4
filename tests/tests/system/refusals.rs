//! What cannot work is told in one clear line: configuration ends with 2, infrastructure waits.

use std::{fs, path::PathBuf, time::Duration};

use local_stack::Process;
use system_tests::{Pipeline, Service};

/// Waits for the end and asserts exit code 2 with one line on stderr that holds all the parts.
fn assert_refused(process: &Process, parts: &[&str]) {
    let ended = process.wait(Duration::from_secs(30));
    let output = process.output().unwrap_or_default();
    let status = ended.unwrap_or_else(|error| panic!("{error}\n{output}"));
    assert_eq!(status.code(), Some(2), "{output}");
    // Behind it may stand what the clients said before it, counted.
    let mut told = output.lines().filter(|line| !line.contains("telemetry::repeats"));
    let last = told.next_back().unwrap_or_default();
    for part in parts {
        assert!(last.contains(part), "`{part}` is not in the line: {last}");
    }
}

/// A folder with one connector document made from the shipped one.
fn connectors(pipeline: &Pipeline, name: &str, change: impl Fn(&str) -> String) -> PathBuf {
    let shipped = fs::read_to_string(system_tests::root().join("deploy/connectors/toll-passages.json"));
    let folder = pipeline.stack.folder().path().join(name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("toll-passages.json"), change(&shipped.expect("the shipped document")))
        .expect("written");
    folder
}

fn writer_with(pipeline: &Pipeline, name: &str, change: impl Fn(&str) -> String) -> Process {
    let folder = connectors(pipeline, name, change);
    pipeline.spawn(Service::Writer, &["--connectors", &folder.to_string_lossy()])
}

/// Everything that a connector or the database can have wrong at the start.
#[test]
fn the_writer_refuses_what_cannot_work() {
    let pipeline = Pipeline::start();
    let mut command = pipeline.command(Service::Writer, &[]);
    command.env("TURNPIKE_MARIADB_PASSWORD", "wrong");
    let wrong_password = pipeline.spawn_command(Service::Writer, &command);
    assert_refused(&wrong_password, &["turnpike_writer", "1045"]);

    let missing_table = writer_with(&pipeline, "table", |json| json.replace("toll_passages", "toll_passage"));
    assert_refused(&missing_table, &["traffic_db.toll_passage\"", "a table that exists", "init.sql"]);

    pipeline.sql("ALTER TABLE traffic_db.toll_passages DROP COLUMN lane");
    let missing_column = writer_with(&pipeline, "column", str::to_owned);
    assert_refused(&missing_column, &["traffic_db.toll_passages.lane", "a column that exists"]);
    pipeline.sql("ALTER TABLE traffic_db.toll_passages ADD COLUMN lane TINYINT NOT NULL");

    let bad_value = writer_with(&pipeline, "value", |json| {
        json.replace("\"config\": {", "\"config\": {\n\"batch.size\": \"many\",")
    });
    assert_refused(&bad_value, &["toll-passages.json", "batch.size", "many"]);

    let broken = writer_with(&pipeline, "json", |json| json.replacen('"', "", 1));
    assert_refused(&broken, &["toll-passages.json", "line 2", "column"]);
}

/// An unknown key is told, with what was probably meant, and does no harm.
#[test]
fn an_unknown_connector_key_is_told() {
    let pipeline = Pipeline::start();
    let writer = writer_with(&pipeline, "key", |json| {
        json.replace("\"config\": {", "\"config\": {\n\"insert.mod\": \"insert\",")
    });
    let line = writer
        .wait_for_line(Duration::from_secs(30), |line| line.contains("insert.mod").then(|| line.to_owned()));
    let line = line.expect("the key is told");
    assert!(line.contains("WARN") && line.contains("insert.mode"), "{line}");
}

/// A topic that is not there is waited for, with one line that names it and what to do.
#[test]
fn a_missing_topic_is_waited_for() {
    let pipeline = Pipeline::without_topics();
    let validator = pipeline.spawn(Service::Validator, &[]);
    let line = validator.wait_for_line(Duration::from_secs(30), |line| {
        line.contains("does not exist").then(|| line.to_owned())
    });
    let line = line.expect("the missing topic is told");
    assert!(line.contains("topic toll") && line.contains("turnpike topics create"), "{line}");
    pipeline.create_topics();
    validator
        .wait_for_line(Duration::from_secs(30), |line| line.contains("partitions assigned").then_some(()))
        .expect("it goes on when the topic is there");
}

/// A schema that the registry refuses ends the generator, with the registry's reason.
#[test]
fn an_incompatible_schema_is_refused() {
    let pipeline = Pipeline::start();
    let other = r#"{"type":"record","name":"TollPassage","namespace":"turnpike","fields":[{"name":"event_id","type":"int"}]}"#;
    pipeline.register("toll-value", other);
    let generator = pipeline.spawn(Service::Generator, &["--count", "1"]);
    assert_refused(&generator, &["toll-value", "409"]);
}

/// A broker that is not there is waited for with one line, and SIGTERM ends the wait.
#[test]
fn an_unreachable_broker_is_waited_for() {
    let pipeline = Pipeline::start();
    for service in [Service::Generator, Service::Validator, Service::Writer] {
        let process = pipeline.spawn(service, &["--kafka-property", "bootstrap.servers=127.0.0.1:1"]);
        process
            .wait_for_line(Duration::from_mins(1), |line| line.to_lowercase().contains("kafka").then_some(()))
            .expect("it says that it waits");
        assert!(process.is_running());
        system_tests::assert_drains(&process);
    }
}

/// A contract with a mistake stops the validator's start with the rule's name and the place.
#[test]
fn a_bad_contract_stops_the_start() {
    let pipeline = Pipeline::start();
    let schemas = system_tests::root().join("schemas");
    let folder = pipeline.stack.folder().path().join("schemas");
    fs::create_dir_all(&folder).expect("a folder");
    let contract =
        fs::read_to_string(schemas.join("toll_passage.contract.json")).expect("the shipped contract");
    fs::copy(schemas.join("toll_passage.avsc"), folder.join("toll_passage.avsc")).expect("copied");
    fs::write(
        folder.join("toll_passage.contract.json"),
        contract.replace("message.lane >=", "message.lne >="),
    )
    .expect("written");
    let stream = format!("toll={}", folder.join("toll_passage").display());
    let validator = pipeline.spawn(Service::Validator, &["--stream", &stream]);
    assert_refused(&validator, &["lane_in_range", "column 31", "did you mean `lane`?"]);
}
