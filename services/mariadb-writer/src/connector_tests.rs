//! Connector documents: those that ship, those that are pasted, and those that are wrong.

use std::path::Path;

use events::{Shape, TollPassage, TrafficEvent, WeatherReading};

use super::{Connector, Defaults, InsertMode, KeySource, Sink, TableName, Topics};
use crate::document::{parse, read};

fn defaults() -> Defaults {
    let password = Some("secret".parse().expect("any text is a secret"));
    Defaults { url: Some("jdbc:mariadb://localhost:3306".into()), user: Some("writer".into()), password }
}

fn connector(config: &serde_json::Value) -> Result<Connector, service::Error> {
    let text = serde_json::json!({ "name": "c", "config": config }).to_string();
    Connector::new(&parse(Path::new("c.json"), &text).expect("a document"), &defaults())
}

/// A document that needs nothing else, with some keys on top.
fn with(more: &[(&str, &str)]) -> Result<Connector, service::Error> {
    let mut config = serde_json::json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": "orders",
        "table.name.format": "app.orders",
    });
    for (key, value) in more {
        config[*key] = (*value).into();
    }
    connector(&config)
}

/// The shipped documents are valid as they are, and the seed's table gets exactly its four columns.
#[test]
fn shipped_documents_are_valid() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/connectors");
    let documents = read(&[directory]).expect("readable");
    let connectors: Vec<Connector> =
        documents.iter().map(|document| Connector::new(document, &defaults()).expect("valid")).collect();
    let names: Vec<&str> = connectors.iter().map(|connector| connector.name.as_str()).collect();
    let [dead_letters, live, passages, traffic, warnings, readings] = connectors.as_slice() else {
        panic!("six documents, not {names:?}")
    };
    assert_eq!(
        (dead_letters.sink, &dead_letters.topics),
        (Sink::DeadLetters, &Topics::Pattern(r".*\.dlq".into()))
    );
    assert_eq!(
        columns(live, TollPassage::SCHEMA),
        ["vehicle_id", "vehicle_type", "toll_plaza_id", "timestamp"]
    );
    assert_eq!(columns(warnings, WeatherReading::SCHEMA), ["sensor_id", "temperature", "timestamp"]);
    // Every field of an event has a column, and so have the marks.
    for (connector, schema, table, dead_letters) in [
        (passages, TollPassage::SCHEMA, "traffic_db.toll_passages", "toll.dlq"),
        (traffic, TrafficEvent::SCHEMA, "traffic_db.traffic_events", "traffic.events.dlq"),
        (readings, WeatherReading::SCHEMA, "weather_db.readings", "weather_data.dlq"),
    ] {
        let shape = Shape::parse(schema).expect("compiles");
        let fields = shape.fields().iter().map(|field| field.name.as_str()).chain(["flags", "dialect"]);
        assert_eq!(columns(connector, schema), fields.collect::<Vec<_>>());
        assert_eq!(connector.table_of("any").to_string(), table);
        assert_eq!(connector.dead_letter_topic.as_deref(), Some(dead_letters));
    }
}

/// The columns that records of a schema are written to.
fn columns(connector: &Connector, schema: &str) -> Vec<String> {
    let outcome = connector.transforms.of_schema(&Shape::parse(schema).expect("compiles")).expect("fits");
    outcome.columns().map(|(_, column)| column.to_owned()).collect()
}

/// The example of connect.md, as a Connect user would paste it, needs one change: deletes are not supported yet.
#[test]
fn a_pasted_document_works() {
    let mut config = serde_json::json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "tasks.max": "4", "topics": "orders",
        "connection.url": "jdbc:mariadb://mariadb:3306/app", "connection.user": "app", "connection.password": "x",
        "insert.mode": "upsert", "pk.mode": "record_key", "pk.fields": "order_id", "delete.enabled": "true",
        "auto.create": "true", "auto.evolve": "true", "batch.size": "1000", "max.retries": "10",
        "retry.backoff.ms": "3000", "table.name.format": "${topic}",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "io.confluent.connect.avro.AvroConverter",
        "value.converter.schema.registry.url": "http://schema-registry:8081",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "orders.dlq",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    let message = connector(&config).expect_err("deletes are refused").to_string();
    assert!(message.contains("delete.enabled"), "{message}");
    config["delete.enabled"] = false.into();
    let connector = connector(&config).expect("valid");
    assert_eq!((connector.tasks_max, connector.batch.rows_max), (4, 1_000));
    assert_eq!(
        (connector.insert_mode, &connector.key),
        (InsertMode::Upsert, &KeySource::RecordKey("order_id".into()))
    );
    let table = TableName { database: "app".into(), table: "orders".into() };
    assert_eq!(connector.table_of("orders"), table);
    assert_eq!(connector.registry_url.as_deref(), Some("http://schema-registry:8081"));
}

/// Each wrong value is refused by its key; nothing that would lose records unseen is accepted.
#[test]
fn wrong_values_are_refused_by_key() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("connector.class", &[("connector.class", "org.example.Sink")]),
        ("insert.mode", &[("insert.mode", "update")]),
        ("insert.mode", &[("insert.mode", "sometimes")]),
        ("pk.mode", &[("insert.mode", "upsert")]),
        ("pk.fields", &[("pk.mode", "kafka"), ("pk.fields", "a,b")]),
        ("pk.fields", &[("pk.mode", "record_key")]),
        ("tasks.max", &[("tasks.max", "0")]),
        ("batch.size", &[("batch.size", "many")]),
        ("table.name.format", &[("table.name.format", "orders")]),
        ("topics.regex", &[("topics.regex", "x.*")]),
        ("connection.url", &[("connection.url", "jdbc:postgresql://db/app")]),
        ("value.converter", &[("value.converter", "org.apache.kafka.connect.json.JsonConverter")]),
        ("errors.tolerance", &[("errors.tolerance", "some")]),
        ("errors.deadletterqueue.topic.name", &[("errors.tolerance", "all")]),
        (
            "errors.deadletterqueue.topic.name",
            &[("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "orders")],
        ),
        ("db.timezone", &[("db.timezone", "Europe/Berlin")]),
        ("transforms.t.type", &[("transforms", "t"), ("transforms.t.type", "org.example.Transform")]),
        ("transforms", &[("connector.class", "turnpike.DeadLetterSink"), ("transforms", "t")]),
    ];
    for (key, settings) in cases {
        let message = with(settings).expect_err(key).to_string();
        assert!(message.contains(&format!("c.json: {key}")), "{settings:?}: {message}");
    }
    assert!(with(&[]).is_ok());
}

/// A pattern must not match the connector's own dead letters, nor leave the table open.
#[test]
fn patterns_are_checked() {
    let base = serde_json::json!({ "connector.class": "turnpike.JdbcSink", "table.name.format": "app.all" });
    let with = |more: &[(&str, &str)]| {
        let mut config = base.clone();
        for (key, value) in more {
            config[*key] = (*value).into();
        }
        connector(&config).map_err(|error| error.to_string())
    };
    assert!(with(&[("topics.regex", "toll.*")]).is_ok());
    let own = [
        ("topics.regex", "toll.*"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "toll.dlq"),
    ];
    assert!(with(&own).expect_err("its own").contains("does not read itself"));
    assert!(with(&[("topics.regex", "toll(")]).expect_err("unbalanced").contains("regular expression"));
    assert!(with(&[("topics.regex", ".*"), ("table.name.format", "app.${topic}")]).is_err());
}

/// Each topic may have a table of its own, also when its name has dots.
#[test]
fn tables_follow_topics() {
    let connector = with(&[("topics", "a.b, c"), ("table.name.format", "app.${topic}")]).expect("valid");
    let names: Vec<String> = connector.table_names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["app.a.b", "app.c"]);
    assert_eq!(connector.table_of("a.b").table, "a.b");
}

/// Without a user or an address there is nothing to connect to, and the flags to give them are named.
#[test]
fn connections_come_from_flags_or_documents() {
    let text = r#"{"name":"c","config":{"connector.class":"turnpike.JdbcSink","topics":"t","table.name.format":"a.t"}}"#;
    let document = parse(Path::new("c.json"), text).expect("a document");
    let none = Defaults { url: None, user: None, password: None };
    let message = Connector::new(&document, &none).expect_err("no address").to_string();
    assert!(message.contains("--mariadb-url"), "{message}");
    let message =
        Connector::new(&document, &Defaults { user: None, ..defaults() }).expect_err("no user").to_string();
    assert!(message.contains("--mariadb-user"), "{message}");
}
