//! What is a Service, and from where may its pods be reached?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Kubernetes Service of type NodePort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The Deployment whose pods are the Service's endpoints.
    ///
    /// Required: the name of an entry of `deployments`.
    pub selects: String,

    /// Whether a node passes outside traffic to pods of the whole cluster or only to its own.
    ///
    /// Default: Cluster.
    /// Source: Kubernetes API v1, `ServiceSpec.externalTrafficPolicy`.
    #[serde(default)]
    pub external_traffic_policy: TrafficPolicy,
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
