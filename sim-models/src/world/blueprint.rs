//! What is to be simulated, as meant: names are ids, defaults are filled in.
//!
//! A scenario file is lowered to a [`Blueprint`]; tests and other programs may build one directly. The
//! settings of each stage are the stage's own `Config`.

use sim_core::{Dist, SimDuration};

use crate::cluster::address::Addresses;
use crate::cluster::service::TrafficPolicy;
use crate::cluster::topology::{Links, Network, Node, Pod};
use crate::control::{
    autoscaler, aws_controller, deployment, disruption, kubelet, node_lifecycle, plane,
};
use crate::fault::{Fault, What};
use crate::health::{endpoint_slice, probe, target_group};
use crate::id::{
    Arena, DeploymentId, FaultId, LoadBalancerNodeId, NodeId, PodId, PopulationId, ServiceId,
    TargetGroupId, ZoneId,
};
use crate::placement::quantity::Cpu;
use crate::placement::{self, Revisions, Scheduler, TemplateId};
use crate::quantity::{Bandwidth, Size};
use crate::request::balance::{self, least_outstanding, round_robin};
use crate::request::load_balancer::{IcmpUnreachable, Quotas, Retry, Scheme, TargetType};
use crate::request::protocol::{Http2, Protocol};
use crate::request::rules::Action;
use crate::request::{client, node_port, pool, select, server};

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
    /// What each node's interface can send; `None` where it is never the limit. Empty: no interface is.
    pub bandwidths: Vec<Option<Bandwidth>>,
    /// Who implements Services on the nodes.
    pub proxy: node_port::Proxy,
    /// The nodes' connection tables and source ports; `None` where they never run out.
    pub tracking: Option<Box<node_port::Tracking>>,
    /// The load balancer.
    pub load_balancer: LoadBalancer,
    /// Target groups.
    pub target_groups: Arena<TargetGroupId, TargetGroup>,
    /// Who asks.
    pub populations: Arena<PopulationId, Population>,
    /// What can go wrong, and who notices; `None` for a world in which nothing does and nobody looks.
    pub health: Option<Box<Health>>,
}

/// What can go wrong, and who notices.
///
/// With it, every load balancer node checks every target, kubelets probe what has a probe, and a change
/// of readiness travels through the control plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// What goes wrong.
    pub faults: Arena<FaultId, Fault>,
    /// The kubelet on each node.
    pub kubelet: kubelet::Config,
    /// From a commit until a watcher has it.
    pub watch_delay: Dist,
    /// What a request to the API server takes beyond what its sender's own delay holds.
    pub api_latency: Dist,
    /// How long a watch whose packets vanish looks like one without news.
    pub dead_connection: SimDuration,
    /// Who is back when after an outage of the API server.
    pub reconnect: plane::Reconnect,
    /// The controllers, and who leads them.
    pub controller_manager: plane::ControllerManager,
    /// The EndpointSlice controller.
    pub endpoint_slice_controller: endpoint_slice::Config,
    /// The node lifecycle controller.
    pub node_lifecycle_controller: node_lifecycle::Config,
    /// How long pods tolerate a lost node before they are deleted.
    pub default_toleration: SimDuration,
    /// From the end of a node's trouble until its pods are ready again.
    pub node_recovery: Dist,
    /// The AWS Load Balancer Controller.
    pub aws_controller: aws_controller::Config,
    /// Beyond these AWS registers no more targets.
    pub quotas: Quotas,
    /// The scheduler: how it decides, and at which pace.
    pub scheduler: placement::Config,
    /// What the scheduler sees at time zero, where pods may be created during the run; `None`: nodes that are alike, with room for
    /// everything, and pods that ask for nothing.
    pub scheduled: Option<Box<Scheduled>>,
    /// Places for pods that are created during a run, each with its Deployment; those that are Pending at time zero take one each.
    pub spares: Vec<DeploymentId>,
    /// What each Deployment says about the health of its pods.
    pub workloads: Arena<DeploymentId, Workload>,
    /// What each target group says about the health of its targets.
    pub target_groups: Arena<TargetGroupId, target_group::Config>,
    /// The default action and those of the listener rules, where a fault changes some of them; else empty. A class then is what its rule
    /// matches, and its `target_group` is where it is sent at first.
    pub actions: Vec<Action>,
}

/// What a Deployment says about the health of its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Whether a pod gets traffic; `None`: as soon as its container runs.
    pub readiness_probe: Option<probe::Config>,
    /// Whether a container is killed; `None`: never.
    pub liveness_probe: Option<probe::Config>,
    /// Whether a container has started; `None`: as soon as it runs.
    pub startup_probe: Option<probe::Config>,
    /// Sleep before SIGTERM.
    pub pre_stop: SimDuration,
    /// From a deletion until SIGKILL.
    pub termination_grace_period: SimDuration,
    /// How its pods are replaced.
    pub strategy: deployment::Strategy,
    /// How long its controllers take.
    pub pace: deployment::Pace,
    /// A pod that has been ready for this long is available.
    pub min_ready: SimDuration,
    /// How long a rollout may go without progress.
    pub progress_deadline: SimDuration,
    /// What an eviction must leave; `None`: nothing holds one back.
    pub pod_disruption_budget: Option<disruption::Config>,
    /// Who changes the number of its replicas.
    pub autoscaler: Option<Autoscaler>,
    /// How long its pods stay on a node that is lost.
    pub patience: node_lifecycle::Patience,
}

/// Who changes the number of replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaler {
    /// How it decides.
    pub config: autoscaler::Config,
    /// What each pod requests; above 0.
    pub cpu_request: Cpu,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            readiness_probe: None,
            liveness_probe: None,
            startup_probe: None,
            pre_stop: SimDuration::ZERO,
            termination_grace_period: SimDuration::from_secs(30),
            strategy: deployment::Strategy::default(),
            pace: deployment::Pace::default(),
            min_ready: SimDuration::ZERO,
            progress_deadline: deployment::progress_deadline(),
            pod_disruption_budget: None,
            autoscaler: None,
            patience: node_lifecycle::Patience::default(),
        }
    }
}

impl Health {
    /// Nothing goes wrong and nobody probes; the controllers are the real systems' own.
    pub fn new(deployments: usize, target_groups: usize) -> Self {
        Self {
            faults: Arena::new(),
            kubelet: kubelet::Config::default(),
            watch_delay: crate::health::watch_delay(),
            api_latency: plane::api_latency(),
            dead_connection: plane::dead_connection(),
            reconnect: plane::Reconnect::default(),
            controller_manager: plane::ControllerManager::default(),
            endpoint_slice_controller: endpoint_slice::Config::default(),
            node_lifecycle_controller: node_lifecycle::Config::default(),
            default_toleration: node_lifecycle::default_toleration(),
            node_recovery: node_lifecycle::node_recovery(),
            aws_controller: aws_controller::Config::default(),
            quotas: Quotas::default(),
            scheduler: placement::Config::default(),
            scheduled: None,
            spares: Vec::new(),
            workloads: (0..deployments).map(|_| Workload::default()).collect(),
            target_groups: (0..target_groups)
                .map(|_| target_group::Config::default())
                .collect(),
            actions: Vec::new(),
        }
    }

    /// Whether a target group is there from the beginning: no fault brings it.
    pub fn is_there(&self, group: TargetGroupId) -> bool {
        let mut faults = self.faults.iter();
        !faults.any(|it| matches!(it.what, What::Replace { new, .. } if new == group))
    }
}

/// What the scheduler sees at time zero, and what is a pod of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    /// The scheduler, with all nodes in its view and all pods on them: those of the blueprint, and what else occupies.
    pub scheduler: Scheduler,
    /// The revisions of each Deployment.
    pub revisions: Arena<DeploymentId, Revisions>,
    /// The revision of each pod of the blueprint: the latest one of its Deployment, or one before it.
    pub pods: Arena<PodId, TemplateId>,
    /// How many more pods of the latest revision there are, which fit nowhere yet.
    pub pending: Arena<DeploymentId, u32>,
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
    /// How nodes choose among its pods, where that is not what the proxy does; read with Cilium only.
    pub lb_algorithm: Option<select::Kind>,
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
    /// Life of a DNS answer.
    pub dns_ttl: SimDuration,
    /// From the death of one of its nodes until DNS names it no more.
    pub node_failure_to_dns: SimDuration,
    /// Whether one of its nodes that is retired closes idle connections of clients.
    pub retired_node_closes_idle: bool,
    /// After this long without an answer to a connection attempt it gives up.
    pub connect_timeout: SimDuration,
    /// After this long without the end of a TLS handshake it gives up.
    pub tls_handshake_timeout: SimDuration,
    /// What it does with a request whose connection failed.
    pub retry: Retry,
    /// After this long without an answer to a request it gives up.
    pub response_timeout: SimDuration,
    /// Time that a request spends inside a load balancer node.
    pub proxy_latency: sim_core::Dist,
    /// What an ICMP port unreachable means.
    pub icmp_unreachable: IcmpUnreachable,
    /// When a SYN that nobody answered is sent again, counted from the first, in rising order.
    pub syn_retransmits: Vec<SimDuration>,
    /// HTTP/2 on the connections of clients.
    pub http2: Http2,
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
    /// Whether connections to its targets are encrypted.
    pub protocol: Scheme,
    /// What is spoken with its targets.
    pub protocol_version: Protocol,
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
    /// Bytes of the request's line, headers and body.
    pub bytes: Size,
    /// The priority of the listener rule that matches it, from 1; 0 for the default action.
    ///
    /// Source: AWS, "Access logs for your Application Load Balancer", `matched_rule_priority`.
    pub rule: u32,
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

    /// The pods of every Service at once, each in the order of their ids.
    pub fn endpoints_by_service(&self) -> Arena<ServiceId, Vec<PodId>> {
        let mut by_deployment: Arena<DeploymentId, Vec<PodId>> =
            self.deployments.ids().map(|_| Vec::new()).collect();
        for (id, pod) in self.pods.enumerate() {
            by_deployment[pod.deployment].push(id);
        }
        let services = self.services.iter();
        services
            .map(|service| by_deployment[service.selects].clone())
            .collect()
    }

    /// The addresses of all load balancer nodes, nodes and pods.
    pub fn addresses(&self) -> Addresses {
        Addresses::assign(
            &self.load_balancer.nodes,
            &self.nodes,
            &self.places(),
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

    /// The pods, and after them the places for pods that are created during a run.
    pub fn places(&self) -> Arena<PodId, Pod> {
        let mut places = self.pods.clone();
        let spares = self.health.iter().flat_map(|health| &health.spares);
        for &deployment in spares {
            let name = &self.deployments[deployment].name;
            places.push(Pod {
                name: format!("{name}-new-{}", places.len()),
                deployment,
                node: NodeId(0),
            });
        }
        places
    }

    /// Target groups to which faults turn the listener rules.
    pub fn groups_to_come(&self) -> impl Iterator<Item = TargetGroupId> + '_ {
        let faults = self.health.iter().flat_map(|health| health.faults.iter());
        faults.flat_map(|fault| match &fault.what {
            What::Replace { new, .. } => vec![*new],
            What::Forward(_, action) => {
                let some = action.iter().filter(|&&(_, weight)| weight > 0);
                some.map(|&(group, _)| group).collect()
            }
            _ => Vec::new(),
        })
    }

    /// Entries that a target group may have in the course of a run.
    pub fn target_places(&self, group: TargetGroupId) -> usize {
        let TargetGroup {
            service,
            target_type,
            ..
        } = &self.target_groups[group];
        let spares = match (target_type, &self.health) {
            (TargetType::Ip, Some(health)) => {
                let deployment = self.services[*service].selects;
                let own = health.spares.iter().filter(|&&it| it == deployment);
                own.count()
            }
            (TargetType::Ip | TargetType::Instance, _) => 0,
        };
        self.target_count(group) + spares
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
