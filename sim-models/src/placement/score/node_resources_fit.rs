//! NodeResourcesFit, the score: more cpu and memory left, the pod already counted (LeastAllocated).
//!
//! A container that does not say what it needs counts as 100m and 200 MiB here, and only here.
//!
//! Source: kube-scheduler 1.34 `plugins/noderesources/least_allocated.go`.

use crate::id::NodeId;
use crate::placement::score::MAX_SCORE;
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::template::Template;

/// Scores the feasible nodes from 0 to 100.
pub fn score(cluster: &Snapshot, pod: &Template, feasible: &[NodeId]) -> Vec<i64> {
    feasible
        .iter()
        .map(|&node| least_allocated(pod, cluster.node(node)))
        .collect()
}

/// The mean of the shares of cpu and memory left, in per cent; every division truncates.
pub fn least_allocated(pod: &Template, node: &NodeState) -> i64 {
    let (has, used, asks) = (node.node.allocatable, node.assumed, pod.assumed);
    mean_of([
        left(has.cpu, used.cpu + asks.cpu),
        left(has.memory, used.memory + asks.memory),
    ])
}

/// The share left in per cent; `None` of a resource that the node does not have.
fn left(has: i64, requested: i64) -> Option<i64> {
    let share = || {
        if requested > has {
            0
        } else {
            (has - requested) * MAX_SCORE / has
        }
    };
    (has != 0).then(share)
}

fn mean_of(shares: [Option<i64>; 2]) -> i64 {
    let (mut sum, mut count) = (0, 0);
    for share in shares.into_iter().flatten() {
        sum += share;
        count += 1;
    }
    if count == 0 { 0 } else { sum / count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_division_truncates() {
        // (1930 - 100) * 100 / 1930 = 94.8; (15395708928 - 134217728) * 100 / 15395708928 = 99.1; (94 + 99) / 2 = 96.5.
        assert_eq!(left(1930, 100), Some(94));
        assert_eq!(left(15_395_708_928, 134_217_728), Some(99));
        assert_eq!(mean_of([Some(94), Some(99)]), 96);
    }

    #[test]
    fn an_overcommitted_resource_scores_nothing_and_an_absent_one_is_left_out() {
        assert_eq!(left(100, 101), Some(0));
        assert_eq!(left(0, 101), None);
        assert_eq!(mean_of([Some(40), None]), 40);
        assert_eq!(mean_of([None, None]), 0);
    }
}
