//! What a node forgets, has no room for, or has no port left for; and answers that take the short way back.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime};
use sim_models::cluster::condition::PodCondition;
use sim_models::fault::{Fault, What};
use sim_models::health::probe;
use sim_models::id::{Id, NodeId, PodId};
use sim_models::quantity::Rate;
use sim_models::request::client::{Arrivals, InParallel};
use sim_models::request::conntrack::{self, GcInterval};
use sim_models::request::node_port::{
    Machine, Mode as KubeProxyMode, Proxy, ReturnPath, SeenAtPod, UnreadyBackend,
};
use sim_models::request::{Hop, Outcome, Request, snat};
use sim_models::world::Blueprint;
use sim_models::world::blueprint::Health;

use crate::support::{self, Mode, Requests};

const SEED: u64 = 11;

fn millis(ms: u64) -> SimDuration {
    SimDuration::from_millis(ms)
}

fn seconds(s: u64) -> SimDuration {
    SimDuration::from_secs(s)
}

/// Requests at these times, each of some work, to pods on these nodes, all of them through the first node.
fn world(pods_per_node: &[u32], arrivals: Arrivals, work: SimDuration, proxy: Proxy) -> Blueprint {
    let server = support::server(100_000, Dist::constant(work));
    let mut blueprint = support::world(
        pods_per_node,
        Mode::InstanceCluster,
        server,
        support::clients(arrivals),
    );
    for group in blueprint.target_groups.iter_mut() {
        group.nodes = Some(vec![NodeId(0)]);
    }
    let machines = pods_per_node.iter().map(|_| Machine::default());
    blueprint.tracking = proxy.tracking(machines).map(Box::new);
    blueprint.proxy = proxy;
    blueprint.run.length = seconds(600);
    blueprint
}

fn at(times: &[u64]) -> Arrivals {
    let times = times.iter().copied().map(seconds).collect();
    Arrivals::Trace { times }
}

fn cilium(change: impl FnOnce(&mut conntrack::Cilium, &mut snat::Cilium)) -> Proxy {
    let (mut table, mut ports) = Default::default();
    change(&mut table, &mut ports);
    Proxy::Cilium {
        algorithm: Default::default(),
        service_no_backend_response: Default::default(),
        mode: ReturnPath::Snat,
        unready_backend: UnreadyBackend::Keep,
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: Some(table),
        snat: Some(ports),
        agent: Default::default(),
    }
}

fn kube_proxy(conntrack: conntrack::KubeProxy) -> Proxy {
    Proxy::KubeProxy {
        mode: KubeProxyMode::Iptables,
        min_sync_period: None,
        burst_syncs: NonZeroU32::MIN,
        sync_time: sim_models::request::node_port::default_sync_time(),
        icmp_rate: Rate::per_second(1.0).expect("above 0"),
        icmp_burst: NonZeroU32::MIN,
        conntrack: Some(conntrack),
        snat: None,
    }
}

fn requests(blueprint: &Blueprint) -> Vec<Request> {
    let mut requests = support::run(blueprint, SEED, 0, Requests::default())
        .recorder
        .0;
    requests.sort_by_key(|it| it.serial);
    requests
}

fn outcomes(requests: &[Request]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        *counts.entry(request.outcome.name()).or_default() += 1;
    }
    counts
}

#[test]
fn tables_that_never_fill_change_nothing() {
    let with = |tracked: bool| {
        let server = support::server(64, Dist::exponential(millis(12)));
        let clients = support::clients(support::poisson(200.0));
        let mut blueprint = support::world(&[3, 3, 2, 2], Mode::InstanceCluster, server, clients);
        if tracked {
            let machines = (0..4).map(|_| Machine::default());
            blueprint.tracking = cilium(|_, _| {}).tracking(machines).map(Box::new);
        }
        let ended = support::run(&blueprint, SEED, 0, Requests::default());
        (ended.fingerprint, ended.recorder.0.len())
    };
    // A minute with a handful of connections: no port is used twice, and no entry is as old as 8000 s.
    assert_eq!(with(false), with(true));
}

#[test]
fn an_idle_connection_outlives_its_entry_and_is_reset() {
    // One pod of 20 is behind the connection; the entry lives 30 s, a collection comes every 10 s, the next request after 60 s.
    // The new choice is another pod but once in twenty.
    let requests = |established: u64| {
        let proxy = cilium(|table, _| {
            table.tcp_established = seconds(established);
            table.gc_interval = GcInterval::Every(seconds(10));
        });
        requests(&world(&[10, 10], at(&[1, 61]), millis(10), proxy))
    };
    let forgotten = requests(30);
    assert_eq!(forgotten[1].outcome, Outcome::Forgotten);
    assert_eq!(
        (forgotten[1].outcome.status(), forgotten[1].reused),
        (502, true)
    );
    assert_eq!(requests(61)[1].outcome, Outcome::Ok);
}

#[test]
fn an_entry_serves_until_a_collection_finds_it() {
    // The same with collections every 90 s: the entry is over at 31 s and found at 90 s, after the request.
    let proxy = cilium(|table, _| {
        table.tcp_established = seconds(30);
        table.gc_interval = GcInterval::Every(seconds(90));
    });
    let requests = requests(&world(&[10, 10], at(&[1, 61]), millis(10), proxy));
    assert_eq!(requests[1].outcome, Outcome::Ok);
}

#[test]
fn a_full_map_of_cilium_forgets_open_connections() {
    // Room for 10 connections of two entries; 40 requests of a second at once open 40, and 30 are forgotten. A minute later
    // the load balancer uses the ten that were used last: which are those that the node remembers.
    let once = |requests: u32, every: u64| Arrivals::Bursts {
        every: seconds(every),
        requests: NonZeroU32::new(requests).expect("above 0"),
        within: SimDuration::ZERO,
    };
    let proxy = cilium(|table, _| table.max_tcp = NonZeroU32::new(20));
    let blueprint = world(&[10, 10], once(40, 60), seconds(1), proxy);
    let found = requests(&blueprint);
    assert!(found[..40].iter().all(|it| it.outcome == Outcome::Ok));
    let second = &found[40..80];
    assert!(second.iter().all(|it| it.reused));
    let forgotten = second
        .iter()
        .filter(|it| it.outcome == Outcome::Forgotten)
        .count();
    // Thirty are chosen anew, one in twenty of them to the same pod: 28.5 give or take 4 x 1.2.
    assert!((24..=30).contains(&forgotten), "{forgotten}");
}

#[test]
fn a_full_table_of_the_kernel_drops_new_connections() {
    // Room for 10 connections; of 40 at once thirty are dropped again and again, until the load balancer gives up.
    let config = conntrack::KubeProxy {
        max_per_core: 0,
        min: 10,
        ..conntrack::KubeProxy::default()
    };
    let curl = Arrivals::CurlLoop {
        requests: 40,
        in_parallel: InParallel::All,
    };
    let blueprint = world(&[1, 1], curl, seconds(30), kube_proxy(config));
    let found = requests(&blueprint);
    let counts = outcomes(&found);
    assert_eq!(
        counts,
        BTreeMap::from([("connect timeout", 30), ("ok", 10)])
    );
    let dropped = found
        .iter()
        .find(|it| it.outcome == Outcome::ConnectTimeout);
    assert_eq!(dropped.map(Request::elapsed), Some(seconds(10)));
}

#[test]
fn no_more_connections_to_a_pod_than_there_are_ports() {
    // Invariant: live translations of (node, pod) are at most as many as ports. 100 ports, 150 requests of 30 s at once to
    // one pod on another node: at most 100 get through, and nearly all ports are found with 32 tries.
    let proxy = cilium(|_, ports| ports.port_max = ports.port_min + 99);
    let curl = Arrivals::CurlLoop {
        requests: 150,
        in_parallel: InParallel::All,
    };
    let counts = outcomes(&requests(&world(
        &[0, 1],
        curl.clone(),
        seconds(30),
        proxy.clone(),
    )));
    assert_eq!(counts.values().sum::<usize>(), 150);
    assert!((90..=100).contains(&counts["ok"]), "{counts:?}");
    assert!(counts["connect timeout"] >= 50);
    // A pod on the node itself needs no port.
    let counts = outcomes(&requests(&world(
        &[1, 0],
        curl.clone(),
        seconds(30),
        proxy.clone(),
    )));
    assert_eq!(counts, BTreeMap::from([("ok", 150)]));
    // Two pods on the other node have a set of ports each.
    let counts = outcomes(&requests(&world(&[0, 2], curl, seconds(30), proxy)));
    assert!(counts["ok"] >= 145, "{counts:?}");
}

#[test]
fn closed_connections_hold_their_ports_until_they_are_collected() {
    // 10 connections a second for 8 s, each for one request, 40 ports: they hold 40 after 4 s, then nothing gets through. A
    // collection every second frees what was closed 10 s ago.
    let outcomes_with = |interval: u64, ports: u16| {
        let proxy = cilium(|table, snat| {
            table.gc_interval = GcInterval::Every(seconds(interval));
            snat.port_max = snat.port_min + ports - 1;
        });
        let rate = Rate::per_second(10.0).expect("above 0");
        let mut blueprint = world(&[0, 1], Arrivals::Constant { rate }, millis(5), proxy);
        for group in blueprint.target_groups.iter_mut() {
            group.upstream.pool_max_idle = Some(0);
        }
        for population in blueprint.populations.iter_mut() {
            population.config.stop = Some(seconds(60));
        }
        outcomes(&requests(&blueprint))
    };
    // 10/s x (10 s + 1 s) = 110 at once.
    assert_eq!(outcomes_with(1, 400).get("connect timeout"), None);
    assert!(outcomes_with(1, 40)["connect timeout"] > 200);
    // Collected every 120 s, 600 connections in a minute need more than 400 ports; the signal that ports run short mends it.
    assert_eq!(outcomes_with(120, 400).get("connect timeout"), None);
}

#[test]
fn direct_return_shows_the_load_balancer_to_the_pod_and_saves_a_hop_on_the_way_back() {
    // To the node 1 ms, on to the other node 1 ms: the answer takes 2 ms back over the node, and 1 ms straight.
    let found = |mode| {
        let mut proxy = cilium(|_, _| {});
        if let Proxy::Cilium { mode: old, .. } = &mut proxy {
            *old = mode;
        }
        let mut blueprint = world(&[0, 1], at(&[1, 2]), millis(10), proxy);
        blueprint.links.same_zone_rtt = millis(2);
        requests(&blueprint)
    };
    let way = |request: &Request| {
        (
            request.at(Hop::Server) - request.at(Hop::Sent),
            request.at(Hop::Returned) - request.at(Hop::Served),
            request.at(Hop::Sent) - request.at(Hop::LoadBalancer),
        )
    };
    let snat = found(ReturnPath::Snat);
    assert_eq!(way(&snat[0]), (millis(2), millis(2), millis(4)));
    assert_eq!(snat[0].seen_at_pod, SeenAtPod::Node);
    for mode in [ReturnPath::Dsr, ReturnPath::Hybrid] {
        let direct = found(mode);
        assert_eq!(way(&direct[0]), (millis(2), millis(1), millis(3)));
        assert_eq!(direct[0].seen_at_pod, SeenAtPod::LoadBalancerNode);
        assert!(direct[0].second_hop);
    }
}

#[test]
fn direct_return_needs_no_ports() {
    let mut proxy = cilium(|_, ports| ports.port_max = ports.port_min + 9);
    if let Proxy::Cilium { mode, .. } = &mut proxy {
        *mode = ReturnPath::Dsr;
    }
    let curl = Arrivals::CurlLoop {
        requests: 50,
        in_parallel: InParallel::All,
    };
    let counts = outcomes(&requests(&world(&[0, 1], curl, seconds(5), proxy)));
    assert_eq!(counts, BTreeMap::from([("ok", 50)]));
}

#[test]
fn connections_to_an_unready_pod_are_kept_or_reset() {
    // One connection to one of 20 pods, which answers errors from 15 s on. Its probe fails within 10 s, once is enough, so at
    // 40 s every node knows. Who keeps the pod leads the request to it, which answers 500; who has removed it resets it.
    let found = |unready_backend| {
        let mut proxy = cilium(|_, _| {});
        if let Proxy::Cilium {
            unready_backend: old,
            conntrack,
            snat,
            ..
        } = &mut proxy
        {
            *old = unready_backend;
            (*conntrack, *snat) = (None, None);
        }
        let mut blueprint = world(&[10, 10], at(&[1, 10, 40]), millis(10), proxy);
        let pod = requests(&blueprint)[0].pod.expect("a pod answered");
        let mut health = Health::new(1, 1);
        let condition = PodCondition::Erroring(Default::default());
        health.faults.push(Fault {
            what: What::Pods(vec![pod], condition),
            from: SimTime::ZERO + seconds(15),
            until: None,
        });
        for workload in health.workloads.iter_mut() {
            workload.readiness_probe = Some(probe::Config {
                failure_threshold: NonZeroU32::MIN,
                ..probe::Config::default()
            });
        }
        blueprint.health = Some(Box::new(health));
        let found = requests(&blueprint);
        assert_eq!((found[1].pod, found[1].outcome), (Some(pod), Outcome::Ok));
        (found[2].pod == Some(pod), found[2].outcome)
    };
    assert_eq!(found(UnreadyBackend::Keep), (true, Outcome::PodError(500)));
    assert_eq!(found(UnreadyBackend::Remove), (true, Outcome::Forgotten));
}

#[test]
fn a_frozen_set_of_pods_is_what_open_connections_know() {
    // All requests of one connection carry the same pod, whatever else happens on the node.
    let proxy = cilium(|_, _| {});
    let rate = Rate::per_second(50.0).expect("above 0");
    let mut blueprint = world(&[5, 5], Arrivals::Poisson { rate }, millis(40), proxy);
    blueprint.run.length = seconds(60);
    let mut pod_of: BTreeMap<usize, (SimTime, BTreeSet<PodId>)> = BTreeMap::new();
    for request in requests(&blueprint) {
        assert_eq!(request.outcome, Outcome::Ok);
        let connection = request.connection.expect("answered").index();
        let pods = &mut pod_of.entry(connection).or_default().1;
        pods.extend(request.pod);
    }
    assert!(pod_of.values().all(|(_, pods)| pods.len() == 1));
}
