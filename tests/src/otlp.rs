//! A receiver of OTLP in this process, as a collector is one, that keeps all it gets for a test to look at.
//!
//! It takes gRPC on one port and protobuf over HTTP on another, can be stopped and started again, and can be told to take
//! requests without ever answering them.

mod metrics;
mod received;
mod server;
mod spans;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use local_stack::Folder;

pub use metrics::{Exemplar, Line, Point};
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
pub use spans::{Link, Span, SpanEvent, Spans};

use crate::eventually;
use received::Received;
use server::Server;

/// How long no span has come when all are there: services send theirs every half second, and a busy machine takes over a second for it.
const QUIET: Duration = Duration::from_secs(3);

/// A header that every request is to have, as a token would be.
const MARK: &str = "x-tenant";
/// Its value.
const MARKED: &str = "tolls";

/// The receiver.
#[derive(Debug)]
pub struct Collector {
    grpc_port: u16,
    http_port: u16,
    received: Arc<Received>,
    server: Mutex<Option<Server>>,
}

/// How a service is to speak to the receiver, and how much it is to send.
#[derive(Clone, Debug)]
pub struct Observed {
    variables: Vec<(&'static str, String)>,
}

impl Collector {
    /// A receiver on two free ports, which the folder of a stack lends.
    pub fn start(folder: &Folder) -> Self {
        let port = || folder.port().expect("a free port");
        let collector = Self {
            grpc_port: port(),
            http_port: port(),
            received: Arc::new(Received::default()),
            server: Mutex::default(),
        };
        collector.start_again();
        collector
    }

    /// Cuts all connections and gives the ports back, as a collector that goes away does.
    pub fn stop(&self) {
        drop(self.server.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Takes the same ports again; nothing happens if it runs.
    pub fn start_again(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if server.is_none() {
            let started = Server::start(self.grpc_port, self.http_port, &self.received);
            *server = Some(started.expect("the ports are free"));
        }
    }

    /// From now on requests are taken, and answered only after this is taken back.
    pub fn hang(&self, hangs: bool) {
        self.received.hang(hangs);
    }

    /// Where OTLP over gRPC goes.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc_port)
    }

    /// Where OTLP as protobuf over HTTP goes.
    pub fn http_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// All spans so far.
    pub fn spans(&self) -> Spans {
        self.received.spans()
    }

    /// All spans, once no more have come for some seconds.
    pub fn settled(&self) -> Spans {
        // What was done just now may still be on its way.
        self.received.begin_quiet();
        eventually("no more spans come", || self.received.is_quiet_for(QUIET).then_some(()));
        self.spans()
    }

    /// The newest data point of each series.
    pub fn points(&self) -> Vec<Point> {
        self.received.points()
    }

    /// All log records so far.
    pub fn lines(&self) -> Vec<Line> {
        self.received.lines()
    }

    /// Who has sent something: the signal (`traces`, `metrics` or `logs`) with the attributes of the sender.
    pub fn resources(&self) -> BTreeSet<(&'static str, BTreeMap<String, String>)> {
        self.received.resources()
    }

    /// Requests without the header that [`Observed::at`] sets.
    pub fn unmarked_requests(&self) -> u64 {
        self.received.unmarked()
    }

    /// Requests that were taken so far, also those that were not answered.
    pub fn requests(&self) -> u64 {
        self.received.requests()
    }
}

impl Observed {
    /// Everything is sent to this address over gRPC, and this share of records is traced.
    pub fn at(endpoint: &str, ratio: impl fmt::Display) -> Self {
        Self {
            variables: vec![
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
                ("OTEL_EXPORTER_OTLP_HEADERS", format!("{MARK}={MARKED}")),
                ("OTEL_TRACES_SAMPLER_ARG", ratio.to_string()),
                ("OTEL_BSP_SCHEDULE_DELAY", "200".to_owned()),
                ("OTEL_METRIC_EXPORT_INTERVAL", "1000".to_owned()),
            ],
        }
    }

    /// The same with one more variable.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    pub(crate) fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }
}
