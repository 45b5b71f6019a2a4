//! The processes of the services: every address behind a name is asked whether it is ready, and for its memory.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use futures::future::join_all;
use serde_json::Value as Json;
use telemetry::names;

use super::{
    asked::Address,
    evidence::{Known, Process},
};
use crate::trace::http::Http;

/// How long a name may take to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks all processes of all services.
pub(super) async fn look(services: &[Address], http: &Http) -> Vec<(String, Known<Vec<Process>>)> {
    let asked = services.iter().map(async |address| (address.name.clone(), behind(address, http).await));
    join_all(asked).await
}

async fn behind(address: &Address, http: &Http) -> Known<Vec<Process>> {
    let place = &address.place;
    let resolving = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(place));
    let found: BTreeSet<SocketAddr> = match resolving.await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(format!("{place} is not known: {error}")),
        Err(_) => return Err(format!("{place} is not resolved within {} s", RESOLVE_TIMEOUT.as_secs())),
    };
    if found.is_empty() {
        return Err(format!("{place} has no address"));
    }
    Ok(join_all(found.into_iter().map(|at| ask(at, http))).await)
}

async fn ask(at: SocketAddr, http: &Http) -> Process {
    let not_ready = match http.text(&format!("http://{at}/health/ready")).await {
        Ok((status, _)) if status.is_success() => None,
        Ok((status, body)) => Some(reasons(&body).unwrap_or_else(|| status.to_string())),
        Err(why) => Some(why),
    };
    let metrics = http.text(&format!("http://{at}/metrics")).await;
    let bytes = metrics.ok().and_then(|(_, text)| memory(&text));
    Process { address: at.to_string(), not_ready, bytes }
}

/// What the answer to a question for readiness says against it: each dependency that is away, with the reason.
fn reasons(body: &str) -> Option<String> {
    let answer: Json = serde_json::from_str(body).ok()?;
    let dependencies = answer["dependencies"].as_array()?;
    let away = dependencies.iter().filter(|dependency| dependency["ready"] != true);
    let away: Vec<String> = away
        .map(|dependency| {
            let text = |key: &str| dependency[key].as_str().unwrap_or_default().to_owned();
            format!("{} ({})", text("name"), text("reason"))
        })
        .collect();
    Some(if away.is_empty() { "it is still starting".to_owned() } else { away.join(", ") })
}

/// Resident memory, from the text of all metrics.
fn memory(metrics: &str) -> Option<u64> {
    let name = format!("{}_bytes", names::MEMORY.name.replace('.', "_"));
    let value = metrics.lines().find_map(|line| {
        let rest = line.strip_prefix(&name)?;
        let is_whole_name = rest.starts_with([' ', '{']);
        is_whole_name.then(|| rest.rsplit(' ').next())?
    });
    value?.parse::<f64>().ok().map(|bytes| bytes as u64)
}

#[cfg(test)]
mod tests {
    use telemetry::{Metrics, names};

    use super::{memory, reasons};

    /// The gauge is found among all others, with labels or without.
    #[test]
    fn memory_is_read() {
        let metrics = Metrics::default();
        metrics.gauge(&names::MEMORY, &[]).set(22_020_096);
        assert_eq!(memory(&metrics.render()), Some(22_020_096));
        let labelled =
            "process_memory_usage_bytes_peak 9\nprocess_memory_usage_bytes{service=\"a b\"} 4096\n";
        assert_eq!(memory(labelled), Some(4_096));
        assert_eq!(memory("# EOF\n"), None);
    }

    /// What is away is told with its reason; a body that is no such answer says nothing.
    #[test]
    fn reasons_are_read() {
        let body = r#"{"ready":false,"dependencies":[{"name":"kafka","ready":true},{"name":"mariadb","ready":false,"reason":"refused"}]}"#;
        assert_eq!(reasons(body).as_deref(), Some("mariadb (refused)"));
        assert_eq!(reasons(r#"{"ready":false,"dependencies":[]}"#).as_deref(), Some("it is still starting"));
        assert_eq!(reasons("<html>"), None);
    }
}
