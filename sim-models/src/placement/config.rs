//! What a scenario may say about the scheduler.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration};

use super::queue::BackOff;
use super::score::Weights;
use super::spread::TopologySpreadConstraint;
use crate::quantity::Rate;

/// The scheduler's configuration: the default profile of kube-scheduler, with the knobs that matter for placement, and its pace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// From a pod's creation until its node's kubelet knows of it: watch, scheduling cycle, binding, watch.
    /// A pod that waited for room takes it once more, from the moment at which it finds a node.
    ///
    /// Range: 0 and up; plausible 20 to 500 ms. Default: LogNormal(median: "50ms", p99: "500ms").
    /// Assumption: two watches, a scheduling cycle and a binding on a lightly loaded control plane.
    pub latency: Dist,
    /// Bindings per second that the scheduler's client allows itself.
    ///
    /// Default: "50/s".
    /// Source: Kubernetes, `KubeSchedulerConfiguration.clientConnection.qps`.
    pub qps: Rate,
    /// Bindings that may follow each other at once before `qps` holds them back.
    ///
    /// Range: 1 and up. Default: 100.
    /// Source: Kubernetes, `KubeSchedulerConfiguration.clientConnection.burst`.
    pub burst: NonZeroU32,
    /// How long a pod that fits nowhere waits at least before the next try, while the scheduler has others to try.
    pub back_off: BackOff,
    /// After this long a pod that fits nowhere is tried again although nothing happened that could help; looked at every 30 s.
    ///
    /// Range: above 0. Default: "5min".
    /// Source: kube-scheduler 1.34, `pod-max-in-unschedulable-pods-duration`.
    pub unschedulable_flush: SimDuration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            percentage_of_nodes_to_score: 0,
            default_constraints: None,
            weights: Weights::default(),
            tie: Tie::default(),
            latency: crate::health::log_normal(50, 500),
            qps: Rate::per_second(50.0).expect("50 a second is a rate"),
            burst: NonZeroU32::new(100).expect("100 is above 0"),
            back_off: BackOff::default(),
            unschedulable_flush: SimDuration::from_secs(300),
        }
    }
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
