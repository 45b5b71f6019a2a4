//! The registry's routes, codes and compatibility rules, asked over HTTP as clients ask.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::sync::Arc;

use local_stack::{Folder, Registry};
use reqwest::{Client, Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

const V1: &str = r#"{"type":"record","name":"Crossing","fields":[{"name":"lane","type":"int"}]}"#;
/// Reads data of V1, and V1 reads its data.
const V2_WITH_DEFAULT: &str = r#"{"type":"record","name":"Crossing","fields":[{"name":"lane","type":"int"},
    {"name":"note","type":["null","string"],"default":null}]}"#;
/// Cannot read data of V1: `gate` is missing there.
const V2_WITHOUT_DEFAULT: &str = r#"{"type":"record","name":"Crossing","fields":[{"name":"lane","type":"int"},{"name":"gate","type":"string"}]}"#;
/// Reads data of V1, but V1 cannot read its data.
const V2_WIDER: &str = r#"{"type":"record","name":"Crossing","fields":[{"name":"lane","type":"long"}]}"#;

/// A registry of its own for a test, and a client for it.
struct Asked {
    registry: Registry,
    client: Client,
    /// Keeps the port from being given to another test.
    _folder: Arc<Folder>,
}

impl Asked {
    fn new() -> Self {
        let folder = Folder::claim().unwrap();
        let registry = Registry::create(folder.port().unwrap());
        registry.start().unwrap();
        Self { registry, client: Client::new(), _folder: folder }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.registry.url()));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/vnd.schemaregistry.v1+json", "{path}");
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, schema: &str) -> (u16, Value) {
        self.send(Method::POST, path, Some(json!({ "schema": schema }))).await
    }

    async fn set(&self, path: &str, level: &str) -> (u16, Value) {
        self.send(Method::PUT, path, Some(json!({ "compatibility": level }))).await
    }

    async fn register(&self, subject: &str, schema: &str) -> (u16, Value) {
        self.post(&format!("/subjects/{subject}/versions"), schema).await
    }
}

fn refused(answer: &(u16, Value), status: u16, code: u32) -> String {
    assert_eq!((answer.0, &answer.1["error_code"]), (status, &json!(code)), "{answer:?}");
    answer.1["message"].as_str().unwrap().to_owned()
}

/// One schema has one id, under whichever subject, however it is spaced, however often it is sent.
#[tokio::test]
async fn a_schema_has_one_id() {
    let asked = Asked::new();
    let (status, first) = asked.register("toll-value", V1).await;
    assert_eq!((status, &first["id"]), (200, &json!(1)));
    let spaced = V1.replace(',', " ,\n ");
    assert_eq!(asked.register("toll-value", &spaced).await.1, first);
    assert_eq!(asked.register("toll.valid-value", V1).await.1, first);
    assert_eq!(asked.register("toll.valid-value", V2_WITH_DEFAULT).await.1["id"], 2);

    assert_eq!(asked.get("/subjects").await.1, json!(["toll-value", "toll.valid-value"]));
    assert_eq!(asked.get("/subjects/toll.valid-value/versions").await.1, json!([1, 2]));
    assert_eq!(asked.get("/subjects/toll.valid-value/versions/latest").await.1["id"], 2);
    let expected =
        json!({ "subject": "toll-value", "id": 1, "version": 1, "guid": first["guid"], "schema": V1 });
    let version = asked.get("/subjects/toll-value/versions/1").await.1;
    assert_eq!(normal(version), normal(expected.clone()));
    assert_eq!(normal(asked.post("/subjects/toll-value", &spaced).await.1), normal(expected));
    let uses =
        json!([{ "subject": "toll-value", "version": 1 }, { "subject": "toll.valid-value", "version": 1 }]);
    assert_eq!(asked.get("/schemas/ids/1/versions").await.1, uses);

    let by_id = normal(asked.get("/schemas/ids/1").await.1);
    assert_eq!(by_id["schema"], serde_json::from_str::<Value>(V1).unwrap());
    let guid = first["guid"].as_str().unwrap();
    assert_eq!(normal(asked.get(&format!("/schemas/guids/{guid}")).await.1)["schema"], by_id["schema"]);
}

/// The answer with its schema parsed, for the order of keys in it says nothing.
fn normal(mut answer: Value) -> Value {
    answer["schema"] = serde_json::from_str(answer["schema"].as_str().unwrap()).unwrap();
    answer
}

/// What is not there is told by Confluent's codes.
#[tokio::test]
async fn what_is_missing_is_named() {
    let asked = Asked::new();
    asked.register("toll-value", V1).await;
    for path in ["/subjects/none-value/versions", "/subjects/none-value/versions/latest"] {
        assert_eq!(refused(&asked.get(path).await, 404, 40401), "Subject 'none-value' not found.");
    }
    refused(&asked.post("/subjects/none-value", V1).await, 404, 40401);
    refused(&asked.get("/subjects/toll-value/versions/2").await, 404, 40402);
    refused(&asked.post("/subjects/toll-value", V2_WIDER).await, 404, 40403);
    assert_eq!(refused(&asked.get("/schemas/ids/77").await, 404, 40403), "Schema 77 not found");
    refused(&asked.get("/schemas/ids/0").await, 404, 40403);
    refused(&asked.get("/schemas/guids/not-a-guid").await, 404, 40403);
    refused(&asked.get("/config/toll-value").await, 404, 40408);
    refused(&asked.get("/nowhere").await, 404, 404);
}

/// What cannot be understood is refused by kind.
#[tokio::test]
async fn what_is_wrong_is_refused() {
    let asked = Asked::new();
    for schema in ["", "{", r#"{"type":"recort"}"#, r#"{"type":"record","name":"A","fields":[{"name":"b"}]}"#]
    {
        refused(&asked.register("toll-value", schema).await, 422, 42201);
    }
    let other_type = json!({ "schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF" });
    refused(&asked.send(Method::POST, "/subjects/a/versions", Some(other_type)).await, 422, 42201);
    refused(&asked.send(Method::POST, "/subjects/a/versions", Some(json!({}))).await, 422, 422);
    for version in ["0", "-2", "first", "4294967296"] {
        refused(&asked.get(&format!("/subjects/a/versions/{version}")).await, 422, 42202);
    }
    refused(&asked.set("/config", "SIDEWAYS").await, 422, 42203);
    assert_eq!(asked.get("/subjects").await.1, json!([]));
}

/// The level decides which followers are taken, and the refusal says why.
#[tokio::test]
async fn a_level_decides_what_may_follow() {
    let asked = Asked::new();
    assert_eq!(asked.get("/config").await.1, json!({ "compatibilityLevel": "BACKWARD" }));
    let all = [V2_WITH_DEFAULT, V2_WITHOUT_DEFAULT, V2_WIDER];
    let taken_by_level = [
        ("NONE", [true, true, true]),
        ("BACKWARD", [true, false, true]),
        ("FORWARD_TRANSITIVE", [true, true, false]),
        ("FULL", [true, false, false]),
    ];
    for (level, taken) in taken_by_level {
        for (schema, taken) in all.iter().zip(taken) {
            let subject = format!("{level}-{}", schema.len());
            asked.register(&subject, V1).await;
            let set = asked.set(&format!("/config/{subject}"), &level.to_lowercase()).await;
            assert_eq!(set.1, json!({ "compatibility": level }));
            let path = format!("/compatibility/subjects/{subject}/versions/latest?verbose=true");
            let check = asked.post(&path, schema).await.1;
            assert_eq!(check["is_compatible"], taken, "{level} {schema}");
            assert_eq!(check["messages"].as_array().unwrap().is_empty(), taken);
            let registered = asked.register(&subject, schema).await;
            assert_eq!(registered.0, if taken { 200 } else { 409 }, "{level} {schema}");
        }
    }
    let message =
        refused(&asked.register(&format!("BACKWARD-{}", V2_WITHOUT_DEFAULT.len()), all[1]).await, 409, 409);
    assert!(message.contains("'gate'") && message.contains("version 1"), "{message}");
}

/// A transitive level looks at every earlier version, the plain one at the last.
#[tokio::test]
async fn transitive_levels_look_further_back() {
    let with_gate = r#"{"type":"record","name":"Crossing","fields":[{"name":"lane","type":"int"},
        {"name":"gate","type":"string","default":""}]}"#;
    let asked = Asked::new();
    for (level, status) in [("BACKWARD", 200), ("BACKWARD_TRANSITIVE", 409)] {
        asked.set("/config", level).await;
        asked.register(level, V1).await;
        asked.register(level, with_gate).await;
        // Reads data that has a gate, which V1's has not.
        assert_eq!(asked.register(level, V2_WITHOUT_DEFAULT).await.0, status, "{level}");
    }
    let own = asked.get("/config/BACKWARD?defaultToGlobal=true").await.1;
    assert_eq!(own, json!({ "compatibilityLevel": "BACKWARD_TRANSITIVE" }));
}

/// A subject without versions takes any schema; a version that is not there cannot be compared with.
#[tokio::test]
async fn checks_know_what_is_not_there() {
    let asked = Asked::new();
    let latest = asked.post("/compatibility/subjects/new-value/versions/latest", V1).await;
    assert_eq!(latest, (200, json!({ "is_compatible": true })));
    refused(&asked.post("/compatibility/subjects/new-value/versions/1", V1).await, 404, 40401);
    asked.register("new-value", V1).await;
    refused(&asked.post("/compatibility/subjects/new-value/versions/2", V1).await, 404, 40402);
}

/// The schema of the passages is taken, with its logical types, and may stay as it is at every level.
#[tokio::test]
async fn the_passages_schema_is_taken() {
    let schema = include_str!("../../../schemas/toll_passage.avsc");
    let asked = Asked::new();
    asked.set("/config", "FULL_TRANSITIVE").await;
    assert_eq!(asked.register("toll-value", schema).await.1["id"], 1);
    let stricter = schema.replace("\"precision\": 10", "\"precision\": 12");
    assert_ne!(stricter, schema);
    refused(&asked.register("toll-value", &stricter).await, 409, 409);
    assert_eq!(asked.get("/schemas/types").await.1, json!(["AVRO"]));
    assert_eq!(asked.get("/").await.1, json!({}));
}

/// A registry that was away has its port and its schemas when it is back; connections did not survive.
#[tokio::test]
async fn what_was_registered_survives_a_stop() {
    let asked = Asked::new();
    asked.register("toll-value", V1).await;
    asked.registry.stop();
    asked.registry.stop();
    let error = asked.client.get(asked.registry.url()).send().await.unwrap_err();
    assert!(error.is_connect() || error.is_request(), "{error:?}");
    asked.registry.start().unwrap();
    asked.registry.start().unwrap();
    let response = asked.client.get(format!("{}/schemas/ids/1", asked.registry.url())).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

/// A port that is taken is named.
#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Registry::create(port).start().unwrap_err();
    assert_eq!(error.to_string(), format!("the schema registry cannot listen on 127.0.0.1:{port}"));
}
