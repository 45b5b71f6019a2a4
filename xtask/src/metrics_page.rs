//! `docs/metrics.md`, made from the names that `crates/telemetry` defines.

use crate::{
    names::{Metric, Names, underscored},
    tree::Tree,
};

/// Where the page is.
pub(crate) const PAGE: &str = "docs/metrics.md";
/// Kafka Connect's own names have a table of their own.
const CONNECT: &str = "kafka_connect_";
const OPENING: &str = "\
# Metrics

Every metric, from the names in `crates/telemetry`: `cargo run -p xtask -- metrics` writes this page, and `make check` finds it out of date.

- Services show them under `/metrics` as OpenMetrics, and push them over OTLP where `OTEL_EXPORTER_OTLP_ENDPOINT` is set. OTLP has the dotted
  names and labels; `/metrics` has underscores, the unit, and `_total` for counters.
- A histogram `X` is `X_bucket`, `X_sum` and `X_count`: `histogram_quantile(0.99, sum by (le) (rate(X_bucket[5m])))`. Buckets of the times since a
  record was made name the latest traced record in them, as an exemplar with the label `trace_id`.
- Prometheus adds `job`, the service's name in Compose, and `instance`, its address. A series begins with its first value: a counter
  that is not there counts as 0.
- What they mean together: [the dashboards](../deploy/grafana/dashboards), [the alerts](../deploy/prometheus/alerts.yml), and
  [what to do about an alert](runbook.md).
";
const HEAD: &str = "\
| OTLP | `/metrics` | Kind | Unit | Labels in `/metrics` | Meaning | Kafka Connect |
|---|---|---|---|---|---|---|
";
const OF_CONNECT: &str = "\
## In Kafka Connect's words

The writer tells its numbers under the names of Kafka Connect's JMX exporter as well, so that dashboards for Connect's sinks go on working. All are
gauges with the labels `connector` and `task`, under the same name in OTLP.
";

/// The page's text.
pub(crate) fn page(tree: &Tree) -> String {
    let names = Names::read(tree);
    let (of_connect, ours): (Vec<&Metric>, Vec<&Metric>) =
        names.metrics.iter().partition(|metric| metric.name.starts_with(CONNECT));
    let ours: String = ours.into_iter().map(row).collect();
    let of_connect: String =
        of_connect.into_iter().map(|Metric { name, help, .. }| format!("| `{name}` | {help} |\n")).collect();
    format!("{OPENING}\n{HEAD}{ours}\n{OF_CONNECT}\n| Name | Meaning |\n|---|---|\n{of_connect}")
}

fn row(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{}`", underscored(label))).collect();
    let Metric { name, kind, help, .. } = metric;
    let connect = metric.connect.as_ref().map_or_else(String::new, |name| format!("`{name}`"));
    format!(
        "| `{name}` | `{}` | {kind} | {} | {} | {help} | {connect} |\n",
        metric.exposed(),
        metric.exposed_unit(),
        labels.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A metric is one row with all of its names; Connect's own are apart.
    #[test]
    fn every_metric_has_its_row() {
        let tree = Tree::of(&[
            (
                "crates/telemetry/src/names/attributes.rs",
                "pub const TOPIC: &str = \"messaging.destination.name\";\n",
            ),
            (
                "crates/telemetry/src/names/metrics.rs",
                concat!(
                    "/// By [`TOPIC`] (Kafka Connect: `x-total`).\npub const A: Metric = counter(\"a.b\", \"Things\");\n",
                    "/// X.\npub const B: Metric = plain(\"kafka_connect_b\", \"Others\");\n",
                ),
            ),
        ]);
        let page = page(&tree);
        let row =
            "| `a.b` | `a_b_total` | counter | count | `messaging_destination_name` | Things | `x-total` |\n";
        assert!(page.contains(row) && page.ends_with("| `kafka_connect_b` | Others |\n"), "{page}");
    }
}
