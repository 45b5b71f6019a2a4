//! SIGTERM under load: every binary drains and exits with 0 within ten seconds, and nothing is lost.

use system_tests::{Pipeline, Service, assert_drains, eventually, read_topic};

/// All three services are told to stop, one after the other, while records flow as fast as they can.
#[test]
fn every_service_drains_on_sigterm_under_load() {
    let pipeline = Pipeline::start();
    let [validator, writer] = pipeline.spawn_consumers();
    let generator = pipeline.spawn(Service::Generator, &["--rate", "0", "--malformed", "all=2%"]);
    eventually("rows are stored", || (pipeline.read_count("toll-passages") > 5_000).then_some(()));
    assert_drains(&writer);
    assert_drains(&validator);
    assert_drains(&generator);

    let (raw, valid, dead) = ("toll", "toll.valid", "toll.dlq");
    let read = |topic| read_topic(&pipeline.kafka(), topic).len() as u64;
    assert!(read(raw) >= read(valid) + dead_of_validator(&pipeline, dead));
    let stored = pipeline.count("SELECT COUNT(*) FROM traffic_db.toll_passages");
    let counted =
        pipeline.count("SELECT SUM(stored_count) FROM turnpike.ledger WHERE connector = 'toll-passages'");
    assert_eq!(stored, counted, "{}", pipeline.ledger());

    // What was left in the topics is done by the next ones, and then all of it is accounted for.
    let consumers = pipeline.spawn_consumers();
    let sent = read(raw);
    eventually("everything is judged", || {
        (read(valid) + dead_of_validator(&pipeline, dead) == sent).then_some(())
    });
    let good = read(valid);
    eventually("everything is stored", || (pipeline.read_count("toll-passages") == good).then_some(()));
    let rows = pipeline.count("SELECT COUNT(*) FROM traffic_db.toll_passages");
    let distinct = pipeline.count("SELECT COUNT(DISTINCT event_id) FROM traffic_db.toll_passages");
    assert_eq!(rows, distinct);
    consumers.iter().for_each(assert_drains);
}

fn dead_of_validator(pipeline: &Pipeline, topic: &str) -> u64 {
    let letters = read_topic(&pipeline.kafka(), topic);
    let own =
        letters.iter().filter(|read| read.header("__connect.errors.connector.name") == Some("validator"));
    own.count() as u64
}
