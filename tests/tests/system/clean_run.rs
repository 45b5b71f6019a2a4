//! Nothing goes wrong: every record arrives once, in both tables, and the two queries of the source pipelines answer.

use system_tests::{Pipeline, Read, Run, Service, assert_drains, eventually, read_topic};

const COUNT: u64 = 20_000;

/// 20 000 passages of a seed: raw topic, good topic and both tables hold exactly what the seed says, keys stay in
/// their partition, their order is kept, and every service drains on SIGTERM.
#[test]
fn every_record_arrives_once() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let expected = pipeline.generate(&Run::new(11, COUNT, 5_000, ""));
    pipeline.settle(COUNT, 0);

    let raw = read_topic(&pipeline.kafka(), "toll");
    let valid = read_topic(&pipeline.kafka(), "toll.valid");
    let content = |read: &Read| {
        (read.partition, read.timestamp_ms, read.key.clone(), read.value.clone(), read.headers.clone())
    };
    for partition in 0..4 {
        let of = |all: &[Read]| -> Vec<_> {
            all.iter().filter(|read| read.partition == partition).map(content).collect()
        };
        assert!(of(&raw) == of(&valid), "partition {partition} differs between toll and toll.valid");
    }
    assert_eq!(read_topic(&pipeline.kafka(), "toll.dlq"), []);

    pipeline.assert_rows(&expected);
    pipeline.assert_tables_agree(COUNT);
    consumers.iter().for_each(assert_drains);
}

/// The health checks of the two toll pipelines answer in their own columns and form.
#[test]
fn the_source_pipelines_queries_answer() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    pipeline.generate(&Run::new(1, 100, 1_000, ""));
    pipeline.settle(100, 0);

    let live = pipeline.sql("SELECT * FROM tolldata.livetolldata LIMIT 10");
    assert_eq!(live.lines().count(), 10);
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
    let newest = eventually("ten newest passages", || {
        let newest = pipeline.sql("SELECT * FROM traffic_db.toll_data ORDER BY id DESC LIMIT 10");
        (newest.lines().count() == 10).then_some(newest)
    });
    for line in newest.lines() {
        let [_id, vehicle_id, vehicle_type, plaza, timestamp] = line.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("five columns: {line}")
        };
        assert_eq!(vehicle_id.len(), 36, "{line}");
        assert!(["Car", "Truck", "Van"].contains(&vehicle_type), "{line}");
        assert!(plaza.len() == 5 && ("TP001"..="TP011").contains(&plaza), "{line}");
        assert_eq!(timestamp.len(), "2026-10-02 06:00:00".len(), "{line}");
    }
}

/// Records that were sent before validator and writer first ran are judged and stored.
#[test]
fn what_was_sent_before_is_not_missed() {
    let pipeline = Pipeline::start();
    let expected = pipeline.generate(&Run::new(3, 1_000, 1_000, ""));
    let _consumers = [pipeline.spawn(Service::Validator, &[]), pipeline.spawn(Service::Writer, &[])];
    pipeline.settle(1_000, 0);
    pipeline.assert_rows(&expected);
}
