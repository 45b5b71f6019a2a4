//! The connector for dead letters: everything on their topics becomes a row, whoever wrote it.

use dead_letter::{Context, Reason, Stage};
use kafka::{Headers, Outgoing};
use serde_json::json;

use crate::support::{LIMIT, Scene, wait_until};

/// Ours, a foreign one, and the same one twice: bytes are kept, coordinates are unique, nothing is lost.
#[test]
fn every_dead_letter_becomes_a_row() {
    let scene = Scene::new("letters");
    let _shared = scene.world.shared();
    let context = Context {
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
    };
    let ours = context
        .headers()
        .fold(Headers::new(), |headers, (name, value)| headers.add(name, Some(value.as_bytes())));
    let foreign = Headers::new().add("naïve", Some(&[0xff, 0x00])).add("none", None);
    let producer = scene.world.kafka().producer("test", &[]).unwrap();
    let value = &[0_u8, 159, 146, 150][..];
    for (headers, key, value) in
        [(ours.clone(), Some(&b"\xff"[..]), Some(value)), (ours, None, Some(value)), (foreign, None, None)]
    {
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
        scene.world.number(&format!("SELECT COUNT(*) {rows}")) == 2
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
    assert_eq!(found, ours + &foreign);
    let headers = scene.world.sql(&format!("SELECT headers {rows} AND reason = 'UNSPECIFIED'"));
    assert_eq!(headers.trim(), r#"[["naïve",{"hex":"ff00"}],["none",null]]"#);
    let detail = scene
        .world
        .sql(&format!("SELECT JSON_VALUE(detail, '$[0].values.lane') {rows} AND reason = 'OUT_OF_RANGE'"));
    assert_eq!(detail.trim(), "99");
    let ledger =
        format!("SELECT SUM(stored_count) FROM turnpike.ledger WHERE connector = 'letters-{}'", scene.name);
    assert_eq!(scene.world.number(&ledger), 3);
}
