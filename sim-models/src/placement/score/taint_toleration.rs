//! TaintToleration, the score: fewer `PreferNoSchedule` taints that the pod does not tolerate.
//!
//! Without any such taint every node gets the full 100, times 3. A node with the most gets 0 of 300, which is usually
//! enough to keep it empty.

use crate::id::NodeId;
use crate::placement::score::{by_highest, scale_down};
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::taint::TaintEffect;
use crate::placement::template::Template;

/// Scores the feasible nodes from 0 to 100.
pub fn score(cluster: &Snapshot, pod: &Template, feasible: &[NodeId]) -> Vec<i64> {
    by_highest(
        feasible
            .iter()
            .map(|&node| raw(pod, cluster.node(node)))
            .collect(),
        scale_down,
    )
}

/// How many soft taints of the node the pod does not tolerate.
pub fn raw(pod: &Template, node: &NodeState) -> i64 {
    let soft = node
        .node
        .taints
        .iter()
        .filter(|taint| taint.effect == TaintEffect::PreferNoSchedule);
    soft.filter(|taint| !taint.is_tolerated(&pod.pod.tolerations))
        .count() as i64
}
