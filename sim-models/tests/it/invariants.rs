//! What holds of the data plane in every run, and what the load balancer's documents promise.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::{Dist, SimDuration};
use sim_models::id::{Id, NodeId};
use sim_models::request::server::{Discipline, KeepAlive, Software};
use sim_models::request::{Outcome, Request};
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 17;

fn millis(ms: u64) -> SimDuration {
    SimDuration::from_millis(ms)
}

/// 400 requests a second for a minute.
fn world(pods_per_node: &[u32], mode: Mode) -> Blueprint {
    let server = support::server(64, Dist::exponential(millis(12)));
    let clients = support::clients(support::poisson(400.0));
    support::world(pods_per_node, mode, server, clients)
}

/// The same with a connection for each request.
fn unpooled(pods_per_node: &[u32], mode: Mode) -> Blueprint {
    let mut blueprint = world(pods_per_node, mode);
    for group in blueprint.target_groups.iter_mut() {
        group.upstream.pool_max_idle = Some(0);
    }
    blueprint
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0
}

#[test]
fn under_cluster_every_pod_has_the_same_share_of_connections_wherever_it_lies() {
    for placement in [[3, 3, 2, 2], [10, 0, 0, 0], [7, 1, 1, 1]] {
        let requests = requests(&unpooled(&placement, Mode::InstanceCluster));
        let mut counts = [0_u32; 10];
        for request in &requests {
            counts[request.pod.expect("a pod answered").index()] += 1;
        }
        // Chi-square with 9 degrees of freedom lies between its 0.1 % and 99.9 % quantiles, 1.15 and 27.88.
        let expected = requests.len() as f64 / 10.0;
        let term = |&count: &u32| (f64::from(count) - expected).powi(2) / expected;
        let chi_square: f64 = counts.iter().map(term).sum();
        assert!((1.15..27.88).contains(&chi_square), "{chi_square}");
    }
}

#[test]
fn the_share_of_second_hops_is_k_minus_one_of_k() {
    // 24,000 connections: 4 sigma = 4 sqrt(.25 / 24,000) = 0.013 at most.
    for (placement, expected) in [
        (&[5, 5][..], 0.5),
        (&[2, 2, 2, 2, 2], 0.8),
        (&[9, 1, 0], 0.667),
    ] {
        let requests = requests(&unpooled(placement, Mode::InstanceCluster));
        let hops = requests.iter().filter(|it| it.second_hop).count();
        let share = hops as f64 / requests.len() as f64;
        assert!((share - expected).abs() < 0.013, "{share}");
    }
}

#[test]
fn all_requests_of_a_connection_have_the_same_pod() {
    for mode in [Mode::InstanceCluster, Mode::InstanceLocal, Mode::Ip] {
        let mut pod_of = BTreeMap::new();
        let mut reused = 0;
        for request in requests(&world(&[3, 3, 2, 2], mode)) {
            // Places of closed connections are used again; here none is closed.
            let connection = request.connection.expect("answered").index();
            let pod = *pod_of.entry(connection).or_insert(request.pod);
            assert_eq!(pod, request.pod);
            reused += u32::from(request.reused);
        }
        assert!(reused > 20_000);
    }
}

#[test]
fn under_local_no_connection_passes_a_node_without_pods() {
    let requests = requests(&unpooled(&[5, 0, 5, 0], Mode::InstanceLocal));
    let empty = |it: &&Request| [Some(NodeId(1)), Some(NodeId(3))].contains(&it.node);
    let on_empty: Vec<_> = requests.iter().filter(empty).collect();
    assert!(on_empty.len() > 11_000);
    assert!(
        on_empty
            .iter()
            .all(|it| it.pod.is_none() && it.outcome == Outcome::NodeRefused)
    );
}

#[test]
fn with_affinity_at_most_one_pod_for_each_load_balancer_node_and_target_is_used() {
    // One load balancer node and four targets: at most four of the ten pods.
    let mut blueprint = unpooled(&[3, 3, 2, 2], Mode::InstanceCluster);
    for service in blueprint.services.iter_mut() {
        service.session_affinity = Some(SimDuration::from_secs(10_800));
    }
    let pods: BTreeSet<_> = requests(&blueprint).iter().map(|it| it.pod).collect();
    assert!((1..=4).contains(&pods.len()), "{pods:?}");
}

#[test]
fn a_server_that_keeps_connections_longer_than_the_load_balancer_never_costs_a_502() {
    // The load balancer's 60 s against 5 s (Node.js) and 75 s (nginx); a request every 5 s or so meets the close.
    let stale = |software: Software| {
        let mut server = support::server(64, Dist::constant(millis(5)));
        server.keep_alive = Some(KeepAlive {
            max_requests: None,
            ..software.keep_alive()
        });
        let clients = support::clients(support::poisson(0.5));
        let mut blueprint = support::world(&[1], Mode::Ip, server, clients);
        blueprint.links.same_zone_rtt = millis(20);
        blueprint.load_balancer.idle_timeout = SimDuration::from_secs(60);
        blueprint.run.length = SimDuration::from_secs(100_000);
        let requests = requests(&blueprint);
        let stale = requests
            .iter()
            .filter(|it| it.outcome == Outcome::StaleConnection);
        stale.count()
    };
    assert!(stale(Software::NodeJs) > 0);
    assert_eq!(stale(Software::Nginx), 0);
}

#[test]
fn shared_cores_have_the_mean_of_theory_whatever_the_distribution_of_the_work() {
    // M/G/1-PS: E[S] / (1 - rho) = 12 ms / (1 - 0.6) = 30 ms. First come, first served would have 30 ms for exponential work
    // (M/M/1), 21 ms for constant work and 12 + 12 x 0.6 / 0.4 x (1 + 9) / 2 = 102 ms for a CV of 3.
    for (work, tolerance) in [
        (Dist::constant(millis(12)), 0.05),
        (Dist::exponential(millis(12)), 0.05),
        (Dist::log_normal(millis(12), 3.0), 0.12),
    ] {
        let mut server = support::server(1, work);
        server.discipline = Discipline::ProcessorSharing;
        let mut blueprint = support::world(
            &[1],
            Mode::Ip,
            server,
            support::clients(support::poisson(50.0)),
        );
        blueprint.run.length = SimDuration::from_secs(4000);
        let requests = requests(&blueprint);
        let sum: f64 = requests.iter().map(|it| it.sojourned().as_secs_f64()).sum();
        let mean = sum / requests.len() as f64;
        assert!((mean / 0.030 - 1.0).abs() < tolerance, "{mean}");
    }
}
