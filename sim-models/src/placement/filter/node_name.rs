//! NodeName: is the pod bound to another node by hand?

use crate::placement::filter::Reason;
use crate::placement::pod::PodTemplate;
use crate::placement::snapshot::NodeState;

/// Rejects every node but the one the pod names, if it names one.
///
/// # Errors
///
/// [`Reason::OtherNodeName`].
pub fn check(pod: &PodTemplate, node: &NodeState) -> Result<(), Reason> {
    let named = pod.node_name.as_ref();
    if named.is_none_or(|name| *name == node.node.name) {
        Ok(())
    } else {
        Err(Reason::OtherNodeName)
    }
}
