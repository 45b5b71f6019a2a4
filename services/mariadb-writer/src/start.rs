//! The check before anything runs: does the database have what the connector needs? If it is away, wait; if not, say what.

use std::{collections::BTreeMap, sync::Arc};

use log_styles::Line;
use schema_registry::{Options, Registry};
use service::{Attempt, Error, Health, Stop, Voice, wait_for};

use crate::{
    batch::Rows,
    connector::{Connector, TableName, Topics},
    database::Session,
    errors::{self, Class},
    table::{Table, TableError},
    task::{Tables, Task},
};

/// The registry of a connector: its own, or else the service's.
pub(crate) fn registry(connector: &Connector, options: &Options) -> Result<Arc<Registry>, Error> {
    let mut options = options.clone();
    if let Some(url) = &connector.registry_url {
        options.schema_registry_url.clone_from(url);
    }
    let registry = Registry::new(&options).map_err(|error| {
        let setting = format!("connector {}: value.converter.schema.registry.url", connector.name);
        Error::config(
            setting,
            options.schema_registry_url.clone(),
            format!("the URL of a registry ({error})"),
        )
    })?;
    Ok(Arc::new(registry))
}

/// The tables of a connector, checked as far as the connector itself says what goes there.
pub(crate) async fn tables(
    connector: &Arc<Connector>,
    stop: &Stop,
    health: &Health,
    voice: &Voice,
) -> Result<Tables, Error> {
    let dependency = Task::database_name(connector, 0);
    let names = connector.table_names();
    let described =
        wait_for(&dependency, stop, health, || async { describe(connector, &names, voice).await }).await?;
    let rows = described.into_iter().map(|table| Ok(Arc::new(Rows::new(connector, table)?)));
    let rows = rows.collect::<Result<_, Error>>()?;
    let of_topic = match &connector.topics {
        Topics::Pattern(_) => BTreeMap::new(),
        Topics::Named(topics) => topics
            .iter()
            .filter_map(|topic| {
                let table = connector.table_of(topic);
                Some((topic.clone(), names.iter().position(|name| *name == table)?))
            })
            .collect(),
    };
    Ok(Tables { rows, of_topic })
}

async fn describe(connector: &Connector, names: &[TableName], voice: &Voice) -> Result<Vec<Table>, Attempt> {
    let connecting = Session::connect(&connector.target).await;
    let mut session = connecting.map_err(|error| {
        let attempt = refused(connector, error);
        if matches!(attempt, Attempt::GiveUp(_)) {
            voice.say(&Line::DatabaseRefused);
        }
        attempt
    })?;
    let ledger = TableName { database: "turnpike".to_owned(), table: "ledger".to_owned() };
    let mut tables = Vec::with_capacity(names.len());
    for name in names.iter().chain([&ledger]) {
        tables.push(Table::read(&mut session, name).await.map_err(|error| unfit(connector, error))?);
    }
    session.close().await;
    tables.truncate(names.len());
    Ok(tables)
}

fn refused(connector: &Connector, error: sqlx::Error) -> Attempt {
    if errors::class(&error) != Class::Config {
        return Attempt::Retry(Box::new(error));
    }
    let setting =
        format!("connector {}: connection.url, connection.user or connection.password", connector.name);
    let advice = connector.target.advice(&error);
    let allowed = format!("a database, user and password that the server accepts ({error}{advice})");
    Attempt::GiveUp(Error::config(setting, connector.target.to_string(), allowed))
}

fn unfit(connector: &Connector, error: TableError) -> Attempt {
    let (table, allowed) = match error {
        TableError::Missing(table) => {
            let allowed = format!(
                "a table that exists and that {} may see: create it (init.sql has those of the shipped connectors) or \
                 grant the rights",
                connector.target
            );
            (table, allowed)
        }
        TableError::NotTransactional(table, engine) => (
            table,
            format!("a table of an engine with transactions, such as InnoDB; this one is kept by {engine}"),
        ),
        TableError::Unreadable(_, error) => return refused(connector, error),
    };
    Attempt::GiveUp(Error::config(format!("connector {}: table", connector.name), table.to_string(), allowed))
}
