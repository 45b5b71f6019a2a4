//! When records are due: pure arithmetic from elapsed time to a number of records.

use std::time::Duration;

use crate::demand::{Curve, Hour};

/// The part of each second in which the records of a burst come.
const BURST_PART: f64 = 0.1;

/// How fast records come: evenly or in bursts, at one rate or following demand through the day.
#[derive(Debug, Clone)]
pub struct Pacing {
    /// Records a second, or the mean over each day when demand is followed; 0 is as fast as possible.
    rate: u64,
    /// Share of each second's records that come together in its first tenth; the others spread over all of
    /// it.
    burstiness: f64,
    /// Demand with a daily mean of 1.
    demand: Option<Curve>,
}

impl Pacing {
    /// `burstiness` is a share, 0 to 1; `demand` must have a daily mean of 1 ([`Curve::daily_mean_of`]).
    pub fn new(rate: u64, burstiness: f64, demand: Option<Curve>) -> Self {
        Pacing { rate, burstiness: burstiness.clamp(0.0, 1.0), demand }
    }

    /// Records a second; 0 is as fast as possible.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// The same pacing at another rate.
    #[must_use]
    pub fn at_rate(&self, rate: u64) -> Self {
        Pacing { rate, ..self.clone() }
    }

    /// How many records are due when `elapsed` has passed since the Unix time `start_ms`; never falls as time
    /// goes on.
    pub fn due(&self, start_ms: i64, elapsed: Duration) -> u64 {
        if self.rate == 0 {
            return u64::MAX;
        }
        let whole_s = elapsed.as_secs();
        let part = f64::from(elapsed.subsec_nanos()) / 1e9;
        let burst = (part / BURST_PART).min(1.0);
        let part = self.burstiness * burst + (1.0 - self.burstiness) * part;
        let Some(curve) = &self.demand else {
            // Whole seconds in integers, so that no rounding ever loses a record.
            return whole_s.saturating_mul(self.rate).saturating_add((part * self.rate as f64) as u64);
        };
        let start_ms = start_ms as f64;
        let busy_ms = curve.integral_ms(start_ms, start_ms + (whole_s as f64 + part) * 1000.0);
        (busy_ms * self.rate as f64 / 1000.0) as u64
    }

    /// The mean distance between records at the Unix time `now_ms`; a millisecond when they come as fast as
    /// possible.
    pub fn interval(&self, now_ms: i64) -> Duration {
        if self.rate == 0 {
            return Duration::from_millis(1);
        }
        let demand = self.demand.as_ref().map_or(1.0, |curve| curve.at(Hour::of(now_ms)));
        Duration::from_nanos((1e9 / (self.rate as f64 * demand)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::COMMUTER;

    /// Thursday, the first of January 1970, at midnight.
    const MIDNIGHT_MS: i64 = 0;

    fn due_ms(pacing: &Pacing, elapsed_ms: u64) -> u64 {
        pacing.due(MIDNIGHT_MS, Duration::from_millis(elapsed_ms))
    }

    #[test]
    fn an_even_rate_is_a_straight_line() {
        let pacing = Pacing::new(10, 0.0, None);
        assert_eq!([0, 99, 100, 550, 1000, 60_000].map(|ms| due_ms(&pacing, ms)), [0, 0, 1, 5, 10, 600]);
        assert_eq!(pacing.interval(MIDNIGHT_MS), Duration::from_millis(100));
    }

    #[test]
    fn rate_zero_is_as_fast_as_possible() {
        let pacing = Pacing::new(0, 0.0, Some(Curve::daily_mean_of([(1.0, &COMMUTER)])));
        assert_eq!(due_ms(&pacing, 0), u64::MAX);
        assert_eq!(pacing.interval(MIDNIGHT_MS), Duration::from_millis(1));
    }

    /// A burst moves records within their second, never out of it.
    #[test]
    fn bursts_come_in_the_first_tenth_of_each_second() {
        let pacing = Pacing::new(1000, 0.8, None);
        assert_eq!(due_ms(&pacing, 1000), 1000);
        assert_eq!(due_ms(&pacing, 1100), 1820, "four fifths at once and a tenth of the rest");
        assert_eq!(due_ms(&pacing, 1550), 1910);
        assert_eq!(due_ms(&pacing, 2000), 2000);
        assert_eq!(due_ms(&Pacing::new(1000, 1.0, None), 100), 1000, "everything comes in the burst");
    }

    /// Following demand changes when records come in a day, not how many.
    #[test]
    fn demand_moves_records_within_the_day() {
        let curve = Curve::daily_mean_of([(1.0, &COMMUTER)]);
        let pacing = Pacing::new(10, 0.0, Some(curve));
        let hour = |hour: u64| due_ms(&pacing, (hour + 1) * 3_600_000) - due_ms(&pacing, hour * 3_600_000);
        assert!(hour(7) > 10 * hour(2), "the morning peak stands out: {} against {}", hour(7), hour(2));
        assert!(due_ms(&pacing, 86_400_000).abs_diff(864_000) <= 1);
        assert!(pacing.interval(7 * 3_600_000) < pacing.interval(2 * 3_600_000));
    }

    /// Whoever asks again a moment later never hears of fewer records.
    #[test]
    fn what_is_due_never_falls() {
        let curve = Curve::daily_mean_of([(1.0, &COMMUTER)]);
        let pacing = Pacing::new(997, 0.5, Some(curve));
        let mut last = 0;
        for step in 0..50_000 {
            let due = due_ms(&pacing, step * 3_701);
            assert!(due >= last, "{due} after {last}");
            last = due;
        }
    }
}
