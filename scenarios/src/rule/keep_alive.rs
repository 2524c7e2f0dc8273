//! T102 and T103: which side closes an idle connection first?

use sim_core::SimDuration;
use sim_models::request::load_balancer::TargetType;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let idle = subject.scenario.load_balancer.idle_timeout;
    for (name, deployment) in subject.scenario.deployments.iter() {
        let types: Vec<TargetType> = target_types(subject, name).collect();
        if types.is_empty() {
            continue;
        }
        let server = ["deployments", name, "server"];
        let steps = if deployment.server.keep_alive.is_some() {
            "keep_alive"
        } else {
            "software"
        };
        let place = subject.at(&[&server[..], &[steps]].concat());
        let timeout = deployment.server.keep_alive().timeout;
        match timeout {
            Some(timeout) if SimDuration::ZERO < timeout && timeout < idle => found.push(
                Diagnostic::warning(code::KEEP_ALIVE_RACE, format!("pods of {name:?} close idle connections before the load balancer does"))
                    .label(place, format!("after {timeout}, the load balancer after {idle}"))
                    .help(format!("a request that meets the close gets a 502; let the server keep idle connections longer than {idle}")),
            ),
            Some(timeout) if timeout == SimDuration::ZERO => {}
            _ if types.contains(&TargetType::Instance) && deployment.server.keep_alive().max_requests.is_none() => found.push(
                Diagnostic::warning(code::PINNED_CONNECTIONS, format!("connections to pods of {name:?} are never closed while they are in use"))
                    .label(place, "keeps idle connections longer than the load balancer, for any number of requests")
                    .help("with instance targets each connection stays with one pod, so the number of connections decides how pods share the load")
                    .help("a limit spreads the load afresh: `keep_alive: (timeout: \"75s\", max_requests: 1000)`"),
            ),
            _ => {}
        }
    }
}

/// How the deployment's pods are registered, by each target group that leads to them.
fn target_types<'a>(
    subject: &'a Subject<'_>,
    deployment: &'a str,
) -> impl Iterator<Item = TargetType> + 'a {
    let leads = move |service: &str| {
        subject
            .scenario
            .services
            .get(service)
            .is_some_and(|service| service.selects == deployment)
    };
    subject
        .target_groups()
        .filter(move |(_, group)| leads(&group.service))
        .map(|(_, group)| group.target_type)
}
