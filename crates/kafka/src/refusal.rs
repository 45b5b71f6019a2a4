//! Why no broker lets a client in. librdkafka tells it aside; the operations that fail by it only see that nobody answers.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::{Class, Error};

/// What a broker, or the client's own TLS, said last against this client.
#[derive(Debug, Default)]
pub(crate) struct Refusal(Mutex<Option<Said>>);

#[derive(Debug)]
struct Said {
    at: Instant,
    class: Class,
    reason: String,
}

/// How long it counts. librdkafka says the same again after 30 s.
const LASTS: Duration = Duration::from_mins(1);

const SIGN_IN: &str = "correct sasl.mechanism, sasl.username and sasl.password";
const TRUST: &str = "ssl.ca.location must name the authority (CA) that signed the brokers' certificates, and these must name the \
     host as it is written in bootstrap.servers";
const OWN_CERTIFICATE: &str = "the brokers want a certificate of this client that they trust (ssl.certificate.location, \
     ssl.key.location)";
const PROTOCOL: &str = "correct security.protocol, unless the broker is only starting or stopping";

impl Refusal {
    /// Takes in an error that concerns the whole client.
    pub(crate) fn hear(&self, error: &KafkaError, reason: &str) {
        use RDKafkaErrorCode as Code;
        let (class, to_do) = match error.rdkafka_error_code() {
            _ if is_of_the_moment(reason) => return self.set(None),
            // Without an answer of the broker it is none of its refusals, though librdkafka calls it so.
            Some(Code::Authentication) if reason.contains("(n/a)") => return,
            Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism) => {
                (Class::Config, SIGN_IN)
            }
            Some(Code::SSL) => (Class::Config, TRUST),
            // The broker's own words against this client's TLS come when the connection seems to stand.
            Some(Code::BrokerTransportFailure)
                if reason.contains("SSL routines") && reason.contains("alert") =>
            {
                (Class::Config, OWN_CERTIFICATE)
            }
            _ if is_about_protocol(reason) => (Class::Infrastructure, PROTOCOL),
            // What was refused may be let in as soon as the broker is back.
            Some(Code::BrokerTransportFailure | Code::Resolve) => return self.set(None),
            _ => return,
        };
        self.say(class, reason, to_do);
    }

    /// Takes in a log line: that a connection has ended too early is told in no other way.
    pub(crate) fn read(&self, facility: &str, message: &str) {
        if facility == "FAIL" && is_about_protocol(message) {
            let message = message.split_once("]: ").map_or(message, |(_thread, message)| message);
            self.say(Class::Infrastructure, message, PROTOCOL);
        }
    }

    fn say(&self, class: Class, reason: &str, to_do: &str) {
        let reason = format!("{}; {to_do}", plain(reason));
        self.set(Some(Said { at: now(), class, reason }));
    }

    /// An error that tells no more than that nobody answers, as what it is after what was said.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.with_said(error, |error, said| error.because(&said.reason, said.class))
    }

    /// The same where others may answer: only the words are changed.
    pub(crate) fn word(&self, error: Error) -> Error {
        self.with_said(error, |error, said| {
            let class = error.class();
            error.because(&said.reason, class)
        })
    }

    fn with_said(&self, error: Error, change: impl FnOnce(Error, &Said) -> Error) -> Error {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.as_ref().filter(|said| said.at.elapsed() < LASTS) {
            Some(said) if error.class() == Class::Infrastructure => change(error, said),
            _ => error,
        }
    }

    fn set(&self, said: Option<Said>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }
}

/// librdkafka's guess at connections that end too early, and what it makes of an alert of TLS.
fn is_about_protocol(reason: &str) -> bool {
    let is_early = ["in state APIVERSION_QUERY", "in state SSL_HANDSHAKE"];
    let marks = ["security.protocol", "PLAINTEXT broker listener", "Invalid response size"];
    let has = |mark: &&str| reason.contains(*mark);
    marks.iter().any(has) || (reason.contains("Disconnected") && is_early.iter().any(has))
}

/// What librdkafka files under TLS though it passes: connections that break in the handshake, and servers in trouble themselves.
fn is_of_the_moment(reason: &str) -> bool {
    ["SSL transport error", "alert internal error", "alert user cancel"]
        .iter()
        .any(|mark| reason.contains(mark))
}

/// Without the connection's name in front and how long it took behind, which change from one time to the next.
fn plain(reason: &str) -> &str {
    let reason = reason.rsplit_once(" (after ").map_or(reason, |(reason, _)| reason);
    reason.split_once(": ").map_or(reason, |(_, reason)| reason)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long ago something was said; decides nothing about records"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

    use super::Refusal;
    use crate::{Class, Error};

    /// What comes of an operation to which nobody answers, after librdkafka has said these things.
    fn told(said: &[(Code, &str)]) -> (Class, String) {
        let refusal = Refusal::default();
        for (code, reason) in said {
            refusal.hear(&KafkaError::Global(*code), reason);
        }
        let error = refusal.explain(Error::with_class("reach Kafka", "no answer", Class::Infrastructure));
        (error.class(), error.to_string())
    }

    /// A wrong password and a certificate of a stranger are for somebody to mend; the line says what, and does not change.
    #[test]
    fn a_refusal_is_told_with_what_to_do() {
        let wrong = "sasl_ssl://b:9093/bootstrap: SASL authentication error: invalid credentials (after 5ms in state AUTH_REQ)";
        let (class, text) = told(&[(Code::Authentication, wrong)]);
        assert_eq!(class, Class::Config);
        assert_eq!(
            text,
            "cannot reach Kafka: SASL authentication error: invalid credentials; correct sasl.mechanism, sasl.username and \
             sasl.password"
        );
        let (class, text) =
            told(&[(Code::SSL, "ssl://b:9093/1: SSL handshake failed: certificate verify failed")]);
        assert!(class == Class::Config && text.contains("ssl.ca.location"), "{text}");
        let alert = "ssl://b:9093/1: Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL alert \
                     number 116 (after 0ms in state APIVERSION_QUERY)";
        let (class, text) = told(&[(Code::BrokerTransportFailure, alert)]);
        assert!(class == Class::Config && text.contains("ssl.certificate.location"), "{text}");
    }

    /// A broker that goes away is waited for, whatever it said before, and whatever librdkafka makes of it.
    #[test]
    fn an_outage_is_no_refusal() {
        let away = "sasl_ssl://b:9093/1: Connect to ipv4#10.0.0.1:9093 failed: Connection refused (after 0ms in state CONNECT)";
        let torn = "sasl_ssl://b:9093/1: SASL PLAIN mechanism handshake failed: Local: Broker transport failure: broker's \
                    supported mechanisms: (n/a)";
        let outage = (Class::Infrastructure, "cannot reach Kafka: no answer".to_owned());
        assert_eq!(told(&[(Code::SSL, "ssl://b:1/1: x"), (Code::BrokerTransportFailure, away)]), outage);
        let broken = "ssl://b:1/1: SSL handshake failed: SSL transport error: Broken pipe (after 3ms in state SSL_HANDSHAKE)";
        assert_eq!(told(&[(Code::SSL, broken)]), outage);
        assert_eq!(
            told(&[(Code::Authentication, torn), (Code::AllBrokersDown, "1/1 brokers are down")]),
            outage
        );
    }

    /// Plain text to a listener of TLS may also be a broker that restarts: it is waited for, with what it may be.
    #[test]
    fn a_wrong_protocol_is_waited_for() {
        let torn = "[thrd:b:9093/bootstrap]: b:9093/bootstrap: Disconnected: requesting ApiVersion: might be caused by \
                    incorrect security.protocol configuration (connecting to a SSL listener?) (after 2ms in state \
                    APIVERSION_QUERY)";
        let refusal = Refusal::default();
        refusal.read("FAIL", torn);
        let error = refusal.explain(Error::with_class("reach Kafka", "no answer", Class::Infrastructure));
        let text = error.to_string();
        assert!(text.starts_with("cannot reach Kafka: Disconnected: requesting"), "{text}");
        assert!(
            error.class() == Class::Infrastructure && text.contains("connecting to a SSL listener?"),
            "{text}"
        );
    }
}
