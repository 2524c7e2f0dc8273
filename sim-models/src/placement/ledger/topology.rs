//! Which nodes share a value of a label: domains as small numbers, by position in the order of examination.

use std::collections::BTreeMap;

use crate::placement::snapshot::Snapshot;

/// The domains that one node label makes.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    domain_of: Vec<u32>,
    domains: usize,
}

/// Stands for "the node does not carry the label".
const NONE: u32 = u32::MAX;

impl Topology {
    pub(super) fn new(cluster: &Snapshot, key: &str) -> Self {
        let mut known: BTreeMap<&str, u32> = BTreeMap::new();
        let mut domain = |value| {
            let next = known.len() as u32;
            *known.entry(value).or_insert(next)
        };
        let domain_of = cluster
            .nodes()
            .map(|(_, node)| match node.node.labels.get(key) {
                Some(value) => domain(value.as_str()),
                None => NONE,
            });
        let domain_of = domain_of.collect();
        Self {
            domain_of,
            domains: known.len(),
        }
    }

    /// The domain of the node at this position.
    pub(super) fn domain(&self, at: usize) -> Option<usize> {
        let domain = self.domain_of[at];
        (domain != NONE).then_some(domain as usize)
    }

    /// The same, with the nodes that lack the label as one more domain.
    pub(super) fn domain_or_rest(&self, at: usize) -> usize {
        self.domain(at).unwrap_or(self.domains)
    }

    /// How many domains there are.
    pub(super) fn len(&self) -> usize {
        self.domains
    }
}
