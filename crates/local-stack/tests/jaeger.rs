//! A real Jaeger: spans that go in come out, it survives a crash on the same ports, and it ends with its owner.

use std::{io::Write as _, time::Duration};

use local_stack::{Error, Folder, Jaeger};
use reqwest::Client;

const LIMIT: Duration = Duration::from_secs(30);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// One span, as a sender that knows JSON alone would write it.
const SPANS: &str = r#"{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "toll-generator"}}]},
  "scopeSpans": [{"spans": [{
    "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "send toll", "kind": 4,
    "startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": "1790000000038000000"}]}]}]}"#;

/// Sends the span, and asks for its trace until it is there.
async fn goes_through(client: &Client, jaeger: &Jaeger) -> bool {
    let sent = client
        .post(format!("{}/v1/traces", jaeger.otlp_http_endpoint()))
        .header("content-type", "application/json")
        .body(SPANS);
    let is_taken = sent.send().await.is_ok_and(|answer| answer.status().is_success());
    let asked = tokio::time::timeout(LIMIT, async {
        loop {
            let answer = client.get(jaeger.trace_api_url(TRACE)).send().await;
            if let Ok(answer) = answer
                && answer.status().is_success()
            {
                return answer.text().await.unwrap_or_default();
            }
        }
    });
    is_taken && asked.await.is_ok_and(|text| text.contains("\"operationName\":\"send toll\""))
}

/// Skipped where Jaeger was not built, since building takes minutes and needs Go.
#[tokio::test]
async fn spans_go_in_and_come_out() {
    if let Err(error @ Error::MissingJaeger { .. }) = Jaeger::program() {
        // Not captured, as output of a test that passes would be.
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
        return;
    }
    let folder = Folder::claim().unwrap();
    let jaeger = Jaeger::start(&folder).unwrap();
    let client = Client::new();
    assert!(goes_through(&client, &jaeger).await);
    assert!(client.get(jaeger.url()).send().await.unwrap().status().is_success());
    assert_eq!(jaeger.trace_url(TRACE), format!("{}/trace/{TRACE}", jaeger.url()));

    let (pid, url) = (jaeger.pid().unwrap(), jaeger.url());
    jaeger.kill();
    assert_eq!(jaeger.pid(), None);
    jaeger.start_again().unwrap();
    assert!(jaeger.pid().is_some_and(|again| again != pid) && jaeger.url() == url);
    assert_eq!(
        client.get(jaeger.trace_api_url(TRACE)).send().await.unwrap().status(),
        404,
        "in memory alone"
    );
    assert!(goes_through(&client, &jaeger).await);

    let pid = jaeger.pid().unwrap();
    drop(jaeger);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}
