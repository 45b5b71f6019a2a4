//! The workspace's files as the rules see them: paths relative to the root, and text.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context, bail};

/// Text files by path, with `/` between folders. Binary files are present with no text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads all files below `root` that git tracks, or would if they were added now.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Tree> {
        let output = Command::new("git")
            // A checkout may belong to another user than the one who checks it, as in a container.
            .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("cannot run git ls-files; install git")?;
        if !output.status.success() {
            bail!(
                "git ls-files failed in {}: {}",
                root.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let mut files = BTreeMap::new();
        for path in String::from_utf8(output.stdout)?.split_terminator('\0') {
            let on_disk = root.join(path);
            // Deleted, yet still in the index; or a link, whose target is looked at under its own name.
            if !on_disk.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                continue;
            }
            let bytes = std::fs::read(&on_disk).with_context(|| format!("cannot read {path}"))?;
            files.insert(path.to_owned(), String::from_utf8(bytes).unwrap_or_default());
        }
        Ok(Tree { files })
    }

    /// Number of files.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Path and text of every file, sorted by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Files whose path ends in `suffix`.
    pub(crate) fn ending(&self, suffix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.ends_with(suffix))
    }

    /// The text of a file, if it is there.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether `path` names a file, or a folder that holds one.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(first, _)| first.starts_with(&folder))
    }

    /// The folders right below `parent` that hold files, such as `crates/events`.
    pub(crate) fn folders(&self, parent: &str) -> Vec<String> {
        let prefix = format!("{parent}/");
        let mut folders: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix)?.split_once('/'))
            .map(|(folder, _)| format!("{prefix}{folder}"))
            .collect();
        folders.dedup();
        folders
    }

    /// A tree of these files, for the rules' own tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        Tree { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }
}

/// Writes files below `root`, each by path and text.
pub(crate) fn write(root: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    for (path, text) in files {
        let path = root.join(path);
        let folder = path.parent().context("a generated file lies in a folder")?;
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Tree;

    /// A folder counts as present through the files in it, and a mere prefix of a name does not.
    #[test]
    fn has_files_and_folders_but_not_prefixes() {
        let tree = Tree::of(&[("docs/reasons/A.md", ""), ("docs/readme", "")]);
        assert!(tree.has("docs/reasons") && tree.has("docs/reasons/") && tree.has("docs/reasons/A.md"));
        assert!(!tree.has("docs/rea") && !tree.has("docs/readme/") && !tree.has("doc"));
        assert_eq!(tree.folders("docs"), ["docs/reasons"]);
    }

    /// The workspace itself is read, this file among it.
    #[test]
    fn reads_this_workspace() {
        let tree = Tree::read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        assert!(tree.text("xtask/src/tree.rs").is_some_and(|text| text.starts_with("//!")));
    }
}
