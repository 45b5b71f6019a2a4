//! Calls the control plane of a running service.

use std::time::Duration;

use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use super::v1::{self, control_client::ControlClient};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a call may take to be answered.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the control plane of one service; clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    address: String,
    calls: ControlClient<Channel>,
}

/// Why a call had no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing answers there, or not as a control plane does.
    #[error("connect to the control plane at {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the transport says.
        source: tonic::transport::Error,
    },
    /// The service did not do what it was asked.
    #[error("{call} at {address}: {} ({:?})", status.message(), status.code())]
    Refused {
        /// The procedure's name.
        call: &'static str,
        /// Host and port.
        address: String,
        /// What the service says.
        status: Box<Status>,
    },
}

impl Client {
    /// Connects to a service's `--grpc-address`, given as host and port.
    pub async fn connect(address: &str) -> Result<Self, CallError> {
        let failed = |source| CallError::Connect { address: address.to_owned(), source };
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(failed)?;
        // No time-out for whole calls here: it would end the stream of WatchStats.
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await.map_err(failed)?;
        Ok(Self { address: address.to_owned(), calls: ControlClient::new(channel) })
    }

    /// What the service is and how it is.
    pub async fn status(&mut self) -> Result<v1::StatusResponse, CallError> {
        let answer = in_time(self.calls.status(v1::StatusRequest {})).await;
        self.answered("Status", answer)
    }

    /// Holds the service.
    pub async fn pause(&mut self) -> Result<(), CallError> {
        let answer = in_time(self.calls.pause(v1::PauseRequest {})).await;
        self.answered("Pause", answer).map(|v1::PauseResponse {}| ())
    }

    /// Lets the service go on.
    pub async fn resume(&mut self) -> Result<(), CallError> {
        let answer = in_time(self.calls.resume(v1::ResumeRequest {})).await;
        self.answered("Resume", answer).map(|v1::ResumeResponse {}| ())
    }

    /// Sets a generator's rate in records a second, 0 for as fast as possible.
    pub async fn set_rate(&mut self, rate: u64) -> Result<(), CallError> {
        let answer = in_time(self.calls.set_rate(v1::SetRateRequest { rate })).await;
        self.answered("SetRate", answer).map(|v1::SetRateResponse {}| ())
    }

    /// All metrics, at once and then once an interval, until the stream is dropped or the service ends.
    pub async fn watch_stats(
        &mut self,
        interval: Duration,
    ) -> Result<impl Stream<Item = Result<v1::Stats, CallError>> + use<>, CallError> {
        let interval_ms = interval.as_millis().try_into().unwrap_or(u32::MAX);
        let answer = in_time(self.calls.watch_stats(v1::WatchStatsRequest { interval_ms })).await;
        let stream = self.answered("WatchStats", answer)?;
        let client = self.clone();
        Ok(stream.map(move |stats| stats.map_err(|status| client.refused("WatchStats", status))))
    }

    fn answered<T>(&self, call: &'static str, answer: Result<Response<T>, Status>) -> Result<T, CallError> {
        answer.map(Response::into_inner).map_err(|status| self.refused(call, status))
    }

    fn refused(&self, call: &'static str, status: Status) -> CallError {
        CallError::Refused { call, address: self.address.clone(), status: Box::new(status) }
    }
}

async fn in_time<T>(
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Response<T>, Status> {
    tokio::time::timeout(CALL_TIMEOUT, answer)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("no answer within {CALL_TIMEOUT:?}"))))
}
