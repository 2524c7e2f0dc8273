//! PodTopologySpread, the score: fewer pods of the same kind in the node's domains.
//!
//! The best node gets 100 and the worst `100 x min / max`, so scores are not stretched over the range: the more replicas
//! there are, the less one pod more or less matters. A pod without constraints of its own gets the scheduler's, which
//! count what its Services and its ReplicaSet select.
//!
//! Source: kube-scheduler 1.34 `plugins/podtopologyspread/scoring.go`.

use crate::id::NodeId;
use std::collections::BTreeMap;

use crate::placement::score::MAX_SCORE;
use crate::placement::snapshot::{NodeState, Snapshot};
use crate::placement::spread::WhenUnsatisfiable;
use crate::placement::spreading::{Applied, Spreading};
use crate::placement::template::Template;

/// Scores the feasible nodes from 0 to 100; skips a pod without soft constraints.
pub fn score(cluster: &Snapshot, pod: &Template, feasible: &[NodeId]) -> Option<Vec<i64>> {
    let applied = Applied::to(&pod.pod, cluster, WhenUnsatisfiable::ScheduleAnyway);
    if applied.constraints.is_empty() {
        return None;
    }
    let candidates: Vec<&NodeState> = feasible
        .iter()
        .map(|&node| cluster.node(node))
        .filter(|node| applied.looks_at(node))
        .collect();
    let count = |constraint| Counted::new(constraint, &applied, cluster, pod, &candidates);
    let counted: Vec<Counted<'_>> = applied.constraints.iter().map(count).collect();
    let raw = |node: &NodeState| {
        counted
            .iter()
            .map(|one| one.penalty(cluster, pod, node))
            .sum::<f64>()
            .round() as i64
    };
    let raw = feasible.iter().map(|&node| {
        applied
            .looks_at(cluster.node(node))
            .then(|| raw(cluster.node(node)))
    });
    Some(normalised(&raw.collect::<Vec<_>>()))
}

/// One constraint with the matching pods of every domain among the candidates.
struct Counted<'a> {
    constraint: &'a Spreading,
    weight: f64,
    pods: BTreeMap<Option<&'a str>, i64>,
}

impl<'a> Counted<'a> {
    /// Counts over all nodes, also those that are not candidates, as long as their domain has a candidate.
    fn new(
        constraint: &'a Spreading,
        applied: &Applied,
        cluster: &'a Snapshot,
        pod: &Template,
        candidates: &[&'a NodeState],
    ) -> Self {
        if constraint.is_per_node() {
            return Self {
                constraint,
                weight: weight(candidates.len()),
                pods: BTreeMap::new(),
            };
        }
        let mut pods: BTreeMap<_, i64> = candidates
            .iter()
            .map(|node| (constraint.domain(node), 0))
            .collect();
        for (_, node) in cluster.nodes().filter(|(_, node)| applied.looks_at(node)) {
            if let Some(count) = pods
                .get_mut(&constraint.domain(node))
                .filter(|_| constraint.includes(&pod.pod, node))
            {
                *count += constraint.count_on(cluster, pod, node);
            }
        }
        Self {
            constraint,
            weight: weight(pods.len()),
            pods,
        }
    }

    /// What the constraint adds to a node's raw score; nothing when the node lacks the key.
    fn penalty(&self, cluster: &Snapshot, pod: &Template, node: &NodeState) -> f64 {
        let Some(domain) = self.constraint.domain(node) else {
            return 0.0;
        };
        let here = if self.constraint.is_per_node() {
            self.constraint.count_on(cluster, pod, node)
        } else {
            self.pods[&Some(domain)]
        };
        penalty(here, self.weight, self.constraint.max_skew)
    }
}

/// What a pod more in a domain weighs: the logarithm of the number of domains, plus 2.
pub fn weight(domains: usize) -> f64 {
    libm::log((domains + 2) as f64)
}

/// What one constraint adds to the raw score of a node whose domain holds `here` matching pods.
pub fn penalty(here: i64, weight: f64, max_skew: i64) -> f64 {
    here as f64 * weight + (max_skew - 1) as f64
}

/// Turns a raw score into one from 0 to 100, given the extremes among the feasible nodes.
pub fn normalise(raw: i64, lowest: i64, highest: i64) -> i64 {
    if highest == 0 {
        MAX_SCORE
    } else {
        MAX_SCORE * (highest + lowest - raw) / highest
    }
}

/// The scores from the raw ones; a node that is not looked at gets 0.
fn normalised(raw: &[Option<i64>]) -> Vec<i64> {
    let known = || raw.iter().flatten().copied();
    let (Some(lowest), Some(highest)) = (known().min(), known().max()) else {
        return vec![0; raw.len()];
    };
    raw.iter()
        .map(|raw| raw.map_or(0, |raw| normalise(raw, lowest, highest)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Built-in constraints: host names with max_skew 3 over `nodes`, zones with max_skew 5 over `zones`.
    fn built_in(on_node: i64, nodes: usize, in_zone: i64, zones: usize) -> i64 {
        (penalty(on_node, weight(nodes), 3) + penalty(in_zone, weight(zones), 5)).round() as i64
    }

    #[test]
    fn raw_scores_follow_the_worked_example() {
        // 0, 1, 2, 2 pods on four nodes of one zone: count x ln 6 + 2 + 5 x ln 3 + 4 = 11.49, 13.28, 15.08, 15.08.
        let raw = [0, 1, 2, 2].map(|on_node| Some(built_in(on_node, 4, 5, 1)));
        assert_eq!(raw, [11, 13, 15, 15].map(Some));
        // 100 x (15 + 11 - raw) / 15 = 100, 86.7, 73.3, 73.3.
        assert_eq!(normalised(&raw), [100, 86, 73, 73]);
    }

    #[test]
    fn zones_and_nodes_add_up() {
        // Counts (2, 3, 1, 2) on nodes in zones (a, b, c, a): ln 6 = 1.7918, ln 5 = 1.6094;
        // 2 x 1.7918 + 2 + 4 x 1.6094 + 4 = 16.02; 3, 3: 16.2; 1, 1: 9.4.
        let raw =
            [(2, 4), (3, 3), (1, 1), (2, 4)].map(|(node, zone)| Some(built_in(node, 4, zone, 3)));
        assert_eq!(raw, [16, 16, 9, 16].map(Some));
        assert_eq!(normalised(&raw), [56, 56, 100, 56]);
    }

    #[test]
    fn a_node_that_is_not_looked_at_scores_nothing() {
        assert_eq!(normalised(&[None, Some(0)]), [0, 100]);
        assert_eq!(normalised(&[None, None]), [0, 0]);
    }
}
