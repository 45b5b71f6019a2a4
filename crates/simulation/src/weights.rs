//! Weighted choice among a few things, precomputed so that a choice is a handful of comparisons.

/// The weights of `N` things. A thing of weight 0 is never chosen.
#[derive(Debug, Clone)]
pub(crate) struct Weights<const N: usize> {
    /// Upper bounds on the scale of a 32-bit draw; the last is 2³², above every draw.
    bounds: [u64; N],
}

impl<const N: usize> Weights<N> {
    /// At least one of `weights` must be positive, and none negative.
    pub(crate) fn new(weights: [f64; N]) -> Self {
        let total: f64 = weights.iter().sum();
        debug_assert!(total > 0.0, "no weight is positive: {weights:?}");
        let mut sum = 0.0;
        let bounds = weights.map(|weight| {
            sum += weight;
            (sum / total * 2f64.powi(32)).round() as u64
        });
        Weights { bounds }
    }

    /// The position of the thing that `draw`, uniform over all 32-bit numbers, falls on.
    pub(crate) fn choose(&self, draw: u32) -> usize {
        self.bounds.iter().filter(|bound| u64::from(draw) >= **bound).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The extreme draws stay within the things that have weight.
    #[test]
    fn nothing_without_weight_is_chosen() {
        let weights = Weights::new([0.0, 1.0, 0.0, 3.0, 0.0]);
        assert_eq!(weights.choose(0), 1);
        assert_eq!(weights.choose((1 << 30) - 1), 1);
        assert_eq!(weights.choose(1 << 30), 3);
        assert_eq!(weights.choose(u32::MAX), 3);
    }
}
