//! Where a pod would like to be, and next to whom: node affinity, pod affinity and anti-affinity, as written.
//!
//! Source: Kubernetes API v1, `Affinity`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::selector::{LabelSelector, NodeSelector, NodeSelectorTerm};

/// A pod's wishes and demands on its node and its neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Affinity {
    /// On which nodes. Default: any.
    pub node_affinity: NodeAffinity,
    /// Near which pods. Default: none.
    pub pod_affinity: PodAffinity,
    /// Away from which pods. Default: none.
    pub pod_anti_affinity: PodAffinity,
}

/// Demands and wishes on the node's labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeAffinity {
    /// What the node must be like. Default: anything.
    pub required_during_scheduling_ignored_during_execution: Option<NodeSelector>,
    /// What the node should be like. Default: no wishes.
    pub preferred_during_scheduling_ignored_during_execution: Vec<PreferredSchedulingTerm>,
}

/// A wish for a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferredSchedulingTerm {
    /// How much a node that fulfils it gains. Range: 1 to 100.
    pub weight: i64,
    /// What the node should be like.
    pub preference: NodeSelectorTerm,
}

/// Demands and wishes on the pods in the same place, or, as anti-affinity, on the pods that must not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PodAffinity {
    /// Demands; every one must hold. An anti-affinity demand also keeps later pods away from this one. Default: none.
    pub required_during_scheduling_ignored_during_execution: Vec<PodAffinityTerm>,
    /// Wishes. Default: none.
    pub preferred_during_scheduling_ignored_during_execution: Vec<WeightedPodAffinityTerm>,
}

/// A wish for, or against, company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedPodAffinityTerm {
    /// What each pod that is meant adds to the nodes of its place, or takes from them. Range: 1 to 100.
    pub weight: i64,
    /// Which pods, and what "the same place" means.
    pub pod_affinity_term: PodAffinityTerm,
}

/// Which pods are meant, and what "the same place" means.
///
/// Source: Kubernetes API v1, `PodAffinityTerm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PodAffinityTerm {
    /// Which pods, by their labels. Not written, no pod is meant; empty, every pod.
    pub label_selector: Option<LabelSelector>,
    /// The node label whose equal values make nodes one place, such as `topology.kubernetes.io/zone`.
    pub topology_key: String,
    /// The namespaces in which the pods are looked for. Default: the pod's own, unless `namespace_selector` is written.
    pub namespaces: Vec<String>,
    /// Further namespaces, by their labels; empty, all namespaces. Default: none.
    pub namespace_selector: Option<LabelSelector>,
    /// Labels of which the other pods must have the same value as this pod. Default: none.
    pub match_label_keys: Vec<String>,
    /// Labels of which the other pods must have another value than this pod. Default: none.
    pub mismatch_label_keys: Vec<String>,
}
