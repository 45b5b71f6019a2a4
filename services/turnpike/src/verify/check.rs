//! A check with its outcome, and the card of all of them. Pure.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use service::Error;

/// Columns of the card before what a check says.
const NAME_COLUMNS: usize = 16;

/// One thing that is proved, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What is looked at.
    pub(super) name: &'static str,
    /// What came out.
    pub(super) state: State,
    /// The figures, or what is missing.
    pub(super) says: String,
    /// What to do about it, where it is not met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is proved.
    Met,
    /// Not yet; a little later it may be. At the end it falls short.
    Pending,
    /// It falls short, and waiting mends nothing.
    Short,
    /// Nobody asked for it, or gave the figures.
    NotAsked,
}

impl State {
    fn mark(self) -> char {
        match self {
            Self::Met => '✓',
            Self::Pending | Self::Short => '✗',
            Self::NotAsked => '–',
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Pending | Self::Short => "falls short",
            Self::NotAsked => "not asked",
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl Check {
    /// It is proved.
    pub(super) fn met(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, state: State::Met, says: says.into(), next: None }
    }

    /// It is not proved yet.
    pub(super) fn pending(name: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, state: State::Pending, says: says.into(), next: Some(next.into()) }
    }

    /// It falls short.
    pub(super) fn short(name: &'static str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name, state: State::Short, says: says.into(), next: Some(next.into()) }
    }

    /// Nobody asked.
    pub(super) fn not_asked(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, state: State::NotAsked, says: says.into(), next: None }
    }

    /// Whether it falls short as it stands.
    pub(super) fn falls_short(&self) -> bool {
        matches!(self.state, State::Pending | State::Short)
    }

    /// Whether time may mend it.
    pub(super) fn is_pending(&self) -> bool {
        self.state == State::Pending
    }
}

/// Whether nothing falls short.
pub(super) fn is_verified(checks: &[Check]) -> bool {
    !checks.iter().any(Check::falls_short)
}

/// A line for each check, below it what to do where it falls short, and the verdict.
pub(super) fn card(checks: &[Check], seconds: f64) -> String {
    let mut text = String::new();
    let indent = " ".repeat(NAME_COLUMNS + 2);
    for Check { name, state, says, next } in checks {
        let says = says.replace('\n', &format!("\n{indent}"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {name:<NAME_COLUMNS$}{says}", state.mark());
        if let Some(next) = next {
            let _ = writeln!(text, "{indent}next: {next}");
        }
    }
    let count = |wanted: fn(&Check) -> bool| checks.iter().filter(|check| wanted(check)).count();
    let (short, met) = (count(Check::falls_short), count(|check| check.state == State::Met));
    let not_asked = match count(|check| check.state == State::NotAsked) {
        0 => String::new(),
        checks => format!(", {checks} not asked"),
    };
    let verdict =
        if short == 0 { "verified".to_owned() } else { format!("falls short: {}", of_short(checks)) };
    let _ = write!(text, "{verdict} ({met} of {} checks met{not_asked}, {seconds:.1} s)", met + short);
    text
}

/// The names of the checks that fall short, each once.
pub(super) fn of_short(checks: &[Check]) -> String {
    let mut names: Vec<&str> =
        checks.iter().filter(|check| check.falls_short()).map(|check| check.name).collect();
    names.dedup();
    names.join(", ")
}

/// The card as it is sent to machines.
#[derive(Serialize)]
struct Shown<'c> {
    /// `verified` or `falls short`.
    state: &'static str,
    /// How long it took.
    seconds: f64,
    checks: &'c [Check],
}

/// One line of JSON: `state`, `seconds`, `checks`.
pub(super) fn as_json(checks: &[Check], seconds: f64) -> Result<String, Error> {
    let state = if is_verified(checks) { "verified" } else { "falls short" };
    serde_json::to_string(&Shown { state, seconds, checks }).map_err(Error::failed)
}

#[cfg(test)]
mod tests {
    use super::{Check, as_json, card, is_verified};

    fn checks() -> Vec<Check> {
        vec![
            Check::met("topics", "9 topics"),
            Check::short(
                "ledger",
                "out of balance: one\nout of balance: two",
                "turnpike ledger --partitions",
            ),
            Check::pending("rows", "a: none", "look"),
            Check::pending("rows", "b: none", "look"),
            Check::not_asked("first row", "not measured"),
        ]
    }

    /// A line a check; what falls short is told with what to do, and named in the verdict once.
    #[test]
    fn the_card_has_a_line_a_check() {
        assert_eq!(
            card(&checks(), 3.21),
            "✓ topics          9 topics\n\
             ✗ ledger          out of balance: one\n                  out of balance: two\n                  \
             next: turnpike ledger --partitions\n\
             ✗ rows            a: none\n                  next: look\n\
             ✗ rows            b: none\n                  next: look\n\
             – first row       not measured\n\
             falls short: ledger, rows (1 of 4 checks met, 1 not asked, 3.2 s)"
        );
        assert!(!is_verified(&checks()));
        assert!(card(&checks()[..1], 0.0).ends_with("verified (1 of 1 checks met, 0.0 s)"));
    }

    /// What was not asked for proves nothing and fails nothing.
    #[test]
    fn not_asked_is_no_failure() {
        assert!(is_verified(&checks()[4..]));
    }

    /// Machines get state and figures of each.
    #[test]
    fn json_has_every_check() {
        let json: serde_json::Value =
            serde_json::from_str(&as_json(&checks(), 1.5).expect("JSON")).expect("parses");
        assert_eq!((&json["state"], &json["seconds"]), (&"falls short".into(), &1.5.into()));
        assert_eq!(json["checks"][1]["next"], "turnpike ledger --partitions");
        assert_eq!(json["checks"][2]["state"], "falls short");
        assert_eq!(json["checks"][4]["state"], "not asked");
    }
}
