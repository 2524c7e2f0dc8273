//! The whole ingress model on the same traffic: a load balancer node with its upstream pools, NodePorts with the
//! service map behind them, pods with workers and a queue, and every default metric.
//!
//! The cluster is that of the other paths: one load balancer node deals requests to twenty `instance` targets in turn,
//! 0.25 ms away; under `externalTrafficPolicy: Cluster` the node picks one of a hundred pods, 0.05 ms away on the same
//! node and 0.30 ms elsewhere. Two things differ, because they are what the model is about. The node picks the pod once
//! for a *connection*, which carries one request at a time and is used again: so pods get unequal shares, and as few
//! requests wait in a pod as there are connections to it. And a new connection costs a handshake. [`Reuse::Never`] takes
//! a connection for each request: pods are then drawn as on the other paths, and the handshake adds a round trip to
//! each latency.

use super::{CLIENTS, GAP_NANOS, NODES, PODS, TO_LOCAL_POD, TO_NODE, WORKERS};
use crate::report::Outcome;
use scenarios::measure::observer::Meter;
use scenarios::measure::{Layout, Readings, Scope};
use sim_core::{Dist, SimDuration, SimTime, Streams};
use sim_models::cluster::service::TrafficPolicy;
use sim_models::cluster::topology::{Links, Network, Node, Pod, Tunnel};
use sim_models::id::{DeploymentId, NodeId, ServiceId, TargetGroupId, ZoneId};
use sim_models::quantity::{Rate, Size};
use sim_models::request::load_balancer::{
    CONNECT_TIMEOUT, IcmpUnreachable, NODE_FAILURE_TO_DNS, TargetType,
};
use sim_models::request::server::{Software, WhenFull};
use sim_models::request::{balance, client, dns, node_port, pool, retry, server};
use sim_models::world::{self, blueprint};
use std::num::{NonZeroU32, NonZeroU64};

/// Whether a connection to a target carries more than one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// As by default: idle connections wait in a pool.
    Pooled,
    /// Each request opens its own.
    Never,
}

/// Simulated time after the last request, in which the pods drain.
const DRAIN: SimDuration = SimDuration::from_secs(10);

/// Simulates `secs` seconds of traffic and drains.
pub(super) fn run(reuse: Reuse, secs: f64, seed: u64) -> Outcome {
    let blueprint = blueprint(reuse, SimDuration::from_secs_f64(secs));
    let layout = Layout::of(&blueprint);
    let meter = Meter::new(&layout, SimTime::ZERO);
    let ended = world::run(&blueprint, Streams::new(seed, 0), meter)
        .expect("the blueprint is sound and its event budget ample");
    assert_eq!(ended.in_flight, 0, "the drain is long enough");
    outcome(ended.events, &ended.recorder.finish(), &layout)
}

fn outcome(events: u64, readings: &Readings, layout: &Layout) -> Outcome {
    let latency = readings.latency.of(Scope::Overall);
    let by_pod = readings.pods.requests(layout, ServiceId(0));
    let units = latency.count();
    assert_eq!(
        by_pod.iter().sum::<u64>(),
        units,
        "every request was served by one pod"
    );
    let extreme = |count: Option<&u64>| count.map_or(f64::NAN, |&count| count as f64);
    let mut more = super::latencies(latency);
    more.extend([
        ("pod_min", extreme(by_pod.iter().min())),
        ("pod_max", extreme(by_pod.iter().max())),
        (
            "connections",
            readings.connections.of(Scope::Overall).opened as f64,
        ),
    ]);
    Outcome {
        events,
        units,
        more,
    }
}

fn blueprint(reuse: Reuse, active: SimDuration) -> blueprint::Blueprint {
    blueprint::Blueprint {
        run: blueprint::Run {
            warm_up: SimDuration::ZERO,
            length: active + DRAIN,
            event_budget: blueprint::DEFAULT_EVENT_BUDGET,
        },
        zones: ["a".to_owned()].into_iter().collect(),
        nodes: (0..NODES).map(node).collect(),
        pods: (0..PODS).map(pod).collect(),
        deployments: [deployment()].into_iter().collect(),
        services: [service()].into_iter().collect(),
        network: Network::Overlay {
            tunnel: Tunnel::Vxlan,
        },
        links: links(),
        bandwidths: Vec::new(),
        tracking: None,
        proxy: node_port::Proxy::default(),
        load_balancer: load_balancer(),
        target_groups: [target_group(reuse)].into_iter().collect(),
        populations: [population(active)].into_iter().collect(),
        health: None,
    }
}

fn node(number: u32) -> Node {
    Node {
        name: format!("node-{number}"),
        zone: ZoneId(0),
    }
}

fn pod(number: u32) -> Pod {
    Pod {
        name: format!("web-{number}"),
        deployment: DeploymentId(0),
        node: NodeId(number % NODES),
    }
}

fn deployment() -> blueprint::Deployment {
    blueprint::Deployment {
        name: "web".to_owned(),
        replicas: PODS,
        server: server::Config {
            software: Software::Custom,
            workers: NonZeroU32::new(WORKERS as u32).expect("a pod has workers"),
            discipline: Default::default(),
            slow_start: None,
            queue: 100_000,
            when_full: WhenFull::Refuse,
            service_time: Dist::log_normal(SimDuration::from_millis(15), 1.0),
            keep_alive: None,
            check_time: SimDuration::ZERO,
            on_sigterm: Default::default(),
            startup_time: Dist::Constant(SimDuration::ZERO),
            response_size: Size::from_bytes(1024),
        },
    }
}

fn service() -> blueprint::Service {
    blueprint::Service {
        name: "web".to_owned(),
        selects: DeploymentId(0),
        external_traffic_policy: TrafficPolicy::Cluster,
        session_affinity: None,
        lb_algorithm: None,
    }
}

/// The distances of the other paths, without jitter: a hop there takes a constant time.
fn links() -> Links {
    Links {
        same_node_rtt: TO_LOCAL_POD * 2,
        same_zone_rtt: TO_NODE * 2,
        cross_zone_rtt: TO_NODE * 2,
        jitter: 0.0,
        encapsulation: SimDuration::ZERO,
        lookup: SimDuration::ZERO,
        loss: 0.0,
        min_rto: SimDuration::from_millis(200),
        mtu: 9001,
    }
}

fn load_balancer() -> blueprint::LoadBalancer {
    blueprint::LoadBalancer {
        nodes: [ZoneId(0)].into_iter().collect(),
        idle_timeout: SimDuration::from_secs(60),
        client_keep_alive: SimDuration::from_secs(3600),
        dns_ttl: dns::TTL,
        node_failure_to_dns: NODE_FAILURE_TO_DNS,
        retired_node_closes_idle: true,
        connect_timeout: CONNECT_TIMEOUT,
        tls_handshake_timeout: CONNECT_TIMEOUT,
        retry: Default::default(),
        response_timeout: SimDuration::from_secs(60),
        proxy_latency: Dist::Constant(SimDuration::ZERO),
        icmp_unreachable: IcmpUnreachable::Refuse,
        syn_retransmits: Vec::new(),
        http2: Default::default(),
    }
}

fn target_group(reuse: Reuse) -> blueprint::TargetGroup {
    let pool_max_requests = match reuse {
        Reuse::Pooled => None,
        Reuse::Never => Some(NonZeroU64::MIN),
    };
    blueprint::TargetGroup {
        name: "web".to_owned(),
        service: ServiceId(0),
        target_type: TargetType::Instance,
        protocol: Default::default(),
        protocol_version: Default::default(),
        nodes: None,
        algorithm: balance::Algorithm::RoundRobin,
        round_robin: Default::default(),
        least_outstanding: Default::default(),
        cross_zone: true,
        stickiness: None,
        upstream: pool::Config {
            pool_max_requests,
            ..pool::Config::default()
        },
    }
}

fn population(active: SimDuration) -> blueprint::Population {
    blueprint::Population {
        name: "users".to_owned(),
        config: client::Config {
            arrivals: client::Arrivals::Poisson {
                rate: Rate::per_second(1e9 / GAP_NANOS).expect("a rate above zero"),
            },
            requests: Vec::new(),
            protocol: Default::default(),
            addresses: NonZeroU32::new(CLIENTS).expect("there are clients"),
            connection: client::ConnectionConfig::default(),
            rtt: Dist::Constant(SimDuration::ZERO),
            dns: dns::Config::default(),
            start: SimDuration::ZERO,
            stop: Some(active),
            stop_after: None,
            connect_timeout: client::silence::CONNECT_TIMEOUT,
            timeout: None,
            retries: retry::Config::default(),
        },
        classes: vec![blueprint::RequestClass {
            path: "/".to_owned(),
            weight: 1.0,
            demand: None,
            bytes: client::request_bytes(),
            rule: 0,
            target_group: Some(TargetGroupId(0)),
        }],
    }
}
