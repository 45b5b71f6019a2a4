//! Traces, metrics and logs over OTLP: what every service sends, how the spans of a record hang together, and what becomes
//! of the records when nobody takes any of it.

mod away;
mod complete;
mod edges;
mod matrix;
mod sampling;
mod waiting;
