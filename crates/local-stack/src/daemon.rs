//! A server that is started, asked whether it is ready, stopped, killed and started again in the same place.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{Error, Process, Signal, time::wait_for, tools};

/// What to run and how to know that it answers.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) folder: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) address: SocketAddr,
    /// Whether a server at the address answers as this one should.
    pub(crate) is_ready: fn(SocketAddr) -> bool,
    pub(crate) start_limit: Duration,
    pub(crate) stop_limit: Duration,
    pub(crate) process: Mutex<Option<Process>>,
}

impl Daemon {
    /// Starts it and waits until it answers; nothing happens if it runs already.
    pub(crate) fn start(&self) -> Result<(), Error> {
        let mut slot = self.process();
        if slot.as_ref().is_some_and(Process::is_running) {
            return Ok(());
        }
        let mut command = tools::command(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let process = Process::spawn(self.name.as_str(), &command, &self.log)?;
        let outcome = wait_for(self.start_limit, || match process.ended() {
            Some(status) => Some(Err(process.ended_with(status))),
            None => (self.is_ready)(self.address).then_some(Ok(())),
        });
        outcome.unwrap_or_else(|| Err(process.too_slow("become ready", self.start_limit)))?;
        *slot = Some(process);
        Ok(())
    }

    /// Lets it shut down in order, and kills it if that takes too long; nothing happens if it does not run.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        match self.process().take() {
            Some(process) => process.stop(self.stop_limit).map(drop),
            None => Ok(()),
        }
    }

    /// Kills it as a crash would (SIGKILL), and returns when it is gone.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        self.process().take();
    }

    /// Sends a signal, for instance to freeze it (SIGSTOP) and to let it go on (SIGCONT).
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = self.process().as_ref() {
            process.kill(signal);
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process().as_ref().filter(|process| process.is_running()).map(Process::pid)
    }

    pub(crate) fn resident_kib(&self) -> Option<u64> {
        self.process().as_ref().and_then(Process::resident_kib)
    }

    pub(crate) fn resident_peak_kib(&self) -> Option<u64> {
        self.process().as_ref().and_then(Process::resident_peak_kib)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop().ok();
    }
}
