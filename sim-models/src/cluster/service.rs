//! What is a Service, and from where may its pods be reached?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::SimDuration;

use crate::request::select::Kind;

/// A Kubernetes Service that outside traffic reaches by a NodePort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The Deployment whose pods are the Service's endpoints.
    ///
    /// Required: the name of an entry of `deployments`.
    pub selects: String,

    /// What kind of Service it is. LoadBalancer makes no load balancer here: behind an ALB it is a NodePort Service that also has a
    /// `healthCheckNodePort` where `external_traffic_policy` is Local.
    ///
    /// Default: NodePort.
    /// Source: Kubernetes API v1, `ServiceSpec.type`, `ServiceSpec.healthCheckNodePort`.
    #[serde(default, rename = "type")]
    pub kind: ServiceType,

    /// Whether a node passes outside traffic to pods of the whole cluster or only to its own.
    ///
    /// Default: Cluster.
    /// Source: Kubernetes API v1, `ServiceSpec.externalTrafficPolicy`.
    #[serde(default)]
    pub external_traffic_policy: TrafficPolicy,

    /// Whether connections from one source address go to the same pod.
    ///
    /// Behind an ALB the source is the load balancer node: each pair of load balancer node and node shares one pod.
    ///
    /// Default: None.
    /// Source: Kubernetes API v1, `ServiceSpec.sessionAffinity`.
    #[serde(default)]
    pub session_affinity: SessionAffinity,

    /// The algorithm by which nodes choose among this Service's pods, in place of the cluster's; with Cilium only. The size and the seed of
    /// a Maglev table are the cluster's, or Cilium's defaults.
    ///
    /// Default: what `cluster.proxy.Cilium.algorithm` says.
    /// Source: Cilium 1.17, annotation `service.cilium.io/lb-algorithm`.
    #[serde(default)]
    pub lb_algorithm: Option<Kind>,

    /// How long a node remembers a source; read with `session_affinity: ClientIp` only.
    ///
    /// Range: "1s" to "86400s". Default: "10800s".
    /// Source: Kubernetes API v1, `ClientIPConfig.timeoutSeconds`.
    #[serde(default = "default_session_affinity_timeout")]
    pub session_affinity_timeout: SimDuration,
}

/// `type` of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// A port on every node.
    #[default]
    NodePort,
    /// A port on every node; with `external_traffic_policy: Local` a second one, where each node's agent answers 200 while the node has a
    /// ready pod of the Service that is not terminating, and 503 otherwise.
    ///
    /// Source: Kubernetes, "Create an External Load Balancer"; `pkg/proxy/healthcheck/service_health.go`; Cilium `pkg/loadbalancer/healthserver`.
    LoadBalancer,
}

/// `sessionAffinity` of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SessionAffinity {
    /// Each connection is a choice of its own.
    #[default]
    None,
    /// A source address keeps its pod, on each node for itself.
    ClientIp,
}

impl Config {
    /// Whether nodes say on a port of its own which of them have pods of the Service.
    pub fn has_health_check_node_port(&self) -> bool {
        self.kind == ServiceType::LoadBalancer
            && self.external_traffic_policy == TrafficPolicy::Local
    }

    /// How long a node remembers a source; `None` where it does not.
    pub fn affinity(&self) -> Option<SimDuration> {
        match self.session_affinity {
            SessionAffinity::None => None,
            SessionAffinity::ClientIp => Some(self.session_affinity_timeout),
        }
    }
}

fn default_session_affinity_timeout() -> SimDuration {
    SimDuration::from_secs(10_800)
}

/// `externalTrafficPolicy` of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TrafficPolicy {
    /// Any ready pod of the Service, on any node: a second hop for (nodes - 1) / nodes of the connections.
    #[default]
    Cluster,
    /// Only pods on the node that received the connection. A node without one refuses.
    Local,
}
