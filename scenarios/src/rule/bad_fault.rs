//! T014 and T028: a fault on a thing that is not there, or that it cannot happen to.

use sim_models::fault::{Config, Selector};

use super::Subject;
use super::dangling_name::must_exist;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (index, fault) in subject.scenario.faults.iter().enumerate() {
        let index = index.to_string();
        names(subject, fault, &index, found);
        fits(subject, fault, &index, found);
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
        Selector::Node { .. } => return,
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
        Selector::Pods { .. } | Selector::Busiest { .. } | Selector::Deployment { .. } => return,
    };
    if u64::from(given) >= there {
        let message = format!("there are {there} {what}, counted from 0");
        found.push(Diagnostic::error(code::BAD_FAULT, message).label(
            subject.at(&["faults", index, "on", "index"]),
            format!("expected 0 to {}", there - 1),
        ));
    }
}
