//! Does a refusal reach whoever dialled?
//!
//! A node without a backend may answer a SYN with an ICMP port unreachable. Cilium writes that answer itself;
//! kube-proxy leaves it to the kernel, which sends few of them to one peer: under load nearly all refusals are silence.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use crate::id::{LoadBalancerNodeId, NodeId};
use crate::quantity::Rate;

/// The kernel's limit on ICMP errors that a node sends to one peer.
///
/// Source: Linux `net/ipv4/route.c` and `inetpeer.c`, `inet_peer_xrlim_allow`; `icmp_ratelimit`.
#[derive(Debug)]
pub struct RateLimit {
    /// Time that earns one message.
    interval: SimDuration,
    /// Most messages that silence saves up.
    burst: u32,
    peers: BTreeMap<(NodeId, LoadBalancerNodeId), Saved>,
}

/// Time saved up by a pair of node and peer.
#[derive(Clone, Copy, Debug)]
struct Saved {
    time: SimDuration,
    at: SimTime,
}

impl RateLimit {
    /// A limit that nobody has used up yet.
    pub fn new(rate: Rate, burst: u32) -> Self {
        Self {
            interval: SimDuration::from_secs_f64(1.0 / rate.as_per_second()),
            burst,
            peers: BTreeMap::new(),
        }
    }

    /// Whether the node may send one more message to a peer now; if so, it does.
    pub fn allows(&mut self, now: SimTime, node: NodeId, peer: LoadBalancerNodeId) -> bool {
        let most = self.interval * u64::from(self.burst);
        let full = Saved {
            time: most,
            at: now,
        };
        let saved = self.peers.entry((node, peer)).or_insert(full);
        saved.time = (saved.time + (now - saved.at)).min(most);
        saved.at = now;
        let allowed = saved.time >= self.interval;
        if allowed {
            saved.time -= self.interval;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_message_for_each_interval() {
        let rate = Rate::per_second(1.0).expect("above 0");
        let mut limit = RateLimit::new(rate, 6);
        let mut allows = |millis| {
            let now = SimTime::ZERO + SimDuration::from_millis(millis);
            limit.allows(now, NodeId(0), LoadBalancerNodeId(0))
        };
        assert_eq!((0..10).filter(|_| allows(0)).count(), 6);
        // Then one per second: in the 5 s from 1 ms on, at 1 s, 2 s, 3 s, 4 s and 5 s.
        assert_eq!((1..=5000).filter(|&millis| allows(millis)).count(), 5);
    }

    #[test]
    fn peers_and_nodes_do_not_share_it() {
        let rate = Rate::per_second(1.0).expect("above 0");
        let mut limit = RateLimit::new(rate, 1);
        let mut allows =
            |node, peer| limit.allows(SimTime::ZERO, NodeId(node), LoadBalancerNodeId(peer));
        assert!(allows(0, 0) && allows(1, 0) && allows(0, 1));
        assert!(!allows(0, 0));
    }
}
