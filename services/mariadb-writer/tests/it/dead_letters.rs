//! The connector for dead letters: everything on their topics becomes a row, whoever wrote it.

use dead_letter::{Context, Reason, Stage};
use kafka::{Headers, Outgoing};
use serde_json::json;

use crate::support::{LIMIT, Scene, wait_until};

/// What the validator says of a record.
fn refused(scene: &Scene) -> Context {
    Context {
        topic: "toll".into(),
        partition: 3,
        offset: 41,
        connector_name: format!("validator-{}", scene.name),
        task_id: 0,
        stage: Stage::Transformation,
        exception_class: "turnpike.contract.RuleFailed".into(),
        exception_message: "lane is 99".into(),
        reason: Reason::OutOfRange,
        rule: Some("lane_in_range".into()),
        detail: r#"[{"rule":"lane_in_range","values":{"lane":99}}]"#.into(),
        contract_version: Some("1".into()),
        attempt: 1,
        failed_at_ms: 1_790_969_181_000,
    }
}

/// Ours, a foreign one, the same one twice, and one whose detail is not JSON: bytes are kept, coordinates are unique, nothing is lost.
#[test]
fn every_dead_letter_becomes_a_row() {
    let scene = Scene::new("letters");
    let _shared = scene.world.shared();
    let context = refused(&scene);
    let ours = Headers::new().add_texts(context.headers());
    // A detail that is not JSON says no more than the message.
    let plain = Context { offset: 42, detail: "lane 99".into(), ..context.clone() };
    let plain = Headers::new().add_texts(plain.headers());
    let foreign = Headers::new().add("naïve", Some(&[0xff, 0x00])).add("none", None);
    let producer = scene.world.kafka().producer("test", &[]).unwrap();
    let value = &[0_u8, 159, 146, 150][..];
    for (headers, key, value) in [
        (ours.clone(), Some(&b"\xff"[..]), Some(value)),
        (ours, None, Some(value)),
        (foreign, None, None),
        (plain, None, None),
    ] {
        let timestamp_ms = Some(1_790_969_180_000);
        let topic = &scene.dead_letters;
        producer
            .send(Outgoing { topic, partition: Some(3), key, value, timestamp_ms, headers, receipt: None })
            .unwrap();
    }
    producer.drain(LIMIT).unwrap();

    let document = json!({ "name": format!("letters-{}", scene.name), "config": {
        "connector.class": "turnpike.DeadLetterSink",
        "topics.regex": format!("{}\\.d.q", scene.name),
    }});
    let writer = scene.writer(&document, &[]);
    let rows = format!("FROM turnpike.dead_letters WHERE dlq_topic = '{}'", scene.dead_letters);
    wait_until(&writer, "rows for the dead letters", || {
        scene.world.number(&format!("SELECT COUNT(*) {rows}")) == 3
    });
    let columns = "topic, partition_number, record_offset, connector, stage, reason, rule, HEX(record_key), HEX(record_value), \
        record_timestamp, failed_at, attempt, dlq_partition, dlq_offset";
    let found = scene.world.sql(&format!("SELECT {columns} {rows} ORDER BY dlq_offset"));
    let ours = format!(
        "toll\t3\t41\tvalidator-{}\tTRANSFORMATION\tOUT_OF_RANGE\tlane_in_range\tNULL\t009F9296\t\
         2026-10-02 19:26:20.000\t2026-10-02 19:26:21.000\t1\t3\t1\n",
        scene.name
    );
    let foreign = format!(
        "{}\t3\t2\tunknown\tUNKNOWN\tUNSPECIFIED\tNULL\tNULL\tNULL\t\
         2026-10-02 19:26:20.000\t2026-10-02 19:26:20.000\t1\t3\t2\n",
        scene.dead_letters
    );
    let plain = format!(
        "toll\t3\t42\tvalidator-{}\tTRANSFORMATION\tOUT_OF_RANGE\tlane_in_range\tNULL\tNULL\t\
         2026-10-02 19:26:20.000\t2026-10-02 19:26:21.000\t1\t3\t3\n",
        scene.name
    );
    assert_eq!(found, ours + &foreign + &plain);
    let headers = scene.world.sql(&format!("SELECT headers {rows} AND reason = 'UNSPECIFIED'"));
    assert_eq!(headers.trim(), r#"[["naïve",{"hex":"ff00"}],["none",null]]"#);
    let lane = "JSON_VALUE(detail, '$[0].values.lane')";
    let detail = scene.world.sql(&format!("SELECT {lane} {rows} AND record_offset = 41"));
    assert_eq!(detail.trim(), "99");
    let detail = scene.world.sql(&format!("SELECT detail {rows} AND record_offset = 42"));
    assert_eq!(detail.trim(), "\"lane is 99\"");
    let ledger =
        format!("SELECT SUM(stored_count) FROM turnpike.ledger WHERE connector = 'letters-{}'", scene.name);
    assert_eq!(scene.world.number(&ledger), 4);
}
