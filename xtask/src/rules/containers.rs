//! Rules about what runs in containers: one place says each version and default, the others agree with it.

use super::{Finding, pattern};
use crate::tree::Tree;

const COMPOSE: &str = "docker-compose.yml";
const EXAMPLE: &str = ".env.example";
const DOCKERFILE: &str = "deploy/Dockerfile";

/// `.env.example` has each variable of the compose file, with the default that stands there, and no other.
pub(super) fn defaults_agree(tree: &Tree) -> Vec<Finding> {
    let (Some(compose), Some(example)) = (tree.text(COMPOSE), tree.text(EXAMPLE)) else { return Vec::new() };
    let variable = pattern(r"\$\{([A-Z_]+):-([^}]*)\}");
    let settings: Vec<(usize, &str, &str)> = example
        .lines()
        .enumerate()
        .filter_map(|(index, line)| line.split_once('=').map(|(name, value)| (index + 1, name, value)))
        .filter(|(_, name, _)| !name.starts_with('#'))
        .collect();
    let mut findings = Vec::new();
    for (index, line) in compose.lines().enumerate() {
        for found in variable.captures_iter(line) {
            let (name, default) = (&found[1], &found[2]);
            let is_told = settings.iter().any(|(_, told, value)| (*told, *value) == (name, default));
            if !is_told {
                let what = format!(
                    "{EXAMPLE} has no line {name}={default}; a variable and its default stand in both"
                );
                findings.push(Finding::new(COMPOSE, index + 1, what));
            }
        }
    }
    // Compose's own variables are read without standing in the file.
    let is_used = |name: &str| name.starts_with("COMPOSE_") || compose.contains(&format!("${{{name}:-"));
    let unused = settings.iter().filter(|(_, name, _)| !is_used(name));
    findings.extend(unused.map(|(line, name, _)| {
        Finding::new(EXAMPLE, *line, format!("{COMPOSE} does not use {name}; remove the line"))
    }));
    findings
}

/// Images are built with the toolchain that everybody works with.
pub(super) fn toolchains_agree(tree: &Tree) -> Vec<Finding> {
    let (Some(dockerfile), Some(toolchain)) = (tree.text(DOCKERFILE), tree.text("rust-toolchain.toml"))
    else {
        return Vec::new();
    };
    let channel = pattern(r#"channel = "([^"]+)""#);
    let Some(version) = channel.captures(toolchain).map(|found| found[1].to_owned()) else {
        return Vec::new();
    };
    let wanted = format!("ARG RUST_VERSION={version}");
    if dockerfile.lines().any(|line| line == wanted) {
        return Vec::new();
    }
    vec![Finding::new(DOCKERFILE, 1, format!("rust-toolchain.toml says {version}; write {wanted}"))]
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    /// A default that differs, a variable that is missing, and one that nobody uses are found.
    #[test]
    fn defaults_that_differ_are_found() {
        let compose = "image: a:${A_TAG:-1}\nport: ${B_PORT:-2} ${C:-3}\n";
        let example = "# D=5\nA_TAG=1\nB_PORT=9\nE=\nCOMPOSE_PROFILES=\n";
        let tree = Tree::of(&[(COMPOSE, compose), (EXAMPLE, example)]);
        let found = ["docker-compose.yml:2", "docker-compose.yml:2", ".env.example:4"];
        assert_eq!(places(&defaults_agree(&tree)), found);
    }

    /// Another toolchain in the images is found.
    #[test]
    fn another_toolchain_is_found() {
        let toolchain = ("rust-toolchain.toml", "channel = \"1.2.3\"\n");
        let same = Tree::of(&[toolchain, (DOCKERFILE, "ARG RUST_VERSION=1.2.3\n")]);
        assert_eq!(toolchains_agree(&same), []);
        let other = Tree::of(&[toolchain, (DOCKERFILE, "ARG RUST_VERSION=1.2.2\n")]);
        assert_eq!(toolchains_agree(&other).len(), 1);
    }
}
