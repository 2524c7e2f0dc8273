//! kube-proxy and session affinity in a whole world: which pods connections reach, and what a refusal is worth.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::fault::{Fault, What};
use sim_models::id::{NodeId, PodId, ServiceId};
use sim_models::quantity::Rate;
use sim_models::request::node_port::{Mode as KubeProxyMode, Proxy, SeenAtPod, default_sync_time};
use sim_models::request::select::ipvs::Scheduler;
use sim_models::request::{Hop, Outcome, Request};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 3;

fn kube_proxy(mode: KubeProxyMode) -> Proxy {
    Proxy::KubeProxy {
        mode,
        min_sync_period: None,
        burst_syncs: NonZeroU32::MIN,
        sync_time: default_sync_time(),
        icmp_rate: Rate::per_second(1.0).expect("above 0"),
        icmp_burst: NonZeroU32::new(6).expect("above 0"),
        conntrack: None,
        snat: None,
    }
}

fn ipvs(scheduler: Scheduler) -> Proxy {
    kube_proxy(KubeProxyMode::Ipvs { scheduler })
}

/// 200 connections a second for a minute from one load balancer node, each for one request.
fn world(pods_per_node: &[u32], mode: Mode, proxy: Proxy) -> Blueprint {
    let server = support::server(64, Dist::exponential(SimDuration::from_millis(12)));
    let clients = support::clients(support::poisson(200.0));
    let mut blueprint = support::world(pods_per_node, mode, server, clients);
    blueprint.proxy = proxy;
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

/// Connections by node and pod.
fn counts(requests: &[Request]) -> BTreeMap<(NodeId, PodId), u64> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let (node, pod) = (request.node.expect("a node"), request.pod.expect("a pod"));
        *counts.entry((node, pod)).or_default() += 1;
    }
    counts
}

#[test]
fn ipvs_rr_is_even_on_each_node() {
    let counts = counts(&requests(&world(
        &[3, 3, 2, 2],
        Mode::InstanceCluster,
        ipvs(Scheduler::Rr),
    )));
    for node in 0..4 {
        let here = (0..10).map(|pod| counts[&(NodeId(node), PodId(pod))]);
        // Requests that had not finished at the end may be missing in any place: up to a handful.
        let (least, most) = (here.clone().min().unwrap_or(0), here.max().unwrap_or(0));
        assert!(most - least <= 3, "{least} to {most}");
    }
}

#[test]
fn ipvs_lc_is_nearly_even_too() {
    let counts = counts(&requests(&world(
        &[3, 3, 2, 2],
        Mode::InstanceCluster,
        ipvs(Scheduler::Lc),
    )));
    // 3,000 connections over each node: 300 for each pod, and the memory of 2 min outlasts the run, so a pod that is
    // behind by more than the few open connections comes next.
    assert!(
        counts.values().all(|&count| (285..=315).contains(&count)),
        "{counts:?}"
    );
}

#[test]
fn ipvs_sh_has_one_pod_for_each_pair_of_source_and_node() {
    let counts = counts(&requests(&world(
        &[3, 3, 2, 2],
        Mode::InstanceCluster,
        ipvs(Scheduler::Sh),
    )));
    assert_eq!(counts.len(), 4, "one source, four nodes");
}

#[test]
fn session_affinity_leaves_one_pod_for_each_pair_of_source_and_node() {
    for proxy in [Proxy::default(), kube_proxy(KubeProxyMode::Nftables)] {
        let mut blueprint = world(&[3, 3, 2, 2], Mode::InstanceCluster, proxy);
        blueprint.services[ServiceId(0)].session_affinity = Some(SimDuration::from_secs(10_800));
        assert_eq!(counts(&requests(&blueprint)).len(), 4);
    }
}

#[test]
fn a_short_affinity_is_forgotten_between_connections() {
    let mut blueprint = world(&[3, 3, 2, 2], Mode::InstanceCluster, Proxy::default());
    // Connections at one node are 20 ms apart on average; 1 ns is over before the next one comes.
    blueprint.services[ServiceId(0)].session_affinity = Some(SimDuration::from_nanos(1));
    assert_eq!(counts(&requests(&blueprint)).len(), 40);
}

#[test]
fn under_local_kube_proxy_drops_where_cilium_refuses() {
    let outcomes = |proxy| {
        let requests = requests(&world(&[2, 0], Mode::InstanceLocal, proxy));
        let failed = requests
            .iter()
            .filter(|request| request.outcome != Outcome::Ok);
        failed
            .map(|request| (request.outcome, request.elapsed()))
            .collect::<BTreeSet<_>>()
    };
    let at_once = [(Outcome::NodeRefused, SimDuration::ZERO)];
    assert_eq!(outcomes(Proxy::default()), BTreeSet::from(at_once));
    let late = [(Outcome::ConnectTimeout, SimDuration::from_secs(10))];
    for mode in [KubeProxyMode::Iptables, KubeProxyMode::Nftables] {
        assert_eq!(outcomes(kube_proxy(mode)), BTreeSet::from(late));
    }
}

#[test]
fn what_a_node_without_endpoints_answers_follows_its_service_map() {
    // Two pods on two nodes, under Local; the first is taken out of the Service at 10 s, and the second at 30 s. By 20 s each node
    // knows of the first change, by 40 s of the second: the first node is silent as long as the other has an endpoint, and
    // refuses as soon as nobody has, as a Service without any endpoint does.
    let mut blueprint = world(
        &[1, 1],
        Mode::InstanceLocal,
        kube_proxy(KubeProxyMode::Nftables),
    );
    let mut health = Health::new(1, 1);
    for (pod, from) in [(PodId(0), 10), (PodId(1), 30)] {
        health.faults.push(Fault {
            what: What::Unselect(vec![pod]),
            from: SimTime::from_secs(from),
            until: None,
        });
    }
    blueprint.health = Some(Box::new(health));
    // Slow enough for the kernel to let every refusal out.
    for population in blueprint.populations.iter_mut() {
        population.config.arrivals = support::poisson(1.0);
    }
    for group in blueprint.target_groups.iter_mut() {
        group.nodes = Some(vec![NodeId(0)]);
    }
    let requests = requests(&blueprint);
    let outcomes = |from, until| {
        let dialled = requests.iter().filter(|it| {
            let sent = it.at(Hop::Sent);
            SimTime::from_secs(from) <= sent && sent < SimTime::from_secs(until)
        });
        dialled.map(|it| it.outcome).collect::<BTreeSet<_>>()
    };
    assert_eq!(outcomes(0, 10), BTreeSet::from([Outcome::Ok]));
    // SYNs are repeated until 10 s after the first: those of the last ten seconds may meet what comes after.
    assert_eq!(outcomes(20, 22), BTreeSet::from([Outcome::ConnectTimeout]));
    assert_eq!(outcomes(40, 60), BTreeSet::from([Outcome::NodeRefused]));
}

#[test]
fn the_kernel_lets_few_refusals_out() {
    // One node, no pod at all: everything is to be refused. 6 at once, then 1 per second; SYNs come for 60 s and their
    // repeats for 7 s more, but the run ends later. So 6 + 67 refusals, give or take one at either end.
    let mut blueprint = world(
        &[0],
        Mode::InstanceCluster,
        kube_proxy(KubeProxyMode::Iptables),
    );
    for population in blueprint.populations.iter_mut() {
        population.config.stop = Some(SimDuration::from_secs(60));
    }
    blueprint.run.length = SimDuration::from_secs(75);
    let requests = requests(&blueprint);
    let refused = requests
        .iter()
        .filter(|request| request.outcome == Outcome::NodeRefused);
    let refused: Vec<&Request> = refused.collect();
    assert!((72..=74).contains(&refused.len()), "{}", refused.len());
    // Refused at a SYN: at once, or 1, 3 or 7 s later.
    let syns = [0, 1, 3, 7].map(SimDuration::from_secs);
    assert!(
        refused
            .iter()
            .all(|request| syns.contains(&request.elapsed()))
    );
    let silent = requests
        .iter()
        .filter(|request| request.outcome == Outcome::ConnectTimeout);
    assert_eq!(silent.clone().count() + refused.len(), requests.len());
    assert!(
        silent
            .clone()
            .all(|request| request.elapsed() == SimDuration::from_secs(10))
    );
}

#[test]
fn the_pod_sees_the_node_where_source_nat_was_done() {
    for (proxy, mode, local_pods_see) in [
        (
            Proxy::default(),
            Mode::InstanceCluster,
            SeenAtPod::LoadBalancerNode,
        ),
        (ipvs(Scheduler::Rr), Mode::InstanceCluster, SeenAtPod::Node),
        (
            ipvs(Scheduler::Rr),
            Mode::InstanceLocal,
            SeenAtPod::LoadBalancerNode,
        ),
        (Proxy::default(), Mode::Ip, SeenAtPod::LoadBalancerNode),
    ] {
        for request in requests(&world(&[2, 2], mode, proxy)) {
            assert!(request.at(Hop::Server) >= request.at(Hop::Sent));
            let expected = if request.second_hop {
                SeenAtPod::Node
            } else {
                local_pods_see
            };
            assert_eq!(request.seen_at_pod, expected);
        }
    }
}
