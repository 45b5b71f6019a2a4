//! Distributions: quantiles of the last seconds for a live view, buckets since the start for `/metrics`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram as Quantile;

use crate::{Parent, Unit};

/// Significant decimal digits of a quantile: an error of at most 1 %.
const SIGNIFICANT_DIGITS: u8 = 2;

/// How many buckets have an upper bound; one more counts what is above the last.
const BOUNDS: usize = 16;

/// Upper bounds of the buckets in `/metrics`; the last one is also the largest value that quantiles tell apart. Ten minutes, when the
/// unit is milliseconds.
const COARSE: [u64; BOUNDS] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 600_000];

/// The same in microseconds, from a tenth of a millisecond to a minute.
const FINE: [u64; BOUNDS] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 10_000_000, 60_000_000,
];

/// A distribution of whole numbers in the unit of its metric, in bounded memory (about 16 KiB).
///
/// Quantiles look at a rolling window: the current span and the one before it, which
/// [`Metrics::turn_window`](crate::Metrics::turn_window) moves on.
#[derive(Clone, Debug)]
pub struct Histogram {
    unit: Unit,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    current: Quantile<u32>,
    previous: Quantile<u32>,
    totals: Totals,
}

/// What was recorded since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    /// Values by bucket, the last one for what is above all bounds.
    pub(crate) buckets: [u64; BOUNDS + 1],
    /// The latest traced value of each bucket.
    pub(crate) exemplars: [Option<Exemplar>; BOUNDS + 1],
}

/// A value with the trace of the record that it was measured on.
#[derive(Clone, Debug)]
pub(crate) struct Exemplar {
    pub(crate) value: u64,
    pub(crate) of: Parent,
    pub(crate) at: SystemTime,
}

/// What was recorded in the rolling window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) count: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Histogram {
    pub(crate) fn new(unit: Unit) -> Self {
        let quantile = Quantile::new_with_bounds(1, bounds(unit)[BOUNDS - 1], SIGNIFICANT_DIGITS)
            .expect("the bounds are constants that hdrhistogram accepts");
        let state = State { current: quantile.clone(), previous: quantile, totals: Totals::default() };
        Self { unit, state: Arc::new(Mutex::new(state)) }
    }

    /// Records one value in the unit of the metric.
    pub fn record(&self, value: u64) {
        self.record_all([value]);
    }

    /// Records how long something took, for a metric that counts time.
    pub fn record_time(&self, took: Duration) {
        self.record(match self.unit {
            Unit::Microseconds => took.as_micros() as u64,
            Unit::Milliseconds | Unit::Count | Unit::Bytes => took.as_millis() as u64,
        });
    }

    /// Records many values under one lock: what a batch should use.
    pub fn record_all(&self, values: impl IntoIterator<Item = u64>) {
        let bounds = self.bounds();
        let mut state = self.lock();
        for value in values {
            state.current.saturating_record(value);
            state.totals.add(bounds, value);
        }
    }

    /// Remembers whose trace shows how a value came about that was recorded, or will be.
    pub fn exemplar(&self, value: u64, of: &Parent, at: SystemTime) {
        let bucket = bucket_of(self.bounds(), value);
        self.lock().totals.exemplars[bucket] = Some(Exemplar { value, of: of.clone(), at });
    }

    /// Starts a new span of the rolling window and forgets all but the last one.
    pub(crate) fn turn_window(&self) {
        let State { current, previous, .. } = &mut *self.lock();
        std::mem::swap(current, previous);
        current.reset();
    }

    pub(crate) fn window(&self) -> Window {
        let state = self.lock();
        let mut both = state.current.clone();
        both.add(&state.previous).expect("both spans have the same bounds");
        drop(state);
        Window {
            count: both.len(),
            p50: both.value_at_quantile(0.50).min(both.max()),
            p99: both.value_at_quantile(0.99).min(both.max()),
            max: both.max(),
        }
    }

    /// Upper bounds of the buckets.
    pub(crate) fn bounds(&self) -> &'static [u64; BOUNDS] {
        bounds(self.unit)
    }

    pub(crate) fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    fn add(&mut self, bounds: &[u64; BOUNDS], value: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.buckets[bucket_of(bounds, value)] += 1;
    }
}

fn bounds(unit: Unit) -> &'static [u64; BOUNDS] {
    match unit {
        Unit::Microseconds => &FINE,
        Unit::Count | Unit::Milliseconds | Unit::Bytes => &COARSE,
    }
}

fn bucket_of(bounds: &[u64; BOUNDS], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles are within one per cent, and values beyond the range count as the largest one.
    #[test]
    fn quantiles_are_close_and_bounded() {
        let histogram = Histogram::new(Unit::Milliseconds);
        histogram.record_all(1..=1_000);
        let window = histogram.window();
        assert_eq!(window.count, 1_000);
        assert!((495..=505).contains(&window.p50), "p50 is {}", window.p50);
        assert!((980..=1_000).contains(&window.p99), "p99 is {}", window.p99);
        assert!((1_000..=1_010).contains(&window.max), "max is {}", window.max);

        histogram.record(u64::MAX);
        assert!(histogram.window().max >= 600_000);
    }

    /// A value stays in the window for one turn and is gone after the second; the totals keep it.
    #[test]
    fn the_window_rolls_and_totals_stay() {
        let histogram = Histogram::new(Unit::Milliseconds);
        histogram.record(40);
        histogram.turn_window();
        histogram.record(80);
        assert_eq!(histogram.window(), Window { count: 2, p50: 40, p99: 80, max: 80 });
        histogram.turn_window();
        assert_eq!(histogram.window(), Window { count: 1, p50: 80, p99: 80, max: 80 });
        histogram.turn_window();
        assert_eq!(histogram.window(), Window::default());
        assert_eq!((histogram.totals().count, histogram.totals().sum), (2, 120));
    }

    /// A bucket holds values up to and including its bound.
    #[test]
    fn buckets_include_their_bound() {
        let histogram = Histogram::new(Unit::Milliseconds);
        histogram.record_all([0, 1, 2, 5, 6, 600_000, 600_001]);
        let totals = histogram.totals();
        assert_eq!(totals.buckets[..4], [2, 1, 1, 1]);
        assert_eq!(totals.buckets[BOUNDS - 1..], [1, 1]);
    }

    /// A time is recorded in the unit of its metric, short ones in microseconds.
    #[test]
    fn times_are_in_the_unit() {
        let took = Duration::from_micros(1_700);
        for (unit, sum) in [(Unit::Milliseconds, 1), (Unit::Microseconds, 1_700)] {
            let histogram = Histogram::new(unit);
            histogram.record_time(took);
            assert_eq!(histogram.totals().sum, sum);
        }
    }
}
