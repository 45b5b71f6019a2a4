//! Which records are traced: one in N of those that are written first here, and dead letters up to a limit.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::ValueEnum;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use serde::{Deserialize, Serialize};

/// How it is decided, by the values that [OpenTelemetry] gives `OTEL_TRACES_SAMPLER`. A record that comes with a decision keeps it
/// always, so those with `parentbased_` do the same as those without.
///
/// [OpenTelemetry]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// Every record.
    AlwaysOn,
    /// No record; dead letters are traced all the same.
    AlwaysOff,
    /// The share that the argument says.
    #[value(name = "traceidratio")]
    #[serde(rename = "traceidratio")]
    TraceIdRatio,
    /// Every record.
    #[value(name = "parentbased_always_on")]
    #[serde(rename = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// No record; dead letters are traced all the same.
    #[value(name = "parentbased_always_off")]
    #[serde(rename = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// The share that the argument says.
    #[value(name = "parentbased_traceidratio")]
    #[serde(rename = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

/// A share of records, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(f64);

/// Says of one record after the other whether it is traced; costs a decrement.
#[derive(Clone, Debug)]
pub struct Sampler {
    ratio: Ratio,
    /// Records until the next traced one.
    skip: u64,
    random: u64,
}

/// So many at once and so many a second; clones share the tokens.
#[derive(Clone, Debug)]
pub(crate) struct TokenBucket {
    rate: f64,
    state: Arc<Mutex<(f64, Instant)>>,
}

impl SamplerKind {
    /// The share of records that are traced.
    pub fn ratio(self, argument: Ratio) -> Ratio {
        match self {
            Self::AlwaysOn | Self::ParentBasedAlwaysOn => Ratio(1.0),
            Self::AlwaysOff | Self::ParentBasedAlwaysOff => Ratio(0.0),
            Self::TraceIdRatio | Self::ParentBasedTraceIdRatio => argument,
        }
    }
}

impl FromStr for Ratio {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.map(Self).ok_or("a share from 0 to 1, for example 0.001 for one in a thousand")
    }
}

impl Sampler {
    /// Chooses this share of records, at random distances.
    pub(crate) fn new(ratio: Ratio) -> Self {
        let seed = RandomIdGenerator::default().new_trace_id().to_bytes();
        let random = seed
            .chunks_exact(8)
            .fold(0, |seed, part| seed ^ u64::from_le_bytes(part.try_into().unwrap_or_default()));
        let mut sampler = Self { ratio, skip: 0, random };
        sampler.skip = sampler.distance();
        sampler
    }

    /// Chooses none.
    pub(crate) fn off() -> Self {
        Self { ratio: Ratio(0.0), skip: u64::MAX, random: 0 }
    }

    /// Whether the next record is traced.
    pub fn draw(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.skip = self.distance();
        true
    }

    /// How many records stand before the next that is chosen, if each is with the same probability: geometrically distributed.
    fn distance(&mut self) -> u64 {
        let Ratio(ratio) = self.ratio;
        if ratio <= 0.0 {
            return u64::MAX;
        }
        // SplitMix64 (Steele, Lea, Flood 2014); its upper 53 bits as a number above 0 and up to 1.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let uniform = (((bits ^ (bits >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        (uniform.ln() / (-ratio).ln_1p()) as u64
    }
}

impl TokenBucket {
    /// Full at the start with a second's worth.
    pub(crate) fn new(rate: f64, now: Instant) -> Self {
        Self { rate, state: Arc::new(Mutex::new((rate, now))) }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let (tokens, filled) = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens = (*tokens + now.saturating_duration_since(*filled).as_secs_f64() * self.rate).min(self.rate);
        *filled = (*filled).max(now);
        let is_there = *tokens >= 1.0;
        if is_there {
            *tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn share(ratio: f64, records: u32) -> f64 {
        let mut sampler = Sampler::new(Ratio(ratio));
        let chosen = (0..records).filter(|_| sampler.draw()).count();
        chosen as f64 / f64::from(records)
    }

    /// All, none, or about the share that was asked for, which is not a multiple of a fixed distance.
    #[test]
    fn the_share_is_kept() {
        assert!((share(1.0, 1_000) - 1.0).abs() < f64::EPSILON);
        assert!(share(0.0, 1_000) < f64::EPSILON);
        let one_in_a_hundred = share(0.01, 1_000_000);
        assert!((0.009..0.011).contains(&one_in_a_hundred), "{one_in_a_hundred}");
        let mut sampler = Sampler::new(Ratio(0.5));
        let distances: Vec<u64> = (0..100).map(|_| sampler.distance()).collect();
        assert!(distances.contains(&0) && distances.iter().any(|distance| *distance > 2));
    }

    /// A share is a number from 0 to 1.
    #[test]
    fn shares_are_checked() {
        assert_eq!("0.001".parse(), Ok(Ratio(0.001)));
        for bad in ["1.5", "-1", "often", "NaN", ""] {
            assert!(bad.parse::<Ratio>().is_err(), "{bad} was taken");
        }
    }

    /// A burst empties the bucket, and time fills it again, never beyond its size.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    fn tokens_come_back_with_time() {
        let start = Instant::now();
        let bucket = TokenBucket::new(50.0, start);
        let taken = |at: Instant| (0..200).filter(|_| bucket.take(at)).count();
        assert_eq!(taken(start), 50);
        assert_eq!(taken(start + Duration::from_millis(100)), 5);
        assert_eq!(taken(start + Duration::from_hours(1)), 50);
    }
}
