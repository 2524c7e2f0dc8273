//! T016: a placement by hand that does not add up.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let nodes = subject.nodes();
    for (name, deployment) in subject.scenario.deployments.iter() {
        let Some(placement) = &deployment.placement else {
            continue;
        };
        let place = subject.at(&["deployments", name, "placement"]);
        let sum: u64 = placement.iter().map(|&pods| u64::from(pods)).sum();
        let replicas = deployment.replicas.get();
        if placement.len() as u64 != nodes {
            let message = format!(
                "the placement of {name:?} is for {} nodes, and there are {nodes}",
                placement.len()
            );
            found.push(
                Diagnostic::error(code::BAD_PLACEMENT, message)
                    .label(place, "one number for each node")
                    .label(
                        subject.key(&["cluster", "node_groups"]),
                        format!("{nodes} nodes in all"),
                    ),
            );
        } else if sum != u64::from(replicas) {
            let message = format!(
                "the placement of {name:?} has {sum} pods, and there are {replicas} replicas"
            );
            found.push(
                Diagnostic::error(code::BAD_PLACEMENT, message)
                    .label(place, format!("adds up to {sum}"))
                    .label(subject.at(&["deployments", name, "replicas"]), format!("{replicas} replicas"))
                    .help("an alternative or a sweep that changes `replicas` must change or drop `placement` with it: set it to None"),
            );
        }
    }
}
