//! T019: what would this run take?

use sim_core::SimDuration;
use sim_models::request::client::{Arrivals, Config, InParallel};

use super::Subject;
use crate::code;
use crate::diagnostic::Diagnostic;
use crate::scenario::Scenario;

/// Events of one request: arrival, load balancer, node, server, end of service, answer; and its share of expiry checks.
const EVENTS_PER_REQUEST: f64 = 7.0;

/// Events per second and core.
///
/// Assumption: the order of magnitude on a current machine; it only turns a number of events into a feeling for time.
const EVENTS_PER_SECOND: f64 = 5e6;

/// Memory of a request in flight, with its connections and its planned event, in bytes.
///
/// Assumption: the sizes of these records, rounded up.
const BYTES_PER_REQUEST: f64 = 512.0;

/// Memory of a pod or node with everything that refers to it, in bytes.
///
/// Assumption: the sizes of these records, rounded up.
const BYTES_PER_THING: f64 = 1024.0;

/// The most memory that a run may take, in bytes.
const MOST_BYTES: f64 = (64_u64 << 30) as f64;

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let scenario = subject.scenario;
    let extents: Vec<Extent> = scenario
        .clients
        .values()
        .map(|population| extent(population, subject))
        .collect();
    let requests: f64 = extents.iter().map(|extent| extent.requests).sum();
    let in_flight: f64 = extents.iter().map(|extent| extent.at_once).sum();
    let events = requests * EVENTS_PER_REQUEST;
    let things = (subject.nodes() + subject.pods()) as f64;
    let bytes = in_flight * BYTES_PER_REQUEST + things * BYTES_PER_THING;
    let budget = scenario.run.event_budget as f64;
    if events <= budget && bytes <= MOST_BYTES {
        return;
    }
    let message = format!(
        "this run is too large: about {} requests in each replication, {} events, {} on one core, {} of memory",
        rounded(requests),
        rounded(events),
        duration(events / EVENTS_PER_SECOND),
        memory(bytes),
    );
    let mut diagnostic = Diagnostic::error(code::TOO_LARGE, message);
    diagnostic = match culprit(scenario, &extents, things * BYTES_PER_THING) {
        Some((name, requests)) => diagnostic.label(
            subject.at(&["clients", name, "arrivals"]),
            format!("{} requests", rounded(requests)),
        ),
        None => diagnostic.label(
            subject.key(&["deployments"]),
            format!("{} pods and nodes", rounded(things)),
        ),
    };
    if events > budget {
        let help = format!(
            "the budget of a run is {} events; shorten `run.length`, lower the rate, or raise `run.event_budget` if you mean it",
            rounded(budget)
        );
        diagnostic = diagnostic.help(help);
    }
    found.push(diagnostic);
}

/// How much a population asks for.
struct Extent {
    /// Requests in a whole run.
    requests: f64,
    /// Requests that may be in flight at once.
    at_once: f64,
}

fn extent(population: &Config, subject: &Subject<'_>) -> Extent {
    let seconds = subject.duration().as_secs_f64();
    let from = population.start.as_secs_f64();
    let until = population
        .stop
        .map_or(seconds, |stop| stop.as_secs_f64().min(seconds));
    let active = (until - from).max(0.0);
    let limit = population
        .stop_after
        .map_or(f64::INFINITY, |limit| limit as f64);
    // Whoever waits longest waits for the load balancer to give up: a minute.
    const LONGEST_STAY_SECONDS: f64 = 60.0;
    let expected = |seconds: f64| {
        population
            .arrivals
            .expected(SimDuration::from_secs_f64(seconds))
    };
    if let Some(requests) = expected(active) {
        let requests = requests.min(limit);
        // Of the longest stay, wherever the rate is highest.
        let share = match population.arrivals {
            Arrivals::CurlLoop { .. } | Arrivals::Trace { .. } | Arrivals::Bursts { .. } => 1.0,
            _ => (LONGEST_STAY_SECONDS / active.max(1e-9)).min(1.0),
        };
        return Extent {
            requests,
            at_once: requests * share,
        };
    }
    match &population.arrivals {
        Arrivals::CurlLoop {
            requests,
            in_parallel,
        } => {
            let requests = (*requests as f64).min(limit);
            let at_once = match in_parallel {
                InParallel::All => requests,
                InParallel::AtMost(most) => f64::from(most.get()).min(requests),
            };
            Extent { requests, at_once }
        }
        Arrivals::Closed { users, think } => {
            let users = f64::from(users.get());
            let mean = |dist: &sim_core::Dist| dist.sampler().map_or(0.0, |sampler| sampler.mean());
            // A round takes at least the thinking and one round trip.
            let round = (mean(think) + mean(&population.rtt)).max(1e-6);
            Extent {
                requests: (users * active / round).min(limit),
                at_once: users,
            }
        }
        _ => unreachable!("every open loop knows how many requests to expect"),
    }
}

/// The population that asks for most, unless the cluster itself is what is too large.
fn culprit<'a>(
    scenario: &'a Scenario,
    extents: &[Extent],
    cluster_bytes: f64,
) -> Option<(&'a str, f64)> {
    if cluster_bytes > MOST_BYTES {
        return None;
    }
    let named = scenario
        .clients
        .names()
        .zip(extents.iter().map(|extent| extent.requests));
    named.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Two digits and a power of ten where there are many.
fn rounded(number: f64) -> String {
    if number < 10_000.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.1e}").replace(".0e", "e")
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        return "less than a second".to_owned();
    }
    let units = [
        ("years", 31_557_600.0),
        ("days", 86_400.0),
        ("hours", 3_600.0),
        ("minutes", 60.0),
    ];
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| seconds >= *size)
        .unwrap_or(("seconds", 1.0));
    format!("{} {unit}", rounded(seconds / size))
}

fn memory(bytes: f64) -> String {
    let units = [("TiB", (1_u64 << 40) as f64), ("GiB", (1_u64 << 30) as f64)];
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| bytes >= *size)
        .unwrap_or(("MiB", (1_u64 << 20) as f64));
    format!("{} {unit}", rounded((bytes / size).max(1.0)))
}
