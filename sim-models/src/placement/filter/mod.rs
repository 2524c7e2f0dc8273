//! Which nodes can take the pod at all? The filter plugins, in the order in which the scheduler asks them.
//!
//! A node is rejected by the first plugin that says no; the later ones are not asked. The volume plugins and
//! DynamicResources of the default profile have nothing to say about pods without volumes and devices.

use std::fmt;

use super::snapshot::{NodeState, Snapshot};
use super::template::Template;

pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod pod_topology_spread;
pub mod taint_toleration;

/// A filter plugin of the default profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filter {
    /// Is the node cordoned?
    NodeUnschedulable,
    /// Is the pod bound to another node by hand?
    NodeName,
    /// Has the node a taint that the pod does not tolerate?
    TaintToleration,
    /// Does the node meet the pod's node selector and required node affinity?
    NodeAffinity,
    /// Are the pod's host ports free?
    NodePorts,
    /// Do cpu, memory and pod slots suffice?
    NodeResourcesFit,
    /// Does every hard spread constraint hold?
    PodTopologySpread,
    /// Does every required pod affinity and anti-affinity hold, the other pods' too?
    InterPodAffinity,
}

impl Filter {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 8] = [
        Self::NodeUnschedulable,
        Self::NodeName,
        Self::TaintToleration,
        Self::NodeAffinity,
        Self::NodePorts,
        Self::NodeResourcesFit,
        Self::PodTopologySpread,
        Self::InterPodAffinity,
    ];
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a node was rejected, in the words of `kubectl describe pod`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The node is cordoned.
    #[error("node(s) were unschedulable")]
    Unschedulable,
    /// The pod is bound to another node.
    #[error("node(s) didn't match the requested node name")]
    OtherNodeName,
    /// A taint that the pod does not tolerate.
    #[error("node(s) had untolerated taint {{{key}: {value}}}")]
    UntoleratedTaint {
        /// The taint's key.
        key: String,
        /// The taint's value.
        value: String,
    },
    /// Node selector or required node affinity.
    #[error("node(s) didn't match Pod's node affinity/selector")]
    NodeAffinityMismatch,
    /// The affinity names nodes, and this is not one of them.
    #[error("node(s) didn't satisfy plugin(s) [NodeAffinity]")]
    NotNamed,
    /// The affinity names nodes in a way that no node can meet.
    #[error("pod affinity terms conflict")]
    ConflictingNames,
    /// Another pod has the host port.
    #[error("node(s) didn't have free ports for the requested pod ports")]
    PortTaken,
    /// No pod slot left.
    #[error("Too many pods")]
    TooManyPods,
    /// Not enough cpu left, or, when `ever` is false, not even on the empty node.
    #[error("Insufficient cpu")]
    InsufficientCpu {
        /// Whether the empty node would suffice.
        ever: bool,
    },
    /// Not enough memory left, or, when `ever` is false, not even on the empty node.
    #[error("Insufficient memory")]
    InsufficientMemory {
        /// Whether the empty node would suffice.
        ever: bool,
    },
    /// The node lacks the label of a hard spread constraint.
    #[error("node(s) didn't match pod topology spread constraints (missing required label)")]
    NoTopologyLabel,
    /// A hard spread constraint would be broken.
    #[error("node(s) didn't match pod topology spread constraints")]
    TooSkewed,
    /// Required company is not there.
    #[error("node(s) didn't match pod affinity rules")]
    NoCompany,
    /// Company is there that the pod must not have.
    #[error("node(s) didn't match pod anti-affinity rules")]
    UnwantedCompany,
    /// Pods are there that must not have this pod's company.
    #[error("node(s) didn't satisfy existing pods anti-affinity rules")]
    Unwelcome,
}

impl Reason {
    /// Whether deleting pods from the node could help.
    pub fn is_resolvable(&self) -> bool {
        match self {
            Self::InsufficientCpu { ever } | Self::InsufficientMemory { ever } => *ever,
            Self::PortTaken
            | Self::TooManyPods
            | Self::TooSkewed
            | Self::UnwantedCompany
            | Self::Unwelcome => true,
            Self::Unschedulable
            | Self::OtherNodeName
            | Self::UntoleratedTaint { .. }
            | Self::NodeAffinityMismatch
            | Self::NotNamed
            | Self::ConflictingNames
            | Self::NoTopologyLabel
            | Self::NoCompany => false,
        }
    }
}

/// A node's rejection: by whom, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The plugin that rejected it.
    pub filter: Filter,
    /// Its reasons; only NodeResourcesFit gives more than one.
    pub reasons: Vec<Reason>,
}

/// All filters, ready to judge nodes for one pod.
#[derive(Debug)]
pub struct Filters<'a> {
    pod: &'a Template,
    cluster: &'a Snapshot,
    named: Option<Vec<&'a str>>,
    spread: pod_topology_spread::Domains,
    company: inter_pod_affinity::Company<'a>,
}

impl<'a> Filters<'a> {
    /// Counts what has to be counted over all nodes before any of them can be judged.
    pub fn prepare(cluster: &'a Snapshot, pod: &'a Template) -> Self {
        Self {
            pod,
            cluster,
            named: node_affinity::named_nodes(&pod.pod),
            spread: pod_topology_spread::Domains::count(cluster, pod),
            company: inter_pod_affinity::Company::count(cluster, pod),
        }
    }

    /// Judges by name alone, before anything else: is it a node that the pod's affinity names, if it names any?
    ///
    /// # Errors
    ///
    /// A rejection by NodeAffinity, where an earlier plugin might have rejected the node too.
    pub fn check_name(&self, node: &NodeState) -> Result<(), Rejection> {
        node_affinity::check_name(self.named.as_deref(), node).map_err(by(Filter::NodeAffinity))
    }

    /// Judges one node that passed by name.
    ///
    /// # Errors
    ///
    /// The first rejection, in the order of the plugins.
    pub fn check(&self, node: &NodeState) -> Result<(), Rejection> {
        check_node(self.pod, node)?;
        check_room(self.cluster, self.pod, node)?;
        self.spread
            .check(&self.pod.pod, node)
            .map_err(by(Filter::PodTopologySpread))?;
        self.company
            .check(node)
            .map_err(by(Filter::InterPodAffinity))
    }
}

/// The filters that ask only what the node is, whatever pods lie on it.
///
/// # Errors
///
/// The first rejection.
pub fn check_node(pod: &Template, node: &NodeState) -> Result<(), Rejection> {
    node_unschedulable::check(&pod.pod, node).map_err(by(Filter::NodeUnschedulable))?;
    node_name::check(&pod.pod, node).map_err(by(Filter::NodeName))?;
    taint_toleration::check(&pod.pod, node).map_err(by(Filter::TaintToleration))?;
    node_affinity::check(&pod.pod, node).map_err(by(Filter::NodeAffinity))
}

/// The filters that ask what is left of the node beside the pods on it.
///
/// # Errors
///
/// The first rejection.
pub fn check_room(cluster: &Snapshot, pod: &Template, node: &NodeState) -> Result<(), Rejection> {
    node_ports::check(cluster, &pod.pod, node).map_err(by(Filter::NodePorts))?;
    let short = node_resources_fit::shortages(pod, node);
    if short.is_empty() {
        Ok(())
    } else {
        Err(Rejection {
            filter: Filter::NodeResourcesFit,
            reasons: short,
        })
    }
}

fn by(filter: Filter) -> impl Fn(Reason) -> Rejection {
    move |reason| Rejection {
        filter,
        reasons: vec![reason],
    }
}
