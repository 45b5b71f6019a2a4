//! Suites on the whole system: a real Kafka broker, a private MariaDB, a registry, and the services as processes.

mod clean_run;
mod command_line;
mod dialects;
mod feeds;
mod kills;
mod log_styles;
mod malformed;
mod memory;
mod outages;
mod passport;
mod refusals;
mod security;
mod signals;
mod telemetry;
mod tolls;
mod traffic;
mod verify;
mod weather;
