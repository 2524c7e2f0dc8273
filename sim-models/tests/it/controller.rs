//! The load balancer controller under load: chunks, workers, quotas, and an API that refuses.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, NodeTrouble, What};
use sim_models::health::target_group::TargetState;
use sim_models::id::{NodeId, TargetId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::quantity::Rate;
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode};

const SEED: u64 = 151;

/// Nodes with a pod each behind so many services, without requests; nothing takes time but what a test says.
fn world(nodes: usize, services: usize, faults: Vec<Fault>) -> Blueprint {
    let server = || support::server(1, Dist::Constant(SimDuration::ZERO));
    let clients = support::clients(support::poisson(1.0));
    let pods = vec![1; nodes];
    let mut blueprint = support::world(&pods, Mode::InstanceCluster, server(), clients);
    for nth in 1..services {
        let name = format!("web-{nth}");
        support::add_service(
            &mut blueprint,
            &name,
            &pods,
            Mode::InstanceCluster,
            server(),
        );
    }
    for population in blueprint.populations.iter_mut() {
        population.config.stop = Some(SimDuration::ZERO);
    }
    blueprint.run.length = SimDuration::from_secs(120);
    let mut health = Health::new(services, services);
    support::at_once(&mut health);
    health.faults = faults.into_iter().collect();
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn controller(blueprint: &mut Blueprint) -> &mut Health {
    let health = blueprint.health.as_mut();
    health.expect("the world has a health signal")
}

/// A node is about to be deleted: no target any more.
fn leaves(node: u32, from: f64, until: Option<f64>) -> Fault {
    Fault {
        what: What::Node(NodeId(node), NodeTrouble::ToBeDeleted),
        from: support::at(from),
        until: until.map(support::at),
    }
}

/// How many targets entered a state, by time; and which, when.
struct Entered {
    state: TargetState,
    at: BTreeMap<SimTime, Vec<TargetId>>,
}

impl Recorder for Entered {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Health(Seen::Target { target, state, .. }) = seen
            && state == self.state
        {
            self.at.entry(now).or_default().push(target);
        }
    }
}

fn entered(blueprint: &Blueprint, state: TargetState) -> Vec<(SimTime, Vec<TargetId>)> {
    let at = BTreeMap::new();
    let ended = support::run(blueprint, SEED, 0, Entered { state, at });
    ended.recorder.at.into_iter().collect()
}

fn counts(entered: &[(SimTime, Vec<TargetId>)]) -> Vec<(SimTime, usize)> {
    entered.iter().map(|(at, some)| (*at, some.len())).collect()
}

#[test]
fn a_call_names_two_hundred_targets() {
    // 450 of 451 nodes leave at 10 s. A call takes a second: 200, 200 and 50 targets, known at 11, 12 and 13 s.
    let all = (0..450).map(|node| leaves(node, 10.0, None)).collect();
    let mut blueprint = world(451, 1, all);
    controller(&mut blueprint).aws_controller.api.deregister = SimDuration::from_secs(1);
    let known = entered(&blueprint, TargetState::Draining);
    let expected = [(11.0, 200), (12.0, 200), (13.0, 50)];
    let expected = expected.map(|(at, count)| (support::at(at), count));
    assert_eq!(counts(&known), expected);
}

#[test]
fn so_many_passes_at_once_as_workers() {
    // Five groups lose a node at 10 s, and a pass takes a second: by threes they are done at 11 and 12 s, by twos at 11, 12 and 13 s.
    let rows: [(u32, &[(f64, usize)]); 2] = [
        (3, &[(11.0, 3), (12.0, 2)]),
        (2, &[(11.0, 2), (12.0, 2), (13.0, 1)]),
    ];
    for (workers, expected) in rows {
        let mut blueprint = world(2, 5, vec![leaves(0, 10.0, None)]);
        let controller = &mut controller(&mut blueprint).aws_controller;
        controller.reconcile = SimDuration::from_secs(1);
        controller.workers = NonZeroU32::new(workers).expect("above 0");
        let known = counts(&entered(&blueprint, TargetState::Draining));
        let expected = expected.iter().map(|&(at, count)| (support::at(at), count));
        assert_eq!(known, expected.collect::<Vec<_>>(), "{workers} workers");
    }
}

#[test]
fn a_target_beyond_a_quota_waits_until_another_leaves() {
    // Ten nodes are targets at the start. The first is away from 10 s to 20 s; with room for nine it cannot come back, whether AWS refuses it
    // (its passes fail, and are tried again) or the controller leaves it out. The second node leaves at 60 s: that pass takes it in.
    let known = |limit: &dyn Fn(&mut Health)| {
        let faults = vec![leaves(0, 10.0, Some(20.0)), leaves(1, 60.0, None)];
        let mut blueprint = world(10, 1, faults);
        limit(controller(&mut blueprint));
        entered(&blueprint, TargetState::Initial)
    };
    let at = |seconds| vec![(support::at(seconds), vec![TargetId(0)])];
    assert_eq!(known(&|_| {}), at(20.0));
    assert_eq!(known(&|it| it.quotas.targets_per_group = 9), at(60.0));
    assert_eq!(known(&|it| it.quotas.targets = 9), at(60.0));
    let truncate = |it: &mut Health| it.aws_controller.max_targets_per_target_group = 9;
    assert_eq!(known(&truncate), at(60.0));
}

#[test]
fn a_pass_that_aws_refuses_is_tried_again_later_each_time() {
    // AWS admits one call in 1,000 s from 10 s to 30 s. The node of 11 s gets it. That of 12 s is refused, and tried again after 5, 10, 20 ms
    // and so on: at 12 s + 5 ms x (2^n - 1). The first of these times after 30 s is that of n = 12: 12 s + 20.475 s.
    let mut faults = vec![leaves(0, 11.0, None), leaves(1, 12.0, None)];
    faults.push(Fault {
        what: What::Throttle(Rate::per_second(0.001).expect("above 0")),
        from: support::at(10.0),
        until: Some(support::at(30.0)),
    });
    let known = entered(&world(3, 1, faults.clone()), TargetState::Draining);
    let expected =
        [(11.0, 0), (32.475, 1)].map(|(at, node)| (support::at(at), vec![TargetId(node)]));
    assert_eq!(known, expected);
    // With a second at most between two passes the next one comes within a second of 30 s: 12 s + 1.275 s are the first eight waits, up to
    // 640 ms, and 17 more of 1 s lead to 30.275 s.
    let mut impatient = world(3, 1, faults);
    let api = &mut controller(&mut impatient).aws_controller;
    api.retry.max = SimDuration::from_secs(1);
    api.api.burst = 100;
    let known = entered(&impatient, TargetState::Draining);
    assert_eq!(known[1].0, support::at(30.275));
}
