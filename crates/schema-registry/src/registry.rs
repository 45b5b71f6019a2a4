//! The client: registers schemas, and finds the compiled shape of a schema by its name on the wire.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use events::Shape;
use schema_registry_converter::{
    async_impl::schema_registry::{
        SrSettings, get_schema_by_guid, get_schema_by_id, get_schema_by_subject_and_version, post_schema,
    },
    schema_registry_common::{RegisteredSchema, SchemaType, SuppliedSchema},
};
use service::clock;

use crate::{
    Error, Options, SchemaId,
    request::{BY_GUID, BY_ID, LATEST, REGISTER, host, traced},
};

/// A schema as the registry holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: u32,
    /// Its version under the subject.
    pub version: Option<u32>,
    /// The schema.
    pub schema: String,
}

/// How long an id that the registry did not know is believed to be unknown; a poison flood asks once in this time.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);
/// Most unknown ids remembered at once: damaged records can name any of four billion.
const UNKNOWN_MAX: usize = 1_000;

/// A client of the registry, with its compiled schemas. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Registry {
    settings: SrSettings,
    url: String,
    shapes: Mutex<Shapes>,
}

#[derive(Debug, Default)]
struct Shapes {
    known: BTreeMap<Key, Arc<Shape>>,
    unknown: BTreeMap<Key, Instant>,
}

type Key = (bool, [u8; 16]);

fn key(id: SchemaId) -> Key {
    match id {
        SchemaId::Id(id) => (false, u128::from(id).to_be_bytes()),
        SchemaId::Guid(guid) => (true, guid),
    }
}

impl Registry {
    /// A client; nothing is asked yet.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let url = options.schema_registry_url.trim_end_matches('/').to_owned();
        let settings = options.settings()?;
        Ok(Self { settings, url, shapes: Mutex::default() })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Registers a schema under a subject, or finds that it is there; gives its id.
    ///
    /// # Errors
    /// [`Error::Refused`] with the registry's reason if the schema breaks the subject's compatibility (409).
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let request = post_schema(&self.settings, subject.to_owned(), supplied);
        match traced(host(&self.url), REGISTER, request).await {
            Ok(registered) => Ok(registered.id),
            Err(error) => Err(Error::new(&format!("register {subject} at {}", self.url), &error)),
        }
    }

    /// The newest schema of a subject.
    pub async fn latest(&self, subject: &str) -> Result<Registered, Error> {
        let request = get_schema_by_subject_and_version(&self.settings, subject, None);
        match traced(host(&self.url), LATEST, request).await {
            Ok(found) => Ok(Registered { id: found.id, version: found.version, schema: found.schema }),
            Err(error) => Err(Error::new(&format!("read the latest {subject} at {}", self.url), &error)),
        }
    }

    /// The compiled schema; asked for once. That an id is unknown is remembered for some seconds.
    pub async fn shape(&self, id: SchemaId) -> Result<Arc<Shape>, Error> {
        if let Some(answer) = self.remembered(id) {
            return answer;
        }
        let found = match self.fetch(id).await {
            Err(Error::UnknownSchema(id)) => {
                self.forget_old_and_remember_unknown(id);
                return Err(Error::UnknownSchema(id));
            }
            other => other?,
        };
        let shape = Arc::new(Shape::parse(&found.schema).map_err(|source| Error::Unusable { id, source })?);
        self.lock().known.insert(key(id), Arc::clone(&shape));
        Ok(shape)
    }

    /// The same without asking anybody; `None` if somebody would have to be asked.
    pub fn remembered(&self, id: SchemaId) -> Option<Result<Arc<Shape>, Error>> {
        let shapes = self.lock();
        if let Some(shape) = shapes.known.get(&key(id)) {
            return Some(Ok(Arc::clone(shape)));
        }
        let since = shapes.unknown.get(&key(id))?;
        (since.elapsed() < UNKNOWN_FOR).then_some(Err(Error::UnknownSchema(id)))
    }

    fn forget_old_and_remember_unknown(&self, id: SchemaId) {
        let mut shapes = self.lock();
        if shapes.unknown.len() >= UNKNOWN_MAX {
            shapes.unknown.clear();
        }
        shapes.unknown.insert(key(id), clock::instant());
    }

    async fn fetch(&self, id: SchemaId) -> Result<RegisteredSchema, Error> {
        let found = match id {
            SchemaId::Id(number) => {
                traced(host(&self.url), BY_ID, get_schema_by_id(number, &self.settings)).await
            }
            SchemaId::Guid(_) => {
                let guid = id.to_string();
                traced(host(&self.url), BY_GUID, get_schema_by_guid(&guid, &self.settings)).await
            }
        };
        found.map_err(|error| Error::of_schema(id, &error))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shapes> {
        self.shapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
