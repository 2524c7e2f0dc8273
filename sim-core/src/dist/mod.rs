//! How long does it take: distributions of a duration, sampled by inversion.
//!
//! A [`Dist`] is what a person writes down. [`Dist::sampler`] checks it and computes what sampling needs. A
//! [`Sampler`] turns one [`Unit`](crate::Unit) into one duration, through the inverse of the distribution function:
//! the larger the unit, the longer the duration. So alternatives that draw the same unit stay comparable, whatever
//! their distributions.

mod elementary;
#[cfg(feature = "serde")]
mod form;
mod inverse;
mod sampler;

use crate::time::SimDuration;
pub use sampler::Sampler;

/// The distribution of a duration, as written.
///
/// ```
/// use sim_core::{Dist, SimDuration, Unit};
///
/// let demand = Dist::log_normal(SimDuration::from_millis(12), 1.0).sampler()?;
/// // The median of a lognormal is its mean over √(1 + cv²).
/// let median = demand.sample(Unit::new(0.5).unwrap());
/// assert_eq!(median, SimDuration::from_secs_f64(0.012 / 2.0f64.sqrt()));
/// # Ok::<(), sim_core::DistError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Dist {
    /// Always the same.
    Constant(SimDuration),
    /// Every duration from `low` to `high` equally likely.
    Uniform {
        /// The shortest.
        low: SimDuration,
        /// The longest.
        high: SimDuration,
    },
    /// Without memory.
    Exponential {
        /// The mean; longer than zero.
        mean: SimDuration,
    },
    /// Its logarithm is normal: service times and network delays with a tail.
    LogNormal(LogNormal),
    /// A sum of exponential phases, generalised to any number of them.
    Gamma {
        /// The mean; longer than zero.
        mean: SimDuration,
        /// Standard deviation over mean. Range: 0.001 to 100, or 0 for a constant.
        cv: f64,
    },
    /// A power of an exponential.
    Weibull(Weibull),
    /// A power law: the tail is a straight line on log-log paper.
    Pareto(Pareto),
    /// What was measured.
    Empirical(Empirical),
    /// One of several, each with its weight.
    Mixture(Vec<Component>),
    /// A fixed part and a random one: work that never takes less than `by`.
    Shifted {
        /// The fixed part.
        by: SimDuration,
        /// What is added to it.
        of: Box<Dist>,
    },
}

/// The two ways to write a lognormal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LogNormal {
    /// By mean and coefficient of variation.
    Moments {
        /// The mean; longer than zero.
        mean: SimDuration,
        /// Standard deviation over mean. Range: 0 (a constant) to 1,000.
        cv: f64,
    },
    /// By two quantiles that a monitoring system shows.
    Quantiles {
        /// Half are shorter than this; longer than zero.
        median: SimDuration,
        /// 99 in 100 are shorter than this; longer than the median.
        p99: SimDuration,
    },
}

/// The two ways to write a Weibull distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weibull {
    /// By mean and coefficient of variation.
    Moments {
        /// The mean; longer than zero.
        mean: SimDuration,
        /// Standard deviation over mean. Range: 0.001 to 100, or 0 for a constant.
        cv: f64,
    },
    /// By scale and shape: the share `1 - exp(-(t / scale)^shape)` is shorter than `t`.
    Shape {
        /// 63 % are shorter than this; longer than zero.
        scale: SimDuration,
        /// Below 1 the tail is heavier than exponential, above 1 lighter. Range: 0.05 to 1,000.
        shape: f64,
    },
}

/// The two ways to write a Pareto distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pareto {
    /// By mean and exponent.
    Mean {
        /// The mean; longer than zero.
        mean: SimDuration,
        /// The exponent of the tail. Range: above 1, or there is no mean.
        alpha: f64,
    },
    /// By the shortest duration and the exponent.
    Scale {
        /// The shortest duration; longer than zero.
        scale: SimDuration,
        /// The exponent of the tail. Range: above 0; the mean is infinite at 1 and below.
        alpha: f64,
    },
}

/// The two ways to write down what was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Empirical {
    /// Durations, each with its weight; at least one. Weights need not add up to 1.
    Values(Vec<(SimDuration, f64)>),
    /// Points of the quantile function (share, duration), joined by straight lines. The first share is 0, the last 1,
    /// and shares and durations rise.
    Quantiles(Vec<(f64, SimDuration)>),
}

/// One part of a mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// How often, relative to the other weights; above zero.
    pub weight: f64,
    /// What then.
    pub of: Dist,
}

impl Dist {
    /// Always `value`.
    #[must_use]
    pub const fn constant(value: SimDuration) -> Self {
        Self::Constant(value)
    }

    /// Exponential with `mean`.
    #[must_use]
    pub const fn exponential(mean: SimDuration) -> Self {
        Self::Exponential { mean }
    }

    /// Lognormal with `mean` and coefficient of variation `cv`.
    #[must_use]
    pub const fn log_normal(mean: SimDuration, cv: f64) -> Self {
        Self::LogNormal(LogNormal::Moments { mean, cv })
    }

    /// Gamma with `mean` and coefficient of variation `cv`.
    #[must_use]
    pub const fn gamma(mean: SimDuration, cv: f64) -> Self {
        Self::Gamma { mean, cv }
    }

    /// `by`, and `of` on top of it.
    #[must_use]
    pub fn shifted(by: SimDuration, of: Self) -> Self {
        Self::Shifted {
            by,
            of: Box::new(of),
        }
    }

    /// Checks the parameters and prepares sampling.
    ///
    /// # Errors
    ///
    /// [`DistError`] where a parameter is outside its range, saying which one, what was found and what was expected.
    pub fn sampler(&self) -> Result<Sampler, DistError> {
        Sampler::of(self)
    }
}

impl From<SimDuration> for Dist {
    fn from(value: SimDuration) -> Self {
        Self::Constant(value)
    }
}

/// Why a distribution cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DistError {
    /// A parameter outside its range.
    #[error("found {parameter} {found} in {dist}, expected {expected}")]
    Parameter {
        /// The distribution as it is written.
        dist: &'static str,
        /// The parameter's name.
        parameter: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A list without entries.
    #[error("found an empty list in {dist}, expected at least {least}")]
    TooFew {
        /// The distribution as it is written.
        dist: &'static str,
        /// How many there must be, in words.
        least: &'static str,
    },
}
