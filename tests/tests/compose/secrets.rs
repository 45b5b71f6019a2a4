//! The passwords are in their files and nowhere else: not in layers, settings, environments, command lines or logs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    containers::Container,
    images,
    stack::{Stack, run},
};

/// Packing and searching all layers of our images.
const SEARCH_LIMIT: Duration = Duration::from_mins(2);

/// Prints the environment and the command line of processes.
const ENVIRONMENTS: &str = r#"for pid; do tr '\0' '\n' <"/proc/$pid/environ"; tr '\0' '\n' <"/proc/$pid/cmdline"; done 2>/dev/null; :"#;

/// Unpacks an archive of images and its layers, whether they are compressed or not, and prints what of a list is found in them.
const SEARCH: &str = r#"set -eu
cd "$1"
tar -xf images.tar && rm images.tar
find . -type f -exec sh -c 'for file; do if gzip -t "$file"; then gzip -dc "$file" >"$file.plain"; rm "$file"; fi; done 2>/dev/null' sh {} +
grep -raohF -f "$2" . | sort -u"#;

/// The passwords in a folder of secrets, and their hashes, which are nobody's business either.
pub(crate) fn passwords(folder: &Path) -> Vec<String> {
    let files =
        fs::read_dir(folder).expect("the folder of passwords").map(|entry| entry.expect("an entry").path());
    let mut passwords = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        if file.to_string_lossy().ends_with("_password") {
            assert!(text.len() >= 32, "{} is no secret", file.display());
            passwords.push(text);
        } else if file.extension().is_some_and(|extension| extension == "sql") {
            passwords.extend(text.split('\'').filter(|word| word.starts_with('*')).map(str::to_owned));
        }
    }
    assert_eq!(passwords.len(), 4, "two users' passwords and hashes");
    passwords
}

/// Everything but the logs.
pub(crate) fn nowhere_else(stack: &Stack) {
    closed_to_others(&stack.secrets());
    let containers = stack.containers();
    let ids: Vec<String> = containers.iter().map(Container::id).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_free(stack, "docker inspect", "_PASSWORD_FILE", &stack.docker(&[&["inspect"], &ids[..]].concat()));
    assert_free(stack, "docker compose config", "_PASSWORD_FILE", &stack.compose(&["--profile=*", "config"]));
    let pids: Vec<String> =
        containers.iter().filter(|one| one.is_running()).flat_map(|one| one.pids(stack)).collect();
    let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
    assert_free(
        stack,
        "the processes",
        "TURNPIKE_MARIADB_PASSWORD_FILE=",
        &stack.on_engine(ENVIRONMENTS, &pids),
    );
    for image in images::ours(stack) {
        let history = stack.docker(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", &image]);
        assert_free(stack, &image, "ENTRYPOINT", &history);
    }
    layers_are_free(stack);
}

/// The logs since the beginning.
pub(crate) fn nowhere_logged(stack: &Stack) {
    assert_free(stack, "docker compose logs", "mariadb-writer", &stack.compose(&["logs", "--no-color"]));
}

/// The folder opens to its owner alone, and so do the passwords.
pub(crate) fn closed_to_others(folder: &Path) {
    let mode = |path: &PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder.to_path_buf()), 0o700, "{}", folder.display());
    for user in ["writer", "reader"] {
        let file = folder.join(format!("mariadb_{user}_password"));
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

/// `control` is what the text must have, or it was not the text that was meant.
fn assert_free(stack: &Stack, place: &str, control: &str, text: &str) {
    assert!(text.contains(control), "{place} has no {control}: {text}");
    for password in stack.passwords() {
        let found = text.lines().find(|line| line.contains(&password));
        assert_eq!(found, None, "a secret in {place}");
    }
}

fn layers_are_free(stack: &Stack) {
    // What our images do have, a line of a connector: where it is not found, the search found nothing.
    const CONTROL: &str = "\"table.name.format\": \"tolldata.livetolldata\"";
    let (folder, list) = (stack.folder().join("layers"), stack.folder().join("searched"));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(&list, [stack.passwords(), vec![CONTROL.to_owned()]].concat().join("\n")).expect("written");
    let images = images::ours(stack);
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    stack
        .docker(&[&["save", "--output", &folder.join("images.tar").to_string_lossy()], &images[..]].concat());
    let said = run(Command::new("sh").args(["-c", SEARCH, "sh"]).args([&folder, &list]), SEARCH_LIMIT)
        .expect("sh runs");
    assert_eq!(said.text.trim(), CONTROL, "found in the layers of our images");
    fs::remove_dir_all(&folder).and_then(|()| fs::remove_file(&list)).expect("removed");
}
