//! Counters, gauges and histograms by name and labels, readable as OpenMetrics text and as a snapshot.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as OpenMetricsUnit};

use crate::Histogram;
use crate::histogram::BUCKET_BOUNDS;

/// A metric as [`names`](crate::names) defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Dotted name; `/metrics` writes it with underscores and adds the unit, as OpenTelemetry's mapping to Prometheus does.
    pub name: &'static str,
    /// What its values mean over time.
    pub kind: Kind,
    /// What one of its values counts.
    pub unit: Unit,
    /// One sentence for people.
    pub help: &'static str,
}

/// What the values of a metric mean over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// The state now.
    Gauge,
    /// A distribution.
    Histogram,
}

/// What one value of a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things that the name says: records, rows, retries.
    Count,
    /// Milliseconds; `/metrics` has seconds, as Prometheus wants.
    Milliseconds,
}

/// Labels of one series, in the order in which they were first given.
pub type Labels = Vec<(&'static str, String)>;

/// All metrics of a process; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    families: Arc<Mutex<BTreeMap<&'static str, Family>>>,
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that is what it was set to last.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

/// All metrics at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Counters and gauges, by name and then in the order of their creation.
    pub samples: Vec<Sample>,
    /// Histograms, in the same order.
    pub quantiles: Vec<Quantiles>,
}

/// One counter or gauge.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's dotted name.
    pub name: &'static str,
    /// Which series of that metric.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// One histogram over its rolling window, in the unit of its metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    /// The metric's dotted name.
    pub name: &'static str,
    /// Which series of that metric.
    pub labels: Labels,
    /// How many values the window holds.
    pub count: u64,
    /// Half of the values are at most this.
    pub p50: f64,
    /// 99 of 100 values are at most this.
    pub p99: f64,
    /// No value is larger.
    pub max: f64,
}

#[derive(Debug)]
struct Family {
    metric: Metric,
    series: Vec<(Labels, Series)>,
}

#[derive(Clone, Debug)]
enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Metrics {
    /// The counter of these labels, new or known. Label values come from closed sets, for each one is kept forever.
    ///
    /// # Panics
    /// When `metric` is not a counter.
    pub fn counter(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Counter {
        match self.series(metric, labels) {
            Series::Counter(counter) => counter,
            _ => panic!("{} is not a counter", metric.name),
        }
    }

    /// The gauge of these labels, new or known.
    ///
    /// # Panics
    /// When `metric` is not a gauge.
    pub fn gauge(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Gauge {
        match self.series(metric, labels) {
            Series::Gauge(gauge) => gauge,
            _ => panic!("{} is not a gauge", metric.name),
        }
    }

    /// The histogram of these labels, new or known.
    ///
    /// # Panics
    /// When `metric` is not a histogram.
    pub fn histogram(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Histogram {
        match self.series(metric, labels) {
            Series::Histogram(histogram) => histogram,
            _ => panic!("{} is not a histogram", metric.name),
        }
    }

    /// Everything as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut rendered = String::new();
        let encoded = text::encode(&mut rendered, &registry);
        debug_assert!(encoded.is_ok(), "writing to a string cannot fail");
        rendered
    }

    /// Everything as numbers, histograms over their rolling window.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for Family { metric: Metric { name, .. }, series } in self.lock().values() {
            for (labels, series) in series {
                let labels = labels.clone();
                let value = match series {
                    Series::Counter(counter) => counter.get() as f64,
                    Series::Gauge(gauge) => gauge.get() as f64,
                    Series::Histogram(histogram) => {
                        let window = histogram.window();
                        let (p50, p99, max) = (window.p50 as f64, window.p99 as f64, window.max as f64);
                        snapshot.quantiles.push(Quantiles {
                            name,
                            labels,
                            count: window.count,
                            p50,
                            p99,
                            max,
                        });
                        continue;
                    }
                };
                snapshot.samples.push(Sample { name, labels, value });
            }
        }
        snapshot
    }

    /// Moves the rolling window of every histogram on by one span; who calls it decides how long a span is.
    pub fn turn_window(&self) {
        for (_, series) in self.lock().values().flat_map(|family| &family.series) {
            if let Series::Histogram(histogram) = series {
                histogram.turn_window();
            }
        }
    }

    fn series(&self, metric: &Metric, labels: &[(&'static str, &str)]) -> Series {
        let mut families = self.lock();
        let family =
            families.entry(metric.name).or_insert_with(|| Family { metric: *metric, series: Vec::new() });
        let same = |known: &Labels| {
            known.iter().map(|(key, value)| (*key, value.as_str())).eq(labels.iter().copied())
        };
        if let Some((_, series)) = family.series.iter().find(|(known, _)| same(known)) {
            return series.clone();
        }
        let series = match family.metric.kind {
            Kind::Counter => Series::Counter(Counter::default()),
            Kind::Gauge => Series::Gauge(Gauge::default()),
            Kind::Histogram => Series::Histogram(Histogram::new()),
        };
        let labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        family.series.push((labels, series.clone()));
        series
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    /// Adds to the count.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Says what is now.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What was set last.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { metric, series } in self.lock().values() {
            let name = metric.name.replace('.', "_");
            let unit = match metric.unit {
                Unit::Count => None,
                Unit::Milliseconds => Some(OpenMetricsUnit::Seconds),
            };
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(&name, metric.help, unit.as_ref(), kind)?;
            for (labels, series) in series {
                let labels: Vec<_> =
                    labels.iter().map(|(key, value)| (key.replace('.', "_"), value)).collect();
                if labels.is_empty() {
                    encode_series(series, metric.unit, &mut family)?;
                } else {
                    encode_series(series, metric.unit, &mut family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

fn encode_series(series: &Series, unit: Unit, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    let scale = |value: u64| match unit {
        Unit::Count => value as f64,
        Unit::Milliseconds => value as f64 / 1_000.0,
    };
    match series {
        Series::Counter(counter) => encoder.encode_counter::<NoLabelSet, _, u64>(&counter.get(), None),
        Series::Gauge(gauge) => encoder.encode_gauge(&gauge.get()),
        Series::Histogram(histogram) => {
            let totals = histogram.totals();
            let bounds = BUCKET_BOUNDS.iter().map(|bound| scale(*bound)).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(totals.buckets).collect();
            encoder.encode_histogram::<NoLabelSet>(scale(totals.sum), totals.count, &buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;

    fn filled() -> Metrics {
        let metrics = Metrics::default();
        metrics.counter(&names::CONSUMED, &[(names::TOPIC, "toll")]).add(3);
        metrics.counter(&names::CONSUMED, &[(names::TOPIC, "toll")]).add(4);
        metrics.counter(&names::CONSUMED, &[(names::TOPIC, "we\"ird")]).add(1);
        metrics.gauge(&names::PAUSED, &[]).set(1);
        metrics.histogram(&names::END_TO_END_MS, &[]).record_all([20, 1_500]);
        metrics
    }

    /// The same name and labels are the same series; the snapshot keeps dotted names and plain units.
    #[test]
    fn snapshot_holds_every_series_once() {
        let snapshot = filled().snapshot();
        let samples: Vec<_> = snapshot.samples.iter().map(|s| (s.name, s.labels.len(), s.value)).collect();
        assert_eq!(
            samples,
            [
                ("messaging.client.consumed.messages", 1, 7.0),
                ("messaging.client.consumed.messages", 1, 1.0),
                ("turnpike.paused", 0, 1.0),
            ]
        );
        let [latency] = snapshot.quantiles.as_slice() else { panic!("one histogram expected") };
        assert_eq!((latency.name, latency.count, latency.p50), ("turnpike.end_to_end.latency", 2, 20.0));
    }

    /// The text is what OpenMetrics wants: names by underscores with unit and `_total`, seconds, escaped labels, EOF.
    #[test]
    fn text_follows_open_metrics() {
        let text = filled().render();
        for line in [
            "# TYPE messaging_client_consumed_messages counter",
            "messaging_client_consumed_messages_total{messaging_destination_name=\"toll\"} 7",
            "messaging_client_consumed_messages_total{messaging_destination_name=\"we\\\"ird\"} 1",
            "turnpike_paused 1",
            "# UNIT turnpike_end_to_end_latency_seconds seconds",
            "turnpike_end_to_end_latency_seconds_sum 1.52",
            "turnpike_end_to_end_latency_seconds_bucket{le=\"0.025\"} 1",
            "turnpike_end_to_end_latency_seconds_bucket{le=\"+Inf\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
