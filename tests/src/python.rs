//! Programs of `tests/python`: producers of the kind that the source pipelines use, with Python's own Kafka clients, and the
//! parser of Prometheus' own client.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value as Json;

use crate::{Pipeline, root};

/// A producer of `tests/python`, one of the four.
#[derive(Debug, Clone, Copy)]
pub struct Producer {
    /// The script.
    pub script: &'static str,
    /// The topic it writes to.
    pub topic: &'static str,
    /// What its machine's clock shows, in POSIX's form, which needs no time zone database: `UTC0`.
    pub zone: &'static str,
}

impl Producer {
    /// Runs it until it has written `count` records, and gives what it printed.
    pub fn run(&self, pipeline: &Pipeline, count: u32, args: &[&str]) -> String {
        let output = Command::new(interpreter())
            .arg(root().join("tests/python").join(self.script))
            .args([&pipeline.stack.kafka.bootstrap_servers(), self.topic, &count.to_string()])
            .args(args)
            .envs([("TZ", self.zone), ("PYTHONIOENCODING", "utf-8")])
            .stdin(Stdio::null())
            .output()
            .expect("python runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} ended with {}\n{errors}\n{printed}", self.script, output.status);
        printed
    }
}

/// The samples of a text of OpenMetrics, with their families and exemplars; a text that breaks the specification fails the test.
pub fn parse_openmetrics(text: &str) -> Vec<Json> {
    let mut parser = Command::new(interpreter())
        .arg(root().join("tests/python/openmetrics_samples.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut stdin = parser.stdin.take().expect("a pipe");
    // All is read before anything is written, so neither side waits for the other.
    stdin.write_all(text.as_bytes()).expect("the parser reads");
    drop(stdin);
    let output = parser.wait_with_output().expect("the parser ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this is no OpenMetrics text: {errors}\n{text}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The interpreter of a virtual environment with the clients in `target/python`, which is made when it is first needed.
///
/// Test processes that want it at once wait for the first of them. It stays until the requirements change.
fn interpreter() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = root().join("target/python");
        fs::create_dir_all(&folder).expect("a folder");
        let lock = File::create(folder.join("lock")).expect("a lock file");
        lock.lock().expect("the lock is had, in the end");
        let requirements = root().join("tests/python/requirements.txt");
        let wanted = fs::read_to_string(&requirements).expect("the requirements");
        // Written when all is installed, so an environment that was left half made is made again.
        let complete = folder.join("complete.txt");
        let environment = folder.join("venv");
        let python = environment.join("bin/python");
        if fs::read_to_string(&complete).is_ok_and(|made| made == wanted) && python.exists() {
            return python;
        }
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        run(Command::new(&python).args(pip).arg(&requirements));
        fs::write(&complete, wanted).expect("written");
        python
    })
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; see deploy/local/install"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}\n{errors}", output.status);
}
