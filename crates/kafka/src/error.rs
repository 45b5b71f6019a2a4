//! What can go wrong with Kafka, sorted by what to do about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A failed operation on Kafka.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation}: {reason}")]
pub struct Error {
    operation: String,
    reason: String,
    class: Class,
}

/// What to do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The cluster is away or busy: try again, for as long as it takes.
    Infrastructure,
    /// The transaction cannot be committed: abort it, go back to the committed offsets and do the work again.
    Abortable,
    /// Another instance has taken over this one's identity: stop.
    Fenced,
    /// The settings are wrong, or a right is missing: nothing will change until somebody changes them.
    Config,
    /// This record can never be sent.
    Data,
}

impl Class {
    /// In one word, as `error.type` of spans and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Abortable => "abortable",
            Self::Fenced => "fenced",
            Self::Config => "config",
            Self::Data => "data",
        }
    }
}

impl Error {
    pub(crate) fn new(operation: impl Into<String>, source: &KafkaError) -> Self {
        let reason = match source.rdkafka_error_code() {
            _ if matches!(source, KafkaError::ClientConfig(..)) => set_reason(source),
            Some(code) => describe(source, code),
            None => source.to_string(),
        };
        Self { operation: operation.into(), reason, class: classify(source) }
    }

    pub(crate) fn with_class(operation: impl Into<String>, reason: impl Into<String>, class: Class) -> Self {
        Self { operation: operation.into(), reason: reason.into(), class }
    }

    /// The same failure for a better reason.
    pub(crate) fn because(self, reason: &str, class: Class) -> Self {
        Self { reason: reason.to_owned(), class, ..self }
    }

    pub(crate) fn reclassed(self, class: Class) -> Self {
        Self { class, ..self }
    }

    /// What to do about it.
    pub fn class(&self) -> Class {
        self.class
    }
}

/// Properties of Java's clients, and what librdkafka has in their place.
const OF_JAVA: [(&str, &str); 9] = [
    ("sasl.jaas.config", "sasl.username and sasl.password"),
    ("ssl.truststore.location", "ssl.ca.location, a file of PEM"),
    ("ssl.truststore.certificates", "ssl.ca.pem"),
    ("ssl.truststore.password", "ssl.ca.location, a file of PEM, which has no password"),
    ("ssl.truststore.type", "ssl.ca.location, a file of PEM"),
    ("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    ("ssl.keystore.key", "ssl.key.pem"),
    (
        "ssl.keystore.type",
        "ssl.certificate.location and ssl.key.location (PEM), or ssl.keystore.location (PKCS#12)",
    ),
    ("sasl.login.callback.handler.class", "sasl.mechanism=PLAIN or SCRAM-SHA-512"),
];

/// Why a property cannot be set: in librdkafka's words, which name the key, and not with the value, which may be a secret.
pub(crate) fn set_reason(source: &KafkaError) -> String {
    let KafkaError::ClientConfig(_, description, key, _) = source else { return source.to_string() };
    match OF_JAVA.iter().find(|(java, _)| java == key) {
        Some((java, instead)) => format!("{java} is for Java's clients; librdkafka has {instead}"),
        None => description.clone(),
    }
}

fn describe(source: &KafkaError, code: RDKafkaErrorCode) -> String {
    match source {
        KafkaError::Transaction(error) => error.string(),
        _ => format!("{code} ({code:?})"),
    }
}

fn classify(source: &KafkaError) -> Class {
    if let KafkaError::Transaction(error) = source {
        return if matches!(error.code(), RDKafkaErrorCode::Fenced | RDKafkaErrorCode::InvalidProducerEpoch)
            || error.is_fatal()
        {
            Class::Fenced
        } else if error.txn_requires_abort() {
            Class::Abortable
        } else {
            code_class(error.code())
        };
    }
    match source {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Subscription(_) => {
            Class::Config
        }
        _ => source.rdkafka_error_code().map_or(Class::Infrastructure, code_class),
    }
}

/// Unknown codes count as infrastructure: waiting loses nothing, giving up might.
pub(crate) fn code_class(code: RDKafkaErrorCode) -> Class {
    use RDKafkaErrorCode as Code;
    match code {
        Code::MessageSizeTooLarge | Code::InvalidMessage | Code::InvalidMessageSize => Class::Data,
        Code::Fenced | Code::ProducerFenced | Code::FencedInstanceId | Code::Fatal => Class::Fenced,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication
        | Code::InvalidTopic
        | Code::InvalidReplicationFactor
        | Code::InvalidPartitions
        | Code::InvalidConfig
        | Code::PolicyViolation
        | Code::InvalidArgument
        | Code::UnsupportedSASLMechanism => Class::Config,
        _ => Class::Infrastructure,
    }
}
