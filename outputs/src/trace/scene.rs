//! What do the writers of a trace know about the world: names, addresses and places?

use std::net::{Ipv4Addr, SocketAddrV4};

use scenarios::experiment::answer::Alternative;
use scenarios::measure::Layout;
use sim_core::SimTime;
use sim_models::cluster::address::{self, Addresses};
use sim_models::id::{DeploymentId, Id, NodeId, PodId, PopulationId, TargetGroupId};
use sim_models::observe::{Health, Observation};
use sim_models::request::load_balancer::TargetType;
use sim_models::request::{Hop, Request};
use sim_models::world::Blueprint;

/// The addresses of clients: 100.64.0.0/10, in the order of the populations, starting over after the last.
///
/// Source: RFC 6598, the range between providers and their customers, so that no line looks like somebody's.
const FIRST_CLIENT: u32 = u32::from_be_bytes([100, 64, 0, 0]);
const CLIENTS: u32 = 1 << 22;

/// Ports from which clients connect.
///
/// Source: Linux `ip_local_port_range`, 32768 to 60999.
const FIRST_PORT: u16 = 32_768;
const PORTS: u64 = 28_232;

/// Names, addresses and places of everything in a run.
pub(super) struct Scene<'a> {
    pub(super) blueprint: &'a Blueprint,
    pub(super) layout: &'a Layout,
    pub(super) addresses: Addresses,
    pub(super) seed: u64,
    homes: Vec<NodeId>,
    deployments: Vec<DeploymentId>,
    targets: Vec<SocketAddrV4>,
    first_addresses: Vec<u32>,
}

impl<'a> Scene<'a> {
    pub(super) fn of(alternative: &'a Alternative, seed: u64) -> Self {
        let (blueprint, layout) = (&alternative.blueprint, &alternative.layout);
        let (addresses, places) = (blueprint.addresses(), blueprint.places());
        let first = |next: &mut u32, count: u32| {
            let first = *next;
            *next = next.wrapping_add(count);
            Some(first)
        };
        let counts = blueprint.populations.iter();
        Self {
            targets: targets(blueprint, &addresses),
            homes: places.iter().map(|pod| pod.node).collect(),
            deployments: places.iter().map(|pod| pod.deployment).collect(),
            first_addresses: counts
                .map(|population| population.config.addresses.get())
                .scan(0, first)
                .collect(),
            blueprint,
            layout,
            addresses,
            seed,
        }
    }

    /// Learns where pods are placed that are created during the run.
    pub(super) fn see(&mut self, seen: &Observation<'_>) {
        if let Observation::Health(Health::Placed { pod, node }) = seen {
            self.homes[pod.index()] = *node;
        }
    }

    /// The node on which a pod runs.
    pub(super) fn home(&self, pod: PodId) -> NodeId {
        self.homes[pod.index()]
    }

    /// The Deployment of a pod.
    pub(super) fn deployment(&self, pod: PodId) -> DeploymentId {
        self.deployments[pod.index()]
    }

    /// The address and port of the target that a request was sent to; `None` where none was chosen.
    pub(super) fn target(&self, request: &Request) -> Option<SocketAddrV4> {
        let group = &self.blueprint.target_groups[request.target_group?];
        let known = match group.target_type {
            TargetType::Instance => request.node.map(|node| {
                let port = address::node_port(group.service);
                SocketAddrV4::new(self.addresses.nodes[node], port)
            }),
            TargetType::Ip => request.pod.map(|pod| self.pod(pod)),
        };
        request
            .target
            .map(|target| known.unwrap_or(self.targets[target.index()]))
    }

    /// The address and port of a pod.
    pub(super) fn pod(&self, pod: PodId) -> SocketAddrV4 {
        SocketAddrV4::new(self.addresses.pods[pod], address::POD_PORT)
    }

    /// The address and port from which a client asks.
    pub(super) fn client(&self, request: &Request) -> SocketAddrV4 {
        let first = self.first_addresses[request.population.index()];
        let number = first.wrapping_add(request.address) % CLIENTS;
        let port = FIRST_PORT + (self.client_connection(request) % PORTS) as u16;
        SocketAddrV4::new(Ipv4Addr::from(FIRST_CLIENT + number), port)
    }

    /// A number that tells client connections apart.
    pub(super) fn client_connection(&self, request: &Request) -> u64 {
        let PopulationId(population) = request.population;
        let client = u64::from(population) << 32 | u64::from(request.address);
        mixed(request.client_connected().as_nanos() ^ mixed(client))
    }

    /// What a request asks for.
    pub(super) fn path(&self, request: &Request) -> &str {
        let population = &self.blueprint.populations[request.population];
        &population.classes[request.class as usize].path
    }
}

/// The finaliser of SplitMix64: neighbours become far apart, and no two numbers become one.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Targets are numbered group after group; inside a group in the order of nodes or pods.
fn targets(blueprint: &Blueprint, addresses: &Addresses) -> Vec<SocketAddrV4> {
    let of_group = |group| members(blueprint, addresses, group);
    blueprint.target_groups.ids().flat_map(of_group).collect()
}

fn members(blueprint: &Blueprint, addresses: &Addresses, id: TargetGroupId) -> Vec<SocketAddrV4> {
    let group = &blueprint.target_groups[id];
    match group.target_type {
        TargetType::Instance => {
            let port = address::node_port(group.service);
            let all: Vec<NodeId> = blueprint.nodes.ids().collect();
            let nodes = group.nodes.as_ref().unwrap_or(&all);
            let target = |&node: &NodeId| SocketAddrV4::new(addresses.nodes[node], port);
            nodes.iter().map(target).collect()
        }
        TargetType::Ip => {
            let deployment = blueprint.services[group.service].selects;
            let first_spare = blueprint.pods.len();
            // By node, then by pod; pods that are created during the run follow.
            let mut pods: Vec<(bool, NodeId, PodId)> = blueprint
                .places()
                .enumerate()
                .filter(|(_, pod)| pod.deployment == deployment)
                .map(|(id, pod)| (id.index() >= first_spare, pod.node, id))
                .collect();
            pods.sort_unstable();
            let target = |&(_, _, pod): &(bool, NodeId, PodId)| {
                SocketAddrV4::new(addresses.pods[pod], address::POD_PORT)
            };
            pods.iter().map(target).collect()
        }
    }
}

/// When a request passed a hop; `None` where it has not been.
pub(super) fn passed(request: &Request, hop: Hop) -> Option<SimTime> {
    match request.at(hop) {
        SimTime::ZERO if hop != Hop::Client => None,
        at => Some(at),
    }
}
