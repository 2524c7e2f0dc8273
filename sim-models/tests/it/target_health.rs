//! Target groups: draining, failing open, flapping, and how often checks reach a pod.

use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::{Erroring, PodCondition};
use sim_models::fault::{Fault, What};
use sim_models::health::target_group::TargetState;
use sim_models::id::{Id, PodId, TargetGroupId, ZoneId};
use sim_models::observe::{Health as Seen, Observation, Recorder};
use sim_models::request::client::{Arrivals, Reuse};
use sim_models::request::server::KeepAlive;
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 57;

fn seconds(value: u64) -> SimDuration {
    SimDuration::from_secs(value)
}

fn at(value: u64) -> SimTime {
    SimTime::ZERO + seconds(value)
}

/// A world in which the control plane takes no time, and these faults.
fn world(
    pods_per_node: &[u32],
    mode: Mode,
    work: SimDuration,
    rate: f64,
    faults: Vec<Fault>,
) -> Blueprint {
    let mut server = support::server(1_000, Dist::Constant(work));
    server.check_time = SimDuration::ZERO;
    let clients = support::clients(support::poisson(rate));
    let mut blueprint = support::world(pods_per_node, mode, server, clients);
    let mut health = Health::new(1, 1);
    support::at_once(&mut health);
    health.faults = faults.into_iter().collect();
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn health(blueprint: &mut Blueprint) -> &mut Health {
    blueprint
        .health
        .as_mut()
        .expect("the world has a health signal")
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

#[test]
fn a_request_outlives_its_target_by_the_deregistration_delay() {
    // Source: AWS, "Troubleshoot your Application Load Balancers": 502 where the delay elapses while a target handles a request. A request
    // of 40 s sets off between 10 s and 30 s, its target is deregistered at 30 s. Rows: delay; outcome and status, and when.
    let rows = [(5, Outcome::Drained, 502), (60, Outcome::Ok, 200)];
    for (delay, outcome, status) in rows {
        let deregistered = vec![fault(30, What::Unselect(vec![PodId(0)]))];
        let mut blueprint = world(&[1], Mode::Ip, seconds(40), 1.0, deregistered);
        blueprint.run.length = seconds(120);
        let population = blueprint
            .populations
            .iter_mut()
            .next()
            .expect("there are clients");
        population.config.start = seconds(10);
        population.config.stop_after = Some(1);
        health(&mut blueprint).target_groups[TargetGroupId(0)].deregistration_delay =
            seconds(delay);
        let requests = requests(&blueprint);
        let [request] = &requests[..] else {
            panic!("{} requests instead of one", requests.len());
        };
        assert_eq!(
            (request.outcome, request.outcome.status()),
            (outcome, status)
        );
        let end = match outcome {
            Outcome::Ok => request.at(Hop::Client) + seconds(40),
            _ => at(30 + delay),
        };
        assert_eq!(request.at(Hop::Answered), end);
    }
}

#[test]
fn a_group_without_a_healthy_target_goes_on_routing() {
    // Source: AWS, "Target group health": with fewer healthy targets than the minimum the load balancer sends to all. So clients see the
    // pods' own 500, before the checks have found all four (after 30 s at most) as well as afterwards, and never a 503.
    let error = PodCondition::Erroring(Erroring::default());
    let all = vec![fault(10, What::Pods((0..4).map(PodId).collect(), error))];
    let blueprint = world(&[2, 2], Mode::Ip, SimDuration::ZERO, 100.0, all);
    let requests = requests(&blueprint);
    let late = requests.iter().filter(|it| it.at(Hop::Client) > at(41));
    let (mut pods, mut count) = ([0; 4], 0);
    for request in late {
        assert_eq!(request.outcome, Outcome::PodError(500));
        pods[request.pod.expect("a pod answered").index()] += 1;
        count += 1;
    }
    // 19 s at 100 a second, in turn over four targets: equal within one.
    assert!(count > 1_500, "{count}");
    assert!(
        pods.iter().all(|&it: &u32| it.abs_diff(count / 4) <= 1),
        "{pods:?}"
    );
}

#[test]
fn a_target_that_closes_first_costs_502s() {
    // Source: AWS, "Troubleshoot your Application Load Balancers": keep the target's keep-alive above the load balancer's idle time-out.
    // A user asks 4.99 to 5.01 s after each answer; 1 ms of way. Closing after 5 s, the server loses the race where a request leaves
    // after it closed less one way and before its FIN is there: 2 ms of 20, that is 10 % of 1,200 requests, 120 +- 42 (4 sd). Where the
    // server closes after 75 s, the load balancer's 60 s never come either: no race.
    let stale = |keep_alive: u64| {
        let mut server = support::server(8, Dist::Constant(SimDuration::ZERO));
        server.keep_alive = Some(KeepAlive {
            timeout: Some(seconds(keep_alive)),
            max_requests: None,
        });
        let mut clients = support::clients(Arrivals::Closed {
            users: NonZeroU32::MIN,
            think: Dist::Uniform {
                low: SimDuration::from_millis(4_990),
                high: SimDuration::from_millis(5_010),
            },
        });
        clients.connection.reuse = Reuse::Always;
        let mut blueprint = support::world(&[1], Mode::Ip, server, clients);
        blueprint.run.length = seconds(6_000);
        blueprint.load_balancer.idle_timeout = seconds(60);
        blueprint.links.same_zone_rtt = SimDuration::from_millis(2);
        let requests = requests(&blueprint);
        let stale = requests
            .iter()
            .filter(|it| it.outcome == Outcome::StaleConnection);
        stale.count() as i64
    };
    let found = stale(5);
    assert!((found - 120).abs() < 42, "{found}");
    assert_eq!(stale(75), 0);
}

/// Counts requests and checks that reach each pod.
struct Reached(Vec<(u32, u64)>);

impl Recorder for Reached {
    fn see(&mut self, _: SimTime, _: Observation<'_>) {}

    fn load(&mut self, _: SimTime, pod: PodId, busy: u32, _: u32) {
        let (before, reached) = &mut self.0[pod.index()];
        *reached += u64::from(busy > *before);
        *before = busy;
    }
}

#[test]
fn many_nodes_mean_many_checks_for_few_pods() {
    // Source: kubernetes-sigs/aws-load-balancer-controller#806: load balancer nodes x nodes / (interval x pods) checks a second reach each
    // pod: 2 x 50 / (15 s x 2) = 3.33. In 300 s each of 100 pairs checks 20 times, 2,000 in all; each check draws one of two pods:
    // 1,000 for each, with a standard deviation of sqrt(2,000) / 2 = 22.4.
    let mut nodes = [0; 50];
    nodes[0] = 1;
    nodes[1] = 1;
    let mut blueprint = world(
        &nodes,
        Mode::InstanceCluster,
        SimDuration::ZERO,
        1.0,
        Vec::new(),
    );
    blueprint.run.length = seconds(300);
    blueprint.load_balancer.nodes.push(ZoneId(0));
    for population in blueprint.populations.iter_mut() {
        population.config.stop = Some(SimDuration::ZERO);
    }
    let reached = support::run(&blueprint, SEED, 0, Reached(vec![(0, 0); 2]))
        .recorder
        .0;
    assert_eq!(
        reached.iter().map(|(_, reached)| reached).sum::<u64>(),
        2_000
    );
    assert!(reached[0].1.abs_diff(1_000) < 90, "{reached:?}");
}

/// When each target was called unhealthy, and for how long in all.
#[derive(Default)]
struct Flaps {
    since: std::collections::BTreeMap<u32, SimTime>,
    count: u64,
    unhealthy: SimDuration,
}

impl Recorder for Flaps {
    fn see(&mut self, now: SimTime, seen: Observation<'_>) {
        let Observation::Health(Seen::Target { target, state, .. }) = seen else {
            return;
        };
        if state == TargetState::Unhealthy {
            self.count += 1;
            self.since.insert(target.0, now);
        } else if let Some(since) = self.since.remove(&target.0) {
            self.unhealthy += now - since;
        }
    }
}

#[test]
fn one_bad_pod_of_ten_makes_every_node_flap() {
    // Each check of a NodePort fails with p = 1/10, whatever the node. Two failures in a row take (1 - p^2) / ((1 - p) p^2) = 110 checks
    // on average, two successes in a row after that (1 - q^2) / ((1 - q) q^2) = 2.3457 with q = 9/10 (Feller, runs of successes). So
    // in 100 nodes x 2,000 checks there are 200,000 / 112.35 = 1,780 turns, +- 169 (4 sd of a Poisson count), and a node is unhealthy for
    // 2.3457 / 112.35 = 2.09 % of the time, +- 0.25 % (4 sd: 1,780 spells, of 2.3 +- 0.9 checks each).
    let mut nodes = [0; 100];
    nodes[0] = 10;
    let error = PodCondition::Erroring(Erroring::default());
    let bad = vec![fault(0, What::Pods(vec![PodId(0)], error))];
    let mut blueprint = world(&nodes, Mode::InstanceCluster, SimDuration::ZERO, 1.0, bad);
    blueprint.run.length = seconds(10_000);
    for population in blueprint.populations.iter_mut() {
        population.config.stop = Some(SimDuration::ZERO);
    }
    let check = &mut health(&mut blueprint).target_groups[TargetGroupId(0)].health_check;
    check.interval = seconds(5);
    let flaps = support::run(&blueprint, SEED, 0, Flaps::default()).recorder;
    assert!(flaps.count.abs_diff(1_780) < 169, "{} turns", flaps.count);
    let share = flaps.unhealthy.as_secs_f64() / (100.0 * 10_000.0);
    assert!((share - 0.0209).abs() < 0.0025, "unhealthy for {share}");
}
