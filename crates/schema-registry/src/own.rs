//! The id of the schema that a service writes with: registered, or found.

use events::Shape;
use service::{Attempt, Error, Health, Stop, wait_for};

use crate::{Class, Registry};

/// How the registry is called in health and logs.
pub const SCHEMA_REGISTRY: &str = "schema-registry";
/// The settings that say where the registry is and how it lets one in.
const SETTINGS: &str = "--schema-registry-url, --schema-registry-user, --schema-registry-password, --schema-registry-ssl-ca-location";
/// The setting that says whether to register.
const FLAG: &str = "--register-schema (TURNPIKE_REGISTER_SCHEMA)";

impl Registry {
    /// The id that `schema`, which is one of ours, has under the subject; waits while the registry is away.
    ///
    /// It is registered if `register_schema` says so. If not, or if the registry refuses it, as one that is read-only
    /// does, the latest schema of the subject will do if it has the same fields in their order; its documentation may
    /// differ.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no schema to write with, with what was found and what to do.
    pub async fn own_id(
        &self,
        subject: &str,
        schema: &str,
        register_schema: bool,
        stop: &Stop,
        health: &Health,
    ) -> Result<u32, Error> {
        let ours = Shape::parse(schema).map_err(Error::failed)?;
        let id = wait_for(SCHEMA_REGISTRY, stop, health, async || {
            if register_schema {
                return self.registered(subject, schema, &ours).await;
            }
            let latest = self.latest_of(subject, &ours).await?;
            latest.map_err(|found| {
                let allowed = format!("true, or {} as the latest of {subject} ({found})", fields(&ours));
                Attempt::GiveUp(Error::config(FLAG, "false", allowed))
            })
        })
        .await?;
        tracing::info!(subject, schema_id = id, "{subject} is schema {id}");
        Ok(id)
    }

    async fn registered(&self, subject: &str, schema: &str, ours: &Shape) -> Result<u32, Attempt> {
        let refused = match self.register(subject, schema).await {
            Ok(id) => return Ok(id),
            Err(error) if error.class() == Class::Infrastructure => return Err(Attempt::Retry(error.into())),
            Err(refused) => refused,
        };
        let latest = self.latest_of(subject, ours).await?;
        if latest.is_ok() {
            tracing::info!(subject, %refused, "our schema is not registered; the latest of {subject} has the same fields");
        }
        latest.map_err(|found| {
            let allowed = format!(
                "true where the registry takes our schema ({refused}), or false once {subject} has {} as its latest ({found})",
                fields(ours)
            );
            Attempt::GiveUp(Error::config(FLAG, "true", allowed))
        })
    }

    /// The id of the subject's latest schema if it has our fields; else what was found in its place.
    async fn latest_of(&self, subject: &str, ours: &Shape) -> Result<Result<u32, String>, Attempt> {
        match self.latest(subject).await {
            Ok(latest) if Shape::parse(&latest.schema).is_ok_and(|theirs| theirs == *ours) => {
                Ok(Ok(latest.id))
            }
            Ok(latest) => Ok(Err(format!("schema {} is another", latest.id))),
            Err(error) if error.class() == Class::Infrastructure => Err(Attempt::Retry(error.into())),
            Err(error) if error.is_locked_out() => Err(Attempt::GiveUp(locked_out(self, &error))),
            Err(error) => Ok(Err(error.to_string())),
        }
    }
}

fn locked_out(registry: &Registry, error: &crate::Error) -> Error {
    let allowed = format!("a registry that is trusted and lets this client in ({error})");
    Error::config(SETTINGS, registry.url(), allowed)
}

fn fields(ours: &Shape) -> String {
    format!("the fields of {} in their order", ours.name())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use events::TollPassage;
    use serde_json::json;
    use telemetry::Metrics;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    const SUBJECT: &str = "toll-value";
    const ANOTHER: &str = r#"{"type":"record","name":"turnpike.TollPassage","fields":[]}"#;

    #[derive(clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: crate::Options,
    }

    /// An answer of the registry: status and body.
    type Answer = (u16, String);

    fn refusal(status: u16) -> Answer {
        (status, json!({ "error_code": status, "message": "not now, not here" }).to_string())
    }

    fn latest(schema: &str) -> Answer {
        let found = json!({ "subject": SUBJECT, "id": 12, "version": 3, "schema": schema });
        (200, found.to_string())
    }

    /// Reads a request to its end; tells its method.
    async fn read(stream: &mut TcpStream) -> String {
        let mut request = String::new();
        loop {
            if let Some((head, body)) = request.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    return head.split(' ').next().unwrap().to_owned();
                }
            }
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "the request ends early: {request}");
            request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }

    /// What comes of a registry that gives these answers, the last one again and again, to requests to register (`posts`) and
    /// for the latest schema.
    async fn own_id(register_schema: bool, posts: &[Answer], latest: &Answer) -> Result<u32, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("--schema-registry-url=http://{}", listener.local_addr().unwrap());
        let options = CommandLine::parse_from(["service", &url]).options;
        let registry = Registry::new(&options).unwrap();
        let (stop, health) = (Stop::default(), Health::new(&Metrics::default()));
        let serve = async {
            let mut asked = 0;
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (status, body) = if read(&mut stream).await == "POST" {
                    asked += 1;
                    &posts[posts.len().min(asked) - 1]
                } else {
                    latest
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                );
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        };
        tokio::select! {
            id = registry.own_id(SUBJECT, TollPassage::SCHEMA, register_schema, &stop, &health) => {
                id.map_err(|error| error.to_string())
            }
            () = serve => unreachable!("it serves for ever"),
        }
    }

    /// What the registry gives is ours; if it asks for patience, that is an outage and not the end.
    #[tokio::test]
    async fn our_schema_is_registered_as_soon_as_the_registry_takes_it() {
        let taken = (200, json!({ "id": 7 }).to_string());
        for status in [408, 429, 503] {
            let posts = [refusal(status), taken.clone()];
            assert_eq!(own_id(true, &posts, &refusal(404)).await, Ok(7), "{status}");
        }
    }

    /// A registry that takes nothing, for lack of rights or because of what it holds, does not stop the text as long as its
    /// latest schema has our fields; documentation may differ.
    #[tokio::test]
    async fn a_schema_that_is_there_need_not_be_registered() {
        let documented = TollPassage::SCHEMA.replace("UTC.", "in Coordinated Universal Time.");
        assert!(documented != TollPassage::SCHEMA);
        for status in [401, 403, 405, 409, 422] {
            assert_eq!(own_id(true, &[refusal(status)], &latest(&documented)).await, Ok(12), "{status}");
        }
        assert_eq!(own_id(false, &[], &latest(&documented)).await, Ok(12), "and nothing is registered");
    }

    /// A registry that answers nothing without the right password ends it, and the line says what to correct.
    #[tokio::test]
    async fn a_wrong_password_is_told() {
        for register_schema in [true, false] {
            let told = own_id(register_schema, &[refusal(401)], &refusal(401)).await.unwrap_err();
            assert!(told.contains("--schema-registry-user") && !told.contains(FLAG), "{told}");
        }
    }

    /// Where there is no schema to write with, it ends with one line that names the subject, the setting and what was found.
    #[tokio::test]
    async fn without_a_schema_it_says_what_to_do() {
        let renamed = TollPassage::SCHEMA.replace("\"lane\"", "\"track\"");
        for (register_schema, posts, latest, found) in [
            (false, &[][..], latest(&renamed), "schema 12 is another"),
            (true, &[refusal(409)], latest(ANOTHER), "schema 12 is another"),
            (true, &[refusal(403)], refusal(404), "refuses to read the latest toll-value"),
            (false, &[], latest(ANOTHER), "schema 12 is another"),
            (false, &[], refusal(404), "refuses to read the latest toll-value"),
        ] {
            let told = own_id(register_schema, posts, &latest).await.unwrap_err();
            let flag = format!("{FLAG} = \"{register_schema}\"");
            for named in [&*flag, SUBJECT, "turnpike.TollPassage", found] {
                assert!(told.contains(named), "no {named} in {told}");
            }
            assert_eq!(told.contains("refuses to register toll-value"), register_schema, "{told}");
        }
    }
}
