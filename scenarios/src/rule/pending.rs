//! T111: pods that fit on no node.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::lower;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let placements = lower::placements(subject.scenario);
    for ((name, deployment), placement) in subject.scenario.deployments.iter().zip(placements) {
        let Some((pending, why)) = placement.pending else {
            continue;
        };
        let replicas = deployment.replicas;
        found.push(
            Diagnostic::warning(
                code::PENDING,
                format!("{pending} of {replicas} pods of {name:?} stay Pending"),
            )
            .label(subject.at(&["deployments", name]), why.to_string())
            .help(format!(
                "the run goes on with the other {}: give them room, or loosen the constraint that is named",
                placement.on.len()
            )),
        );
    }
}
