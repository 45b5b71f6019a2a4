//! Answers the control plane's calls, beside the standard health service.

use std::pin::Pin;
use std::time::Duration;

use telemetry::{Labels, Metrics};
use tokio::net::TcpListener;
use tokio_stream::wrappers::IntervalStream;
use tokio_stream::{Stream, StreamExt};
use tonic::server::NamedService;
use tonic::transport::server::{Server, TcpIncoming};
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Control;
use super::v1::{self, control_server};
use crate::{Error, Health, Stop, clock, health};

/// Shortest interval between two answers of WatchStats; a shorter wish is lengthened to it.
const INTERVAL_MS_MIN: u32 = 100;
/// Longest interval; a longer wish is shortened to it.
const INTERVAL_MS_MAX: u32 = 60_000;
/// Interval of callers that wish for none.
const INTERVAL_MS_DEFAULT: u32 = 1_000;

/// What the calls are about.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) service: &'static str,
    pub(crate) started_ms: i64,
    pub(crate) control: Control,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    pub(crate) stop: Stop,
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, served: Served) -> Result<(), Error> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let follow = follow_readiness(reporter, served.health.clone());
    let calls = Server::builder()
        .add_service(health_service)
        .add_service(control_server::ControlServer::new(served))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    tokio::select! {
        ended = calls => ended.map_err(Error::failed),
        () = follow => Ok(()),
    }
}

/// Keeps the standard health service in step, for the server as a whole and for the control service.
async fn follow_readiness(reporter: HealthReporter, health: Health) {
    let mut changes = health.changes();
    loop {
        let ready = health::all_ready(&changes.borrow_and_update());
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        reporter.set_service_status(control_server::ControlServer::<Served>::NAME, status).await;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[tonic::async_trait]
impl control_server::Control for Served {
    type WatchStatsStream = Pin<Box<dyn Stream<Item = Result<v1::Stats, Status>> + Send>>;

    async fn status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        let dependencies = self.health.dependencies();
        Ok(Response::new(v1::StatusResponse {
            service: self.service.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: self.started_ms,
            paused: self.control.is_paused(),
            ready: health::all_ready(&dependencies),
            stopping: self.stop.is_stopping(),
            rate: self.control.rate(),
            dependencies: dependencies
                .into_iter()
                .map(|(name, state)| v1::Dependency {
                    name,
                    ready: state.is_ok(),
                    reason: state.err().unwrap_or_default(),
                })
                .collect(),
        }))
    }

    async fn pause(&self, _: Request<v1::PauseRequest>) -> Result<Response<v1::PauseResponse>, Status> {
        self.control.set_paused(true);
        Ok(Response::new(v1::PauseResponse {}))
    }

    async fn resume(&self, _: Request<v1::ResumeRequest>) -> Result<Response<v1::ResumeResponse>, Status> {
        self.control.set_paused(false);
        Ok(Response::new(v1::ResumeResponse {}))
    }

    async fn set_rate(
        &self,
        request: Request<v1::SetRateRequest>,
    ) -> Result<Response<v1::SetRateResponse>, Status> {
        if self.control.rate().is_none() {
            return Err(Status::unimplemented(format!("{} has no rate", self.service)));
        }
        let rate = request.into_inner().rate;
        self.control.set_rate(Some(rate));
        tracing::info!(rate, "rate set to {rate}");
        Ok(Response::new(v1::SetRateResponse {}))
    }

    async fn watch_stats(
        &self,
        request: Request<v1::WatchStatsRequest>,
    ) -> Result<Response<Self::WatchStatsStream>, Status> {
        let interval_ms = match request.into_inner().interval_ms {
            0 => INTERVAL_MS_DEFAULT,
            wished => wished.clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX),
        };
        let metrics = self.metrics.clone();
        let ticks = IntervalStream::new(tokio::time::interval(Duration::from_millis(u64::from(interval_ms))));
        Ok(Response::new(Box::pin(ticks.map(move |_| Ok(stats(&metrics))))))
    }
}

fn stats(metrics: &Metrics) -> v1::Stats {
    let snapshot = metrics.snapshot();
    let samples = snapshot.samples.into_iter().map(|sample| v1::Sample {
        name: sample.name.to_owned(),
        labels: owned(sample.labels),
        value: sample.value,
    });
    let quantiles = snapshot.quantiles.into_iter().map(|quantiles| v1::Quantiles {
        name: quantiles.name.to_owned(),
        labels: owned(quantiles.labels),
        count: quantiles.count,
        p50: quantiles.p50,
        p99: quantiles.p99,
        max: quantiles.max,
    });
    v1::Stats { time_ms: clock::now_ms(), samples: samples.collect(), quantiles: quantiles.collect() }
}

fn owned(labels: Labels) -> std::collections::BTreeMap<String, String> {
    labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
