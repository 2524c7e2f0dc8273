//! In which order are nodes examined, and how many? Zones take turns, and a large cluster is only sampled.
//!
//! Source: kube-scheduler 1.34 `backend/cache/node_tree.go` and `schedule_one.go`, `numFeasibleNodesToFind`.

use super::selector::Labels;
use super::spread::{REGION, ZONE};
use crate::id::NodeId;

/// Nodes by zone, zones in order of first appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NodeTree {
    zones: Vec<(ZoneKey, Vec<NodeId>)>,
}

/// Region and zone; nodes without either label form a zone of their own.
type ZoneKey = (String, String);

impl NodeTree {
    pub(super) fn add(&mut self, labels: &Labels, node: NodeId) {
        let key = zone_key(labels);
        match self.zones.iter_mut().find(|(zone, _)| *zone == key) {
            Some((_, nodes)) => nodes.push(node),
            None => self.zones.push((key, vec![node])),
        }
    }

    /// Forgets a node; a zone without nodes loses its place in the order.
    pub(super) fn remove(&mut self, node: NodeId) {
        for (_, nodes) in &mut self.zones {
            nodes.retain(|&other| other != node);
        }
        self.zones.retain(|(_, nodes)| !nodes.is_empty());
    }

    /// One node of each zone, then the next of each, until all are listed.
    pub(super) fn list(&self) -> Vec<NodeId> {
        let longest = self
            .zones
            .iter()
            .map(|(_, nodes)| nodes.len())
            .max()
            .unwrap_or(0);
        let round = |turn: usize| {
            self.zones
                .iter()
                .filter_map(move |(_, nodes)| nodes.get(turn).copied())
        };
        (0..longest).flat_map(round).collect()
    }
}

fn zone_key(labels: &Labels) -> ZoneKey {
    let label = |old: &str, new: &str| {
        labels
            .get(old)
            .or_else(|| labels.get(new))
            .cloned()
            .unwrap_or_default()
    };
    (
        label("failure-domain.beta.kubernetes.io/region", REGION),
        label("failure-domain.beta.kubernetes.io/zone", ZONE),
    )
}

/// Up to this many nodes, all are examined; above, at least this many feasible ones are looked for.
const ALWAYS_EXAMINED: usize = 100;

/// How many feasible nodes end the search.
///
/// `percentage` of all nodes; 0 means adaptive: 50 %, one per cent less for every 125 nodes, at least 5 %.
pub fn feasible_nodes_to_find(nodes: usize, percentage: u8) -> usize {
    if nodes < ALWAYS_EXAMINED {
        return nodes;
    }
    let adaptive = 50_usize.saturating_sub(nodes / 125).max(5);
    let percentage = if percentage == 0 {
        adaptive
    } else {
        usize::from(percentage)
    };
    (nodes * percentage / 100).max(ALWAYS_EXAMINED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(zone: &str) -> Labels {
        Labels::from([(ZONE.to_owned(), zone.to_owned())])
    }

    #[test]
    fn zones_take_turns_in_order_of_appearance() {
        let mut tree = NodeTree::default();
        for (node, zone) in [(0, "b"), (1, "b"), (2, "a"), (3, "b"), (4, "a")] {
            tree.add(&labels(zone), NodeId(node));
        }
        assert_eq!(tree.list(), [0, 2, 1, 4, 3].map(NodeId));
        tree.remove(NodeId(0));
        tree.remove(NodeId(1));
        tree.remove(NodeId(3));
        tree.add(&labels("b"), NodeId(5));
        assert_eq!(tree.list(), [2, 5, 4].map(NodeId));
    }

    #[test]
    fn a_large_cluster_is_sampled() {
        // 50 - 200/125 = 49 % of 200 = 98, at least 100; 50 - 8 = 42 % of 1000; 50 - 40 = 10 % of 5000.
        for (nodes, expected) in [
            (99, 99),
            (100, 100),
            (200, 100),
            (1000, 420),
            (5000, 500),
            (10_000, 500),
        ] {
            assert_eq!(feasible_nodes_to_find(nodes, 0), expected, "{nodes} nodes");
        }
        assert_eq!(feasible_nodes_to_find(1000, 100), 1000);
        assert_eq!(feasible_nodes_to_find(1000, 5), 100);
    }
}
