//! Agents that stop, hang or lag: what their node goes on believing, and what the others know.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::PodCondition;
use sim_models::fault::{Fault, NodeTrouble, What};
use sim_models::id::{DeploymentId, Id, NodeId, PodId};
use sim_models::request::node_port::{GonePodAddress, Proxy};
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 6;

fn seconds(value: u64) -> SimDuration {
    SimDuration::from_secs(value)
}

fn at(value: u64) -> SimTime {
    SimTime::ZERO + seconds(value)
}

/// Two pods on each of two nodes, 2,000 requests a second for two minutes. The control plane takes no time, an agent its 505 ms. Ten
/// requests go over a connection: each node opens 25 connections to each pod in a second.
fn world(faults: Vec<Fault>) -> Blueprint {
    let server = support::server(100, Dist::Constant(SimDuration::from_millis(1)));
    let clients = support::clients(support::poisson(2_000.0));
    let mut blueprint = support::world(&[2, 2], Mode::InstanceCluster, server, clients);
    blueprint.run.length = seconds(120);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.pool_max_requests = std::num::NonZeroU64::new(10);
    }
    let mut health = Health::new(1, 1);
    support::at_once(&mut health);
    health.faults = faults.into_iter().collect();
    health.spares = vec![DeploymentId(0); 4];
    for workload in health.workloads.iter_mut() {
        workload.pre_stop = seconds(20);
    }
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn fault(from: u64, until: Option<u64>, what: What) -> Fault {
    Fault {
        what,
        from: at(from),
        until: until.map(at),
    }
}

fn agent(from: u64, until: Option<u64>, trouble: NodeTrouble) -> Fault {
    fault(from, until, What::Node(NodeId(0), trouble))
}

/// A pod leaves its Service at 30 s and goes on answering.
fn leaves() -> Fault {
    fault(30, None, What::Unselect(vec![PodId(0)]))
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

/// When the last connection to pod 0 was opened by each node.
fn last_opened(requests: &[Request]) -> [SimTime; 2] {
    [NodeId(0), NodeId(1)].map(|node| {
        let those = requests
            .iter()
            .filter(|it| it.node == Some(node) && it.pod == Some(PodId(0)) && !it.reused);
        let times = those.map(|it| it.connected);
        times.max().expect("there were some")
    })
}

#[test]
fn a_frozen_agent_changes_nothing_for_established_connections_and_never_learns_a_new_pod() {
    // Invariant I6. Agent of node 0 down from 10 s to 80 s, a rolling update at 30 s. Old pods serve for 20 s after their deletion, so node
    // 0 leads connections to pods that nobody else knows.
    let rolls = fault(
        30,
        None,
        What::RollOut(DeploymentId(0), PodCondition::Serving),
    );
    let blueprint = world(vec![agent(10, Some(80), NodeTrouble::AgentDown), rolls]);
    let requests = requests(&blueprint);
    let is_new = |it: &&Request| it.pod.is_some_and(|pod| pod.0 >= 4);
    let opened = |node: u32, from: u64, until: u64| {
        let then = at(from)..at(until);
        let those = requests
            .iter()
            .filter(move |it| it.node == Some(NodeId(node)) && !it.reused)
            .filter(move |it| then.contains(&it.connected));
        those.filter(is_new).count()
    };
    assert_eq!(opened(0, 0, 80), 0, "it never learns a new pod");
    assert!(opened(1, 35, 80) > 100, "the other node does");
    assert!(opened(0, 82, 120) > 20, "back, it knows them all");
    // A connection has one pod for all its requests; places of closed connections are used again, so the time of its opening tells them apart.
    let mut pod_of = std::collections::BTreeMap::new();
    for request in requests.iter().filter(|it| it.connection.is_some()) {
        let connection = request.connection.expect("there is one").index();
        let pod = *pod_of
            .entry((connection, request.connected))
            .or_insert(request.pod);
        assert_eq!(pod, request.pod);
    }
}

#[test]
fn an_agent_that_is_back_lists_everything() {
    // The other node follows after 505 ms; this one 505 ms after it is back.
    let away = agent(20, Some(60), NodeTrouble::AgentDown);
    let [own, other] = last_opened(&requests(&world(vec![away, leaves()])));
    let near = |found: SimTime, end: u64| {
        let end = SimTime::ZERO + SimDuration::from_millis(end);
        found < end && found + SimDuration::from_millis(500) > end
    };
    assert!(near(own, 60_505), "{own:?}");
    assert!(near(other, 30_505), "{other:?}");
}

/// A node that is cut off from the API server, and from nobody else, at 20 s.
fn cut_off(until: u64) -> Blueprint {
    let mut blueprint = world(vec![agent(20, Some(until), NodeTrouble::CutOff), leaves()]);
    let health = blueprint.health.as_mut().expect("a health signal");
    health.reconnect.agents = Dist::Constant(seconds(3));
    // Nobody gives it up meanwhile.
    health.node_lifecycle_controller.monitor_grace_period = seconds(200);
    blueprint
}

#[test]
fn an_agent_that_is_cut_off_keeps_its_map() {
    let ends = |until| {
        let [own, other] = last_opened(&requests(&cut_off(until)));
        [own, other].map(|it| (it - SimTime::ZERO).as_secs_f64())
    };
    // Its connection outlives 15 s of silence. What was lost at 20 s is repeated after 0.2, 0.6, 1.4, 3.0, 6.2, 12.6 and 25.4 s: at 45.4 s it hears of the
    // change of 30 s, and follows 505 ms later.
    let [own, other] = ends(35);
    assert!((45.4..45.905).contains(&own), "{own}");
    assert!((30.0..30.505).contains(&other), "{other}");
    // After 60 s the connection is dead; the agent is back 3 s after the node.
    let [own, _] = ends(80);
    assert!((83.0..83.505).contains(&own), "{own}");
    // At 60 s the next repeat would come after 51 s; the silence is noticed after 45 s, and the new connection finds the way free.
    let [own, _] = ends(60);
    assert!((65.0..65.505).contains(&own), "{own}");
}

#[test]
fn a_hung_agent_is_restarted_by_its_liveness_probe() {
    // Hung from 20 s on, killed at the tenth failure in a row: 9 x 30 s + 5 s after the first, which comes within 30 s. So it is back
    // after 275 to 305 s. Source: Cilium 1.19, Helm chart.
    let mut blueprint = world(vec![agent(20, None, NodeTrouble::AgentHung), leaves()]);
    blueprint.run.length = seconds(400);
    let [own, _] = last_opened(&requests(&blueprint));
    let (first, last) = (at(20 + 275), at(20 + 305) + SimDuration::from_millis(505));
    assert!(
        own + SimDuration::from_millis(500) > first && own < last,
        "{own:?}"
    );
}

#[test]
fn a_slow_agent_follows_later() {
    let slow = agent(20, None, NodeTrouble::AgentSlow(seconds(10)));
    let [own, other] = last_opened(&requests(&world(vec![slow, leaves()])));
    let late = own - other;
    assert!(
        late > SimDuration::from_millis(9_500) && late < SimDuration::from_millis(10_500),
        "{late}"
    );
}

#[test]
fn the_address_of_a_vanished_pod_is_silent_or_unreachable() {
    // The agent of node 0 is down from 10 s on, pod 0 is deleted at 20 s and gone at 40 s, after its preStop and an exit within the grace
    // period: a quarter of node 0's new connections go to nobody. A SYN that nobody answers costs 10 s and a 504, an ICMP unreachable one round
    // trip and a 502.
    let outcomes = |gone_pod_address| {
        let deleted = fault(20, None, What::Delete(vec![PodId(0)], SimDuration::ZERO));
        let mut blueprint = world(vec![agent(10, None, NodeTrouble::AgentDown), deleted]);
        if let Proxy::Cilium {
            gone_pod_address: old,
            ..
        } = &mut blueprint.proxy
        {
            *old = gone_pod_address;
        }
        let requests = requests(&blueprint);
        let late = requests
            .iter()
            .filter(|it| it.at(Hop::LoadBalancer) > at(60) && it.outcome != Outcome::Ok);
        late.map(|it| it.outcome)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let of = |outcome| std::collections::BTreeSet::from([outcome]);
    assert_eq!(
        outcomes(GonePodAddress::Silence),
        of(Outcome::ConnectTimeout)
    );
    assert_eq!(
        outcomes(GonePodAddress::Unreachable),
        of(Outcome::PodRefused)
    );
}
