//! T111: pods that fit on no node.

use sim_models::id::Id;
use sim_models::placement::Unschedulable;

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
        let mut diagnostic = Diagnostic::warning(
            code::PENDING,
            format!("{pending} of {replicas} pods of {name:?} stay Pending"),
        )
        .label(subject.at(&["deployments", name]), why.to_string());
        for (group, reasons) in by_group(subject, &why) {
            diagnostic = diagnostic.label(subject.key(&["cluster", "node_groups", group]), reasons);
        }
        found.push(diagnostic.help(format!(
            "the run goes on with the other {}: give them room, or loosen the constraint that is named",
            placement.on.len()
        )));
    }
}

/// The reasons on the nodes of each group; nothing where there is only one.
fn by_group<'a>(subject: &Subject<'a>, why: &Unschedulable) -> Vec<(&'a str, String)> {
    let groups = &subject.scenario.cluster.node_groups;
    let mut first = 0;
    let mut reasons = Vec::new();
    for (name, group) in groups.iter().filter(|_| groups.len() > 1) {
        let nodes = first..first + group.count.get() as usize;
        first = nodes.end;
        let here = why.reasons_on(|node| nodes.contains(&node.index()));
        reasons.push((name, here.join(", ")));
    }
    reasons
}
