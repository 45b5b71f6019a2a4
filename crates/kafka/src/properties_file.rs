//! A file of properties, as Kafka's own tools take it: secrets stand there, and on no command line or environment.

use std::{fs, str::FromStr};

use rdkafka::ClientConfig;
use serde::{Serialize, Serializer};

use crate::{Property, error::set_reason};

/// What a file says: `key=value` on each line, as it stands; `#` or `!` begins a comment. It is shown by its path alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertiesFile {
    path: String,
    pub(crate) properties: Vec<Property>,
}

impl FromStr for PropertiesFile {
    type Err = String;

    /// Reads the file of this path; the empty path stands for no file.
    fn from_str(path: &str) -> Result<Self, Self::Err> {
        if path.is_empty() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))?;
        Ok(Self { path: path.to_owned(), properties: parse(&text)? })
    }
}

impl Serialize for PropertiesFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.path)
    }
}

/// What is wrong is told by its line, and never with the line's text, which may hold a secret.
fn parse(text: &str) -> Result<Vec<Property>, String> {
    let lines = text.lines().map(str::trim).zip(1..);
    let written = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with(['#', '!']));
    written
        .map(|(line, number)| {
            let property: Property = line.parse().map_err(|reason| format!("line {number}: {reason}"))?;
            check(&property).map_err(|reason| format!("line {number}: {reason}"))?;
            Ok(property)
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "only to ask whether librdkafka takes the property; no client")]
fn check(property: &Property) -> Result<(), String> {
    let mut config = ClientConfig::new();
    let set = config.set(&property.key, &property.value).create_native_config();
    set.map(drop).map_err(|error| set_reason(&error))
}

#[cfg(test)]
mod tests {
    use super::{PropertiesFile, parse};

    /// Comments, blank lines and blanks around `=` are no matter; all else of a value counts, also a backslash or `#`.
    #[test]
    fn properties_are_read_as_they_stand() {
        let text = "# Turnpike\r\n\n security.protocol = SASL_SSL\r\n! old\nsasl.password=a=b\\#c,d\n";
        let properties = parse(text).expect("parses");
        let pairs: Vec<_> = properties.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
        assert_eq!(pairs, [("security.protocol", "SASL_SSL"), ("sasl.password", "a=b\\#c,d")]);
    }

    /// What is wrong is told with its line and what to write instead, and without a secret.
    #[test]
    fn mistakes_are_told_by_line() {
        let jaas = "sasl.jaas.config=org.apache.kafka.x required password=\"s3cret\";";
        for (text, parts) in [
            ("a", &["line 1", "key=value"][..]),
            ("\n# c\nsasl.pasword=s3cret", &["line 3", "sasl.pasword"]),
            ("security.protocol=TLS", &["line 1", "security.protocol", "TLS"]),
            (jaas, &["sasl.jaas.config", "sasl.username and sasl.password"]),
            ("ssl.truststore.location=/x.jks", &["ssl.truststore.location", "ssl.ca.location"]),
            ("ssl.keystore.type=PEM", &["ssl.keystore.type", "ssl.certificate.location"]),
        ] {
            let told = parse(text).expect_err("refused");
            assert!(parts.iter().all(|part| told.contains(part)) && !told.contains("s3cret"), "{told}");
        }
    }

    /// The empty path, as an unset variable in a Compose file gives it, is no file; a path that leads nowhere is refused.
    #[test]
    fn a_file_may_be_left_out() {
        assert_eq!("".parse(), Ok(PropertiesFile::default()));
        assert!("no/such/file".parse::<PropertiesFile>().is_err_and(|told| told.contains("cannot be read")));
    }
}
