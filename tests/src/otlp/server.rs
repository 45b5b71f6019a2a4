//! The two ports, served from a thread of their own.

use std::{
    io,
    net::{self, Ipv4Addr},
    sync::Arc,
    thread::JoinHandle,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use prost::Message;
use tokio::{net::TcpListener, sync::oneshot};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use super::{MARK, MARKED, received::Received};

/// The thread that serves, until this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The three services of OTLP.
struct Services(Arc<Received>);

impl Server {
    /// Listens before it returns, so that the first request finds the ports open.
    pub(super) fn start(grpc_port: u16, http_port: u16, received: &Arc<Received>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (grpc, http) = (listen(grpc_port)?, listen(http_port)?);
        let (stop, stopped) = oneshot::channel::<()>();
        let received = Arc::clone(received);
        #[expect(clippy::disallowed_methods, reason = "joined when the server is dropped")]
        let thread = std::thread::Builder::new().name("otlp".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve_grpc(grpc, &received) => {}
                    () = serve_http(http, &received) => {}
                    _ = stopped => {}
                }
            });
            // Dropping the runtime cuts the connections.
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn listen(port: u16) -> io::Result<net::TcpListener> {
    let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The limits are tonic's own, and those of the OpenTelemetry Collector: 4 MiB a request.
async fn serve_grpc(listener: net::TcpListener, received: &Arc<Received>) {
    let listener = TcpListener::from_std(listener).expect("inside a runtime");
    let services = || Services(Arc::clone(received));
    let served = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(services()))
        .add_service(MetricsServiceServer::new(services()))
        .add_service(LogsServiceServer::new(services()))
        .serve_with_incoming(TcpIncoming::from(listener));
    served.await.expect("gRPC is served");
}

async fn serve_http(listener: net::TcpListener, received: &Arc<Received>) {
    let listener = TcpListener::from_std(listener).expect("inside a runtime");
    let router = Router::new()
        .route("/v1/traces", post(take_spans))
        .route("/v1/metrics", post(take_metrics))
        .route("/v1/logs", post(take_logs))
        .with_state(Arc::clone(received));
    axum::serve(listener, router).await.expect("HTTP is served");
}

/// Whether a request over HTTP has the header that all of them are to have.
fn is_marked(headers: &HeaderMap) -> bool {
    headers.get(MARK).is_some_and(|value| value == MARKED)
}

async fn take_spans(State(received): State<Arc<Received>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    received.answer(is_marked(&headers)).await;
    received.take_spans(request);
    StatusCode::OK
}

async fn take_metrics(State(received): State<Arc<Received>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportMetricsServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    received.answer(is_marked(&headers)).await;
    received.take_metrics(request);
    StatusCode::OK
}

async fn take_logs(State(received): State<Arc<Received>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(request) = ExportLogsServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    received.answer(is_marked(&headers)).await;
    received.take_logs(request);
    StatusCode::OK
}

#[tonic::async_trait]
impl TraceService for Services {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let is_marked = request.metadata().get(MARK).is_some_and(|value| value == MARKED);
        self.0.answer(is_marked).await;
        self.0.take_spans(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Services {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let is_marked = request.metadata().get(MARK).is_some_and(|value| value == MARKED);
        self.0.answer(is_marked).await;
        self.0.take_metrics(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Services {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let is_marked = request.metadata().get(MARK).is_some_and(|value| value == MARKED);
        self.0.answer(is_marked).await;
        self.0.take_logs(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}
