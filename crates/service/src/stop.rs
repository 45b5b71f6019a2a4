//! The wish that a service should end.

use tokio_util::sync::CancellationToken;

/// Tells every part of a service that it should finish what it has in hand and end; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
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
        self.token.cancel();
    }
}
