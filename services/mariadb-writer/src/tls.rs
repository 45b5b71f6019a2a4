//! TLS to the database, as the parameters of a JDBC URL ask for it.

use std::fs;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

/// What a URL says of TLS; without a word it is plain text, as for MariaDB Connector/J.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    mode: Mode,
    /// Certificates of authorities that are trusted beside the public ones.
    ca: Option<Vec<u8>>,
    /// The client's own certificate and key.
    certificate: Option<Vec<u8>>,
    key: Option<Key>,
}

/// MariaDB Connector/J's `sslMode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Disable,
    Trust,
    VerifyCa,
    VerifyFull,
}

/// A private key, which is not shown.
#[derive(Clone)]
struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Names that somebody means by ours, in small letters.
const SPELLINGS: [&str; 7] =
    ["sslmode", "ssl-mode", "serversslcert", "sslcert", "sslkey", "usessl", "requiressl"];

impl Tls {
    /// Takes a parameter in, if it is about TLS; an error is what is allowed.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "sslMode" => self.mode = mode(value)?,
            "serverSslCert" => self.ca = Some(read(name, value, "CERTIFICATE-----")?),
            "sslCert" => self.certificate = Some(read(name, value, "CERTIFICATE-----")?),
            "sslKey" => self.key = Some(Key(read(name, value, "PRIVATE KEY-----")?)),
            // Passed over, they would leave passwords and records in plain text.
            "useSsl" | "useSSL" | "requireSSL" => {
                return Err(format!("sslMode=verify-full in place of {name}"));
            }
            "trustStore" | "trustCertificateKeyStoreUrl" => {
                return Err(format!("serverSslCert=FILE of PEM in place of {name}"));
            }
            "keyStore" | "clientCertificateKeyStoreUrl" => {
                return Err(format!("sslCert=FILE and sslKey=FILE of PEM in place of {name}"));
            }
            _ if SPELLINGS.contains(&name.to_ascii_lowercase().as_str()) => {
                return Err(format!(
                    "sslMode, serverSslCert, sslCert or sslKey, written so, in place of {name}"
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses what would look safe and not be.
    pub(crate) fn check(&self) -> Result<(), String> {
        let verifies = matches!(self.mode, Mode::VerifyCa | Mode::VerifyFull);
        if self.ca.is_some() && !verifies {
            return Err("sslMode=verify-full (or verify-ca) beside serverSslCert".to_owned());
        }
        match (&self.certificate, &self.key) {
            (Some(_), Some(_)) if !self.is_used() => Err("an sslMode beside sslCert and sslKey".to_owned()),
            (Some(_), Some(_)) | (None, None) => Ok(()),
            _ => Err("sslCert and sslKey together".to_owned()),
        }
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_used(&self) -> bool {
        self.mode != Mode::Disable
    }

    /// The driver's options for it.
    pub(crate) fn apply(&self, options: MySqlConnectOptions) -> MySqlConnectOptions {
        let options = options.ssl_mode(match self.mode {
            Mode::Disable => MySqlSslMode::Disabled,
            Mode::Trust => MySqlSslMode::Required,
            Mode::VerifyCa => MySqlSslMode::VerifyCa,
            Mode::VerifyFull => MySqlSslMode::VerifyIdentity,
        });
        let options = match &self.ca {
            Some(ca) => options.ssl_ca_from_pem(ca.clone()),
            None => options,
        };
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(Key(key))) => {
                options.ssl_client_cert_from_pem(certificate).ssl_client_key_from_pem(key)
            }
            _ => options,
        }
    }
}

fn mode(value: &str) -> Result<Mode, String> {
    match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Ok(Mode::Disable),
        "trust" | "required" => Ok(Mode::Trust),
        "verify-ca" => Ok(Mode::VerifyCa),
        "verify-full" | "verify-identity" => Ok(Mode::VerifyFull),
        _ => Err("sslMode=disable, trust, verify-ca or verify-full".to_owned()),
    }
}

fn read(name: &str, path: &str, mark: &str) -> Result<Vec<u8>, String> {
    let refused = |why: String| format!("{name}=FILE with a PEM of -----BEGIN ...{mark} ({path}: {why})");
    let content = fs::read(path).map_err(|error| refused(error.to_string()))?;
    let holds = content.windows(mark.len()).any(|part| part == mark.as_bytes());
    if holds { Ok(content) } else { Err(refused("it has none".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::Tls;

    /// What is set, or why it is refused.
    fn tls(parameters: &[(&str, &str)]) -> Result<Tls, String> {
        let mut tls = Tls::default();
        parameters.iter().try_for_each(|(name, value)| tls.set(name, value))?;
        tls.check()?;
        Ok(tls)
    }

    /// What other drivers call otherwise, what is missing, and what would encrypt nothing is refused with what to write.
    #[test]
    fn nothing_is_plain_text_by_mistake() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (parameters, told) in [
            (&[("sslMode", "on")][..], "verify-full"),
            (&[("sslmode", "verify-full")], "written so"),
            (&[("useSsl", "true")], "sslMode=verify-full"),
            (&[("trustStore", "/x.jks")], "serverSslCert=FILE"),
            (&[("keyStore", "/x.p12")], "sslCert=FILE"),
            (&[("serverSslCert", "no/such/file")], "no/such/file"),
            (&[("serverSslCert", own)], "it has none"),
        ] {
            let refused = tls(parameters).expect_err("refused");
            assert!(refused.contains(told), "{refused}");
        }
        let unused = Tls { ca: Some(Vec::new()), ..Tls::default() };
        assert!(unused.check().is_err_and(|told| told.contains("sslMode=verify-full")));
        assert!(tls(&[("sslMode", "VERIFY_CA"), ("useBulkStmts", "true")]).is_ok_and(|tls| tls.is_used()));
        assert!(tls(&[]).is_ok_and(|tls| !tls.is_used()));
    }
}
