//! T017: distributions whose parameters make no sense.

use sim_core::Dist;
use sim_models::request::client::Arrivals;

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut look = |path: &[&str], dist: &Dist| {
        if let Err(error) = dist.sampler() {
            let shown = path.iter().enumerate().map(|(place, step)| {
                let is_name = place == 1 && path.len() > 2 && path[0] != "cluster";
                if is_name || step.parse::<usize>().is_ok() {
                    "*"
                } else {
                    step
                }
            });
            let shown: Vec<&str> = shown.collect();
            let help = format!("see `twohop explain {}`", shown.join("."));
            found.push(
                Diagnostic::error(code::BAD_DISTRIBUTION, error.to_string())
                    .label(subject.at(path), "")
                    .help(help),
            );
        }
    };
    look(
        &["cluster", "scheduler", "latency"],
        &subject.scenario.cluster.scheduler.latency,
    );
    for (name, deployment) in subject.scenario.deployments.iter() {
        look(
            &["deployments", name, "server", "service_time"],
            &deployment.server.service_time,
        );
    }
    for (name, population) in subject.scenario.clients.iter() {
        look(&["clients", name, "rtt"], &population.rtt);
        for (index, request) in population.requests.iter().enumerate() {
            if let Some(demand) = &request.demand {
                let index = index.to_string();
                look(&["clients", name, "requests", &index, "demand"], demand);
            }
        }
        if let Arrivals::Closed { think, .. } = &population.arrivals {
            look(&["clients", name, "arrivals", "think"], think);
        }
    }
    look(
        &["load_balancer", "proxy_latency"],
        &subject.scenario.load_balancer.proxy_latency,
    );
}
