//! The command line, run to its end against a pipeline.

use std::{
    path::Path,
    process::{Command, Output},
};

use local_stack::{Process, User};

use crate::{Pipeline, executable, root};

/// What a finished command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stdout, then what it wrote to stderr.
    pub text: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        Self { code: output.status.code(), out, text }
    }
}

impl Pipeline {
    /// Runs `turnpike` with these arguments, as the reader of the database.
    pub fn turnpike(&self, args: &[&str]) -> Said {
        let output = Command::new(executable("turnpike"))
            .args(args)
            .env("TURNPIKE_KAFKA_BOOTSTRAP_SERVERS", self.stack.kafka.bootstrap_servers())
            .env("TURNPIKE_SCHEMA_REGISTRY_URL", self.stack.registry.url())
            .env("TURNPIKE_MARIADB_URL", self.stack.mariadb.jdbc_url())
            .env("TURNPIKE_MARIADB_USER", User::Reader.name())
            .env("TURNPIKE_MARIADB_PASSWORD", self.stack.mariadb.password(User::Reader))
            .current_dir(root())
            .output()
            .expect("turnpike runs");
        Said::of(&output)
    }

    /// Starts `turnpike feed` on a mapping file with these arguments.
    pub fn spawn_feed(&self, mapping: &Path, args: &[&str]) -> Process {
        let mut command = Command::new(executable("turnpike"));
        command
            .arg("feed")
            .arg(mapping)
            .args(["--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0"])
            .args(["--kafka-bootstrap-servers", &self.stack.kafka.bootstrap_servers()])
            .args(["--schema-registry-url", &self.stack.registry.url()])
            .args(args)
            .current_dir(root());
        self.set_observed(&mut command);
        let log = self.stack.folder().path().join("feed.log");
        Process::spawn("turnpike feed", &command, &log).expect("the feed starts")
    }

    /// The same, where the command must succeed: gives what it wrote to stdout.
    pub fn turnpike_ok(&self, args: &[&str]) -> String {
        let said = self.turnpike(args);
        assert_eq!(said.code, Some(0), "turnpike {}: {}", args.join(" "), said.text);
        said.out
    }
}
