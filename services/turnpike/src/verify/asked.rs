//! What is asked of the system: the values of the command line. Pure.

use std::str::FromStr;

use simulation::faults::{Kind, Outcome, Shares};

use super::containers::Container;

/// What the system must live up to.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// Records that are made wrong on purpose, if that was told.
    pub(super) faults: Option<Faults>,
    /// The services that must be ready.
    pub(super) services: Vec<Address>,
    /// What all their processes together may use, in MiB.
    pub(super) services_memory_limit_mib: u64,
    /// The containers, if they were told.
    pub(super) containers: Option<Vec<Container>>,
    /// What those of the core may use, in MiB.
    pub(super) stack_memory_limit_mib: u64,
    /// Seconds from the start to the first row, if they were measured.
    pub(super) first_row_seconds: Option<f64>,
    /// How many they may be.
    pub(super) first_row_limit_seconds: f64,
    /// Where a browser finds Jaeger; `None` if no trace is asked for.
    pub(super) jaeger_link: Option<String>,
}

impl Asked {
    /// Whether a service is among those that must be ready.
    pub(super) fn names(&self, service: &str) -> bool {
        self.services.iter().any(|address| address.name == service)
    }
}

/// The share of records that the generators make wrong, in their own words; `none` for none, a share alone is of all kinds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Faults(Shares);

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = match text.trim() {
            "" | "none" => String::new(),
            text if text.contains('=') => text.to_owned(),
            share => format!("all={share}"),
        };
        text.parse().map(Self).map_err(|error: simulation::ParseError| error.to_string())
    }
}

impl Faults {
    /// The share of records that must become dead letters, as far as that is the same for all streams.
    pub(super) fn refused_share(&self) -> f64 {
        let is_dead = |kind: &Kind| matches!(kind.outcome(), Outcome::Refused(_) | Outcome::Repeated);
        Kind::ALL.into_iter().filter(is_dead).map(|kind| self.0.of(kind)).sum()
    }
}

/// A service's HTTP port, as `validator:8080` or `validator=localhost:18080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// What it is called.
    pub(super) name: String,
    /// Host and port; behind a host's name there may be several processes.
    pub(super) place: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = || "NAME=HOST:PORT, or HOST:PORT if the host has the service's name".to_owned();
        let (name, place) =
            text.trim().split_once('=').map_or((None, text.trim()), |(name, place)| (Some(name), place));
        let (host, port) = place.rsplit_once(':').ok_or_else(wanted)?;
        let name = name.unwrap_or(host);
        if host.is_empty() || name.is_empty() || port.parse::<u16>().is_err() {
            return Err(wanted());
        }
        Ok(Self { name: name.to_owned(), place: place.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Faults};

    /// The generators' own form, a share alone, and none; kinds that are only flagged make no dead letters.
    #[test]
    fn faults_are_understood() {
        let share = |text: &str| {
            text.parse::<Faults>().map(|faults| (faults.refused_share() * 1_000.0).round() as u64)
        };
        for (text, thousandths) in [
            ("all=12%", 110),
            ("12%", 110),
            ("none", 0),
            ("", 0),
            ("0", 0),
            ("old_time=5%", 0),
            ("duplicate=1%", 10),
        ] {
            assert_eq!(share(text), Ok(thousandths), "{text}");
        }
        assert!(share("much").is_err() && share("late=1%").is_err() && share("500%").is_err());
    }

    /// A host in a network of containers has the service's name; elsewhere the name is given.
    #[test]
    fn addresses_are_understood() {
        let address =
            |name: &str, place: &str| Ok(Address { name: name.to_owned(), place: place.to_owned() });
        assert_eq!("validator:8080".parse(), address("validator", "validator:8080"));
        assert_eq!("writer=127.0.0.1:18080".parse(), address("writer", "127.0.0.1:18080"));
        assert_eq!("a=[::1]:80".parse(), address("a", "[::1]:80"));
        for text in ["validator", "=a:1", "a=:1", "a:port", "", "a=b"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
