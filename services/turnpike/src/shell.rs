//! What every command works with: output, a runtime to wait in, and the wish of the user to stop.

use std::time::Duration;

use service::Error;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use crate::output::Output;

/// Commands run on the main thread and wait here for what is asynchronous.
#[derive(Debug)]
pub(crate) struct Shell {
    /// Where the answer is written to.
    pub(crate) output: Output,
    runtime: Runtime,
    signals: Option<[Signal; 2]>,
}

impl Shell {
    /// Signals still end the process.
    pub(crate) fn open() -> Result<Self, Error> {
        // One thread drives sockets and signals while the main thread does something else.
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(Error::failed)?;
        Ok(Self { output: Output::stdout(), runtime, signals: None })
    }

    /// Waits for a future.
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// From now on SIGINT and SIGTERM are what [`Self::is_told_to_stop`] tells, and end nothing by themselves.
    pub(crate) fn listen(&mut self) -> Result<(), Error> {
        let _entered = self.runtime.enter();
        let listen = |kind| signal(kind).map_err(Error::failed);
        self.signals = Some([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?]);
        Ok(())
    }

    /// Waits for a signal, at most so long; each signal is told once.
    pub(crate) fn is_told_to_stop(&mut self, within: Duration) -> bool {
        let signals = &mut self.signals;
        self.runtime.block_on(async {
            let told = async {
                match signals {
                    Some([interrupt, terminate]) => tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    },
                    None => std::future::pending().await,
                }
            };
            tokio::time::timeout(within, told).await.is_ok()
        })
    }
}
