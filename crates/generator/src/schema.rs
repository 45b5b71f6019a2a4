//! The id of the schema that records are written with.

use schema_registry::Registry;
use service::{Error, Health, Stop};

use crate::{Config, Source};

/// Registers our schema under `<topic>-value`, or finds the one that is registered; waits while the registry
/// is away.
pub(crate) async fn id<S: Source>(config: &Config<S>, stop: &Stop, health: &Health) -> Result<u32, Error> {
    let registry = Registry::new(&config.schema_registry).map_err(Error::failed)?;
    let subject = format!("{}-value", config.topic);
    registry.own_id(&subject, S::SCHEMA, config.register_schema, stop, health).await
}
