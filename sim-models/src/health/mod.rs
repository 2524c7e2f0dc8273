//! How does a change of readiness travel?
//!
//! The files lie in the order of the journey: a [`probe`] fails often enough ([`threshold`]), an
//! [`endpoint_slice`] is published without the pod ([`packing`] says which one), each node's [`service_map`] follows. Meanwhile every
//! load balancer node makes its own [`health_check`]s and keeps its own view of each [`target_group`].
//! Nothing here plans an event or reads the clock: that is the work of [`crate::world`].

pub mod endpoint_slice;
pub mod health_check;
pub mod packing;
pub mod probe;
pub mod service_map;
pub mod target_group;
pub mod threshold;

use sim_core::{Dist, SimDuration, dist::LogNormal};

/// From a commit until a watcher has it, where nothing else is said: a median of 10 ms, 100 ms in one of a hundred.
///
/// Assumption: nothing official bounds it below one second.
pub fn watch_delay() -> Dist {
    log_normal(10, 100)
}

/// A delay known by its median and its 99th percentile, in milliseconds.
pub(crate) fn log_normal(median: u64, p99: u64) -> Dist {
    Dist::LogNormal(LogNormal::Quantiles {
        median: SimDuration::from_millis(median),
        p99: SimDuration::from_millis(p99),
    })
}
