//! Faults and the health signal: nothing is lost, nothing differs between two runs, and a change costs no event per node.

use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime, Streams};
use sim_models::cluster::condition::{Erroring, PodCondition, Slow};
use sim_models::control::disruption::Drain;
use sim_models::fault::{Fault, NodeTrouble, What};
use sim_models::health::probe;
use sim_models::id::{DeploymentId, NodeId, PodId};
use sim_models::observe::{self, Observation, Recorder};
use sim_models::world::blueprint::Health;
use sim_models::world::{self, Blueprint};

use crate::support::{self, Mode};

const SEED: u64 = 5;

fn seconds(value: u64) -> SimDuration {
    SimDuration::from_secs(value)
}

/// Ten pods on four nodes with probes, 100 requests per second for three minutes, and these faults.
fn world(mode: Mode, faults: Vec<Fault>) -> Blueprint {
    let server = support::server(16, Dist::exponential(SimDuration::from_millis(12)));
    let clients = support::clients(support::poisson(100.0));
    let mut blueprint = support::world(&[3, 3, 2, 2], mode, server, clients);
    blueprint.run.length = seconds(180);
    blueprint.load_balancer.idle_timeout = seconds(60);
    let mut health = Health::new(1, 1);
    health.faults = faults.into_iter().collect();
    health.spares = vec![DeploymentId(0); 10];
    for workload in health.workloads.iter_mut() {
        workload.readiness_probe = Some(probe::Config::default());
        workload.liveness_probe = Some(probe::Config::default());
        workload.startup_probe = Some(probe::Config::default());
    }
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn fault(from: u64, until: u64, what: What) -> Fault {
    Fault {
        what,
        from: SimTime::ZERO + seconds(from),
        until: Some(SimTime::ZERO + seconds(until)),
    }
}

/// Much at once, some of it on the same things.
fn troubles() -> Vec<Fault> {
    let pods =
        |pods: &[u32], condition| What::Pods(pods.iter().copied().map(PodId).collect(), condition);
    vec![
        fault(
            10,
            60,
            pods(&[0, 4], PodCondition::Erroring(Erroring::default())),
        ),
        fault(20, 50, pods(&[0, 1], PodCondition::Hanging)),
        fault(30, 90, pods(&[2], PodCondition::Refusing)),
        fault(30, 80, pods(&[5], PodCondition::Slow(Slow::default()))),
        fault(40, 70, What::Exit(vec![PodId(6)])),
        fault(45, 75, What::CrashLoop(vec![PodId(7)], seconds(3))),
        fault(50, 51, What::Delete(vec![PodId(3), PodId(8)], seconds(1))),
        fault(60, 140, What::Node(NodeId(1), NodeTrouble::Crash)),
        fault(70, 100, What::Node(NodeId(2), NodeTrouble::Partition)),
        fault(80, 120, What::Node(NodeId(3), NodeTrouble::KubeletHung)),
        fault(90, 91, What::Node(NodeId(0), NodeTrouble::KubeletRestart)),
        fault(
            100,
            101,
            What::RollOut(DeploymentId(0), PodCondition::Serving),
        ),
        fault(
            130,
            131,
            What::Node(NodeId(0), NodeTrouble::Drain(Drain::default())),
        ),
    ]
}

#[test]
fn nothing_is_lost_whatever_breaks() {
    // `support::run` checks that requests issued are those finished and in flight, and that pods keep their limits.
    for mode in [Mode::Ip, Mode::InstanceCluster, Mode::InstanceLocal] {
        for replication in 0..5 {
            support::run(&world(mode, troubles()), SEED, replication, ());
        }
    }
}

#[test]
fn two_runs_of_the_same_troubles_are_the_same() {
    let blueprint = world(Mode::InstanceCluster, troubles());
    let run = || {
        let ended = world::run(&blueprint, Streams::new(SEED, 3), ());
        let ended = ended.expect("the run stays within its budget");
        (ended.events, ended.fingerprint)
    };
    assert_eq!(run(), run());
}

#[test]
fn a_change_costs_no_event_on_any_node() {
    // One pod becomes unready and ready again. With `ip` targets nobody checks nodes, so four nodes or 5,000 take the same events.
    let events = |nodes: usize| {
        let faults = vec![fault(
            20,
            60,
            What::Pods(vec![PodId(0)], PodCondition::Refusing),
        )];
        let mut blueprint = world(Mode::Ip, faults);
        let node = blueprint.nodes[NodeId(0)].clone();
        for _ in 4..nodes {
            blueprint.nodes.push(node.clone());
        }
        let ended = world::run(&blueprint, Streams::new(SEED, 0), ());
        ended.expect("the run stays within its budget").events
    };
    assert_eq!(events(5_000), events(4));
}

/// When containers of pod 0 started, and when the pod became ready, after it exited at 20 s.
#[derive(Default)]
struct Starts {
    started: Vec<SimTime>,
    ready: Vec<SimTime>,
}

impl Recorder for Starts {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Health(observe::Health::Started { pod: PodId(0) }) => {
                self.started.push(now);
            }
            Observation::Health(observe::Health::Verdict {
                pod: PodId(0),
                ready: true,
            }) => self.ready.push(now),
            _ => {}
        }
    }
}

/// Pod 0 exits at 20 s; it answers `boot` after its start. A startup probe every 5 s may fail twice.
fn starts(boot: u64) -> Starts {
    let mut blueprint = world(Mode::Ip, vec![fault(20, 21, What::Exit(vec![PodId(0)]))]);
    blueprint.deployments[DeploymentId(0)].server.startup_time = Dist::Constant(seconds(boot));
    let health = blueprint.health.as_mut().expect("the world has health");
    for workload in health.workloads.iter_mut() {
        workload.liveness_probe = None;
        workload.startup_probe = Some(probe::Config {
            period: seconds(5),
            failure_threshold: NonZeroU32::new(3).expect("3 is not 0"),
            ..probe::Config::default()
        });
    }
    let ended = support::run(&blueprint, SEED, 0, Starts::default());
    ended.recorder
}

#[test]
fn a_startup_probe_gives_a_slow_container_time() {
    // Attempts come every 5 s from the container's start; one that starts to answer after 7 s passes the first or second after that.
    let Starts { started, ready } = starts(7);
    assert_eq!((started.len(), ready.len()), (1, 1));
    let took = ready[0] - started[0];
    assert!((seconds(7)..=seconds(13)).contains(&took), "{took}");
}

#[test]
fn a_container_that_does_not_start_in_time_is_killed_and_tried_again() {
    // Three failures at intervals of 5 s come within 15 s of the start and a relist; this one needs 60 s and never makes it.
    let Starts { started, ready } = starts(60);
    assert!(ready.is_empty());
    assert!(started.len() >= 3, "{started:?}");
    let life = started[1] - started[0];
    assert!((seconds(10)..=seconds(30)).contains(&life), "{life}");
}
