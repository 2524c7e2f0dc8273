//! What is to be simulated, as meant: names are ids, defaults are filled in.
//!
//! A scenario file is lowered to a [`Blueprint`]; tests and other programs may build one directly. The
//! settings of each stage are the stage's own `Config`.

use sim_core::SimDuration;

use crate::cluster::address::Addresses;
use crate::cluster::service::TrafficPolicy;
use crate::cluster::topology::{Links, Network, Node, Pod};
use crate::id::{
    Arena, DeploymentId, LoadBalancerNodeId, NodeId, PodId, PopulationId, ServiceId, TargetGroupId,
    ZoneId,
};
use crate::request::balance::{self, least_outstanding, round_robin};
use crate::request::load_balancer::{IcmpUnreachable, TargetType};
use crate::request::{client, node_port, pool, server};

/// Everything that one run needs, besides a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Blueprint {
    /// How long to run.
    pub run: Run,
    /// Names of the zones.
    pub zones: Arena<ZoneId, String>,
    /// Worker nodes.
    pub nodes: Arena<NodeId, Node>,
    /// Pods, with the node of each.
    pub pods: Arena<PodId, Pod>,
    /// Deployments, with the server in their pods.
    pub deployments: Arena<DeploymentId, Deployment>,
    /// Services.
    pub services: Arena<ServiceId, Service>,
    /// Where pod addresses live.
    pub network: Network,
    /// Distances.
    pub links: Links,
    /// Who implements Services on the nodes.
    pub proxy: node_port::Proxy,
    /// The load balancer.
    pub load_balancer: LoadBalancer,
    /// Target groups.
    pub target_groups: Arena<TargetGroupId, TargetGroup>,
    /// Who asks.
    pub populations: Arena<PopulationId, Population>,
}

/// How long to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Simulated time that is thrown away at the start.
    pub warm_up: SimDuration,
    /// Simulated time that counts, after the warm-up.
    pub length: SimDuration,
    /// Events after which the run ends in an error.
    ///
    /// Default: 10^10.
    pub event_budget: u64,
}

/// Event budget of a run that does not set one.
pub const DEFAULT_EVENT_BUDGET: u64 = 10_000_000_000;

/// A Deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployment {
    /// Name, unique.
    pub name: String,
    /// Pods wanted; those that are missing among the pods are Pending.
    pub replicas: u32,
    /// The server in each of its pods.
    pub server: server::Config,
}

/// A Service of type NodePort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name, unique.
    pub name: String,
    /// Whose pods are its endpoints.
    pub selects: DeploymentId,
    /// Who may receive outside traffic.
    pub external_traffic_policy: TrafficPolicy,
    /// How long a node remembers which pod a source got; `None` without session affinity.
    pub session_affinity: Option<SimDuration>,
}

/// The load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancer {
    /// Its nodes, with the zone of each.
    pub nodes: Arena<LoadBalancerNodeId, ZoneId>,
    /// Silence that closes a connection.
    pub idle_timeout: SimDuration,
    /// Age at which it closes a client's connection, after one more answer.
    pub client_keep_alive: SimDuration,
    /// After this long without an answer to a connection attempt it gives up.
    pub connect_timeout: SimDuration,
    /// After this long without an answer to a request it gives up.
    pub response_timeout: SimDuration,
    /// Time that a request spends inside a load balancer node.
    pub proxy_latency: sim_core::Dist,
    /// What an ICMP port unreachable means.
    pub icmp_unreachable: IcmpUnreachable,
}

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Name, unique.
    pub name: String,
    /// The Service behind it.
    pub service: ServiceId,
    /// What is registered: with `Instance` every node, with `Ip` every pod of the Service.
    pub target_type: TargetType,
    /// With `Instance`, the nodes that are registered, in this order; `None` for every node.
    ///
    /// Source: AWS Load Balancer Controller, annotation `target-node-labels`.
    pub nodes: Option<Vec<NodeId>>,
    /// How a target is chosen.
    pub algorithm: balance::Algorithm,
    /// Details of the choice in turn.
    pub round_robin: round_robin::Config,
    /// Details of the choice by requests in progress.
    pub least_outstanding: least_outstanding::Config,
    /// Whether load balancer nodes use the targets of all zones, or of their own only.
    pub cross_zone: bool,
    /// How long a cookie leads a client back to its target; `None` without sticky sessions.
    pub stickiness: Option<SimDuration>,
    /// Connections to targets.
    pub upstream: pool::Config,
}

/// A population of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    /// Name, unique.
    pub name: String,
    /// How its clients behave. `requests` is not read: `classes` says the same with ids.
    pub config: client::Config,
    /// What it asks for.
    pub classes: Vec<RequestClass>,
}

/// One kind of request, its listener rule applied.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestClass {
    /// Path of the URL.
    pub path: String,
    /// Share of the population's requests, relative to the other weights; above 0.
    pub weight: f64,
    /// Work in the pod; `None` for what the deployment's server says.
    pub demand: Option<sim_core::Dist>,
    /// The target group that the first matching rule names; `None` where no rule matches.
    pub target_group: Option<TargetGroupId>,
}

impl Blueprint {
    /// The Service's pods, in the order of their ids.
    pub fn endpoints(&self, service: ServiceId) -> impl Iterator<Item = PodId> {
        let deployment = self.services[service].selects;
        self.pods
            .enumerate()
            .filter(move |(_, pod)| pod.deployment == deployment)
            .map(|(id, _)| id)
    }

    /// The addresses of all load balancer nodes, nodes and pods.
    pub fn addresses(&self) -> Addresses {
        Addresses::assign(
            &self.load_balancer.nodes,
            &self.nodes,
            &self.pods,
            self.network,
        )
    }

    /// The zone of each target of a group, by position.
    pub fn zones_of_targets(&self, group: TargetGroupId) -> Vec<ZoneId> {
        let TargetGroup {
            target_type,
            nodes,
            service,
            ..
        } = &self.target_groups[group];
        match (target_type, nodes) {
            (TargetType::Instance, None) => self.nodes.iter().map(|node| node.zone).collect(),
            (TargetType::Instance, Some(nodes)) => {
                nodes.iter().map(|&node| self.nodes[node].zone).collect()
            }
            (TargetType::Ip, _) => {
                // In the order of the world's endpoints: by node, then by pod.
                let mut homes: Vec<(NodeId, PodId)> = self
                    .endpoints(*service)
                    .map(|pod| (self.pods[pod].node, pod))
                    .collect();
                homes.sort_unstable();
                homes
                    .iter()
                    .map(|&(node, _)| self.nodes[node].zone)
                    .collect()
            }
        }
    }

    /// Entries of a target group: nodes or pods.
    pub fn target_count(&self, group: TargetGroupId) -> usize {
        match self.target_groups[group].target_type {
            TargetType::Instance => {
                let some = self.target_groups[group].nodes.as_ref();
                some.map_or(self.nodes.len(), Vec::len)
            }
            TargetType::Ip => self.endpoints(self.target_groups[group].service).count(),
        }
    }
}
