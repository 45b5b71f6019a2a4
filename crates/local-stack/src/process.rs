//! A child process that cannot outlive its owner.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, files, time::wait_for, tools};

/// After SIGKILL the kernel needs a moment to take a process down.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A running program with its output in a log file.
///
/// The kernel kills it when this process ends, however it ends. Dropping it kills it too.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    /// Length of the log when this process started: earlier lines are of an earlier process.
    log_start_bytes: u64,
    child: Mutex<Child>,
}

impl Process {
    /// Starts `command` with its arguments, environment and working folder; output is appended to `log`.
    pub fn spawn(name: impl Into<String>, command: &Command, log: &Path) -> Result<Self, Error> {
        let name = name.into();
        if let Some(folder) = log.parent() {
            files::create_folder(folder)?;
        }
        let output = File::options().create(true).append(true).open(log).map_err(Error::file("open", log))?;
        let log_start_bytes = output.metadata().map_err(Error::file("read", log))?.len();
        let errors = output.try_clone().map_err(Error::file("open", log))?;
        let mut wrapped = with_death_signal(command)?;
        wrapped.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = spawn_in_keeper(wrapped).map_err(|source| Error::Spawn { name: name.clone(), source })?;
        Ok(Self { name, pid: child.id(), log: log.to_path_buf(), log_start_bytes, child: Mutex::new(child) })
    }

    /// What it was called when it was started.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id of the program itself.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file with its output.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.ended().is_none()
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Sends a signal; nothing happens if the process has ended.
    pub fn kill(&self, signal: Signal) {
        let mut child = self.child();
        // Not yet reaped, so the id cannot be another process's.
        if let (Ok(None), Some(pid)) = (child.try_wait(), Pid::from_raw(self.pid as i32)) {
            kill_process(pid, signal).ok();
        }
    }

    /// Waits for the end; [`Error::TooSlow`] after `limit`.
    pub fn wait(&self, limit: Duration) -> Result<ExitStatus, Error> {
        wait_for(limit, || self.ended()).ok_or_else(|| self.too_slow("ended", limit))
    }

    /// Asks it to end (SIGTERM), and kills it if it has not after `limit`.
    pub fn stop(&self, limit: Duration) -> Result<ExitStatus, Error> {
        self.kill(Signal::TERM);
        self.kill(Signal::CONT); // a frozen process hears nothing else
        self.wait(limit).or_else(|_| {
            self.kill(Signal::KILL);
            self.wait(KILL_LIMIT)
        })
    }

    /// Waits for a line of output for which `find` gives a value: an address, a message.
    ///
    /// [`Error::TooSlow`] after `limit`, [`Error::Ended`] if the process ends without such a line.
    pub fn wait_for_line<T>(
        &self,
        limit: Duration,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let found = wait_for(limit, || {
            let ended = self.ended();
            let output = self.output().unwrap_or_default();
            match (output.lines().find_map(&mut find), ended) {
                (Some(value), _) => Some(Ok(value)),
                (None, Some(status)) => Some(Err(self.ended_with(status))),
                (None, None) => None,
            }
        });
        found.unwrap_or_else(|| Err(self.too_slow("written the awaited line", limit)))
    }

    /// What it has written to its log so far.
    pub fn output(&self) -> Result<String, Error> {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.log_start_bytes))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().map_err(Error::file("read", &self.log))
    }

    /// Resident memory now, in KiB; `None` once it has ended.
    pub fn resident_kib(&self) -> Option<u64> {
        self.status_kib("VmRSS:")
    }

    /// Highest resident memory so far, in KiB; `None` once it has ended.
    pub fn resident_peak_kib(&self) -> Option<u64> {
        self.status_kib("VmHWM:")
    }

    pub(crate) fn ended_with(&self, status: ExitStatus) -> Error {
        let words = words(&self.output().unwrap_or_default());
        Error::Ended { name: self.name.clone(), status, words, log: self.log.clone() }
    }

    pub(crate) fn too_slow(&self, awaited: &str, limit: Duration) -> Error {
        Error::TooSlow { name: self.name.clone(), awaited: awaited.to_owned(), limit, log: self.log.clone() }
    }

    fn status_kib(&self, key: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill(Signal::KILL);
        self.wait(KILL_LIMIT).ok();
    }
}

/// The first lines of an output that speak of an error; if there are none, the last lines.
fn words(output: &str) -> String {
    const LINES_MAX: usize = 3;
    let lines = || output.lines().map(str::trim).filter(|line| !["", "[ERROR]"].contains(line));
    let telling = |line: &&str| ["ERROR", "Exception"].iter().any(|mark| line.contains(mark));
    let mut chosen: Vec<&str> = lines().filter(telling).take(LINES_MAX).collect();
    if chosen.is_empty() {
        chosen = lines().collect();
        chosen.drain(..chosen.len().saturating_sub(LINES_MAX));
    }
    chosen.join(" | ")
}

/// The same command, run by `setpriv` so that the kernel kills it with its parent; the process id stays the same.
fn with_death_signal(command: &Command) -> Result<Command, Error> {
    let mut wrapped = Command::new(tools::find("setpriv")?);
    // A group of its own, so that Ctrl-C in a terminal reaches the owner alone, who ends its children in order.
    wrapped.process_group(0);
    wrapped.args(["--pdeathsig", "KILL", "--"]).arg(found(command.get_program())?).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    Ok(wrapped)
}

/// `setpriv` would say only in the log that a program is missing, so it is looked up before.
fn found(program: &OsStr) -> Result<PathBuf, Error> {
    let path = Path::new(program);
    match program.to_str() {
        Some(name) if path.components().count() == 1 => tools::find(name),
        _ if path.is_file() => Ok(path.to_path_buf()),
        _ => Err(Error::MissingCommand { command: path.display().to_string() }),
    }
}

/// A command to start, and where to hand the child.
type Start = (Command, SyncSender<io::Result<Child>>);

/// Starts a child from a thread that lives as long as this process.
///
/// The death signal comes when the *thread* that started the child ends, and threads of tests end early.
fn spawn_in_keeper(command: Command) -> io::Result<Child> {
    static KEEPER: OnceLock<SyncSender<Start>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, starts) = sync_channel::<Start>(0);
        #[expect(
            clippy::disallowed_methods,
            reason = "lives as long as the process, so there is nothing to track"
        )]
        std::thread::spawn(move || {
            for (mut command, reply) in starts {
                reply.send(command.spawn()).ok();
            }
        });
        sender
    });
    let (reply, child) = sync_channel(1);
    let gone = || io::Error::other("the thread that starts processes has ended");
    keeper.send((command, reply)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}
