//! What is a named number, and what does it mean?

use std::fmt;

use sim_core::{Estimate, Interval};

use super::layout::Focus;

/// What a person should know about a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its fixed name, as objectives write it.
    pub name: &'static str,
    /// Its unit; values are always in the base unit.
    pub unit: Unit,
    /// Which direction is better.
    pub better: Better,
    /// For which scopes it exists.
    pub applies: Applies,
    /// How replications are averaged.
    pub mean: Mean,
    /// One or two sentences: what is counted, and how.
    pub meaning: &'static str,
    /// Its name elsewhere, such as a CloudWatch metric of `AWS/ApplicationELB`; empty where there is none.
    pub alias: &'static str,
}

/// Unit of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// A part of a whole, from 0 to 1; people write percent.
    Share,
    /// How many.
    Count,
    /// One number divided by another of the same unit.
    Ratio,
    /// How many in each second.
    PerSecond,
    /// Bytes.
    Bytes,
}

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither: it describes.
    Neither,
}

/// For which scopes a quantity exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applies {
    /// For everything together and for each Service.
    Everywhere,
    /// For each Service only: over several, it would compare unlike things.
    ServicesOnly,
    /// For everything together only.
    OverallOnly,
}

/// How replications are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mean {
    /// The plain mean.
    Arithmetic,
    /// The reciprocal of the mean reciprocal, for numbers that are one over something with a well-behaved mean.
    Harmonic,
}

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absent {
    /// Nothing was observed that it could be computed from, or it does not exist for this scope.
    Nothing,
    /// Too few observations for a quantile that far out.
    TooFew {
        /// Observations there were.
        seen: u32,
        /// Observations it takes.
        needed: u32,
    },
}

/// One quantity of the metric `M`: its description, and how it is computed.
pub struct Definition<M: 'static> {
    /// The description.
    pub about: About,
    /// The number in the base unit of `about.unit`.
    pub value: fn(&M, &Focus<'_>) -> Result<f64, Absent>,
}

/// What replications say about a quantity: a mean, and where the true one lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimated {
    /// The mean over the replications, as [`About::mean`] says.
    pub mean: f64,
    /// Student's interval with 95 % confidence; infinite with one replication.
    pub interval: Interval,
    /// How many replications.
    pub replications: u64,
}

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

impl Estimated {
    /// The estimate from one value for each replication, in their order.
    #[must_use]
    pub fn of(values: &[f64], mean: Mean) -> Self {
        match mean {
            Mean::Arithmetic => {
                let estimate = Estimate::of(values);
                Self {
                    mean: estimate.mean(),
                    interval: estimate.interval(CONFIDENCE),
                    replications: estimate.n(),
                }
            }
            Mean::Harmonic => {
                let reciprocals: Vec<f64> = values.iter().map(|value| 1.0 / value).collect();
                let estimate = Estimate::of(&reciprocals);
                let Interval { low, high } = estimate.interval(CONFIDENCE);
                // A reciprocal that may be zero leaves no upper limit; none is negative.
                let interval = Interval {
                    low: 1.0 / high,
                    high: if low > 0.0 { 1.0 / low } else { f64::INFINITY },
                };
                Self {
                    mean: 1.0 / estimate.mean(),
                    interval,
                    replications: estimate.n(),
                }
            }
        }
    }

    /// Half the width of the interval.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.interval.high - self.interval.low) / 2.0
    }

    /// The half-width over the magnitude of the mean: 0 where the interval is a point, infinite where only the mean is zero.
    #[must_use]
    pub fn relative_half_width(&self) -> f64 {
        let half_width = self.half_width();
        if half_width == 0.0 {
            0.0
        } else {
            half_width / self.mean.abs()
        }
    }
}

impl About {
    /// A quantity for all scopes, without another name.
    #[must_use]
    pub const fn new(
        name: &'static str,
        unit: Unit,
        better: Better,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            unit,
            better,
            applies: Applies::Everywhere,
            mean: Mean::Arithmetic,
            meaning,
            alias: "",
        }
    }

    /// The same, for each Service only.
    #[must_use]
    pub const fn services_only(self) -> Self {
        Self {
            applies: Applies::ServicesOnly,
            ..self
        }
    }

    /// The same, for everything together only.
    #[must_use]
    pub const fn overall_only(self) -> Self {
        Self {
            applies: Applies::OverallOnly,
            ..self
        }
    }

    /// The same, averaged on the scale of its reciprocal.
    #[must_use]
    pub const fn harmonic(self) -> Self {
        Self {
            mean: Mean::Harmonic,
            ..self
        }
    }

    /// The same, known elsewhere as `alias`.
    #[must_use]
    pub const fn alias(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }
}

impl Unit {
    /// Short name of the base unit; empty for plain numbers.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Share | Self::Count | Self::Ratio => "",
            Self::PerSecond => "1/s",
            Self::Bytes => "B",
        }
    }

    /// Name in machine-readable outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Share => "share",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::PerSecond => "per_second",
            Self::Bytes => "bytes",
        }
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing was observed"),
            Self::TooFew { seen, needed } => {
                write!(f, "{seen} requests were observed, it takes {needed}")
            }
        }
    }
}

/// A quotient; absent where the divisor is zero.
pub(crate) fn ratio(dividend: f64, divisor: f64) -> Result<f64, Absent> {
    if divisor == 0.0 {
        Err(Absent::Nothing)
    } else {
        Ok(dividend / divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmonic_mean_is_the_reciprocal_of_the_mean_reciprocal() {
        // Reciprocals 1/20 and 1/60: mean 1/30.
        let estimated = Estimated::of(&[20.0, 60.0], Mean::Harmonic);
        assert!((estimated.mean - 30.0).abs() < 1e-12);
        // t(1, 97.5 %) = 12.7 times a standard error of 1/60: the interval of the reciprocal reaches below zero.
        assert!(estimated.interval.low > 0.0 && estimated.interval.low < 30.0);
        assert_eq!(estimated.interval.high, f64::INFINITY);
    }

    #[test]
    fn precision_is_relative_to_the_mean() {
        assert_eq!(
            Estimated::of(&[0.0, 0.0], Mean::Arithmetic).relative_half_width(),
            0.0
        );
        assert_eq!(
            Estimated::of(&[-1.0, 1.0], Mean::Arithmetic).relative_half_width(),
            f64::INFINITY
        );
        // Mean 10, t(1, 97.5 %) = 12.706, standard error 1: half-width 12.706.
        assert!(
            (Estimated::of(&[9.0, 11.0], Mean::Arithmetic).relative_half_width() - 1.2706).abs()
                < 1e-4
        );
    }
}
