//! Rules about `Cargo.toml`: what is depended upon, by whom, and why.
//!
//! The manifests are read line by line: they are ours, and plain.

use super::Finding;
use crate::tree::Tree;

/// Crates that only a few folders may name, so that what they do is done in one way.
const GATEWAYS: &[(&str, &[&str], &str)] = &[
    ("rdkafka", &["crates/kafka"], "use the kafka crate"),
    (
        "sqlx",
        &["services/mariadb-writer", "services/turnpike", "tests", "bench"],
        "rows are written by mariadb-writer alone",
    ),
    ("schema_registry_converter", &["crates/schema-registry"], "use the schema-registry crate"),
    ("opentelemetry_sdk", &["crates/telemetry"], "use telemetry::Tracer"),
    ("opentelemetry-otlp", &["crates/telemetry"], "use telemetry::Export"),
    ("opentelemetry-proto", &["crates/telemetry", "tests"], "use telemetry::Export"),
    ("tracing-subscriber", &["crates/telemetry"], "logs are set up by telemetry"),
];

/// Folders whose crates compute and do nothing else: no input, output, clock or runtime.
const PURE: &[&str] = &[
    "crates/contract",
    "crates/dead-letter",
    "crates/dialects",
    "crates/events",
    "crates/log-styles",
    "crates/simulation",
];
/// What would make them otherwise.
const IMPURE: &[&str] =
    &["axum", "kafka", "reqwest", "schema-registry", "service", "sqlx", "telemetry", "tokio", "tonic"];

/// A dependency of a manifest: name and line.
struct Dependency<'a> {
    name: &'a str,
    line: usize,
}

/// Every dependency of the workspace stands in a group that a comment opens.
pub(super) fn each_is_explained(tree: &Tree) -> Vec<Finding> {
    let text = tree.text("Cargo.toml").unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let explained = |dependency: &Dependency<'_>| {
        let own = lines[dependency.line - 1].contains(" # ");
        let above = lines[..dependency.line - 1]
            .iter()
            .rev()
            .take_while(|line| !line.is_empty() && !line.starts_with('['));
        own || above.last().is_some_and(|opening| opening.starts_with("# "))
    };
    let silent = dependencies(text).into_iter().filter(|dependency| !explained(dependency));
    silent
        .map(|Dependency { name, line }| {
            Finding::new(
                "Cargo.toml",
                line,
                format!("{name} is not explained; say in a few words what it is for"),
            )
        })
        .collect()
}

/// Every dependency of the workspace is one of some member.
pub(super) fn each_is_used(tree: &Tree) -> Vec<Finding> {
    let used = |name: &str| {
        manifests(tree).any(|(_, text)| dependencies(text).iter().any(|member| member.name == name))
    };
    dependencies(tree.text("Cargo.toml").unwrap_or_default())
        .into_iter()
        .filter(|dependency| !used(dependency.name))
        .map(|Dependency { name, line }| {
            Finding::new("Cargo.toml", line, format!("{name} is used by no crate; delete it"))
        })
        .collect()
}

/// Kafka, SQL and the like are named by their gateways alone.
pub(super) fn gateways_are_kept(tree: &Tree) -> Vec<Finding> {
    members_naming(tree, |folder, name| {
        let (_, folders, instead) = GATEWAYS.iter().find(|(crate_name, ..)| *crate_name == name)?;
        (!folders.contains(&folder)).then(|| format!("{name} is for {} only; {instead}", folders.join(", ")))
    })
}

/// The core computes: nothing in it reaches out, and no library knows a service.
pub(super) fn the_core_is_pure(tree: &Tree) -> Vec<Finding> {
    members_naming(tree, |folder, name| {
        if PURE.contains(&folder) && IMPURE.contains(&name) {
            return Some(format!("{name} in a pure crate; pass in what it would fetch"));
        }
        let reaches_outward = folder.starts_with("crates/") && tree.has(&format!("services/{name}"));
        reaches_outward
            .then(|| format!("a library depends on the service {name}; move what it needs into a library"))
    })
}

fn members_naming(tree: &Tree, breach: impl Fn(&str, &str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in manifests(tree) {
        let folder = path.trim_end_matches("/Cargo.toml");
        for Dependency { name, line } in dependencies(text) {
            findings.extend(breach(folder, name).map(|what| Finding::new(path, line, what)));
        }
    }
    findings
}

/// The manifests of all members.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.ending("/Cargo.toml")
}

/// The dependencies that a manifest names, under their real names also where they are renamed.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = section.ends_with("dependencies");
            if let Some((_, name)) = section.rsplit_once("dependencies.") {
                found.push(Dependency { name, line: index + 1 });
            }
        } else if in_dependencies && !line.is_empty() && !line.starts_with('#') {
            let renamed = line.split_once("package = \"").and_then(|(_, rest)| rest.split_once('"'));
            let written = line.split(['=', '.', ' ']).next();
            found.extend(
                renamed.map(|(name, _)| name).or(written).map(|name| Dependency { name, line: index + 1 }),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    /// A comment above the group or behind the entry explains it; a blank line ends the group.
    #[test]
    fn unexplained_dependencies_are_found() {
        let text = "[workspace.dependencies]\n# Group.\na = \"1\"\nb = \"1\"\n\nc = \"1\" # why\nd = \"1\"\n[lints]\ne = \"x\"\n";
        assert_eq!(places(&each_is_explained(&Tree::of(&[("Cargo.toml", text)]))), ["Cargo.toml:7"]);
    }

    /// A dependency that no member takes is found; one that only tests take is used.
    #[test]
    fn unused_dependencies_are_found() {
        let root = "[workspace.dependencies]\na = \"1\"\nb = \"1\"\nc = \"1\"\n";
        let member = "[dependencies]\na.workspace = true\n[dev-dependencies]\nb = { workspace = true }\n";
        let tree = Tree::of(&[("Cargo.toml", root), ("crates/m/Cargo.toml", member)]);
        assert_eq!(places(&each_is_used(&tree)), ["Cargo.toml:4"]);
    }

    /// A gateway's crate is found elsewhere: plain, renamed, and as a table of its own.
    #[test]
    fn detours_around_gateways_are_found() {
        let plain = "[dependencies]\nrdkafka.workspace = true\nthiserror = \"2\"\n";
        let renamed = "[dev-dependencies]\nk = { package = \"rdkafka\", version = \"1\" }\n";
        let table = "[dependencies.sqlx]\nversion = \"1\"\n";
        let tree = Tree::of(&[
            ("crates/kafka/Cargo.toml", plain),
            ("crates/service/Cargo.toml", plain),
            ("services/validator/Cargo.toml", renamed),
            ("services/toll-generator/Cargo.toml", table),
            ("tests/Cargo.toml", table),
        ]);
        let found = [
            "crates/service/Cargo.toml:2",
            "services/toll-generator/Cargo.toml:1",
            "services/validator/Cargo.toml:2",
        ];
        assert_eq!(places(&gateways_are_kept(&tree)), found);
    }

    /// A runtime in the core is found, and a library that knows a service; a service may use both.
    #[test]
    fn impurities_are_found() {
        let text = "[dependencies]\nserde = \"1\"\ntokio = \"1\"\nvalidator = \"0\"\n";
        let tree = Tree::of(&[("crates/contract/Cargo.toml", text), ("services/validator/Cargo.toml", text)]);
        assert_eq!(
            places(&the_core_is_pure(&tree)),
            ["crates/contract/Cargo.toml:3", "crates/contract/Cargo.toml:4"]
        );
    }
}
