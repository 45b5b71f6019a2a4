//! What is served: health, metrics and the control plane.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::fixture::{Process, run};
use crate::control::Client;
use crate::probe::get;

/// Status line and body.
fn ask(address: SocketAddr, path: &str) -> (String, String) {
    let answer = get(address, path).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

/// Readiness lists every dependency with its reason, and `healthcheck` turns both into an exit code.
#[test]
fn health_is_told_over_http_and_by_healthcheck() {
    let cases = [
        (&[][..], "200", json!({"ready": true, "dependencies": [{"name": "harbour", "ready": true}]}), 0),
        (
            &["--closed"][..],
            "503",
            json!({"ready": false, "dependencies":
                [{"name": "harbour", "ready": false, "reason": "the tide is out"}]}),
            1,
        ),
    ];
    for (arguments, status, expected, code) in cases {
        let process = Process::serve(arguments);
        let (http, _) = process.addresses();
        process.log("harbour is");
        assert!(ask(http, "/health/live").0.starts_with("http/1.1 200"));
        let (head, body) = ask(http, "/health/ready");
        assert!(head.contains(status), "{head}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);

        let address = http.to_string();
        let check = run(&["healthcheck", "--http-address", &address]);
        assert_eq!(check.code, Some(code), "{check:?}");
        assert_eq!(check.stderr.len(), usize::from(code == 1), "{check:?}");
        assert!(check.stderr.iter().all(|line| line.contains("the tide is out")));
        assert_eq!(run(&["--http-address", &address, "healthcheck", "--live"]).code, Some(0));
    }
}

/// A process that is not there is not healthy.
#[test]
fn healthcheck_of_nobody_fails() {
    let process = Process::serve(&["--behave=return"]);
    let (http, _) = process.addresses();
    process.ended();
    let check = run(&["healthcheck", "--live", "--http-address", &http.to_string()]);
    assert_eq!((check.code, check.stderr.len()), (Some(1), 1), "{check:?}");
}

/// Metrics are OpenMetrics text.
#[test]
fn metrics_are_served_as_open_metrics() {
    let process = Process::serve(&[]);
    let (http, _) = process.addresses();
    process.log("harbour is ready");
    let (head, body) = ask(http, "/metrics");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    for line in [
        "messaging_client_consumed_messages_total{messaging_destination_name=\"toll\"} 7",
        "turnpike_dependency_ready{dependency=\"harbour\"} 1",
        "turnpike_end_to_end_latency_seconds_count 3",
    ] {
        assert!(body.lines().any(|l| l == line), "no {line:?} in\n{body}");
    }
}

/// Status, Pause, Resume and SetRate do what they say, repeatedly.
#[tokio::test]
async fn the_control_plane_steers() {
    let process = Process::serve(&["--rate=5"]);
    let (_, grpc) = process.addresses();
    process.log("harbour is ready");
    let mut client = Client::connect(&grpc.to_string()).await.unwrap();

    let status = client.status().await.unwrap();
    assert_eq!((status.service.as_str(), status.rate), ("fixture", Some(5)));
    assert!(status.ready && !status.paused && !status.stopping && status.started_ms > 0);
    assert_eq!(status.dependencies[0].name, "harbour");

    for (pause, times) in [(true, 2), (false, 2)] {
        for _ in 0..times {
            if pause {
                client.pause().await.unwrap();
            } else {
                client.resume().await.unwrap();
            }
            assert_eq!(client.status().await.unwrap().paused, pause);
        }
    }
    client.set_rate(0).await.unwrap();
    assert_eq!(client.status().await.unwrap().rate, Some(0));
}

/// A service without a rate says so; the error names call, address and reason.
#[tokio::test]
async fn set_rate_needs_a_rate() {
    let process = Process::serve(&[]);
    let (_, grpc) = process.addresses();
    let mut client = Client::connect(&grpc.to_string()).await.unwrap();
    let error = client.set_rate(7).await.unwrap_err().to_string();
    assert_eq!(error, format!("SetRate at {grpc}: fixture has no rate (Unimplemented)"));
}

/// WatchStats sends all metrics at once and again after the interval.
#[tokio::test]
async fn stats_are_streamed() {
    let process = Process::serve(&[]);
    let (_, grpc) = process.addresses();
    process.log("harbour is ready");
    let mut client = Client::connect(&grpc.to_string()).await.unwrap();
    let mut stream = client.watch_stats(Duration::from_millis(1)).await.unwrap();
    let mut last_ms = 0;
    for _ in 0..3 {
        let stats = stream.next().await.unwrap().unwrap();
        assert!(stats.time_ms > last_ms);
        last_ms = stats.time_ms;
        let consumed = stats.samples.iter().find(|s| s.name == telemetry::names::CONSUMED.name).unwrap();
        assert!((consumed.value - 7.0).abs() < f64::EPSILON);
        assert_eq!(consumed.labels[telemetry::names::TOPIC], "toll");
        let latency = &stats.quantiles[0];
        assert_eq!((latency.name.as_str(), latency.count), (telemetry::names::END_TO_END_MS.name, 3));
        assert!((latency.p50 - 20.0).abs() < f64::EPSILON && (latency.max - 30.0).abs() < f64::EPSILON);
    }
}

/// The standard health service follows readiness, as a whole and for the control service.
#[tokio::test]
async fn standard_health_follows_readiness() {
    for (arguments, expected) in
        [(&[][..], ServingStatus::Serving), (&["--closed"][..], ServingStatus::NotServing)]
    {
        let process = Process::serve(arguments);
        let (_, grpc) = process.addresses();
        process.log("harbour is");
        let endpoint = Endpoint::from_shared(format!("http://{grpc}")).unwrap();
        let mut client = HealthClient::new(endpoint.connect().await.unwrap());
        for service in ["", "turnpike.control.v1.Control"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            // The stream tells the status now and each change of it; the first may still be that of the start.
            let mut statuses = client.watch(request).await.unwrap().into_inner();
            while statuses.message().await.unwrap().unwrap().status() != expected {}
        }
    }
}
