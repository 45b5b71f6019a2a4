//! Opens a service's two ports and serves them until the process ends, so that a drain can be watched.

use std::net::SocketAddr;
use std::time::Duration;

use telemetry::Metrics;
use tokio::net::TcpListener;

use crate::config::Common;
use crate::{Context, Description, Error, clock, control, http};

/// Half of the rolling window over which quantiles look.
const WINDOW_SPAN: Duration = Duration::from_secs(5);

/// Opens both ports, says where they are, and serves them in the background.
pub(crate) async fn open<C>(
    description: &Description,
    common: &Common,
    context: &Context<C>,
) -> Result<(), Error> {
    let Context { metrics, health, control, tasks, stop, voice, .. } = context;
    let (http, http_address) = listen("--http-address (TURNPIKE_HTTP_ADDRESS)", common.http_address).await?;
    let (grpc, grpc_address) = listen("--grpc-address (TURNPIKE_GRPC_ADDRESS)", common.grpc_address).await?;
    let served = control::Served {
        service: description.name,
        started_ms: clock::now_ms(),
        control: control.clone(),
        health: health.clone(),
        metrics: metrics.clone(),
        stop: stop.clone(),
    };
    tasks.spawn_background("http", http::serve(http, metrics.clone(), health.clone()));
    tasks.spawn_background("grpc", control::serve(grpc, served));
    tasks.spawn_background("quantiles", turn_windows(metrics.clone()));
    if !voice.is_silent() {
        tasks.spawn_background("voice", voice.clone().keep_flushing());
    }
    tracing::info!(http = %http_address, grpc = %grpc_address, "{} started", description.name);
    Ok(())
}

async fn listen(key: &str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let refused = |error| {
        Error::config(key, address.to_string(), format!("a free port of this machine, or port 0 ({error})"))
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let chosen = listener.local_addr().map_err(refused)?;
    Ok((listener, chosen))
}

async fn turn_windows(metrics: Metrics) -> Result<(), Error> {
    loop {
        tokio::time::sleep(WINDOW_SPAN).await;
        metrics.turn_window();
    }
}
