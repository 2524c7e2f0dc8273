//! T014 and T028: a fault on a thing that is not there, or that it cannot happen to.

use sim_core::SimDuration;
use sim_models::fault::{Becomes, Config, Selector};

use super::Subject;
use super::dangling_name::must_exist;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (index, fault) in subject.scenario.faults.iter().enumerate() {
        let index = index.to_string();
        names(subject, fault, &index, found);
        fits(subject, fault, &index, found);
        shifts(subject, fault, &index, found);
        changes(subject, fault, &index, found);
        number(subject, fault, &index, found);
    }
}

/// The Deployment exists.
fn names(subject: &Subject<'_>, fault: &Config, index: &str, found: &mut Vec<Diagnostic>) {
    let (field, name) = match &fault.on {
        Selector::Pod { deployment, .. }
        | Selector::Pods { deployment, .. }
        | Selector::Busiest { deployment, .. } => ("deployment", deployment),
        Selector::Deployment { name } => ("name", name),
        Selector::Zone { name } => return zone_has_nodes(subject, name, index, found),
        Selector::TargetGroup { name } => {
            return group_exists(subject, &["faults", index, "on", "name"], name, found);
        }
        Selector::LoadBalancerZone { zone } => return zone_exists(subject, zone, index, found),
        Selector::Node { .. }
        | Selector::Rule { .. }
        | Selector::LoadBalancerNode { .. }
        | Selector::Controller
        | Selector::ApiServer
        | Selector::ControllerManager => return,
    };
    let names = subject.scenario.deployments.names();
    let path = ["faults", index, "on", field];
    must_exist(
        subject,
        &path,
        name,
        "deployment",
        &["deployments"],
        names,
        found,
    );
}

/// The load balancer is enabled in a zone.
fn zone_exists(subject: &Subject<'_>, zone: &str, index: &str, found: &mut Vec<Diagnostic>) {
    let cluster = &subject.scenario.cluster.zones;
    let (enabled, defined): (_, &[&str]) = match &subject.scenario.load_balancer.zones {
        Some(zones) => (zones, &["load_balancer", "zones"]),
        None => (cluster, &["cluster", "zones"]),
    };
    let names = enabled.iter().map(String::as_str);
    let path = ["faults", index, "on", "zone"];
    must_exist(subject, &path, zone, "zone", defined, names, found);
}

/// The zone exists, and some node is in it.
fn zone_has_nodes(subject: &Subject<'_>, name: &str, index: &str, found: &mut Vec<Diagnostic>) {
    let cluster = &subject.scenario.cluster;
    let zones = cluster.zones.iter().map(String::as_str);
    let path = ["faults", index, "on", "name"];
    let defined = ["cluster", "zones"];
    must_exist(subject, &path, name, "zone", &defined, zones, found);
    let groups = cluster.node_groups.values();
    let is_there =
        |zones: &[String], count: usize| zones.iter().take(count).any(|zone| zone == name);
    let mut has_nodes = groups.map(|group| {
        let zones = group.zones.as_deref().unwrap_or(&cluster.zones);
        is_there(zones, group.count.get() as usize)
    });
    if cluster.zones.iter().any(|zone| zone == name) && !has_nodes.any(|it| it) {
        let message = format!("no node is in the zone {name:?}");
        found.push(
            Diagnostic::error(code::BAD_FAULT, message)
                .label(subject.at(&path), "this fault would happen to nothing"),
        );
    }
}

fn group_exists(subject: &Subject<'_>, path: &[&str], name: &str, found: &mut Vec<Diagnostic>) {
    let defined = ["load_balancer", "target_groups"];
    let names = subject.target_groups().map(|(name, _)| name);
    must_exist(subject, path, name, "target group", &defined, names, found);
}

/// The target groups that a change of rules names exist, and one that comes is not there before.
fn changes(subject: &Subject<'_>, fault: &Config, index: &str, found: &mut Vec<Diagnostic>) {
    match &fault.becomes {
        Becomes::Forwarding { to } => {
            for (group, _) in to.groups() {
                group_exists(subject, &["faults", index, "becomes", "to"], group, found);
            }
            if !to.is_right() {
                found.push(
                    Diagnostic::error(code::OUT_OF_RANGE, "a rule forwards to one to five groups")
                        .label(
                            subject.at(&["faults", index, "becomes", "to"]),
                            "expected weights from 0 to 999, not all of them 0",
                        ),
                );
            }
        }
        Becomes::ReplacedBy { group } => {
            let path = ["faults", index, "becomes", "group"];
            group_exists(subject, &path, group, found);
            let rules = subject.scenario.load_balancer.rules.iter();
            let mut named = rules.flat_map(|rule| rule.forward.groups());
            if named.any(|(name, _)| name == group) {
                let message = format!("the target group {group:?} is there from the beginning");
                found.push(Diagnostic::error(code::BAD_FAULT, message).label(
                    subject.at(&path),
                    "expected a group to which no rule forwards: it comes with this change",
                ));
            }
        }
        _ => {}
    }
}

/// What becomes of the thing can become of such a thing.
fn fits(subject: &Subject<'_>, fault: &Config, index: &str, found: &mut Vec<Diagnostic>) {
    let effect = fault.becomes.effect();
    if effect.subject() != fault.on.subject() {
        let message = format!("this cannot happen to {}", fault.on.subject());
        found.push(
            Diagnostic::error(code::BAD_FAULT, message)
                .label(
                    subject.at(&["faults", index, "becomes"]),
                    format!("happens to {}", effect.subject()),
                )
                .label(
                    subject.at(&["faults", index, "on"]),
                    format!("selects {}", fault.on.subject()),
                ),
        );
    }
    if effect.is_instant() && fault.until.is_some() {
        found.push(
            Diagnostic::error(code::BAD_FAULT, "what happens at an instant has no end")
                .label(subject.at(&["faults", index, "until"]), "leave it out"),
        );
    }
    if let Selector::Busiest { at: Some(at), .. } = fault.on
        && at > fault.from
    {
        found.push(
            Diagnostic::error(code::BAD_FAULT, "a pod is chosen before its fault begins").label(
                subject.at(&["faults", index, "on", "at"]),
                format!("expected {} or less", fault.from),
            ),
        );
    }
    if fault.until.is_some_and(|until| until <= fault.from) {
        found.push(
            Diagnostic::error(code::BAD_FAULT, "a fault ends after it begins").label(
                subject.at(&["faults", index, "until"]),
                format!("expected a time after {}", fault.from),
            ),
        );
    }
}

/// A zonal shift is for a zone, one at a time, and must be allowed.
fn shifts(subject: &Subject<'_>, fault: &Config, index: &str, found: &mut Vec<Diagnostic>) {
    if fault.becomes != Becomes::ShiftedAway {
        return;
    }
    if matches!(fault.on, Selector::LoadBalancerNode { .. }) {
        found.push(
            Diagnostic::error(code::BAD_FAULT, "a zonal shift is for a zone").label(
                subject.at(&["faults", index, "on"]),
                "expected LoadBalancerZone(zone: ..)",
            ),
        );
    }
    let load_balancer = &subject.scenario.load_balancer;
    if !load_balancer.zonal_shift {
        let message = "zonal shift is off for this load balancer";
        found.push(
            Diagnostic::error(code::BAD_FAULT, message)
                .label(subject.at(&["faults", index, "becomes"]), "AWS refuses it")
                .help("`load_balancer.zonal_shift: true` turns it on"),
        );
    }
    let until = fault.until.unwrap_or(SimDuration::MAX);
    let place: usize = index.parse().expect("the number of a fault");
    let before = subject.scenario.faults[..place].iter();
    let overlaps = |other: &&Config| {
        other.becomes == Becomes::ShiftedAway
            && other.on != fault.on
            && other.from < until
            && fault.from < other.until.unwrap_or(SimDuration::MAX)
    };
    if before.clone().any(|other| overlaps(&other)) {
        let message = "one zone at a time can be shifted away";
        found.push(Diagnostic::error(code::BAD_FAULT, message).label(
            subject.at(&["faults", index, "from"]),
            "another zonal shift is under way",
        ));
    }
}

/// There are that many of them.
fn number(subject: &Subject<'_>, fault: &Config, index: &str, found: &mut Vec<Diagnostic>) {
    let (there, given, what) = match &fault.on {
        Selector::Pod { deployment, index } => {
            let Some(deployment) = subject.scenario.deployments.get(deployment) else {
                return;
            };
            (u64::from(deployment.replicas.get()), *index, "pods")
        }
        Selector::Node { index } => (subject.nodes(), *index, "nodes"),
        Selector::Rule { index } => {
            let rules = subject.scenario.load_balancer.rules.len();
            (rules as u64, *index, "rules")
        }
        Selector::LoadBalancerNode { index } => {
            (subject.load_balancer_nodes(), *index, "load balancer nodes")
        }
        Selector::Pods { .. }
        | Selector::Busiest { .. }
        | Selector::Zone { .. }
        | Selector::Deployment { .. }
        | Selector::TargetGroup { .. }
        | Selector::LoadBalancerZone { .. }
        | Selector::Controller
        | Selector::ApiServer
        | Selector::ControllerManager => return,
    };
    if u64::from(given) >= there {
        let message = format!("there are {there} {what}, counted from 0");
        found.push(Diagnostic::error(code::BAD_FAULT, message).label(
            subject.at(&["faults", index, "on", "index"]),
            match there.checked_sub(1) {
                Some(last) => format!("expected 0 to {last}"),
                None => "there is none".to_owned(),
            },
        ));
    }
}
