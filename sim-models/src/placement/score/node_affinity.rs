//! NodeAffinity, the score: more of the pod's preferred node affinity.

use crate::id::NodeId;
use crate::placement::score::{by_highest, scale_up};
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::template::Template;

/// Scores the feasible nodes from 0 to 100; skips a pod without preferences.
pub fn score(cluster: &Snapshot, pod: &Template, feasible: &[NodeId]) -> Option<Vec<i64>> {
    let raw = || {
        feasible
            .iter()
            .map(|&node| raw(pod, cluster.node(node)))
            .collect()
    };
    has_preferences(pod).then(|| by_highest(raw(), scale_up))
}

/// Whether the plugin has anything to say about the pod.
pub fn has_preferences(pod: &Template) -> bool {
    !pod.pod
        .affinity
        .node_affinity
        .preferred_during_scheduling_ignored_during_execution
        .is_empty()
}

/// The sum of the weights of the preferences that the node fulfils.
pub fn raw(pod: &Template, node: &NodeState) -> i64 {
    let wishes = &pod
        .pod
        .affinity
        .node_affinity
        .preferred_during_scheduling_ignored_during_execution;
    let fulfilled = wishes
        .iter()
        .filter(|wish| wish.preference.matches(&node.node.name, &node.node.labels));
    fulfilled.map(|wish| wish.weight).sum()
}
