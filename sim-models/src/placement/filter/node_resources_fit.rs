//! NodeResourcesFit, the filter: do cpu, memory and pod slots suffice?
//!
//! Requests count as written: a container that asks for nothing takes nothing but its slot. A resource that the pod
//! does not ask for is not looked at, so such a pod fits on an overcommitted node.
//!
//! Source: kube-scheduler 1.34 `plugins/noderesources/fit.go`, `fitsRequest`.

use crate::placement::filter::Reason;
use crate::placement::snapshot::NodeState;
use crate::placement::template::Template;

/// What the node lacks for the pod; empty when it fits.
pub fn shortages(pod: &Template, node: &NodeState) -> Vec<Reason> {
    let (has, asks, used) = (node.node.allocatable, pod.requests, node.requested);
    let short = |asks: i64, has: i64, used: i64| asks > 0 && asks > has - used;
    let slots = (node.pods + 1 > has.pods).then_some(Reason::TooManyPods);
    let cpu = short(asks.cpu, has.cpu, used.cpu).then_some(Reason::InsufficientCpu {
        ever: asks.cpu <= has.cpu,
    });
    let memory =
        short(asks.memory, has.memory, used.memory).then_some(Reason::InsufficientMemory {
            ever: asks.memory <= has.memory,
        });
    [slots, cpu, memory].into_iter().flatten().collect()
}
