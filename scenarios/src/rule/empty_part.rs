//! T020: a part without which there is nothing to simulate.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::load::Purpose;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let scenario = subject.scenario;
    let run = subject.purpose == Purpose::Run;
    let parts: [(&[&str], bool, &str); 6] = [
        (
            &["cluster", "zones"],
            scenario.cluster.zones.is_empty(),
            "zone",
        ),
        (
            &["cluster", "node_groups"],
            scenario.cluster.node_groups.is_empty(),
            "group of nodes",
        ),
        (
            &["deployments"],
            scenario.deployments.is_empty(),
            "deployment",
        ),
        (
            &["services"],
            run && scenario.services.is_empty(),
            "service",
        ),
        (
            &["load_balancer", "target_groups"],
            run && scenario.load_balancer.target_groups.is_empty(),
            "target group",
        ),
        (
            &["clients"],
            run && scenario.clients.is_empty(),
            "population of clients",
        ),
    ];
    for (path, empty, what) in parts {
        if empty {
            let message = format!("`{}` needs at least one {what}", path.join("."));
            found.push(
                Diagnostic::error(code::EMPTY_PART, message)
                    .label(subject.key(path), "this is empty"),
            );
        }
    }
    for (name, group) in scenario.cluster.node_groups.iter() {
        if group.zones.as_ref().is_some_and(Vec::is_empty) {
            let message = format!("the node group {name:?} needs at least one zone");
            let place = subject.key(&["cluster", "node_groups", name, "zones"]);
            found.push(
                Diagnostic::error(code::EMPTY_PART, message)
                    .label(place, "this is empty")
                    .help("leave it out to use the cluster's zones"),
            );
        }
    }
    if scenario
        .load_balancer
        .zones
        .as_ref()
        .is_some_and(Vec::is_empty)
    {
        let message = "`load_balancer.zones` needs at least one zone";
        let place = subject.key(&["load_balancer", "zones"]);
        found.push(
            Diagnostic::error(code::EMPTY_PART, message)
                .label(place, "this is empty")
                .help("leave it out to use the cluster's zones"),
        );
    }
}
