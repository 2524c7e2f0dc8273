//! T106: more work than the pods can do.

use sim_models::request::client::Arrivals;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in subject.scenario.deployments.iter() {
        let Ok(service_time) = deployment.server.service_time.sampler() else {
            continue;
        };
        let rate = requests_per_second(subject, name);
        let workers =
            f64::from(deployment.replicas.get()) * f64::from(deployment.server.workers.get());
        let busy = rate * service_time.mean();
        if busy >= workers {
            let pods = deployment.replicas;
            found.push(
                Diagnostic::warning(code::OVERLOAD, format!("pods of {name:?} cannot keep up"))
                    .label(
                        subject.key(&["deployments", name]),
                        format!("{rate:.0} requests/s need {busy:.1} workers on average, and {pods} pods have {workers}"),
                    )
                    .help("queues grow until they overflow; for a stable system more pods, more workers or shorter service times are needed"),
            );
        }
    }
}

/// Open-loop requests that reach a deployment; whoever waits for answers slows down by himself.
fn requests_per_second(subject: &Subject<'_>, deployment: &str) -> f64 {
    let mut total = 0.0;
    for population in subject.scenario.clients.values() {
        let from = population.start;
        let until = population
            .stop
            .map_or(subject.duration(), |stop| stop.min(subject.duration()));
        if until <= from {
            continue;
        }
        let active = until - from;
        let sustained = !matches!(population.arrivals, Arrivals::CurlLoop { .. });
        let Some(requests) = population.arrivals.expected(active).filter(|_| sustained) else {
            continue;
        };
        let rate = requests / active.as_secs_f64();
        let (mut here, mut all) = (0.0, 0.0);
        for request in &population.requests {
            here += request.weight * share_of(subject, deployment, &request.path);
            all += request.weight;
        }
        if population.requests.is_empty() {
            (here, all) = (share_of(subject, deployment, "/"), 1.0);
        }
        total += rate * here / all;
    }
    total
}

/// The share of the requests for a path that reach a deployment.
fn share_of(subject: &Subject<'_>, deployment: &str, path: &str) -> f64 {
    let scenario = subject.scenario;
    let reaches = |group: &str| {
        let group = scenario.load_balancer.target_groups.get(group);
        let service = group.and_then(|group| scenario.services.get(&group.service));
        service.is_some_and(|service| service.selects == deployment)
    };
    let groups = subject.target_groups_of(path).into_iter();
    groups
        .filter(|(group, _)| reaches(group))
        .map(|(_, share)| share)
        .sum()
}
