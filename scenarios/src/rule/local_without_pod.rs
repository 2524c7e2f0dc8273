//! T101: `Local`, and nodes without a pod.

use std::collections::BTreeSet;

use sim_models::cluster::service::TrafficPolicy;
use sim_models::request::load_balancer::TargetType;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::lower::is_watched;
use crate::scenario::Scenario;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let groups = subject.scenario.cluster.node_groups.values();
    let nodes: u64 = groups
        .filter(|group| group.lost.is_none())
        .map(|group| u64::from(group.count.get()))
        .sum();
    for (name, service) in subject.scenario.services.iter() {
        let by_nodes = subject
            .target_groups()
            .any(|(_, group)| group.service == name && group.target_type == TargetType::Instance);
        if service.external_traffic_policy != TrafficPolicy::Local || !by_nodes {
            continue;
        }
        let deployments = &subject.scenario.deployments;
        let Some(position) = deployments.position(&service.selects) else {
            continue;
        };
        let used: BTreeSet<_> = subject.placements()[position].on.iter().collect();
        let empty = nodes - used.len() as u64;
        if empty == 0 {
            continue;
        }
        let by_hand = deployments
            .get(&service.selects)
            .is_some_and(|deployment| deployment.placement.is_some());
        let holder = if by_hand { "placement" } else { "replicas" };
        let share = 100.0 * empty as f64 / nodes as f64;
        found.push(
            Diagnostic::warning(
                code::LOCAL_WITHOUT_POD,
                format!("{empty} of {nodes} nodes refuse connections to {name:?}"),
            )
            .label(
                subject.at(&["services", name, "external_traffic_policy"]),
                "nodes use their own pods only",
            )
            .label(
                subject.at(&["deployments", &service.selects, holder]),
                format!("{empty} of {nodes} nodes have no pod"),
            )
            .help(consequence(subject.scenario, share)),
        );
    }
}

fn consequence(scenario: &Scenario, share: f64) -> String {
    if is_watched(scenario) {
        return format!(
            "they are targets when the run begins: until health checks find them, {share:.0} % of the requests fail"
        );
    }
    format!(
        "no health check is simulated here, so these nodes stay targets and {share:.0} % of the requests fail; write a `health_check`, a probe or a fault to have them checked"
    )
}
