//! Tasks and threads that nobody can lose: each has a name, and the first that fails stops the service.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::{Error, Stop, cause_chain};

/// The tasks and threads of a service; clones share them.
#[derive(Clone, Debug)]
pub struct Tasks {
    state: Arc<watch::Sender<State>>,
    stop: Stop,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct State {
    started: u64,
    running: BTreeMap<u64, String>,
    /// The first failure, until [`Tasks::finished`] hands it on.
    failure: Option<Error>,
}

/// A task failed; the cause is its own error.
#[derive(Debug, thiserror::Error)]
#[error("task {name} failed")]
struct TaskFailed {
    name: String,
    source: Box<dyn StdError + Send + Sync>,
}

/// Counts as running until it is dropped; a drop while panicking is a failure of the task.
struct Running {
    tasks: Tasks,
    id: u64,
    name: String,
}

impl Tasks {
    /// No tasks yet; must be called within a runtime, which the tasks will use.
    pub(crate) fn new(stop: &Stop) -> Self {
        Self { state: Arc::default(), stop: stop.clone(), runtime: Handle::current() }
    }

    /// Starts an asynchronous task, from any thread.
    #[expect(clippy::disallowed_methods, reason = "this is the tracked spawn that all others are sent to")]
    pub fn spawn(
        &self,
        name: &'static str,
        future: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let running = self.begin(name.to_owned());
        self.runtime.spawn(async move { running.end(future.await) });
    }

    /// Starts a thread for work that blocks; within it, `tokio::runtime::Handle::current()` is the service's runtime.
    #[expect(clippy::disallowed_methods, reason = "this is the tracked spawn that all others are sent to")]
    pub fn spawn_thread(
        &self,
        name: impl Into<String>,
        body: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) {
        let name = name.into();
        let running = self.begin(name.clone());
        let runtime = self.runtime.clone();
        let started = thread::Builder::new().name(name.clone()).spawn(move || {
            let _entered = runtime.enter();
            running.end(body());
        });
        if let Err(error) = started {
            self.fail(Some(&name), Error::failed(error));
        }
    }

    /// Waits until every task and thread has ended; the first failure, once, if there was one.
    pub async fn finished(&self) -> Result<(), Error> {
        let idle = self.state.subscribe().wait_for(|state| state.running.is_empty()).await.is_ok();
        debug_assert!(idle, "the sender lives in self");
        self.take_failure()
    }

    /// The first failure, once.
    pub(crate) fn take_failure(&self) -> Result<(), Error> {
        let mut failure = None;
        self.state.send_modify(|state| failure = state.failure.take());
        failure.map_or(Ok(()), Err)
    }

    /// Takes the result of the service's main function as that of one more task, then waits for all others.
    pub(crate) async fn end_with(&self, main: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = main {
            self.fail(None, error);
        }
        self.finished().await
    }

    /// Starts what serves until the process ends and is not waited for; its failure stops the service all the same.
    #[expect(clippy::disallowed_methods, reason = "its failures are told like those of a tracked task")]
    pub(crate) fn spawn_background(
        &self,
        name: &'static str,
        future: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let tasks = self.clone();
        self.runtime.spawn(async move {
            if let Err(error) = future.await {
                tasks.fail(Some(name), error);
            }
        });
    }

    /// Names of what still runs.
    pub(crate) fn running(&self) -> Vec<String> {
        self.state.borrow().running.values().cloned().collect()
    }

    /// Stops the service. The first failure is kept for [`finished`](Self::finished), later ones are logged here.
    fn fail(&self, task: Option<&str>, error: Error) {
        if matches!(error, Error::Stopped) {
            return;
        }
        let error = match (task, error) {
            (Some(name), Error::Failed(source)) => {
                Error::failed(TaskFailed { name: name.to_owned(), source })
            }
            (_, error) => error,
        };
        let mut later = None;
        self.state.send_modify(|state| match state.failure {
            None => state.failure = Some(error),
            Some(_) => later = Some(error),
        });
        match later {
            Some(error) => tracing::error!("then {}", cause_chain(&error)),
            None if !self.stop.is_stopping() => tracing::warn!(task, "stopping after a failure"),
            None => {}
        }
        self.stop.request();
    }

    fn begin(&self, name: String) -> Running {
        let mut id = 0;
        self.state.send_modify(|state| {
            state.started += 1;
            id = state.started;
            state.running.insert(id, name.clone());
        });
        Running { tasks: self.clone(), id, name }
    }
}

impl Running {
    fn end(self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.tasks.fail(Some(&self.name), error);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tasks.fail(Some(&self.name), Error::failed("it panicked"));
        }
        self.tasks.state.send_modify(|state| {
            state.running.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first failure stops the service and is handed on once, with the task's name and all causes.
    #[tokio::test]
    async fn first_failure_stops_and_is_told_once() {
        let stop = Stop::default();
        let tasks = Tasks::new(&stop);
        let patient = stop.clone();
        tasks.spawn("patient", async move {
            patient.requested().await;
            Err(Error::Stopped)
        });
        tasks.spawn_thread("loader-0", || Err(Error::failed("the crane broke")));
        let error = tasks.finished().await.expect_err("a task failed");
        assert_eq!(cause_chain(&error), "task loader-0 failed: the crane broke");
        assert!(stop.is_stopping());
        assert!(tasks.finished().await.is_ok());
    }

    /// A panic counts as a failure, in a task as in a thread.
    #[tokio::test]
    async fn panics_are_failures() {
        for in_thread in [false, true] {
            let tasks = Tasks::new(&Stop::default());
            if in_thread {
                tasks.spawn_thread("rocky", || panic!("on purpose"));
            } else {
                tasks.spawn("rocky", async { panic!("on purpose") });
            }
            let error = tasks.finished().await.expect_err("a task panicked");
            assert_eq!(cause_chain(&error), "task rocky failed: it panicked");
        }
    }

    /// A configuration error keeps its kind, for it decides the exit code.
    #[tokio::test]
    async fn configuration_errors_pass_unwrapped() {
        let tasks = Tasks::new(&Stop::default());
        tasks.spawn("reader", async { Err(Error::config("berth", "-1", "1 to 9")) });
        assert!(matches!(tasks.end_with(Ok(())).await, Err(Error::Config { .. })));
    }
}
