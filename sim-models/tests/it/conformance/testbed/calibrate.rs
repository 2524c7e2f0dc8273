//! How slow were the recorded pods?
//!
//! The machine of the recordings was shared: its load stretched the service times and with them the number of connections
//! in the pool. One factor on the service time undoes that. It is chosen so that the simulated pods accept as many
//! connections as the recorded ones; where the pool is smaller than the concurrency, so that connections churn, it is
//! chosen by the median latency.

use super::cluster;
use super::observed::{Observed, SEEDS, some_seeds};
use super::record::{Config, Recording};

/// Simulated runs for each try of a factor.
const SEEDS_PER_TRY: u64 = 50;
/// Halvings of the interval of log2(factor), from 1/8 to 32: to 8 / 2^10, that is 0.5 % of the factor.
const HALVINGS: u32 = 10;

/// What the factor makes equal.
#[derive(Clone, Copy)]
enum Measure {
    Connections,
    MedianLatency,
}

impl Measure {
    /// Connections, unless the pool is smaller than the concurrency.
    ///
    /// The concurrency is the most connections that a pool without limit has open at once.
    fn of(config: &Config) -> Self {
        let mut blueprint = cluster::blueprint(config, 1.0);
        for group in blueprint.target_groups.iter_mut() {
            group.upstream.pool_max_idle = None;
        }
        let runs = some_seeds(&blueprint, SEEDS_PER_TRY);
        let concurrency = mean(&runs, |run| run.peak_connections as f64);
        if f64::from(config.lb.upstream_keepalive) < concurrency {
            Self::MedianLatency
        } else {
            Self::Connections
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::MedianLatency => "median latency (ms)",
        }
    }

    fn read(self, run: &Observed) -> f64 {
        match self {
            Self::Connections => run.connections as f64,
            Self::MedianLatency => run.median_ms,
        }
    }
}

/// The recorded cluster simulated with its service time calibrated.
pub(super) struct Calibrated {
    pub(super) runs: Vec<Observed>,
    /// By how much the service time was stretched.
    pub(super) factor: f64,
    /// What the factor makes equal, as recorded and as simulated.
    pub(super) measure: &'static str,
    pub(super) wanted: f64,
    pub(super) found: f64,
}

/// Simulates the recorded cluster with its service time calibrated.
pub(super) fn simulate(recording: &Recording) -> Calibrated {
    let config = &recording.config;
    let measure = Measure::of(config);
    let wanted = mean(&recording.runs, |run| measure.read(run));
    let (mut low, mut high) = (-3.0, 5.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        let blueprint = cluster::blueprint(config, libm::exp2(middle));
        let runs = some_seeds(&blueprint, SEEDS_PER_TRY);
        if mean(&runs, |run| measure.read(run)) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    let factor = libm::exp2(f64::midpoint(low, high));
    let runs = some_seeds(&cluster::blueprint(config, factor), SEEDS);
    Calibrated {
        found: mean(&runs, |run| measure.read(run)),
        runs,
        factor,
        measure: measure.name(),
        wanted,
    }
}

fn mean(runs: &[Observed], of: impl Fn(&Observed) -> f64) -> f64 {
    runs.iter().map(of).sum::<f64>() / runs.len() as f64
}
