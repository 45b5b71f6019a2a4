//! What librdkafka says of itself, at a level where it does not drown what the services say.

use rdkafka::{config::RDKafkaLogLevel, error::KafkaError};

use crate::refusal::Refusal;

/// Where librdkafka's own lines go in the log.
const TARGET: &str = "librdkafka";

/// A log line of the client. Broken connections come tens of times a second while a broker is away, and are told once
/// by whoever waits for it; so they, like everything below a warning, are for debugging.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let is_connection = matches!(facility, "FAIL" | "ERROR" | "CONNFAIL");
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
            if !is_connection =>
        {
            tracing::error!(target: TARGET, facility, "{message}");
        }
        RDKafkaLogLevel::Warning if !is_connection => tracing::warn!(target: TARGET, facility, "{message}"),
        _ => tracing::debug!(target: TARGET, facility, "{message}"),
    }
}

/// An error that concerns the whole client; the next operation fails with it and tells it.
pub(crate) fn error(error: &KafkaError, reason: &str) {
    tracing::debug!(target: TARGET, %error, "{reason}");
}

/// Gives a client's context the two methods above; what brokers have against the client is kept in its `refusal`.
macro_rules! quiet {
    () => {
        fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
            self.refusal.read(facility, message);
            crate::logging::log(level, facility, message);
        }

        fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
            self.refusal.hear(&error, reason);
            crate::logging::error(&error, reason);
        }
    };
}
pub(crate) use quiet;

/// The context of clients that need no other.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    pub(crate) refusal: Refusal,
}

impl rdkafka::ClientContext for Quiet {
    quiet!();
}

impl rdkafka::consumer::ConsumerContext for Quiet {}
