//! Load balancer nodes that die, are retired, or lie in a zone that traffic is shifted away from: who meets what there, for how long, and
//! who has heard of it.

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::PodCondition;
use sim_models::cluster::service::TrafficPolicy;
use sim_models::fault::{Fault, LoadBalancerTrouble, What};
use sim_models::id::{Id, LoadBalancerNodeId, NodeId, PodId, ZoneId};
use sim_models::quantity::Rate;
use sim_models::request::client::{self, Arrivals, Reuse};
use sim_models::request::dns::Pick;
use sim_models::request::protocol::Protocol;
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const DEAD: LoadBalancerNodeId = LoadBalancerNodeId(0);
const RTT: SimDuration = SimDuration::from_millis(20);

fn secs(seconds: f64) -> SimDuration {
    SimDuration::from_secs_f64(seconds)
}

/// One pod that works for `service` seconds, clients 20 ms away who ask `rate` times a second, evenly, for two minutes, and so many load
/// balancer nodes, of which the first dies.
fn world(nodes: usize, rate: f64, service: f64, (from, until): (f64, Option<f64>)) -> Blueprint {
    let rate = Rate::per_second(rate).expect("above 0");
    let mut clients = support::clients(Arrivals::Constant { rate });
    clients.rtt = Dist::Constant(RTT);
    clients.stop = Some(secs(120.0));
    let server = support::server(1000, Dist::Constant(secs(service)));
    let mut blueprint = support::world(&[1], Mode::InstanceCluster, server, clients);
    blueprint.run.length = secs(2000.0);
    blueprint.load_balancer.nodes = vec![ZoneId(0); nodes].into_iter().collect();
    let mut health = Health::new(1, 1);
    health.faults.push(Fault {
        what: What::LoadBalancer(vec![DEAD], LoadBalancerTrouble::Lost),
        from: support::at(from),
        until: until.map(support::at),
    });
    blueprint.health = Some(Box::new(health));
    blueprint
}

fn clients(blueprint: &mut Blueprint) -> &mut client::Config {
    let mut populations = blueprint.populations.iter_mut();
    &mut populations.next().expect("one population").config
}

/// The requests in the order of their birth.
fn requests(blueprint: &Blueprint) -> Vec<Request> {
    let ended = support::run(blueprint, 7, 0, Requests::default());
    assert_eq!(ended.in_flight, 0, "the run outlasts its requests");
    let mut requests = ended.recorder.0;
    requests.sort_by_key(|it| (it.at(Hop::Client), it.attempt));
    requests
}

/// What became of the request that was born at a second, and how long it took.
fn of(requests: &[Request], second: u64) -> (Outcome, SimDuration) {
    let born = |it: &&Request| it.at(Hop::Client) == SimTime::from_secs(second);
    let request = requests.iter().find(born).expect("one each second");
    (request.outcome, request.elapsed())
}

#[test]
fn clients_dial_a_dead_node_until_dns_and_their_own_answer_know() {
    // The node dies at 10 s, DNS knows at 40 s, and the only client asks DNS when its answer is over: each second, or at 0 and 60 s, or
    // never. It dials 100 times a second and draws one of two nodes: the last dial to the dead one lies within 0.3 s of the limit, but for
    // 2^-30.
    let rows = [(1, true, 39.7..=41.0), (60, true, 59.7..=60.1)];
    let rows = rows.into_iter().chain([(60, false, 119.7..=120.0)]);
    for (ttl, honours_ttl, last) in rows {
        let mut blueprint = world(2, 100.0, 0.001, (10.0, None));
        blueprint.load_balancer.dns_ttl = SimDuration::from_secs(ttl);
        clients(&mut blueprint).connect_timeout = secs(5.0);
        clients(&mut blueprint).dns.honours_ttl = honours_ttl;
        let requests = requests(&blueprint);
        let failed = |it: &&Request| it.outcome != Outcome::Ok;
        let failed: Vec<_> = requests.iter().filter(failed).collect();
        let seconds = |it: &Request| it.at(Hop::Client).as_nanos() as f64 / 1e9;
        // A SYN that left 10 ms before the death comes too late; a request on its way with it is lost as well.
        assert!(seconds(failed[0]) >= 10.0 - 0.04);
        let latest = seconds(failed[failed.len() - 1]);
        assert!(last.contains(&latest), "{latest} with a life of {ttl} s");
        for request in failed.into_iter().filter(|it| seconds(it) >= 10.0) {
            assert_eq!(request.load_balancer_node, DEAD);
            let met = (request.outcome, request.elapsed());
            assert_eq!(met, (Outcome::NoConnection, secs(5.0)));
        }
        let reached = |it: &&Request| {
            it.load_balancer_node == DEAD && seconds(it) >= 10.0 && it.outcome == Outcome::Ok
        };
        assert_eq!(requests.iter().filter(reached).count(), 0);
    }
}

#[test]
fn a_retry_may_find_another_node() {
    // In turn: a client that failed at one of two nodes takes the other.
    let mut blueprint = world(2, 1.0, 0.1, (10.0, None));
    clients(&mut blueprint).dns.pick = Pick::RoundRobin;
    clients(&mut blueprint).connect_timeout = secs(0.3);
    clients(&mut blueprint).retries.at_most = 1;
    let requests = requests(&blueprint);
    let failed = requests.iter().filter(|it| it.outcome != Outcome::Ok);
    let failed: Vec<_> = failed.collect();
    assert!(!failed.is_empty());
    assert!(failed.iter().all(|it| it.retried));
}

#[test]
fn an_open_connection_says_nothing_of_the_end() {
    // The only node dies at 10.5 s. The request of 10 s has been answered. That of 11 s goes into silence on the open connection: Linux
    // gives up after 924.6 s. Those behind it dial, and give up after 127 s.
    let mut blueprint = world(1, 1.0, 0.1, (10.5, None));
    clients(&mut blueprint).connection.reuse = Reuse::Always;
    let found = requests(&blueprint);
    assert_eq!(of(&found, 10), (Outcome::Ok, secs(0.1) + RTT));
    assert_eq!(of(&found, 11), (Outcome::ConnectionLost, secs(924.6)));
    assert_eq!(of(&found, 12), (Outcome::NoConnection, secs(127.0)));
    // With a time-out of its own a client does not wait for its kernel.
    clients(&mut blueprint).timeout = Some(secs(3.0));
    let found = requests(&blueprint);
    assert_eq!(of(&found, 11), (Outcome::ClientTimeout, secs(3.0)));
}

#[test]
fn a_node_that_comes_back_knows_nobody() {
    // Dead from 10.5 to 20 s. The request of 11 s is repeated at 11.2, 11.6, 12.4, 14, 17.2 and 23.6 s; the last one is answered with a
    // reset, a round trip later. That of 12 s dials: SYNs at 12, 13, 15, 19 and 27 s, then handshake, request and work.
    let mut blueprint = world(1, 1.0, 0.1, (10.5, Some(20.0)));
    clients(&mut blueprint).connection.reuse = Reuse::Always;
    let found = requests(&blueprint);
    assert_eq!(of(&found, 11), (Outcome::ConnectionLost, secs(12.62)));
    assert_eq!(of(&found, 12), (Outcome::Ok, secs(15.14)));
    assert_eq!(of(&found, 40).0, Outcome::Ok);
}

#[test]
fn what_a_node_had_in_hand_dies_with_it() {
    // The request of 10 s is in work when its node dies at 10.25 s: the client's keep-alive probes find out 150 s later, or, with the node
    // back at 100 s, by a reset of the probe of 100.25 s. The pod has done the work for nobody.
    let rows = [(None, secs(150.25)), (Some(100.0), secs(90.25) + RTT)];
    for (until, elapsed) in rows {
        let blueprint = world(1, 1.0, 0.5, (10.25, until));
        let found = requests(&blueprint);
        assert_eq!(of(&found, 9).0, Outcome::Ok);
        assert_eq!(of(&found, 10), (Outcome::ConnectionLost, elapsed));
    }
}

#[test]
fn a_shared_connection_drags_all_its_requests_along() {
    // HTTP/2: all requests ride on one connection, and a time-out only resets a stream. Dead from 10.5 to 20 s: the request of 11 s is
    // repeated until 23.6 s, when the node that is back resets it and all that wait behind it. Those of 11 to 21 s run into the client's
    // time-out of 2 s before; that of 24 s dials.
    let mut blueprint = world(1, 1.0, 0.1, (10.5, Some(20.0)));
    let clients = clients(&mut blueprint);
    clients.protocol = Protocol::Http2;
    clients.connection.reuse = Reuse::Always;
    clients.timeout = Some(secs(2.0));
    let found = requests(&blueprint);
    for second in 11..22 {
        let met = of(&found, second);
        assert_eq!(met, (Outcome::ClientTimeout, secs(2.0)), "{second}");
    }
    for (second, elapsed) in [(22, 1.62), (23, 0.62)] {
        let met = of(&found, second);
        assert_eq!(met, (Outcome::ConnectionLost, secs(elapsed)), "{second}");
    }
    assert_eq!(of(&found, 24), (Outcome::Ok, secs(0.1) + RTT * 2));
}

#[test]
fn a_client_may_be_too_impatient_for_any_node() {
    let mut blueprint = world(1, 1.0, 0.1, (1000.0, None));
    clients(&mut blueprint).connect_timeout = SimDuration::from_millis(19);
    let found = requests(&blueprint);
    let impatient = (Outcome::NoConnection, SimDuration::from_millis(19));
    assert_eq!(of(&found, 5), impatient);
}

/// A fault of load balancer nodes, in place of the one that there is.
fn becomes(blueprint: &mut Blueprint, trouble: LoadBalancerTrouble) {
    let health = blueprint.health.as_mut().expect("there is a fault");
    for fault in health.faults.iter_mut() {
        fault.what = What::LoadBalancer(vec![DEAD], trouble);
    }
}

#[test]
fn a_retired_node_closes_what_is_idle_or_waits_for_its_age() {
    // One client, one connection, in turn: the first dial goes to the first node. It is retired at 10.5 s, between two requests. Where it
    // closes idle connections, the next request dials, to the other one. Else the connection reaches its age of 60 s: it was dialled at the
    // first request's birth, and the one of 60 s later is its last.
    for (closes, first_elsewhere) in [(true, 11), (false, 62)] {
        let mut blueprint = world(2, 1.0, 0.1, (10.5, None));
        becomes(&mut blueprint, LoadBalancerTrouble::Retired);
        blueprint.load_balancer.retired_node_closes_idle = closes;
        blueprint.load_balancer.client_keep_alive = secs(60.0);
        blueprint.load_balancer.dns_ttl = secs(1.0);
        clients(&mut blueprint).connection.reuse = Reuse::Always;
        clients(&mut blueprint).dns.pick = Pick::RoundRobin;
        let found = requests(&blueprint);
        assert!(found.iter().all(|it| it.outcome == Outcome::Ok));
        let born = |it: &Request| it.at(Hop::Client).as_nanos() / 1_000_000_000;
        assert_eq!(born(&found[0]), 1, "one a second from 1 s on");
        for request in &found {
            let expected = u32::from(born(request) >= first_elsewhere);
            assert_eq!(request.load_balancer_node.0, expected, "{}", born(request));
        }
    }
}

/// Two zones with a load balancer node and a worker node each; traffic is shifted away from the first zone from 30 to 60 s.
fn two_zones(cross_zone: bool, reuse: Reuse) -> Vec<Request> {
    let mut blueprint = world(2, 100.0, 0.001, (30.0, Some(60.0)));
    becomes(&mut blueprint, LoadBalancerTrouble::Shifted);
    blueprint.zones = ["a", "b"].map(str::to_owned).into_iter().collect();
    blueprint.load_balancer.nodes = [ZoneId(0), ZoneId(1)].into_iter().collect();
    let mut second = blueprint.nodes[NodeId(0)].clone();
    second.zone = ZoneId(1);
    blueprint.nodes.push(second);
    let group = blueprint.target_groups.iter_mut().next();
    group.expect("one group").cross_zone = cross_zone;
    blueprint.load_balancer.dns_ttl = secs(1.0);
    clients(&mut blueprint).connection.reuse = reuse;
    requests(&blueprint)
}

/// How many requests of some seconds were sent by each load balancer node and to each target.
fn counts(requests: &[Request], seconds: std::ops::Range<u64>) -> ([u32; 2], [u32; 2]) {
    let (mut nodes, mut targets) = ([0; 2], [0; 2]);
    for request in requests {
        assert_eq!(request.outcome, Outcome::Ok, "a shift loses nothing");
        if seconds.contains(&(request.at(Hop::Client).as_nanos() / 1_000_000_000)) {
            nodes[request.load_balancer_node.index()] += 1;
            targets[request.target.expect("all have one").0 as usize] += 1;
        }
    }
    (nodes, targets)
}

#[test]
fn a_zonal_shift_empties_a_zone_of_new_connections() {
    // 100 requests a second on connections of their own. A second after the shift the last answer of before is over. All 2,700 of the next 27 s
    // go to the other node, and its target. The last second is left out: a request of its last moments arrives after the end. Outside of the
    // shift both get some.
    for cross_zone in [true, false] {
        let found = two_zones(cross_zone, Reuse::Never);
        assert_eq!(counts(&found, 32..59), ([0, 2700], [0, 2700]));
        for seconds in [0..30, 62..100] {
            let (nodes, targets) = counts(&found, seconds);
            assert!(nodes.iter().chain(&targets).all(|&count| count > 1000));
        }
    }
}

#[test]
fn a_zonal_shift_leaves_connections_alone_and_with_cross_zone_not_their_requests() {
    // Connections that are used again and again stay where they are. With cross-zone load balancing their requests go to the other zone's
    // target all the same, from the instant of the shift on; without it they stay in the zone.
    let before = counts(&two_zones(true, Reuse::Always), 10..30).0;
    let (nodes, targets) = counts(&two_zones(true, Reuse::Always), 31..59);
    assert_eq!(nodes[0] > 0, before[0] > 0, "whoever was there stays");
    assert_eq!(targets, [0, 2800]);
    let found = two_zones(false, Reuse::Always);
    let (nodes, targets) = counts(&found, 31..59);
    assert_eq!(nodes, targets, "each node sends to its own zone");
}

#[test]
fn a_zone_whose_targets_are_unhealthy_fails_open_to_them() {
    // Source: AWS, "Target group health": without cross-zone load balancing thresholds count the targets of the zone. The worker node of zone b
    // refuses from 10 s on, and its target is unhealthy 30 s later at most. The load balancer node of zone b has no healthy target then: it
    // goes on to send to the one that it may use, and clients see its 502, not a 503.
    let mut blueprint = world(2, 100.0, 0.001, (1000.0, None));
    blueprint.zones = ["a", "b"].map(str::to_owned).into_iter().collect();
    blueprint.load_balancer.nodes = [ZoneId(0), ZoneId(1)].into_iter().collect();
    let mut second = blueprint.nodes[NodeId(0)].clone();
    second.zone = ZoneId(1);
    blueprint.nodes.push(second);
    let mut pod = blueprint.pods[PodId(0)].clone();
    pod.node = NodeId(1);
    blueprint.pods.push(pod);
    let service = blueprint.services.iter_mut().next();
    service.expect("one service").external_traffic_policy = TrafficPolicy::Local;
    let group = blueprint.target_groups.iter_mut().next();
    group.expect("one group").cross_zone = false;
    let health = blueprint.health.as_mut().expect("there is a fault");
    health.faults.push(Fault {
        what: What::Pods(vec![PodId(1)], PodCondition::Refusing),
        from: support::at(10.0),
        until: None,
    });
    for request in requests(&blueprint) {
        let born = request.at(Hop::Client);
        let at_the_edge = support::at(9.9) < born && born < support::at(10.1);
        let broken = request.load_balancer_node.0 == 1 && born > support::at(10.0);
        let expected = if broken {
            Outcome::PodRefused
        } else {
            Outcome::Ok
        };
        if !at_the_edge {
            assert_eq!(request.outcome, expected);
        }
    }
}
