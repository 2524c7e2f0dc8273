//! How many, how much, how varied: count, sums and extremes of observations, in integers.

/// Count, sum, sum of squares, least and greatest of a set of whole numbers (mostly nanoseconds).
///
/// Everything is an integer, so tallies merge exactly and in any order; floats appear only in the answers.
///
/// ```
/// use sim_core::Tally;
///
/// let tally: Tally = [2, 4, 4, 4, 5, 5, 7, 9].into_iter().collect();
/// assert_eq!(tally.mean(), Some(5.0));
/// assert_eq!(tally.min(), Some(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    count: u64,
    sum: u128,
    sum_of_squares: u128,
    min: u64,
    max: u64,
}

impl Tally {
    /// A tally of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            count: 0,
            sum: 0,
            sum_of_squares: 0,
            min: u64::MAX,
            max: 0,
        }
    }

    /// Adds one observation.
    ///
    /// # Panics
    ///
    /// When the sum of squares passes 2¹²⁸: after 3·10¹⁴ observations of a thousand seconds in nanoseconds.
    #[inline]
    pub fn add(&mut self, value: u64) {
        let square = u128::from(value) * u128::from(value);
        self.count += 1;
        self.sum += u128::from(value);
        self.sum_of_squares = self
            .sum_of_squares
            .checked_add(square)
            .expect("the squares of a tally add up to less than 2^128");
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds everything `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        let squares = self.sum_of_squares.checked_add(other.sum_of_squares);
        self.sum_of_squares = squares.expect("the squares of a tally add up to less than 2^128");
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many observations.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// The least, if any.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest, if any.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The mean, if any.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The population variance: the mean squared distance from the mean, dividing by the count.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        let count = self.count as f64;
        (self.count > 0).then(|| self.squared_deviations() / count)
    }

    /// The sample variance, dividing by the count less one; `None` for fewer than two observations.
    #[must_use]
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squared_deviations() / (self.count - 1) as f64)
    }

    /// The coefficient of variation: population standard deviation over mean; `None` where the mean is zero.
    #[must_use]
    pub fn cv(&self) -> Option<f64> {
        let mean = self.mean().filter(|&mean| mean > 0.0)?;
        self.variance().map(|variance| variance.sqrt() / mean)
    }

    /// The sum of squared distances from the mean, `Σx² - (Σx)²/n`.
    ///
    /// The difference is taken in integers where it fits, so that nearly equal observations lose no digits.
    fn squared_deviations(&self) -> f64 {
        let count = u128::from(self.count);
        let (whole, rest) = (self.sum / count, self.sum % count);
        // Σx² - (Σx)²/n = Σx² - whole·(Σx + rest) - rest²/n with Σx = n·whole + rest.
        let product = whole.checked_mul(self.sum + rest);
        match product.and_then(|product| self.sum_of_squares.checked_sub(product)) {
            Some(exact) => exact as f64 - (rest as f64 * rest as f64) / count as f64,
            None => (self.sum_of_squares as f64 - self.sum as f64 * self.sum as f64 / count as f64)
                .max(0.0),
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<u64> for Tally {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut tally = Self::new();
        for value in values {
            tally.add(value);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_known_set() {
        // Mean 40/8 = 5; squared distances 9+1+1+1+0+0+4+16 = 32, so variance 32/8 = 4 and cv 2/5.
        let tally: Tally = [2, 4, 4, 4, 5, 5, 7, 9].into_iter().collect();
        assert_eq!(tally.mean(), Some(5.0));
        assert_eq!(tally.variance(), Some(4.0));
        assert_eq!(tally.sample_variance(), Some(32.0 / 7.0));
        assert_eq!(tally.cv(), Some(0.4));
        assert_eq!(
            (tally.min(), tally.max(), tally.count(), tally.sum()),
            (Some(2), Some(9), 8, 40)
        );
    }

    #[test]
    fn a_small_spread_far_from_zero_keeps_its_digits() {
        // 10^15 + {0, 1, 2}: variance 2/3, where floats would square to 10^30 and lose everything below 10^14.
        let tally: Tally = (0..3)
            .map(|offset| 1_000_000_000_000_000 + offset)
            .collect();
        assert!((tally.variance().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn merged_is_the_same_as_added_together() {
        let values = [3, 1, 4, 1, 5, 9, 2, 6];
        let (mut left, right): (Tally, Tally) = (
            values[..3].iter().copied().collect(),
            values[3..].iter().copied().collect(),
        );
        left.merge(&right);
        assert_eq!(left, values.into_iter().collect());
    }

    #[test]
    fn nothing_has_no_mean() {
        let nothing = Tally::new();
        assert_eq!(
            (
                nothing.mean(),
                nothing.min(),
                nothing.max(),
                nothing.variance(),
                nothing.cv()
            ),
            (None, None, None, None, None)
        );
    }
}
