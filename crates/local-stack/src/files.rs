//! Where things are, and the few things done with files that std does not do in one call.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, time::wait_for};

/// A process that was just killed may still write for a moment.
const REMOVE_LIMIT: Duration = Duration::from_secs(5);

/// Where everything of all stacks is kept: `target/local-stack` in the repository that this crate was built in.
pub(crate) fn home() -> PathBuf {
    target().join("local-stack")
}

/// Where programs are that were built for this repository: `target/tools`.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

fn target() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo's own variable, which says where the target folder is"
    )]
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    repository().join(target)
}

fn repository() -> &'static Path {
    // This crate is at crates/local-stack.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or_else(|| Path::new("/"))
}

pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file("create", path))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file("write", path))
}

pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::file("rename", from))
}

/// Copies files and folders below `from`; `to` must not exist.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    create_folder(to)?;
    for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
        let entry = entry.map_err(Error::file("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(Error::file("copy", &source))?;
        }
    }
    Ok(())
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Error> {
    let mut last = Ok(());
    wait_for(REMOVE_LIMIT, || {
        last = fs::remove_dir_all(path).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        last.is_ok().then_some(())
    });
    last.map_err(Error::file("remove", path))
}

/// Waits until no other process prepares the same thing; the lock is given back when the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let file = open_lock(path)?;
    file.lock().map_err(Error::file("lock", path))?;
    Ok(file)
}

/// Opens a file that exists only to be locked.
pub(crate) fn open_lock(path: &Path) -> Result<File, Error> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(Error::file("open", path))
}

/// A password that nobody has used before, as hexadecimal digits.
pub(crate) fn new_password() -> Result<String, Error> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(source)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .map_err(Error::file("read", source))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
