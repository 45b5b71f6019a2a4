//! The id of the schema that records are written with.

use events::Shape;
use schema_registry::{Class, Registry};
use service::{Attempt, Error, Health, Stop, wait_for};

use crate::{Config, Source};

/// How the registry is called in health and logs.
const SCHEMA_REGISTRY: &str = "schema-registry";

/// Registers our schema under `<topic>-value`, or finds the one that is registered; waits while the registry
/// is away.
pub(crate) async fn id<S: Source>(config: &Config<S>, stop: &Stop, health: &Health) -> Result<u32, Error> {
    let registry = Registry::new(&config.schema_registry).map_err(Error::failed)?;
    let subject = format!("{}-value", config.topic);
    let id = wait_for(SCHEMA_REGISTRY, stop, health, async || {
        if config.register_schema {
            let registered = registry.register(&subject, S::SCHEMA).await;
            return registered.map_err(|error| attempt::<S>(&subject, error));
        }
        let latest = registry.latest(&subject).await.map_err(|error| attempt::<S>(&subject, error))?;
        if is_ours(S::SCHEMA, &latest.schema) {
            return Ok(latest.id);
        }
        let found = format!("schema {} in the registry", latest.id);
        Err(Attempt::GiveUp(Error::config(
            subject.clone(),
            found,
            format!("the fields of {} in their order", S::EVENT),
        )))
    })
    .await?;
    tracing::info!(subject, schema_id = id, "{subject} is schema {id}");
    Ok(id)
}

/// Whether records that we write as `ours` can be read by `theirs`: the same fields in the same order; docs may
/// differ.
fn is_ours(ours: &str, theirs: &str) -> bool {
    let ours = Shape::parse(ours).expect("our own schema parses, a test of its crate says");
    Shape::parse(theirs).is_ok_and(|theirs| theirs == ours)
}

fn attempt<S: Source>(subject: &str, error: schema_registry::Error) -> Attempt {
    match error.class() {
        Class::Infrastructure => Attempt::Retry(error.into()),
        Class::Config | Class::Data => {
            let allowed = format!("what the registry accepts ({error})");
            Attempt::GiveUp(Error::config(format!("schema of {subject}"), S::EVENT, allowed))
        }
    }
}

#[cfg(test)]
mod tests {
    use events::TollPassage;

    use super::*;

    #[test]
    fn only_the_same_fields_in_the_same_order_are_ours() {
        let is_ours = |theirs: &str| is_ours(TollPassage::SCHEMA, theirs);
        assert!(is_ours(TollPassage::SCHEMA));
        let documented = TollPassage::SCHEMA.replace("UTC.", "in Coordinated Universal Time.");
        assert!(documented != TollPassage::SCHEMA && is_ours(&documented), "only documentation differs");
        assert!(!is_ours(&TollPassage::SCHEMA.replace("\"lane\"", "\"track\"")));
        assert!(!is_ours("{}"));
    }
}
