//! The registry as the bench asks it: for as long as it is away, the question is asked again.

use std::sync::Arc;

use schema_registry::{Class, Registry, SchemaId};
use service::{Attempt, Error, Health, Stop, wait_for};
use tokio::runtime::Handle;

use crate::bench::{Schema, Schemas};

/// How the registry is called in health and logs.
const SCHEMA_REGISTRY: &str = "schema registry";

/// A registry that is waited for.
pub(crate) struct Patient {
    pub(crate) registry: Arc<Registry>,
    pub(crate) stop: Stop,
    pub(crate) health: Health,
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
                    schema_registry::Error::Refused { .. } | schema_registry::Error::Away { .. } => {
                        Err(Attempt::Retry(error.into()))
                    }
                },
            }
        };
        self.wait(attempt)
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let attempt = || async {
            self.registry.register(subject, schema).await.map_err(|error| match error.class() {
                Class::Infrastructure => Attempt::Retry(error.into()),
                Class::Config | Class::Data => Attempt::GiveUp(Error::config(
                    format!("schema of {subject}"),
                    "the one that text records are written with",
                    format!("what the registry accepts ({error})"),
                )),
            })
        };
        let id = self.wait(attempt)?;
        tracing::info!(subject, schema_id = id, "text records are written with schema {id} of {subject}");
        Ok(id)
    }
}

impl Patient {
    fn wait<T, F, Fut>(&self, attempt: F) -> Result<T, Error>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, Attempt>>,
    {
        Handle::current().block_on(wait_for(SCHEMA_REGISTRY, &self.stop, &self.health, attempt))
    }
}
