//! T029: direct server return where packets cannot carry what it needs.

use sim_models::cluster::topology::{Network, Tunnel};

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let cluster = &subject.scenario.cluster;
    let vxlan = Network::Overlay {
        tunnel: Tunnel::Vxlan,
    };
    if cluster.network == vxlan && cluster.proxy.returns_directly() {
        found.push(
            Diagnostic::error(
                code::DIRECT_RETURN_ON_VXLAN,
                "direct server return does not work with VXLAN",
            )
            .label(subject.at(&["cluster", "proxy", "mode"]), "tells the other node the Service's address in the packet")
            .label(subject.at(&["cluster", "network"]), "VXLAN has no room for it")
            .help("use `tunnel: Geneve`, routes between the nodes (`VpcCni`, `CiliumChained`), or `mode: Snat`"),
        );
    }
}
