//! The registry's HTTP routes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    compatibility::Level,
    refusal::Refusal,
    store::{Candidate, Registered, Store, Version},
};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

type Shared = State<Arc<Mutex<Store>>>;
type Answer = Result<Response, Refusal>;

pub(super) fn router(store: Arc<Mutex<Store>>) -> Router {
    Router::new()
        .route("/", get(async || answer(StatusCode::OK, &json!({}))))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(look_up))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/types", get(async || answer(StatusCode::OK, &json!(["AVRO"]))))
        .route("/schemas/ids/{id}", get(schema_by_id))
        .route("/schemas/ids/{id}/versions", get(uses))
        .route("/schemas/guids/{guid}", get(schema_by_guid))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(check))
        .route("/config", get(level).put(set_level))
        .route("/config/{subject}", get(subject_level).put(set_subject_level))
        .fallback(async || Refusal::NoSuchRoute)
        .with_state(store)
}

/// A JSON answer with the registry's media type.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

/// Body of the requests that carry a schema.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaRequest {
    schema: String,
    schema_type: Option<String>,
}

/// Body of the requests that set a level.
#[derive(Deserialize)]
struct LevelRequest {
    compatibility: String,
}

#[derive(Deserialize)]
struct CheckOptions {
    #[serde(default)]
    verbose: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelOptions {
    #[serde(default)]
    default_to_global: bool,
}

async fn subjects(State(store): Shared) -> Answer {
    Ok(ok(&json!(lock(&store).subjects())))
}

async fn look_up(State(store): Shared, Path(subject): Path<String>, body: Bytes) -> Answer {
    let store = lock(&store);
    store.versions(&subject)?;
    let (version, registered) = store.find(&subject, &candidate(&body)?)?;
    Ok(ok(&version_body(&subject, version, registered)))
}

async fn versions(State(store): Shared, Path(subject): Path<String>) -> Answer {
    let count = lock(&store).versions(&subject)?.len();
    Ok(ok(&json!((1..=count).collect::<Vec<_>>())))
}

async fn register(State(store): Shared, Path(subject): Path<String>, body: Bytes) -> Answer {
    let candidate = candidate(&body)?;
    let mut store = lock(&store);
    let registered = store.register(&subject, candidate)?;
    Ok(ok(&json!({ "id": registered.id, "guid": registered.guid.to_string() })))
}

async fn version(State(store): Shared, Path((subject, version)): Path<(String, String)>) -> Answer {
    let store = lock(&store);
    let (version, registered) = store.version(&subject, Version::parse(&version)?)?;
    Ok(ok(&version_body(&subject, version, registered)))
}

async fn schema_by_id(State(store): Shared, Path(id): Path<String>) -> Answer {
    let store = lock(&store);
    let registered = store.schema(id_of(&id)?)?;
    Ok(ok(&json!({ "schema": registered.text, "guid": registered.guid.to_string() })))
}

async fn schema_by_guid(State(store): Shared, Path(guid): Path<String>) -> Answer {
    Ok(ok(&json!({ "schema": lock(&store).schema_by_guid(&guid)?.text })))
}

async fn uses(State(store): Shared, Path(id): Path<String>) -> Answer {
    let store = lock(&store);
    let uses = store.uses(id_of(&id)?)?.into_iter();
    Ok(ok(&uses.map(|(subject, version)| json!({ "subject": subject, "version": version })).collect()))
}

async fn check(
    State(store): Shared,
    Path((subject, version)): Path<(String, String)>,
    Query(options): Query<CheckOptions>,
    body: Bytes,
) -> Answer {
    let messages = lock(&store).check(&subject, Version::parse(&version)?, &candidate(&body)?)?;
    let mut answer = json!({ "is_compatible": messages.is_empty() });
    if options.verbose {
        answer["messages"] = json!(messages);
    }
    Ok(ok(&answer))
}

async fn level(State(store): Shared) -> Answer {
    Ok(ok(&json!({ "compatibilityLevel": lock(&store).level() })))
}

async fn set_level(State(store): Shared, body: Bytes) -> Answer {
    let level = level_in(&body)?;
    lock(&store).set_level(level);
    Ok(ok(&json!({ "compatibility": level })))
}

async fn subject_level(
    State(store): Shared,
    Path(subject): Path<String>,
    Query(options): Query<LevelOptions>,
) -> Answer {
    let store = lock(&store);
    let level = store.subject_level(&subject).or(options.default_to_global.then(|| store.level()));
    Ok(ok(&json!({ "compatibilityLevel": level.ok_or(Refusal::LevelNotConfigured(subject))? })))
}

async fn set_subject_level(State(store): Shared, Path(subject): Path<String>, body: Bytes) -> Answer {
    let level = level_in(&body)?;
    lock(&store).set_subject_level(&subject, level);
    Ok(ok(&json!({ "compatibility": level })))
}

fn ok(body: &Value) -> Response {
    answer(StatusCode::OK, body)
}

fn version_body(subject: &str, version: u32, registered: &Registered) -> Value {
    let (id, guid, schema) = (registered.id, registered.guid.to_string(), &registered.text);
    json!({ "subject": subject, "id": id, "guid": guid, "version": version, "schema": schema })
}

/// Clients send various content types; the body alone decides.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(Refusal::Malformed)
}

fn candidate(body: &[u8]) -> Result<Candidate, Refusal> {
    let request: SchemaRequest = parse(body)?;
    match request.schema_type.as_deref() {
        None | Some("AVRO") => Candidate::parse(&request.schema),
        Some(other) => Err(Refusal::InvalidSchema(format!("schema type {other} is not known, only AVRO is"))),
    }
}

fn level_in(body: &[u8]) -> Result<Level, Refusal> {
    parse::<LevelRequest>(body)?.compatibility.parse()
}

fn id_of(text: &str) -> Result<u32, Refusal> {
    text.parse().map_err(|_| Refusal::SchemaNotFound(text.to_owned()))
}

fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}
