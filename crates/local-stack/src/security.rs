//! A stack that lets in only those who sign in, over TLS: for tests of clients against servers set up so.

use std::{fmt, path::PathBuf};

use crate::{Error, files};

/// What a stack is secured by. Its broker and registry know one user; MariaDB's users must come over TLS.
///
/// All files are PEM. Servers are called `localhost`; their plain ports are for the stack's own needs.
#[derive(Clone)]
pub struct Security {
    /// The servers' certificate.
    pub certificate: PathBuf,
    /// Its key, as PKCS#8.
    pub key: PathBuf,
    /// The authority whose certificates clients may sign in with.
    pub ca: PathBuf,
    /// Who may sign in to Kafka and to the registry.
    pub user: String,
    /// By this password.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The ports of a broker's secured listeners.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Clients sign in by password (SASL), over TLS.
    pub(crate) password: u16,
    /// Clients sign in by certificate (mutual TLS).
    pub(crate) certificate: u16,
}

impl Security {
    /// Settings of a broker that win over those before them: two more listeners.
    pub(crate) fn broker_settings(&self, port: u16, controller_port: u16, ports: Ports) -> String {
        let Self { user, password, .. } = self;
        let Ports { password: by_password, certificate: by_certificate } = ports;
        format!(
            "\
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},PASSWORD://127.0.0.1:{by_password},\\
 CERTIFICATE://127.0.0.1:{by_certificate}
advertised.listeners=BROKER://127.0.0.1:{port},PASSWORD://localhost:{by_password},CERTIFICATE://localhost:{by_certificate}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,PASSWORD:SASL_SSL,CERTIFICATE:SSL
ssl.keystore.type=PEM
ssl.keystore.location=server.pem
ssl.truststore.type=PEM
ssl.truststore.location=ca.pem
listener.name.certificate.ssl.client.auth=required
listener.name.password.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.password.plain.sasl.jaas.config=\\
 org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";
listener.name.password.scram-sha-256.sasl.jaas.config=\\
 org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.password.scram-sha-512.sasl.jaas.config=\\
 org.apache.kafka.common.security.scram.ScramLoginModule required;
"
        )
    }

    /// The user as the storage of a new broker is given it.
    pub(crate) fn scram_users(&self) -> [String; 2] {
        let Self { user, password, .. } = self;
        ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .map(|mechanism| format!("{mechanism}=[name={user},password={password}]"))
    }

    /// Lays out the files that a broker is told of.
    pub(crate) fn lay_out(&self, folder: &std::path::Path) -> Result<(), Error> {
        let (key, certificate) = (files::read(&self.key)?, files::read(&self.certificate)?);
        files::write(&folder.join("server.pem"), &format!("{key}\n{certificate}"))?;
        files::write(&folder.join("ca.pem"), &files::read(&self.ca)?)
    }
}
