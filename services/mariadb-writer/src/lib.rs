//! The MariaDB writer: Connect-style connectors that store records together with their ledger. Its README is the manual.

mod avro;
mod batch;
mod calls;
mod cell;
mod cluster;
mod connect_metrics;
mod connector;
mod database;
mod dead_letters;
mod document;
mod errors;
mod flush;
mod ledger;
mod meters;
mod poll;
mod rejection;
mod reporter;
mod settings;
mod start;
mod state;
mod statement;
mod store;
mod styled;
mod table;
mod tally;
mod task;
mod tls;
mod traces;
mod transforms;
mod trouble;

use std::path::PathBuf;

use log_styles::Line;
use serde::Serialize;
use service::{Context, Error, Secret};

use crate::{
    cluster::Cluster,
    connector::{Connector, Defaults},
    meters::Meters,
    styled::Styled,
    task::Task,
};

/// Flags of the writer.
#[derive(Debug, Clone, Serialize, clap::Args)]
pub struct Config {
    /// Connector documents: JSON files, or directories of them, separated by commas
    #[arg(
        long,
        env = "TURNPIKE_CONNECTORS",
        default_value = "deploy/connectors",
        value_delimiter = ',',
        value_name = "PATH"
    )]
    pub connectors: Vec<PathBuf>,
    /// The database of documents that set no connection.url, as jdbc:mariadb://host:port
    #[arg(long, env = "TURNPIKE_MARIADB_URL", value_name = "URL", value_parser = without_password)]
    pub mariadb_url: Option<String>,
    /// The user of documents that set no connection.user
    #[arg(long, env = "TURNPIKE_MARIADB_USER", value_name = "NAME")]
    pub mariadb_user: Option<String>,
    /// The password of documents that set no connection.password
    #[arg(long, env = "TURNPIKE_MARIADB_PASSWORD", value_name = "SECRET")]
    pub mariadb_password: Option<Secret>,
    /// A name of this writer that survives restarts; with it, a restarted writer gets its partitions back at once
    #[arg(long, env = "TURNPIKE_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// The cluster
    #[command(flatten)]
    pub kafka: kafka::Connection,
    /// The registry of documents that name none
    #[command(flatten)]
    pub registry: schema_registry::Options,
}

/// Reads the connector documents, checks them against the database, and runs a thread for each task until told to stop.
pub async fn run(context: Context<Config>) -> Result<(), Error> {
    let Config { connectors, mariadb_url, mariadb_user, mariadb_password, instance, kafka, registry } =
        context.config;
    let defaults = Defaults { url: mariadb_url, user: mariadb_user, password: mariadb_password };
    let documents = document::read(&connectors)?;
    let connectors: Vec<Connector> =
        documents.iter().map(|document| Connector::new(document, &defaults)).collect::<Result<_, _>>()?;
    let cluster = Cluster::new(&kafka)?;
    let (watched, stop, health) = (cluster.clone(), context.stop.clone(), context.health.clone());
    context.tasks.spawn_thread("kafka", move || {
        watched.watch(&stop, &health);
        Ok(())
    });
    context.voice.say(&Line::DatabaseConnecting);
    for (index, connector) in connectors.into_iter().enumerate() {
        let connector = std::sync::Arc::new(connector);
        let registry = start::registry(&connector, &registry)?;
        let tables = start::tables(&connector, &context.stop, &context.health, &context.voice).await?;
        // The first that has its tables speaks for all: as a rule they have one database.
        if index == 0 {
            context.voice.say(&Line::DatabaseConnected);
            context.voice.say(&Line::KafkaConnecting);
        }
        let styled = Styled::new(&context.voice, &connector.name);
        let meters = Meters::new(&context.metrics, &connector.name);
        for number in 0..connector.tasks_max {
            let task = Task {
                connector: connector.clone(),
                number,
                instance: instance.clone(),
                kafka: kafka.clone(),
                cluster: cluster.clone(),
                registry: registry.clone(),
                tables: tables.clone(),
                meters: meters.of_task(number),
                tracer: context.tracer.clone(),
                health: context.health.clone(),
                control: context.control.clone(),
                stop: context.stop.clone(),
                styled: styled.clone(),
            };
            context.tasks.spawn_thread(format!("{}/{number}", connector.name), move || task.run());
        }
    }
    context.tasks.finished().await?;
    context.voice.say(&Line::ConsumerStopping);
    Ok(())
}

/// What the service shows of its configuration must not hold a password.
fn without_password(url: &str) -> Result<String, String> {
    if url.to_lowercase().contains("password=") {
        return Err("a URL without a password, which has a flag of its own (--mariadb-password)".to_owned());
    }
    Ok(url.to_owned())
}
