//! The control plane: what can be asked of a running service, its gRPC server and a client for it.

mod client;
mod server;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use telemetry::{Gauge, Metrics, names};

pub use client::{CallError, Client};
pub(crate) use server::{Served, serve};

/// The messages of `proto/turnpike/control/v1/control.proto`.
pub mod v1 {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::pedantic,
        clippy::allow_attributes,
        reason = "generated"
    )]
    tonic::include_proto!("turnpike.control.v1");
}

/// What the control plane asks of a service; clones share it.
#[derive(Clone, Debug)]
pub struct Control {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    paused: AtomicBool,
    paused_gauge: Gauge,
    rate: Mutex<Option<u64>>,
}

impl Control {
    /// Not paused, without a rate; pauses show in `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        let paused_gauge = metrics.gauge(&names::PAUSED, &[]);
        Self {
            state: Arc::new(State { paused: AtomicBool::new(false), paused_gauge, rate: Mutex::new(None) }),
        }
    }

    /// Whether the service is to take nothing new for now.
    pub fn is_paused(&self) -> bool {
        self.state.paused.load(Ordering::Relaxed)
    }

    /// Records a second, 0 for as fast as possible, as set last; nothing for a service that has no rate.
    pub fn rate(&self) -> Option<u64> {
        *self.state.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the rate. A service that has one does so at its start, for SetRate is refused as long as there is none.
    pub fn set_rate(&self, rate: Option<u64>) {
        *self.state.rate.lock().unwrap_or_else(PoisonError::into_inner) = rate;
    }

    fn set_paused(&self, paused: bool) {
        if self.state.paused.swap(paused, Ordering::Relaxed) != paused {
            self.state.paused_gauge.set(i64::from(paused));
            tracing::info!("{}", if paused { "paused" } else { "resumed" });
        }
    }
}
