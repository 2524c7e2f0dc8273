//! TaintToleration: has the node a taint that the pod does not tolerate?

use crate::placement::filter::Reason;
use crate::placement::pod::PodTemplate;
use crate::placement::snapshot::NodeState;
use crate::placement::taint::first_untolerated;

/// Rejects a node with an untolerated `NoSchedule` or `NoExecute` taint.
///
/// # Errors
///
/// [`Reason::UntoleratedTaint`] with the first such taint.
pub fn check(pod: &PodTemplate, node: &NodeState) -> Result<(), Reason> {
    match first_untolerated(&node.node.taints, &pod.tolerations) {
        Some(taint) => Err(Reason::UntoleratedTaint {
            key: taint.key.clone(),
            value: taint.value.clone(),
        }),
        None => Ok(()),
    }
}
