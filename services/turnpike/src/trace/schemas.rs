//! The registry, as far as one record needs it; nothing is registered here.

use std::sync::Arc;

use events::Shape;
use schema_registry::{Class, Registry, SchemaId};
use serde::Serialize;
use serde_json::Value as Json;
use service::{Error, cause_chain};
use validator::bench;

use super::http::{Auth, Http};
use crate::shell::Shell;

/// What the registry says of schemas.
#[derive(Debug)]
pub(crate) struct Schemas<'s> {
    registry: Registry,
    options: &'s schema_registry::Options,
    http: Http,
    shell: &'s Shell,
}

/// A schema as a passport names it.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    pub(crate) id: String,
    /// Its full name, if the registry knows it.
    pub(crate) name: Option<String>,
    /// Under which subjects it is registered, and as which version.
    pub(crate) versions: Vec<Version>,
}

/// A schema's place under a subject.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) subject: String,
    pub(crate) version: i64,
}

impl<'s> Schemas<'s> {
    /// Nothing is asked yet.
    pub(crate) fn new(options: &'s schema_registry::Options, shell: &'s Shell) -> Result<Self, Error> {
        let refused = |error| {
            let key = "--schema-registry-url (TURNPIKE_SCHEMA_REGISTRY_URL)";
            Error::config(key, &options.schema_registry_url, format!("the URL of a registry ({error})"))
        };
        let registry = Registry::new(options).map_err(refused)?;
        let http = Http::of(options.client().map_err(refused)?)?;
        Ok(Self { registry, options, http, shell })
    }

    /// The schema of an id; an error says why it cannot be had.
    pub(crate) fn shape(&self, id: SchemaId) -> Result<Arc<Shape>, String> {
        self.shell.wait(self.registry.shape(id)).map_err(|error| cause_chain(&error))
    }

    /// Name and versions of a schema.
    pub(crate) fn named(&self, id: SchemaId) -> Named {
        let name = self.shape(id).ok().map(|shape| shape.name().to_owned());
        let versions = match id {
            SchemaId::Id(number) if name.is_some() => self.versions(number).unwrap_or_default(),
            SchemaId::Id(_) | SchemaId::Guid(_) => Vec::new(),
        };
        Named { id: id.to_string(), name, versions }
    }

    fn versions(&self, id: u32) -> Option<Vec<Version>> {
        let schema_registry::Options { schema_registry_user, schema_registry_password, .. } = self.options;
        let auth = schema_registry_user
            .as_deref()
            .map(|user| Auth { user, password: schema_registry_password.as_ref() });
        let url = format!("{}/schemas/ids/{id}/versions", self.registry.url());
        let answer = self.shell.wait(self.http.json(&url, auth)).ok()??;
        let versions = answer.as_array()?.iter().filter_map(|used: &Json| {
            Some(Version {
                subject: used["subject"].as_str()?.to_owned(),
                version: used["version"].as_i64()?,
            })
        });
        Some(versions.collect())
    }
}

impl bench::Schemas for Schemas<'_> {
    type Outage = String;

    fn find(&self, id: SchemaId) -> Result<bench::Schema, String> {
        match self.shell.wait(self.registry.shape(id)) {
            Ok(shape) => Ok(bench::Schema::Known(shape)),
            Err(schema_registry::Error::UnknownSchema(_)) => Ok(bench::Schema::Unknown),
            Err(error) if error.class() == Class::Data => Ok(bench::Schema::Unusable(error.to_string())),
            Err(error) => Err(cause_chain(&error)),
        }
    }

    /// The id only frames the Avro that a text becomes, and is not compared: any will do where there is none yet.
    fn register(&self, _subject: &str, _schema: &str) -> Result<u32, String> {
        Ok(0)
    }
}
