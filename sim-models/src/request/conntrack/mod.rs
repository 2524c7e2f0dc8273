//! Which backend does a node remember for a connection, and for how long?
//!
//! A node chooses a backend once and keeps the choice in a table, by the connection's addresses and ports. Every packet
//! is looked up there first. So a connection has one backend for as long as its entry lives, and nothing else keeps it.
//!
//! The two kinds of table differ where it hurts. Cilium's is a map that forgets the entry used least recently when it is
//! full; an old entry serves until garbage collection finds it. The kernel's, which kube-proxy uses, drops *new*
//! connections when it is full.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::SimDuration;

pub mod table;

pub use table::{Table, Tuple};

/// Cilium's connection tracking map for TCP on each node.
///
/// Where neither this nor `snat` is written, connections are remembered for as long as they are open, and tables never fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cilium {
    /// Life of an entry after a SYN that nobody answered.
    ///
    /// Range: above 0. Default: "60s".
    /// Source: Cilium option `bpf-ct-timeout-regular-tcp-syn`.
    pub syn: SimDuration,

    /// Life of an entry after the last packet of an open connection. An idle connection whose entry has gone gets a new
    /// choice with its next packet; another pod answers that with a reset.
    ///
    /// Range: above 0. Default: "8000s".
    /// Source: Cilium option `bpf-ct-timeout-service-tcp`; 21600 s before 1.15.
    pub tcp_established: SimDuration,

    /// Life of an entry after the connection was closed.
    ///
    /// Range: above 0. Default: "10s".
    /// Source: Cilium option `bpf-ct-timeout-regular-tcp-fin`.
    pub close: SimDuration,

    /// A new connection from the same port gets the backend of the one before, unless that was closed this long ago.
    ///
    /// Range: 0 and up. Default: "60s".
    /// Source: Cilium option `bpf-ct-timeout-service-tcp-grace`.
    pub close_rebalance_grace: SimDuration,

    /// Entries of a node's map. Each connection over a NodePort takes two.
    ///
    /// Range: 1 and up. Default: 0.0025 of the node's memory, which makes 9,500 for each GiB, and 131072 at least.
    /// Source: Cilium Helm value `bpf.mapDynamicSizeRatio`, and its table of map sizes by node memory.
    pub max_tcp: Option<NonZeroU32>,

    /// When a node looks for entries whose life is over. Until then they serve, and hold their source port.
    ///
    /// Default: Adaptive.
    /// Source: Cilium option `conntrack-gc-interval`.
    pub gc_interval: GcInterval,
}

impl Default for Cilium {
    fn default() -> Self {
        Self {
            syn: SimDuration::from_secs(60),
            tcp_established: SimDuration::from_secs(8000),
            close: SimDuration::from_secs(10),
            close_rebalance_grace: SimDuration::from_secs(60),
            max_tcp: None,
            gc_interval: GcInterval::default(),
        }
    }
}

impl Cilium {
    /// The rules of Cilium's map.
    pub fn rules(&self) -> Rules {
        Rules {
            syn: self.syn,
            established: self.tcp_established,
            closed: self.close,
            grace: self.close_rebalance_grace,
            when_full: WhenFull::Evict(self.gc_interval),
        }
    }

    /// Connections that fit into the map of a node with this much memory, where that is known.
    pub fn capacity(&self, memory_gib: Option<u32>) -> u32 {
        let by_memory = memory_gib.map_or(0, |gib| gib.saturating_mul(ENTRIES_PER_GIB));
        let entries = self
            .max_tcp
            .map_or(by_memory.max(LEAST_ENTRIES), |it| it.get());
        (entries / ENTRIES_PER_CONNECTION).max(1)
    }
}

/// Entries of the TCP map for each GiB of a node's memory, and at least.
///
/// Source: Cilium documentation, "eBPF Maps": 285 k at 30 GiB, 569 k at 60 GiB; the floor is 128 Ki.
const ENTRIES_PER_GIB: u32 = 9_500;
const LEAST_ENTRIES: u32 = 131_072;

/// Entries that a connection over a NodePort takes: one towards the Service, one towards the backend.
///
/// Source: Cilium `bpf/lib/nodeport.h`.
const ENTRIES_PER_CONNECTION: u32 = 2;

/// The kernel's connection table on each node, as kube-proxy sets it.
///
/// Where neither this nor `snat` is written, connections are remembered for as long as they are open, and tables never fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubeProxy {
    /// Entries for each core of a node. A full table drops new connections.
    ///
    /// Range: 0 and up. Default: 32768.
    /// Source: kube-proxy `conntrack.maxPerCore`.
    pub max_per_core: u32,

    /// Entries at least.
    ///
    /// Range: 0 and up. Default: 131072.
    /// Source: kube-proxy `conntrack.min`.
    pub min: u32,

    /// Life of an entry after the last packet of an open connection.
    ///
    /// Range: above 0. Default: "24h".
    /// Source: kube-proxy `conntrack.tcpEstablishedTimeout`.
    pub tcp_established: SimDuration,

    /// Life of an entry after the connection was closed.
    ///
    /// Range: above 0. Default: "120s".
    /// Source: Linux `nf_conntrack_tcp_timeout_time_wait`. The load balancer and the pod both close; one that the pod
    /// alone has closed is closed by the load balancer as soon as it hears of it, so CLOSE_WAIT does not last.
    pub time_wait: SimDuration,

    /// Life of an entry after a SYN that nobody answered.
    ///
    /// Range: above 0. Default: "120s".
    /// Source: Linux `nf_conntrack_tcp_timeout_syn_sent`.
    pub syn_sent: SimDuration,
}

impl Default for KubeProxy {
    fn default() -> Self {
        Self {
            max_per_core: 32_768,
            min: 131_072,
            tcp_established: SimDuration::from_secs(86_400),
            time_wait: SimDuration::from_secs(120),
            syn_sent: SimDuration::from_secs(120),
        }
    }
}

impl KubeProxy {
    /// The rules of the kernel's table.
    pub fn rules(&self) -> Rules {
        Rules {
            syn: self.syn_sent,
            established: self.tcp_established,
            closed: self.time_wait,
            // A SYN to a closed connection opens another one, with a choice of its own.
            grace: SimDuration::ZERO,
            when_full: WhenFull::Drop,
        }
    }

    /// Connections that fit into the table of a node with so many cores, where that is known.
    pub fn capacity(&self, cores: Option<u32>) -> u32 {
        let by_cores = cores.map_or(0, |cores| cores.saturating_mul(self.max_per_core));
        by_cores.max(self.min)
    }
}

/// When a node looks for entries whose life is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GcInterval {
    /// First after 5 minutes; then sooner where many entries were found and later where few were, from 10 s to 12 h.
    #[default]
    Adaptive,
    /// At equal intervals.
    Every(SimDuration),
}

/// The rules of a table, whoever keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Life after an unanswered SYN.
    pub syn: SimDuration,
    /// Life after a packet.
    pub established: SimDuration,
    /// Life after the close.
    pub closed: SimDuration,
    /// How long a closed connection's backend is kept for its port.
    pub grace: SimDuration,
    /// What happens at the limit.
    pub when_full: WhenFull,
}

/// What happens when a table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The entry used least recently goes; entries whose life is over go at a garbage collection.
    Evict(GcInterval),
    /// New connections are dropped; entries whose life is over go at once.
    Drop,
}
