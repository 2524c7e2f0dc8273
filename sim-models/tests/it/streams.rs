//! HTTP/2 and gRPC: many requests on one connection, and what that does where nodes choose the pod.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroU64};

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::id::{Id, LoadBalancerNodeId, TargetId, ZoneId};
use sim_models::observe::{Observation, Recorder};
use sim_models::request::client::{Arrivals, InParallel, Reuse};
use sim_models::request::protocol::Protocol;
use sim_models::request::server::KeepAlive;
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 1;

fn millis(ms: u64) -> SimDuration {
    SimDuration::from_millis(ms)
}

fn seconds(s: u64) -> SimDuration {
    SimDuration::from_secs(s)
}

/// Ten pods on four nodes, 400 requests a second of 12 ms, with gRPC from client to pod.
fn grpc(mode: Mode) -> Blueprint {
    let server = support::server(64, Dist::exponential(millis(12)));
    let clients = support::clients(support::poisson(400.0));
    speaking(
        Protocol::Grpc,
        support::world(&[3, 3, 2, 2], mode, server, clients),
    )
}

fn speaking(protocol: Protocol, mut blueprint: Blueprint) -> Blueprint {
    for group in blueprint.target_groups.iter_mut() {
        group.protocol_version = protocol;
    }
    for population in blueprint.populations.iter_mut() {
        population.config.protocol = protocol;
        population.config.connection.reuse = Reuse::Always;
    }
    blueprint
}

/// So many requests at one instant, each a second of work for pods on these nodes.
fn at_once(requests: u64, pods_per_node: &[u32], mode: Mode) -> Blueprint {
    let arrivals = Arrivals::CurlLoop {
        requests,
        in_parallel: InParallel::All,
    };
    let server = support::server(1000, Dist::constant(seconds(1)));
    let clients = support::clients(arrivals);
    speaking(
        Protocol::Http2,
        support::world(pods_per_node, mode, server, clients),
    )
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

fn pods(requests: &[Request]) -> BTreeSet<usize> {
    let pods = requests.iter().filter_map(|request| request.pod);
    pods.map(Id::index).collect()
}

/// Counts connections, per pair of load balancer node and target.
#[derive(Default)]
struct Dials(BTreeMap<(LoadBalancerNodeId, TargetId), u32>, u32);

impl Recorder for Dials {
    fn see(&mut self, _: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Opened {
                load_balancer_node,
                target,
                ..
            } => *self.0.entry((load_balancer_node, target)).or_default() += 1,
            Observation::Closed { .. } => self.1 += 1,
            _ => {}
        }
    }
}

fn dials(blueprint: &Blueprint) -> Dials {
    support::run(blueprint, SEED, 0, Dials::default()).recorder
}

#[test]
fn behind_nodes_each_connection_is_one_pod_for_all_requests() {
    // One load balancer node, four nodes, one connection for each pair: at most 4 of the 10 pods are ever used.
    let blueprint = grpc(Mode::InstanceCluster);
    let requests = requests(&blueprint);
    assert!(requests.iter().all(|it| it.outcome == Outcome::Ok));
    assert!(pods(&requests).len() <= 4, "{:?}", pods(&requests));
    let mut pod_of = BTreeMap::new();
    for request in &requests {
        let connection = request.connection.expect("every request had one").index();
        assert_eq!(
            *pod_of.entry(connection).or_insert(request.pod),
            request.pod
        );
    }
    assert_eq!(pod_of.len(), 4);
    assert!(dials(&blueprint).0.values().all(|&count| count == 1));
}

#[test]
fn with_pods_as_targets_requests_are_dealt_evenly() {
    let requests = requests(&grpc(Mode::Ip));
    let mut counts = [0_usize; 10];
    for request in &requests {
        counts[request.pod.expect("a pod answered").index()] += 1;
    }
    // Round robin over ten pods by one load balancer node: counts differ by one at most.
    let (least, most) = (counts.iter().min(), counts.iter().max());
    assert!(
        most.zip(least)
            .is_some_and(|(most, least)| most - least <= 1)
    );
}

#[test]
fn a_limit_of_requests_turns_connections_over() {
    // nginx sends GOAWAY after so many requests: 24,000 / 100 = 240 connections reach all ten pods.
    let mut blueprint = grpc(Mode::InstanceCluster);
    for deployment in blueprint.deployments.iter_mut() {
        deployment.server.keep_alive = Some(KeepAlive {
            timeout: None,
            max_requests: NonZeroU64::new(100),
        });
    }
    let requests = requests(&blueprint);
    assert!(requests.iter().all(|it| it.outcome == Outcome::Ok));
    assert_eq!(pods(&requests).len(), 10);
    let opened: u32 = dials(&blueprint).0.values().sum();
    let expected = requests.len() as f64 / 100.0;
    // The last connection of each of the four nodes is not full.
    assert!((f64::from(opened) - expected).abs() <= 4.0, "{opened}");
}

#[test]
fn streams_beyond_the_limit_open_another_connection() {
    // 300 at once on one target: 128 + 128 + 44.
    let opened = dials(&at_once(300, &[1], Mode::Ip));
    assert_eq!(opened.0.values().sum::<u32>(), 3);
}

#[test]
fn several_connections_share_the_requests() {
    // Ten requests at once over four connections to the only node: at most four of its five pods, each two or three.
    let mut blueprint = at_once(10, &[5], Mode::InstanceCluster);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.http2.connections = NonZeroU32::new(4).expect("4 > 0");
    }
    let mut on = BTreeMap::<_, u32>::new();
    for request in requests(&blueprint) {
        let connection = request.connection.expect("every request had one");
        *on.entry(connection).or_default() += 1;
    }
    let mut counts: Vec<u32> = on.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [2, 2, 3, 3]);
}

#[test]
fn who_comes_during_the_handshake_waits_for_it() {
    // 2 ms of round trip: SYN and its answer, then the request; all at 3 ms.
    let mut blueprint = at_once(5, &[1], Mode::InstanceCluster);
    blueprint.links.same_zone_rtt = millis(2);
    for request in requests(&blueprint) {
        let way = request.at(Hop::Server) - request.at(Hop::LoadBalancer);
        assert_eq!(way, millis(3));
    }
}

#[test]
fn when_a_connection_fails_all_that_waited_for_it_fail() {
    // The only target is a node without a pod under Local: one refusal after a round trip of 2 ms meets all 50.
    let mut blueprint = at_once(50, &[0, 1], Mode::InstanceLocal);
    blueprint.links.same_zone_rtt = millis(2);
    for group in blueprint.target_groups.iter_mut() {
        group.nodes = Some(vec![sim_models::id::NodeId(0)]);
    }
    let requests = requests(&blueprint);
    assert_eq!(requests.len(), 50);
    for request in requests {
        assert_eq!(request.outcome, Outcome::NodeRefused);
        assert_eq!(request.elapsed(), millis(2));
    }
}

#[test]
fn a_client_that_gave_up_leaves_the_connection_to_the_others() {
    // Clients wait 0.5 s for an answer that takes 1 s; the pod does all the work, on one connection.
    let mut blueprint = at_once(20, &[1], Mode::InstanceCluster);
    for population in blueprint.populations.iter_mut() {
        population.config.timeout = Some(millis(500));
    }
    let found = requests(&blueprint);
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|it| it.outcome == Outcome::ClientTimeout));
    let counted = dials(&blueprint);
    // Once, and the load balancer of this world never closes what is idle.
    assert_eq!((counted.0.values().sum::<u32>(), counted.1), (1, 0));
}

#[test]
fn clients_that_give_up_during_the_handshake_take_nothing_along() {
    // The handshake takes 2 s; those that wait 1 s are gone, those that wait for ever are served.
    let mut blueprint = at_once(10, &[1], Mode::InstanceCluster);
    blueprint.links.same_zone_rtt = seconds(2);
    let mut patient = blueprint.populations.iter().next().cloned().expect("one");
    for population in blueprint.populations.iter_mut() {
        population.config.timeout = Some(millis(900));
    }
    patient.name = "patient".into();
    blueprint.populations.push(patient);
    let requests = requests(&blueprint);
    let gave_up = requests
        .iter()
        .filter(|it| it.outcome == Outcome::ClientTimeout);
    assert_eq!(gave_up.count(), 10);
    let served = requests.iter().filter(|it| it.outcome == Outcome::Ok);
    assert_eq!(served.count(), 10);
}

#[test]
fn idle_connections_are_closed_after_the_idle_timeout() {
    let mut blueprint = at_once(5, &[1], Mode::Ip);
    blueprint.load_balancer.idle_timeout = seconds(10);
    let counted = dials(&blueprint);
    assert_eq!((counted.0.values().sum::<u32>(), counted.1), (1, 1));
}

#[test]
fn one_address_with_several_connections_uses_several_load_balancer_nodes() {
    // 300 requests at once from one address: three connections of 128, 128 and 44, each to a node that DNS names. With
    // connections of 300 streams there is one, so one node.
    let nodes_used = |max_streams: u32| {
        let mut blueprint = at_once(300, &[1], Mode::Ip);
        blueprint.load_balancer.nodes = [ZoneId(0); 50].into_iter().collect();
        blueprint.load_balancer.http2.max_streams = NonZeroU32::new(max_streams).expect("above 0");
        for population in blueprint.populations.iter_mut() {
            population.config.arrivals = Arrivals::Bursts {
                every: seconds(3600),
                requests: NonZeroU32::new(300).expect("above 0"),
                within: SimDuration::ZERO,
            };
        }
        let requests = requests(&blueprint);
        assert_eq!(requests.len(), 300);
        let nodes: BTreeSet<_> = requests.iter().map(|it| it.load_balancer_node).collect();
        nodes.len()
    };
    assert_eq!(nodes_used(300), 1);
    // Three draws out of 50 addresses.
    assert_eq!(nodes_used(128), 3);
}

#[test]
fn a_group_that_does_not_take_the_protocol_answers_464() {
    let mut blueprint = grpc(Mode::Ip);
    for group in blueprint.target_groups.iter_mut() {
        group.protocol_version = Protocol::Http1;
    }
    let requests = requests(&blueprint);
    assert!(
        requests
            .iter()
            .all(|it| it.outcome.status() == 464 && it.pod.is_none())
    );
}
