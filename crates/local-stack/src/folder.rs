//! The folder and the ports of one stack.

use std::{
    fs::{File, TryLockError},
    hash::{DefaultHasher, Hash, Hasher},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
};

use crate::{Error, files};

/// How many stacks of one checkout may run at the same time.
const STACKS_MAX: u16 = 16;
/// Ports set apart for each stack: a demo with Jaeger takes 19.
const PORTS_PER_STACK: u16 = 32;
/// Below the kernel's ephemeral ports (32768 and up), so that no outgoing connection takes a port of a stopped part.
const FIRST_PORT: u16 = 20_000;
/// Checkouts on one machine are spread over this many ranges.
const RANGES: u16 = (32_768 - FIRST_PORT) / (STACKS_MAX * PORTS_PER_STACK);
/// A folder with this file in it is not removed by the next start.
const KEEP_MARK: &str = "kept";

/// `target/local-stack/stacks/<n>`, locked for as long as this lives, then removed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    first_port: u16,
    ports_taken: AtomicU16,
    keep: AtomicBool,
    /// Held, never read: other processes see by it that the folder is in use.
    _lock: File,
}

impl Folder {
    /// Takes the first free folder, and removes those that crashed owners left behind.
    pub fn claim() -> Result<Arc<Self>, Error> {
        let stacks = files::home().join("stacks");
        files::create_folder(&stacks)?;
        let mut claimed = None;
        for n in 1..=STACKS_MAX {
            let lock_path = stacks.join(format!("{n}.lock"));
            // Beside the folder, so that removing the folder never removes a lock that somebody waits for.
            if claimed.is_some() && !lock_path.is_file() {
                continue;
            }
            let lock = files::open_lock(&lock_path)?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(source)) => return Err(Error::file("lock", lock_path)(source)),
            }
            let path = stacks.join(n.to_string());
            if path.join(KEEP_MARK).exists() {
                continue;
            }
            files::remove_folder(&path)?;
            if claimed.is_none() {
                files::create_folder(&path)?;
                claimed = Some(Self {
                    first_port: first_port(&stacks, n),
                    path,
                    ports_taken: AtomicU16::new(0),
                    keep: AtomicBool::new(false),
                    _lock: lock,
                });
            }
        }
        claimed.map(Arc::new).ok_or(Error::TooManyStacks { stacks_max: STACKS_MAX, folder: stacks })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A port of 127.0.0.1 that nobody listens on, and that no other stack is given.
    pub fn port(&self) -> Result<u16, Error> {
        let last = self.first_port + PORTS_PER_STACK - 1;
        loop {
            let port = self.first_port + self.ports_taken.fetch_add(1, Ordering::Relaxed);
            if port > last {
                return Err(Error::NoPort { first: self.first_port, last });
            }
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
    }

    /// Leaves the folder in place when its owner is done, until somebody removes it by hand.
    pub fn keep(&self) -> Result<(), Error> {
        files::write(&self.path.join(KEEP_MARK), "")?;
        self.keep.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed)
            && let Err(error) = files::remove_folder(&self.path)
        {
            tracing::warn!(%error, "a folder of the local stack stays behind until the next start");
        }
    }
}

fn first_port(stacks: &Path, n: u16) -> u16 {
    let mut hasher = DefaultHasher::new();
    stacks.hash(&mut hasher);
    let range = (hasher.finish() % u64::from(RANGES)) as u16;
    FIRST_PORT + range * STACKS_MAX * PORTS_PER_STACK + (n - 1) * PORTS_PER_STACK
}
