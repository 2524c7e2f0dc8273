//! T015: pods as targets where the load balancer cannot reach them.

use sim_models::cluster::topology::Network;
use sim_models::request::load_balancer::TargetType;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if !matches!(subject.scenario.cluster.network, Network::Overlay { .. }) {
        return;
    }
    for (name, group) in subject.target_groups() {
        if group.target_type == TargetType::Ip {
            let place = subject.at(&["load_balancer", "target_groups", name, "target_type"]);
            found.push(
                Diagnostic::error(code::IP_ON_OVERLAY, format!("the load balancer cannot reach the pods behind {name:?}"))
                    .label(place, "registers pods as targets")
                    .label(subject.at(&["cluster", "network"]), "pods have addresses of the overlay only")
                    .help("use `target_type: Instance`, or a network with pod addresses in the VPC: `VpcCni` or `CiliumChained`"),
            );
        }
    }
}
