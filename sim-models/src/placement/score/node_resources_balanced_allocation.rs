//! NodeResourcesBalancedAllocation: cpu and memory used to the same degree, the pod already counted.
//!
//! Requests count as written here, and a pod that requests neither is not scored. The arithmetic is in 64-bit floats as
//! in the original, because its rounding decides ties.
//!
//! Source: kube-scheduler 1.34 `plugins/noderesources/balanced_allocation.go`.

use crate::id::NodeId;
use crate::placement::score::MAX_SCORE;
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::template::Template;

/// Scores the feasible nodes from 0 to 100; skips a pod without requests.
pub fn score(cluster: &Snapshot, pod: &Template, feasible: &[NodeId]) -> Option<Vec<i64>> {
    has_requests(pod).then(|| {
        feasible
            .iter()
            .map(|&node| balance(pod, cluster.node(node)))
            .collect()
    })
}

/// Whether the plugin has anything to say about the pod.
pub fn has_requests(pod: &Template) -> bool {
    pod.requests.cpu != 0 || pod.requests.memory != 0
}

/// One minus the standard deviation of the used shares, in per cent, truncated.
pub fn balance(pod: &Template, node: &NodeState) -> i64 {
    let (has, used, asks) = (node.node.allocatable, node.requested, pod.requests);
    let cpu = fraction(has.cpu, used.cpu + asks.cpu);
    let memory = fraction(has.memory, used.memory + asks.memory);
    let deviation = match (cpu, memory) {
        (Some(cpu), Some(memory)) => ((cpu - memory) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * MAX_SCORE as f64) as i64
}

/// The share used, at most 1; `None` of a resource that the node does not have.
fn fraction(has: i64, requested: i64) -> Option<f64> {
    (has != 0).then(|| (requested as f64 / has as f64).min(1.0))
}
