//! Where a starting stack says what it is doing.

use std::{fmt, sync::Arc};

/// Receives one line for each step of a start, such as `Kafka 4.2.1 is up on 127.0.0.1:20480 (1.2 s)`.
///
/// The default hands the lines to `tracing` at level info.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&str) + Send + Sync>);

impl Progress {
    /// Hands each line to `receive`, from any thread.
    pub fn to(receive: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    pub(crate) fn say(&self, line: impl AsRef<str>) {
        (self.0)(line.as_ref());
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::to(|line| tracing::info!("{line}"))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
