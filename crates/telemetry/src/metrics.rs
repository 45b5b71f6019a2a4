//! Counters, gauges and histograms by name and labels, readable as OpenMetrics text, as OTLP and as a snapshot.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::histogram::Histogram;
use crate::openmetrics;

/// Series of one metric at most; more share one with the label [`OVERFLOW`], so that a label that should not be one costs little.
/// The limit and the label are those of OpenTelemetry's SDKs.
const SERIES_MAX: usize = 2_000;

/// The label of the series that takes what is beyond the limit.
const OVERFLOW: (&str, &str) = ("otel.metric.overflow", "true");

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
    /// Milliseconds; `/metrics` and OTLP have seconds, as Prometheus and OpenTelemetry want.
    Milliseconds,
    /// Microseconds, for what often takes less than a millisecond; shown as seconds too.
    Microseconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// A value in the unit in which it is shown.
    pub(crate) fn shown(self, value: f64) -> f64 {
        match self {
            Self::Count | Self::Bytes => value,
            Self::Milliseconds => value / 1e3,
            Self::Microseconds => value / 1e6,
        }
    }
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

/// All series of one metric.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) metric: Metric,
    pub(crate) series: Vec<(Labels, Series)>,
}

/// One series.
#[derive(Clone, Debug)]
pub(crate) enum Series {
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
        openmetrics::render(&self.families())
    }

    /// All metrics with their series, which go on being counted.
    pub(crate) fn families(&self) -> Vec<Family> {
        self.lock().values().cloned().collect()
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
        if let Some((_, series)) = family.series.iter().find(|(known, _)| same_labels(known, labels)) {
            return series.clone();
        }
        let series = match family.metric.kind {
            Kind::Counter => Series::Counter(Counter::default()),
            Kind::Gauge => Series::Gauge(Gauge::default()),
            Kind::Histogram => Series::Histogram(Histogram::new(family.metric.unit)),
        };
        let is_full = family.series.len() >= SERIES_MAX;
        let labels = if is_full { &[OVERFLOW] } else { labels };
        if is_full
            && let Some((_, rest)) = family.series.last().filter(|(known, _)| same_labels(known, labels))
        {
            return rest.clone();
        }
        let labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        family.series.push((labels, series.clone()));
        series
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_labels(known: &Labels, labels: &[(&'static str, &str)]) -> bool {
    known.iter().map(|(key, value)| (*key, value.as_str())).eq(labels.iter().copied())
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

    /// A label that should not be one costs two thousand series and no more, and nothing goes uncounted.
    #[test]
    fn series_are_bounded() {
        let metrics = Metrics::default();
        for number in 0..SERIES_MAX + 5 {
            metrics.counter(&names::CONSUMED, &[(names::TOPIC, &number.to_string())]).add(1);
        }
        metrics.counter(&names::CONSUMED, &[(names::TOPIC, "7")]).add(1);
        let samples = metrics.snapshot().samples;
        assert_eq!(samples.len(), SERIES_MAX + 1);
        let counted: f64 = samples.iter().map(|sample| sample.value).sum();
        assert_eq!(counted as usize, SERIES_MAX + 6);
        let rest = samples.last().expect("there are some");
        assert_eq!((rest.labels[0].0, rest.value as usize), (OVERFLOW.0, 5));
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
