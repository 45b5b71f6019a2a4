//! No process is root, has a capability or can gain one, and none can write outside its volumes: what the kernel says of each
//! process, not only what Docker was asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::{
    containers::Container,
    stack::{PROJECT, Stack},
};

/// Prints what the kernel knows of processes: `PID KEY VALUE...`. A process may have ended meanwhile.
const STATUS: &str = r#"for pid; do
  while read -r key rest; do
    case $key in Uid: | Cap???: | NoNewPrivs: | Seccomp:) echo "$pid $key $rest" ;; esac
  done 2>/dev/null <"/proc/$pid/status"
done"#;

/// Prints the places of a process' file system where root itself can make a file, of those named, and each mount that is writable.
const WRITABLE: &str = r#"pid=$1; shift
for folder; do
  file=/proc/$pid/root$folder/turnpike-test
  if [ -d "/proc/$pid/root$folder" ] && touch "$file" 2>/dev/null; then rm "$file"; echo "file $folder"; fi
done
while read -r _ where kind options _; do
  case $options in rw*) echo "mount $where $kind" ;; esac
done <"/proc/$pid/mounts""#;

/// Folders that an image has and nobody may write to.
const IMAGE_FOLDERS: [&str; 10] =
    ["/", "/bin", "/etc", "/home", "/lib", "/opt", "/srv", "/usr", "/usr/local/bin", "/var"];

/// Every container of the project.
pub(crate) fn all(stack: &Stack) {
    let mut containers = stack.containers();
    containers.iter().for_each(asked_for);
    containers.retain(Container::is_running);
    processes(stack, &containers);
    for container in &containers {
        file_system(stack, container);
    }
}

/// What Docker was told.
fn asked_for(container: &Container) {
    let name = container.name();
    let host = |key: &str| container.at(&format!("/HostConfig/{key}"));
    let user = container.at("/Config/User").as_str().and_then(|user| user.split(':').next());
    assert!(!matches!(user, None | Some("" | "0" | "root")), "{name}: root");
    assert_eq!(host("ReadonlyRootfs"), true, "{name}");
    assert_eq!(host("Privileged"), false, "{name}");
    assert_eq!(*host("CapDrop"), Json::from(["ALL"]), "{name}");
    assert_eq!(host("CapAdd").as_array().map_or(0, Vec::len), 0, "{name}");
    assert!(host("SecurityOpt").to_string().contains("no-new-privileges:true"), "{name}");
    assert!(host("Memory").as_u64() > Some(0), "{name}: no limit of memory");
    assert!(host("PidsLimit").as_u64() > Some(0), "{name}: no limit of processes");
    assert_eq!(host("LogConfig/Type"), "json-file", "{name}");
    for option in ["max-size", "max-file"] {
        assert!(host("LogConfig/Config")[option].is_string(), "{name}: no {option} of its logs");
    }
    for namespace in ["PidMode", "IpcMode", "UTSMode", "NetworkMode"] {
        assert_ne!(host(namespace), "host", "{name}: {namespace}");
    }
    for mount in container.mounts() {
        // Of the project: not one that an image declares, which would have no name.
        let allowed = !mount.writable || mount.kind == "volume" && mount.source.contains(PROJECT);
        assert!(allowed && !mount.source.ends_with("docker.sock"), "{name}: {mount:?}");
    }
}

/// What the kernel says of each process.
fn processes(stack: &Stack, containers: &[Container]) {
    let of = |one: &Container| one.pids(stack).into_iter().zip(std::iter::repeat(one.name()));
    let names: BTreeMap<String, String> = containers.iter().flat_map(of).collect();
    let pids: Vec<&str> = names.keys().map(String::as_str).collect();
    let mut known: BTreeSet<(&str, String)> = BTreeSet::new();
    for line in stack.on_engine(STATUS, &pids).lines() {
        let mut words = line.split_whitespace();
        let (pid, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let fits = match key {
            "Uid:" => words.all(|uid| uid != "0"),
            "NoNewPrivs:" => words.eq(["1"]),
            // A filter of system calls.
            "Seccomp:" => words.eq(["2"]),
            _ => words.all(|set| set.trim_start_matches('0').is_empty()),
        };
        assert!(fits, "{}: process {line}", names[pid]);
        known.insert((&names[pid], key.to_owned()));
    }
    for container in containers.iter().map(Container::name) {
        for key in ["Uid:", "NoNewPrivs:", "Seccomp:", "CapEff:", "CapPrm:", "CapBnd:", "CapInh:"] {
            assert!(known.contains(&(&container, key.to_owned())), "{container}: nothing is known of {key}");
        }
    }
}

/// Where files can be made.
fn file_system(stack: &Stack, container: &Container) {
    let (name, scratch) = (container.name(), container.scratch());
    let volumes = container.mounts().into_iter().filter(|mount| mount.writable);
    let volumes: Vec<String> = volumes.map(|mount| mount.destination).collect();
    let mut folders: Vec<&str> =
        IMAGE_FOLDERS.into_iter().filter(|folder| !scratch.iter().any(|own| own == folder)).collect();
    // One where it must be possible, or the attempts prove nothing.
    folders.extend(scratch.first().map(String::as_str));
    let pid = container.pid().to_string();
    let said = stack.on_engine(WRITABLE, &[&[&*pid], &folders[..]].concat());
    let files: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("file ")).collect();
    let expected: Vec<&str> = scratch.first().map(String::as_str).into_iter().collect();
    assert_eq!(files, expected, "{name}: where a file can be made");
    for line in said.lines().filter_map(|line| line.strip_prefix("mount ")) {
        let (path, kind) = line.split_once(' ').expect("a path and a kind");
        let kernel = path.starts_with("/proc") || path.starts_with("/dev") || path.starts_with("/sys");
        let own = scratch.iter().chain(&volumes).any(|own| own == path);
        assert!(kernel || own, "{name} can write to {path}, of {kind}");
    }
}
