//! What has been registered.

use std::collections::BTreeMap;

use apache_avro::Schema;
use serde_json::Value;
use uuid::Uuid;

use super::{compatibility::Level, refusal::Refusal};

/// Schemas by id, and the versions of each subject.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// The schema with id `n` is at `n - 1`.
    schemas: Vec<Registered>,
    subjects: BTreeMap<String, Vec<u32>>,
    level: Level,
    subject_levels: BTreeMap<String, Level>,
}

/// A schema with its ids.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) id: u32,
    pub(super) guid: Uuid,
    pub(super) text: String,
    /// Compared to find the same schema again, whatever its spaces.
    json: Value,
    schema: Schema,
}

/// A schema as sent, understood but not yet registered.
#[derive(Debug)]
pub(super) struct Candidate {
    json: Value,
    schema: Schema,
}

impl Candidate {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| Refusal::InvalidSchema(format!("{text}: {error}")))?;
        let schema =
            Schema::parse(&json).map_err(|error| Refusal::InvalidSchema(format!("{text}: {error}")))?;
        Ok(Self { json, schema })
    }
}

/// Which version of a subject is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Latest,
    Number(u32),
}

impl Version {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match (text, text.parse::<u32>()) {
            ("latest" | "-1", _) => Ok(Self::Latest),
            (_, Ok(number)) if (1..=i32::MAX as u32).contains(&number) => Ok(Self::Number(number)),
            _ => Err(Refusal::InvalidVersion(text.to_owned())),
        }
    }
}

impl Store {
    /// The id of the schema under this subject, new or as it was; refuses what breaks the subject's level.
    pub(super) fn register(&mut self, subject: &str, candidate: Candidate) -> Result<&Registered, Refusal> {
        let known = self.schemas.iter().find(|known| known.json == candidate.json).map(|known| known.id);
        let versions = self.subjects.get(subject).map_or(&[][..], Vec::as_slice);
        if let Some(id) = known
            && versions.contains(&id)
        {
            return self.schema(id);
        }
        let level = self.level_of(subject);
        let earlier =
            if level.is_transitive() { versions } else { &versions[versions.len().saturating_sub(1)..] };
        for id in earlier.iter().rev() {
            let details = level.check(&self.schema(*id)?.schema, &candidate.schema);
            if !details.is_empty() {
                let number = versions.iter().position(|version| version == id).map_or(0, |at| at + 1);
                let details = format!("version {number}: {}", details.join("; "));
                return Err(Refusal::Incompatible { subject: subject.to_owned(), details });
            }
        }
        let id = known.unwrap_or_else(|| self.add(candidate));
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        self.schema(id)
    }

    /// The version under which this subject holds the schema.
    pub(super) fn find(&self, subject: &str, candidate: &Candidate) -> Result<(u32, &Registered), Refusal> {
        let versions = self.versions(subject)?;
        for (at, id) in versions.iter().enumerate() {
            let registered = self.schema(*id)?;
            if registered.json == candidate.json {
                return Ok((at as u32 + 1, registered));
            }
        }
        Err(Refusal::SchemaNotRegistered)
    }

    /// A version of a subject, with its number.
    pub(super) fn version(&self, subject: &str, version: Version) -> Result<(u32, &Registered), Refusal> {
        let versions = self.versions(subject)?;
        let number = match version {
            Version::Latest => versions.len() as u32,
            Version::Number(number) => number,
        };
        let id = versions.get(number as usize - 1).ok_or(Refusal::VersionNotFound(number))?;
        Ok((number, self.schema(*id)?))
    }

    /// Why the schema could not follow one version of a subject; a subject without versions takes anything.
    pub(super) fn check(
        &self,
        subject: &str,
        version: Version,
        candidate: &Candidate,
    ) -> Result<Vec<String>, Refusal> {
        match self.version(subject, version) {
            Ok((_, old)) => Ok(self.level_of(subject).check(&old.schema, &candidate.schema)),
            Err(_) if version == Version::Latest => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn schema(&self, id: u32) -> Result<&Registered, Refusal> {
        let at = (id as usize).checked_sub(1);
        at.and_then(|at| self.schemas.get(at)).ok_or_else(|| Refusal::SchemaNotFound(id.to_string()))
    }

    pub(super) fn schema_by_guid(&self, guid: &str) -> Result<&Registered, Refusal> {
        let found = self.schemas.iter().find(|known| Uuid::parse_str(guid) == Ok(known.guid));
        found.ok_or_else(|| Refusal::SchemaNotFound(guid.to_owned()))
    }

    /// Subjects and versions that hold the schema.
    pub(super) fn uses(&self, id: u32) -> Result<Vec<(&str, u32)>, Refusal> {
        let id = self.schema(id)?.id;
        let at = |versions: &[u32]| versions.iter().position(|version| *version == id);
        let uses = self.subjects.iter();
        Ok(uses
            .filter_map(|(subject, versions)| Some((subject.as_str(), at(versions)? as u32 + 1)))
            .collect())
    }

    pub(super) fn subjects(&self) -> Vec<&str> {
        self.subjects.keys().map(String::as_str).collect()
    }

    pub(super) fn versions(&self, subject: &str) -> Result<&[u32], Refusal> {
        let versions = self.subjects.get(subject).map(Vec::as_slice);
        versions.ok_or_else(|| Refusal::SubjectNotFound(subject.to_owned()))
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    pub(super) fn set_level(&mut self, level: Level) {
        self.level = level;
    }

    /// The level set for this subject alone.
    pub(super) fn subject_level(&self, subject: &str) -> Option<Level> {
        self.subject_levels.get(subject).copied()
    }

    pub(super) fn set_subject_level(&mut self, subject: &str, level: Level) {
        self.subject_levels.insert(subject.to_owned(), level);
    }

    fn level_of(&self, subject: &str) -> Level {
        self.subject_level(subject).unwrap_or(self.level)
    }

    fn add(&mut self, Candidate { json, schema }: Candidate) -> u32 {
        let id = self.schemas.len() as u32 + 1;
        let text = json.to_string();
        let guid = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes());
        self.schemas.push(Registered { id, guid, text, json, schema });
        id
    }
}
