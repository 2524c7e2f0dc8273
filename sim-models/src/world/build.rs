//! From a blueprint to a world at time zero.

use sim_core::{DistError, Sampler, SimDuration, SimTime, Streams};

use super::RunError;
use super::blueprint::Blueprint;
use super::event::Event;
use super::front::Front;
use super::health::Health;
use super::patience::Lane;
use super::population;
use super::route;
use super::tracking::Tracking;
use crate::cluster::service::TrafficPolicy;
use crate::cluster::topology::{Links, Network, Node, Pod};
use crate::health::health_check::Spoken;
use crate::id::{
    Arena, CallId, DeploymentId, LoadBalancerNodeId, NodeId, PodId, PopulationId, RequestId,
    ServiceId, Slab, TargetGroupId, TargetId, ZoneId,
};
use crate::observe::Recorder;
use crate::request::balance::least_outstanding::{Outstanding, Tie};
use crate::request::balance::round_robin::Start;
use crate::request::balance::{Algorithm, Cursor};
use crate::request::load_balancer::{IcmpUnreachable, Retry, Scheme, TargetType};
use crate::request::multiplex::Channels;
use crate::request::node_port::{Endpoints, Proxy};
use crate::request::pool::{self, Pools};
use crate::request::protocol::Protocol;
use crate::request::rules::Rules;
use crate::request::select::Selector;
use crate::request::select::affinity::Affinity;
use crate::request::server::{Server, SlowStart, WhenFull};
use crate::request::wire::{Message, Wire};
use crate::request::{Request, icmp, overlay};
use crate::streams::CURSOR_START;

/// All state of a run between two events.
#[derive(Debug)]
pub struct World<R> {
    pub(super) recorder: R,
    pub(super) streams: Streams,
    // What exists -- fixed during a run.
    pub(super) links: Links,
    pub(super) encapsulation: SimDuration,
    /// Whether the answer of a pod on another node goes straight to the load balancer.
    pub(super) returns_directly: bool,
    /// Whether open connections to a pod that is no longer ready are led elsewhere.
    pub(super) removes_unready: bool,
    pub(super) nodes: Arena<NodeId, Node>,
    pub(super) pods: Arena<PodId, Pod>,
    pub(super) proxy: Proxy,
    pub(super) deployments: Arena<DeploymentId, Deployment>,
    pub(super) services: Arena<ServiceId, Service>,
    pub(super) groups: Arena<TargetGroupId, Group>,
    pub(super) zone_of_load_balancer_node: Arena<LoadBalancerNodeId, ZoneId>,
    pub(super) load_balancer_nodes: u32,
    pub(super) proxy_latency: Sampler,
    pub(super) icmp_unreachable: IcmpUnreachable,
    pub(super) connect_timeout: SimDuration,
    pub(super) response_timeout: SimDuration,
    pub(super) syn_retransmits: Vec<SimDuration>,
    pub(super) tls_handshake_timeout: SimDuration,
    pub(super) retry: Retry,
    // What changes.
    pub(super) populations: Arena<PopulationId, population::State>,
    pub(super) users: Vec<User>,
    pub(super) requests: Slab<RequestId, Request>,
    /// Requests among them that nobody waits for any more.
    pub(super) abandoned: u64,
    /// What clients are about to ask again.
    pub(super) calls: Slab<CallId, population::Call>,
    /// Deadlines of each population, then of the load balancer.
    pub(super) lanes: Vec<Lane>,
    pub(super) cursors: Vec<Cursor>,
    pub(super) outstanding: Arena<TargetGroupId, Outstanding>,
    pub(super) selector: Selector,
    /// Which backend a source got last time; `None` where no Service asks for it.
    pub(super) affinity: Option<Affinity>,
    /// What nodes remember of connections; `None` where they remember all that are open.
    pub(super) tracking: Option<Box<Tracking>>,
    /// Loss and bandwidth; `None` where links and interfaces have no limits.
    pub(super) wire: Option<Box<Wire>>,
    /// The kernels' limit on refusals, where they send them.
    pub(super) icmp_limit: Option<icmp::RateLimit>,
    pub(super) pools: Pools,
    /// Connections that carry many requests at once; `None` where all targets speak HTTP/1.1.
    pub(super) channels: Option<Box<Channels>>,
    pub(super) servers: Arena<PodId, Server>,
    /// Whether some target group has automatic target weights.
    pub(super) mitigates: bool,
    /// When load balancer nodes are there, and who is named in DNS; `None` where all are, always.
    pub(super) front: Option<Box<Front>>,
    /// Whether a load balancer node that is retired closes idle connections of clients.
    pub(super) closes_idle_at_once: bool,
    /// The listener rules; `None` where they stay as they are.
    pub(super) rules: Option<Box<Rules>>,
    /// The health of things; `None` where nothing can go wrong and nobody looks.
    pub(super) health: Option<Box<Health>>,
}

/// A Deployment's server, ready for use.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) workers: std::num::NonZeroU32,
    pub(super) queue: u32,
    pub(super) when_full: WhenFull,
    pub(super) slow_start: Option<SlowStart>,
    /// The server closes a connection that was idle for this long.
    pub(super) closes_idle_after: Option<SimDuration>,
    /// The server closes a connection after this many requests.
    pub(super) closes_after_requests: u64,
}

/// A Service during a run.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) selects: DeploymentId,
    pub(super) policy: TrafficPolicy,
    /// How long a node remembers which backend a source got.
    pub(super) affinity: Option<SimDuration>,
    pub(super) endpoints: Endpoints,
}

/// A target group during a run.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) service: ServiceId,
    pub(super) target_type: TargetType,
    pub(super) is_encrypted: bool,
    pub(super) protocol_version: Protocol,
    /// The nodes that are registered, where not all of them are.
    pub(super) nodes: Option<Vec<NodeId>>,
    pub(super) algorithm: Algorithm,
    pub(super) start: Start,
    pub(super) tie: Tie,
    pub(super) upstream: pool::Config,
    pub(super) first_target: u32,
    pub(super) targets: u32,
    /// With cross-zone off, the targets that each load balancer node uses, by position.
    pub(super) in_sight: Option<Vec<Vec<u32>>>,
    /// How long a cookie leads a client back to its target.
    pub(super) stickiness: Option<SimDuration>,
    /// The load balancer closes a connection that was idle for this long.
    pub(super) idle_timeout: SimDuration,
}

/// A closed-loop user.
#[derive(Debug)]
pub(super) struct User {
    pub(super) population: PopulationId,
    /// Requests answered so far.
    pub(super) asked: u64,
}

impl Group {
    /// What its targets speak.
    pub(super) fn spoken(&self) -> Spoken {
        Spoken {
            scheme: match self.is_encrypted {
                true => Scheme::Https,
                false => Scheme::Http,
            },
            version: self.protocol_version,
        }
    }

    /// The node that is registered at a position, with `Instance`.
    #[inline]
    pub(super) fn node(&self, position: u32) -> NodeId {
        match &self.nodes {
            None => NodeId(position),
            Some(nodes) => nodes[position as usize],
        }
    }

    /// All targets of the group.
    pub(super) fn all(&self) -> impl Iterator<Item = TargetId> + use<> {
        (self.first_target..self.first_target + self.targets).map(TargetId)
    }
}

impl<R: Recorder> World<R> {
    /// The world that a blueprint describes, at time zero.
    ///
    /// # Errors
    ///
    /// [`RunError::Dist`] when a distribution's parameters make no sense.
    pub fn new(blueprint: &Blueprint, streams: Streams, recorder: R) -> Result<Self, RunError> {
        let groups = groups(blueprint);
        let targets = groups.iter().map(|group| group.targets as usize).sum();
        let load_balancer_nodes = blueprint.load_balancer.nodes.len();
        let (populations, users) = populations(blueprint, &streams)?;
        let proxy_latency = &blueprint.load_balancer.proxy_latency;
        let health = Health::new(blueprint, &streams)?.map(Box::new);
        Ok(Self {
            recorder,
            links: blueprint.links.clone(),
            encapsulation: match blueprint.network {
                Network::Overlay { .. } => blueprint.links.encapsulation,
                Network::VpcCni | Network::CiliumChained => SimDuration::ZERO,
            },
            returns_directly: blueprint.proxy.returns_directly(),
            removes_unready: blueprint.health.is_some() && blueprint.proxy.removes_unready(),
            nodes: blueprint.nodes.clone(),
            pods: blueprint.places(),
            proxy: blueprint.proxy.clone(),
            deployments: blueprint.deployments.iter().map(Deployment::new).collect(),
            services: services(blueprint),
            cursors: cursors(&groups, load_balancer_nodes, &streams),
            outstanding: outstanding(blueprint, load_balancer_nodes),
            groups,
            zone_of_load_balancer_node: blueprint.load_balancer.nodes.clone(),
            load_balancer_nodes: u32::try_from(load_balancer_nodes)
                .expect("a load balancer has few nodes"),
            proxy_latency: proxy_latency
                .sampler()
                .map_err(at("load_balancer.proxy_latency"))?,
            icmp_unreachable: blueprint.load_balancer.icmp_unreachable,
            connect_timeout: blueprint.load_balancer.connect_timeout,
            response_timeout: blueprint.load_balancer.response_timeout,
            tls_handshake_timeout: blueprint.load_balancer.tls_handshake_timeout,
            retry: blueprint.load_balancer.retry,
            syn_retransmits: blueprint.load_balancer.syn_retransmits.clone(),
            lanes: (0..=populations.len()).map(|_| Lane::default()).collect(),
            populations,
            users,
            requests: Slab::default(),
            abandoned: 0,
            calls: Slab::default(),
            selector: selector(blueprint, &streams),
            affinity: affinity(blueprint),
            tracking: Tracking::new(blueprint).map(Box::new),
            wire: wire(blueprint).map(Box::new),
            icmp_limit: blueprint.proxy.icmp_limit(),
            pools: Pools::new(load_balancer_nodes, targets),
            channels: channels(blueprint, load_balancer_nodes, targets),
            servers: blueprint
                .places()
                .iter()
                .map(|pod| {
                    let server = &blueprint.deployments[pod.deployment].server;
                    Server::new(server.discipline, server.workers)
                })
                .collect(),
            front: Front::new(blueprint).map(Box::new),
            closes_idle_at_once: blueprint.load_balancer.retired_node_closes_idle,
            rules: route::rules(blueprint).map(Box::new),
            mitigates: health.as_ref().is_some_and(|it| it.mitigates()),
            health,
            streams,
        })
    }

    /// What is planned at time zero.
    pub(super) fn first_events(&mut self) -> Vec<(SimTime, Event)> {
        let mut events = Vec::new();
        for id in self.populations.ids() {
            events.extend(self.populations[id].first_events(id, &self.streams));
        }
        if let Some(health) = &self.health {
            events.extend(health.first_events());
        }
        events
    }

    /// Requests on their way that somebody waits for.
    pub fn in_flight(&self) -> u64 {
        let checks = self.health.as_ref().map_or(0, |health| health.asked);
        self.requests.len() as u64 - self.abandoned - checks
    }
}

impl Deployment {
    fn new(deployment: &super::blueprint::Deployment) -> Self {
        let server = &deployment.server;
        let keep_alive = server.keep_alive();
        Self {
            workers: server.workers,
            queue: server.queue,
            when_full: server.when_full,
            slow_start: server.slow_start,
            closes_idle_after: keep_alive.timeout,
            closes_after_requests: keep_alive
                .max_requests
                .map_or(u64::MAX, |limit| limit.get()),
        }
    }
}

fn services(blueprint: &Blueprint) -> Arena<ServiceId, Service> {
    let services = blueprint.services.iter();
    services
        .zip(blueprint.endpoints_by_service().iter())
        .map(|(service, pods)| Service {
            selects: service.selects,
            policy: service.external_traffic_policy,
            affinity: service.session_affinity,
            endpoints: Endpoints::new(
                pods.iter()
                    .map(|&pod| (blueprint.pods[pod].node, pod))
                    .collect(),
            ),
        })
        .collect()
}

fn selector(blueprint: &Blueprint, streams: &Streams) -> Selector {
    let own = blueprint.services.iter().map(|it| it.lb_algorithm);
    let (proxy, own) = (&blueprint.proxy, own.collect());
    proxy.selector(streams, &own, || blueprint.addresses())
}

fn affinity(blueprint: &Blueprint) -> Option<Affinity> {
    let mut services = blueprint.services.iter();
    services
        .any(|service| service.session_affinity.is_some())
        .then(|| Affinity::new(blueprint.proxy.affinity_refreshed_by()))
}

fn wire(blueprint: &Blueprint) -> Option<Wire> {
    let (links, header) = (&blueprint.links, overlay::header_bytes(blueprint.network));
    let answer = |it: &super::blueprint::Deployment| {
        Message::answer(it.server.response_size, links.mtu, header)
    };
    let mut bandwidths = blueprint.bandwidths.clone();
    bandwidths.resize(blueprint.nodes.len(), None);
    let answers = blueprint.deployments.iter().map(answer).collect();
    Wire::new(links.loss, links.min_rto, &bandwidths, answers)
}

fn channels(blueprint: &Blueprint, from: usize, to: usize) -> Option<Box<Channels>> {
    let mut groups = blueprint.target_groups.iter();
    groups
        .any(|group| group.protocol_version.multiplexes())
        .then(|| Box::new(Channels::new(from, to)))
}

fn groups(blueprint: &Blueprint) -> Arena<TargetGroupId, Group> {
    let mut first_target = 0;
    let groups = blueprint.target_groups.enumerate();
    groups
        .map(|(id, group)| {
            let targets =
                u32::try_from(blueprint.target_places(id)).expect("targets fit in 32 bits");
            first_target += targets;
            Group {
                service: group.service,
                target_type: group.target_type,
                is_encrypted: group.protocol == Scheme::Https,
                protocol_version: group.protocol_version,
                nodes: group.nodes.clone(),
                algorithm: group.algorithm,
                start: group.round_robin.start,
                tie: group.least_outstanding.tie,
                upstream: group.upstream,
                first_target: first_target - targets,
                targets,
                in_sight: (!group.cross_zone).then(|| in_sight(blueprint, id)),
                stickiness: group.stickiness,
                idle_timeout: blueprint.load_balancer.idle_timeout,
            }
        })
        .collect()
}

/// The targets in the zone of each load balancer node.
fn in_sight(blueprint: &Blueprint, group: TargetGroupId) -> Vec<Vec<u32>> {
    let zones = blueprint.zones_of_targets(group);
    let targets_in = |zone: &ZoneId| {
        let here = zones.iter().zip(0..).filter(|(other, _)| *other == zone);
        here.map(|(_, position)| position).collect()
    };
    blueprint
        .load_balancer
        .nodes
        .iter()
        .map(targets_in)
        .collect()
}

/// One cursor per load balancer node and group, each with its own start.
fn cursors(
    groups: &Arena<TargetGroupId, Group>,
    load_balancer_nodes: usize,
    streams: &Streams,
) -> Vec<Cursor> {
    let cursor = |node: usize, id: TargetGroupId, group: &Group| {
        let start = match (group.start, group.targets) {
            (Start::First, _) | (Start::Random, 0) => 0,
            (Start::Random, targets) => streams
                .nth(CURSOR_START, node as u64, u64::from(id.0))
                .below(targets),
        };
        Cursor::starting_at(start, group.targets)
    };
    (0..load_balancer_nodes)
        .flat_map(|node| {
            groups
                .enumerate()
                .map(move |(id, group)| cursor(node, id, group))
        })
        .collect()
}

/// Requests in progress, counted only in the groups whose algorithm asks for them.
fn outstanding(
    blueprint: &Blueprint,
    load_balancer_nodes: usize,
) -> Arena<TargetGroupId, Outstanding> {
    let groups = blueprint.target_groups.enumerate();
    groups
        .map(|(id, group)| {
            if !group.algorithm.counts_outstanding() {
                return Outstanding::default();
            }
            let targets = blueprint.target_places(id) as u32;
            Outstanding::new(group.least_outstanding.scope, load_balancer_nodes, targets)
        })
        .collect()
}

fn populations(
    blueprint: &Blueprint,
    streams: &Streams,
) -> Result<(Arena<PopulationId, population::State>, Vec<User>), RunError> {
    let mut states = Arena::new();
    let mut users = Vec::new();
    let mut addresses = 0;
    for (id, population) in blueprint.populations.enumerate() {
        let from = users.len() as u32;
        let count = population::users(&population.config.arrivals);
        users.extend((0..count).map(|_| User {
            population: id,
            asked: 0,
        }));
        let state = population::State::new(blueprint, id, streams, addresses, from..from + count)
            .map_err(at(&format!("clients.{}", population.name)))?;
        addresses += u64::from(population.config.addresses.get());
        states.push(state);
    }
    Ok((states, users))
}

fn at(path: &str) -> impl FnOnce(DistError) -> RunError + use<> {
    let path = path.to_owned();
    move |source| RunError::Dist { path, source }
}
