//! Maglev in a whole world: which pods new connections reach, and whether nodes agree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sim_core::{Dist, SimDuration, Streams};
use sim_models::cluster::address;
use sim_models::id::{Id, NodeId, PodId, ServiceId, ZoneId};
use sim_models::request::node_port::{NoBackendResponse, Proxy};
use sim_models::request::select::{Algorithm, maglev, tuple_hash};
use sim_models::request::{Request, word};
use sim_models::streams::REQUESTS;
use sim_models::world::Blueprint;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 1;
const CONFIG: maglev::Config = maglev::Config::DEFAULT;

/// 400 connections a second for a minute, from two load balancer nodes to ten pods on four nodes.
fn maglev_world(mode: Mode) -> Blueprint {
    let server = support::server(64, Dist::exponential(SimDuration::from_millis(12)));
    let clients = support::clients(support::poisson(400.0));
    let mut blueprint = support::world(&[3, 3, 2, 2], mode, server, clients);
    blueprint.load_balancer.nodes.push(ZoneId(0));
    blueprint.proxy = Proxy::Cilium {
        algorithm: Algorithm::Maglev(CONFIG),
        service_no_backend_response: NoBackendResponse::Reject,
        mode: Default::default(),
        unready_backend: Default::default(),
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: None,
        snat: None,
        agent: Default::default(),
    };
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

/// The port from which the connection of a request was opened, computed anew from its address among the random numbers.
fn source_port(request: &Request) -> u16 {
    let population = request.population.index() as u64;
    let draws = Streams::new(SEED, 0).block(REQUESTS, population, request.serial);
    address::upstream_port(draws.word(word::BACKEND))
}

#[test]
fn under_cluster_maglev_reaches_all_pods_as_a_fair_die_would() {
    let requests = requests(&maglev_world(Mode::InstanceCluster));
    let mut counts = [0_u32; 10];
    for request in &requests {
        counts[request.pod.expect("a pod answered").index()] += 1;
    }
    // Slots are equal to 1 in 1638, so a fair die: chi-square with 9 degrees of freedom lies between its
    // 0.1 % and 99.9 % quantiles, 1.15 and 27.88.
    let expected = requests.len() as f64 / 10.0;
    let term = |&count: &u32| (f64::from(count) - expected).powi(2) / expected;
    let chi_square: f64 = counts.iter().map(term).sum();
    assert!(
        (1.15..27.88).contains(&chi_square),
        "{chi_square} {counts:?}"
    );
}

#[test]
fn nodes_choose_the_same_backend_for_the_same_address_and_port() {
    let requests = requests(&maglev_world(Mode::InstanceCluster));
    let mut seen = BTreeMap::new();
    let mut at_other_nodes = 0;
    for request in &requests {
        let source = (request.load_balancer_node.index(), source_port(request));
        let (node, pod) = *seen.entry(source).or_insert((request.node, request.pod));
        assert_eq!(pod, request.pod, "{source:?}");
        at_other_nodes += u32::from(node != request.node);
    }
    // 24,000 connections over 2 x 64,512 sources: 24,000^2 / (2 x 129,024) = 2,232 meet a used one,
    // three quarters of them at another node.
    assert!(at_other_nodes > 1_000, "{at_other_nodes}");
}

#[test]
fn a_connection_goes_where_its_tuple_points_in_the_table() {
    let blueprint = maglev_world(Mode::InstanceCluster);
    let addresses = blueprint.addresses();
    let backend = |&address: &std::net::Ipv4Addr| maglev::Backend {
        address: IpAddr::V4(address),
        port: address::POD_PORT,
        protocol: tuple_hash::Protocol::Tcp,
        scope: maglev::Scope::External,
        weight: 1,
    };
    let backends: Vec<maglev::Backend> = addresses.pods.iter().map(backend).collect();
    let table = maglev::Table::new(&backends, CONFIG.table_size, CONFIG.seed);
    for request in requests(&blueprint) {
        let tuple = tuple_hash::Tuple {
            source: IpAddr::V4(addresses.load_balancer_nodes[request.load_balancer_node]),
            source_port: source_port(&request),
            destination_port: address::node_port(ServiceId(0)),
            protocol: tuple_hash::Protocol::Tcp,
        };
        let hash = tuple_hash::hash(&tuple, false, CONFIG.port_order, CONFIG.seed);
        assert_eq!(request.pod, table.lookup(hash).map(PodId));
    }
}

#[test]
fn under_local_maglev_stays_on_the_node_and_uses_all_its_pods() {
    let blueprint = maglev_world(Mode::InstanceLocal);
    let requests = requests(&blueprint);
    assert!(requests.iter().all(|request| !request.second_hop));
    // A node gets a quarter of 24,000; each of 3 pods 2,000, of 2 pods 3,000; 5 sigma = 5 sqrt(6,000 / 4) = 194.
    for (pod, home) in blueprint.pods.enumerate() {
        let on = |request: &&Request| request.pod == Some(pod);
        let count = requests.iter().filter(on).count() as f64;
        let expected = requests.len() as f64 / if home.node < NodeId(2) { 12.0 } else { 8.0 };
        assert!(
            (count - expected).abs() < 200.0,
            "{pod}: {count}, expected {expected}"
        );
    }
}
