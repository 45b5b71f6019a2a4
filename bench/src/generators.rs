//! The three generators together at full speed, in turn with a client that sends ready records and makes none.

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use kafka::{Connection, Headers, NewTopic, Outgoing};
use local_stack::{Folder, Kafka, Process, Progress, Registry, Signal};
use service::{Error, clock};

use crate::{progress, report::median, say};

const GENERATORS: [(&str, &str); 3] = [
    ("toll-generator", "toll"),
    ("traffic-generator", "traffic.events"),
    ("weather-generator", "weather_data"),
];
/// Where the plain client sends.
const PLAIN_TOPIC: &str = "plain";
const PARTITIONS: i32 = 4;
/// As long as a framed passage.
const PLAIN_VALUE: [u8; 120] = [b'x'; 120];
const PLAIN_KEY: [u8; 36] = [b'k'; 36];
/// Keys differ in their first bytes, so that records spread over the partitions.
const PLAIN_KEYS: u32 = 50_000;
/// Records of the plain client that may be on their way, as many as a generator allows itself.
const IN_FLIGHT_MAX: usize = 50_000;
const ENDS_IN: Duration = Duration::from_secs(20);

/// How long, how often, and what is promised.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many pairs of measurements
    #[arg(long, default_value_t = 3, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Records a second that the three together must reach in the median
    #[arg(long, default_value_t = 50_000.0, value_name = "RECORDS")]
    limit: f64,
}

/// Measures in pairs, and prints both speeds; exit code 1 if the promise is not kept.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let folder = Folder::claim().map_err(Error::failed)?;
    let registry = Registry::create(folder.port().map_err(Error::failed)?);
    registry.start().map_err(Error::failed)?;
    let kafka = Kafka::create(&folder, &Progress::to(|line| progress(line))).map_err(Error::failed)?;
    kafka.start().map_err(Error::failed)?;
    let stack = Setting {
        folder: folder.path().to_owned(),
        kafka: Connection::new(kafka.bootstrap_servers()),
        registry_url: registry.url(),
    };
    let topics = GENERATORS.map(|(_, topic)| NewTopic::new(topic, PARTITIONS, 1));
    let admin = stack.kafka.admin().map_err(Error::failed)?;
    admin.create_topics(&topics).map_err(Error::failed)?;
    admin.create_topics(&[NewTopic::new(PLAIN_TOPIC, PARTITIONS, 1)]).map_err(Error::failed)?;
    let (mut generated, mut plain) = (Vec::new(), Vec::new());
    for pair in 1..=options.pairs {
        generated.push(stack.generate(options.seconds, pair)?);
        plain.push(stack.send_plain(Duration::from_secs(options.seconds))?);
        progress(format!("pair {pair} of {} is measured", options.pairs));
    }
    let ratios: Vec<f64> = generated.iter().zip(&plain).map(|(ours, limit)| ours / limit).collect();
    say("| what | median | min | max |\n|---|---:|---:|---:|")?;
    say(format!("| three generators together, records/s | {} |", cells(&mut generated, 0)))?;
    say(format!("| one client that makes nothing, records/s | {} |", cells(&mut plain, 0)))?;
    say(format!("| ratio | {} |", cells(&mut ratios.clone(), 2)))?;
    let reached = median(&generated);
    if reached < options.limit {
        say(format!("\nnot reached: {reached:.0} records/s instead of {:.0}", options.limit))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the measurements run on.
struct Setting {
    folder: PathBuf,
    kafka: Connection,
    registry_url: String,
}

impl Setting {
    /// Records a second that the three generators bring to their topics, from the moment at which all of them send.
    fn generate(&self, seconds: u64, seed: u32) -> Result<f64, Error> {
        let processes = GENERATORS.map(|(name, _)| self.spawn(name, seed));
        let processes = processes.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.await_all_send()?;
        let (started, before) = (clock::instant(), self.count()?);
        thread::sleep(Duration::from_secs(seconds));
        let (ended, after) = (clock::instant(), self.count()?);
        for process in &processes {
            process.kill(Signal::TERM);
        }
        for process in &processes {
            let status = process.wait(ENDS_IN).map_err(Error::failed)?;
            if !status.success() {
                return Err(Error::failed(format!("{} ended with {status}", process.name())));
            }
        }
        Ok(speed(after - before, ended - started))
    }

    fn spawn(&self, name: &str, seed: u32) -> Result<Process, Error> {
        let own = std::env::current_exe().map_err(Error::failed)?;
        let mut command = Command::new(own.with_file_name(name));
        command
            .args(["--rate", "0", "--seed", &seed.to_string()])
            .args(["--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0"])
            .args(["--kafka-bootstrap-servers", &self.kafka.kafka_bootstrap_servers])
            .args(["--schema-registry-url", &self.registry_url]);
        let log = self.folder.join(format!("{name}-{seed}.log"));
        Process::spawn(name, &command, &log).map_err(Error::failed)
    }

    /// Waits until every topic has more records than it had.
    fn await_all_send(&self) -> Result<(), Error> {
        let before = GENERATORS.map(|(_, topic)| self.count_of(topic));
        let since = clock::instant();
        for ((name, topic), before) in GENERATORS.into_iter().zip(before) {
            let before = before?;
            while self.count_of(topic)? <= before {
                if since.elapsed() > ENDS_IN {
                    return Err(Error::failed(format!("{name} sends nothing; is it built in release mode?")));
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn count(&self) -> Result<i64, Error> {
        GENERATORS.iter().map(|(_, topic)| self.count_of(topic)).sum()
    }

    fn count_of(&self, topic: &str) -> Result<i64, Error> {
        let admin = self.kafka.admin().map_err(Error::failed)?;
        let ends = (0..PARTITIONS).map(|partition| admin.offsets(topic, partition).map(|(_, end)| end));
        ends.sum::<Result<i64, _>>().map_err(Error::failed)
    }

    /// Records a second of a client that sends the same value all the time.
    fn send_plain(&self, time: Duration) -> Result<f64, Error> {
        let producer = self.kafka.producer("plain", &[]).map_err(Error::failed)?;
        let (started, mut key, mut number) = (clock::instant(), PLAIN_KEY, 0_u32);
        while started.elapsed() < time {
            for _ in 0..256 {
                number = (number + 1) % PLAIN_KEYS;
                key[..4].copy_from_slice(&number.to_be_bytes());
                let record = Outgoing {
                    topic: PLAIN_TOPIC,
                    partition: None,
                    key: Some(&key),
                    value: Some(&PLAIN_VALUE),
                    timestamp_ms: None,
                    headers: Headers::new(),
                    receipt: None,
                };
                producer.send(record).map_err(Error::failed)?;
            }
            while producer.in_flight() > IN_FLIGHT_MAX {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let (delivered, elapsed) = (producer.delivered(), started.elapsed());
        producer.drain(ENDS_IN).map_err(Error::failed)?;
        Ok(speed(delivered as i64, elapsed))
    }
}

fn speed(records: i64, time: Duration) -> f64 {
    records as f64 / time.as_secs_f64()
}

fn cells(values: &mut [f64], digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let median = median(values);
    format!("{median:.digits$} | {:.digits$} | {:.digits$}", values[0], values[values.len() - 1])
}
