//! How evenly do the pods of a deployment lie over nodes, zones and the values of any other label?

use std::collections::BTreeMap;
use std::fmt;

use sim_models::id::{Id, NodeId};
use sim_models::placement::Snapshot;
use sim_models::placement::spread::{HOSTNAME, TopologySpreadConstraint, WhenUnsatisfiable, ZONE};

/// Pods per node whatever the node: `3-3-2-2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape(Vec<(u32, usize)>);

/// With more nodes than this their numbers are counted, not listed.
const MOST_LISTED: usize = 12;

impl Shape {
    /// The shape of these numbers of pods, one for each node.
    pub fn of(pods: impl IntoIterator<Item = u32>) -> Self {
        let mut nodes: BTreeMap<u32, usize> = BTreeMap::new();
        for pods in pods {
            *nodes.entry(pods).or_default() += 1;
        }
        Self(nodes.into_iter().rev().collect())
    }

    /// A number of pods and how many nodes have so many; the largest first.
    pub fn runs(&self) -> &[(u32, usize)] {
        &self.0
    }
}

impl fmt::Display for Shape {
    /// Writes `3-3-2-2`; of many nodes `2 on 500 nodes, 1 on 500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: usize = self.0.iter().map(|&(_, nodes)| nodes).sum();
        let words: Vec<String> = if nodes <= MOST_LISTED {
            let each = |&(pods, nodes): &(u32, usize)| std::iter::repeat_n(pods.to_string(), nodes);
            self.0.iter().flat_map(each).collect()
        } else {
            let run = |(at, &(pods, nodes)): (usize, &(u32, usize))| {
                let word = if at == 0 { " nodes" } else { "" };
                format!("{pods} on {nodes}{word}")
            };
            self.0.iter().enumerate().map(run).collect()
        };
        f.write_str(&words.join(if nodes <= MOST_LISTED { "-" } else { ", " }))
    }
}

/// The values of one node label, on the nodes where a deployment's pods can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domains {
    /// The label, such as `topology.kubernetes.io/zone`.
    pub key: String,
    /// Its values, in the order of the nodes.
    pub values: Vec<String>,
    /// What a constraint on the label allows: the largest skew, and what happens beyond it.
    pub allowed: Option<(i64, WhenUnsatisfiable)>,
    /// Which value each node has, by the node's index.
    of_node: Vec<Option<usize>>,
}

impl Domains {
    /// Host names, zones, and the other labels that the constraints name, as far as these nodes carry them.
    pub fn all(
        cluster: &Snapshot,
        admitting: &[NodeId],
        constraints: &[TopologySpreadConstraint],
    ) -> Vec<Self> {
        let mut keys = vec![HOSTNAME, ZONE];
        for constraint in constraints {
            if !keys.contains(&constraint.topology_key.as_str()) {
                keys.push(&constraint.topology_key);
            }
        }
        let domains = keys
            .into_iter()
            .map(|key| Self::of(cluster, admitting, key, constraints));
        domains
            .filter(|domains| !domains.values.is_empty())
            .collect()
    }

    fn of(
        cluster: &Snapshot,
        admitting: &[NodeId],
        key: &str,
        constraints: &[TopologySpreadConstraint],
    ) -> Self {
        let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
        let mut values = Vec::new();
        let mut of_node = vec![None; cluster.all_nodes().len()];
        for &node in admitting {
            if let Some(value) = cluster.node(node).node.labels.get(key) {
                let position = *positions.entry(value).or_insert_with(|| {
                    values.push(value.clone());
                    values.len() - 1
                });
                of_node[node.index()] = Some(position);
            }
        }
        let constraint = constraints.iter().find(|one| one.topology_key == key);
        Self {
            key: key.to_owned(),
            values,
            allowed: constraint.map(|one| (one.max_skew, one.when_unsatisfiable)),
            of_node,
        }
    }

    /// Pods for each value, given the nodes of the pods.
    pub fn count(&self, pods: &[NodeId]) -> Vec<u32> {
        let mut counts = vec![0; self.values.len()];
        let places = pods.iter().filter_map(|node| self.of_node[node.index()]);
        places.for_each(|value| counts[value] += 1);
        counts
    }

    /// By how many pods the fullest value exceeds the emptiest.
    pub fn skew(&self, pods: &[NodeId]) -> u32 {
        let counts = self.count(pods);
        let (most, least) = (counts.iter().max(), counts.iter().min());
        most.zip(least).map_or(0, |(most, least)| most - least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_models::placement::Node;
    use sim_models::placement::selector::Labels;

    #[test]
    fn a_shape_forgets_which_node_it_was() {
        assert_eq!(Shape::of([2, 3, 2, 3]).to_string(), "3-3-2-2");
        assert_eq!(Shape::of([2, 3, 2, 3]), Shape::of([3, 3, 2, 2]));
        assert_eq!(Shape::of([]).to_string(), "");
    }

    #[test]
    fn many_nodes_are_counted() {
        let pods = (0..20).map(|node| if node < 15 { 2 } else { 1 });
        assert_eq!(Shape::of(pods).to_string(), "2 on 15 nodes, 1 on 5");
    }

    #[test]
    fn skew_is_the_fullest_less_the_emptiest_of_the_values_in_reach() {
        let mut cluster = Snapshot::default();
        for zone in ["a", "a", "b", "c"] {
            let labels = Labels::from([(ZONE.to_owned(), zone.to_owned())]);
            cluster.add_node(Node {
                labels,
                ..Node::default()
            });
        }
        let nodes = [0, 1, 2, 3].map(NodeId::from_index);
        let pods = [0, 0, 1, 2].map(NodeId::from_index);
        // Zone a has 3 pods, b 1, c none; without c the emptiest has 1. Nobody carries a host name.
        for (admitting, skew) in [(&nodes[..], 3), (&nodes[..3], 2)] {
            let all = Domains::all(&cluster, admitting, &[]);
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].skew(&pods), skew);
        }
    }
}
