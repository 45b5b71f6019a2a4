//! The whole system on this machine, for the suites in `tests/system`: a stack, the services as their own processes,
//! and an oracle that says what a seed's records must have become.
//!
//! Only one [`Pipeline`] runs at a time in a process; tests wait for each other.

#![expect(clippy::missing_panics_doc, reason = "a harness fails its test by panicking")]

mod cases;
mod command;
mod conventions;
mod expected;
mod http;
mod jaeger;
pub mod otlp;
mod pipeline;
mod python;
mod secured;
mod send;
mod slow;
mod topic;
pub mod traced;
mod wait;

pub use cases::{Case, Fate, Stream, await_cases};
pub use command::Said;
pub use conventions::{assert_conventions, assert_metrics};
pub use expected::{Expected, Run, Sent, TollRow, toll_row};
pub use http::{get, http_address, metrics};
pub use jaeger::{jaeger_services, jaeger_settled};
pub use pipeline::{Pipeline, Service, assert_drains, executable, outage_lasts, root};
pub use python::{Producer, parse_openmetrics};
pub use secured::Secured;
pub use slow::SlowWay;
pub use topic::{Read, read_topic};
pub use wait::{PATIENCE, eventually};
