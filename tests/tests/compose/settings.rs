//! .env.example names every variable of docker-compose.yml, with the default that it has there, and no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use system_tests::root;

/// Variables that docker-compose.yml does not read itself: the profiles are Compose's own.
const OF_COMPOSE: [&str; 1] = ["COMPOSE_PROFILES"];

/// The two files agree, so a copy of .env.example changes nothing.
#[test]
fn the_example_has_every_variable_with_its_default() {
    let example = fs::read_to_string(root().join(".env.example")).expect(".env.example");
    let example: BTreeMap<&str, &str> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    let compose = fs::read_to_string(root().join("docker-compose.yml")).expect("docker-compose.yml");
    let used: BTreeSet<(&str, &str)> = compose
        .split("${")
        .skip(1)
        .map(|rest| rest.split_once('}').expect("a closing brace").0)
        .map(|inner| inner.split_once(":-").unwrap_or_else(|| panic!("{inner} has no default")))
        .collect();
    for (name, default) in &used {
        assert_eq!(example.get(name), Some(default), "{name} in .env.example and docker-compose.yml");
    }
    for name in example.keys() {
        assert!(
            OF_COMPOSE.contains(name) || used.iter().any(|(used, _)| used == name),
            "{name} is read by nothing"
        );
    }
}
