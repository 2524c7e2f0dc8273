//! How much better or worse than the first alternative: paired differences on common random numbers.

use sim_core::Estimate;

/// The difference between an alternative and the first one, replication by replication.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Alternative less first, in the quantity's unit; its interval is that of one comparison.
    pub estimate: Estimate,
    /// Correlation between the two over the replications; `None` where one of them does not vary.
    pub correlation: Option<f64>,
    /// How many times more replications independent runs would take for the same interval: `(s_A² + s_B²) / s_D²`.
    /// `None` where the difference does not vary.
    pub variance_ratio: Option<f64>,
    /// Two-sided p-value of "there is no difference", of this comparison alone.
    pub p_value: f64,
    /// The same after Holm's correction for all comparisons of this quantity with the first alternative.
    ///
    /// Below 0.05 the alternatives differ with 95 % confidence, however many were compared.
    pub holm_p_value: f64,
}

/// Compares an alternative with the first one, on values of the same replications in the same order.
///
/// `None` with fewer than two replications. `holm_p_value` is that of a single comparison until [`holm`] corrects it.
///
/// # Panics
///
/// When the numbers of replications differ.
#[must_use]
pub fn paired(first: &[f64], other: &[f64]) -> Option<Difference> {
    assert_eq!(
        first.len(),
        other.len(),
        "paired alternatives ran the same replications"
    );
    if first.len() < 2 {
        return None;
    }
    let differences: Vec<f64> = first
        .iter()
        .zip(other)
        .map(|(first, other)| other - first)
        .collect();
    let estimate = Estimate::of(&differences);
    let variance =
        |estimate: &Estimate| estimate.standard_deviation() * estimate.standard_deviation();
    let (of_first, of_other) = (
        variance(&Estimate::of(first)),
        variance(&Estimate::of(other)),
    );
    let of_difference = variance(&estimate);
    let p_value = estimate.p_value(0.0);
    Some(Difference {
        // Var(A - B) = Var(A) + Var(B) - 2 Cov(A, B).
        correlation: quotient(
            (of_first + of_other - of_difference) / 2.0,
            (of_first * of_other).sqrt(),
        )
        .map(|r| r.clamp(-1.0, 1.0)),
        variance_ratio: quotient(of_first + of_other, of_difference),
        estimate,
        p_value,
        holm_p_value: p_value,
    })
}

fn quotient(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}

/// Corrects the p-values of a family of comparisons so that the chance of any false alarm stays below the level.
///
/// The i-th smallest of k is multiplied by k - i + 1 and not let fall below its predecessor.
///
/// Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
pub fn holm<'a>(family: impl IntoIterator<Item = &'a mut Difference>) {
    let mut family: Vec<&mut Difference> = family.into_iter().collect();
    family.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
    let (count, mut floor) = (family.len(), 0.0_f64);
    for (rank, difference) in family.into_iter().enumerate() {
        floor = floor
            .max(difference.p_value * (count - rank) as f64)
            .min(1.0);
        difference.holm_p_value = floor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_share_cancels() {
        // Differences 1.0, 1.2, 0.8: mean 1, standard deviation 0.2. The shared swing of 10 to 30 cancels.
        let difference = paired(&[10.0, 20.0, 30.0], &[11.0, 21.2, 30.8]).unwrap();
        assert!((difference.estimate.mean() - 1.0).abs() < 1e-12);
        assert!((difference.estimate.standard_deviation() - 0.2).abs() < 1e-12);
        assert!(difference.correlation.unwrap() > 0.999);
        // Var(A) = 100, Var(B) = mean square of (-10, 0.2, 9.8) over 2 = 98.04: (100 + 98.04) / 0.04 = 4951.
        assert!((difference.variance_ratio.unwrap() - 4951.0).abs() < 1.0);
    }

    #[test]
    fn a_constant_difference_is_certain() {
        let difference = paired(&[1.0, 2.0], &[4.0, 5.0]).unwrap();
        assert_eq!((difference.p_value, difference.variance_ratio), (0.0, None));
        assert_eq!(difference.estimate.half_width(0.95), 0.0);
    }

    #[test]
    fn no_difference_is_no_evidence() {
        let difference = paired(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((difference.estimate.mean(), difference.p_value), (0.0, 1.0));
    }

    #[test]
    fn one_replication_cannot_be_compared() {
        assert_eq!(paired(&[1.0], &[2.0]), None);
    }

    #[test]
    fn holm_multiplies_the_smallest_most() {
        // Sorted 0.01, 0.02, 0.04, times 3, 2, 1: 0.03, 0.04, 0.04.
        let with = |p_value| Difference {
            p_value,
            ..paired(&[0.0, 1.0], &[0.0, 1.0]).unwrap()
        };
        let mut family = [with(0.04), with(0.01), with(0.02)];
        holm(&mut family);
        assert_eq!(
            family.map(|difference| difference.holm_p_value),
            [0.04, 0.03, 0.04]
        );
        // Sorted 0.5, 0.9, times 2, 1: 1.0 and, not below its predecessor, 1.0.
        let mut family = [with(0.9), with(0.5)];
        holm(&mut family);
        assert_eq!(family.map(|difference| difference.holm_p_value), [1.0, 1.0]);
    }
}
