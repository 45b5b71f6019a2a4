//! The profile `observability`: its Prometheus finds each service by itself, and knows the alerts.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use system_tests::{eventually, get};

use crate::stack::Stack;

/// All that it must have scraped.
const JOBS: [&str; 6] =
    ["mariadb-writer", "prometheus", "toll-generator", "traffic-generator", "validator", "weather-generator"];

/// Each service answers Prometheus.
pub(crate) fn prometheus_finds_all(stack: &Stack) {
    stack.compose(&["--profile", "observability", "up", "--detach", "--wait", "prometheus"]);
    let ask = |path: &str| -> Option<Json> {
        let answer =
            get(&format!("http://localhost:{}/api/v1/{path}", stack.port("PROMETHEUS_PORT"))).ok()?;
        serde_json::from_str(&answer).ok()
    };
    eventually("Prometheus has scraped every service", || {
        let targets = ask("targets")?;
        let active = targets["data"]["activeTargets"].as_array()?;
        let up = active.iter().filter(|target| target["health"] == "up");
        let jobs: BTreeSet<&str> = up.filter_map(|target| target["labels"]["job"].as_str()).collect();
        jobs.into_iter().eq(JOBS).then_some(())
    });
    let rules = ask("rules").expect("rules");
    assert!(rules["data"]["groups"].as_array().is_some_and(|groups| !groups.is_empty()), "{rules}");
}
