//! Faults on purpose: which records go wrong, in which way, and by which draw, the same on every run of a
//! seed.
//!
//! A [`Kind`] spoils either the event before it is encoded (each world knows how: [`World::spoil`](crate::World::spoil)),
//! or its bytes afterwards ([`spoil_frame`]), or it is a [`Kind::Duplicate`], which the sender makes by sending again.
//! What must become of each is its [`Outcome`].

use std::{fmt, str::FromStr};

use dead_letter::Reason;
use rand::{Rng as _, RngExt as _};

use crate::{Random, Seed, settings, settings::ParseError};

/// Bytes of the registry's framing before the Avro body: the zero byte and the schema id.
const FRAME_BYTES: usize = 5;

/// Words that stand for a missing value in real feeds.
pub(crate) const MISSING_WORDS: [&str; 3] = ["N/A", "mq", "Not Reported"];

/// A way in which a record goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The first byte is neither the framing's zero nor the start of any text.
    BadFraming,
    /// The framing names a schema that no registry has.
    UnknownSchemaId,
    /// The Avro body ends too early.
    Truncated,
    /// Bytes follow the Avro body.
    TrailingBytes,
    /// A number is outside its range.
    OutOfRange,
    /// A category is not in its list.
    UnknownCategory,
    /// Two fields cannot both be true.
    Contradiction,
    /// The event is said to be decades old.
    OldTime,
    /// The event is said to be years ahead.
    FutureTime,
    /// A mark for a missing value stands in a field, such as 65535 or `N/A`.
    Sentinel,
    /// A category is in its list, but in other capitals.
    WrongCase,
    /// An earlier record once more, byte for byte.
    Duplicate,
}

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 12;
    /// All kinds, in the order of their positions in tables.
    pub const ALL: [Kind; Self::COUNT] = [
        Self::BadFraming,
        Self::UnknownSchemaId,
        Self::Truncated,
        Self::TrailingBytes,
        Self::OutOfRange,
        Self::UnknownCategory,
        Self::Contradiction,
        Self::OldTime,
        Self::FutureTime,
        Self::Sentinel,
        Self::WrongCase,
        Self::Duplicate,
    ];

    /// The name as it stands in settings and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadFraming => "bad_framing",
            Self::UnknownSchemaId => "unknown_schema_id",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::OutOfRange => "out_of_range",
            Self::UnknownCategory => "unknown_category",
            Self::Contradiction => "contradiction",
            Self::OldTime => "old_time",
            Self::FutureTime => "future_time",
            Self::Sentinel => "sentinel",
            Self::WrongCase => "wrong_case",
            Self::Duplicate => "duplicate",
        }
    }

    /// What becomes of such a record, where the stream's own contract does not say otherwise
    /// ([`World::outcome`](crate::World::outcome)).
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::BadFraming => Outcome::Refused(Reason::NotFramed),
            Self::UnknownSchemaId => Outcome::Refused(Reason::UnknownSchema),
            Self::Truncated => Outcome::Refused(Reason::Undecodable),
            Self::TrailingBytes => Outcome::Refused(Reason::TrailingBytes),
            Self::OutOfRange => Outcome::Refused(Reason::OutOfRange),
            Self::UnknownCategory => Outcome::Refused(Reason::UnknownCategory),
            Self::Contradiction => Outcome::Refused(Reason::Contradiction),
            Self::OldTime => Outcome::Flagged(Reason::ImplausibleTime),
            Self::FutureTime => Outcome::Refused(Reason::ImplausibleTime),
            Self::Sentinel => Outcome::Refused(Reason::Sentinel),
            Self::WrongCase => Outcome::Refused(Reason::WrongCase),
            Self::Duplicate => Outcome::Repeated,
        }
    }
}

/// What must become of a record that was spoiled on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The validator sets it aside with this reason.
    Refused(Reason),
    /// It passes and is stored, flagged with this reason.
    Flagged(Reason),
    /// It passes like the good record that it repeats; a table that is unique by event refuses it as
    /// [`Reason::DuplicateKey`].
    Repeated,
}

/// The share of records, 0 to 1, that goes wrong in each way; together at most 1. By default none.
///
/// Written as `truncated=1%,duplicate=0.005`; `all=2%` spreads evenly over the kinds that are not named
/// themselves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares([f64; Kind::COUNT]);

impl Shares {
    /// The share of one kind.
    pub fn of(&self, kind: Kind) -> f64 {
        self.0[kind as usize]
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for kind in Kind::ALL.into_iter().filter(|kind| self.of(*kind) > 0.0) {
            write!(f, "{separator}{}={}", kind.name(), self.of(kind))?;
            separator = ",";
        }
        Ok(())
    }
}

impl FromStr for Shares {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const WANTED: &str = "a share: a percentage such as 2% or a fraction such as 0.02";
        let mut names = vec!["all"];
        names.extend(Kind::ALL.map(Kind::name));
        let mut shares = [None; Kind::COUNT];
        let mut all = 0.0;
        for (index, share) in settings::parse(text, &names, WANTED, read_share)? {
            match index.checked_sub(1) {
                None => all = share,
                Some(kind) => shares[kind] = Some(share),
            }
        }
        let unnamed = shares.iter().filter(|share| share.is_none()).count();
        let each = if unnamed > 0 { all / unnamed as f64 } else { 0.0 };
        let shares = shares.map(|share| share.unwrap_or(each));
        // Twelve twelfths of 100 % may come out a hair above it.
        if shares.iter().sum::<f64>() > 1.0 + 1e-9 {
            return Err(ParseError::BadSum { what: "all shares", wanted: "at most 100%" });
        }
        Ok(Shares(shares))
    }
}

fn read_share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percentage) => percentage.trim_end().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

/// Decides for each record of a stream whether and how it goes wrong.
#[derive(Debug)]
pub struct Faults {
    /// Upper bounds of the kinds on the scale of a draw, 0 to 1.
    bounds: [f64; Kind::COUNT],
    draws: Random,
    /// One generator for each kind, for how exactly it goes wrong.
    kinds: [Random; Kind::COUNT],
}

impl Faults {
    /// Faults of the wanted shares, each kind with a seed of its own.
    pub fn new(seed: Seed, shares: &Shares) -> Self {
        let mut sum = 0.0;
        let bounds = shares.0.map(|share| {
            sum += share;
            sum
        });
        Faults { bounds, draws: seed.random(), kinds: Kind::ALL.map(|kind| seed.child(kind.name()).random()) }
    }

    /// How the next record goes wrong, and the generator for its details; `None` for a good one.
    pub fn draw(&mut self) -> Option<(Kind, &mut Random)> {
        let draw: f64 = self.draws.random();
        let index = self.bounds.iter().position(|bound| draw < *bound)?;
        Some((Kind::ALL[index], &mut self.kinds[index]))
    }
}

/// Spoils the framed bytes of a good record in place, if `kind` is one that concerns them.
pub fn spoil_frame(kind: Kind, frame: &mut Vec<u8>, random: &mut Random) {
    const SCHEMA_IDS_UNKNOWN: u32 = 1000;
    const TRAILING_BYTES_MAX: usize = 16;
    match kind {
        // A continuation byte of UTF-8 begins no text.
        Kind::BadFraming => frame[0] = random.random_range(0x80..=0xbf),
        Kind::UnknownSchemaId => {
            let id = u32::MAX - random.random_range(0..SCHEMA_IDS_UNKNOWN);
            frame[1..FRAME_BYTES].copy_from_slice(&id.to_be_bytes());
        }
        Kind::Truncated => frame.truncate(random.random_range(FRAME_BYTES + 1..frame.len())),
        Kind::TrailingBytes => {
            let end = frame.len();
            frame.resize(end + random.random_range(1..=TRAILING_BYTES_MAX), 0);
            random.fill_bytes(&mut frame[end..]);
        }
        Kind::OutOfRange
        | Kind::UnknownCategory
        | Kind::Contradiction
        | Kind::OldTime
        | Kind::FutureTime
        | Kind::Sentinel
        | Kind::WrongCase
        | Kind::Duplicate => {}
    }
}

/// Moves the time of an event to where `kind` says that it lies, if it is one that concerns the time.
pub(crate) fn spoil_time(kind: Kind, time_ms: &mut i64, random: &mut Random) {
    /// Milliseconds of a year of 365 days.
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    match kind {
        Kind::OldTime => *time_ms -= random.random_range(10 * YEAR_MS..50 * YEAR_MS),
        Kind::FutureTime => *time_ms += random.random_range(YEAR_MS..20 * YEAR_MS),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [u8; 12] = [0, 0, 0, 0, 7, 10, 20, 30, 40, 50, 60, 70];

    #[test]
    fn shares_are_percentages_or_fractions() {
        let shares: Shares = "truncated=1%, duplicate=0.005".parse().unwrap();
        assert_eq!(shares.to_string(), "truncated=0.01,duplicate=0.005");
        assert_eq!(shares.to_string().parse::<Shares>().unwrap(), shares);
        assert_eq!("".parse::<Shares>().unwrap(), Shares::default());
    }

    #[test]
    fn all_spreads_over_what_is_not_named() {
        let shares: Shares = "all=12%".parse().unwrap();
        assert!(Kind::ALL.iter().all(|kind| (shares.of(*kind) - 0.01).abs() < 1e-12));
        let shares: Shares = "all=11%,duplicate=0".parse().unwrap();
        assert!((shares.of(Kind::OldTime) - 0.01).abs() < 1e-12);
        assert!(shares.of(Kind::Duplicate).abs() < 1e-12);
        assert!("all=100%".parse::<Shares>().is_ok());
    }

    #[test]
    fn bad_shares_name_the_culprit() {
        let error = |text: &str| text.parse::<Shares>().unwrap_err().to_string();
        assert!(error("late=1%").starts_with(r#"unknown name "late": allowed are all, bad_framing, "#));
        assert!(error("truncated=2").starts_with(r#""2" for truncated is not a share"#));
        assert!(error("truncated=-1%").starts_with(r#""-1%" for truncated is not a share"#));
        assert!(error("truncated=NaN").starts_with(r#""NaN" for truncated is not a share"#));
        assert_eq!(error("truncated=60%,duplicate=60%"), "the sum of all shares must be at most 100%");
    }

    /// Over many records each kind comes as often as wanted: within five standard deviations.
    #[test]
    fn every_kind_has_its_share() {
        const RECORDS: u32 = 200_000;
        let shares: Shares = "all=8%,truncated=5%,duplicate=0.1%".parse().unwrap();
        let mut faults = Faults::new(Seed::new(1), &shares);
        let mut counts = [0; Kind::COUNT];
        for _ in 0..RECORDS {
            if let Some((kind, _)) = faults.draw() {
                counts[kind as usize] += 1;
            }
        }
        for kind in Kind::ALL {
            let expected = shares.of(kind) * f64::from(RECORDS);
            let seen = f64::from(counts[kind as usize]);
            assert!(
                (seen - expected).abs() < 5.0 * expected.sqrt(),
                "{}: {seen}, not {expected}",
                kind.name()
            );
        }
    }

    #[test]
    fn no_share_is_no_fault_and_all_is_all() {
        let mut none = Faults::new(Seed::new(1), &Shares::default());
        assert!((0..10_000).all(|_| none.draw().is_none()));
        let mut all = Faults::new(Seed::new(1), &"truncated=1".parse().unwrap());
        assert!((0..10_000).all(|_| matches!(all.draw(), Some((Kind::Truncated, _)))));
    }

    /// Each kind breaks its own part of the record and leaves the rest as it was.
    #[test]
    fn frames_are_spoiled_where_they_should_be() {
        let mut random = Seed::new(1).random();
        let mut spoiled = |kind| {
            let mut frame = GOOD.to_vec();
            spoil_frame(kind, &mut frame, &mut random);
            frame
        };
        for _ in 0..1000 {
            let frame = spoiled(Kind::BadFraming);
            assert!((0x80..0xc0).contains(&frame[0]) && frame[1..] == GOOD[1..]);
            let frame = spoiled(Kind::UnknownSchemaId);
            assert!(frame[0] == 0 && frame[1] == 0xff && frame[2] == 0xff && frame[5..] == GOOD[5..]);
            let frame = spoiled(Kind::Truncated);
            assert!((6..GOOD.len()).contains(&frame.len()) && GOOD.starts_with(&frame));
            let frame = spoiled(Kind::TrailingBytes);
            assert!((1..=16).contains(&(frame.len() - GOOD.len())) && frame.starts_with(&GOOD));
            assert_eq!(spoiled(Kind::OutOfRange), GOOD);
        }
    }
}
