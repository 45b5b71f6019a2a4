//! The memory of containers, as whoever started them tells it. Pure.

/// Parts of a container's name that are not of the core stack: observability, feeds, and commands that end by themselves.
const BESIDE: [&str; 4] = ["prometheus", "grafana", "feed", "run"];

/// A container with the memory that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    /// Its name, as `turnpike-kafka-1`.
    pub(super) name: String,
    /// Memory in bytes.
    pub(super) bytes: u64,
}

impl Container {
    /// Whether it is a part of what must run.
    pub(super) fn is_core(&self) -> bool {
        !self.name.split(['-', '_']).any(|part| BESIDE.contains(&part))
    }
}

/// Reads `NAME<TAB>BYTES` or `NAME<TAB>412.3MiB / 1GiB`, a container a line. One that has ended uses nothing, which Docker tells as
/// `--`.
pub(super) fn parse(text: &str) -> Result<Vec<Container>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let wrong = || format!("{line:?} is not NAME<TAB>BYTES or NAME<TAB>412.3MiB / 1GiB");
            let (name, usage) = line.trim().split_once(char::is_whitespace).ok_or_else(wrong)?;
            let used = usage.split('/').next().unwrap_or_default().trim();
            let bytes = if used == "--" { 0 } else { bytes(used).ok_or_else(wrong)? };
            Ok(Container { name: name.to_owned(), bytes })
        })
        .collect()
}

/// `412.3MiB`, `1.5GB`, `0B` or a number of bytes.
fn bytes(text: &str) -> Option<u64> {
    let unit = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some((number * factor as f64).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::{Container, bytes, parse};

    /// Both forms of a line; a container that has ended counts nothing.
    #[test]
    fn lines_are_read() {
        let text =
            "turnpike-kafka-1\t412.5MiB / 1GiB\n\nturnpike-mariadb-1\t1048576\nturnpike-topics-1\t-- / --\n";
        let container = |name: &str, bytes| Container { name: name.to_owned(), bytes };
        let expected = [
            container("turnpike-kafka-1", 432_537_600),
            container("turnpike-mariadb-1", 1 << 20),
            container("turnpike-topics-1", 0),
        ];
        assert_eq!(parse(text).expect("lines"), expected);
        assert_eq!(parse(""), Ok(vec![]));
    }

    /// Docker's units are of both kinds, powers of ten and of two.
    #[test]
    fn units_are_read() {
        let all = ["7", "7B", "7kB", "7KiB", "1.5MB", "1.5MiB", "2GB", "2GiB"].map(bytes);
        let expected = [7, 7, 7_000, 7_168, 1_500_000, 1_572_864, 2_000_000_000, 2_147_483_648];
        assert_eq!(all, expected.map(Some));
    }

    /// What is no such line is told as it stands.
    #[test]
    fn other_lines_are_refused() {
        for line in ["turnpike-kafka-1", "kafka\tmuch", "kafka\t1.2.3MiB", "kafka\t5 potatoes", "kafka\t"] {
            let error = parse(line).expect_err("refused");
            assert!(error.starts_with(&format!("{line:?}")), "{error}");
        }
    }

    /// Observability, feeds and one-off commands are no part of the core.
    #[test]
    fn the_core_is_told_apart() {
        let is_core = |name: &str| Container { name: name.to_owned(), bytes: 1 }.is_core();
        for name in ["turnpike-kafka-1", "turnpike-toll-generator-2", "turnpike-schema-registry-1"] {
            assert!(is_core(name), "{name}");
        }
        for name in
            ["turnpike-grafana-1", "turnpike-prometheus-1", "turnpike-feed-1", "turnpike-turnpike-run-0a1b2c"]
        {
            assert!(!is_core(name), "{name}");
        }
    }
}
