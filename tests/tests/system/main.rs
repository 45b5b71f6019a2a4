//! Suites on the whole system: a real Kafka broker, a private MariaDB, a registry, and the services as processes.

mod clean_run;
mod command_line;
mod kills;
mod malformed;
mod outages;
mod refusals;
mod signals;
