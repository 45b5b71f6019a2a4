//! All three parts together.

use std::{sync::Arc, thread};

use crate::{Error, Folder, Jaeger, Jit, Kafka, MariaDb, Progress, Registry, Security, time::Stopwatch};

/// How a stack is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Memory of MariaDB's page cache; at full load more of it means fewer reads.
    pub buffer_pool_mib: u32,
    /// How the broker's JVM compiles.
    pub jit: Jit,
    /// Starts Jaeger too, with its page on the usual port if that is free.
    pub jaeger: bool,
    /// Lets in only those who sign in, over TLS.
    pub security: Option<Security>,
    /// Leaves the data and the logs in place at the end.
    pub keep: bool,
    /// Hears of each step.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            buffer_pool_mib: 128,
            jit: Jit::default(),
            jaeger: false,
            security: None,
            keep: false,
            progress: Progress::default(),
        }
    }
}

/// A running broker, database and registry; dropping it ends them and removes their data.
#[derive(Debug)]
pub struct Stack {
    /// The broker.
    pub kafka: Kafka,
    /// The database, with the tables of `init.sql`.
    pub mariadb: MariaDb,
    /// The schema registry.
    pub registry: Registry,
    /// The store of traces, if it was asked for.
    pub jaeger: Option<Jaeger>,
    folder: Arc<Folder>,
}

impl Stack {
    /// Starts everything at the same time and returns when all of it answers.
    pub fn start(options: Options) -> Result<Self, Error> {
        let Options { buffer_pool_mib, jit, jaeger, security, keep, progress } = options;
        let stopwatch = Stopwatch::start();
        let folder = Folder::claim()?;
        if keep {
            folder.keep()?;
        }
        let jaeger =
            jaeger.then(|| Jaeger::create(&folder, Some(Jaeger::USUAL_PORT), &progress)).transpose()?;
        let registry = Registry::create(folder.port()?).secured_by(security.clone());
        registry.start()?;
        progress.say(format!("the schema registry is up on {}", registry.url()));
        let (kafka, mariadb) = thread::scope(|scope| {
            let kafka = scope.spawn(|| {
                let kafka = Kafka::create_secured(&folder, jit, security.as_ref(), &progress)?;
                kafka.start().map(|()| kafka)
            });
            let jaeger_starts = scope.spawn(|| jaeger.as_ref().map_or(Ok(()), Jaeger::start_again));
            let mariadb = MariaDb::create_secured(&folder, buffer_pool_mib, security.as_ref(), &progress)
                .and_then(|mariadb| mariadb.start().map(|()| mariadb));
            let kafka = kafka.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let jaeger_started =
                jaeger_starts.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            jaeger_started.and_then(|()| Ok((kafka?, mariadb?)))
        })?;
        tracing::debug!(folder = %folder.path().display(), "local stack started in {}", stopwatch.text());
        Ok(Self { kafka, mariadb, registry, jaeger, folder })
    }

    /// Where the data and the logs are.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}
