//! The variates of the workloads, drawn in sequence.

use rand_core::Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};
use sim_core::{SimDuration, Stream, StreamName, Streams};

/// The one stream of a workload.
#[must_use]
pub fn stream(seed: u64) -> Stream {
    const WORKLOAD: StreamName = StreamName::new("workload");
    Streams::new(seed, 0).stream(WORKLOAD, 0)
}

/// Exponential with a mean in nanoseconds, by the ziggurat method.
#[inline]
pub fn exponential<R: Rng>(random: &mut R, mean: f64) -> SimDuration {
    let unit: f64 = Exp1.sample(random);
    SimDuration::from_nanos((unit * mean) as i64 as u64)
}

/// Lognormal in nanoseconds, by the ziggurat method; `mu` and `sigma` are those of the logarithm to base 2.
#[inline]
pub fn log_normal<R: Rng>(random: &mut R, mu: f64, sigma: f64) -> SimDuration {
    let normal: f64 = StandardNormal.sample(random);
    SimDuration::from_nanos(libm::exp2(mu + sigma * normal) as i64 as u64)
}

/// A whole number in `0..n`.
#[inline]
pub fn below<R: Rng>(random: &mut R, n: u32) -> u32 {
    ((u64::from(random.next_u32()) * u64::from(n)) >> 32) as u32
}
