//! W5: a rolling update of 1,000 pods on 1,000 nodes under 10,000 requests a second, with everything that notices it.
//!
//! Kubelets probe, versions of EndpointSlices are published, 1,000 nodes follow each, load balancer nodes check targets, and with
//! `ip` targets the controller deregisters and registers 2,000 pods. The world is a scenario file, [`SCENARIO`].

use std::str::FromStr;

use scenarios::load::{Loaded, load};
use scenarios::measure::observer::Meter;
use scenarios::measure::{Layout, Scope};
use scenarios::source::Sources;
use sim_core::{SimTime, Streams};
use sim_models::observe::{Health, Observation, Recorder};
use sim_models::world::{self, Blueprint};

use crate::report::Outcome;

/// The scenario, with an alternative for each [`Targets`].
pub const SCENARIO: &str = include_str!("rollout.ron");

/// What the load balancer has as targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Nodes.
    Instance,
    /// Pods.
    Ip,
}

impl FromStr for Targets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "instance" => Ok(Self::Instance),
            "ip" => Ok(Self::Ip),
            _ => Err("expected instance or ip".to_owned()),
        }
    }
}

/// How far the update went.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    versions: u64,
    created: u64,
    gone: u64,
}

impl Recorder for Progress {
    fn see(&mut self, _: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Health(Health::Published { .. }) => self.versions += 1,
            Observation::Health(Health::Created { .. }) => self.created += 1,
            Observation::Health(Health::Deleted { .. }) => self.gone += 1,
            _ => {}
        }
    }
}

/// The world, with its pods placed.
///
/// # Panics
///
/// When the scenario is wrong, which a test excludes.
#[must_use]
pub fn ready(targets: Targets) -> Blueprint {
    let Loaded { cases, .. } = loaded();
    let case = match targets {
        Targets::Instance => cases.into_iter().next(),
        Targets::Ip => cases.into_iter().nth(1),
    };
    case.expect("an alternative for each kind of target")
        .blueprint
}

fn loaded() -> Loaded {
    let mut sources = Sources::default();
    let source = sources.add("rollout.ron", SCENARIO);
    load(&sources, source, &[]).unwrap_or_else(|wrong| panic!("{wrong:#?}"))
}

/// Simulates the update, with every default metric.
///
/// # Panics
///
/// When the run exceeds its budget of events.
#[must_use]
pub fn run(blueprint: &Blueprint, seed: u64) -> Outcome {
    let layout = Layout::of(blueprint);
    let meter = Meter::new(&layout, SimTime::ZERO);
    let ended = world::run(
        blueprint,
        Streams::new(seed, 0),
        (meter, Progress::default()),
    )
    .expect("the run stays within its budget");
    let (meter, progress) = ended.recorder;
    let readings = meter.finish();
    let latency = readings.latency.of(Scope::Overall);
    Outcome {
        events: ended.events,
        units: latency.count(),
        more: vec![
            ("versions", progress.versions as f64),
            ("created", progress.created as f64),
            ("deleted", progress.gone as f64),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pods_are_replaced_under_full_load() {
        // 1,000 pods, 10,000 requests a second for 60 s: 600,000 requests, +- 4 sqrt(600,000) = 3,098, less a few that are lost.
        for targets in [Targets::Instance, Targets::Ip] {
            let blueprint = ready(targets);
            assert_eq!(
                (blueprint.pods.len(), blueprint.nodes.len()),
                (1_000, 1_000)
            );
            let outcome = run(&blueprint, 1);
            let of = |name| {
                outcome
                    .more
                    .iter()
                    .find(|(it, _)| *it == name)
                    .map(|(_, value)| *value)
            };
            assert_eq!(
                (of("created"), of("deleted")),
                (Some(1_000.0), Some(1_000.0))
            );
            assert!(
                outcome.units.abs_diff(600_000) < 10_000,
                "{}",
                outcome.units
            );
        }
    }
}
