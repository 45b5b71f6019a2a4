//! The wish that a service should end.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::clock;

/// Tells every part of a service that it should finish what it has in hand and end; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    /// When it was told so first.
    since: Arc<OnceLock<Instant>>,
}

impl Stop {
    /// Whether the service was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the service is told to stop.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Tells the service to stop; telling it twice changes nothing.
    pub fn request(&self) {
        self.since.get_or_init(clock::instant);
        self.token.cancel();
    }

    /// How long ago the service was told to stop; nothing if it was not.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.get().map_or(Duration::ZERO, |since| clock::instant().duration_since(*since))
    }
}
