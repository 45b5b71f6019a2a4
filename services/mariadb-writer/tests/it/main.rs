//! The writer's executable against a real Kafka, a real MariaDB and a small registry: what is stored, what is set aside,
//! and what becomes of either when something breaks. All tests share one stack; those that break it run alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

mod configuration;
mod data_errors;
mod dead_letters;
mod outages;
mod proxy;
mod stop;
mod support;
mod telemetry;
mod transforms;
