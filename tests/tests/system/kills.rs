//! kill -9 of validators and writers in mid-stream: nothing lost, nothing doubled, by ids and not by counts.

use std::{ops::RangeInclusive, time::Duration};

use local_stack::{Process, Signal};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use system_tests::{Expected, Pipeline, Run, Service, assert_drains, eventually, outage_lasts, read_topic};

const KILLS: usize = 12;
const PAUSE_MS: RangeInclusive<u64> = 0..=500;
/// Moments are drawn from this, so that a failure can be repeated as far as processes can.
const SEED: u64 = 20_261_121;

/// Kills the service at random moments of a running stream: each time it has got on with its work before.
fn kill_repeatedly(pipeline: &Pipeline, service: Service, args: &[&str], seed: u64) -> Process {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut victim = pipeline.spawn(service, args);
    for kill in 1..=KILLS {
        let before = pipeline.read_count("toll-passages");
        eventually(&format!("records flow before kill {kill}"), || {
            (pipeline.read_count("toll-passages") > before).then_some(())
        });
        outage_lasts(Duration::from_millis(random.random_range(PAUSE_MS)));
        victim.kill(Signal::KILL);
        victim = pipeline.spawn(service, args);
    }
    victim
}

/// What must hold after any run: each raw record is in exactly one of valid and dead, and each valid record is one row
/// in each table.
fn assert_nothing_lost_or_doubled(pipeline: &Pipeline, expected: &Expected) {
    let valid = expected.good();
    let refused = expected.sent.len() as u64 - valid;
    pipeline.settle(valid, refused);

    let sorted = |topic: &str| {
        let mut records: Vec<(i32, Vec<u8>, Vec<u8>)> = read_topic(&pipeline.kafka(), topic)
            .into_iter()
            .map(|read| (read.partition, read.key, read.value))
            .collect();
        records.sort();
        records
    };
    let (raw, good, dead) = (sorted("toll"), sorted("toll.valid"), sorted("toll.dlq"));
    let mut judged = [good, dead].concat();
    judged.sort();
    assert!(judged == raw, "{} raw records became {} valid and dead ones", raw.len(), judged.len());

    pipeline.assert_rows(expected);
    pipeline.assert_tables_agree(valid);
    let out_of_balance =
        "SELECT COUNT(*) FROM turnpike.ledger WHERE read_count <> stored_count + dead_count + skipped_count";
    assert_eq!(pipeline.count(out_of_balance), 0, "{}", pipeline.ledger());
}

fn run() -> Run {
    Run::new(7, 60_000, 2_000, "bad_framing=1%,out_of_range=1%")
}

/// Twelve kills of the validator while records keep coming.
#[test]
fn a_killed_validator_loses_and_doubles_nothing() {
    let pipeline = Pipeline::start();
    let _writer = pipeline.spawn(Service::Writer, &["--instance", "a"]);
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    let validator = kill_repeatedly(&pipeline, Service::Validator, &["--instance", "a"], SEED);
    let expected = pipeline.generated(&generator, &run);
    assert_nothing_lost_or_doubled(&pipeline, &expected);
    assert_drains(&validator);
}

/// Twelve kills of the writer while records keep coming.
#[test]
fn a_killed_writer_loses_and_doubles_nothing() {
    let pipeline = Pipeline::start();
    let _validator = pipeline.spawn(Service::Validator, &["--instance", "a"]);
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    let writer = kill_repeatedly(&pipeline, Service::Writer, &["--instance", "a"], SEED + 1);
    let expected = pipeline.generated(&generator, &run);
    assert_nothing_lost_or_doubled(&pipeline, &expected);
    assert_drains(&writer);
}

/// Two validators and two writers share the partitions; one of each is killed and never comes back.
#[test]
fn survivors_take_over_the_partitions_of_the_killed() {
    let pipeline = Pipeline::start();
    let mut processes: Vec<Process> = Vec::new();
    for instance in ["a", "b"] {
        processes.push(pipeline.spawn(Service::Validator, &["--instance", instance]));
        processes.push(pipeline.spawn(Service::Writer, &["--instance", instance]));
    }
    let run = run();
    let generator = pipeline.spawn_generator(&run);
    eventually("rows are stored", || (pipeline.read_count("toll-passages") > 3_000).then_some(()));
    processes[0].kill(Signal::KILL);
    processes[1].kill(Signal::KILL);
    let expected = pipeline.generated(&generator, &run);
    assert_nothing_lost_or_doubled(&pipeline, &expected);
    assert_drains(&processes[2]);
    assert_drains(&processes[3]);
}
