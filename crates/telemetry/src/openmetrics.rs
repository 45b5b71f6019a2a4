//! All metrics as [OpenMetrics] text. Written here, since the encoders on crates.io take no exemplar that was not counted by them.
//!
//! [OpenMetrics]: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md

use std::fmt::{self, Write};
use std::time::UNIX_EPOCH;

use crate::histogram::{Exemplar, Histogram};
use crate::metrics::{Family, Series};
use crate::{Kind, Labels, Unit};

/// The text, to its end mark.
pub(crate) fn render(families: &[Family]) -> String {
    let mut text = String::new();
    let written = families.iter().try_for_each(|family| write_family(&mut text, family));
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, Family { metric, series }: &Family) -> fmt::Result {
    let suffix = match metric.unit {
        Unit::Count => "",
        Unit::Milliseconds | Unit::Microseconds => "_seconds",
        Unit::Bytes => "_bytes",
    };
    let name = format!("{}{suffix}", metric.name.replace('.', "_"));
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    writeln!(text, "# HELP {name} {}.", metric.help)?;
    writeln!(text, "# TYPE {name} {kind}")?;
    if let Some(unit) = suffix.strip_prefix('_') {
        writeln!(text, "# UNIT {name} {unit}")?;
    }
    for (labels, series) in series {
        let labels = written(labels);
        match series {
            Series::Counter(counter) => {
                let value = metric.unit.shown(counter.get() as f64);
                writeln!(text, "{name}_total{} {value}", braced(&labels))?;
            }
            Series::Gauge(gauge) => {
                writeln!(text, "{name}{} {}", braced(&labels), metric.unit.shown(gauge.get() as f64))?;
            }
            Series::Histogram(histogram) => {
                write_histogram(text, &name, &labels, metric.unit, histogram)?;
            }
        }
    }
    Ok(())
}

fn write_histogram(
    text: &mut String,
    name: &str,
    labels: &str,
    unit: Unit,
    histogram: &Histogram,
) -> fmt::Result {
    let comma = if labels.is_empty() { "" } else { "," };
    let totals = histogram.totals();
    let bounds = histogram.bounds().iter().map(|bound| format!("{:?}", unit.shown(*bound as f64)));
    let bounds = bounds.chain(["+Inf".to_owned()]);
    let mut up_to = 0;
    for ((bound, count), exemplar) in bounds.zip(totals.buckets).zip(&totals.exemplars) {
        up_to += count;
        write!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {up_to}")?;
        if let Some(exemplar) = exemplar {
            write_exemplar(text, unit, exemplar)?;
        }
        text.push('\n');
    }
    writeln!(text, "{name}_count{} {}", braced(labels), totals.count)?;
    writeln!(text, "{name}_sum{} {}", braced(labels), unit.shown(totals.sum as f64))
}

fn write_exemplar(text: &mut String, unit: Unit, Exemplar { value, of, at }: &Exemplar) -> fmt::Result {
    let value = unit.shown(*value as f64);
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let (trace_id, span_id) = (of.trace_id(), of.span_id());
    write!(text, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} {value} {at:.3}")
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn written(labels: &Labels) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs =
        labels.iter().map(|(name, value)| format!("{}=\"{}\"", name.replace('.', "_"), escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Metrics, Parent, names};

    /// A bucket names the trace of its latest traced value; bytes have their unit; what is odd in a label is escaped.
    #[test]
    fn exemplars_units_and_escapes() {
        let metrics = Metrics::default();
        let latency = metrics.histogram(&names::END_TO_END_MS, &[(names::CONNECTOR, "a\\b\nc")]);
        latency.record(40);
        let of = Parent::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        latency.exemplar(40, &of.expect("a context"), UNIX_EPOCH + Duration::from_millis(1_500));
        metrics.gauge(&names::MEMORY, &[]).set(4_096);
        let text = metrics.render();
        for line in [
            r#"turnpike_end_to_end_latency_seconds_bucket{connector="a\\b\nc",le="0.05"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"} 0.04 1.500"#,
            r#"turnpike_end_to_end_latency_seconds_bucket{connector="a\\b\nc",le="0.1"} 1"#,
            "# UNIT process_memory_usage_bytes bytes",
            "process_memory_usage_bytes 4096",
        ] {
            assert!(text.lines().any(|shown| shown == line), "no {line} in\n{text}");
        }
    }
}
