//! NodeAffinity: does the node meet the pod's node selector and required node affinity?
//!
//! An affinity that names its nodes in every term, as a daemon set's does, is narrowed down before any filter runs:
//! the other nodes are rejected by this plugin even where an earlier one would have.
//!
//! Source: kube-scheduler 1.34 `plugins/nodeaffinity/node_affinity.go`.

use crate::placement::filter::Reason;
use crate::placement::pod::PodTemplate;
use crate::placement::selector::NodeSelector;
use crate::placement::snapshot::NodeState;

/// Whether the node meets both.
pub fn admits(pod: &PodTemplate, node: &NodeState) -> bool {
    let labels = &node.node.labels;
    pod.node_selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && required(pod).is_none_or(|selector| selector.matches(&node.node.name, labels))
}

/// Rejects a node that does not meet both.
///
/// # Errors
///
/// [`Reason::NodeAffinityMismatch`].
pub fn check(pod: &PodTemplate, node: &NodeState) -> Result<(), Reason> {
    if admits(pod, node) {
        Ok(())
    } else {
        Err(Reason::NodeAffinityMismatch)
    }
}

/// The only nodes worth asking, when the affinity names them.
pub fn named_nodes(pod: &PodTemplate) -> Option<Vec<&str>> {
    required(pod)?.named_nodes()
}

/// Rejects a node that is not among the named ones.
///
/// # Errors
///
/// [`Reason::NotNamed`], or [`Reason::ConflictingNames`] when no node is left to name.
pub fn check_name(named: Option<&[&str]>, node: &NodeState) -> Result<(), Reason> {
    match named {
        Some([]) => Err(Reason::ConflictingNames),
        Some(names) if !names.contains(&node.node.name.as_str()) => Err(Reason::NotNamed),
        _ => Ok(()),
    }
}

fn required(pod: &PodTemplate) -> Option<&NodeSelector> {
    pod.affinity
        .node_affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()
}
