//! Why a part of the stack could not be prepared, started or asked.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// What went wrong, with what to do or where to look.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command that the stack needs is not installed.
    #[error("the command {command} is missing: run deploy/local/install")]
    MissingCommand {
        /// Its name.
        command: String,
    },
    /// Jaeger is only there for those who asked for it.
    #[error("{} is missing: run deploy/jaeger/install, which builds it", program.display())]
    MissingJaeger {
        /// Where it is looked for.
        program: PathBuf,
    },
    /// Kafka 4 needs a newer Java than the one on the PATH.
    #[error("java is version {found}, Kafka needs 17 or later: run deploy/local/install")]
    JavaTooOld {
        /// The major version found.
        found: u32,
    },
    /// A file or folder could not be used.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was tried: "read", "create", ...
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started at all.
    #[error("cannot start {name}")]
    Spawn {
        /// The program.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// A program ended badly, or before it was ready.
    #[error("{name} ended with {status}: {words} (more in {})", log.display())]
    Ended {
        /// The program.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote of it.
        words: String,
        /// Its log.
        log: PathBuf,
    },
    /// A program runs but does not answer, or does not end.
    #[error("{name} has not {awaited} within {} s: see {}", limit.as_secs_f64(), log.display())]
    TooSlow {
        /// The program.
        name: String,
        /// What was waited for: "become ready", ...
        awaited: String,
        /// How long.
        limit: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// MariaDB refused a statement.
    #[error("MariaDB refused {sql}: {message}")]
    Sql {
        /// The statement, or the file that holds it.
        sql: String,
        /// MariaDB's words.
        message: String,
    },
    /// The registry's port could not be taken.
    #[error("the schema registry cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// More stacks run on this checkout than there is room for.
    #[error("{stacks_max} stacks are running already in {}: end one of them", folder.display())]
    TooManyStacks {
        /// How many there may be.
        stacks_max: u16,
        /// Where they are.
        folder: PathBuf,
    },
    /// All ports set apart for this stack are taken by others.
    #[error("the ports {first} to {last} of 127.0.0.1 are all taken")]
    NoPort {
        /// First port tried.
        first: u16,
        /// Last port tried.
        last: u16,
    },
}

impl Error {
    pub(crate) fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { operation, path, source }
    }
}
