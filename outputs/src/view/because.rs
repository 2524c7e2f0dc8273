//! Why is it so, in one sentence, from counters?

use scenarios::experiment::answer::Alternative;
use scenarios::measure::{Quantity, Unit, Verdict};

use super::topic::Topic;
use super::{Shown, share};
use crate::format;

/// Unevenness below this needs no explanation.
const EVEN: f64 = 1.1;

/// Requests per independent draw above which connections, not requests, spread the load.
const LUMPY: f64 = 3.0;

/// Utilisation of a pod from which waiting makes latency: at 0.8 an M/M/1 queue is four times as long as at 0.5, and grows fast.
const BUSY: f64 = 0.8;

/// What stands behind missed objectives: where requests wait, and where unevenness comes from. With nothing missed, the
/// unevenness of the most uneven alternative; empty where there is nothing to explain.
pub(super) fn sentence(shown: &Shown<'_>) -> String {
    let causes = [waiting(shown), uneven(shown)];
    let causes: Vec<String> = causes.into_iter().flatten().collect();
    if causes.is_empty() {
        String::new()
    } else {
        format!("{}.", causes.join("; "))
    }
}

/// The busiest pod of the alternatives that miss a latency.
fn waiting(shown: &Shown<'_>) -> Option<String> {
    let slow = missing(shown, |quantity| quantity.about().unit == Unit::Seconds);
    let (busiest, alternative, service) = greatest(shown, &slow, "max pod utilisation")?;
    let average = mean(alternative, "utilisation", service)?;
    (busiest > BUSY).then(|| {
        format!(
            "{}requests wait: the busiest pod of {service} works {} of the time, its pods {} on average",
            under(shown, alternative),
            format::percent(busiest),
            format::percent(average),
        )
    })
}

/// The most uneven Service of the alternatives that miss something, or of all.
fn uneven(shown: &Shown<'_>) -> Option<String> {
    let failing = missing(shown, |_| true);
    let among = if failing.is_empty() {
        shown.alternatives().iter().collect()
    } else {
        failing
    };
    let (imbalance, alternative, service) = greatest(shown, &among, "pod imbalance")?;
    let placed = placed(alternative, service);
    let moving = (!share::steady(alternative, service)).then(|| {
        "pods come and go, and one that is there for a part of the time gets a part".to_owned()
    });
    let among_others = placed.is_some() || moving.is_some();
    let lumped = lumped(shown, alternative, service, among_others);
    let causes: Vec<String> = [moving, placed, lumped].into_iter().flatten().collect();
    (imbalance > EVEN && !causes.is_empty()).then(|| {
        format!(
            "{}the busiest pod of {service} gets {} times what the least busy one gets: {}",
            under(shown, alternative),
            format::number(imbalance),
            causes.join("; and ")
        )
    })
}

/// The alternatives that miss an objective on such a quantity.
fn missing<'a>(shown: &Shown<'a>, on: impl Fn(Quantity) -> bool) -> Vec<&'a Alternative> {
    let misses = |one: &&Alternative| {
        let objectives = shown.answer.objectives.iter().zip(&one.objectives);
        objectives
            .into_iter()
            .any(|(objective, answer)| answer.verdict == Verdict::Missed && on(objective.quantity))
    };
    shown.alternatives().iter().filter(misses).collect()
}

/// The greatest mean of a quantity, with the alternative and the Service that have it; of equals the first.
fn greatest<'a>(
    shown: &Shown<'a>,
    among: &[&'a Alternative],
    name: &str,
) -> Option<(f64, &'a Alternative, &'a str)> {
    let mut found: Option<(f64, &Alternative, &str)> = None;
    for &one in among {
        for service in shown.services() {
            let value = mean(one, name, service).unwrap_or(0.0);
            if found.is_none_or(|(greatest, ..)| value > greatest) {
                found = Some((value, one, service));
            }
        }
    }
    found
}

/// Which alternative is meant, where there are several.
fn under(shown: &Shown<'_>, alternative: &Alternative) -> String {
    if shown.alternatives().len() > 1 {
        format!("under “{}” ", alternative.name)
    } else {
        String::new()
    }
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
    for pod in alternative.layout.placed_pods(id) {
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

/// Requests that share the draw of their connection. Where there are other causes as well, N_eff is not that of connections alone.
fn lumped(
    shown: &Shown<'_>,
    alternative: &Alternative,
    service: &str,
    among_others: bool,
) -> Option<String> {
    let draws = mean(alternative, "N_eff", service)?;
    let (_, requests) = share::pods_and_requests(alternative, shown, service)?;
    let pinned = mean(alternative, "pinned share", service)?;
    if requests / draws <= LUMPY || (among_others && pinned == 0.0) {
        return None;
    }
    let pinned_by = "on a connection that was pinned to its pod by an earlier one";
    let requests = format::count(requests.round() as u64);
    let draws = format::count(draws.round() as u64);
    Some(if among_others {
        let share = format::percent(pinned);
        format!("{share} of the requests ride {pinned_by}")
    } else if pinned > 0.0 {
        let share = format::percent(pinned);
        format!(
            "{requests} requests spread like {draws} independent draws, because {share} of them ride {pinned_by}"
        )
    } else {
        format!("{requests} requests spread like {draws} independent draws")
    })
}
