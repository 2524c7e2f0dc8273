//! Links that lose packets, and interfaces that are the limit.

use sim_core::{Dist, SimDuration};
use sim_models::id::NodeId;
use sim_models::quantity::Size;
use sim_models::request::client::{Arrivals, InParallel};
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 23;

fn millis(ms: u64) -> SimDuration {
    SimDuration::from_millis(ms)
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

/// Three requests at once for answers of a megabyte, all through the first node.
fn downloads(pods_per_node: &[u32], bandwidths: &[Option<&str>]) -> Vec<SimDuration> {
    let mut server = support::server(10, Dist::constant(millis(1)));
    // With headers a million bytes: 112 packets of 8,961 bytes at most, 40 bytes of headers each.
    server.response_size = Size::from_bytes(1_000_000 - 256 - 112 * 40);
    let curl = Arrivals::CurlLoop {
        requests: 3,
        in_parallel: InParallel::All,
    };
    let clients = support::clients(curl);
    let mut blueprint = support::world(pods_per_node, Mode::InstanceCluster, server, clients);
    for group in blueprint.target_groups.iter_mut() {
        group.nodes = Some(vec![NodeId(0)]);
    }
    let parse = |it: &Option<&str>| it.map(|it| it.parse().expect("a bandwidth"));
    blueprint.bandwidths = bandwidths.iter().map(parse).collect();
    let requests = requests(&blueprint);
    requests.iter().map(Request::elapsed).collect()
}

#[test]
fn answers_leave_a_node_one_after_the_other() {
    // 8 Mbit at 1 Gbit/s: 8 ms each, after 1 ms of work.
    let found = downloads(&[1, 0], &[Some("1Gbit/s"), None]);
    assert_eq!(found, [9, 17, 25].map(millis));
    assert_eq!(downloads(&[1, 0], &[None, None]), [millis(1); 3]);
}

#[test]
fn with_a_second_hop_they_leave_two_nodes() {
    // The pod's node takes 4 ms for each, the node between 8 ms: the first is through after 1 + 4 + 8 ms.
    let found = downloads(&[0, 1], &[Some("1Gbit/s"), Some("2Gbit/s")]);
    assert_eq!(found, [13, 21, 29].map(millis));
}

/// Requests of so many bytes that were answered on used connections, over one link that loses 20 % of packets.
fn served_over_loss(bytes: u64) -> Vec<Request> {
    let server = support::server(1000, Dist::constant(millis(1)));
    let clients = support::clients(support::poisson(200.0));
    let mut blueprint = support::world(&[1], Mode::Ip, server, clients);
    blueprint.links.loss = 0.2;
    for population in blueprint.populations.iter_mut() {
        population.classes[0].bytes = Size::from_bytes(bytes);
    }
    let mut served = requests(&blueprint);
    served.retain(|it| it.outcome == Outcome::Ok && it.reused);
    served
}

/// Asserts that something holds for 0.8^2 of about 10,000 requests: 4 sigma = 4 sqrt(.64 x .36 / 10,000) = 0.02.
fn assert_about_64_percent(served: &[Request], holds: impl Fn(&Request) -> bool) {
    let share = served.iter().filter(|it| holds(it)).count() as f64 / served.len() as f64;
    assert!(
        served.len() > 5_000 && (share - 0.64).abs() < 0.025,
        "{share}"
    );
}

#[test]
fn a_lost_packet_costs_its_time_out() {
    // One link, 20 % loss: a request or a one-packet answer is lost once in five. Both get through at once for 64 %, and
    // waits are sums of 200, 600, 1400 ms, ...
    let served = served_over_loss(512);
    let waits = |it: &Request| {
        let there = it.at(Hop::Server) - it.at(Hop::Sent);
        let back = it.at(Hop::Returned) - it.at(Hop::Served);
        (there, back)
    };
    let at_once = |it: &Request| waits(it) == (SimDuration::ZERO, SimDuration::ZERO);
    assert_about_64_percent(&served, at_once);
    let steps: Vec<u64> = (0..11).map(|n| 200 * ((1 << n) - 1)).collect();
    for request in &served {
        let (there, back) = waits(request);
        for wait in [there, back] {
            assert!(steps.iter().any(|&step| wait == millis(step)), "{wait}");
        }
    }
}

#[test]
fn every_packet_of_a_request_can_be_lost() {
    // 17,822 bytes are two packets of 8,911 bytes, the most that VXLAN leaves; one link, 20 % loss: both get through for 0.8^2 = 64 %.
    let served = served_over_loss(17_822);
    assert_about_64_percent(&served, |it| it.at(Hop::Server) == it.at(Hop::Sent));
}

#[test]
fn a_handshake_that_is_lost_comes_again_after_a_second() {
    // SYN and answer get through together for 0.5^2; waits are 0, 1, 3 and 7 s, and (3/4)^4 = 32 % get none.
    let server = support::server(1000, Dist::constant(millis(1)));
    let curl = Arrivals::CurlLoop {
        requests: 2000,
        in_parallel: InParallel::All,
    };
    let mut blueprint = support::world(&[1], Mode::Ip, server, support::clients(curl));
    blueprint.links.loss = 0.5;
    let requests = requests(&blueprint);
    let failed = requests
        .iter()
        .filter(|it| it.outcome == Outcome::ConnectTimeout)
        .count();
    // 4 sigma = 4 sqrt(.316 x .684 x 2000) = 83.
    assert!((failed as f64 - 632.8).abs() < 84.0, "{failed}");
    for request in &requests {
        let dialled = request.at(Hop::Sent) - request.at(Hop::LoadBalancer);
        let waits = [0, 1, 3, 7].map(SimDuration::from_secs);
        assert!(request.outcome != Outcome::Ok || waits.contains(&dialled));
    }
}
