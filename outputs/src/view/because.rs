//! Why is it so, in one sentence, from counters?

use scenarios::experiment::answer::Alternative;

use super::Shown;
use super::topic::Topic;
use crate::format;

/// Unevenness below this needs no explanation.
const EVEN: f64 = 1.1;

/// Requests per independent draw above which connections, not requests, spread the load.
const LUMPY: f64 = 3.0;

/// Where the unevenness of the most uneven alternative comes from; empty where the pods share evenly.
pub(super) fn sentence(shown: &Shown<'_>) -> String {
    let mut worst: Option<(f64, &Alternative, &str)> = None;
    for one in shown.alternatives() {
        for service in shown.services() {
            let imbalance = mean(one, "pod imbalance", service).unwrap_or(0.0);
            if worst.is_none_or(|(greatest, ..)| imbalance > greatest) {
                worst = Some((imbalance, one, service));
            }
        }
    }
    let Some((imbalance, alternative, service)) = worst.filter(|(imbalance, ..)| *imbalance > EVEN)
    else {
        return String::new();
    };
    let causes = [placed(alternative, service), lumped(alternative, service)];
    let causes: Vec<String> = causes.into_iter().flatten().collect();
    if causes.is_empty() {
        return String::new();
    }
    let named = if shown.alternatives().len() > 1 {
        format!("under “{}” ", alternative.name)
    } else {
        String::new()
    };
    format!(
        "{named}the busiest pod of {service} gets {} times what the least busy one gets: {}.",
        format::number(imbalance),
        causes.join("; and ")
    )
}

fn mean(alternative: &Alternative, name: &str, service: &str) -> Option<f64> {
    Topic::of(name, service, true)
        .estimate(alternative)
        .ok()
        .map(|estimate| estimate.mean)
}

/// Requests that stay on the node where they arrive, and nodes with different numbers of pods.
fn placed(alternative: &Alternative, service: &str) -> Option<String> {
    let id = alternative.layout.service_named(service)?;
    let stays = alternative
        .readings
        .distance
        .of(scenarios::measure::Scope::Service(id));
    if stays.arrived == 0
        || stays.second_hop > 0
        || alternative
            .readings
            .places
            .arrived()
            .iter()
            .all(|&count| count == 0)
    {
        return None;
    }
    let mut pods = vec![0_u32; alternative.layout.node_count()];
    for &pod in &alternative.layout.service(id).pods {
        pods[sim_models::id::Id::index(alternative.layout.pod_node(pod))] += 1;
    }
    let (least, most) = (
        pods.iter().filter(|&&count| count > 0).min()?,
        pods.iter().max()?,
    );
    (least != most).then(|| {
        format!(
            "requests stay on the node where they arrive, and nodes hold {least} to {most} pods"
        )
    })
}

/// Requests that share the draw of their connection.
fn lumped(alternative: &Alternative, service: &str) -> Option<String> {
    let draws = mean(alternative, "N_eff", service)?;
    let pods = alternative
        .layout
        .service(alternative.layout.service_named(service)?)
        .pods
        .len();
    let requests = mean(alternative, "requests per pod", service)? * pods as f64;
    let pinned = mean(alternative, "pinned share", service)?;
    (requests / draws > LUMPY).then(|| {
        let share = if pinned > 0.0 {
            format!(", because {} of them ride on a connection that was pinned to its pod by an earlier one", format::percent(pinned))
        } else {
            String::new()
        };
        format!(
            "{} requests spread like {} independent draws{share}",
            format::count(requests.round() as u64),
            format::count(draws.round() as u64),
        )
    })
}
