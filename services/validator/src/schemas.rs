//! The registry as the bench asks it: for as long as it is away, the question is asked again.

use std::sync::Arc;

use schema_registry::{Registry, SCHEMA_REGISTRY, SchemaId};
use service::{Attempt, Error, Health, Stop, wait_for};
use tokio::runtime::Handle;

use crate::bench::{Schema, Schemas};

/// A registry that is waited for.
pub(crate) struct Patient {
    pub(crate) registry: Arc<Registry>,
    pub(crate) stop: Stop,
    pub(crate) health: Health,
    /// Whether our schemas are registered; if not, they must be there.
    pub(crate) register_schema: bool,
}

impl Schemas for Patient {
    type Outage = Error;

    fn find(&self, id: SchemaId) -> Result<Schema, Error> {
        let attempt = || async {
            match self.registry.shape(id).await {
                Ok(shape) => Ok(Schema::Known(shape)),
                Err(error) => match error {
                    schema_registry::Error::UnknownSchema(_) => Ok(Schema::Unknown),
                    schema_registry::Error::Unusable { .. } => Ok(Schema::Unusable(error.to_string())),
                    schema_registry::Error::Refused { .. }
                    | schema_registry::Error::NotLetIn { .. }
                    | schema_registry::Error::Away { .. } => Err(Attempt::Retry(error.into())),
                },
            }
        };
        Handle::current().block_on(wait_for(SCHEMA_REGISTRY, &self.stop, &self.health, attempt))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let Self { registry, stop, health, register_schema } = self;
        Handle::current().block_on(registry.own_id(subject, schema, *register_schema, stop, health))
    }
}
