//! One raw topic: where its records go, and by which schema and contract they are judged.

use std::{fs, path::Path, sync::Arc};

use contract::{Contract, Judge};
use events::Shape;
use kafka::Topic;
use service::Error;

use crate::settings::StreamPath;

/// A raw topic with its outputs and its contract.
#[derive(Debug)]
pub struct Stream {
    /// The topic that is judged.
    pub raw: Arc<str>,
    /// Where good records go.
    pub valid: String,
    /// Where bad records go.
    pub dlq: String,
    /// The rules.
    pub contract: Contract,
    /// Full name of the records that belong here.
    pub record_name: String,
}

impl Stream {
    /// Reads and checks the schema and the contract: a mistake in either stops the start with its place.
    pub fn load(from: &StreamPath) -> Result<Self, Error> {
        let (_, schema) = read(&from.path, "avsc", "an Avro schema of a flat record")?;
        let shape = Shape::parse(&schema).map_err(|error| {
            refuse(&from.path.with_extension("avsc"), &error, "an Avro schema of a flat record")
        })?;
        let allowed = "a rule set that fits the schema; see schemas/README.md";
        let (path, json) = read(&from.path, "contract.json", allowed)?;
        let contract: Contract = json.parse().map_err(|error| refuse(&path, &error, allowed))?;
        contract.bind(&shape).map_err(|error| refuse(&path, &error, allowed))?;
        Ok(Self {
            raw: from.topic.as_str().into(),
            valid: format!("{}.valid", from.topic),
            dlq: format!("{}.dlq", from.topic),
            contract,
            record_name: shape.name().to_owned(),
        })
    }

    /// All topics of the stream.
    pub fn topics(&self) -> [String; 3] {
        [self.raw.to_string(), self.valid.clone(), self.dlq.clone()]
    }

    /// Under which its schema is registered.
    pub fn subject(&self) -> String {
        format!("{}-value", self.raw)
    }

    /// What is wrong with the stream's topics, if anything is: one is missing, or has another number of partitions.
    pub fn trouble_with(&self, known: &[Topic]) -> Option<String> {
        let mut counts = Vec::new();
        for name in self.topics() {
            let Some(topic) = known.iter().find(|topic| topic.name == name) else {
                return Some(format!("topic {name} does not exist; create it: turnpike topics create"));
            };
            counts.push((name, topic.partitions.len()));
        }
        let (raw, wanted) = &counts[0];
        let odd = counts.iter().find(|(_, count)| count != wanted)?;
        Some(format!(
            "topic {} has {} partitions and {raw} has {wanted}: a record keeps its partition number, so they must be equal",
            odd.0, odd.1
        ))
    }

    /// Binds the contract to the schema that a record was written with; `None` if the schema lacks what a rule needs.
    pub fn judge_for(&self, shape: &Shape) -> Option<Judge> {
        self.contract.bind(shape).ok()
    }
}

fn read(base: &Path, extension: &str, allowed: &str) -> Result<(std::path::PathBuf, String), Error> {
    let path = base.with_extension(extension);
    match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => Err(refuse(&path, &error, allowed)),
    }
}

fn refuse(path: &Path, error: &dyn std::fmt::Display, allowed: &str) -> Error {
    Error::config("--stream (TURNPIKE_STREAMS)", format!("{}: {error}", path.display()), allowed)
}
