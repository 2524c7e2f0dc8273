//! Which nodes share a value of a label: domains as small numbers, by position in the order of examination.

use std::collections::BTreeMap;

use crate::placement::snapshot::Snapshot;

/// The domains that one node label makes.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    /// By position; the number of domains where the node does not carry the label.
    domain_of: Vec<u32>,
    domains: u32,
}

impl Topology {
    pub(super) fn new(cluster: &Snapshot, key: &str) -> Self {
        let mut known: BTreeMap<&str, u32> = BTreeMap::new();
        let mut domain = |value| {
            let next = known.len() as u32;
            *known.entry(value).or_insert(next)
        };
        let values = cluster.nodes().map(|(_, node)| node.node.labels.get(key));
        let domains: Vec<Option<u32>> = values
            .map(|value| value.map(|value| domain(value.as_str())))
            .collect();
        let rest = known.len() as u32;
        Self {
            domain_of: domains
                .into_iter()
                .map(|domain| domain.unwrap_or(rest))
                .collect(),
            domains: rest,
        }
    }

    /// The domain of the node at this position.
    pub(super) fn domain(&self, at: usize) -> Option<usize> {
        let domain = self.domain_of[at];
        (domain != self.domains).then_some(domain as usize)
    }

    /// The same, with the nodes that lack the label as one more domain, the last.
    pub(super) fn domain_or_rest(&self, at: usize) -> usize {
        self.domain_of[at] as usize
    }

    /// How many domains there are.
    pub(super) fn len(&self) -> usize {
        self.domains as usize
    }
}
