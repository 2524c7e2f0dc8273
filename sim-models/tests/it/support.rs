//! Small worlds for tests.

use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration, SimTime, Streams};
use sim_models::cluster::service::TrafficPolicy;
use sim_models::cluster::topology::{Links, Network, Node, Pod};
use sim_models::control::deployment::Pace;
use sim_models::id::{Arena, DeploymentId, NodeId, ServiceId, TargetGroupId, ZoneId};
use sim_models::observe::{Conservation, Observation, Recorder};
use sim_models::quantity::{Rate, Size};
use sim_models::request::balance::{Algorithm, least_outstanding, round_robin};
use sim_models::request::client::{self, Arrivals, ConnectionConfig, Reuse};
use sim_models::request::load_balancer::{
    CONNECT_TIMEOUT, IcmpUnreachable, NODE_FAILURE_TO_DNS, Retry, Scheme, TargetType,
};
use sim_models::request::node_port::Proxy;
use sim_models::request::protocol::{Http2, Protocol};
use sim_models::request::server::{self, Discipline, KeepAlive, Software, WhenFull};
use sim_models::request::{Request, dns, pool, retry};
use sim_models::world::blueprint::{
    Blueprint, DEFAULT_EVENT_BUDGET, Deployment, Health, LoadBalancer, Population, RequestClass,
    Run, Service, TargetGroup,
};
use sim_models::world::{self, Ended};

/// Where targets are, as the recordings name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) enum Mode {
    #[serde(rename = "ip")]
    Ip,
    #[serde(rename = "instance+Cluster")]
    InstanceCluster,
    #[serde(rename = "instance+Local")]
    InstanceLocal,
}

/// A server with unlimited room and no keep-alive limit.
pub(crate) fn server(workers: u32, service_time: Dist) -> server::Config {
    server::Config {
        software: Software::Custom,
        workers: NonZeroU32::new(workers).expect("a server has workers"),
        discipline: Discipline::Fifo,
        slow_start: None,
        queue: u32::MAX,
        when_full: WhenFull::Refuse,
        service_time,
        keep_alive: Some(KeepAlive::default()),
        check_time: SimDuration::from_millis(1),
        on_sigterm: Default::default(),
        startup_time: Dist::Constant(SimDuration::ZERO),
        response_size: Size::from_bytes(1024),
    }
}

/// Clients without distance that dial for each request.
pub(crate) fn clients(arrivals: Arrivals) -> client::Config {
    client::Config {
        arrivals,
        requests: Vec::new(),
        protocol: Protocol::Http1,
        addresses: NonZeroU32::MIN,
        connection: ConnectionConfig {
            reuse: Reuse::Never,
            ..ConnectionConfig::default()
        },
        rtt: Dist::Constant(SimDuration::ZERO),
        dns: dns::Config::default(),
        start: SimDuration::ZERO,
        stop: None,
        stop_after: None,
        connect_timeout: client::silence::CONNECT_TIMEOUT,
        timeout: None,
        retries: retry::Config::default(),
    }
}

pub(crate) fn poisson(per_second: f64) -> Arrivals {
    Arrivals::Poisson {
        rate: Rate::per_second(per_second).expect("a rate above 0"),
    }
}

/// One service of pods placed by hand, without any network delay, in front of which a load balancer stands.
pub(crate) fn world(
    pods_per_node: &[u32],
    mode: Mode,
    server: server::Config,
    clients: client::Config,
) -> Blueprint {
    let mut blueprint = Blueprint {
        run: Run {
            warm_up: SimDuration::ZERO,
            length: SimDuration::from_secs(60),
            event_budget: DEFAULT_EVENT_BUDGET,
        },
        zones: ["a".to_owned()].into_iter().collect(),
        nodes: (0..pods_per_node.len())
            .map(|n| Node {
                name: format!("node-{n}"),
                zone: ZoneId(0),
            })
            .collect(),
        pods: Arena::new(),
        deployments: Arena::new(),
        services: Arena::new(),
        network: Network::CiliumChained,
        links: no_distance(),
        bandwidths: Vec::new(),
        proxy: Proxy::default(),
        tracking: None,
        load_balancer: LoadBalancer {
            nodes: [ZoneId(0)].into_iter().collect(),
            idle_timeout: SimDuration::MAX,
            client_keep_alive: SimDuration::MAX,
            dns_ttl: dns::TTL,
            node_failure_to_dns: NODE_FAILURE_TO_DNS,
            retired_node_closes_idle: true,
            connect_timeout: CONNECT_TIMEOUT,
            tls_handshake_timeout: CONNECT_TIMEOUT,
            retry: Retry::default(),
            response_timeout: SimDuration::MAX,
            proxy_latency: Dist::Constant(SimDuration::ZERO),
            icmp_unreachable: IcmpUnreachable::Refuse,
            syn_retransmits: [1, 3, 7].map(SimDuration::from_secs).to_vec(),
            http2: Http2::default(),
        },
        target_groups: Arena::new(),
        populations: Arena::new(),
        health: None,
    };
    let group = add_service(&mut blueprint, "web", pods_per_node, mode, server);
    let class = RequestClass {
        path: "/".into(),
        weight: 1.0,
        demand: None,
        bytes: client::request_bytes(),
        rule: 0,
        target_group: Some(group),
    };
    blueprint.populations.push(Population {
        name: "users".into(),
        config: clients,
        classes: vec![class],
    });
    blueprint
}

/// Adds a deployment, a service and a target group of that name.
pub(crate) fn add_service(
    blueprint: &mut Blueprint,
    name: &str,
    pods_per_node: &[u32],
    mode: Mode,
    server: server::Config,
) -> TargetGroupId {
    let deployment: DeploymentId = blueprint.deployments.push(Deployment {
        name: name.into(),
        replicas: pods_per_node.iter().sum(),
        server,
    });
    for (node, &count) in pods_per_node.iter().enumerate() {
        for _ in 0..count {
            let name = format!("{name}-{}", blueprint.pods.len());
            blueprint.pods.push(Pod {
                name,
                deployment,
                node: NodeId(node as u32),
            });
        }
    }
    let service: ServiceId = blueprint.services.push(Service {
        name: name.into(),
        selects: deployment,
        external_traffic_policy: match mode {
            Mode::InstanceLocal => TrafficPolicy::Local,
            Mode::Ip | Mode::InstanceCluster => TrafficPolicy::Cluster,
        },
        session_affinity: None,
        lb_algorithm: None,
    });
    blueprint.target_groups.push(TargetGroup {
        name: name.into(),
        service,
        target_type: if mode == Mode::Ip {
            TargetType::Ip
        } else {
            TargetType::Instance
        },
        protocol: Scheme::Http,
        protocol_version: Protocol::Http1,
        nodes: None,
        algorithm: Algorithm::RoundRobin,
        round_robin: round_robin::Config::default(),
        least_outstanding: least_outstanding::Config::default(),
        cross_zone: true,
        stickiness: None,
        upstream: pool::Config::default(),
    })
}

/// Links without any delay.
pub(crate) fn no_distance() -> Links {
    Links {
        same_node_rtt: SimDuration::ZERO,
        same_zone_rtt: SimDuration::ZERO,
        cross_zone_rtt: SimDuration::ZERO,
        jitter: 0.0,
        encapsulation: SimDuration::ZERO,
        lookup: SimDuration::ZERO,
        loss: 0.0,
        min_rto: SimDuration::from_millis(200),
        mtu: 9001,
    }
}

/// Nothing in the control plane takes time.
pub(crate) fn at_once(health: &mut Health) {
    let none = || Dist::Constant(SimDuration::ZERO);
    health.watch_delay = none();
    health.scheduler.latency = none();
    for workload in health.workloads.iter_mut() {
        workload.pace = Pace {
            workload_sync: SimDuration::ZERO,
            create_pod: SimDuration::ZERO,
            delete_pod: SimDuration::ZERO,
        };
    }
    health.kubelet.loop_hop = none();
    health.kubelet.status_write = none();
    health.endpoint_slice_controller.sync = none();
    let controller = &mut health.aws_controller;
    controller.watch_delay = none();
    controller.reconcile = SimDuration::ZERO;
    controller.security_group_reconcile = SimDuration::ZERO;
    controller.api.register = SimDuration::ZERO;
    controller.api.deregister = SimDuration::ZERO;
    controller.api.describe = SimDuration::ZERO;
    controller.api.modify = SimDuration::ZERO;
    for group in health.target_groups.iter_mut() {
        group.register_propagation = none();
        group.deregister_propagation = none();
        group.rule_propagation = none();
    }
}

/// Runs a world and checks, beside the recorder, that nothing is lost on the way.
pub(crate) fn run<R: Recorder>(
    blueprint: &Blueprint,
    seed: u64,
    replication: u64,
    recorder: R,
) -> Ended<R> {
    let streams = Streams::new(seed, replication);
    let ended = world::run(blueprint, streams, (recorder, Conservation::new(blueprint)));
    let ended = ended.expect("the run stays within its budget");
    let (recorder, conservation) = ended.recorder;
    conservation.check(ended.in_flight);
    Ended {
        recorder,
        events: ended.events,
        fingerprint: ended.fingerprint,
        in_flight: ended.in_flight,
        ended_at: ended.ended_at,
    }
}

/// Keeps every finished request.
#[derive(Default)]
pub(crate) struct Requests(pub(crate) Vec<Request>);

impl Recorder for Requests {
    fn see(&mut self, _: SimTime, seen: Observation<'_>) {
        if let Observation::Finished(request) = seen {
            self.0.push(request.clone());
        }
    }
}

/// Longer than any test's traffic.
pub(crate) const FOREVER: SimDuration = SimDuration::from_secs(1_000_000);

/// The instant before which a test counts nothing.
pub(crate) fn at(seconds: f64) -> SimTime {
    SimTime::ZERO + SimDuration::from_secs_f64(seconds)
}
