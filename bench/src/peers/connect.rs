//! Kafka Connect: a standalone worker of its own for each sink and setting.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use local_stack::{Process, Signal, User};
use serde_json::{Value, json};
use service::{Error, clock};

use super::{
    contest::{Cold, Ground},
    course::{self, Course},
    settings::{SinkSettings, filled, properties},
};
use crate::{rows::PASSAGES, setting::Setting, watch::Seen};

const FOLDER: &str = "bench/peers/connect";
/// What the distribution's scripts give every JVM: kafka-run-class.sh, and the heap of connect-standalone.sh.
const JVM_OF_THE_SCRIPTS: [&str; 6] = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
const HEAP_OF_THE_SCRIPTS: [&str; 2] = ["-Xms256M", "-Xmx2G"];
/// How long the worker may take to answer a request, and to let go of a connector.
const ANSWERS_IN: Duration = Duration::from_mins(1);
const GONE_IN: Duration = Duration::from_mins(1);
const ENDS_IN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Answers the converter's question for a schema.
#[derive(Debug)]
pub(super) struct Converter {
    _process: Process,
    url: String,
    /// Where one worker after the other listens.
    rest_port: u16,
}

impl Converter {
    /// Starts what answers.
    pub(super) fn start(setting: &Setting) -> Result<Self, Error> {
        let port = setting.stack.folder().port().map_err(Error::failed)?;
        let mut command = Command::new("python3");
        command.arg(format!("{FOLDER}/registry.py")).arg(port.to_string()).arg(setting.stack.registry.url());
        let log = setting.path("peers-registry.log");
        let process = Process::spawn("registry.py", &command, &log).map_err(Error::failed)?;
        let rest_port = setting.stack.folder().port().map_err(Error::failed)?;
        Ok(Self { _process: process, url: format!("http://127.0.0.1:{port}/apis/registry/v2"), rest_port })
    }
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Worker {
    process: Process,
    rest_port: u16,
}

impl Worker {
    /// Starts a worker with a connector for the topic, and lets it store all of it.
    pub(super) fn start(
        ground: &Ground<'_>,
        sink: &SinkSettings,
        course: &Course,
        tasks: u32,
    ) -> Result<(Self, Cold), Error> {
        let Ground { setting, home, converter, .. } = ground;
        PASSAGES.clear(setting)?;
        let run = setting.fresh(&sink.name);
        let folder = setting.path(&run);
        let plugins = folder.join("plugins");
        let Converter { url, rest_port, .. } = converter;
        let worker = fs::read_to_string(format!("{FOLDER}/worker.properties")).map_err(Error::failed)?;
        let values = [
            ("bootstrap_servers", &*setting.stack.kafka.bootstrap_servers()),
            ("rest_port", &rest_port.to_string()),
            ("plugins", &plugins.display().to_string()),
            ("folder", &folder.display().to_string()),
        ];
        let connector = json!({ "name": run, "config": connector(setting, url, sink, course, tasks)? });
        let (worker_file, connector_file) = (folder.join("worker.properties"), folder.join("connector.json"));
        // Connect looks for plugins in the folders of a folder.
        fs::create_dir_all(&plugins)
            .and_then(|()| symlink(&sink.plugin, plugins.join("sink")))
            .and_then(|()| symlink(home.path("converter/target/libs"), plugins.join("converter")))
            .and_then(|()| fs::write(&worker_file, filled(&worker, &values)))
            .and_then(|()| fs::write(&connector_file, connector.to_string()))
            .map_err(Error::failed)?;
        let mut command = Command::new("java");
        command.env("LC_ALL", "C.UTF-8");
        if sink.jvm.is_empty() {
            command.args(HEAP_OF_THE_SCRIPTS).args(JVM_OF_THE_SCRIPTS);
        } else {
            command.args(&sink.jvm);
        }
        command
            .arg(format!("-Dlog4j2.configurationFile={}", absolute(&format!("{FOLDER}/log4j2.properties"))?))
            .arg("-cp")
            .arg(home.path("connect/target/libs/*"))
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .args([&worker_file, &connector_file]);
        let log = setting.path(&format!("{run}.log"));
        let began = clock::instant();
        let process = Process::spawn("connect", &command, &log).map_err(Error::failed)?;
        let worker = Self { process, rest_port: *rest_port };
        let told = |error| Error::failed(format!("{error}: {}", course::last_words(&worker.process)));
        // Until it listens it cannot be asked, which is no fault.
        let fault = || if worker.listens() { worker.fault(&run) } else { Ok(()) };
        let first_row_ms = course::first_row_ms(setting, &worker.process, began, fault)?;
        let seen = worker.follow(setting, course, &run).map_err(told)?;
        worker.remove(&run)?;
        Ok((worker, Cold { first_row_ms, speed: seen.speed }))
    }

    /// Lets the running worker store a topic once more, by a connector of a new name.
    pub(super) fn run(
        &self,
        ground: &Ground<'_>,
        sink: &SinkSettings,
        course: &Course,
        tasks: u32,
    ) -> Result<Seen, Error> {
        let Ground { setting, converter, .. } = ground;
        PASSAGES.clear(setting)?;
        let run = setting.fresh(&sink.name);
        let config = connector(setting, &converter.url, sink, course, tasks)?;
        self.ask("POST", "/connectors", &json!({ "name": run, "config": config }).to_string())?;
        let told = |error| Error::failed(format!("{error}: {}", course::last_words(&self.process)));
        let seen = self.follow(setting, course, &run).map_err(told)?;
        self.remove(&run)?;
        Ok(seen)
    }

    fn follow(&self, setting: &Setting, course: &Course, run: &str) -> Result<Seen, Error> {
        course.follow(setting, &self.process, || self.fault(run))
    }

    fn listens(&self) -> bool {
        self.ask("GET", "/connectors", "").is_ok_and(|connectors| connectors != json!([]))
    }

    /// Why a task has failed, if one has.
    fn fault(&self, run: &str) -> Result<(), Error> {
        let status = self.ask("GET", &format!("/connectors/{run}/status"), "")?;
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        match tasks.iter().find(|task| task["state"] == "FAILED") {
            Some(task) => Err(Error::failed(format!("a task has failed: {}", causes(&task["trace"])))),
            None => Ok(()),
        }
    }

    /// Takes a connector away, and waits until it has gone.
    fn remove(&self, run: &str) -> Result<(), Error> {
        self.ask("DELETE", &format!("/connectors/{run}"), "")?;
        let since = clock::instant();
        while self.ask("GET", "/connectors", "")? != json!([]) {
            if since.elapsed() > GONE_IN {
                return Err(Error::failed(format!("Connect does not let go of {run}")));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// A request to the worker's interface; the answer must be a good one.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Error> {
        let exchange = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.rest_port))?;
            stream.set_read_timeout(Some(ANSWERS_IN))?;
            let length = body.len();
            write!(
                stream,
                "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = exchange().map_err(Error::failed)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            return Err(Error::failed(format!("Connect answers {method} {path} with {status}: {body}")));
        }
        if body.is_empty() { Ok(Value::Null) } else { serde_json::from_str(body).map_err(Error::failed) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.process.kill(Signal::TERM);
        // Whoever does not end is killed by the process's own drop.
        self.process.wait(ENDS_IN).ok();
    }
}

/// The connector's settings for a run.
fn connector(
    setting: &Setting,
    converter_url: &str,
    sink: &SinkSettings,
    course: &Course,
    tasks: u32,
) -> Result<Value, Error> {
    let common = fs::read_to_string(format!("{FOLDER}/connector.properties")).map_err(Error::failed)?;
    let mariadb = &setting.stack.mariadb;
    let (topic, tasks, url) = (&course.topic, tasks.to_string(), mariadb.jdbc_url());
    // Debezium wants the topic before each field.
    let fields: Vec<String> = PASSAGES.columns.split(',').map(|column| format!("{topic}:{column}")).collect();
    let values = [
        ("topic", &**topic),
        ("tasks", &*tasks),
        ("url", &*url),
        ("user", User::Writer.name()),
        ("password", mariadb.password(User::Writer)),
        ("converter_url", converter_url),
        ("columns", PASSAGES.columns),
        ("debezium_fields", &fields.join(",")),
    ];
    let mut all = properties(&common);
    all.extend(sink.connector.clone());
    Ok(all.into_iter().map(|(key, value)| (key, json!(filled(&value, &values)))).collect())
}

/// The lines of a Java trace that name causes.
fn causes(trace: &Value) -> String {
    const LINES: usize = 4;
    let trace = trace.as_str().unwrap_or_default();
    let is_cause = |(number, line): &(usize, &str)| *number == 0 || line.starts_with("Caused by");
    let lines = trace.lines().enumerate().filter(is_cause).map(|(_, line)| line);
    lines.take(LINES).collect::<Vec<_>>().join(" | ")
}

fn absolute(path: &str) -> Result<String, Error> {
    let path = std::path::absolute(Path::new(path)).map_err(Error::failed)?;
    Ok(path.display().to_string())
}
