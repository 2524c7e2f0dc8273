//! T106: more work than the pods can do.

use sim_core::Dist;
use sim_models::request::client::Arrivals;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, deployment) in subject.scenario.deployments.iter() {
        let Load { rate, busy } = load(subject, name, &deployment.server.service_time);
        let scaler = deployment.autoscaler.as_ref();
        let most = scaler.map(|it| it.max_replicas);
        let pods = most.map_or(deployment.replicas, |most| most.max(deployment.replicas));
        let workers = f64::from(pods.get()) * f64::from(deployment.server.workers.get());
        if busy >= workers {
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

/// What reaches a deployment.
#[derive(Default)]
struct Load {
    /// Requests per second.
    rate: f64,
    /// Workers that they keep busy on average.
    busy: f64,
}

/// Open-loop requests that reach a deployment; whoever waits for answers slows down by himself.
fn load(subject: &Subject<'_>, deployment: &str, service_time: &Dist) -> Load {
    // A distribution that makes no sense is another rule's affair.
    let mean = |work: &Dist| work.sampler().map_or(0.0, |sampler| sampler.mean());
    let mut load = Load::default();
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
        let requests = population.requests.iter();
        let mut asked: Vec<(&str, f64, &Dist)> = requests
            .map(|request| {
                let work = request.demand.as_ref().unwrap_or(service_time);
                (request.path.as_str(), request.weight, work)
            })
            .collect();
        if asked.is_empty() {
            asked.push(("/", 1.0, service_time));
        }
        let all: f64 = asked.iter().map(|(_, weight, _)| weight).sum();
        for (path, weight, work) in asked {
            let here = rate * weight / all * share_of(subject, deployment, path);
            load.rate += here;
            load.busy += here * mean(work);
        }
    }
    load
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
