//! What does a node do with a connection that arrives at a Service's NodePort?

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration, Streams};

use super::select::affinity::RefreshedBy;
use super::{conntrack, icmp, select, snat};
use crate::cluster::address::Addresses;
use crate::cluster::service::TrafficPolicy;
use crate::health::service_map;
use crate::id::{Arena, NodeId, PodId, ServiceId};
use crate::quantity::Rate;

/// Who implements Services on the nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

        /// How the answer of a pod on another node finds its way back.
        ///
        /// Default: Snat. Dsr and Hybrid need routes between the nodes or a Geneve tunnel.
        /// Source: Cilium option `bpf-lb-mode`.
        #[serde(default)]
        mode: ReturnPath,

        /// What becomes of connections to a pod that is no longer ready.
        ///
        /// Default: Keep.
        /// Source: cilium/cilium#42170: kept since 1.19 and in patched 1.18; removed before.
        #[serde(default)]
        unready_backend: UnreadyBackend,

        /// What the first packet of a connection meets at the address of a pod that is gone, as from a node whose service map is old.
        ///
        /// Default: Silence.
        /// Assumption: no source.
        #[serde(default)]
        gone_pod_address: GonePodAddress,

        /// Whether the agent answers on the `healthCheckNodePort` of Services that have one. If not, the port is closed.
        ///
        /// Default: true.
        /// Source: Cilium option `enable-health-check-nodeport`.
        #[serde(default = "yes")]
        health_check_node_port: bool,

        /// The connection tracking map of each node, simulated where this or `snat` is written.
        ///
        /// Default: none; the maps of real nodes are large.
        #[serde(default)]
        conntrack: Option<conntrack::Cilium>,

        /// The source ports of each node, simulated where this or `conntrack` is written.
        ///
        /// Default: none.
        #[serde(default)]
        snat: Option<snat::Cilium>,

        /// The agent on each node, which writes the service map.
        #[serde(default)]
        agent: service_map::Config,
    },
    /// kube-proxy.
    KubeProxy {
        /// What kube-proxy programs.
        ///
        /// Default: Iptables.
        /// Source: kube-proxy `--proxy-mode`, default on Linux.
        #[serde(default)]
        mode: Mode,

        /// From the end of one pass over the rules of all Services until the next may begin.
        ///
        /// Range: 0 and up. Default: "1s", with Ipvs "0s".
        /// Source: kube-proxy `--iptables-min-sync-period`, `--ipvs-min-sync-period`; Kubernetes 1.34 `pkg/util/async`.
        #[serde(default)]
        min_sync_period: Option<SimDuration>,

        /// Passes that may follow each other without a pause after a time without changes.
        ///
        /// Range: 1 and up. Default: 1; 2 up to Kubernetes 1.33.
        /// Source: Kubernetes `pkg/util/async/bounded_frequency_runner.go`, and its replacement in 1.34.
        #[serde(default = "default_burst_syncs")]
        burst_syncs: NonZeroU32,

        /// One pass over the rules.
        ///
        /// Range: 0 and up; plausible 50 ms to 5 s, by the number of Services. Default: LogNormal(median: "150ms", p99: "300ms").
        /// Source: measured for iptables, 130 ms with 4 Services and 170 ms with 1,000.
        #[serde(default = "default_sync_time")]
        sync_time: Dist,

        /// ICMP refusals that a node sends to one peer on average; the rest of the refused connections meets silence.
        ///
        /// Range: above 0. Default: "1/s".
        /// Source: Linux `icmp_ratelimit`, 1000 ms for destination unreachable.
        #[serde(default = "default_icmp_rate")]
        icmp_rate: Rate,

        /// ICMP refusals that may follow each other at once after silence.
        ///
        /// Range: 1 and up. Default: 6.
        /// Source: Linux `XRLIM_BURST_FACTOR`.
        #[serde(default = "default_icmp_burst")]
        icmp_burst: NonZeroU32,

        /// The connection table of each node, simulated where this or `snat` is written.
        ///
        /// Default: none; the tables of real nodes are large.
        #[serde(default)]
        conntrack: Option<conntrack::KubeProxy>,

        /// The source ports of each node, simulated where this or `conntrack` is written.
        ///
        /// Default: none.
        #[serde(default)]
        snat: Option<snat::KubeProxy>,
    },
}

/// How the answer of a pod on another node finds its way back.
///
/// Source: Cilium documentation, "Kubernetes Without kube-proxy".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReturnPath {
    /// By the node that the connection arrived at, whose address the pod sees.
    #[default]
    Snat,
    /// Straight to the load balancer: one hop less, and the pod sees the load balancer node's address.
    Dsr,
    /// Straight for TCP, by the node for UDP. HTTP is TCP, so it is Dsr here.
    Hybrid,
}

/// What becomes of connections to a pod that is no longer ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnreadyBackend {
    /// The node leads open connections to it, and no new ones.
    #[default]
    Keep,
    /// The node forgets it: the next packet of an open connection goes to another pod, which resets it.
    Remove,
}

/// What the first packet of a connection meets at the address of a pod that is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GonePodAddress {
    /// Nothing: it is sent again until the load balancer gives up.
    #[default]
    Silence,
    /// An ICMP host unreachable from the pod's last node: the load balancer answers 502, as for a reset.
    Unreachable,
}

/// The connection tables and source ports of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// The rules of each table.
    pub rules: conntrack::Rules,
    /// Connections that fit into the table of each node.
    pub capacity: Arena<NodeId, u32>,
    /// Ports of a node towards each pod.
    pub ports: snat::Ports,
}

/// What the size of a node's table depends on, where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Nominal memory in GiB.
    pub memory_gib: Option<u32>,
    /// Virtual CPUs.
    pub cores: Option<u32>,
}

/// What kube-proxy programs on a node.
///
/// Source: Kubernetes, "Virtual IPs and Service Proxies".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Mode {
    /// Rules with `statistic --mode random`: rule i of n matches with probability 1 / (n - i + 1), so each endpoint
    /// has the same chance.
    #[default]
    Iptables,
    /// A virtual server in ipvs, with a scheduler that each node runs for itself.
    Ipvs {
        /// How an endpoint is chosen.
        ///
        /// Default: Rr.
        /// Source: kube-proxy `--ipvs-scheduler`.
        #[serde(default)]
        scheduler: select::ipvs::Scheduler,
    },
    /// A map looked up with `numgen random mod n`: each endpoint has the same chance.
    Nftables,
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

/// One pass of kube-proxy over its rules, where nothing else is said.
pub fn default_sync_time() -> Dist {
    crate::health::log_normal(150, 300)
}

fn yes() -> bool {
    true
}

fn default_icmp_rate() -> Rate {
    Rate::per_second(1.0).expect("1 per second is a rate")
}

fn default_burst_syncs() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn default_icmp_burst() -> NonZeroU32 {
    NonZeroU32::new(6).expect("6 is above 0")
}

impl Default for Proxy {
    fn default() -> Self {
        Self::Cilium {
            algorithm: select::Algorithm::default(),
            service_no_backend_response: NoBackendResponse::default(),
            mode: ReturnPath::default(),
            unready_backend: UnreadyBackend::default(),
            gone_pod_address: GonePodAddress::default(),
            health_check_node_port: true,
            conntrack: None,
            snat: None,
            agent: service_map::Config::default(),
        }
    }
}

/// Whose address is the source of the packets that a pod gets.
///
/// The client's is never among them: the ALB is a proxy, and the client stands in `X-Forwarded-For` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenAtPod {
    /// The load balancer node's.
    LoadBalancerNode,
    /// The address of the node on whose NodePort the connection arrived.
    Node,
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
    /// How backends are chosen, at the start of a run, with what some Services have in place of the cluster's algorithm; only one that
    /// looks at addresses asks for them.
    pub fn selector(
        &self,
        streams: &Streams,
        own: &Arena<ServiceId, Option<select::Kind>>,
        addresses: impl FnOnce() -> Addresses,
    ) -> select::Selector {
        match self {
            Self::Cilium { algorithm, .. } => algorithm.selector(own, addresses),
            Self::KubeProxy { mode, .. } => match mode {
                Mode::Iptables | Mode::Nftables => select::Selector::Random,
                Mode::Ipvs { scheduler } => {
                    let ipvs = select::ipvs::Ipvs::new(*scheduler, *streams, addresses);
                    select::Selector::Ipvs(Box::new(ipvs))
                }
            },
        }
    }

    /// Whether nodes answer on the `healthCheckNodePort` of a Service. kube-proxy always does.
    pub fn has_health_check_node_port(&self) -> bool {
        match self {
            Self::Cilium {
                health_check_node_port,
                ..
            } => *health_check_node_port,
            Self::KubeProxy { .. } => true,
        }
    }

    /// What a new connection meets on a node without an endpoint for it; `elsewhere` says whether other nodes have one.
    ///
    /// Source: Kubernetes `pkg/proxy/iptables/proxier.go`: reject without any endpoint, drop without a local one.
    /// Assumption: ipvs rejects in both cases, as the kernel does for a virtual server without destinations.
    pub fn no_backend_response(&self, elsewhere: bool) -> NoBackendResponse {
        match self {
            Self::Cilium {
                service_no_backend_response,
                ..
            } => *service_no_backend_response,
            Self::KubeProxy { mode, .. } => match mode {
                Mode::Iptables | Mode::Nftables if elsewhere => NoBackendResponse::Drop,
                Mode::Iptables | Mode::Nftables | Mode::Ipvs { .. } => NoBackendResponse::Reject,
            },
        }
    }

    /// What the first packet of a connection meets at the address of a pod that is gone.
    pub fn gone_pod_address(&self) -> GonePodAddress {
        match self {
            Self::Cilium {
                gone_pod_address, ..
            } => *gone_pod_address,
            Self::KubeProxy { .. } => GonePodAddress::Silence,
        }
    }

    /// The limit on refusals, where there is one.
    ///
    /// Source: Cilium `bpf/lib/nodeport.h` writes the ICMP answer itself, without the kernel's limit.
    pub fn icmp_limit(&self) -> Option<icmp::RateLimit> {
        match self {
            Self::Cilium { .. } => None,
            Self::KubeProxy {
                icmp_rate,
                icmp_burst,
                ..
            } => Some(icmp::RateLimit::new(*icmp_rate, icmp_burst.get())),
        }
    }

    /// The slots of the table in which a node looks up the backends of a Service; 0 where it has none. `own` is the Service's own algorithm.
    pub fn table_slots(&self, own: Option<select::Kind>) -> u32 {
        match self {
            Self::Cilium { algorithm, .. } => algorithm.table_slots(own),
            Self::KubeProxy { .. } => 0,
        }
    }

    /// The agent on each node: how long a change of endpoints takes to reach its service map.
    pub fn agent(&self) -> service_map::Config {
        match self {
            Self::Cilium { agent, .. } => agent.clone(),
            Self::KubeProxy { sync_time, .. } => service_map::Config {
                reconcile: sync_time.clone(),
                ..service_map::Config::default()
            },
        }
    }

    /// How each node gathers changes before it writes them.
    pub fn pace(&self) -> service_map::Pace {
        match self {
            Self::Cilium { agent, .. } => service_map::Pace {
                wait: agent.reflector_wait,
                buffer: agent.buffer_size.get(),
                ..service_map::Pace::default()
            },
            Self::KubeProxy {
                mode,
                min_sync_period,
                burst_syncs,
                ..
            } => service_map::Pace {
                pause: min_sync_period.unwrap_or(match mode {
                    Mode::Ipvs { .. } => SimDuration::ZERO,
                    Mode::Iptables | Mode::Nftables => SimDuration::from_secs(1),
                }),
                burst: burst_syncs.get(),
                ..service_map::Pace::default()
            },
        }
    }

    /// The connection tables of these nodes; `None` where the scenario does not ask for them.
    pub fn tracking(&self, nodes: impl Iterator<Item = Machine>) -> Option<Tracking> {
        match self {
            Self::Cilium {
                conntrack, snat, ..
            } => {
                let (asked, config) = (
                    conntrack.is_some() || snat.is_some(),
                    conntrack.unwrap_or_default(),
                );
                asked.then(|| Tracking {
                    rules: config.rules(),
                    capacity: nodes.map(|it| config.capacity(it.memory_gib)).collect(),
                    ports: snat.unwrap_or_default().into(),
                })
            }
            Self::KubeProxy {
                conntrack, snat, ..
            } => {
                let (asked, config) = (
                    conntrack.is_some() || snat.is_some(),
                    conntrack.unwrap_or_default(),
                );
                asked.then(|| Tracking {
                    rules: config.rules(),
                    capacity: nodes.map(|it| config.capacity(it.cores)).collect(),
                    ports: snat.unwrap_or_default().into(),
                })
            }
        }
    }

    /// Whether the answer of a pod on another node goes straight to the load balancer.
    pub fn returns_directly(&self) -> bool {
        match self {
            Self::Cilium { mode, .. } => *mode != ReturnPath::Snat,
            Self::KubeProxy { .. } => false,
        }
    }

    /// Whether open connections to a pod that is no longer ready are led elsewhere.
    pub fn removes_unready(&self) -> bool {
        match self {
            Self::Cilium {
                unready_backend, ..
            } => *unready_backend == UnreadyBackend::Remove,
            Self::KubeProxy { .. } => false,
        }
    }

    /// What keeps session affinity fresh.
    pub fn affinity_refreshed_by(&self) -> RefreshedBy {
        match self {
            Self::Cilium { .. } => RefreshedBy::Request,
            Self::KubeProxy { .. } => RefreshedBy::Connection,
        }
    }

    /// Whose address the pod sees behind a connection over a node.
    ///
    /// Source: Cilium `bpf/lib/nodeport.h`: source NAT for remote backends only. kube-proxy: masquerade of all outside
    /// traffic under `Cluster`, none under `Local`.
    pub fn seen_at_pod(&self, policy: TrafficPolicy, second_hop: bool) -> SeenAtPod {
        let masqueraded = match self {
            Self::Cilium { .. } => second_hop && !self.returns_directly(),
            Self::KubeProxy { .. } => policy == TrafficPolicy::Cluster,
        };
        if masqueraded {
            SeenAtPod::Node
        } else {
            SeenAtPod::LoadBalancerNode
        }
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

    fn kube_proxy(mode: Mode) -> Proxy {
        Proxy::KubeProxy {
            mode,
            min_sync_period: None,
            burst_syncs: default_burst_syncs(),
            sync_time: default_sync_time(),
            icmp_rate: default_icmp_rate(),
            icmp_burst: default_icmp_burst(),
            conntrack: None,
            snat: None,
        }
    }

    #[test]
    fn kube_proxy_drops_without_a_local_endpoint_and_rejects_without_any() {
        for mode in [Mode::Iptables, Mode::Nftables] {
            let proxy = kube_proxy(mode);
            assert_eq!(proxy.no_backend_response(true), NoBackendResponse::Drop);
            assert_eq!(proxy.no_backend_response(false), NoBackendResponse::Reject);
        }
    }

    #[test]
    fn the_pod_sees_a_node_where_source_nat_was_done() {
        use SeenAtPod::{LoadBalancerNode, Node};
        use TrafficPolicy::{Cluster, Local};
        let (cilium, kube_proxy) = (Proxy::default(), kube_proxy(Mode::Iptables));
        let seen = |proxy: Proxy| {
            [(Cluster, true), (Cluster, false), (Local, false)]
                .map(|(policy, second_hop)| proxy.seen_at_pod(policy, second_hop))
        };
        assert_eq!(seen(cilium), [Node, LoadBalancerNode, LoadBalancerNode]);
        assert_eq!(seen(kube_proxy), [Node, Node, LoadBalancerNode]);
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
