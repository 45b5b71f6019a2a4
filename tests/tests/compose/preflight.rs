//! What keeps the stack from starting is told before anything is started, with what to do about it. Docker is played by a script, on
//! a copy of what `make up` reads, so these tests need no engine and change nothing.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use system_tests::root;

use crate::{
    secrets,
    stack::{Said, run},
};

const LIMIT: Duration = Duration::from_mins(1);

/// Answers as a Docker does that has nothing running; building fails, so that an `up` that got so far ends there.
const DOCKER: &str = r#"#!/usr/bin/env bash
echo "$*" >>"$FAKE_CALLS"
case "$*" in
  "compose version"*) [[ $FAKE_COMPOSE != none ]] || { echo "docker: 'compose' is not a docker command." >&2; exit 1; }; echo "$FAKE_COMPOSE" ;;
  "version"*) [[ $FAKE_ENGINE != none ]] || { echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." >&2; exit 1; }; echo "$FAKE_ENGINE" ;;
  "info"*SecurityOptions*) echo "$FAKE_SECURITY" ;;
  "info"*) echo "$FAKE_MEMORY" ;;
  "image inspect"*) [[ $FAKE_IMAGE != none ]] || { echo "Error: No such image: $3" >&2; exit 1; }; echo "[{}]" ;;
  "compose config"*) printf 'services:\n  kafka:\n    ports:\n      - mode: ingress\n        published: "%s"\n  mariadb:\n    ports:\n      - mode: ingress\n        published: "%s"\n' "$KAFKA_PORT" "$MARIADB_PORT" ;;
  "compose ps"* | "ps"*) ;;
  *) exit 9 ;;
esac"#;

/// A copy of what `make up` reads, and a Docker of our own.
struct Machine {
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Machine {
    /// One on which all is well.
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preflight").join(name);
        fs::remove_dir_all(&folder).ok();
        for created in ["bin", "deploy/compose"] {
            fs::create_dir_all(folder.join(created)).expect("a folder");
        }
        for copied in ["Makefile", "docker-compose.yml", ".env.example"] {
            fs::copy(root().join(copied), folder.join(copied)).expect("copied");
        }
        for script in fs::read_dir(root().join("deploy/compose")).expect("scripts") {
            let script = script.expect("a script");
            fs::copy(script.path(), folder.join("deploy/compose").join(script.file_name())).expect("copied");
        }
        let docker = folder.join("bin/docker");
        fs::write(&docker, DOCKER).expect("written");
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).expect("executable");
        let free =
            |_| TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port();
        let variables = vec![
            ("FAKE_ENGINE", "28.5.1".to_owned()),
            ("FAKE_COMPOSE", "v2.40.0".to_owned()),
            ("FAKE_MEMORY", (8_u64 << 30).to_string()),
            ("FAKE_SECURITY", "[name=apparmor name=seccomp,profile=builtin name=cgroupns]".to_owned()),
            ("FAKE_IMAGE", "there".to_owned()),
            ("KAFKA_PORT", free(0).to_string()),
            ("MARIADB_PORT", free(1).to_string()),
        ];
        Self { folder, variables }
    }

    /// The same but for one variable.
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
        self
    }

    /// The same without any Docker: all other programs of this machine are there.
    fn without_docker(self) -> Self {
        let bin = self.folder.join("bin");
        fs::remove_file(bin.join("docker")).expect("removed");
        for program in
            ["/bin", "/usr/bin"].iter().flat_map(fs::read_dir).flatten().map(|entry| entry.expect("an entry"))
        {
            if !program.file_name().to_string_lossy().starts_with("docker") {
                // Most are in both folders.
                symlink(program.path(), bin.join(program.file_name())).ok();
            }
        }
        self.with("PATH", &bin.display().to_string())
    }

    /// `make up` there.
    fn up(&self) -> Said {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.folder.join("bin").display());
        let mut command = Command::new("make");
        command
            .arg("up")
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("FAKE_CALLS", self.folder.join("calls"));
        for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "COMPOSE_PROFILES", "TURNPIKE_SECRETS"] {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().cloned());
        run(&mut command, LIMIT).expect("make runs")
    }

    /// What Docker was asked, a line each.
    fn calls(&self) -> String {
        fs::read_to_string(self.folder.join("calls")).unwrap_or_default()
    }

    /// `make up` fails, says all of `words`, and has started and made nothing.
    fn assert_told(&self, words: &[&str]) {
        let said = self.up();
        assert_ne!(said.code, Some(0), "{}", said.text);
        for word in words {
            assert!(said.text.contains(word), "not told: {word}\n{}", said.text);
        }
        let harmless =
            ["version", "info", "image inspect", "compose version", "compose config", "compose ps", "ps"];
        for call in self.calls().lines() {
            assert!(harmless.iter().any(|harmless| call.starts_with(harmless)), "docker {call}");
        }
        assert!(!self.folder.join(".secrets").exists(), "passwords were made");
    }
}

/// No Docker, one whose engine does not answer, and one without Compose.
#[test]
fn a_missing_docker_is_told() {
    Machine::new("no-docker").without_docker().assert_told(&["Docker was not found", "Install", "make demo"]);
    let silent = Machine::new("no-engine").with("FAKE_ENGINE", "none");
    silent.assert_told(&[
        "engine does not answer",
        "Cannot connect to the Docker daemon",
        "systemctl start docker",
    ]);
    let bare = Machine::new("no-compose").with("FAKE_COMPOSE", "none");
    bare.assert_told(&["no `compose` command", "Install the plugin"]);
}

/// An engine and a Compose that lack what docker-compose.yml uses. Numbers are compared as numbers.
#[test]
fn an_old_docker_is_told() {
    for engine in ["20.10.24", "24.0.9", "9.0"] {
        Machine::new("old-engine").with("FAKE_ENGINE", engine).assert_told(&[engine, "too old", "25"]);
    }
    for compose in ["2.9.0", "v2.23.3", "1.29.2"] {
        let told = compose.trim_start_matches('v');
        Machine::new("old-compose").with("FAKE_COMPOSE", compose).assert_told(&[told, "too old", "2.24"]);
    }
}

/// Less memory than the containers need, or than building their images does where there are none yet.
#[test]
fn too_little_memory_is_told() {
    let small = Machine::new("little-memory").with("FAKE_MEMORY", &(1_u64 << 30).to_string());
    small.assert_told(&["Docker has 1024 MiB of memory", "the system needs 2048 MiB to run", "Give it more"]);
    let unbuilt = Machine::new("little-memory-to-build").with("FAKE_MEMORY", &(3_u64 << 30).to_string());
    let unbuilt = unbuilt.with("FAKE_IMAGE", "none");
    unbuilt.assert_told(&[
        "Docker has 3072 MiB of memory",
        "building the images needs 4096 MiB",
        "Give it more",
    ]);
    let built = unbuilt.with("FAKE_IMAGE", "there");
    let said = built.up();
    assert!(built.calls().contains("compose build"), "{}", said.text);
}

/// An engine under which the owner of a file is another user inside a container.
#[test]
fn an_engine_that_maps_users_is_told() {
    for option in ["name=rootless", "name=userns"] {
        let mapping = Machine::new("maps-users");
        let mapping =
            mapping.with("FAKE_SECURITY", &format!("[name=seccomp,profile=builtin {option} name=cgroupns]"));
        mapping.assert_told(&["Docker maps users", "docker context use default"]);
    }
}

/// A file that is mounted, and that its owner alone may read.
#[test]
fn closed_files_are_told() {
    let machine = Machine::new("closed-files");
    fs::create_dir_all(machine.folder.join("schemas")).expect("a folder");
    for (closed, mode) in [("schemas/toll.avsc", 0o640), ("init.sql", 0o600)] {
        let file = machine.folder.join(closed);
        fs::write(&file, "").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("closed");
        machine.assert_told(&[
            &format!("{closed} is closed to other users"),
            "chmod -R go+rX init.sql schemas deploy",
        ]);
    }
}

/// Every port that is taken is named at once, with its service and the variable that chooses another.
#[test]
fn taken_ports_are_told() {
    let holders = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [kafka, mariadb] =
        holders.each_ref().map(|holder| holder.local_addr().expect("an address").port().to_string());
    let machine = Machine::new("taken-ports").with("KAFKA_PORT", &kafka).with("MARIADB_PORT", &mariadb);
    machine.assert_told(&[
        "kafka",
        &kafka,
        "make up KAFKA_PORT=",
        "mariadb",
        &mariadb,
        "make up MARIADB_PORT=",
    ]);
}

/// Where all is well it goes on: .env is made, passwords too, for their owner alone, and a second time they stay.
#[test]
fn passwords_are_made_once_and_told_to_nobody() {
    let machine = Machine::new("all-well");
    let said = machine.up();
    assert!(machine.calls().contains("compose build"), "{}", said.text);
    let folder = machine.folder.join(".secrets");
    secrets::closed_to_others(&folder);
    let first = secrets::passwords(&folder);
    let again = machine.up();
    assert_eq!(secrets::passwords(&folder), first);
    assert!(
        first.iter().enumerate().all(|(index, password)| !first[..index].contains(password)),
        "one is used twice"
    );
    for password in &first {
        for text in [&said.text, &again.text, &machine.calls()] {
            assert!(!text.contains(password.as_str()), "a password was told");
        }
    }
    assert!(machine.folder.join(".env").exists());
}
