//! What comes and goes: regular waves, and drifts that nobody can foresee but the seed.
//!
//! Both are functions of time alone, so a world that is asked once a day and one that is asked a thousand times a
//! second tell of the same weather. They are made of plain arithmetic: sines differ between machines in their last
//! bits.

use crate::{Seed, draw};

/// A sine of so many turns, to within a thousandth: 0 at 0, 1 at 0.25, -1 at 0.75.
pub(crate) fn wave(turns: f64) -> f64 {
    let turn = turns - turns.floor();
    let (sign, half) = if turn < 0.5 { (1.0, turn) } else { (-1.0, turn - 0.5) };
    let parabola = 8.0 * half * (1.0 - 2.0 * half);
    sign * parabola * (0.775 + 0.225 * parabola)
}

/// A number that wanders around 0 with a standard deviation below 1, smoothly and never beyond 3.5.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drift {
    seed: Seed,
    /// Time between two moments whose values have nothing to do with each other.
    period_ms: i64,
}

impl Drift {
    pub(crate) fn new(seed: Seed, period_ms: i64) -> Self {
        Drift { seed, period_ms }
    }

    pub(crate) fn at(&self, now_ms: i64) -> f64 {
        let period = now_ms.div_euclid(self.period_ms);
        let part = now_ms.rem_euclid(self.period_ms) as f64 / self.period_ms as f64;
        let value = |period| draw::normal(&mut self.seed.at(period).random());
        let (from, to) = (value(period), value(period + 1));
        from + (to - from) * part * part * (3.0 - 2.0 * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_nearly_a_sine() {
        for step in -2_000..2_000 {
            let turns = f64::from(step) / 700.0;
            let sine = (turns * std::f64::consts::TAU).sin();
            assert!((wave(turns) - sine).abs() < 0.0012, "{} instead of {sine} at {turns}", wave(turns));
        }
    }

    /// A drift moves in small steps, also over the borders of its periods, and in the end far.
    #[test]
    fn a_drift_is_smooth_and_wanders() {
        let drift = Drift::new(Seed::new(1), 1_000);
        let values: Vec<f64> = (-50_000..50_000).map(|now_ms| drift.at(now_ms)).collect();
        assert!(values.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.012));
        assert!(values.iter().any(|value| *value > 1.5) && values.iter().any(|value| *value < -1.5));
    }
}
