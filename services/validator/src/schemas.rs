//! The registry as the bench asks it: for as long as it is away, the question is asked again.

use std::{sync::Arc, time::Duration};

use events::Shape;
use futures::{StreamExt as _, future, stream};
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
        let attempt = || async { said(self.registry.shape(id).await).map_err(|e| Attempt::Retry(e.into())) };
        Handle::current().block_on(wait_for(SCHEMA_REGISTRY, &self.stop, &self.health, attempt))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let Self { registry, stop, health, register_schema } = self;
        Handle::current().block_on(registry.own_id(subject, schema, *register_schema, stop, health))
    }

    fn prepare(&self, ids: &[SchemaId]) {
        Handle::current().block_on(ask(&self.registry, ids));
    }
}

/// A registry that is asked once, and not for long: for whoever must not be held up by its outage.
pub(crate) struct Hasty<'r> {
    pub(crate) registry: &'r Registry,
    /// Of the runtime that asks.
    pub(crate) runtime: &'r Handle,
}

/// Questions to the registry on their way at the same time.
const QUESTIONS_MAX: usize = 8;
/// How long an answer may take that somebody waits for who has something better to do.
const AT_ONCE: Duration = Duration::from_millis(100);

impl Schemas for Hasty<'_> {
    /// There was no answer, which says nothing of the reason.
    type Outage = ();

    fn find(&self, id: SchemaId) -> Result<Schema, ()> {
        let asked = async { tokio::time::timeout(AT_ONCE, self.registry.shape(id)).await };
        let answer = self.runtime.block_on(asked).map_err(|_| ())?;
        said(answer).map_err(|_| ())
    }

    /// What is registered is waited for, once in the life of a stream.
    fn register(&self, _: &str, _: &str) -> Result<u32, ()> {
        Err(())
    }

    fn prepare(&self, ids: &[SchemaId]) {
        // What is not there by then is asked for once more, and is an outage if it is not there then.
        let _ = self.runtime.block_on(async { tokio::time::timeout(AT_ONCE, ask(self.registry, ids)).await });
    }
}

/// What is known without asking.
pub(crate) struct Remembered<'r>(pub(crate) &'r Registry);

impl Schemas for Remembered<'_> {
    /// Somebody has to be asked.
    type Outage = ();

    fn find(&self, id: SchemaId) -> Result<Schema, ()> {
        said(self.0.remembered(id).ok_or(())?).map_err(|_| ())
    }

    fn register(&self, _: &str, _: &str) -> Result<u32, ()> {
        Err(())
    }
}

/// Asks for schemas, several at a time; the registry's client remembers what it is told.
async fn ask(registry: &Registry, ids: &[SchemaId]) {
    let questions = stream::iter(ids).map(|id| registry.shape(*id));
    questions.buffer_unordered(QUESTIONS_MAX).for_each(|_| future::ready(())).await;
}

/// What the registry's answer says of a schema; the error is an outage.
fn said(answer: Result<Arc<Shape>, schema_registry::Error>) -> Result<Schema, schema_registry::Error> {
    match answer {
        Ok(shape) => Ok(Schema::Known(shape)),
        Err(error) => match error {
            schema_registry::Error::UnknownSchema(_) => Ok(Schema::Unknown),
            schema_registry::Error::Unusable { .. } => Ok(Schema::Unusable(error.to_string())),
            schema_registry::Error::Refused { .. }
            | schema_registry::Error::NotLetIn { .. }
            | schema_registry::Error::Away { .. } => Err(error),
        },
    }
}
