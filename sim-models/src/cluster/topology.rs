//! How long does a message take from one place to another?
//!
//! Distance has three classes: inside a node, between nodes of one zone, between zones. That is all
//! that a cluster of thousands of nodes needs: the delay of a pair is computed from the two zones, not
//! looked up in a matrix of all pairs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, Unit};

use crate::id::{NodeId, ZoneId};

/// The network between zones, nodes and pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// Round trip inside a node, from the node's interface to a pod and back.
    ///
    /// Range: 0 and up. Default: "20us".
    /// Source: 14 us for a whole request over veth, measured on one Linux kernel (E5 of the recordings).
    pub same_node_rtt: SimDuration,

    /// Round trip between two nodes of one zone; also between a load balancer node and a node of its zone.
    ///
    /// Range: 0 and up; plausible 0.1 to 0.6 ms. Default: "200us".
    /// Assumption: below the smallest published values between zones.
    pub same_zone_rtt: SimDuration,

    /// Round trip between nodes of two zones.
    ///
    /// Range: 0 and up; plausible 0.25 to 3.4 ms. Default: "800us".
    /// Source: means of 0.82 to 0.83 ms measured between zones of eu-west-1 (L. Liesis, 2022).
    pub cross_zone_rtt: SimDuration,

    /// Spread of a one-way delay, as a share of it: a delay d is uniform in [d (1 - jitter), d (1 + jitter)].
    ///
    /// Range: 0 to 1. Default: 0.1.
    /// Assumption: no source; a small spread keeps simultaneous messages from staying simultaneous.
    pub jitter: f64,

    /// Work of encapsulating and decapsulating one packet of an overlay, one way.
    ///
    /// Range: 0 and up; plausible 5 to 30 us. Default: "10us".
    /// Assumption: above the 5.1 us of CPU path that the recordings show for VXLAN with SNAT (E5).
    pub encapsulation: SimDuration,

    /// Work of the service map, connection table and address translation, per packet on each node it passes.
    ///
    /// Range: 0 and up; plausible 0.5 to 10 us. Default: "2us".
    /// Assumption: above the 0.2 to 0.3 us of CPU path that the recordings show (E5).
    pub lookup: SimDuration,

    /// Share of packets that are lost on each link between two machines.
    ///
    /// Range: 0 to 1, not included; plausible 0 to 0.05. Default: 0.
    pub loss: f64,

    /// Time after which TCP sends a lost segment again, doubling with each repeat.
    ///
    /// Range: above 0. Default: "200ms".
    /// Source: Linux, `TCP_RTO_MIN`.
    pub min_rto: SimDuration,

    /// Largest packet of a node's interface.
    ///
    /// Unit: bytes. Range: 576 to 9216. Default: 9001.
    /// Source: AWS EC2 user guide, "Network maximum transmission unit (MTU)": jumbo frames inside a VPC.
    pub mtu: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            same_node_rtt: SimDuration::from_micros(20),
            same_zone_rtt: SimDuration::from_micros(200),
            cross_zone_rtt: SimDuration::from_micros(800),
            jitter: 0.1,
            encapsulation: SimDuration::from_micros(10),
            lookup: SimDuration::from_micros(2),
            loss: 0.0,
            min_rto: SimDuration::from_millis(200),
            mtu: 9001,
        }
    }
}

/// Where pod addresses live, and so who can reach them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Network {
    /// Pods have addresses of the VPC (Amazon VPC CNI). An ALB reaches them directly.
    #[default]
    VpcCni,
    /// Cilium chained on the VPC CNI: VPC addresses for pods, Cilium's data plane on the nodes.
    CiliumChained,
    /// Pods live in an overlay between the nodes: nothing outside the cluster reaches them, so `ip` targets are impossible.
    Overlay {
        /// How packets travel between nodes.
        ///
        /// Default: Vxlan.
        /// Source: Cilium documentation, "Routing": tunnel mode with VXLAN is the default.
        #[serde(default)]
        tunnel: Tunnel,
    },
}

/// The encapsulation of an overlay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Tunnel {
    /// VXLAN on UDP port 8472.
    #[default]
    Vxlan,
    /// Geneve on UDP port 6081.
    Geneve,
}

/// A worker node as the data plane sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Name, unique in the cluster.
    pub name: String,
    /// The zone it stands in.
    pub zone: ZoneId,
}

/// A pod as the data plane sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Name, unique in the cluster.
    pub name: String,
    /// The Deployment it belongs to.
    pub deployment: crate::id::DeploymentId,
    /// The node it runs on.
    pub node: NodeId,
}

impl Links {
    /// One-way delay between two interfaces in the network, without jitter.
    pub fn between_zones(&self, from: ZoneId, to: ZoneId) -> SimDuration {
        let rtt = if from == to {
            self.same_zone_rtt
        } else {
            self.cross_zone_rtt
        };
        rtt / 2
    }

    /// One-way delay between a node's interface and a pod on it, without jitter.
    pub fn inside_node(&self) -> SimDuration {
        self.same_node_rtt / 2
    }

    /// A delay with the link's jitter: `draw` 0.5 is the delay itself.
    #[inline]
    pub fn jittered(&self, delay: SimDuration, draw: Unit) -> SimDuration {
        if self.jitter == 0.0 {
            return delay;
        }
        let factor = 1.0 + self.jitter * (2.0 * draw.get() - 1.0);
        SimDuration::from_nanos((delay.as_nanos() as f64 * factor) as u64)
    }
}
