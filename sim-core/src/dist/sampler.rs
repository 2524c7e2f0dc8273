//! A distribution ready to sample.

use super::{
    Component, Dist, DistError, Empirical, LogNormal, Pareto, Weibull, elementary, inverse,
};
use crate::stream::Unit;
use crate::time::SimDuration;

/// No sample is longer: 31.7 years. Heavier tails are cut there, so that a moment plus a sample stays a moment.
const LONGEST_NANOS: f64 = 1e18;
const NANOS_PER_SEC: f64 = 1e9;

/// A distribution whose parameters are checked, ready to sample.
///
/// One unit gives one duration, rounded to the nearest nanosecond, at most 10¹⁸ of them (31.7 years). The functions
/// are our own or those of `libm`, never the platform's, so a unit gives the same duration everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    law: Law,
    /// Mean and second moment about zero, in nanoseconds and their square.
    moments: [f64; 2],
}

/// Parameters in nanoseconds, in the form the inverse wants them.
#[derive(Clone, Debug, PartialEq)]
enum Law {
    Constant(SimDuration),
    Uniform {
        low: f64,
        width: f64,
    },
    Exponential {
        mean: f64,
    },
    LogNormal {
        mu: f64,
        sigma: f64,
    },
    Gamma {
        shape: f64,
        scale: f64,
    },
    Weibull {
        scale: f64,
        inverse_shape: f64,
    },
    Pareto {
        scale: f64,
        inverse_alpha: f64,
    },
    /// Values with the share of those up to and including each; ascending.
    Steps(Vec<(f64, SimDuration)>),
    /// Points of the quantile function.
    Lines(Vec<(f64, f64)>),
    /// Parts with the share at which each ends.
    Mixture(Vec<(f64, Sampler)>),
    /// A fixed part, in nanoseconds, and what is added to it.
    Shifted(f64, Box<Sampler>),
}

impl Sampler {
    /// The duration whose share of shorter ones is `unit`.
    #[inline]
    #[must_use]
    pub fn sample(&self, unit: Unit) -> SimDuration {
        let u = unit.get();
        rounded(match &self.law {
            Law::Constant(value) => return *value,
            Law::Uniform { low, width } => low + width * u,
            Law::Exponential { mean } => mean * exponential(unit),
            Law::LogNormal { mu, sigma } => elementary::exp(mu + sigma * inverse::normal(u)),
            Law::Gamma { shape, scale } => scale * inverse::gamma(*shape, u),
            Law::Weibull {
                scale,
                inverse_shape,
            } => scale * libm::pow(exponential(unit), *inverse_shape),
            Law::Pareto {
                scale,
                inverse_alpha,
            } => scale * elementary::exp(exponential(unit) * inverse_alpha),
            Law::Steps(steps) => return steps[place(steps, u)].1,
            Law::Lines(points) => on_line(points, u),
            Law::Mixture(parts) => return of_part(parts, unit),
            Law::Shifted(by, of) => by + nanos(of.sample(unit)),
        })
    }

    /// The mean in seconds; infinite for a Pareto tail with an exponent of 1 or less.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.moments[0] / NANOS_PER_SEC
    }

    /// Standard deviation over mean: 0 for a constant, infinite where the variance is.
    #[must_use]
    pub fn cv(&self) -> f64 {
        let [mean, second] = self.moments;
        if self.is_constant().is_some() {
            return 0.0;
        }
        if second.is_infinite() {
            return f64::INFINITY;
        }
        (second / (mean * mean) - 1.0).max(0.0).sqrt()
    }

    /// The one duration there is, where there is only one.
    #[must_use]
    pub fn is_constant(&self) -> Option<SimDuration> {
        match self.law {
            Law::Constant(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn of(dist: &Dist) -> Result<Self, DistError> {
        match dist {
            Dist::Constant(value) => Ok(Self::constant(*value)),
            Dist::Uniform { low, high } => uniform(*low, *high),
            Dist::Exponential { mean } => {
                let mean = Check("Exponential").longer_than_zero("mean", *mean)?;
                Ok(Self {
                    law: Law::Exponential { mean },
                    moments: by_cv(mean, 1.0),
                })
            }
            Dist::LogNormal(LogNormal::Moments { mean, cv }) => log_normal(*mean, *cv),
            Dist::LogNormal(LogNormal::Quantiles { median, p99 }) => {
                log_normal_by_quantiles(*median, *p99)
            }
            Dist::Gamma { mean, cv } => gamma(*mean, *cv),
            Dist::Weibull(Weibull::Moments { mean, cv }) => weibull_by_moments(*mean, *cv),
            Dist::Weibull(Weibull::Shape { scale, shape }) => weibull(*scale, *shape),
            Dist::Pareto(pareto) => power_law(*pareto),
            Dist::Empirical(Empirical::Values(values)) => steps(values),
            Dist::Empirical(Empirical::Quantiles(points)) => lines(points),
            Dist::Mixture(parts) => mixture(parts),
            Dist::Shifted { by, of } => Ok(shifted(*by, of.sampler()?)),
        }
    }

    fn constant(value: SimDuration) -> Self {
        Self {
            law: Law::Constant(value),
            moments: by_cv(nanos(value), 0.0),
        }
    }
}

#[inline]
fn rounded(nanos: f64) -> SimDuration {
    // Processors convert to signed numbers; nothing here is negative.
    SimDuration::from_nanos((nanos.min(LONGEST_NANOS) + 0.5) as i64 as u64)
}

/// The quantile of the exponential distribution with mean 1, rising with the unit; `1 - u` is exact.
#[inline]
fn exponential(unit: Unit) -> f64 {
    -elementary::ln(unit.complement().get())
}

/// The first step that reaches above `u`.
fn place<T>(steps: &[(f64, T)], u: f64) -> usize {
    steps
        .partition_point(|step| step.0 <= u)
        .min(steps.len() - 1)
}

fn on_line(points: &[(f64, f64)], u: f64) -> f64 {
    let right = place(points, u).max(1);
    let ((p0, t0), (p1, t1)) = (points[right - 1], points[right]);
    t0 + (t1 - t0) * (u - p0) / (p1 - p0)
}

/// The unit chooses a part, and what is left of it chooses within the part.
fn of_part(parts: &[(f64, Sampler)], unit: Unit) -> SimDuration {
    let chosen = place(parts, unit.get());
    let low = if chosen == 0 {
        0.0
    } else {
        parts[chosen - 1].0
    };
    parts[chosen].1.sample(unit.within(low, parts[chosen].0))
}

fn uniform(low: SimDuration, high: SimDuration) -> Result<Sampler, DistError> {
    if high < low {
        return Err(Check("Uniform").wrong("high", high, "no less than `low`"));
    }
    if low == high {
        return Ok(Sampler::constant(low));
    }
    let (a, b) = (nanos(low), nanos(high));
    Ok(Sampler {
        law: Law::Uniform {
            low: a,
            width: b - a,
        },
        moments: [(a + b) / 2.0, (a * a + a * b + b * b) / 3.0],
    })
}

fn log_normal(mean: SimDuration, cv: f64) -> Result<Sampler, DistError> {
    let check = Check("LogNormal");
    let mean_nanos = check.longer_than_zero("mean", mean)?;
    check.range("cv", cv, 0.0..=1000.0, "a number from 0 to 1000")?;
    if cv == 0.0 {
        return Ok(Sampler::constant(mean));
    }
    // E = exp(mu + sigma²/2) and cv² = exp(sigma²) - 1.
    let variance = libm::log1p(cv * cv);
    let law = Law::LogNormal {
        mu: libm::log(mean_nanos) - variance / 2.0,
        sigma: variance.sqrt(),
    };
    Ok(Sampler {
        law,
        moments: by_cv(mean_nanos, cv),
    })
}

fn log_normal_by_quantiles(median: SimDuration, p99: SimDuration) -> Result<Sampler, DistError> {
    let check = Check("LogNormal");
    let mu = libm::log(check.longer_than_zero("median", median)?);
    if p99 <= median {
        return Err(check.wrong("p99", p99, "longer than `median`"));
    }
    let sigma = (libm::log(nanos(p99)) - mu) / inverse::normal(0.99);
    let mean = libm::exp(mu + sigma * sigma / 2.0);
    Ok(Sampler {
        law: Law::LogNormal { mu, sigma },
        moments: by_cv(mean, libm::expm1(sigma * sigma).sqrt()),
    })
}

fn gamma(mean: SimDuration, cv: f64) -> Result<Sampler, DistError> {
    let check = Check("Gamma");
    let mean_nanos = check.longer_than_zero("mean", mean)?;
    check.moderate_cv(cv)?;
    if cv == 0.0 {
        return Ok(Sampler::constant(mean));
    }
    let shape = 1.0 / (cv * cv);
    Ok(Sampler {
        law: Law::Gamma {
            shape,
            scale: mean_nanos / shape,
        },
        moments: by_cv(mean_nanos, cv),
    })
}

fn weibull(scale: SimDuration, shape: f64) -> Result<Sampler, DistError> {
    let check = Check("Weibull");
    let scale = check.longer_than_zero("scale", scale)?;
    check.range("shape", shape, 0.05..=1000.0, "a number from 0.05 to 1000")?;
    Ok(weibull_of(scale, shape))
}

fn weibull_by_moments(mean: SimDuration, cv: f64) -> Result<Sampler, DistError> {
    let check = Check("Weibull");
    let mean_nanos = check.longer_than_zero("mean", mean)?;
    check.moderate_cv(cv)?;
    if cv == 0.0 {
        return Ok(Sampler::constant(mean));
    }
    // cv² + 1 = Γ(1 + 2/k) / Γ(1 + 1/k)² falls with the shape k: halve the interval of 1/k until it is a point.
    let spread = libm::log1p(cv * cv);
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        let found = libm::lgamma(1.0 + 2.0 * middle) - 2.0 * libm::lgamma(1.0 + middle);
        if found < spread {
            low = middle
        } else {
            high = middle
        }
    }
    let shape = 1.0 / (0.5 * (low + high));
    Ok(weibull_of(
        mean_nanos / libm::tgamma(1.0 + 1.0 / shape),
        shape,
    ))
}

fn weibull_of(scale: f64, shape: f64) -> Sampler {
    let moment = |k: f64| libm::pow(scale, k) * libm::exp(libm::lgamma(1.0 + k / shape));
    Sampler {
        law: Law::Weibull {
            scale,
            inverse_shape: 1.0 / shape,
        },
        moments: [moment(1.0), moment(2.0)],
    }
}

fn power_law(pareto: Pareto) -> Result<Sampler, DistError> {
    let check = Check("Pareto");
    let (scale, alpha) = match pareto {
        Pareto::Mean { mean, alpha } => {
            let mean = check.longer_than_zero("mean", mean)?;
            if !(alpha > 1.0 && alpha.is_finite()) {
                return Err(check.wrong(
                    "alpha",
                    alpha,
                    "a number above 1: at 1 and below there is no mean",
                ));
            }
            (mean * (alpha - 1.0) / alpha, alpha)
        }
        Pareto::Scale { scale, alpha } => {
            if !(alpha > 0.0 && alpha.is_finite()) {
                return Err(check.wrong("alpha", alpha, "a number above 0"));
            }
            (check.longer_than_zero("scale", scale)?, alpha)
        }
    };
    let moment = |k: i32| {
        if alpha > f64::from(k) {
            scale.powi(k) * alpha / (alpha - f64::from(k))
        } else {
            f64::INFINITY
        }
    };
    Ok(Sampler {
        law: Law::Pareto {
            scale,
            inverse_alpha: 1.0 / alpha,
        },
        moments: [moment(1), moment(2)],
    })
}

fn steps(values: &[(SimDuration, f64)]) -> Result<Sampler, DistError> {
    let check = Check("Empirical");
    if values.is_empty() {
        return Err(DistError::TooFew {
            dist: "Empirical",
            least: "one value",
        });
    }
    let mut sorted = values.to_vec();
    sorted.sort_by_key(|&(value, _)| value);
    let shares = check.shares(sorted.iter().map(|&(_, weight)| weight))?;
    let mut moments = [0.0; 2];
    for (&(value, _), &(weight, _)) in sorted.iter().zip(&shares) {
        moments[0] += weight * nanos(value);
        moments[1] += weight * nanos(value) * nanos(value);
    }
    let law = Law::Steps(
        shares
            .iter()
            .zip(&sorted)
            .map(|(&(_, end), &(value, _))| (end, value))
            .collect(),
    );
    let constant = sorted
        .iter()
        .all(|&(value, _)| value == sorted[0].0)
        .then_some(sorted[0].0);
    Ok(constant.map_or(Sampler { law, moments }, Sampler::constant))
}

fn lines(points: &[(f64, SimDuration)]) -> Result<Sampler, DistError> {
    let check = Check("Empirical");
    let ([(first, shortest), .., (last, _)], true) = (points, points.len() >= 2) else {
        return Err(DistError::TooFew {
            dist: "Empirical",
            least: "two quantiles, those of 0 and of 1",
        });
    };
    if *first != 0.0 {
        return Err(check.wrong("share", first, "0 as the first share"));
    }
    if *last != 1.0 {
        return Err(check.wrong("share", last, "1 as the last share"));
    }
    let mut moments = [0.0; 2];
    for pair in points.windows(2) {
        let ((p0, t0), (p1, t1)) = (pair[0], pair[1]);
        if p1.is_nan() || p1 <= p0 {
            return Err(check.wrong("share", p1, "shares that rise"));
        }
        if t1 < t0 {
            return Err(check.wrong("duration", t1, "durations that do not fall"));
        }
        let (a, b) = (nanos(t0), nanos(t1));
        moments[0] += (p1 - p0) * (a + b) / 2.0;
        moments[1] += (p1 - p0) * (a * a + a * b + b * b) / 3.0;
    }
    if points.iter().all(|(_, value)| value == shortest) {
        return Ok(Sampler::constant(*shortest));
    }
    Ok(Sampler {
        law: Law::Lines(
            points
                .iter()
                .map(|&(share, value)| (share, nanos(value)))
                .collect(),
        ),
        moments,
    })
}

fn mixture(parts: &[Component]) -> Result<Sampler, DistError> {
    if parts.is_empty() {
        return Err(DistError::TooFew {
            dist: "Mixture",
            least: "one part",
        });
    }
    let shares = Check("Mixture").shares(parts.iter().map(|part| part.weight))?;
    let samplers = parts
        .iter()
        .map(|part| part.of.sampler())
        .collect::<Result<Vec<_>, _>>()?;
    if let [only] = samplers.as_slice() {
        return Ok(only.clone());
    }
    let moment = |k: usize| {
        shares
            .iter()
            .zip(&samplers)
            .map(|(&(weight, _), sampler)| weight * sampler.moments[k])
            .sum()
    };
    let moments = [moment(0), moment(1)];
    Ok(Sampler {
        law: Law::Mixture(
            shares
                .into_iter()
                .map(|(_, end)| end)
                .zip(samplers)
                .collect(),
        ),
        moments,
    })
}

fn shifted(by: SimDuration, of: Sampler) -> Sampler {
    if let Some(value) = of.is_constant() {
        return Sampler::constant(rounded(nanos(by) + nanos(value)));
    }
    if by.is_zero() {
        return of;
    }
    let (by, [mean, second]) = (nanos(by), of.moments);
    Sampler {
        // E (b + X)² = b² + 2 b E X + E X².
        moments: [by + mean, by * by + 2.0 * by * mean + second],
        law: Law::Shifted(by, Box::new(of)),
    }
}

fn nanos(value: SimDuration) -> f64 {
    value.as_nanos() as f64
}

fn by_cv(mean: f64, cv: f64) -> [f64; 2] {
    [mean, mean * mean * (1.0 + cv * cv)]
}

/// The checks of parameters, for the distribution named.
struct Check(&'static str);

impl Check {
    fn wrong(
        &self,
        parameter: &'static str,
        found: impl ToString,
        expected: &'static str,
    ) -> DistError {
        DistError::Parameter {
            dist: self.0,
            parameter,
            found: found.to_string(),
            expected,
        }
    }

    fn longer_than_zero(
        &self,
        parameter: &'static str,
        found: SimDuration,
    ) -> Result<f64, DistError> {
        if found.is_zero() {
            return Err(self.wrong(parameter, found, "a duration longer than zero"));
        }
        Ok(nanos(found))
    }

    fn range(
        &self,
        parameter: &'static str,
        found: f64,
        range: std::ops::RangeInclusive<f64>,
        expected: &'static str,
    ) -> Result<(), DistError> {
        if range.contains(&found) {
            Ok(())
        } else {
            Err(self.wrong(parameter, found, expected))
        }
    }

    fn moderate_cv(&self, cv: f64) -> Result<(), DistError> {
        if cv == 0.0 {
            return Ok(());
        }
        self.range("cv", cv, 0.001..=100.0, "0, or a number from 0.001 to 100")
    }

    /// Each weight as a share of all, and the share at which it ends.
    fn shares(
        &self,
        weights: impl Iterator<Item = f64> + Clone,
    ) -> Result<Vec<(f64, f64)>, DistError> {
        if let Some(wrong) = weights
            .clone()
            .find(|weight| !(*weight > 0.0 && weight.is_finite()))
        {
            return Err(self.wrong("weight", wrong, "a number above 0"));
        }
        let total: f64 = weights.clone().sum();
        let ends = weights.clone().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum / total)
        });
        Ok(weights.map(|weight| weight / total).zip(ends).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> SimDuration {
        SimDuration::from_millis(n)
    }

    fn shifted(by: u64, of: Dist) -> Sampler {
        Dist::shifted(millis(by), of)
            .sampler()
            .expect("the parameters make sense")
    }

    #[test]
    fn a_shift_moves_every_quantile_and_the_mean_but_not_the_deviation() {
        let sampler = shifted(2, Dist::exponential(millis(3)));
        // 2 ms + 3 ms; the deviation stays 3 ms, so it is 0.6 of the mean.
        assert!((sampler.mean() - 0.005).abs() < 1e-15);
        assert!((sampler.cv() - 0.6).abs() < 1e-12);
        // The median of an exponential is ln 2 of its mean.
        let median = sampler.sample(Unit::new(0.5).expect("inside (0, 1)"));
        assert_eq!(median.as_nanos(), 2_000_000 + 2_079_442);
    }

    #[test]
    fn a_shift_of_nothing_or_of_a_constant_is_simple() {
        assert_eq!(
            shifted(2, Dist::constant(millis(3))).is_constant(),
            Some(millis(5))
        );
        let plain = Dist::exponential(millis(3)).sampler();
        assert_eq!(Ok(shifted(0, Dist::exponential(millis(3)))), plain);
    }

    #[test]
    fn a_shift_of_an_endless_mean_is_endless() {
        // A Pareto tail with exponent 1 has no mean.
        let tail = Dist::Pareto(Pareto::Scale {
            scale: millis(1),
            alpha: 1.0,
        });
        let sampler = shifted(2, tail);
        assert_eq!(
            (sampler.mean(), sampler.cv()),
            (f64::INFINITY, f64::INFINITY)
        );
    }
}
