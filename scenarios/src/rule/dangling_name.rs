//! T014: a name that refers to nothing.

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::suggest::{listed, nearest};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let scenario = subject.scenario;
    for (name, service) in scenario.services.iter() {
        let path = ["services", name, "selects"];
        must_exist(
            subject,
            &path,
            &service.selects,
            "deployment",
            &["deployments"],
            scenario.deployments.names(),
            found,
        );
    }
    for (name, group) in subject.target_groups() {
        let path = ["load_balancer", "target_groups", name, "service"];
        must_exist(
            subject,
            &path,
            &group.service,
            "service",
            &["services"],
            scenario.services.names(),
            found,
        );
    }
    for (index, rule) in scenario.load_balancer.rules.iter().enumerate() {
        let index = index.to_string();
        for (group, _) in rule.forward.groups() {
            let path = ["load_balancer", "rules", &index, "forward", group];
            let steps = if rule.forward.is_plain() { 4 } else { 5 };
            must_exist(
                subject,
                &path[..steps],
                group,
                "target group",
                &["load_balancer", "target_groups"],
                subject.target_groups().map(|(name, _)| name),
                found,
            );
        }
    }
    for (name, group) in scenario.cluster.node_groups.iter() {
        for (index, zone) in group.zones.iter().flatten().enumerate() {
            let index = index.to_string();
            must_exist(
                subject,
                &["cluster", "node_groups", name, "zones", &index],
                zone,
                "zone",
                &["cluster", "zones"],
                scenario.cluster.zones.iter().map(String::as_str),
                found,
            );
        }
    }
    for (index, zone) in scenario.load_balancer.zones.iter().flatten().enumerate() {
        let index = index.to_string();
        let path = ["load_balancer", "zones", &index];
        let zones = scenario.cluster.zones.iter().map(String::as_str);
        must_exist(
            subject,
            &path,
            zone,
            "zone",
            &["cluster", "zones"],
            zones,
            found,
        );
    }
}

pub(super) fn must_exist<'a>(
    subject: &Subject<'_>,
    path: &[&str],
    name: &str,
    kind: &str,
    defined: &[&str],
    names: impl Iterator<Item = &'a str>,
    found: &mut Vec<Diagnostic>,
) {
    let names: Vec<&str> = names.collect();
    if names.contains(&name) {
        return;
    }
    let label = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("there is {}", listed(names)),
    };
    let diagnostic =
        Diagnostic::error(code::DANGLING_NAME, format!("no {kind} is called {name:?}"))
            .label(subject.at(path), label);
    let place = subject.key(defined);
    found.push(diagnostic.label(place, format!("{kind}s are defined here")));
}
