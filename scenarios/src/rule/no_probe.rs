//! T113, T114 and T115: faults that nobody notices, processes without time to stop, faults outside of the run.

use sim_models::fault::{Effect, Selector};

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let scenario = subject.scenario;
    for (name, deployment) in scenario.deployments.iter() {
        let suffers = scenario.faults.iter().position(|fault| {
            let pods = matches!(&fault.on, Selector::Pod { deployment, .. } | Selector::Pods { deployment, .. } | Selector::Busiest { deployment, .. } if deployment == name);
            pods && matches!(fault.becomes.effect(), Effect::Condition(_))
        });
        if let (Some(index), None) = (suffers, &deployment.readiness_probe) {
            found.push(
                Diagnostic::warning(code::NO_PROBE, format!("no kubelet notices this: pods of {name:?} have no readiness probe"))
                    .label(subject.at(&["faults", &index.to_string(), "becomes"]), "the pod stays in rotation")
                    .label(subject.key(&["deployments", name]), "no `readiness_probe`")
                    .help("with `ip` targets the load balancer's own checks take the pod out; with `instance` targets nothing does"),
            );
        }
        let grace = deployment.termination_grace_period;
        if deployment.lifecycle.pre_stop >= grace {
            found.push(
                Diagnostic::warning(
                    code::NO_TIME_FOR_SIGTERM,
                    format!("pods of {name:?} have no time to stop"),
                )
                .label(
                    subject.at(&["deployments", name, "lifecycle", "pre_stop"]),
                    format!("the grace period is {grace}"),
                )
                .help("raise `termination_grace_period` above `pre_stop` and the longest request"),
            );
        }
    }
    for (index, fault) in scenario.faults.iter().enumerate() {
        if fault.from >= subject.duration() {
            let place = subject.at(&["faults", &index.to_string(), "from"]);
            found.push(
                Diagnostic::warning(
                    code::FAULT_OUTSIDE,
                    "this fault begins after the end of the run",
                )
                .label(place, format!("the run ends after {}", subject.duration())),
            );
        }
    }
}
