//! One run: a generator fills a topic, then a validator judges it, then a writer stores it, each alone and at full speed.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use kafka::{Class, Consumer, ConsumerSettings, NewTopic, TopicPartition};
use local_stack::{Process, Progress, Signal, Stack, User};
use serde_json::json;
use service::Error;
use system_tests::otlp::Collector;

use crate::{
    progress,
    watch::{Seen, watch},
};

/// What is measured of a run, in its order.
pub(crate) const STAGES: [&str; 3] = ["generator", "validator", "writer"];
/// How many times the records of a writer the others work off: they are faster, and each should take some seconds.
const GENERATED: u64 = 4;
const JUDGED: u64 = 2;

const PARTITIONS: i32 = 4;
const ENDS_IN: Duration = Duration::from_secs(20);
const BUFFER_POOL_MIB: u32 = 1_024;

/// What the runs have in common.
pub(crate) struct Setting {
    stack: Stack,
    collector: Collector,
    records: u64,
    share: f64,
}

/// One run.
struct Leg<'s> {
    setting: &'s Setting,
    name: String,
    is_on: bool,
}

impl Setting {
    /// A fresh stack, and somebody who receives the spans.
    pub(crate) fn start(records: u64, share: f64) -> Result<Self, Error> {
        let options = local_stack::Options {
            buffer_pool_mib: BUFFER_POOL_MIB,
            progress: Progress::to(|line| progress(line)),
            ..local_stack::Options::default()
        };
        let stack = Stack::start(options).map_err(Error::failed)?;
        let collector = Collector::start(stack.folder());
        Ok(Self { stack, collector, records, share })
    }

    /// Spans that have arrived so far.
    pub(crate) fn spans(&self) -> usize {
        self.collector.spans().all().len()
    }

    /// Runs all stages on records of their own.
    pub(crate) fn leg(&self, pair: u32, is_on: bool) -> Result<[Seen; STAGES.len()], Error> {
        let name = format!("leg-{pair}-{}", if is_on { "on" } else { "off" });
        let leg = Leg { setting: self, name, is_on };
        let topics = [leg.topic(), format!("{}.valid", leg.topic()), format!("{}.dlq", leg.topic())];
        let topics = topics.map(|topic| NewTopic::new(topic, PARTITIONS, 1));
        let admin = kafka(&self.stack).admin().map_err(Error::failed)?;
        admin.create_topics(&topics).map_err(Error::failed)?;
        self.stack.mariadb.sql("TRUNCATE TABLE traffic_db.toll_passages").map_err(Error::failed)?;
        Ok([leg.generate(pair)?, leg.judge()?, leg.store()?])
    }
}

impl Leg<'_> {
    fn topic(&self) -> String {
        format!("toll.{}", self.name)
    }

    fn generate(&self, seed: u32) -> Result<Seen, Error> {
        let Setting { stack, records, .. } = self.setting;
        let admin = kafka(stack).admin().map_err(Error::failed)?;
        let topic = self.topic();
        let (seed, most) = (seed.to_string(), (records * GENERATED * 2).to_string());
        let process = self.spawn(
            "toll-generator",
            &["--topic", &topic, "--rate", "0", "--seed", &seed, "--count", &most],
        )?;
        let measured = watch(&process, records * GENERATED, || {
            let ends = (0..PARTITIONS).map(|partition| match admin.offsets(&topic, partition) {
                Ok((_, end)) => Ok(end as u64),
                // A partition that is new has no leader yet.
                Err(error) if error.class() == Class::Infrastructure => Ok(0),
                Err(error) => Err(Error::failed(error)),
            });
            ends.sum()
        })?;
        end(&process)?;
        Ok(measured)
    }

    fn judge(&self) -> Result<Seen, Error> {
        let topic = self.topic();
        let group = format!("validator-{}", self.name);
        let stream = format!("{topic}=schemas/toll_passage");
        let process = self.spawn("validator", &["--group-id", &group, "--stream", &stream])?;
        let partitions: Vec<TopicPartition> = (0..PARTITIONS)
            .map(|partition| TopicPartition { topic: topic.as_str().into(), partition })
            .collect();
        let settings = ConsumerSettings {
            group_id: group,
            client_id: "bench".to_owned(),
            ..ConsumerSettings::default()
        };
        let consumer = kafka(&self.setting.stack).consumer(&settings).map_err(Error::failed)?;
        let measured = watch(&process, self.setting.records * JUDGED, || committed(&consumer, &partitions))?;
        end(&process)?;
        Ok(measured)
    }

    fn store(&self) -> Result<Seen, Error> {
        let Setting { stack, records, .. } = self.setting;
        let shipped = fs::read_to_string("deploy/connectors/toll-passages.json").map_err(Error::failed)?;
        let mut connector: serde_json::Value = serde_json::from_str(&shipped).map_err(Error::failed)?;
        connector["name"] = json!(self.name);
        connector["config"]["topics"] = json!(format!("{}.valid", self.topic()));
        connector["config"]["errors.deadletterqueue.topic.name"] = json!(format!("{}.dlq", self.topic()));
        let path = self.path("connector.json");
        fs::write(&path, connector.to_string()).map_err(Error::failed)?;
        let path = path.display().to_string();
        let (url, user) = (stack.mariadb.jdbc_url(), User::Writer.name());
        let arguments = ["--connectors", &path, "--mariadb-url", &url, "--mariadb-user", user];
        let process = self.spawn("mariadb-writer", &arguments)?;
        let query = format!(
            "SELECT COALESCE(SUM(read_count), 0) FROM turnpike.ledger WHERE connector = '{}'",
            self.name
        );
        let measured = watch(&process, *records, || {
            let count = stack.mariadb.sql(&query).map_err(Error::failed)?;
            count.trim().parse().map_err(Error::failed)
        })?;
        end(&process)?;
        Ok(measured)
    }

    fn spawn(&self, name: &str, arguments: &[&str]) -> Result<Process, Error> {
        let Setting { stack, collector, share, .. } = self.setting;
        let own = std::env::current_exe().map_err(Error::failed)?;
        let mut command = Command::new(own.with_file_name(name));
        command
            .args(["--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0"])
            .args(["--kafka-bootstrap-servers", &stack.kafka.bootstrap_servers()])
            .args(["--schema-registry-url", &stack.registry.url()])
            .args(arguments)
            .env("TURNPIKE_MARIADB_PASSWORD", stack.mariadb.password(User::Writer));
        // Whatever the shell has set.
        command.env("OTEL_SDK_DISABLED", (!self.is_on).to_string());
        if self.is_on {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
            command.env("OTEL_TRACES_SAMPLER_ARG", share.to_string());
        }
        Process::spawn(name, &command, &self.path(&format!("{name}.log"))).map_err(Error::failed)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.setting.stack.folder().path().join(format!("{}-{file}", self.name))
    }
}

fn kafka(stack: &Stack) -> kafka::Connection {
    kafka::Connection::new(stack.kafka.bootstrap_servers())
}

fn committed(consumer: &Consumer, partitions: &[TopicPartition]) -> Result<u64, Error> {
    let committed = consumer.committed(partitions).map_err(Error::failed)?;
    Ok(committed.iter().map(|committed| committed.offset.unwrap_or(0) as u64).sum())
}

fn end(process: &Process) -> Result<(), Error> {
    process.kill(Signal::TERM);
    let status = process.wait(ENDS_IN).map_err(Error::failed)?;
    let name = process.name();
    if status.success() { Ok(()) } else { Err(Error::failed(format!("{name} ended with {status}"))) }
}
