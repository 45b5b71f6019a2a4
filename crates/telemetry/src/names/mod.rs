//! Every name by which this project is observed: metrics and their labels, spans, attributes.
//!
//! They follow OpenTelemetry's semantic conventions as of [`SEMCONV`]: [messaging], [database], [HTTP] and [SDK]. What these lack has
//! the prefix `turnpike`; what Kafka Connect has a name for stands under that name as well.
//!
//! [messaging]: https://opentelemetry.io/docs/specs/semconv/messaging/
//! [database]: https://opentelemetry.io/docs/specs/semconv/database/
//! [HTTP]: https://opentelemetry.io/docs/specs/semconv/http/
//! [SDK]: https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/

mod attributes;
mod connect;
mod metrics;
pub mod spans;

pub use attributes::*;
pub use connect::*;
pub use metrics::*;

/// The version of the conventions.
pub const SEMCONV: &str = "1.45.0";
/// The same as the schema that spans, metrics and logs name.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.45.0";
