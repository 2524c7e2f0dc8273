//! T022: a list that names the same thing twice.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let scenario = subject.scenario;
    repeated(
        subject,
        &["cluster", "zones"],
        &scenario.cluster.zones,
        found,
    );
    for (name, group) in scenario.cluster.node_groups.iter() {
        let zones = group.zones.as_deref().unwrap_or_default();
        let list = ["cluster", "node_groups", name, "zones"];
        repeated(subject, &list, zones, found);
    }
    let enabled = scenario.load_balancer.zones.as_deref().unwrap_or_default();
    repeated(subject, &["load_balancer", "zones"], enabled, found);
}

fn repeated(subject: &Subject<'_>, list: &[&str], names: &[String], found: &mut Vec<Diagnostic>) {
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().position(|other| other == name) {
            let place = |index: usize| subject.at(&[list, &[index.to_string().as_str()]].concat());
            let message = format!("the zone {name:?} is named twice");
            found.push(
                Diagnostic::error(code::TWICE, message)
                    .label(place(index), "again here")
                    .label(place(first), "first here"),
            );
        }
    }
}
