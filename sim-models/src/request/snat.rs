//! Is there a source port left for a connection to a pod on another node?
//!
//! A node that translates source addresses gives each connection towards a pod a port of its own. There is one set of
//! ports for each pair of node and pod, so a crowd of nodes never shares it, and one busy node can use it up.

use std::num::NonZeroU8;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::Unit;

/// Cilium's source ports for NodePort connections to pods on other nodes.
///
/// Where neither this nor `conntrack` is written, ports never run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cilium {
    /// First port.
    ///
    /// Range: 1024 and up. Default: 32768, the first after the NodePorts.
    /// Source: Cilium `pkg/datapath/linux/config`, `NODEPORT_PORT_MIN_NAT`.
    pub port_min: u16,

    /// Last port.
    ///
    /// Range: above `port_min`. Default: 65535.
    /// Source: Cilium `pkg/datapath/linux/config`, `NODEPORT_PORT_MAX_NAT`.
    pub port_max: u16,

    /// Ports that are tried before the packet is dropped.
    ///
    /// Range: 1 to 128. Default: 32.
    /// Source: Cilium `bpf/lib/nat.h`; 128 before 1.18 (cilium/cilium#37389).
    pub tries: NonZeroU8,
}

impl Default for Cilium {
    fn default() -> Self {
        Self {
            port_min: 32_768,
            port_max: 65_535,
            tries: NonZeroU8::new(32).expect("32 is above 0"),
        }
    }
}

/// The kernel's source ports for masqueraded connections to pods.
///
/// Where neither this nor `conntrack` is written, ports never run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubeProxy {
    /// First port.
    ///
    /// Range: 1 and up. Default: 1024.
    /// Assumption: the load balancer's own port is kept where it is free, else one from 1024 on is taken.
    pub port_min: u16,

    /// Last port.
    ///
    /// Range: above `port_min`. Default: 65535.
    pub port_max: u16,
}

impl Default for KubeProxy {
    fn default() -> Self {
        Self {
            port_min: 1024,
            port_max: 65_535,
        }
    }
}

/// Tries of the kernel: 128 in a row from a random port, then 64, 32, 16 and 8 from others.
///
/// Source: Linux `net/netfilter/nf_nat_core.c`, `nf_nat_l4proto_unique_tuple`.
const KERNEL_TRIES: u32 = 248;

/// The ports of one node towards one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    count: u32,
    tries: u32,
}

impl From<Cilium> for Ports {
    fn from(config: Cilium) -> Self {
        Self {
            count: count(config.port_min, config.port_max),
            tries: u32::from(config.tries.get()),
        }
    }
}

impl From<KubeProxy> for Ports {
    fn from(config: KubeProxy) -> Self {
        Self {
            count: count(config.port_min, config.port_max),
            tries: KERNEL_TRIES,
        }
    }
}

fn count(first: u16, last: u16) -> u32 {
    u32::from(last.saturating_sub(first)) + 1
}

impl Ports {
    /// Chance that all tries meet a port in use, with so many in use.
    ///
    /// Assumption: tries are independent and even over the ports.
    pub fn chance_of_none(self, used: u32) -> f64 {
        let share = f64::from(used.min(self.count)) / f64::from(self.count);
        libm::pow(share, f64::from(self.tries))
    }

    /// How the search for a port ends, with so many in use.
    pub fn search(self, used: u32, draw: impl FnOnce() -> Unit) -> Search {
        let never = self.chance_of_none(used);
        // After half of the tries.
        let late = libm::sqrt(never);
        if late < 1e-9 {
            return Search::Soon;
        }
        let draw = draw().get();
        if never >= 1.0 || draw < never {
            Search::Never
        } else if draw < late {
            Search::Late
        } else {
            Search::Soon
        }
    }
}

/// How the search for a port ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// With a port, in less than half of the tries.
    Soon,
    /// With a port, after more than half of the tries: the agent is told to collect what is over.
    ///
    /// Source: Cilium `bpf/lib/nat.h`.
    Late,
    /// Without one: the packet is dropped.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chance_of_no_port_is_the_share_in_use_to_the_power_of_tries() {
        let ports = Ports::from(Cilium::default());
        assert_eq!(ports.count, 32_768);
        assert_eq!(ports.chance_of_none(32_768), 1.0);
        assert_eq!(ports.chance_of_none(0), 0.0);
        // 0.9^32 = 0.0343.
        let chance = ports.chance_of_none(29_491);
        assert!((chance - 0.0343).abs() < 0.0001, "{chance}");
    }

    #[test]
    fn the_kernel_tries_long_enough_to_find_nearly_any_port() {
        let ports = Ports::from(KubeProxy::default());
        assert_eq!(ports.count, 64_512);
        // 0.99^248 = 0.083: with 645 of 64,512 ports left, one connection in twelve finds none.
        let chance = ports.chance_of_none(63_867);
        assert!((chance - 0.083).abs() < 0.001, "{chance}");
    }
}
