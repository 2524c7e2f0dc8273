//! What does a node do with a connection that arrives at a Service's NodePort?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::select;
use crate::cluster::address::Addresses;
use crate::cluster::service::TrafficPolicy;
use crate::id::{NodeId, PodId};

/// Who implements Services on the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Proxy {
    /// Cilium's kube-proxy replacement.
    Cilium {
        /// How the backend of a new connection is chosen.
        ///
        /// Default: Random.
        /// Source: Cilium option `bpf-lb-algorithm`.
        #[serde(default)]
        algorithm: select::Algorithm,

        /// What a new connection meets on a node that has no backend for it.
        ///
        /// Default: Reject.
        /// Source: Cilium option `service-no-backend-response`, default since 1.15.
        #[serde(default)]
        service_no_backend_response: NoBackendResponse,
    },
}

/// What a new connection meets where there is no backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NoBackendResponse {
    /// An ICMP port unreachable.
    #[default]
    Reject,
    /// Silence.
    Drop,
}

impl Default for Proxy {
    fn default() -> Self {
        Self::Cilium {
            algorithm: select::Algorithm::default(),
            service_no_backend_response: NoBackendResponse::default(),
        }
    }
}

/// The endpoints of a Service, sorted by the node they run on.
///
/// All of them are ready.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    pods: Vec<(NodeId, PodId)>,
}

impl Endpoints {
    /// The endpoints of a Service, each with its node.
    pub fn new(mut pods: Vec<(NodeId, PodId)>) -> Self {
        pods.sort_unstable();
        Self { pods }
    }

    /// All endpoints.
    pub fn all(&self) -> &[(NodeId, PodId)] {
        &self.pods
    }

    /// The endpoints that a node may use for outside traffic.
    ///
    /// Source: Kubernetes, "Virtual IPs and Service Proxies", traffic policies.
    pub fn eligible(&self, node: NodeId, policy: TrafficPolicy) -> &[(NodeId, PodId)] {
        match policy {
            TrafficPolicy::Cluster => &self.pods,
            TrafficPolicy::Local => {
                let from = self.pods.partition_point(|(at, _)| *at < node);
                let here = self.pods[from..].partition_point(|(at, _)| *at == node);
                &self.pods[from..from + here]
            }
        }
    }
}

impl Proxy {
    /// How backends are chosen, at the start of a run; only an algorithm that looks at addresses asks for them.
    pub fn selector(self, addresses: impl FnOnce() -> Addresses) -> select::Selector {
        let Self::Cilium { algorithm, .. } = self;
        algorithm.selector(addresses)
    }

    /// What a new connection meets on a node without an endpoint for it.
    pub fn no_backend_response(self) -> NoBackendResponse {
        let Self::Cilium {
            service_no_backend_response,
            ..
        } = self;
        service_no_backend_response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        Endpoints::new(vec![
            (NodeId(2), PodId(0)),
            (NodeId(0), PodId(1)),
            (NodeId(2), PodId(2)),
        ])
    }

    #[test]
    fn local_sees_only_the_nodes_own_pods() {
        let endpoints = endpoints();
        let seen = |node| endpoints.eligible(NodeId(node), TrafficPolicy::Local).len();
        assert_eq!([seen(0), seen(1), seen(2), seen(3)], [1, 0, 2, 0]);
    }

    #[test]
    fn cluster_sees_all_pods_from_everywhere() {
        let endpoints = endpoints();
        for node in 0..4 {
            assert_eq!(
                endpoints
                    .eligible(NodeId(node), TrafficPolicy::Cluster)
                    .len(),
                3
            );
        }
    }
}
