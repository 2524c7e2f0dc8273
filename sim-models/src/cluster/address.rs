//! Under which address is a thing reached?
//!
//! Scenarios do not write addresses; they follow from what exists, so that whatever hashes them has
//! something true to hash, and the same in every run of a cluster.
//!
//! | who | range | rule |
//! |---|---|---|
//! | a zone | 10.0.0.0/20, 10.0.16.0/20, ... | subnets of a VPC in the order of the zones, more than one /20 where one is too small |
//! | load balancer nodes, then nodes | the subnet of their zone | in turn, after the four addresses that AWS keeps |
//! | pods with VPC addresses | the subnet of their node's zone | in turn, after the nodes |
//! | pods of an overlay | 10.128.0.0/24, 10.128.1.0/24, ... | one /24 for each node, more where a node holds more than 253 pods |
//! | a node's router on an overlay | the first address of its range | 10.128.0.1, 10.128.1.1, ... |
//! | NodePorts | 30000 to 32767 | in the order of the Services, starting over after the last |
//! | ports of upstream connections | 1024 to 65535 | drawn for each connection |
//!
//! Source: AWS VPC user guide, "Subnet CIDR blocks" (the reserved addresses); Cilium documentation, "Cluster
//! Scope" IPAM (a /24 for each node); Kubernetes, `--service-node-port-range`; AWS, "Security groups for
//! your Application Load Balancer" (ephemeral ports). Assumption: the order, and the ranges inside 10.0.0.0/8.

use std::net::Ipv4Addr;

use super::topology::{Network, Node, Pod};
use crate::id::{Arena, Id, LoadBalancerNodeId, NodeId, PodId, ServiceId, ZoneId};
use crate::request::node_port::SeenAtPod;

/// The port of a pod behind every Service.
///
/// Assumption: scenarios do not name container ports.
pub const POD_PORT: u16 = 80;

/// The addresses of everything in a cluster and of the load balancer before it. No two are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Of the load balancer's nodes.
    pub load_balancer_nodes: Arena<LoadBalancerNodeId, Ipv4Addr>,
    /// Of the worker nodes.
    pub nodes: Arena<NodeId, Ipv4Addr>,
    /// Of the pods.
    pub pods: Arena<PodId, Ipv4Addr>,
    /// Of the nodes' routers on the overlay; empty without one.
    ///
    /// Source: Cilium documentation, "Routing": `cilium_host` holds the router's address.
    pub routers: Arena<NodeId, Ipv4Addr>,
}

/// A range of addresses that is dealt out in blocks, at least one for each owner.
struct Blocks {
    /// First address of the range.
    first: [u8; 4],
    /// Addresses of a block.
    size: u32,
    /// Addresses at the start of a block that are kept.
    kept: u32,
    /// Addresses of a block that are given away.
    given: u32,
}

/// Subnets of the VPC: AWS keeps the first four addresses and the last one.
const SUBNETS: Blocks = Blocks {
    first: [10, 0, 0, 0],
    size: 1 << 12,
    kept: 4,
    given: (1 << 12) - 5,
};

/// Pod ranges of an overlay: the network, the node's router on it and the broadcast address are kept.
const POD_RANGES: Blocks = Blocks {
    first: [10, 128, 0, 0],
    size: 1 << 8,
    kept: 2,
    given: (1 << 8) - 3,
};

impl Addresses {
    /// Addresses of everything, from the zones in which load balancer nodes and nodes stand and the nodes on which pods run.
    pub fn assign(
        load_balancer_nodes: &Arena<LoadBalancerNodeId, ZoneId>,
        nodes: &Arena<NodeId, Node>,
        pods: &Arena<PodId, Pod>,
        network: Network,
    ) -> Self {
        let balancers = load_balancer_nodes.iter().copied();
        let mut owners: Vec<ZoneId> = balancers
            .chain(nodes.iter().map(|node| node.zone))
            .collect();
        let (of_pods, routers) = match network {
            Network::VpcCni | Network::CiliumChained => {
                owners.extend(pods.iter().map(|pod| nodes[pod.node].zone));
                (None, Vec::new())
            }
            Network::Overlay { .. } => {
                let homes: Vec<NodeId> = pods.iter().map(|pod| pod.node).collect();
                let routers = POD_RANGES.firsts(&homes, nodes.len());
                (Some(POD_RANGES.dealt_to(&homes)), routers)
            }
        };
        let mut of_balancers = SUBNETS.dealt_to(&owners);
        let mut of_nodes = of_balancers.split_off(load_balancer_nodes.len());
        let in_subnets = of_nodes.split_off(nodes.len());
        Self {
            load_balancer_nodes: of_balancers.into_iter().collect(),
            nodes: of_nodes.into_iter().collect(),
            pods: of_pods.unwrap_or(in_subnets).into_iter().collect(),
            routers: routers.into_iter().collect(),
        }
    }

    /// The address that a pod sees as the source of a connection that `from` opened over `node`.
    ///
    /// Source: Cilium `bpf/lib/nodeport.h`: source NAT to the router's address where there is a tunnel, else to the node's.
    pub fn seen_at_pod(
        &self,
        seen: SeenAtPod,
        from: LoadBalancerNodeId,
        node: Option<NodeId>,
    ) -> Ipv4Addr {
        match (seen, node) {
            (SeenAtPod::Node, Some(node)) if self.routers.is_empty() => self.nodes[node],
            (SeenAtPod::Node, Some(node)) => self.routers[node],
            (SeenAtPod::LoadBalancerNode, _) | (SeenAtPod::Node, None) => {
                self.load_balancer_nodes[from]
            }
        }
    }
}

impl Blocks {
    /// One address for each entry, out of the blocks of the owner that stands there.
    ///
    /// An owner's blocks follow each other; the first owner's come first.
    fn dealt_to<I: Id>(&self, owners: &[I]) -> Vec<Ipv4Addr> {
        let first_block = self.first_blocks(owners, 0);
        let mut held = vec![0; first_block.len()];
        let deal = |owner: &I| {
            let nth = held[owner.index()];
            held[owner.index()] += 1;
            let block = first_block[owner.index()] + nth / self.given;
            let offset = block * self.size + self.kept + nth % self.given;
            Ipv4Addr::from(u32::from_be_bytes(self.first) + offset)
        };
        owners.iter().map(deal).collect()
    }

    /// The first block of each owner, of at least `count` owners.
    fn first_blocks<I: Id>(&self, owners: &[I], count: usize) -> Vec<u32> {
        let most = owners.iter().map(|it| it.index() + 1).max().unwrap_or(0);
        let mut held = vec![0_u32; most.max(count)];
        for owner in owners {
            held[owner.index()] += 1;
        }
        let mut next_block = 0;
        let first = |count: u32| {
            let first = next_block;
            next_block += count.div_ceil(self.given).max(1);
            first
        };
        held.into_iter().map(first).collect()
    }

    /// The first usable address of each owner's first block, of at least `count` owners.
    fn firsts<I: Id>(&self, owners: &[I], count: usize) -> Vec<Ipv4Addr> {
        let range = u32::from_be_bytes(self.first);
        let first = |block: u32| Ipv4Addr::from(range + block * self.size + 1);
        let blocks = self.first_blocks(owners, count);
        blocks.into_iter().map(first).collect()
    }
}

/// The NodePort of a Service.
pub fn node_port(service: ServiceId) -> u16 {
    /// Kubernetes' default range of NodePorts, and how many there are.
    const FIRST: u16 = 30_000;
    const COUNT: usize = 2_768;
    FIRST + (service.index() % COUNT) as u16
}

/// The port from which a load balancer node opens a connection; `word` is a 32-bit uniform number.
///
/// A port that another open connection holds may be drawn again: of 64,512 ports a node's few hundred leave
/// that rare, and nothing that a run counts hangs on it.
#[inline]
pub fn upstream_port(word: u32) -> u16 {
    FIRST_PORT + ((u64::from(word) * PORTS) >> 32) as u16
}

/// The least number that stands for an upstream port.
pub fn upstream_word(port: u16) -> u32 {
    let nth = u64::from(port.saturating_sub(FIRST_PORT));
    (nth << 32).div_ceil(PORTS) as u32
}

const FIRST_PORT: u16 = 1024;
const PORTS: u64 = 64_512;

#[cfg(test)]
mod tests {
    #[test]
    fn a_port_has_a_word_that_stands_for_it() {
        for port in [1024, 1025, 30_000, 65_535] {
            assert_eq!(super::upstream_port(super::upstream_word(port)), port);
        }
    }

    use std::collections::BTreeSet;

    use super::*;
    use crate::cluster::topology::Tunnel;
    use crate::id::DeploymentId;

    const OVERLAY: Network = Network::Overlay {
        tunnel: Tunnel::Vxlan,
    };

    /// Two zones with a load balancer node each; a node in the second, a node in the first; pods on the second node first.
    fn small(network: Network) -> Addresses {
        cluster(&[1, 0], &[1, 1, 0], network)
    }

    fn cluster(zone_of_node: &[u32], node_of_pod: &[u32], network: Network) -> Addresses {
        let node = |&zone: &u32| Node {
            name: String::new(),
            zone: ZoneId(zone),
        };
        let pod = |&node: &u32| Pod {
            name: String::new(),
            deployment: DeploymentId(0),
            node: NodeId(node),
        };
        Addresses::assign(
            &[ZoneId(0), ZoneId(1)].into_iter().collect(),
            &zone_of_node.iter().map(node).collect(),
            &node_of_pod.iter().map(pod).collect(),
            network,
        )
    }

    fn text<I: Id>(addresses: &Arena<I, Ipv4Addr>) -> Vec<String> {
        addresses.iter().map(Ipv4Addr::to_string).collect()
    }

    #[test]
    fn a_zone_is_a_subnet_that_load_balancer_nodes_nodes_and_pods_share() {
        let addresses = small(Network::VpcCni);
        assert_eq!(
            text(&addresses.load_balancer_nodes),
            ["10.0.0.4", "10.0.16.4"]
        );
        assert_eq!(text(&addresses.nodes), ["10.0.16.5", "10.0.0.5"]);
        assert_eq!(text(&addresses.pods), ["10.0.0.6", "10.0.0.7", "10.0.16.6"]);
    }

    #[test]
    fn an_overlay_has_a_range_for_each_node() {
        let addresses = small(OVERLAY);
        assert_eq!(text(&addresses.nodes), ["10.0.16.5", "10.0.0.5"]);
        assert_eq!(
            text(&addresses.pods),
            ["10.128.1.2", "10.128.1.3", "10.128.0.2"]
        );
    }

    #[test]
    fn a_pod_behind_a_tunnel_sees_the_router_of_the_node_in_between() {
        // The router keeps the first address of its node's range, whether the node has pods or not.
        let overlay = cluster(&[0, 0, 0], &[1], OVERLAY);
        assert_eq!(
            text(&overlay.routers),
            ["10.128.0.1", "10.128.1.1", "10.128.2.1"]
        );
        let seen = |addresses: &Addresses, seen| {
            let address = addresses.seen_at_pod(seen, LoadBalancerNodeId(1), Some(NodeId(2)));
            address.to_string()
        };
        assert_eq!(seen(&overlay, SeenAtPod::Node), "10.128.2.1");
        assert_eq!(seen(&overlay, SeenAtPod::LoadBalancerNode), "10.0.16.4");
        let native = cluster(&[0, 0, 0], &[1], Network::CiliumChained);
        assert_eq!(seen(&native, SeenAtPod::Node), "10.0.0.7");
    }

    #[test]
    fn a_full_range_is_followed_by_another_of_the_same_owner() {
        // 253 pods fill 10.128.0.0/24, so the 254th starts 10.128.1.0/24 and the other node has 10.128.2.0/24.
        let mut node_of_pod = vec![0; 254];
        node_of_pod.push(1);
        let pods = text(&cluster(&[0, 0], &node_of_pod, OVERLAY).pods);
        let ends = [&pods[252], &pods[253], &pods[254]];
        assert_eq!(ends, ["10.128.0.254", "10.128.1.2", "10.128.2.2"]);
    }

    #[test]
    fn no_two_things_share_an_address() {
        // 100 nodes with 100 pods each in two zones: more than 4,091 addresses in a zone.
        let zone_of_node: Vec<u32> = (0..100).map(|node| node % 2).collect();
        let node_of_pod: Vec<u32> = (0..10_000).map(|pod| pod % 100).collect();
        for network in [Network::CiliumChained, OVERLAY] {
            let addresses = cluster(&zone_of_node, &node_of_pod, network);
            let balancers = addresses.load_balancer_nodes.iter();
            let all = balancers
                .chain(addresses.nodes.iter())
                .chain(addresses.pods.iter());
            assert_eq!(all.collect::<BTreeSet<_>>().len(), 2 + 100 + 10_000);
        }
    }

    #[test]
    fn ports_stay_in_their_ranges() {
        assert_eq!([0, u32::MAX].map(upstream_port), [1024, 65_535]);
        assert_eq!(
            [0, 2767, 2768].map(|id| node_port(ServiceId(id))),
            [30_000, 32_767, 30_000]
        );
    }
}
