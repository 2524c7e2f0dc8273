//! NodePorts: are the pod's host ports free on the node?

use crate::placement::filter::Reason;
use crate::placement::pod::PodTemplate;
use crate::placement::snapshot::{NodeState, Snapshot};

/// Rejects a node where another pod, also a terminating one, has one of the pod's host ports.
///
/// # Errors
///
/// [`Reason::PortTaken`].
pub fn check(cluster: &Snapshot, pod: &PodTemplate, node: &NodeState) -> Result<(), Reason> {
    let taken = pod.host_ports().any(|port| {
        let mut used = node
            .held
            .iter()
            .flat_map(|held| cluster.template(held.template).pod.host_ports());
        used.any(|other| other.conflicts_with(port))
    });
    if taken {
        Err(Reason::PortTaken)
    } else {
        Ok(())
    }
}
