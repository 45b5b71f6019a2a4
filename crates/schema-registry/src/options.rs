//! Where the registry is, how to sign in, and whom to trust there, as flags and environment.

use std::{fmt, fs, time::Duration};

use reqwest::{Certificate, ClientBuilder, Identity};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use serde::{Serialize, Serializer};
use service::Secret;

use crate::Error;

/// Where the registry is and how to sign in.
#[expect(clippy::struct_field_names, reason = "the fields are flags beside those of other parts")]
#[derive(Debug, Clone, Serialize, clap::Args)]
#[command(next_help_heading = "Schema Registry")]
pub struct Options {
    /// Address of the Schema Registry.
    #[arg(
        long,
        env = "TURNPIKE_SCHEMA_REGISTRY_URL",
        default_value = "http://localhost:8081",
        value_name = "URL",
        value_parser = without_password
    )]
    pub schema_registry_url: String,
    /// User for basic authentication.
    #[arg(long, env = "TURNPIKE_SCHEMA_REGISTRY_USER", value_name = "NAME")]
    pub schema_registry_user: Option<String>,
    /// Password for basic authentication.
    #[arg(long, env = "TURNPIKE_SCHEMA_REGISTRY_PASSWORD", value_name = "SECRET")]
    pub schema_registry_password: Option<Secret>,
    /// Certificates (PEM) of the authorities (CA) to trust at https://, in place of the system's.
    #[arg(
        long,
        env = "TURNPIKE_SCHEMA_REGISTRY_SSL_CA_LOCATION",
        value_name = "FILE",
        value_parser = authorities
    )]
    pub schema_registry_ssl_ca_location: Option<Pem>,
    /// A certificate (PEM) of this client, for a registry that asks for one.
    #[arg(
        long,
        env = "TURNPIKE_SCHEMA_REGISTRY_SSL_CERTIFICATE_LOCATION",
        value_name = "FILE",
        requires = "schema_registry_ssl_key_location",
        value_parser = certificate
    )]
    pub schema_registry_ssl_certificate_location: Option<Pem>,
    /// The key (PEM, without a password) of that certificate.
    #[arg(
        long,
        env = "TURNPIKE_SCHEMA_REGISTRY_SSL_KEY_LOCATION",
        value_name = "FILE",
        requires = "schema_registry_ssl_certificate_location",
        value_parser = key
    )]
    pub schema_registry_ssl_key_location: Option<Pem>,
}

/// A file of certificates or a key, read once; only its path is shown. Without a path it is no file.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    path: String,
    content: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Serialize for Pem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.path)
    }
}

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

impl Options {
    /// A registry at this address that lets everybody in.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            schema_registry_url: url.into(),
            schema_registry_user: None,
            schema_registry_password: None,
            schema_registry_ssl_ca_location: None,
            schema_registry_ssl_certificate_location: None,
            schema_registry_ssl_key_location: None,
        }
    }

    /// What an HTTP client needs to reach the registry.
    pub fn client(&self) -> Result<ClientBuilder, Error> {
        let failed = |error: reqwest::Error| Error::setup(error.to_string());
        let mut client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy();
        if let Some(ca) = given(self.schema_registry_ssl_ca_location.as_ref()) {
            client = client.tls_certs_only(Certificate::from_pem_bundle(&ca.content).map_err(failed)?);
        }
        let own = given(self.schema_registry_ssl_certificate_location.as_ref())
            .zip(given(self.schema_registry_ssl_key_location.as_ref()));
        if let Some((certificate, key)) = own {
            let both = [&*key.content, b"\n", &*certificate.content].concat();
            client = client.identity(Identity::from_pem(&both).map_err(failed)?);
        }
        Ok(client)
    }

    pub(crate) fn settings(&self) -> Result<SrSettings, Error> {
        let mut builder = SrSettings::new_builder(self.schema_registry_url.trim_end_matches('/').to_owned());
        builder.set_timeout(REQUEST_TIMEOUT).no_proxy();
        if let Some(user) = &self.schema_registry_user {
            let password = self.schema_registry_password.as_ref().map(Secret::expose);
            builder.set_basic_authorization(user, password);
        }
        builder.build_with(self.client()?).map_err(|error| Error::new("set up the client", &error))
    }
}

fn given(pem: Option<&Pem>) -> Option<&Pem> {
    pem.filter(|pem| !pem.path.is_empty())
}

/// What a service shows of its configuration must not hold a password.
fn without_password(url: &str) -> Result<String, String> {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    match authority {
        None => Err("an address such as http://localhost:8081".to_owned()),
        Some(authority) if authority.contains('@') => {
            Err("an address without user and password, which have flags of their own".to_owned())
        }
        Some(_) => Ok(url.to_owned()),
    }
}

fn authorities(path: &str) -> Result<Pem, String> {
    let pem = read(path)?;
    let certificates = Certificate::from_pem_bundle(&pem.content).map_err(|error| error.to_string())?;
    if certificates.is_empty() && !path.is_empty() {
        return Err("it holds no certificate in PEM".to_owned());
    }
    Ok(pem)
}

fn certificate(path: &str) -> Result<Pem, String> {
    holding("CERTIFICATE-----", path)
}

fn key(path: &str) -> Result<Pem, String> {
    holding("PRIVATE KEY-----", path)
}

fn holding(mark: &str, path: &str) -> Result<Pem, String> {
    let pem = read(path)?;
    let holds = pem.content.windows(mark.len()).any(|part| part == mark.as_bytes());
    if holds || path.is_empty() { Ok(pem) } else { Err(format!("it holds no PEM with {mark}")) }
}

fn read(path: &str) -> Result<Pem, String> {
    let content = if path.is_empty() { Ok(Vec::new()) } else { fs::read(path) };
    let content = content.map_err(|error| format!("it cannot be read: {error}"))?;
    Ok(Pem { path: path.to_owned(), content })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::Options;

    #[derive(Debug, clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        let arguments = ["service"].iter().chain(arguments);
        CommandLine::try_parse_from(arguments).map(|line| line.options).map_err(|error| error.to_string())
    }

    /// Files that cannot be what they should be are refused at once; an empty name, as Compose gives it, is no file.
    #[test]
    fn files_are_read_at_the_start() {
        let ca = "--schema-registry-ssl-ca-location";
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (path, told) in [("no/such/file", "cannot be read"), (own, "no certificate")] {
            let refused = parse(&[ca, path]).expect_err("refused");
            assert!(refused.contains(told), "{refused}");
        }
        let refused = parse(&["--schema-registry-ssl-key-location", ""]).expect_err("refused");
        assert!(refused.contains("--schema-registry-ssl-certificate-location"), "{refused}");
        let options = parse(&[ca, ""]).expect("no file");
        assert!(options.client().is_ok());
    }
}
