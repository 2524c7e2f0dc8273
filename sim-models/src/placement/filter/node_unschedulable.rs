//! NodeUnschedulable: is the node cordoned?
//!
//! A pod that tolerates the taint of a cordon may go there all the same, as daemon sets do.

use crate::placement::filter::Reason;
use crate::placement::pod::PodTemplate;
use crate::placement::snapshot::NodeState;
use crate::placement::taint::{Taint, TaintEffect, UNSCHEDULABLE};

/// Rejects a cordoned node.
///
/// # Errors
///
/// [`Reason::Unschedulable`].
pub fn check(pod: &PodTemplate, node: &NodeState) -> Result<(), Reason> {
    let tolerated = || {
        let (key, value) = (UNSCHEDULABLE.to_owned(), String::new());
        Taint {
            key,
            value,
            effect: TaintEffect::NoSchedule,
        }
        .is_tolerated(&pod.tolerations)
    };
    if node.node.unschedulable && !tolerated() {
        Err(Reason::Unschedulable)
    } else {
        Ok(())
    }
}
