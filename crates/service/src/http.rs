//! The HTTP port: liveness, readiness and metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use telemetry::Metrics;
use tokio::net::TcpListener;

use crate::health::all_ready;
use crate::{Error, Health};

/// Path that answers 200 as long as the process runs.
pub(crate) const LIVE: &str = "/health/live";
/// Path that answers 200 when every dependency answers, else 503 with the reasons.
pub(crate) const READY: &str = "/health/ready";

/// What OpenMetrics calls its text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Served {
    metrics: Metrics,
    health: Health,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Dependency {
    name: String,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, metrics: Metrics, health: Health) -> Result<(), Error> {
    let router = Router::new()
        .route(LIVE, get(|| async { Json(serde_json::json!({ "live": true })) }))
        .route(READY, get(ready))
        .route("/metrics", get(render))
        .with_state(Served { metrics, health });
    axum::serve(listener, router).await.map_err(Error::failed)
}

async fn ready(State(served): State<Served>) -> Response {
    let dependencies = served.health.dependencies();
    let ready = all_ready(&dependencies);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let dependencies = dependencies
        .into_iter()
        .map(|(name, state)| Dependency { name, ready: state.is_ok(), reason: state.err() })
        .collect();
    (status, Json(Readiness { ready, dependencies })).into_response()
}

async fn render(State(served): State<Served>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], served.metrics.render()).into_response()
}
