//! What a service says on its HTTP port.

use std::time::Duration;

use local_stack::Process;

use crate::PATIENCE;

/// How long an answer may take.
const ANSWERED_IN: Duration = Duration::from_secs(10);

/// The text at an address, or why there is none.
pub fn get(url: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(ANSWERED_IN).build().expect("a client");
        let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())
    })
}

/// Host and port of a service's HTTP port, which its first log line tells.
pub fn http_address(process: &Process) -> String {
    let address = |line: &str| {
        let (_, rest) = line.split_once("http=").or_else(|| line.split_once("\"http\":\""))?;
        let end = rest.find(|letter: char| !matches!(letter, '0'..='9' | '.' | ':')).unwrap_or(rest.len());
        Some(rest[..end].to_owned())
    };
    process.wait_for_line(PATIENCE, address).expect("a service tells its address")
}

/// The metrics of a service.
pub fn metrics(process: &Process) -> String {
    let address = http_address(process);
    get(&format!("http://{address}/metrics")).expect("metrics")
}
