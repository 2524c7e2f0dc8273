//! Nodes without pods that leave, as targets: what it costs when they say so, and when they do not. And processes that are killed.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, NodeTrouble, What};
use sim_models::id::{NodeId, PodId, TargetGroupId};
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 3;

fn seconds(value: u64) -> SimDuration {
    SimDuration::from_secs(value)
}

fn fault(from: u64, what: What) -> Fault {
    Fault {
        what,
        from: SimTime::ZERO + seconds(from),
        until: None,
    }
}

/// Ten nodes with a pod each and five without, 150 requests a second, as reported in keikoproj/lifecycle-manager#3.
fn world(faults: Vec<Fault>) -> Blueprint {
    let server = support::server(100, Dist::Constant(SimDuration::from_millis(10)));
    let clients = support::clients(support::poisson(150.0));
    let mut pods = [1; 15];
    pods[10..].fill(0);
    let mut blueprint = support::world(&pods, Mode::InstanceCluster, server, clients);
    blueprint.run.length = seconds(180);
    blueprint.load_balancer.response_timeout = seconds(60);
    blueprint.load_balancer.idle_timeout = seconds(60);
    let mut health = Health::new(1, 1);
    health.faults = faults.into_iter().collect();
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn lost(faults: Vec<Fault>) -> usize {
    let requests = support::run(&world(faults), SEED, 0, Requests::default());
    let failed = requests
        .recorder
        .0
        .iter()
        .filter(|it| it.outcome != Outcome::Ok);
    failed.count()
}

fn empty_nodes(trouble: NodeTrouble, from: u64) -> impl Iterator<Item = Fault> {
    (10..15).map(move |node| fault(from, What::Node(NodeId(node), trouble)))
}

#[test]
fn empty_nodes_that_vanish_cost_what_is_sent_to_them_until_two_checks_have_failed() {
    // Five of fifteen targets get 50 of 150 requests a second. Two silent checks take 20 to 35 s, 27.5 s on average: 1,375 requests, +- 97
    // for the mean of five uniform times (4.33 s / sqrt 5 x 50/s) and +- 37 for the count; 4 sd are 415.
    let lost = lost(empty_nodes(NodeTrouble::Crash, 30).collect());
    assert!(lost.abs_diff(1_375) < 415, "{lost}");
}

#[test]
fn empty_nodes_that_are_deregistered_first_cost_nothing() {
    // The autoscaler's taint at 30 s; the controller deregisters them, which is known everywhere after some 10 s at most. At 60 s they go.
    let taints = empty_nodes(NodeTrouble::ToBeDeleted, 30);
    let crashes = empty_nodes(NodeTrouble::Crash, 60);
    assert_eq!(lost(taints.chain(crashes).collect()), 0);
}

/// One pod, one request of 40 s that begins between 0 and 30 s, and what happens at 30 s.
fn one_request(what: What) -> Request {
    let server = support::server(4, Dist::Constant(seconds(40)));
    let clients = support::clients(support::poisson(1.0));
    let mut blueprint = support::world(&[1], Mode::Ip, server, clients);
    blueprint.run.length = seconds(120);
    for population in blueprint.populations.iter_mut() {
        population.config.stop_after = Some(1);
    }
    let mut health = Health::new(1, 1);
    health.faults.push(fault(30, what));
    health.target_groups[TargetGroupId(0)].health_check.interval = seconds(300);
    blueprint.health = Some(Box::new(health));
    let mut requests = support::run(&blueprint, SEED, 0, Requests::default())
        .recorder
        .0;
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[test]
fn a_killed_process_resets_what_it_had_in_work_at_once() {
    // Linux closes the sockets of a process that dies, by SIGKILL, for want of memory, or by itself; one with unread data sends a RST. The load
    // balancer answers 502 at 30 s, not when the work would have been done.
    let request = one_request(What::Exit(vec![PodId(0)]));
    assert_eq!(request.outcome, Outcome::PodReset);
    assert_eq!(request.at(Hop::Answered), SimTime::ZERO + seconds(30));
}

#[test]
fn a_client_gives_up_on_a_request_whose_pod_is_cut_off_and_killed() {
    // The node is cut off at 29 s, so nobody hears of the reset at 30 s. The client waits 35 s.
    let server = support::server(4, Dist::Constant(seconds(40)));
    let clients = support::clients(support::poisson(1.0));
    let mut blueprint = support::world(&[1], Mode::Ip, server, clients);
    blueprint.run.length = seconds(120);
    blueprint.load_balancer.response_timeout = seconds(60);
    for population in blueprint.populations.iter_mut() {
        population.config.stop_after = Some(1);
        population.config.timeout = Some(seconds(35));
    }
    let mut health = Health::new(1, 1);
    let cut = What::Node(NodeId(0), NodeTrouble::Partition);
    health.faults.push(fault(29, cut));
    health.faults.push(fault(30, What::Exit(vec![PodId(0)])));
    blueprint.health = Some(Box::new(health));
    let requests = support::run(&blueprint, SEED, 0, Requests::default())
        .recorder
        .0;
    assert_eq!(requests[0].outcome, Outcome::ClientTimeout);
    assert_eq!(
        requests[0].at(Hop::Answered),
        requests[0].at(Hop::Client) + seconds(35)
    );
}

#[test]
fn a_process_that_closes_its_connections_resets_what_it_had_in_work_at_once() {
    use sim_models::cluster::condition::PodCondition;
    let request = one_request(What::Pods(vec![PodId(0)], PodCondition::Refusing));
    assert_eq!(request.outcome, Outcome::PodReset);
    assert_eq!(request.at(Hop::Answered), SimTime::ZERO + seconds(30));
}
