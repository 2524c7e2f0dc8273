//! How sure are we: a mean and its half-width over independent replications (Student's t).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// What independent replications say about a mean.
///
/// ```
/// use sim_core::Estimate;
///
/// let estimate = Estimate::of(&[4.0, 5.0, 6.0]);
/// assert_eq!(estimate.mean(), 5.0);
/// assert!(estimate.interval(0.95).contains(5.5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    mean: f64,
    standard_error: f64,
    n: u64,
}

impl Estimate {
    /// The estimate from `values`, one per replication (or per batch), added up in their order.
    ///
    /// Without values the mean is not a number; with fewer than two, intervals are infinite.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values
            .iter()
            .map(|value| (value - mean) * (value - mean))
            .sum();
        let standard_error = if values.len() < 2 {
            f64::INFINITY
        } else {
            (squares / (n - 1.0) / n).sqrt()
        };
        Self {
            mean,
            standard_error,
            n: values.len() as u64,
        }
    }

    /// The mean over the replications.
    #[must_use]
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// How many replications.
    #[must_use]
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// The standard error of the mean: sample standard deviation over √n; infinite for fewer than two replications.
    #[must_use]
    pub const fn standard_error(&self) -> f64 {
        self.standard_error
    }

    /// The sample standard deviation of the replications; infinite for fewer than two.
    #[must_use]
    pub fn standard_deviation(&self) -> f64 {
        self.standard_error * (self.n as f64).sqrt()
    }

    /// Half the width of the interval that covers the true mean with probability `confidence`.
    ///
    /// Infinite for fewer than two replications. Zero when all replications agree.
    ///
    /// # Panics
    ///
    /// When `confidence` is not strictly between 0 and 1.
    #[must_use]
    pub fn half_width(&self, confidence: f64) -> f64 {
        assert!(
            confidence > 0.0 && confidence < 1.0,
            "a confidence lies strictly between 0 and 1: found {confidence}"
        );
        if self.n < 2 {
            return f64::INFINITY;
        }
        student_t(self.n - 1, 0.5 + confidence / 2.0) * self.standard_error
    }

    /// The half-width over the magnitude of the mean; infinite where the mean is zero and the half-width is not.
    #[must_use]
    pub fn relative_half_width(&self, confidence: f64) -> f64 {
        let half_width = self.half_width(confidence);
        if half_width == 0.0 {
            0.0
        } else {
            half_width / self.mean.abs()
        }
    }

    /// The interval that covers the true mean with probability `confidence`.
    ///
    /// # Panics
    ///
    /// When `confidence` is not strictly between 0 and 1.
    #[must_use]
    pub fn interval(&self, confidence: f64) -> Interval {
        let half_width = self.half_width(confidence);
        if half_width.is_infinite() {
            return Interval {
                low: f64::NEG_INFINITY,
                high: f64::INFINITY,
            };
        }
        Interval {
            low: self.mean - half_width,
            high: self.mean + half_width,
        }
    }

    /// The two-sided p-value of the hypothesis that the true mean is `mean`.
    ///
    /// It is 1 for fewer than two replications, which can refute nothing.
    #[must_use]
    pub fn p_value(&self, mean: f64) -> f64 {
        let distance = (self.mean - mean).abs();
        if self.n < 2 || distance == 0.0 {
            return 1.0;
        }
        if self.standard_error == 0.0 {
            return 0.0;
        }
        2.0 * student(self.n - 1).sf(distance / self.standard_error)
    }
}

/// A range of values, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in it.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// The `p`-quantile of Student's t distribution with `freedom` degrees of freedom.
fn student_t(freedom: u64, p: f64) -> f64 {
    student(freedom).inverse_cdf(p)
}

fn student(freedom: u64) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom as f64).expect("degrees of freedom are at least one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_the_table() {
        // Student's t, two-sided 95 % and 99 %: the usual table to three places.
        for (freedom, t95, t99) in [
            (1, 12.706, 63.657),
            (4, 2.776, 4.604),
            (9, 2.262, 3.250),
            (39, 2.023, 2.708),
            (199, 1.972, 2.601),
        ] {
            assert!((student_t(freedom, 0.975) - t95).abs() < 6e-4, "{freedom}");
            assert!((student_t(freedom, 0.995) - t99).abs() < 6e-4, "{freedom}");
        }
    }

    #[test]
    fn half_width_of_three_values() {
        // Values 4, 5, 6: s = 1, standard error 1/sqrt 3, t(2, 0.975) = 4.30265, half-width 2.48414.
        let estimate = Estimate::of(&[4.0, 5.0, 6.0]);
        assert!((estimate.half_width(0.95) - 2.484_14).abs() < 1e-5);
        assert!((estimate.relative_half_width(0.95) - 0.496_828).abs() < 1e-6);
        // The 95 % interval ends where p = 5 %.
        assert!((estimate.p_value(estimate.interval(0.95).high) - 0.05).abs() < 1e-9);
    }

    #[test]
    fn one_value_says_nothing_about_its_spread() {
        let estimate = Estimate::of(&[7.0]);
        assert_eq!(estimate.half_width(0.95), f64::INFINITY);
        assert!(estimate.interval(0.95).contains(-1e300));
        assert_eq!(estimate.p_value(0.0), 1.0);
        assert!(Estimate::of(&[]).mean().is_nan());
    }

    #[test]
    fn values_that_agree_leave_no_width() {
        let estimate = Estimate::of(&[2.0, 2.0, 2.0]);
        assert_eq!(
            (
                estimate.half_width(0.99),
                estimate.p_value(2.0),
                estimate.p_value(3.0)
            ),
            (0.0, 1.0, 0.0)
        );
    }
}
