//! Which targets a load balancer node uses: those of its zone, and those that a cookie names.

use std::collections::BTreeMap;

use sim_core::{Dist, SimDuration};
use sim_models::id::{Id, NodeId, TargetId, ZoneId};
use sim_models::request::balance::Algorithm;
use sim_models::request::{Outcome, Request};
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 5;

/// Two zones with a load balancer node and a node in each; 2 pods in the first zone, 8 in the second.
fn two_zones(mode: Mode, algorithm: Algorithm) -> Blueprint {
    let server = support::server(64, Dist::exponential(SimDuration::from_millis(12)));
    let mut clients = support::clients(support::poisson(400.0));
    clients.addresses = std::num::NonZeroU32::new(50).expect("above 0");
    let mut blueprint = support::world(&[2, 8], mode, server, clients);
    blueprint.zones.push("b".to_owned());
    blueprint.nodes[NodeId(1)].zone = ZoneId(1);
    blueprint.load_balancer.nodes.push(ZoneId(1));
    for group in blueprint.target_groups.iter_mut() {
        group.algorithm = algorithm;
    }
    blueprint
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

/// The share of each pod in the requests.
fn shares(requests: &[Request]) -> Vec<f64> {
    let mut counts = [0_u32; 10];
    for request in requests {
        counts[request.pod.expect("a pod answered").index()] += 1;
    }
    let share = |&count: &u32| f64::from(count) / requests.len() as f64;
    counts.iter().map(share).collect()
}

#[test]
fn without_cross_zone_a_zone_shares_what_enters_it() {
    for algorithm in Algorithm::ALL {
        let mut blueprint = two_zones(Mode::Ip, algorithm);
        for share in shares(&requests(&blueprint)) {
            assert!((share - 0.1).abs() < 0.01, "{algorithm:?}: {share}");
        }
        for group in blueprint.target_groups.iter_mut() {
            group.cross_zone = false;
        }
        let requests = requests(&blueprint);
        assert!(requests.iter().all(|request| !request.cross_zone));
        // Half of 24,000 requests enter each zone, give or take 4 x 0.5 / sqrt(24,000) = 0.013: a quarter of all for each
        // of 2 pods, a sixteenth for each of 8, whose draws add 4 x sqrt(0.0625 / 24,000) = 0.006.
        for (pod, share) in shares(&requests).into_iter().enumerate() {
            let expected = if pod < 2 { 0.25 } else { 0.0625 };
            assert!(
                (share - expected).abs() < 0.02,
                "{algorithm:?}: pod {pod} {share}"
            );
        }
    }
}

#[test]
fn without_cross_zone_an_empty_zone_answers_503() {
    let mut blueprint = two_zones(Mode::Ip, Algorithm::RoundRobin);
    // All pods into the first zone.
    for pod in blueprint.pods.iter_mut() {
        pod.node = NodeId(0);
    }
    for group in blueprint.target_groups.iter_mut() {
        group.cross_zone = false;
    }
    for request in requests(&blueprint) {
        let expected = match request.load_balancer_node.index() {
            0 => Outcome::Ok,
            _ => Outcome::NoTarget,
        };
        assert_eq!(request.outcome, expected);
    }
}

#[test]
fn nodes_as_targets_are_in_the_zone_of_the_node() {
    let mut blueprint = two_zones(Mode::InstanceCluster, Algorithm::RoundRobin);
    for group in blueprint.target_groups.iter_mut() {
        group.cross_zone = false;
    }
    for request in requests(&blueprint) {
        let node = request.node.expect("a node").index();
        assert_eq!(node, request.load_balancer_node.index());
    }
}

/// The targets that each address got.
fn targets_of_addresses(requests: &[Request]) -> BTreeMap<u32, Vec<TargetId>> {
    let mut targets: BTreeMap<u32, Vec<TargetId>> = BTreeMap::new();
    for request in requests {
        let target = request.target.expect("a target");
        let seen = targets.entry(request.address).or_default();
        if !seen.contains(&target) {
            seen.push(target);
        }
    }
    targets
}

#[test]
fn a_cookie_leads_each_client_back_to_its_target() {
    let mut blueprint = two_zones(Mode::Ip, Algorithm::RoundRobin);
    let without = targets_of_addresses(&requests(&blueprint));
    assert!(without.values().all(|targets| targets.len() == 10));
    for group in blueprint.target_groups.iter_mut() {
        group.stickiness = Some(SimDuration::from_secs(86_400));
    }
    // The answers come some 12 ms after the requests, and an address asks every 125 ms: some ask twice before the first
    // answer brings the cookie, hardly one three times.
    let with = targets_of_addresses(&requests(&blueprint));
    assert!(with.values().all(|targets| targets.len() <= 3), "{with:?}");
    let once = with.values().filter(|targets| targets.len() == 1).count();
    assert!(once > 35, "{once} of 50");
}

#[test]
fn a_cookie_that_expires_between_requests_leads_nowhere() {
    let mut blueprint = two_zones(Mode::Ip, Algorithm::RoundRobin);
    for group in blueprint.target_groups.iter_mut() {
        group.stickiness = Some(SimDuration::from_nanos(1));
    }
    let targets = targets_of_addresses(&requests(&blueprint));
    assert!(targets.values().all(|targets| targets.len() == 10));
}

#[test]
fn with_nodes_as_targets_a_cookie_does_not_hold_the_pod() {
    let mut blueprint = two_zones(Mode::InstanceCluster, Algorithm::RoundRobin);
    for group in blueprint.target_groups.iter_mut() {
        group.stickiness = Some(SimDuration::from_secs(86_400));
        group.upstream.pool_max_idle = Some(0);
    }
    let mut pods: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for request in requests(&blueprint) {
        pods.entry(request.address).or_default().push(request.pod);
    }
    for pods in pods.values_mut() {
        pods.sort_unstable();
        pods.dedup();
        assert_eq!(pods.len(), 10);
    }
}
