//! Connector documents as Kafka Connect's users write them: JSON files with a name and settings, read and resolved.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;
use service::Error;

/// One connector document: `{"name": ..., "config": {...}}`, its values as text, variables resolved.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file it was read from.
    pub(crate) file: PathBuf,
    /// The connector's name.
    pub(crate) name: String,
    /// The settings by key.
    pub(crate) settings: BTreeMap<String, Setting>,
}

/// One value of a document.
pub(crate) struct Setting {
    /// The value with its variables resolved; it may be a secret.
    pub(crate) value: String,
    /// The value as it stands in the file; this is what messages show.
    pub(crate) written: String,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written)
    }
}

/// Reads the documents of all `paths`: JSON files, or directories whose `*.json` files are taken in order of name.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, Error> {
    let mut documents = Vec::new();
    let mut names = BTreeSet::new();
    for file in files(paths)? {
        let text = fs::read_to_string(&file).map_err(|error| {
            Error::config("connectors", file.display().to_string(), format!("a readable file ({error})"))
        })?;
        let document = parse(&file, &text)?;
        if !names.insert(document.name.clone()) {
            let allowed = "a name that no other connector document has".to_owned();
            return Err(Error::config(format!("{}: name", file.display()), document.name, allowed));
        }
        documents.push(document);
    }
    Ok(documents)
}

/// Reads one document from its text.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Document, Error> {
    let origin = file.display();
    let refused = |key: &str, value: &Json, allowed: &str| {
        let key = if key.is_empty() { origin.to_string() } else { format!("{origin}: {key}") };
        Error::config(key, value.to_string(), allowed)
    };
    let json: Json = serde_json::from_str(text).map_err(|error| {
        let key = format!("{origin}: line {}, column {}", error.line(), error.column());
        Error::config(key, "malformed JSON".to_owned(), format!("a JSON document ({error})"))
    })?;
    let name = match json.get("name") {
        Some(Json::String(name)) if is_name(name) => name.clone(),
        other => {
            let allowed = "a name of 1 to 100 letters, digits, `.`, `_` and `-`";
            return Err(refused("name", other.unwrap_or(&Json::Null), allowed));
        }
    };
    let Some(Json::Object(config)) = json.get("config") else {
        return Err(refused("config", json.get("config").unwrap_or(&Json::Null), "an object of settings"));
    };
    let mut settings = BTreeMap::new();
    for (key, value) in config {
        let written = match value {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            Json::Bool(flag) => flag.to_string(),
            Json::Null => continue,
            Json::Array(_) | Json::Object(_) => {
                return Err(refused(key, value, "text, a number, true or false"));
            }
        };
        let value = resolve(&written)
            .map_err(|allowed| Error::config(format!("{origin}: {key}"), written.clone(), allowed))?;
        settings.insert(key.clone(), Setting { value, written });
    }
    Ok(Document { file: file.to_owned(), name, settings })
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        let refused = |allowed: String| Error::config("connectors", path.display().to_string(), allowed);
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries =
            fs::read_dir(path).map_err(|error| refused(format!("a readable directory ({error})")))?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
            .collect();
        if found.is_empty() {
            return Err(refused("a directory with at least one *.json document".to_owned()));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// The ledger's key and the consumer group are made of the name, so it is kept to what both can hold.
fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Replaces `${env:NAME}` and `${file:path:key}` (KIP-297); other `${...}`, such as `${topic}`, stay as they are.
///
/// The error says what is allowed instead.
fn resolve(written: &str) -> Result<String, String> {
    let mut resolved = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let variable = &rest[start + 2..start + length];
        resolved.push_str(&rest[..start]);
        match variable.split_once(':') {
            None => resolved.push_str(&rest[start..=start + length]),
            Some(("env", name)) => resolved.push_str(&environment(name)?),
            Some(("file", reference)) => resolved.push_str(&property(reference)?),
            Some((provider, _)) => {
                return Err(format!(
                    "`${{env:NAME}}` or `${{file:path:key}}`; there is no provider `{provider}`"
                ));
            }
        }
        rest = &rest[start + length + 1..];
    }
    resolved.push_str(rest);
    Ok(resolved)
}

#[expect(
    clippy::disallowed_methods,
    reason = "documents name the variables themselves, as Connect's EnvVarConfigProvider"
)]
fn environment(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("a variable that is set; the environment has no `{name}`"))
}

/// A value from a file of `key=value` lines, as Connect's `FileConfigProvider` reads it.
fn property(reference: &str) -> Result<String, String> {
    let (path, key) = reference.rsplit_once(':').ok_or("`${file:path:key}`")?;
    let text = fs::read_to_string(path).map_err(|error| format!("a readable file ({path}: {error})"))?;
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once('='))
        .find(|(candidate, _)| candidate.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
        .ok_or_else(|| format!("a key that is there; {path} has no `{key}`"))
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, path::Path};

    use super::{parse, read, resolve};

    fn message(text: &str) -> String {
        parse(Path::new("x.json"), text).expect_err("refused").to_string()
    }

    /// Numbers and booleans may be written bare or as text; null means not set.
    #[test]
    fn values_may_be_text_or_bare() {
        let text =
            r#"{"name":"a","config":{"batch.size":"10","tasks.max":2,"auto.create":false,"topics":null}}"#;
        let document = parse(Path::new("x.json"), text).expect("valid");
        let values: Vec<_> =
            document.settings.iter().map(|(key, value)| (key.as_str(), value.value.as_str())).collect();
        assert_eq!(values, [("auto.create", "false"), ("batch.size", "10"), ("tasks.max", "2")]);
    }

    /// A comma too many is reported with the file, the line and the column.
    #[test]
    fn malformed_json_is_located() {
        let message = message("{\"name\": \"a\",\n \"config\": {\"topics\": \"t\",}}");
        assert!(message.contains("x.json: line 2, column 27"), "{message}");
    }

    /// What is wrong with a document is said with the key and the value.
    #[test]
    fn wrong_documents_are_refused_by_key() {
        for (text, expected) in [
            ("[]", "name"),
            (r#"{"name":"a b","config":{}}"#, "a b"),
            (r#"{"name":"a"}"#, "config"),
            (r#"{"name":"a","config":{"topics":["t"]}}"#, "topics"),
            (r#"{"name":"a","config":{"connection.user":"${vault:x}"}}"#, "connection.user"),
        ] {
            let message = message(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    /// Secrets come from files; what stays in messages is the reference, never the value.
    #[test]
    fn variables_resolve_and_stay_out_of_messages() {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        writeln!(file, "# secrets\ndb.password = s3cret").expect("written");
        let reference = format!("${{file:{}:db.password}}", file.path().display());
        assert_eq!(resolve(&reference), Ok("s3cret".to_owned()));
        assert_eq!(resolve("toll.${topic}!"), Ok("toll.${topic}!".to_owned()));
        assert!(resolve("${env:TURNPIKE_NO_SUCH_VARIABLE}").is_err());

        let text = serde_json::json!({"name": "a", "config": {"connection.password": reference}}).to_string();
        let document = parse(Path::new("x.json"), &text).expect("valid");
        assert!(!format!("{document:?}").contains("s3cret"));
    }

    /// Two documents of one name would share a ledger and a consumer group.
    #[test]
    fn names_are_unique() {
        let directory = tempfile::tempdir().expect("directory");
        for file in ["a.json", "b.json"] {
            std::fs::write(directory.path().join(file), r#"{"name":"same","config":{}}"#).expect("written");
        }
        let message = read(&[directory.path().to_owned()]).expect_err("refused").to_string();
        assert!(message.contains("b.json") && message.contains("same"), "{message}");
    }
}
