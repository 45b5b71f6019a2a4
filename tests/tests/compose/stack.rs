//! The project of containers that the test starts, and the commands to it, each with a limit of its time.

use std::{
    env, fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use service::clock;
use system_tests::root;

use crate::{containers::Container, secrets};

/// The name of the project, so also the beginning of the names of its containers, volumes and networks.
pub(crate) const PROJECT: &str = "turnpike-test";

/// Building the images for the first time takes most of it; once they are built, `up` takes a minute.
const UP_LIMIT: Duration = Duration::from_mins(45);
/// All that comes after it.
const TEST_LIMIT: Duration = Duration::from_mins(10);
/// Every other target of make.
const MAKE_LIMIT: Duration = Duration::from_mins(3);
/// A command of Docker that starts nothing.
const DOCKER_LIMIT: Duration = Duration::from_mins(2);

/// The variables that name a port of this machine.
const PORTS: [&str; 6] =
    ["KAFKA_PORT", "SCHEMA_REGISTRY_PORT", "MARIADB_PORT", "JAEGER_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"];

/// The project, which is removed with its volumes when this is dropped.
#[derive(Debug)]
pub(crate) struct Stack {
    folder: PathBuf,
    ports: Vec<(&'static str, u16)>,
    /// Every password that there has been.
    passwords: Mutex<Vec<String>>,
    /// When it ran for the first time.
    since: OnceLock<Instant>,
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to stdout.
    pub(crate) out: String,
    /// What it wrote to stdout, then what it wrote to stderr.
    pub(crate) text: String,
}

impl Stack {
    /// The project, not yet started, or why it is not to be.
    pub(crate) fn wanted() -> Result<Self, String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no flags: `make test-compose` asks for it so"
        )]
        if env::var_os("TURNPIKE_TEST_COMPOSE").is_none() {
            return Err("the containers are tested by make test-compose (TURNPIKE_TEST_COMPOSE=1), for it builds images".to_owned());
        }
        let said =
            run(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]), DOCKER_LIMIT);
        match said {
            Ok(Said { code: Some(0), .. }) => Ok(Self::new()),
            Ok(said) => Err(format!("no Docker engine answers here: {}", said.text.trim())),
            Err(error) => Err(format!("docker, or timeout (coreutils), is not here: {error}")),
        }
    }

    fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compose");
        // All at once, so that none is given twice.
        let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let port = |listener: TcpListener| listener.local_addr().expect("an address").port();
        let ports = PORTS.into_iter().zip(listeners.map(port)).collect();
        let stack = Self { folder, ports, passwords: Mutex::default(), since: OnceLock::new() };
        // What a test left that was killed.
        stack.remove();
        fs::remove_dir_all(&stack.folder).ok();
        fs::create_dir_all(&stack.folder).expect("a folder");
        stack
    }

    /// `make up`, which says where everything is.
    pub(crate) fn up(&self) {
        let limit = self.since.get().map_or(UP_LIMIT, |_| self.within(MAKE_LIMIT));
        let said = succeed(self.command("make").arg("up"), limit).out;
        self.since.get_or_init(clock::instant);
        println!("{said}");
        for variable in ["KAFKA_PORT", "SCHEMA_REGISTRY_PORT", "JAEGER_PORT"] {
            assert!(said.contains(&format!("localhost:{}", self.port(variable))), "{variable}: {said}");
        }
        assert!(said.contains(&format!("-h127.0.0.1 -P{}", self.port("MARIADB_PORT"))), "{said}");
        self.know_passwords();
    }

    /// Adds the passwords that there are now to those that must be nowhere.
    pub(crate) fn know_passwords(&self) {
        let mut known = self.passwords.lock().expect("no panic");
        known.extend(secrets::passwords(&self.secrets()));
        known.sort_unstable();
        known.dedup();
    }

    /// `make verify`, which must find nothing wrong.
    pub(crate) fn verify(&self) {
        println!("{}", succeed(self.command("make").arg("verify"), self.within(MAKE_LIMIT)).out);
    }

    /// The same with more patience: the transaction of a validator that was killed holds its partition up for 20 s.
    pub(crate) fn verify_after_faults(&self) {
        let verify = &mut self.command("deploy/compose/verify");
        println!("{}", succeed(verify.args(["--within-seconds", "90"]), self.within(MAKE_LIMIT)).out);
    }

    /// `make down`, after which the volumes are all that is left.
    pub(crate) fn down(&self) {
        self.make(&["down"]);
        assert_eq!(self.docker(&["ps", "--all", "--quiet", "--filter", &Self::label()]), "");
        let volumes = self.docker(&["volume", "ls", "--quiet", "--filter", &Self::label()]);
        assert!(volumes.contains("mariadb-data"), "{volumes}");
    }

    /// A target of make, which must succeed; gives what it wrote.
    pub(crate) fn make(&self, args: &[&str]) -> String {
        succeed(self.command("make").args(args), self.within(MAKE_LIMIT)).text
    }

    /// The same for one that asks: `yes` is answered.
    pub(crate) fn make_and_confirm(&self, args: &[&str]) -> String {
        succeed(
            self.command("sh").args(["-c", "echo yes | make \"$@\"", "sh"]).args(args),
            self.within(MAKE_LIMIT),
        )
        .text
    }

    /// `docker compose` on the project, which must succeed; gives what it wrote to stdout.
    pub(crate) fn compose(&self, args: &[&str]) -> String {
        self.docker(&[&["compose"], args].concat())
    }

    /// `docker`, which must succeed; gives what it wrote to stdout.
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        succeed(self.command("docker").args(args), self.within(DOCKER_LIMIT)).out
    }

    /// A script as root among all processes of the engine's machine, with a container's view of nothing else: what only the kernel
    /// can tell or do, also where the engine runs in a virtual machine and containers have no shell.
    pub(crate) fn on_engine(&self, script: &str, args: &[&str]) -> String {
        let image = self.service("mariadb").remove(0).image();
        let alone = ["--rm", "--privileged", "--pid=host", "--network=none", "--user=0", "--entrypoint=sh"];
        self.docker(&[&["run"], &alone[..], &[&image, "-c", script, "sh"], args].concat())
    }

    /// The answer of the database to a statement: a row a line, with tabs between its values.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let client = ["exec", "-T", "mariadb", "mariadb", "--batch", "--skip-column-names", "--execute"];
        self.compose(&[&client[..], &[statement]].concat())
    }

    /// The answer of the database that is one number.
    pub(crate) fn count(&self, statement: &str) -> u64 {
        let said = self.sql(statement);
        said.trim().parse().unwrap_or_else(|_| panic!("{statement}: {said:?}"))
    }

    /// The containers that are there, running or not.
    pub(crate) fn containers(&self) -> Vec<Container> {
        let ids = self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &Self::label()]);
        let ids: Vec<&str> = ids.lines().collect();
        assert!(!ids.is_empty(), "{PROJECT} has no containers");
        Container::parse_all(&self.docker(&[&["inspect"], &ids[..]].concat()))
    }

    /// The containers of a service.
    pub(crate) fn service(&self, name: &str) -> Vec<Container> {
        let mut containers = self.containers();
        containers.retain(|container| container.service() == name);
        assert!(!containers.is_empty(), "{name} has no container");
        containers
    }

    /// The port of this machine that a variable was given.
    pub(crate) fn port(&self, variable: &str) -> u16 {
        let found = self.ports.iter().find(|(name, _)| *name == variable);
        found.expect("a port of the list").1
    }

    /// A folder for what a step makes.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the passwords.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.folder.join("secrets")
    }

    /// Every password that there has been.
    pub(crate) fn passwords(&self) -> Vec<String> {
        self.passwords.lock().expect("no panic").clone()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(root())
            .env("COMPOSE_PROJECT_NAME", PROJECT)
            .env("TURNPIKE_SECRETS", self.secrets());
        command.envs(self.ports.iter().map(|(name, port)| (name, port.to_string())));
        // Of the make that runs this test, and of a user's shell.
        for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "COMPOSE_PROFILES", "COMPOSE_FILE"] {
            command.env_remove(name);
        }
        command
    }

    /// At most `limit`, and no more than the test has left.
    fn within(&self, limit: Duration) -> Duration {
        let spent = self.since.get().map_or(Duration::ZERO, Instant::elapsed);
        limit.min(TEST_LIMIT.saturating_sub(spent)).max(Duration::from_secs(1))
    }

    fn label() -> String {
        format!("label=com.docker.compose.project={PROJECT}")
    }

    /// Removes all of the project; of no other.
    fn remove(&self) -> Option<Said> {
        let down = ["compose", "--profile=*", "down", "--volumes", "--remove-orphans", "--timeout=20"];
        run(self.command("docker").args(down), DOCKER_LIMIT).ok()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = [&["ps", "--all"][..], &["logs", "--tail=25", "--no-color"]];
            for args in shown {
                let said = run(self.command("docker").arg("compose").args(args), DOCKER_LIMIT);
                println!(
                    "docker compose {}:\n{}",
                    args.join(" "),
                    said.map_or_else(|error| error.to_string(), |said| said.text)
                );
            }
        }
        if let Some(said) = self.remove().filter(|said| said.code != Some(0)) {
            println!(
                "remove what is left by: docker compose --project-name {PROJECT} down --volumes\n{}",
                said.text
            );
        }
    }
}

/// Runs a command that must succeed.
fn succeed(command: &mut Command, limit: Duration) -> Said {
    let said = run(command, limit).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert_eq!(said.code, Some(0), "{command:?}: {}", said.text);
    said
}

/// Runs a command to its end, which `timeout` brings about after `limit`, for it and what it started.
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<Said> {
    let mut bounded = Command::new("timeout");
    bounded
        .args(["--kill-after=10", &limit.as_secs().to_string()])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    let output = bounded.stdin(Stdio::null()).output()?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
    Ok(Said { code: output.status.code(), out, text })
}
