//! T106: more work than the pods can do.

use std::collections::BTreeMap;

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
        let mut weights: BTreeMap<Option<&str>, f64> = BTreeMap::new();
        for request in &population.requests {
            *weights
                .entry(deployment_of(subject, &request.path))
                .or_default() += request.weight;
        }
        if weights.is_empty() {
            weights.insert(deployment_of(subject, "/"), 1.0);
        }
        let here = weights.get(&Some(deployment)).copied().unwrap_or(0.0);
        total += rate * here / weights.values().sum::<f64>();
    }
    total
}

fn deployment_of<'a>(subject: &Subject<'a>, path: &str) -> Option<&'a str> {
    let group = subject.target_group_of(path)?;
    let service = &subject
        .scenario
        .load_balancer
        .target_groups
        .get(group)?
        .service;
    subject
        .scenario
        .services
        .get(service)
        .map(|service| service.selects.as_str())
}
