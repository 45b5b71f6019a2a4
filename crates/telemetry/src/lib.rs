//! What a service tells about itself: logs, metrics, and the one list of metric names.

mod histogram;
mod logs;
mod metrics;
pub mod names;

pub use histogram::Histogram;
pub use logs::{LogError, LogFilter, LogStyle, init_logs};
pub use metrics::{Counter, Gauge, Kind, Labels, Metric, Metrics, Quantiles, Sample, Snapshot, Unit};
