//! T101: `Local`, and nodes without a pod.

use sim_models::cluster::service::TrafficPolicy;
use sim_models::request::load_balancer::TargetType;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let nodes = subject.nodes();
    for (name, service) in subject.scenario.services.iter() {
        let by_nodes = subject
            .target_groups()
            .any(|(_, group)| group.service == name && group.target_type == TargetType::Instance);
        if service.external_traffic_policy != TrafficPolicy::Local || !by_nodes {
            continue;
        }
        let Some(deployment) = subject.scenario.deployments.get(&service.selects) else {
            continue;
        };
        let empty = match &deployment.placement {
            Some(placement) => placement.iter().filter(|&&pods| pods == 0).count() as u64,
            None => nodes.saturating_sub(u64::from(deployment.replicas.get())),
        };
        if empty == 0 {
            continue;
        }
        let (holder, field) = match &deployment.placement {
            Some(_) => ("placement", format!("{empty} of {nodes} nodes have no pod")),
            None => (
                "replicas",
                format!("at most {} of {nodes} nodes have a pod", nodes - empty),
            ),
        };
        let share = 100.0 * empty as f64 / nodes as f64;
        found.push(
            Diagnostic::warning(code::LOCAL_WITHOUT_POD, format!("{empty} of {nodes} nodes refuse connections to {name:?}"))
                .label(subject.at(&["services", name, "external_traffic_policy"]), "nodes use their own pods only")
                .label(subject.at(&["deployments", &service.selects, holder]), field)
                .help(format!("health checks are not modelled yet, so these nodes stay targets and {share:.0} % of the requests fail")),
        );
    }
}
