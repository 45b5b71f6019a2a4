//! Registry, database and broker away, at the start and in the middle: the services wait, say so, and lose nothing.

use std::time::Duration;

use local_stack::{Process, Signal};
use system_tests::{Pipeline, Run, assert_drains, eventually, get, http_address, outage_lasts, read_topic};

const COUNT: u64 = 20_000;

fn run() -> Run {
    Run::new(9, COUNT, 1_000, "")
}

fn assert_all_arrived(pipeline: &Pipeline, generator: &Process, run: &Run) {
    let expected = pipeline.generated(generator, run);
    pipeline.settle(COUNT, 0);
    pipeline.assert_rows(&expected);
    assert_eq!(read_topic(&pipeline.kafka(), "toll.valid").len() as u64, COUNT);
    assert_eq!(read_topic(&pipeline.kafka(), "toll.dlq"), [], "an outage made dead letters");
    pipeline.assert_tables_agree(COUNT);
}

/// How many lines of a service's log hold a text.
fn lines_with(process: &Process, text: &str) -> usize {
    process.output().unwrap_or_default().lines().filter(|line| line.contains(text)).count()
}

/// The registry comes 3 s late: everybody waits for it with a line each, and then all is well. It goes away again in the
/// middle: known schemas go on without it.
#[test]
fn the_registry_is_away_at_the_start_and_in_the_middle() {
    let pipeline = Pipeline::start();
    pipeline.stack.registry.stop();
    let consumers = pipeline.spawn_consumers();
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    eventually("the generator says that it waits", || {
        (lines_with(&generator, "registry") > 0 && lines_with(&generator, "WARN") > 0).then_some(())
    });
    outage_lasts(Duration::from_secs(3));
    assert!(generator.is_running() && consumers.iter().all(Process::is_running));
    let output = generator.output().unwrap_or_default();
    let told = output.lines().filter(|line| line.contains("WARN") && line.contains("registry")).count();
    assert!(told <= 2, "one line a change: {output}");
    pipeline.stack.registry.start().expect("the registry starts");
    eventually("rows are stored", || (pipeline.read_count("toll-passages") > 2_000).then_some(()));
    pipeline.stack.registry.stop();
    let before = pipeline.read_count("toll-passages");
    eventually("rows go on without the registry", || {
        (pipeline.read_count("toll-passages") > before + 2_000).then_some(())
    });
    pipeline.stack.registry.start().expect("the registry starts");
    assert_all_arrived(&pipeline, &generator, &run);
    consumers.iter().for_each(assert_recovered);
}

/// The database is shut down for 10 s in the middle of the stream, then killed and started again: the writer waits.
#[test]
fn the_database_is_away_for_ten_seconds() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    eventually("rows are stored", || (pipeline.read_count("toll-passages") > 2_000).then_some(()));
    pipeline.stack.mariadb.stop().expect("the database stops");
    outage_lasts(Duration::from_secs(10));
    assert!(consumers.iter().all(Process::is_running), "a service gave up");
    pipeline.stack.mariadb.start().expect("the database starts");
    let before = pipeline.read_count("toll-passages");
    eventually("the writer goes on", || (pipeline.read_count("toll-passages") > before + 500).then_some(()));
    pipeline.stack.mariadb.kill();
    pipeline.stack.mariadb.start().expect("the database starts");
    assert_all_arrived(&pipeline, &generator, &run);
    consumers.iter().for_each(assert_recovered);
}

/// The broker is killed three times in the stream and comes back: transactions are finished or given up, never torn.
#[test]
fn the_broker_is_killed_and_comes_back() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    for stored in [2_000, 4_000, 6_000] {
        eventually("rows are stored", || (pipeline.read_count("toll-passages") > stored).then_some(()));
        pipeline.stack.kafka.kill();
        outage_lasts(Duration::from_millis(stored / 2));
        pipeline.stack.kafka.start().expect("the broker starts");
    }
    assert_all_arrived(&pipeline, &generator, &run);
    consumers.iter().for_each(assert_recovered);
}

/// The broker is stopped four times as an operator would, and started again: it takes leave of its clients with an empty list of brokers,
/// and they find back to it all the same.
#[test]
fn the_broker_is_stopped_and_started_again() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    for stored in [1_000, 3_000, 5_000, 7_000] {
        eventually("rows are stored", || (pipeline.read_count("toll-passages") > stored).then_some(()));
        pipeline.stack.kafka.stop().expect("the broker stops");
        pipeline.stack.kafka.start().expect("the broker starts");
    }
    assert_all_arrived(&pipeline, &generator, &run);
    consumers.iter().for_each(assert_recovered);
}

/// A service that has come through is ready again, and drains.
fn assert_recovered(process: &Process) {
    let ready = format!("http://{}/health/ready", http_address(process));
    eventually("the service is ready again", || get(&ready).ok());
    assert_drains(process);
}

/// The database freezes (it neither answers nor closes): statements time out instead of hanging for ever.
#[test]
fn a_frozen_database_is_noticed() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    eventually("rows are stored", || (pipeline.read_count("toll-passages") > 2_000).then_some(()));
    pipeline.stack.mariadb.signal(Signal::STOP);
    eventually("the writer notices", || (lines_with(&consumers[1], "WARN") > 0).then_some(()));
    pipeline.stack.mariadb.signal(Signal::CONT);
    assert_all_arrived(&pipeline, &generator, &run);
    consumers.iter().for_each(assert_recovered);
}

/// The broker freezes for longer than a transaction may last: what was open is given up by both sides and done again.
#[test]
fn a_frozen_broker_is_survived() {
    let pipeline = Pipeline::start();
    let consumers = pipeline.spawn_consumers();
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    eventually("rows are stored", || (pipeline.read_count("toll-passages") > 2_000).then_some(()));
    pipeline.stack.kafka.signal(Signal::STOP);
    outage_lasts(Duration::from_secs(25));
    pipeline.stack.kafka.signal(Signal::CONT);
    assert_all_arrived(&pipeline, &generator, &run);
    consumers.iter().for_each(assert_recovered);
}
