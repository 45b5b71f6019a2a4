//! Small draws that several worlds make.

use std::borrow::Cow;

use rand::{Rng as _, seq::IndexedRandom as _};
use uuid::Uuid;

use crate::Random;

/// An id for an event at the Unix time `now_ms`: a UUID version 7.
pub(crate) fn event_id(now_ms: i64, random: &mut Random) -> Uuid {
    let mut bits = [0; 10];
    random.fill_bytes(&mut bits);
    uuid::Builder::from_unix_timestamp_millis(now_ms.max(0) as u64, &bits).into_uuid()
}

/// One of several choices, each as likely as the others.
pub(crate) fn one_of<T: Copy>(choices: &[T], random: &mut Random) -> T {
    *choices.choose(random).expect("every list of choices has some")
}

/// One of several words, for a field of an event.
pub(crate) fn word(words: &[&'static str], random: &mut Random) -> Cow<'static, str> {
    Cow::Borrowed(one_of(words, random))
}

/// A number around 0 with a standard deviation of 1, never beyond 3.5: the sum of four uniform ones, whose bits
/// are the same on every machine.
pub(crate) fn normal(random: &mut Random) -> f64 {
    /// Sum of the means of four numbers from 0 to 65535, and the standard deviation of such a sum.
    const MEAN: f64 = 2.0 * 65_535.0;
    const DEVIATION: f64 = 37_837.2;
    let bits = random.next_u64();
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    (sum as f64 - MEAN) / DEVIATION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn normal_draws_have_the_mean_and_deviation_they_claim() {
        const DRAWS: u32 = 100_000;
        let mut random = Seed::new(1).random();
        let draws: Vec<f64> = (0..DRAWS).map(|_| normal(&mut random)).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(DRAWS);
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / f64::from(DRAWS);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
        assert!(draws.iter().all(|draw| draw.abs() < 3.5));
    }
}
