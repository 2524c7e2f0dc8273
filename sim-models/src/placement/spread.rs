//! How evenly pods are to be spread: topology spread constraints, as written.
//!
//! Source: Kubernetes API v1, `TopologySpreadConstraint`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::selector::{LabelSelector, Labels};

/// The node label that is different on every node.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// The node label that names the zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The node label that names the region.
pub const REGION: &str = "topology.kubernetes.io/region";

/// A limit, or a wish, for how unevenly matching pods may lie over the values of one node label.
///
/// One constraint of either kind switches the scheduler's built-in ones off: a pod with only a `DoNotSchedule`
/// constraint has no spread score at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopologySpreadConstraint {
    /// By how many pods one value may exceed the emptiest one. Range: 1 and up.
    ///
    /// With `ScheduleAnyway` it is not a limit; it only moves all scores of the constraint by `max_skew - 1`.
    pub max_skew: i64,
    /// The node label whose values are compared, such as `kubernetes.io/hostname` or `topology.kubernetes.io/zone`.
    pub topology_key: String,
    /// What happens when the limit cannot be kept: the pod stays Pending, or goes to the best node anyway.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Which pods are counted. Default in a scenario: the deployment's own pods. The API would count none:
    /// a constraint without a selector does nothing in a real cluster.
    #[serde(default)]
    pub label_selector: Option<LabelSelector>,
    /// With fewer values of the label than this among the eligible nodes, the emptiest counts as 0, so that new
    /// domains are waited for. `DoNotSchedule` only. Range: 1 and up. Default: 1.
    #[serde(default)]
    pub min_domains: Option<i64>,
    /// Whether nodes that the pod's node selector and affinity exclude count as domains. Default: `Honor`, they do not.
    #[serde(default = "honor")]
    pub node_affinity_policy: NodeInclusionPolicy,
    /// Whether nodes with taints that the pod does not tolerate count as domains. Default: `Ignore`, they do, so that
    /// an empty tainted zone keeps blocking the others.
    #[serde(default = "ignore")]
    pub node_taints_policy: NodeInclusionPolicy,
    /// Labels of which the counted pods must have the same value as this pod, besides `label_selector`.
    /// `["pod-template-hash"]` counts only pods of the same revision. Default: none.
    #[serde(default)]
    pub match_label_keys: Vec<String>,
}

/// What happens when a spread constraint cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenUnsatisfiable {
    /// The pod stays Pending: a filter.
    DoNotSchedule,
    /// The pod goes to the best node anyway: a score.
    ScheduleAnyway,
}

/// Whether something about a node decides if its pods are counted and its domain exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NodeInclusionPolicy {
    /// It decides: excluded nodes are left out.
    Honor,
    /// It does not: all nodes are counted.
    Ignore,
}

impl TopologySpreadConstraint {
    /// A soft constraint with the API's defaults.
    pub fn soft(topology_key: &str, max_skew: i64, label_selector: Option<LabelSelector>) -> Self {
        Self {
            max_skew,
            topology_key: topology_key.to_owned(),
            when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
            label_selector,
            min_domains: None,
            node_affinity_policy: honor(),
            node_taints_policy: ignore(),
            match_label_keys: Vec::new(),
        }
    }

    /// A hard constraint with the API's defaults.
    pub fn hard(topology_key: &str, max_skew: i64, label_selector: Option<LabelSelector>) -> Self {
        Self {
            when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
            ..Self::soft(topology_key, max_skew, label_selector)
        }
    }

    /// The constraint as a scenario means it: where no selector is written, pods with these labels are counted.
    pub fn counting_own(mut self, own: &Labels) -> Self {
        self.label_selector.get_or_insert_with(|| LabelSelector {
            match_labels: own.clone(),
            ..LabelSelector::default()
        });
        self
    }

    /// What the scheduler applies to the pods of Services and workloads that list no constraint themselves.
    ///
    /// Source: kube-scheduler 1.34 `plugins/podtopologyspread`, `systemDefaultConstraints`.
    pub fn system_defaults() -> Vec<Self> {
        vec![Self::soft(HOSTNAME, 3, None), Self::soft(ZONE, 5, None)]
    }
}

fn honor() -> NodeInclusionPolicy {
    NodeInclusionPolicy::Honor
}

fn ignore() -> NodeInclusionPolicy {
    NodeInclusionPolicy::Ignore
}
