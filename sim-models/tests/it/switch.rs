//! A live switch of target type: the hole that it tears, and the way without one. And a controller without a leader.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, What};
use sim_models::health::target_group::TargetState;
use sim_models::id::{LoadBalancerNodeId, PodId, TargetGroupId, ZoneId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::request::load_balancer::TargetType;
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 21;
const NODES: TargetGroupId = TargetGroupId(0);
const PODS: TargetGroupId = TargetGroupId(1);

fn seconds(value: u64) -> SimDuration {
    SimDuration::from_secs(value)
}

fn at(value: u64) -> SimTime {
    SimTime::ZERO + seconds(value)
}

/// Four pods on two nodes behind a group of nodes, another group of pods beside it, and 100 requests a second for two minutes. Nothing in
/// the control plane takes time; a rule is applied after 1 s, a registration after 4 s, a deregistration after 2 s.
fn world(faults: Vec<Fault>) -> Blueprint {
    let server = support::server(100, Dist::Constant(SimDuration::from_millis(1)));
    let clients = support::clients(support::poisson(100.0));
    let mut blueprint = support::world(&[2, 2], Mode::InstanceCluster, server, clients);
    blueprint.run.length = seconds(120);
    let mut pods = blueprint.target_groups[NODES].clone();
    pods.name = "pods".into();
    pods.target_type = TargetType::Ip;
    blueprint.target_groups.push(pods);
    let mut health = Health::new(1, 2);
    support::at_once(&mut health);
    for group in health.target_groups.iter_mut() {
        group.rule_propagation = Dist::Constant(seconds(1));
        group.register_propagation = Dist::Constant(seconds(4));
        group.deregister_propagation = Dist::Constant(seconds(2));
        group.health_check.first_check_delay = Dist::Constant(seconds(1));
    }
    health.actions = vec![vec![(NODES, 1)]];
    health.faults = faults.into_iter().collect();
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn fault(from: u64, what: What) -> Fault {
    Fault {
        what,
        from: at(from),
        until: None,
    }
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

fn in_place() -> Vec<Fault> {
    let replace = What::Replace {
        old: NODES,
        new: PODS,
    };
    vec![fault(30, replace)]
}

/// When requests without a target came to the load balancer: first and last; nothing else goes wrong.
fn hole(blueprint: &Blueprint) -> Option<(SimTime, SimTime)> {
    let requests = requests(blueprint);
    let failed = requests.iter().filter(|it| it.outcome != Outcome::Ok);
    let times = failed.map(|it| {
        assert_eq!(it.outcome, Outcome::NoTarget);
        it.at(Hop::LoadBalancer)
    });
    let times: Vec<SimTime> = times.collect();
    Some((*times.first()?, *times.last()?))
}

#[test]
fn a_switch_in_place_has_no_target_from_the_rule_to_the_registration() {
    // The calls are made at 30 s. The rules point at the new group from 31 s on, its targets are known from 34 s on: 503 for 3 s, all of
    // some 300 requests. Then the group holds targets that no check has seen: with the default they get requests, without they do so
    // from their first check on, a second later. Source: AWS Load Balancer Controller `pkg/deploy/stack_deployer.go`.
    let near = |(first, last): (SimTime, SimTime), until: u64| {
        let gap = SimDuration::from_millis(100);
        assert!(first >= at(31) && first <= at(31) + gap, "{first:?}");
        assert!(last < at(until) && last + gap >= at(until), "{last:?}");
    };
    let mut blueprint = world(in_place());
    near(hole(&blueprint).expect("a hole"), 34);
    let health = blueprint.health.as_mut().expect("a health signal");
    health.target_groups[PODS].fail_open_includes_initial = false;
    near(hole(&blueprint).expect("a hole"), 35);
}

#[test]
fn a_rule_that_comes_later_than_its_targets_leaves_no_hole() {
    let mut blueprint = world(in_place());
    let health = blueprint.health.as_mut().expect("a health signal");
    health.target_groups[PODS].rule_propagation = Dist::Constant(seconds(5));
    assert_eq!(hole(&blueprint), None);
}

#[test]
fn weights_move_requests_without_a_hole() {
    // From 31 s on one request in four, from 61 s on all of them.
    let half = fault(30, What::Forward(0, vec![(NODES, 3), (PODS, 1)]));
    let all = fault(60, What::Forward(0, vec![(NODES, 0), (PODS, 1)]));
    let blueprint = world(vec![half, all]);
    assert_eq!(hole(&blueprint), None);
    let requests = requests(&blueprint);
    let share = |from: u64, until: u64| {
        let then = |it: &&Request| (at(from)..at(until)).contains(&it.at(Hop::LoadBalancer));
        let then: Vec<&Request> = requests.iter().filter(then).collect();
        let moved = then.iter().filter(|it| it.target_group == Some(PODS));
        moved.count() as f64 / then.len() as f64
    };
    assert_eq!((share(0, 31), share(61, 120)), (0.0, 1.0));
    // 3,000 requests: 4 sd of a binomial share are 0.032.
    assert!((share(31, 61) - 0.25).abs() < 0.032);
}

#[test]
fn the_old_group_does_not_wait_for_its_deregistration_delay() {
    // A request of 60 s is under way when the group goes. Known after 2 s, the group is dropped 200 ms later, the time between two looks
    // of the controller (its calls take no time here): 502 at 32.2 s.
    let mut blueprint = world(in_place());
    for population in blueprint.populations.iter_mut() {
        population.config.stop_after = Some(1);
        population.config.start = seconds(20);
    }
    for deployment in blueprint.deployments.iter_mut() {
        deployment.server.service_time = Dist::Constant(seconds(60));
        deployment.server.check_time = SimDuration::ZERO;
    }
    let requests = requests(&blueprint);
    assert_eq!(requests[0].outcome, Outcome::Drained);
    let end = at(32) + SimDuration::from_millis(200);
    assert_eq!(requests[0].at(Hop::Answered), end);
}

#[test]
fn each_load_balancer_node_has_a_hole_of_its_own() {
    let mut blueprint = world(in_place());
    blueprint.load_balancer.nodes.push(ZoneId(0));
    let uniform = |low, high| Dist::Uniform {
        low: seconds(low),
        high: seconds(high),
    };
    let health = blueprint.health.as_mut().expect("a health signal");
    health.target_groups[PODS].rule_propagation = uniform(0, 3);
    health.target_groups[PODS].register_propagation = uniform(3, 9);
    let requests = requests(&blueprint);
    let hole = |node: u32| {
        let own = requests.iter().filter(move |it| {
            it.outcome == Outcome::NoTarget && it.load_balancer_node == LoadBalancerNodeId(node)
        });
        let times: Vec<SimTime> = own.map(|it| it.at(Hop::LoadBalancer)).collect();
        (times[0], times[times.len() - 1])
    };
    assert!(hole(0).0 != hole(1).0 && hole(0).1 != hole(1).1);
}

#[test]
fn a_leader_that_is_lost_on_the_way_leaves_the_hole_open_until_the_next_one_leads() {
    // The controller hears of anything 1 s late: it turns the rules at 31 s and would see the new binding at 32 s. Lost at 31.5 s, for 60 s, its
    // leader leaves rules that apply from 32 s on, and a registration that is called for at 91.5 s and known at 95.5 s. Lost at 30.5 s,
    // before any call, it delays the whole change: calls at 90.5 s, rules at 91.5 s, the binding seen at 91.5 s, targets known at 95.5 s.
    let world = |lost: u64| {
        let mut faults = in_place();
        faults.push(Fault {
            what: What::LeaderChange,
            from: SimTime::ZERO + SimDuration::from_millis(lost),
            until: None,
        });
        let mut blueprint = world(faults);
        let health = blueprint.health.as_mut().expect("a health signal");
        health.aws_controller.watch_delay = Dist::Constant(seconds(1));
        blueprint
    };
    let near = |found: SimTime, millis: u64| {
        let due = SimTime::ZERO + SimDuration::from_millis(millis);
        let gap = SimDuration::from_millis(150);
        assert!(found + gap > due && found < due + gap, "{found:?} {due:?}");
    };
    let (first, last) = hole(&world(31_500)).expect("a hole");
    near(first, 32_000);
    near(last, 95_500);
    let (first, last) = hole(&world(30_500)).expect("a hole");
    near(first, 91_500);
    near(last, 95_500);
}

/// When a load balancer node stopped to choose the target of a pod.
#[derive(Default)]
struct Draining(Option<SimTime>);

impl Recorder for Draining {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        if let Observation::Health(Seen::Target {
            state: TargetState::Draining,
            ..
        }) = seen
        {
            self.0.get_or_insert(now);
        }
    }
}

#[test]
fn without_a_leader_nothing_is_written_until_the_next_one_looks() {
    // A pod leaves its Service at 30 s; its target would be known to drain at 32 s. The leader is lost at 20 s: for 60 s nobody writes. At
    // 80 s the next one looks at everything, and the target drains at 82 s. Source: AWS Load Balancer Controller, "Scaling".
    let leaves = || fault(30, What::Unselect(vec![PodId(0)]));
    let drains = |faults| {
        let mut blueprint = world(faults);
        let health = blueprint.health.as_mut().expect("a health signal");
        health.actions = Vec::new();
        support::run(&blueprint, SEED, 0, Draining::default())
            .recorder
            .0
    };
    assert_eq!(drains(vec![leaves()]), Some(at(32)));
    let lost = fault(20, What::LeaderChange);
    assert_eq!(drains(vec![lost, leaves()]), Some(at(82)));
}
