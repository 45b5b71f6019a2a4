//! Errors of data: only the rows that cause them are set aside, with their original bytes, and all others are stored.

use std::collections::BTreeMap;

use local_stack::Signal;
use serde_json::json;

use crate::support::{LIMIT, Scene, passage, wait_until};

/// A thousand good passages are stored as they are, in order, and the ledger has them all.
#[test]
fn passages_become_rows() {
    let scene = Scene::new("rows");
    let _shared = scene.world.shared();
    scene.send_passages(0..1_000);
    let writer = scene.writer(&scene.document(&[]), &[]);
    scene.wait_for_rows(&writer, 1_000);
    scene.assert_exactly_once(1_000);
    let row =
        scene.world.sql(&format!("SELECT * FROM traffic_db.{} WHERE transponder_id = 10007", scene.table));
    let values: Vec<&str> = row.trim().split('\t').skip(1).collect();
    let uuids = ["00000000-0000-0000-0000-000000000007", "00000000-0000-0007-0000-000000000000"];
    let expected =
        [uuids[0], uuids[1], "10007", "car", "4007", "8", "2.57", "EUR", "2026-10-02 19:26:20.130"];
    assert_eq!(values, [&expected[..], &["NULL", "NULL"]].concat());
}

/// Several bad rows in one statement, of every kind: each is set aside alone, with its reason and its own bytes.
#[test]
fn only_the_culprits_are_set_aside() {
    let scene = Scene::new("culprits");
    let _shared = scene.world.shared();
    let mut values: Vec<Vec<u8>> = (0..1_000).map(|number| scene.value(&passage(number))).collect();
    let mut reasons = BTreeMap::new();
    let mut spoil = |index: usize, value: Vec<u8>, reason: &'static str| {
        reasons.insert(index, reason);
        values[index] = value;
    };
    let mut long = passage(100);
    long.vehicle_type = "a vehicle with too many letters".into();
    let mut wide = passage(101);
    wide.lane = Some(300);
    let mut late = passage(700);
    late.occurred_at_ms = i64::MAX;
    spoil(100, scene.value(&long), "VALUE_TOO_LONG");
    spoil(101, scene.value(&wide), "VALUE_TOO_LONG");
    spoil(300, scene.value(&passage(5)), "DUPLICATE_KEY");
    spoil(700, scene.value(&late), "VALUE_TOO_LONG");
    spoil(701, [scene.value(&passage(701)), vec![0]].concat(), "TRAILING_BYTES");
    spoil(702, scene.value(&passage(702))[..20].to_vec(), "UNDECODABLE");
    spoil(703, b"{}".to_vec(), "NOT_FRAMED");
    spoil(704, vec![0, 0, 1, 0, 0, 1], "UNKNOWN_SCHEMA");
    spoil(999, Vec::new(), "NOT_FRAMED");
    let spoilt: Vec<(String, Vec<u8>)> =
        reasons.iter().map(|(index, reason)| ((*reason).to_owned(), values[*index].clone())).collect();
    scene.send(&scene.topic, values.into_iter().map(|value| (2, value)));

    let writer = scene.writer(&scene.document(&[]), &[]);
    wait_until(&writer, "all records read", || scene.ledger().0 == 1_000);
    assert_eq!(scene.ledger(), (1_000, 991, 9));
    let expected: Vec<u64> = (0..1_000).filter(|number| !reasons.contains_key(&(*number as usize))).collect();
    assert_eq!(scene.stored_numbers(), expected);

    let letters = scene.dead_letters(9);
    assert!(letters.iter().all(|(partition, ..)| *partition == 2));
    let mut found: Vec<(String, Vec<u8>)> = letters
        .iter()
        .map(|(_, value, headers)| (headers["turnpike.reason"].clone(), value.clone()))
        .collect();
    let mut expected = spoilt;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let (_, _, headers) =
        letters.iter().find(|(_, _, headers)| headers["turnpike.reason"] == "DUPLICATE_KEY").unwrap();
    for (name, value) in [
        ("traceparent", "00-1-1-00"),
        ("tracestate", "other=1"),
        ("__connect.errors.topic", scene.topic.as_str()),
        ("__connect.errors.partition", "2"),
        ("__connect.errors.offset", "300"),
        ("__connect.errors.connector.name", scene.name.as_str()),
        ("__connect.errors.task.id", "0"),
        ("__connect.errors.stage", "TASK_PUT"),
        ("turnpike.detail", r#"{"errno":1062,"sqlstate":"23000"}"#),
        ("turnpike.attempt", "1"),
    ] {
        assert_eq!(headers.get(name).map(String::as_str), Some(value), "{name}");
    }
}

/// Without tolerance the first bad record stops the service with exit 1, names itself, and nothing of its batch stays.
#[test]
fn intolerance_stops_the_service() {
    let scene = Scene::new("intolerant");
    let _shared = scene.world.shared();
    let mut bad = passage(3);
    bad.lane = Some(300);
    let values = [scene.value(&passage(0)), scene.value(&passage(1)), scene.value(&bad)];
    scene.send(&scene.topic, values.into_iter().map(|value| (1, value)));
    let writer = scene.writer(&scene.document(&[("errors.tolerance", "none")]), &[]);
    assert_eq!(writer.wait(LIMIT).unwrap().code(), Some(1));
    let output = writer.output().unwrap();
    assert!(
        output.contains(&format!("{}[1] at offset 2", scene.topic)) && output.contains("VALUE_TOO_LONG"),
        "{output}"
    );
    assert_eq!((scene.rows(), scene.ledger()), (0, (0, 0, 0)));
}

/// Records of two versions of a schema, mixed, go into the same rows; a field that the old one lacks is NULL.
#[test]
fn versions_of_a_schema_mix() {
    let scene = Scene::new("versions");
    let _shared = scene.world.shared();
    let table = format!("traffic_db.{}", scene.table);
    scene
        .world
        .sql(&format!("DROP TABLE {table}; CREATE TABLE {table} (id BIGINT, note VARCHAR(10), seen DATE)"));
    let old = r#"{"type":"record","name":"V","fields":[{"name":"id","type":"long"}]}"#;
    let new = r#"{"type":"record","name":"V","fields":[{"name":"id","type":"long"},
        {"name":"note","type":["null","string"],"default":null},
        {"name":"seen","type":{"type":"int","logicalType":"date"},"default":0}]}"#;
    let subject = format!("{}-value", scene.name);
    let (old, new) = (scene.world.register(&subject, old), scene.world.register(&subject, new));
    let value = |index: u8| {
        let mut value = Vec::new();
        schema_registry::frame(if index.is_multiple_of(2) { old } else { new }, &mut value);
        value.push(index * 2);
        if !index.is_multiple_of(2) {
            value.extend([2, 2, b'x', 2]);
        }
        (0, value)
    };
    scene.send(&scene.topic, (0..50).map(value));
    let writer = scene.writer(&scene.document(&[]), &[]);
    scene.wait_for_rows(&writer, 50);
    let counts =
        scene.world.sql(&format!("SELECT COUNT(note), COUNT(seen), SUM(seen = '1970-01-02') FROM {table}"));
    assert_eq!(counts.trim(), "25\t25\t25");
    let order = scene.world.sql(&format!("SELECT id FROM {table}"));
    assert!(order.lines().enumerate().all(|(index, line)| line == index.to_string()), "{order}");
}

/// An upsert with the coordinates as its key, and one with a field of the value: the last record of a key wins.
#[test]
fn upserts_keep_the_last() {
    let scene = Scene::new("upserts");
    let _shared = scene.world.shared();
    let mut changed = passage(4);
    changed.lane = Some(12);
    scene.send_passages([0, 4, 8]);
    scene.send(&scene.topic, [(0, scene.value(&changed))]);
    let more = [("insert.mode", "upsert"), ("pk.mode", "record_value"), ("pk.fields", "event_id")];
    let writer = scene.writer(&scene.document(&more), &[]);
    wait_until(&writer, "all records stored", || scene.ledger() == (4, 4, 0));
    let lanes =
        scene.world.sql(&format!("SELECT transponder_id, lane FROM traffic_db.{} ORDER BY 1", scene.table));
    assert_eq!(lanes, "10000\t1\n10004\t12\n10008\t9\n");
    writer.kill(Signal::TERM);
    assert_eq!(writer.wait(LIMIT).unwrap().code(), Some(0));

    let table = format!("by_offset_{}", scene.name.replace('-', "_"));
    scene.world.sql(&format!(
        "CREATE TABLE traffic_db.{table} (t VARCHAR(99), p INT, o BIGINT, vehicle VARCHAR(9), lane INT, PRIMARY KEY (t, p, o))"
    ));
    let mut document = scene.document(&[
        ("insert.mode", "upsert"),
        ("pk.mode", "kafka"),
        ("pk.fields", "t,p,o"),
        ("fields.whitelist", "lane"),
        ("table.name.format", &format!("traffic_db.{table}")),
    ]);
    document["name"] = json!(format!("{}-by-offset", scene.name));
    let writer = scene.writer(&document, &[]);
    let count = format!("SELECT COUNT(*) FROM traffic_db.{table} WHERE t = '{}'", scene.topic);
    wait_until(&writer, "four coordinates", || scene.world.number(&count) == 4);
}
