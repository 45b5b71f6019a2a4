//! Data points of metrics, and log records.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    logs::v1::LogRecord,
    metrics::v1::{Exemplar as OtlpExemplar, Metric, exemplar, metric::Data, number_data_point},
};

use super::received::{Series, hex, pairs, text};

/// The newest value of a series.
#[derive(Debug, Clone)]
pub struct Point {
    /// Whose it is.
    pub service: String,
    /// The metric.
    pub name: String,
    /// The labels with their values.
    pub labels: BTreeMap<String, String>,
    /// The value; of a distribution the count.
    pub value: f64,
    /// Records that stand for others of their bucket.
    pub exemplars: Vec<Exemplar>,
    /// The conventions that the names are of.
    pub schema_url: String,
}

/// A value of a distribution with the trace that it is of.
#[derive(Debug, Clone)]
pub struct Exemplar {
    /// The value.
    pub value: f64,
    /// The trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
}

/// A log record.
#[derive(Debug, Clone)]
pub struct Line {
    /// Who wrote it.
    pub service: String,
    /// `INFO`, `WARN`, `ERROR`.
    pub severity: String,
    /// What it says.
    pub body: String,
    /// Its fields.
    pub attributes: BTreeMap<String, String>,
    /// The trace that it belongs to; empty if to none.
    pub trace_id: String,
    /// The span that it belongs to; empty if to none.
    pub span_id: String,
    /// The conventions that the names are of.
    pub schema_url: String,
}

impl Point {
    pub(super) fn series(&self) -> Series {
        (self.service.clone(), self.name.clone(), self.labels.clone())
    }
}

/// The points of a metric.
pub(super) fn points(service: &str, schema_url: &str, metric: Metric) -> Vec<Point> {
    let point = |attributes: &[KeyValue], value: f64, exemplars: &[OtlpExemplar]| Point {
        service: service.to_owned(),
        name: metric.name.clone(),
        labels: pairs(attributes),
        value,
        exemplars: exemplars.iter().map(exemplar).collect(),
        schema_url: schema_url.to_owned(),
    };
    let number = |value: Option<number_data_point::Value>| match value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    };
    let numbers = match metric.data {
        Some(Data::Sum(sum)) => sum.data_points,
        Some(Data::Gauge(gauge)) => gauge.data_points,
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter();
            return points.map(|data| point(&data.attributes, data.count as f64, &data.exemplars)).collect();
        }
        other => panic!("{service} sends a metric of a kind that it has not: {other:?}"),
    };
    numbers.iter().map(|data| point(&data.attributes, number(data.value), &data.exemplars)).collect()
}

fn exemplar(exemplar: &OtlpExemplar) -> Exemplar {
    let value = match exemplar.value {
        Some(exemplar::Value::AsDouble(value)) => value,
        Some(exemplar::Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    };
    Exemplar { value, trace_id: hex(&exemplar.trace_id), span_id: hex(&exemplar.span_id) }
}

impl Line {
    pub(super) fn new(service: &str, schema_url: &str, line: LogRecord) -> Self {
        Self {
            service: service.to_owned(),
            severity: line.severity_text,
            body: text(line.body.as_ref()),
            attributes: pairs(&line.attributes),
            trace_id: hex(&line.trace_id),
            span_id: hex(&line.span_id),
            schema_url: schema_url.to_owned(),
        }
    }
}
