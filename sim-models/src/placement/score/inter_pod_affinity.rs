//! InterPodAffinity, the score: more company that is liked, less that is not.
//!
//! Preferences count in both directions: the pod's own about the pods that are there, and theirs about it. A required
//! affinity of a pod that is there counts as a preference of weight 1.
//!
//! Source: kube-scheduler 1.34 `plugins/interpodaffinity/scoring.go`.

use crate::id::NodeId;
use std::collections::BTreeMap;

use crate::placement::score::MAX_SCORE;
use crate::placement::snapshot::Snapshot;
use crate::placement::template::Template;

/// What a required affinity term of a pod that is there counts.
///
/// Source: kube-scheduler 1.34 `InterPodAffinityArgs.hardPodAffinityWeight`.
const REQUIRED_WEIGHT: i64 = 1;

/// Scores the feasible nodes from 0 to 100; skips when no preference meets any pod.
pub fn score(cluster: &Snapshot, pod: &Template, feasible: &[NodeId]) -> Option<Vec<i64>> {
    let mut places: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for (_, node) in cluster.nodes() {
        for held in &node.held {
            for (topology_key, weight) in sympathies(cluster, pod, cluster.template(held.template))
            {
                if let Some(value) = node.node.labels.get(topology_key) {
                    *places.entry((topology_key, value)).or_default() +=
                        weight * i64::from(held.all());
                }
            }
        }
    }
    let raw = |node: &NodeId| -> i64 {
        let labels = &cluster.node(*node).node.labels;
        let here = |(key, value): (&str, &str)| labels.get(key).is_some_and(|own| own == value);
        places
            .iter()
            .filter(|&(&place, _)| here(place))
            .map(|(_, weight)| weight)
            .sum()
    };
    (!places.is_empty()).then(|| normalised(&feasible.iter().map(raw).collect::<Vec<_>>()))
}

/// What one pod of `other` adds to the nodes that share its value of each topology key.
pub fn sympathies<'a>(
    cluster: &'a Snapshot,
    pod: &'a Template,
    other: &'a Template,
) -> impl Iterator<Item = (&'a str, i64)> {
    let own = pod
        .preferred_affinity
        .iter()
        .filter(|(_, term)| term.matches(cluster, &other.pod));
    let theirs = other
        .preferred_affinity
        .iter()
        .filter(|(_, term)| term.matches(cluster, &pod.pod));
    let required = other
        .required_affinity
        .iter()
        .filter(|term| term.matches(cluster, &pod.pod));
    own.chain(theirs)
        .map(|(weight, term)| (term.topology_key.as_str(), *weight))
        .chain(required.map(|term| (term.topology_key.as_str(), REQUIRED_WEIGHT)))
}

/// Stretches a raw score over 0..100, given the extremes among the feasible nodes; all 0 when they are equal.
///
/// In 64-bit floats as in the original, because its rounding decides ties: 29 of 100 gives 28.
pub fn normalise(raw: i64, lowest: i64, highest: i64) -> i64 {
    if highest == lowest {
        return 0;
    }
    (MAX_SCORE as f64 * ((raw - lowest) as f64 / (highest - lowest) as f64)) as i64
}

fn normalised(raw: &[i64]) -> Vec<i64> {
    let (lowest, highest) = (
        raw.iter().min().copied().unwrap_or(0),
        raw.iter().max().copied().unwrap_or(0),
    );
    raw.iter()
        .map(|&raw| normalise(raw, lowest, highest))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_stretched_and_truncated() {
        assert_eq!(normalised(&[-10, 0, 5]), [0, 66, 100]);
        assert_eq!(normalised(&[7, 7]), [0, 0]);
        // 100 x (29 / 100) = 28.999999999999996 in 64-bit floats.
        assert_eq!(normalise(29, 0, 100), 28);
    }
}
