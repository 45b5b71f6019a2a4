//! Memory has limits that are set: it does not grow with the lag, with how slow the others are, or with the size of records.
//!
//! The limits here are those of executables without optimisation; docs/memory.md has the figures of a release.

use std::{fs, time::Duration};

use kafka::NewTopic;
use local_stack::{Process, Signal};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use system_tests::{
    Expected, Pipeline, Run, Service, SlowWay, assert_drains, eventually, metrics, outage_lasts, root,
};
use toll_generator::Tolls;

/// Records that wait when the services come.
const LAG: u64 = 5_000_000;
/// So many of them differ: more than a compressor looks back.
const DISTINCT: u64 = 10_000;
/// What the services may need of these records, in MiB.
const PASSAGES_MIB: u64 = 64;
/// What the writer may need of records of any size, in MiB.
const ANY_SIZE_MIB: u64 = 96;
/// What clients of the slow database may send a second: some thousand passages.
const SLOW_BYTES_A_SECOND: u64 = 256 << 10;
/// What lifts the limits of a consumer.
const UNLIMITED: &str =
    "queued.max.messages.kbytes=1000000,queued.min.messages=5000000,fetch.max.bytes=52428800";

/// The writer with one connector, behind a way to the database that can be made slow.
struct Lagging<'p> {
    pipeline: &'p Pipeline,
    way: SlowWay,
    connector: &'static str,
    process: Process,
}

impl<'p> Lagging<'p> {
    fn start(pipeline: &'p Pipeline, connector: &'static str, config: &Value, args: &[&str]) -> Self {
        let document = json!({ "name": connector, "config": config }).to_string();
        let file = pipeline.stack.folder().path().join(format!("{connector}.json"));
        fs::write(&file, document).expect("the document is written");
        let way = SlowWay::to(pipeline.stack.mariadb.port());
        way.set_bytes_a_second(SLOW_BYTES_A_SECOND);
        let url = format!("jdbc:mariadb://127.0.0.1:{}/", way.port());
        let file = file.display().to_string();
        let own = ["--mariadb-url", &url, "--connectors", &file];
        let process = pipeline.spawn(Service::Writer, &[&own, args].concat());
        Self { pipeline, way, connector, process }
    }

    fn read_count(&self) -> u64 {
        self.pipeline.read_count(self.connector)
    }

    /// Waits until so many records more are stored.
    fn await_more(&self, records: u64) {
        self.pipeline.await_read(self.connector, self.read_count() + records);
    }

    /// Stores slowly, then fast, ends, and gives what it has read and the most memory that it needed.
    fn work(self, slowly: u64, fast: u64) -> (u64, u64) {
        self.await_more(slowly);
        self.way.set_bytes_a_second(0);
        self.await_more(fast);
        let peak = peak_mib(&self.process);
        assert_drains(&self.process);
        (self.read_count(), peak)
    }
}

fn peak_mib(process: &Process) -> u64 {
    process.resident_peak_kib().expect("it runs") >> 10
}

/// The shipped connector to the table without a key, on another topic.
fn live_toll_data(topic: &str) -> Value {
    let text = fs::read_to_string(root().join("deploy/connectors/live-toll-data.json")).expect("is shipped");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    document["config"]["topics"] = topic.into();
    document["config"].take()
}

/// Five million passages wait; the database takes some thousand a second, then as many as it can. The same without the
/// limits is more than the limit within seconds, so that the lag would be seen.
#[test]
fn five_million_records_of_lag_stay_in_kafka() {
    let pipeline = Pipeline::start();
    let id = pipeline.register(
        "toll-value",
        &fs::read_to_string(root().join("schemas/toll_passage.avsc")).expect("is shipped"),
    );
    let passages = Expected::of::<Tolls>(&Run::new(12, DISTINCT, 1_000, ""), id).sent;
    let values: Vec<Vec<u8>> = passages.into_iter().map(|sent| sent.value).collect();
    pipeline.preload("toll", 4, &values, LAG);

    let writer = Lagging::start(&pipeline, "lagging", &live_toll_data("toll"), &[]);
    let (read, peak) = writer.work(20_000, 100_000);
    assert!(read < LAG / 2, "there was no lag any more");
    let rows = pipeline.count("SELECT COUNT(*) FROM tolldata.livetolldata");
    assert_eq!(rows, read, "{}", pipeline.ledger());
    for (service, peak) in
        [("writer", peak), ("validator", validator_peak(&pipeline)), ("generator", generator_peak(&pipeline))]
    {
        println!("{service}: {peak} MiB");
        assert!(peak < PASSAGES_MIB, "the {service} needed {peak} MiB");
    }

    let unlimited = ["--kafka-property", UNLIMITED];
    let writer = Lagging::start(&pipeline, "unlimited", &live_toll_data("toll"), &unlimited);
    eventually("memory grows without limits", || {
        (peak_mib(&writer.process) > 3 * PASSAGES_MIB).then_some(())
    });
}

/// The validator has the same lag before it, and a broker that does not answer now and then.
fn validator_peak(pipeline: &Pipeline) -> u64 {
    let validator = pipeline.spawn(Service::Validator, &["--stream", "toll=schemas/toll_passage"]);
    let judged = || samples(&validator, "turnpike_validator_verdicts_total");
    for count in [50_000, 100_000, 150_000] {
        eventually("records are judged", || (judged() > count).then_some(()));
        frozen_broker(pipeline, Duration::from_millis(500));
    }
    eventually("all goes on", || (judged() > 200_000).then_some(()));
    peak_mib(&validator)
}

/// Records wait in the generator while the broker does not answer; when there are enough of them, it waits itself.
fn generator_peak(pipeline: &Pipeline) -> u64 {
    let generator = pipeline.spawn(Service::Generator, &["--topic", "toll.valid", "--rate", "0"]);
    let sent = || samples(&generator, "messaging_client_sent_messages_total");
    eventually("records are sent", || (sent() > 50_000).then_some(()));
    frozen_broker(pipeline, Duration::from_secs(2));
    let before = sent();
    eventually("all goes on", || (sent() > before + 50_000).then_some(()));
    peak_mib(&generator)
}

fn frozen_broker(pipeline: &Pipeline, time: Duration) {
    pipeline.stack.kafka.signal(Signal::STOP);
    outage_lasts(time);
    pipeline.stack.kafka.signal(Signal::CONT);
}

/// The sum of a counter.
fn samples(process: &Process, name: &str) -> u64 {
    let text = metrics(process);
    let of_name = text.lines().filter(|line| line.starts_with(name));
    of_name.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum::<f64>() as u64
}

/// Partitions of the topics below: a fetch asks for records of all of them.
const PARTITIONS: i32 = 64;
const SIZED: &str =
    r#"{ "type": "record", "name": "Sized", "fields": [{ "name": "body", "type": "bytes" }] }"#;

/// A record of the schema above; what is not random compresses to next to nothing.
fn sized(schema_id: u32, bytes: usize, random: bool) -> Vec<u8> {
    let mut record = Vec::new();
    schema_registry::frame(schema_id, &mut record);
    // Avro writes a length as a number with a sign, seven bits a byte.
    let mut length = 2 * bytes;
    while length > 0x7f {
        record.push(length as u8 | 0x80);
        length >>= 7;
    }
    record.push(length as u8);
    let body = record.len();
    record.resize(body + bytes, 0);
    if random {
        Xoshiro256PlusPlus::seed_from_u64(1).fill_bytes(&mut record[body..]);
    }
    record
}

/// The largest records that a topic takes, the smallest, and such as are a hundred times larger than what comes over the network.
#[test]
fn records_of_any_size_take_bounded_memory() {
    let pipeline = Pipeline::without_topics();
    for (name, bytes, random, count) in
        [("large", 1_000_000, true, 150), ("small", 10, true, 1_500_000), ("packed", 100, false, 1_500_000)]
    {
        pipeline.sql(&format!("CREATE TABLE tolldata.{name} (body MEDIUMBLOB)"));
        let topic = NewTopic::new(name, PARTITIONS, 1);
        pipeline.kafka().admin().and_then(|admin| admin.create_topics(&[topic])).expect("a topic");
        let id = pipeline.register(&format!("{name}-value"), SIZED);
        pipeline.preload(name, PARTITIONS as u64, &[sized(id, bytes, random)], count);
        let config = json!({
            "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
            "topics": name,
            "table.name.format": format!("tolldata.{name}"),
        });
        let writer = Lagging::start(&pipeline, name, &config, &[]);
        let (read, peak) = writer.work(1, count / 10);
        println!("{count} records of {bytes} bytes: {peak} MiB");
        assert!(peak < ANY_SIZE_MIB, "{count} records of {bytes} bytes needed {peak} MiB");
        assert_eq!(
            pipeline.count(&format!("SELECT COUNT(*) FROM tolldata.{name}")),
            read,
            "{}",
            pipeline.ledger()
        );
        assert_eq!(
            pipeline.count(&format!("SELECT COUNT(*) FROM tolldata.{name} WHERE LENGTH(body) <> {bytes}")),
            0
        );
    }
}
