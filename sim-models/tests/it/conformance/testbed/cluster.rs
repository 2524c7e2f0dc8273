//! The recorded cluster as a world: four nodes, ten pods, one proxy, no distance.
//!
//! Counts and shares are compared, not latencies, so nothing takes time but the pods.

use std::num::NonZeroU32;

use sim_core::{Dist, SimDuration};
use sim_models::id::NodeId;
use sim_models::quantity::Rate;
use sim_models::request::balance::{self, round_robin};
use sim_models::request::client::{self, Reuse};
use sim_models::request::node_port::{self, NoBackendResponse, Proxy};
use sim_models::request::pool::{self, PoolPick, PoolScope};
use sim_models::request::select::{self, ipvs::Scheduler};
use sim_models::request::server;
use sim_models::world::Blueprint;

use super::record::{
    Algorithm, ClientConnection, Config, Kind, LoadBalancer, NatKind, Pod, Policy, TargetType,
};
use crate::support::{self, Mode};

/// By which rule a configuration is judged.
pub(super) enum Class {
    /// Each request has a connection of its own.
    NoReuse,
    /// nginx keeps connections to its targets.
    Pooled,
    /// No rule: the mechanism was not isolated, or an input is not in the file.
    Nothing(&'static str),
}

/// The class of a configuration that is [`understood`].
pub(super) fn class(config: &Config) -> Class {
    let lb = &config.lb;
    let random = matches!(lb.algorithm, Algorithm::Random | Algorithm::Random2);
    let repeats = lb.retries > 0 || lb.next_upstream != "off";
    match lb.kind {
        _ if lb.passive.is_some() || repeats => Class::Nothing(
            "passive checks and repeats are the recorded proxy's own; simulated without",
        ),
        _ if config.nat.kind == NatKind::NftJhashSrc => Class::Nothing(
            "which pods the hash of the source address gives is not in the file; simulated as another such hash",
        ),
        Kind::Haproxy if lb.upstream_keepalive > 0 => {
            Class::Nothing("the reuse of HAProxy was not isolated")
        }
        Kind::Haproxy if random => {
            Class::Nothing("the weights of HAProxy's ring are not in the file; simulated as even")
        }
        Kind::Nginx if lb.upstream_keepalive > 0 => Class::Pooled,
        Kind::Nginx | Kind::Haproxy | Kind::None => Class::NoReuse,
    }
}

/// Whether every field of a configuration means something to the world; the error says which does not.
pub(super) fn understood(config: &Config) -> Result<(), String> {
    let (cluster, lb) = (&config.cluster, &config.lb);
    let must = |holds: bool, otherwise: &str| {
        if holds {
            Ok(())
        } else {
            Err(otherwise.to_owned())
        }
    };
    must(
        cluster.placement.len() == cluster.nodes
            && cluster.placement.iter().sum::<u32>() == cluster.pods,
        "the placement is not one of these pods on these nodes",
    )?;
    registered(config)?;
    if lb.kind == Kind::None {
        let direct = lb.target_type == TargetType::Instance && lb.ingress_node.is_some();
        must(direct, "without a load balancer, clients dial one node")?;
        must(
            config.load.client_conn == ClientConnection::Oneshot,
            "clients that keep connections to a node are not modelled",
        )?;
    }
    Ok(())
}

/// The nodes that are targets.
fn registered(config: &Config) -> Result<Vec<NodeId>, String> {
    let nodes = config.cluster.nodes;
    if let Some(name) = &config.lb.ingress_node {
        let number = name
            .strip_prefix('n')
            .and_then(|number| number.parse::<usize>().ok());
        return match number {
            Some(number) if (1..=nodes).contains(&number) => Ok(vec![NodeId(number as u32 - 1)]),
            _ => Err(format!("{name} is not a node")),
        };
    }
    let remain = (1..=nodes).filter(|number| !config.lb.excluded_nodes.contains(number));
    Ok(remain.map(|number| NodeId(number as u32 - 1)).collect())
}

/// The world of a configuration that is [`understood`], with all work in the pods stretched by a factor.
///
/// Where clients dial a node directly, a load balancer node stands between that takes no time and keeps no connection: each
/// request opens one connection to the one node, as the clients' own would be, so the counts are exactly the same.
///
/// Each way of choosing an endpoint is one uniform draw per connection. For `statistic --mode random` with 1/n, 1/(n-1), ...
/// and for `numgen random` that is what they do; for the hash of the 5-tuple it is its model: the ephemeral port differs from
/// connection to connection, so the hash spreads them as a draw does.
pub(super) fn blueprint(config: &Config, stretch: f64) -> Blueprint {
    let mode = match (config.lb.target_type, config.nat.policy) {
        (TargetType::Ip, _) => Mode::Ip,
        (TargetType::Instance, Policy::Cluster) => Mode::InstanceCluster,
        (TargetType::Instance, Policy::Local) => Mode::InstanceLocal,
    };
    let server = server(&config.pod, stretch);
    let mut blueprint = support::world(&config.cluster.placement, mode, server, clients(config));
    // The last requests are answered before the run ends.
    blueprint.run.length = SimDuration::from_secs_f64(config.load.duration_s + 60.0);
    let (lb, seconds) = (&config.lb, SimDuration::from_secs_f64);
    blueprint.load_balancer.idle_timeout = seconds(lb.keepalive_timeout_s);
    blueprint.load_balancer.connect_timeout = seconds(lb.connect_timeout_s);
    blueprint.load_balancer.response_timeout = seconds(lb.read_timeout_s);
    blueprint.proxy = proxy(config);
    for group in blueprint.target_groups.iter_mut() {
        group.nodes = Some(registered(config).expect("the configuration is understood"));
        group.algorithm = algorithm(config.lb.algorithm);
        group.round_robin.start = round_robin::Start::First;
        group.upstream = upstream(&config.lb);
    }
    blueprint
}

/// What the rules of the nodes do, in the closest words of a scenario.
///
/// A refusal and a drop are errors alike, so the counts do not tell them apart; what the kernel's limit on refusals leaves
/// of `REJECT` is nearly a drop anyway.
fn proxy(config: &Config) -> Proxy {
    let one_source = config.lb.kind != Kind::None || config.load.client_ips.get() == 1;
    if config.nat.kind == NatKind::NftJhashSrc && one_source {
        return Proxy::KubeProxy {
            mode: node_port::Mode::Ipvs {
                scheduler: Scheduler::Sh,
            },
            min_sync_period: None,
            burst_syncs: NonZeroU32::MIN,
            sync_time: node_port::default_sync_time(),
            icmp_rate: Rate::per_second(1.0).expect("above 0"),
            icmp_burst: NonZeroU32::new(6).expect("above 0"),
            conntrack: None,
            snat: None,
        };
    }
    Proxy::Cilium {
        algorithm: select::Algorithm::Random,
        service_no_backend_response: NoBackendResponse::Drop,
        mode: Default::default(),
        unready_backend: Default::default(),
        gone_pod_address: Default::default(),
        health_check_node_port: true,
        conntrack: None,
        snat: None,
        agent: Default::default(),
    }
}

fn server(pod: &Pod, stretch: f64) -> server::Config {
    let millis = |ms: f64| SimDuration::from_secs_f64(stretch * ms / 1000.0);
    let random = match pod.service.exp_mean_ms {
        0.0 => Dist::Constant(SimDuration::ZERO),
        mean => Dist::exponential(millis(mean)),
    };
    support::server(
        pod.concurrency.get(),
        Dist::shifted(millis(pod.service.base_ms), random),
    )
}

fn clients(config: &Config) -> client::Config {
    let load = &config.load;
    let mut clients = support::clients(support::poisson(load.rate_rps));
    clients.addresses = load.client_ips;
    clients.stop = Some(SimDuration::from_secs_f64(load.duration_s));
    clients.stop_after = load.requests;
    clients.timeout = Some(SimDuration::from_secs_f64(load.client_timeout_s));
    clients.connection.reuse = match load.client_conn {
        ClientConnection::Keepalive => Reuse::Always,
        ClientConnection::Oneshot => Reuse::Never,
    };
    clients
}

fn algorithm(recorded: Algorithm) -> balance::Algorithm {
    match recorded {
        Algorithm::Roundrobin => balance::Algorithm::RoundRobin,
        Algorithm::Leastconn => balance::Algorithm::LeastOutstandingRequests,
        Algorithm::Random => balance::Algorithm::WeightedRandom,
        Algorithm::Random2 => balance::Algorithm::TwoChoices,
    }
}

/// The pool of the proxy.
///
/// nginx keeps at most so many idle connections for the whole upstream group, takes the one used last and closes the one
/// used least recently. HAProxy keeps so many for each target.
fn upstream(lb: &LoadBalancer) -> pool::Config {
    pool::Config {
        pool_max_age: None,
        http2: Default::default(),
        pool_pick: PoolPick::Lifo,
        pool_scope: match lb.kind {
            Kind::Nginx => PoolScope::Group,
            Kind::Haproxy | Kind::None => PoolScope::Target,
        },
        pool_max_idle: Some(lb.upstream_keepalive),
        pool_max_requests: Some(lb.keepalive_requests),
        ..pool::Config::default()
    }
}
