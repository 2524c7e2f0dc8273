//! What a scenario may say about the scheduler.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::score::Weights;
use super::spread::TopologySpreadConstraint;

/// The scheduler's configuration: the default profile of kube-scheduler, with the knobs that matter for placement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many feasible nodes end the search, in per cent of all, from 100 nodes up. Range: 0 to 100.
    /// Default: 0, adaptive: 50 %, one per cent less for every 125 nodes, at least 5 %, and never fewer than 100 nodes.
    ///
    /// Source: Kubernetes, `KubeSchedulerConfiguration.percentageOfNodesToScore`.
    pub percentage_of_nodes_to_score: u8,
    /// What pods that list no spread constraint get, if a Service or workload of theirs is known.
    /// Default: soft constraints on the host name (`max_skew` 3) and the zone (`max_skew` 5).
    ///
    /// With a list of your own, a node must carry the keys of all of them to be scored; with the built-in one, need not.
    /// Source: Kubernetes, `PodTopologySpreadArgs.defaultConstraints`.
    pub default_constraints: Option<Vec<TopologySpreadConstraint>>,
    /// How much each plugin's score counts.
    pub weights: Weights,
    /// Which of several best nodes is taken.
    pub tie: Tie,
}

/// Which of several best nodes is taken.
///
/// The real scheduler draws; the others make placements comparable between tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Tie {
    /// Any, evenly.
    #[default]
    Random,
    /// The one whose name comes first.
    First,
    /// The one whose name comes last.
    Last,
}
