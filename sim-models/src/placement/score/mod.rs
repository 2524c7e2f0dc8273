//! Which of the feasible nodes is best? The score plugins, in the order of the scheduler's table.
//!
//! Every plugin gives every feasible node a whole number from 0 to 100, times the plugin's weight; the sums are
//! compared. A plugin that finds nothing to say about the pod skips, and adds nothing anywhere.

use crate::id::NodeId;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::snapshot::Snapshot;
use super::template::Template;

pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_resources_balanced_allocation;
pub mod node_resources_fit;
pub mod pod_topology_spread;
pub mod taint_toleration;

/// The best score of a plugin, before its weight.
pub const MAX_SCORE: i64 = 100;

/// A score plugin of the default profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scorer {
    /// Fewer `PreferNoSchedule` taints that the pod does not tolerate.
    TaintToleration,
    /// More of the pod's preferred node affinity.
    NodeAffinity,
    /// More cpu and memory left.
    NodeResourcesFit,
    /// Fewer pods of the same kind in the node's domains.
    PodTopologySpread,
    /// More company that is liked, less that is not.
    InterPodAffinity,
    /// Cpu and memory used to the same degree.
    NodeResourcesBalancedAllocation,
    /// More of the pod's images there already.
    ImageLocality,
}

impl Scorer {
    /// All of them, in the order of the scheduler's table.
    pub const ALL: [Self; 7] = [
        Self::TaintToleration,
        Self::NodeAffinity,
        Self::NodeResourcesFit,
        Self::PodTopologySpread,
        Self::InterPodAffinity,
        Self::NodeResourcesBalancedAllocation,
        Self::ImageLocality,
    ];

    /// Scores the feasible nodes from 0 to 100, in their order; `None` when the plugin skips.
    pub fn score(
        self,
        cluster: &Snapshot,
        pod: &Template,
        feasible: &[NodeId],
    ) -> Option<Vec<i64>> {
        match self {
            Self::TaintToleration => Some(taint_toleration::score(cluster, pod, feasible)),
            Self::NodeAffinity => node_affinity::score(cluster, pod, feasible),
            Self::NodeResourcesFit => Some(node_resources_fit::score(cluster, pod, feasible)),
            Self::PodTopologySpread => pod_topology_spread::score(cluster, pod, feasible),
            Self::InterPodAffinity => inter_pod_affinity::score(cluster, pod, feasible),
            Self::NodeResourcesBalancedAllocation => {
                node_resources_balanced_allocation::score(cluster, pod, feasible)
            }
            Self::ImageLocality => Some(image_locality::score(cluster, pod, feasible)),
        }
    }
}

impl fmt::Display for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How much each plugin's score counts.
///
/// Source: kube-scheduler 1.34 `apis/config/v1/default_plugins.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// Weight of TaintToleration. Range: 0 and up. Default: 3.
    pub taint_toleration: u32,
    /// Weight of NodeAffinity. Range: 0 and up. Default: 2.
    pub node_affinity: u32,
    /// Weight of PodTopologySpread. Range: 0 and up. Default: 2.
    pub pod_topology_spread: u32,
    /// Weight of InterPodAffinity. Range: 0 and up. Default: 2.
    pub inter_pod_affinity: u32,
    /// Weight of NodeResourcesFit. Range: 0 and up. Default: 1.
    pub node_resources_fit: u32,
    /// Weight of NodeResourcesBalancedAllocation. Range: 0 and up. Default: 1.
    pub node_resources_balanced_allocation: u32,
    /// Weight of ImageLocality. Range: 0 and up. Default: 1.
    pub image_locality: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            taint_toleration: 3,
            node_affinity: 2,
            pod_topology_spread: 2,
            inter_pod_affinity: 2,
            node_resources_fit: 1,
            node_resources_balanced_allocation: 1,
            image_locality: 1,
        }
    }
}

impl Weights {
    /// The weight of one plugin.
    pub fn of(&self, scorer: Scorer) -> i64 {
        i64::from(match scorer {
            Scorer::TaintToleration => self.taint_toleration,
            Scorer::NodeAffinity => self.node_affinity,
            Scorer::NodeResourcesFit => self.node_resources_fit,
            Scorer::PodTopologySpread => self.pod_topology_spread,
            Scorer::InterPodAffinity => self.inter_pod_affinity,
            Scorer::NodeResourcesBalancedAllocation => self.node_resources_balanced_allocation,
            Scorer::ImageLocality => self.image_locality,
        })
    }
}

/// Scales a raw value to 0..100 by the highest among the feasible nodes, truncating.
pub fn scale_up(raw: i64, highest: i64) -> i64 {
    if highest == 0 {
        0
    } else {
        MAX_SCORE * raw / highest
    }
}

/// Scales a raw value to 100..0 by the highest among the feasible nodes: none is best.
pub fn scale_down(raw: i64, highest: i64) -> i64 {
    MAX_SCORE - scale_up(raw, highest)
}

/// Applies `normalise(raw, highest)` to every value.
fn by_highest(raw: Vec<i64>, normalise: fn(i64, i64) -> i64) -> Vec<i64> {
    let highest = raw.iter().copied().max().unwrap_or(0);
    raw.into_iter()
        .map(|value| normalise(value, highest))
        .collect()
}
