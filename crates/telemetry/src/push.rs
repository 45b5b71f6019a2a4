//! All metrics as OTLP, from time to time to a collector. The SDK would need its own instruments, and these take no exemplars.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar as OtlpExemplar, Gauge, Histogram, HistogramDataPoint,
    Metric as OtlpMetric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use prost::Message as _;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use crate::export::{ExportError, metadata};
use crate::histogram::{Exemplar, Histogram as Distribution};
use crate::metrics::{Family, Series};
use crate::options::{Options, Protocol};
use crate::{Counter, Kind, Labels, Metrics, Unit, names};

/// Gauges of ours that are UpDownCounters by the conventions: the parts of several processes add up.
const UP_DOWN: [&str; 7] = [
    names::SPAN_QUEUE.name,
    names::SPAN_QUEUE_CAPACITY.name,
    names::LOG_QUEUE.name,
    names::LOG_QUEUE_CAPACITY.name,
    names::MEMORY.name,
    names::THREADS.name,
    names::FILE_DESCRIPTORS.name,
];

/// Sends metrics to a collector.
#[derive(Clone, Debug)]
pub struct Push {
    way: Way,
    resource: ResourceMetrics,
    started: SystemTime,
    interval: std::time::Duration,
    metrics: Metrics,
    exported: Counter,
    failed: Counter,
}

#[derive(Clone, Debug)]
enum Way {
    Grpc(Channel, MetadataMap, std::time::Duration),
    Http(reqwest::Client, String, Vec<(String, String)>),
}

impl Push {
    pub(crate) fn new(
        options: &Options,
        resource: &Resource,
        started: SystemTime,
        metrics: &Metrics,
    ) -> Result<Self, ExportError> {
        let way = match options.otlp_protocol {
            Protocol::Grpc => {
                Way::Grpc(channel(&options.url("metrics"))?, metadata(options)?, options.timeout())
            }
            Protocol::Http => {
                let client = reqwest::Client::builder().timeout(options.timeout()).build();
                let client = client.map_err(|error| ExportError::Metrics(Box::new(error)))?;
                Way::Http(client, options.url("metrics"), options.headers().to_vec())
            }
        };
        let attributes = ResourceAttributesWithSchema::from(resource).attributes.0;
        let resource = OtlpResource { attributes, ..OtlpResource::default() };
        Ok(Self {
            way,
            resource: ResourceMetrics {
                resource: Some(resource),
                scope_metrics: Vec::new(),
                schema_url: names::SCHEMA_URL.to_owned(),
            },
            started,
            interval: std::time::Duration::from_millis(options.metric_interval),
            metrics: metrics.clone(),
            exported: metrics.counter(&names::POINTS_EXPORTED, &[]),
            failed: metrics.counter(&names::POINTS_EXPORTED, &[(names::ERROR_TYPE, "export_failed")]),
        })
    }

    /// How long to wait between two sendings.
    pub fn interval(&self) -> std::time::Duration {
        self.interval
    }

    /// Sends the state of all metrics. If that fails the next sending makes up for it, since all are cumulative: it is counted.
    pub async fn send(&self, now: SystemTime) {
        let metrics: Vec<OtlpMetric> =
            self.metrics.families().iter().map(|family| metric(family, self.started, now)).collect();
        let points = metrics.iter().map(points).sum::<usize>() as u64;
        let mut resource = self.resource.clone();
        resource.scope_metrics = vec![ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "turnpike".to_owned(),
                ..InstrumentationScope::default()
            }),
            metrics,
            schema_url: names::SCHEMA_URL.to_owned(),
        }];
        match self.way.send(ExportMetricsServiceRequest { resource_metrics: vec![resource] }).await {
            Ok(()) => self.exported.add(points),
            Err(reason) => {
                self.failed.add(points);
                tracing::warn!(target: "telemetry", "metrics not exported, the collector does not take them: {reason}");
            }
        }
    }
}

fn channel(url: &str) -> Result<Channel, ExportError> {
    let refused = |error: tonic::transport::Error| ExportError::Metrics(Box::new(error));
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(refused)?;
    let endpoint = if url.starts_with("https") {
        endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(refused)?
    } else {
        endpoint
    };
    Ok(endpoint.connect_lazy())
}

impl Way {
    async fn send(&self, request: ExportMetricsServiceRequest) -> Result<(), String> {
        match self {
            Self::Grpc(channel, metadata, timeout) => {
                let mut request = tonic::Request::new(request);
                *request.metadata_mut() = metadata.clone();
                request.set_timeout(*timeout);
                let sent = MetricsServiceClient::new(channel.clone()).export(request).await;
                sent.map(|_| ()).map_err(|status| status.code().description().to_owned())
            }
            Self::Http(client, url, headers) => {
                let sent = client.post(url).header("content-type", "application/x-protobuf");
                let sent = headers.iter().fold(sent, |sent, (name, value)| sent.header(name, value));
                let answer = sent.body(request.encode_to_vec()).send().await;
                let answer = answer.and_then(reqwest::Response::error_for_status);
                answer.map(|_| ()).map_err(|error| error.without_url().to_string())
            }
        }
    }
}

fn metric(family: &Family, started: SystemTime, now: SystemTime) -> OtlpMetric {
    let definition = &family.metric;
    let data = match definition.kind {
        Kind::Counter => Data::Sum(Sum {
            data_points: numbers(family, started, now),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        Kind::Gauge if UP_DOWN.contains(&definition.name) => Data::Sum(Sum {
            data_points: numbers(family, started, now),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: false,
        }),
        Kind::Gauge => Data::Gauge(Gauge { data_points: numbers(family, started, now) }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: distributions(family, started, now),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        }),
    };
    let unit = match definition.unit {
        Unit::Count => counted(definition.name),
        Unit::Milliseconds | Unit::Microseconds => "s",
        Unit::Bytes => "By",
    };
    OtlpMetric {
        name: definition.name.to_owned(),
        description: definition.help.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..OtlpMetric::default()
    }
}

/// What one of a count is, in braces as OpenTelemetry has it: a plain "1" would be a ratio.
fn counted(name: &str) -> &'static str {
    const WHAT: [(&str, &str); 6] = [
        ("messaging.", "{message}"),
        ("otel.sdk.processor.span.", "{span}"),
        ("otel.sdk.exporter.span.", "{span}"),
        ("otel.sdk.exporter.metric_data_point.", "{data_point}"),
        ("process.thread.", "{thread}"),
        ("process.unix.", "{file_descriptor}"),
    ];
    let what = WHAT.iter().find(|(prefix, _)| name.starts_with(prefix));
    what.map_or(if name.starts_with("otel.sdk.") { "{log_record}" } else { "{count}" }, |(_, unit)| unit)
}

fn numbers(Family { metric, series }: &Family, started: SystemTime, now: SystemTime) -> Vec<NumberDataPoint> {
    let point = |labels: &Labels, value: f64| NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: nanoseconds(started),
        time_unix_nano: nanoseconds(now),
        value: Some(number_data_point::Value::AsDouble(metric.unit.shown(value))),
        ..NumberDataPoint::default()
    };
    let points = series.iter().filter_map(|(labels, series)| match series {
        Series::Counter(counter) => Some(point(labels, counter.get() as f64)),
        Series::Gauge(gauge) => Some(point(labels, gauge.get() as f64)),
        Series::Histogram(_) => None,
    });
    points.collect()
}

fn distributions(
    Family { metric, series }: &Family,
    started: SystemTime,
    now: SystemTime,
) -> Vec<HistogramDataPoint> {
    let point = |labels: &Labels, distribution: &Distribution| {
        let totals = distribution.totals();
        HistogramDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: nanoseconds(started),
            time_unix_nano: nanoseconds(now),
            count: totals.count,
            sum: Some(metric.unit.shown(totals.sum as f64)),
            bucket_counts: totals.buckets.to_vec(),
            explicit_bounds: distribution
                .bounds()
                .iter()
                .map(|bound| metric.unit.shown(*bound as f64))
                .collect(),
            exemplars: totals
                .exemplars
                .iter()
                .flatten()
                .map(|exemplar| exemplar_of(metric.unit, exemplar))
                .collect(),
            ..HistogramDataPoint::default()
        }
    };
    let points = series.iter().filter_map(|(labels, series)| match series {
        Series::Histogram(histogram) => Some(point(labels, histogram)),
        Series::Counter(_) | Series::Gauge(_) => None,
    });
    points.collect()
}

fn exemplar_of(unit: Unit, Exemplar { value, of, at }: &Exemplar) -> OtlpExemplar {
    let (trace_id, span_id) = of.ids();
    OtlpExemplar {
        time_unix_nano: nanoseconds(*at),
        span_id: span_id.to_vec(),
        trace_id: trace_id.to_vec(),
        value: Some(exemplar::Value::AsDouble(unit.shown(*value as f64))),
        ..OtlpExemplar::default()
    }
}

fn attributes(labels: &Labels) -> Vec<KeyValue> {
    let text = |value: &String| AnyValue { value: Some(any_value::Value::StringValue(value.clone())) };
    let pair = |(name, value): &(&str, String)| KeyValue {
        key: (*name).to_owned(),
        value: Some(text(value)),
        ..KeyValue::default()
    };
    labels.iter().map(pair).collect()
}

fn points(metric: &OtlpMetric) -> usize {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    }
}

fn nanoseconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Parent;

    /// Numbers and distributions become cumulative points in seconds, with labels and exemplars.
    #[test]
    fn metrics_become_points() {
        let metrics = Metrics::default();
        metrics.counter(&names::ROWS, &[(names::CONNECTOR, "toll-passages")]).add(7);
        metrics.gauge(&names::MEMORY, &[]).set(1 << 20);
        let latency = metrics.histogram(&names::END_TO_END_MS, &[]);
        latency.record(40);
        let of = Parent::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        let started = UNIX_EPOCH + Duration::from_secs(1);
        latency.exemplar(40, &of.expect("a context"), started);
        let now = UNIX_EPOCH + Duration::from_secs(5);
        let points: Vec<_> = metrics.families().iter().map(|family| metric(family, started, now)).collect();
        let units: Vec<&str> = points.iter().map(|metric| metric.unit.as_str()).collect();
        assert_eq!(units, ["By", "s", "{count}"]);
        let data: Vec<_> = points.iter().filter_map(|metric| metric.data.as_ref()).collect();
        let [Data::Sum(memory), Data::Histogram(latency), Data::Sum(rows)] = data.as_slice() else {
            panic!("three metrics expected: {points:?}")
        };
        assert_eq!((memory.is_monotonic, rows.is_monotonic), (false, true));
        let cumulative = i32::from(AggregationTemporality::Cumulative);
        assert_eq!((rows.aggregation_temporality, latency.aggregation_temporality), (cumulative, cumulative));
        let [latency] = latency.data_points.as_slice() else { panic!("one series expected") };
        assert_eq!((latency.count, latency.sum), (1, Some(0.04)));
        assert_eq!(latency.bucket_counts.len(), latency.explicit_bounds.len() + 1);
        assert_eq!((latency.explicit_bounds[5], latency.bucket_counts[5]), (0.05, 1));
        assert_eq!(latency.exemplars[0].trace_id[..2], [0x0a, 0xf7]);
        let [rows] = rows.data_points.as_slice() else { panic!("one series expected") };
        assert_eq!(rows.value, Some(number_data_point::Value::AsDouble(7.0)));
        assert_eq!((rows.start_time_unix_nano, rows.time_unix_nano), (1_000_000_000, 5_000_000_000));
        assert_eq!(rows.attributes[0].key, "connector");
    }
}
