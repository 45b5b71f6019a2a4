//! Wrong settings: one clear line that names what is wrong, and exit 2.

use serde_json::json;

use crate::support::{LIMIT, Scene, wait_until};

/// Keys on top of a document that is right, with their values.
type Settings<'s> = &'s [(&'s str, &'s str)];

/// Each wrong document, password or table ends the start with exit 2 and a line that names it.
#[test]
fn wrong_settings_end_the_start() {
    let scene = Scene::new("wrong");
    let _shared = scene.world.shared();
    let table = format!("traffic_db.{}", scene.table);
    scene.world.sql(&format!("CREATE TABLE {table}_myisam (id INT) ENGINE = MyISAM"));
    let cases: &[(Settings<'_>, &[&str])] = &[
        (&[("connection.password", "wrong")], &["connection.password", "1045"]),
        (&[("table.name.format", "traffic_db.nowhere")], &["table", "traffic_db.nowhere", "init.sql"]),
        (&[("table.name.format", "nowhere.at_all")], &["nowhere.at_all"]),
        (&[("table.name.format", &format!("{table}_myisam"))], &["MyISAM", "InnoDB"]),
        (
            &[("fields.whitelist", "event_id,colour")],
            &["column", &format!("{table}.colour"), "fields.whitelist"],
        ),
        (
            &[("fields.whitelist", "event_id,lane")],
            &["column without a value", &format!("{table}.vehicle_id")],
        ),
        (
            &[("insert.mode", "upsert"), ("pk.mode", "record_value"), ("pk.fields", "lane")],
            &["pk.fields", "unique key"],
        ),
        (&[("batch.size", "0")], &["batch.size", "from 1 to"]),
        (&[("consumer.override.no.such.key", "1")], &["consumer.override", "no.such.key"]),
    ];
    for (more, expected) in cases {
        let writer = scene.writer(&scene.document(more), &[]);
        let status = writer.wait(LIMIT).unwrap();
        let output = writer.output().unwrap();
        assert_eq!(status.code(), Some(2), "{more:?}:\n{output}");
        let line = output.lines().last().unwrap_or_default();
        for part in *expected {
            assert!(line.contains(part), "{more:?}: no {part:?} in {line}");
        }
    }
    assert!(!scene.world.sql("SHOW PROCESSLIST").contains("wrong"));
}

/// A field without a column is found when its schema is met, before anything of it is stored.
#[test]
fn a_field_without_a_column_is_told() {
    let scene = Scene::new("field");
    let _shared = scene.world.shared();
    scene.world.sql(&format!("ALTER TABLE traffic_db.{} DROP COLUMN lane", scene.table));
    scene.send_passages(0..10);
    let writer = scene.writer(&scene.document(&[]), &[]);
    assert_eq!(writer.wait(LIMIT).unwrap().code(), Some(2));
    let output = writer.output().unwrap();
    let line = output.lines().last().unwrap();
    assert!(
        line.contains(&format!("traffic_db.{}.lane", scene.table)) && line.contains(&scene.name),
        "{line}"
    );
    assert_eq!(scene.rows(), 0);
}

/// A misspelt key is told with the one that was meant, and the writer goes on.
#[test]
fn unknown_keys_are_told() {
    let scene = Scene::new("unknown");
    let _shared = scene.world.shared();
    let mut document = scene.document(&[]);
    document["config"]["bacth.size"] = json!("10");
    scene.send_passages(0..4);
    let writer = scene.writer(&document, &[]);
    scene.wait_for_rows(&writer, 4);
    let output = writer.output().unwrap();
    assert!(output.contains("bacth.size") && output.contains("did you mean `batch.size`?"), "{output}");
}

/// A topic that does not exist yet is waited for, and said to be missing.
#[test]
fn a_missing_topic_is_waited_for() {
    let scene = Scene::new("topic");
    let _shared = scene.world.shared();
    let topic = format!("{}.later", scene.name);
    let writer = scene.writer(&scene.document(&[("topics", &topic)]), &[]);
    wait_until(&writer, "a word on the missing topic", || writer.output().unwrap().contains(&topic));
    scene.world.create_topic(&topic, 4);
    scene.send(
        &topic,
        (0..8).map(|number| ((number % 4) as i32, scene.value(&crate::support::passage(number)))),
    );
    scene.wait_for_rows(&writer, 8);
}
