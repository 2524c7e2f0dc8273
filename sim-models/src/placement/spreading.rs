//! Which spread constraints apply to a pod, which nodes do they look at, and which pods do they count?
//!
//! Shared by the filter and the score of PodTopologySpread.
//! Source: kube-scheduler 1.34 `plugins/podtopologyspread/common.go`.

use super::pod::PodTemplate;
use super::selector::{Operator, Selector};
use super::snapshot::{NodeState, Snapshot};
use super::spread::{HOSTNAME, NodeInclusionPolicy, TopologySpreadConstraint, WhenUnsatisfiable};
use super::taint::first_untolerated;
use super::template::Template;

/// A spread constraint of one pod, ready to be asked.
#[derive(Clone, Debug)]
pub struct Spreading {
    /// By how many pods one domain may exceed the emptiest.
    pub max_skew: i64,
    /// The node label whose values are the domains.
    pub topology_key: String,
    /// With fewer domains than this, the emptiest counts as 0.
    pub min_domains: i64,
    /// Which pods are counted.
    pub selector: Selector,
    honor_affinity: bool,
    honor_taints: bool,
}

/// The constraints of one kind that apply to a pod.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The constraints, in the order written.
    pub constraints: Vec<Spreading>,
    /// Whether a node must carry the keys of all constraints to be looked at. Not so for the scheduler's own.
    pub all_keys_required: bool,
}

impl Applied {
    /// The pod's own constraints, or the scheduler's where the pod lists none at all.
    pub fn to(pod: &PodTemplate, cluster: &Snapshot, kind: WhenUnsatisfiable) -> Self {
        let own = &pod.topology_spread_constraints;
        let of_kind = |list: &[TopologySpreadConstraint]| -> Vec<Spreading> {
            let wanted = list
                .iter()
                .filter(|constraint| constraint.when_unsatisfiable == kind);
            wanted
                .map(|constraint| Spreading::new(constraint, pod))
                .collect()
        };
        if !own.is_empty() {
            return Self {
                constraints: of_kind(own),
                all_keys_required: true,
            };
        }
        let configured = cluster.default_constraints();
        let mut constraints = match configured {
            Some(list) => of_kind(list),
            None => of_kind(&TopologySpreadConstraint::system_defaults()),
        };
        let selector = cluster.default_selector(pod);
        if selector.is_empty() {
            constraints.clear();
        }
        for constraint in &mut constraints {
            constraint.selector = selector.clone();
        }
        Self {
            constraints,
            all_keys_required: configured.is_some(),
        }
    }

    /// Whether the node carries every key the constraints need of it.
    pub fn looks_at(&self, node: &NodeState) -> bool {
        !self.all_keys_required
            || self
                .constraints
                .iter()
                .all(|constraint| constraint.domain(node).is_some())
    }
}

impl Spreading {
    fn new(written: &TopologySpreadConstraint, pod: &PodTemplate) -> Self {
        let mut selector = Selector::new(written.label_selector.as_ref());
        selector.and_own_values(&written.match_label_keys, &pod.labels, Operator::In);
        Self {
            max_skew: written.max_skew,
            topology_key: written.topology_key.clone(),
            min_domains: written.min_domains.unwrap_or(1),
            selector,
            honor_affinity: written.node_affinity_policy == NodeInclusionPolicy::Honor,
            honor_taints: written.node_taints_policy == NodeInclusionPolicy::Honor,
        }
    }

    /// Whether every node is a domain of its own.
    pub fn is_per_node(&self) -> bool {
        self.topology_key == HOSTNAME
    }

    /// The node's value of the topology key.
    pub fn domain<'a>(&self, node: &'a NodeState) -> Option<&'a str> {
        node.node.labels.get(&self.topology_key).map(String::as_str)
    }

    /// Whether the node's pods are counted and its domain exists, by the inclusion policies.
    pub fn includes(&self, pod: &PodTemplate, node: &NodeState) -> bool {
        let affinity = !self.honor_affinity || super::filter::node_affinity::admits(pod, node);
        affinity
            && (!self.honor_taints
                || first_untolerated(&node.node.taints, &pod.tolerations).is_none())
    }

    /// How the pods of `other` count for `pod`: a selector that selects everything counts none.
    pub fn counts(&self, pod: &PodTemplate, other: &PodTemplate) -> bool {
        !self.selector.is_empty()
            && pod.namespace == other.namespace
            && self.selector.matches(&other.labels)
    }

    /// How many pods on the node are counted for `pod`. Terminating ones are not.
    pub fn count_on(&self, cluster: &Snapshot, pod: &Template, node: &NodeState) -> i64 {
        let counted = node
            .held
            .iter()
            .filter(|held| self.counts(&pod.pod, &cluster.template(held.template).pod));
        counted.map(|held| i64::from(held.running)).sum()
    }
}
