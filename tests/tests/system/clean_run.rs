//! Nothing goes wrong: every record arrives once, in both tables.

use system_tests::{Pipeline, Read, Run, assert_drains, read_topic};

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
