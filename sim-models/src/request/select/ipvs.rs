//! ipvs: a balancer in the kernel of each node, with a memory of its own.
//!
//! Each node keeps a list of a Service's endpoints and a scheduler that walks over it. Nodes share neither the
//! order of the list nor what the scheduler remembers, so "in turn" holds on each node and not in the cluster.

use std::collections::{BTreeMap, VecDeque};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime, Streams};

use super::Arrival;
use crate::cluster::address::Addresses;
use crate::id::{NodeId, PodId, ServiceId};
use crate::streams::IPVS_LIST;

/// How ipvs chooses: `ipvs.scheduler` of kube-proxy.
///
/// Source: Kubernetes, "Virtual IPs and Service Proxies", ipvs proxy mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheduler {
    /// Round robin: in turn, connection by connection.
    #[default]
    Rr,
    /// Least connection: where the fewest connections are open; one that closed in the last two minutes counts 1/256.
    Lc,
    /// Source hashing: the same endpoint for the same source address.
    Sh,
}

/// How long a closed connection stays in the table of ipvs.
///
/// Source: Linux `net/netfilter/ipvs/ip_vs_proto_tcp.c`, `tcp_timeouts`: FIN_WAIT and TIME_WAIT 2 min.
const INACTIVE: SimDuration = SimDuration::from_secs(120);

/// An open connection weighs as much as so many closed ones.
///
/// Source: Linux `net/netfilter/ipvs/ip_vs_lc.c` and `ip_vs.h`, `ip_vs_dest_conn_overhead`.
const ACTIVE_WEIGHT: u64 = 256;

/// The ipvs of all nodes.
#[derive(Debug)]
pub struct Ipvs {
    scheduler: Scheduler,
    streams: Streams,
    /// Addresses of the load balancer nodes, for [`Scheduler::Sh`].
    addresses: Option<Addresses>,
    /// What each node remembers of a Service that it was asked for.
    memories: BTreeMap<(NodeId, ServiceId), Memory>,
    /// Closed connections in the order in which they leave the table.
    closed: VecDeque<(SimTime, NodeId, ServiceId, PodId)>,
}

/// What one node remembers of one Service.
#[derive(Debug)]
struct Memory {
    /// Where the node's list begins.
    ///
    /// Assumption: kube-proxy adds endpoints in no order, so each node has its own; a drawn first entry stands for that.
    first: u32,
    /// The endpoint served last.
    last: Option<(NodeId, PodId)>,
    connections: BTreeMap<PodId, Connections>,
}

/// Connections of one node to one endpoint.
#[derive(Clone, Copy, Debug, Default)]
struct Connections {
    active: u64,
    inactive: u64,
}

impl Ipvs {
    /// Nobody has connected yet. Only [`Scheduler::Sh`] asks for addresses.
    pub fn new(
        scheduler: Scheduler,
        streams: Streams,
        addresses: impl FnOnce() -> Addresses,
    ) -> Self {
        Self {
            scheduler,
            streams,
            addresses: (scheduler == Scheduler::Sh).then(addresses),
            memories: BTreeMap::new(),
            closed: VecDeque::new(),
        }
    }

    /// The position of the chosen endpoint among the eligible ones; `None` exactly when there are none.
    pub fn pick(&mut self, arrival: &Arrival<'_>) -> Option<u32> {
        let count = arrival.eligible.len() as u32;
        if count == 0 {
            return None;
        }
        self.forget(arrival.now);
        let Self {
            scheduler,
            streams,
            addresses,
            memories,
            ..
        } = self;
        let memory = memories
            .entry((arrival.node, arrival.service))
            .or_insert_with(|| Memory::new(streams, arrival));
        let position = match scheduler {
            Scheduler::Rr => memory.next(arrival.eligible),
            Scheduler::Lc => memory.least(arrival.eligible),
            Scheduler::Sh => {
                let addresses = addresses.as_ref().expect("source hashing has addresses");
                let source = u32::from(addresses.load_balancer_nodes[arrival.from]);
                memory.nth(u32::from(slot(source)), count)
            }
        };
        memory.last = Some(arrival.eligible[position as usize]);
        Some(position)
    }

    /// A connection over a node to an endpoint is open, by the scheduler's choice or by affinity.
    pub fn opened(&mut self, node: NodeId, service: ServiceId, pod: PodId) {
        if self.scheduler == Scheduler::Lc
            && let Some(memory) = self.memories.get_mut(&(node, service))
        {
            memory.connections.entry(pod).or_default().active += 1;
        }
    }

    /// A connection over a node to an endpoint is closed.
    pub fn closed(&mut self, node: NodeId, service: ServiceId, pod: PodId, now: SimTime) {
        if self.scheduler != Scheduler::Lc {
            return;
        }
        let memory = self.memories.get_mut(&(node, service));
        if let Some(connections) = memory.and_then(|memory| memory.connections.get_mut(&pod)) {
            connections.active -= 1;
            connections.inactive += 1;
            self.closed.push_back((now + INACTIVE, node, service, pod));
        }
    }

    /// Drops closed connections whose time in the table is over.
    fn forget(&mut self, now: SimTime) {
        while let Some(&(until, node, service, pod)) = self.closed.front()
            && until <= now
        {
            self.closed.pop_front();
            let memory = self.memories.get_mut(&(node, service));
            if let Some(connections) = memory.and_then(|memory| memory.connections.get_mut(&pod)) {
                connections.inactive -= 1;
            }
        }
    }
}

impl Memory {
    fn new(streams: &Streams, arrival: &Arrival<'_>) -> Self {
        let (node, service) = (u64::from(arrival.node.0), u64::from(arrival.service.0));
        let mut stream = streams.nth(IPVS_LIST, node, service);
        Self {
            first: stream.below(arrival.eligible.len() as u32),
            last: None,
            connections: BTreeMap::new(),
        }
    }

    /// The position of the n-th entry of the node's list, which goes round.
    fn nth(&self, n: u32, count: u32) -> u32 {
        ((u64::from(self.first) + u64::from(n)) % u64::from(count)) as u32
    }

    /// The one after the endpoint served last, also where that is gone.
    fn next(&self, eligible: &[(NodeId, PodId)]) -> u32 {
        let count = eligible.len() as u32;
        match self.last {
            None => self.nth(0, count),
            Some(last) => {
                let next = eligible.partition_point(|endpoint| *endpoint <= last) as u32;
                if next == count { 0 } else { next }
            }
        }
    }

    /// The first of the list with the least overhead.
    fn least(&self, eligible: &[(NodeId, PodId)]) -> u32 {
        let count = eligible.len() as u32;
        let overhead = |position: u32| {
            let pod = eligible[position as usize].1;
            let Connections { active, inactive } =
                self.connections.get(&pod).copied().unwrap_or_default();
            ACTIVE_WEIGHT * active + inactive
        };
        (0..count)
            .map(|n| self.nth(n, count))
            .min_by_key(|&position| overhead(position))
            .expect("there are endpoints")
    }
}

/// The slot of the source hash table, which endpoints fill in the order of the list.
///
/// Source: Linux `net/netfilter/ipvs/ip_vs_sh.c`, `ip_vs_sh_hashkey`, without the source port; `include/linux/hash.h`.
fn slot(source: u32) -> u8 {
    const GOLDEN_RATIO_32: u32 = 0x61C8_8647;
    (source.wrapping_mul(GOLDEN_RATIO_32) >> 24) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::service::TrafficPolicy;
    use crate::cluster::topology::{Network, Node, Pod};
    use crate::id::{DeploymentId, LoadBalancerNodeId, ZoneId};

    fn ipvs(scheduler: Scheduler) -> Ipvs {
        let addresses = || {
            let node = Node {
                name: String::new(),
                zone: ZoneId(0),
            };
            let pod = Pod {
                name: String::new(),
                deployment: DeploymentId(0),
                node: NodeId(0),
            };
            let balancers = (0..20).map(|_| ZoneId(0)).collect();
            let (nodes, pods) = ([node].into_iter().collect(), [pod].into_iter().collect());
            Addresses::assign(&balancers, &nodes, &pods, Network::VpcCni)
        };
        Ipvs::new(scheduler, Streams::new(7, 0), addresses)
    }

    fn endpoints(count: u32) -> Vec<(NodeId, PodId)> {
        (0..count).map(|n| (NodeId(n), PodId(n))).collect()
    }

    fn arrival(node: u32, from: u32, eligible: &[(NodeId, PodId)], seconds: u64) -> Arrival<'_> {
        Arrival {
            now: SimTime::ZERO + SimDuration::from_secs(seconds),
            node: NodeId(node),
            service: ServiceId(0),
            policy: TrafficPolicy::Cluster,
            version: 0,
            affinity: false,
            eligible,
            from: LoadBalancerNodeId(from),
            word: 0,
        }
    }

    /// Picks an endpoint and opens a connection to it.
    fn open(ipvs: &mut Ipvs, arrival: &Arrival<'_>) -> u32 {
        let position = ipvs.pick(arrival).expect("there are endpoints");
        let (_, pod) = arrival.eligible[position as usize];
        ipvs.opened(arrival.node, arrival.service, pod);
        position
    }

    #[test]
    fn rr_goes_round_on_each_node_for_itself() {
        let eligible = endpoints(4);
        let mut ipvs = ipvs(Scheduler::Rr);
        let mut picks = |node| {
            (0..8)
                .filter_map(|_| ipvs.pick(&arrival(node, 0, &eligible, 0)))
                .collect::<Vec<u32>>()
        };
        for node in 0..3 {
            let picks = picks(node);
            for (n, pick) in picks.iter().enumerate() {
                assert_eq!(*pick, (picks[0] + n as u32) % 4);
            }
        }
    }

    #[test]
    fn rr_goes_on_behind_an_endpoint_that_went_away() {
        let mut ipvs = ipvs(Scheduler::Rr);
        let all = endpoints(4);
        while ipvs.pick(&arrival(0, 0, &all, 0)) != Some(1) {}
        // Pods 0, 2 and 3 remain: after pod 1 comes pod 2, at position 1.
        let rest = [all[0], all[2], all[3]];
        assert_eq!(ipvs.pick(&arrival(0, 0, &rest, 0)), Some(1));
    }

    #[test]
    fn lc_prefers_who_has_fewest_open_and_then_who_closed_fewest() {
        let eligible = endpoints(3);
        let mut ipvs = ipvs(Scheduler::Lc);
        let first: Vec<u32> = (0..3)
            .map(|_| open(&mut ipvs, &arrival(0, 0, &eligible, 0)))
            .collect();
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2], "one connection each");
        // The last two close: the middle one comes earlier in the list, so it is next; then the last one, at an
        // overhead of 1 against 257 and 256.
        for &pod in &first[1..] {
            ipvs.closed(NodeId(0), ServiceId(0), PodId(pod), SimTime::ZERO);
        }
        for expected in [first[1], first[2]] {
            assert_eq!(open(&mut ipvs, &arrival(0, 0, &eligible, 1)), expected);
        }
    }

    #[test]
    fn lc_forgets_closed_connections_after_two_minutes() {
        let eligible = endpoints(2);
        let mut ipvs = ipvs(Scheduler::Lc);
        let first = open(&mut ipvs, &arrival(0, 0, &eligible, 0));
        let pod = PodId(first);
        ipvs.closed(NodeId(0), ServiceId(0), pod, SimTime::ZERO);
        // Until 120 s the closed connection counts against the first of the list; from then on nothing does.
        let next = open(&mut ipvs, &arrival(0, 0, &eligible, 119));
        assert_ne!(next, first);
        let now = SimTime::ZERO + SimDuration::from_secs(119);
        ipvs.closed(NodeId(0), ServiceId(0), PodId(next), now);
        assert_eq!(ipvs.pick(&arrival(0, 0, &eligible, 120)), Some(first));
    }

    #[test]
    fn sh_gives_a_source_the_same_endpoint_and_sources_different_ones() {
        let eligible = endpoints(10);
        let mut ipvs = ipvs(Scheduler::Sh);
        let mut pick = |from| ipvs.pick(&arrival(0, from, &eligible, 0));
        let picks: Vec<Option<u32>> = (0..20).map(&mut pick).collect();
        assert_eq!(picks, (0..20).map(&mut pick).collect::<Vec<_>>());
        assert!(picks.iter().any(|one| *one != picks[0]));
    }

    #[test]
    fn the_slot_is_the_kernels() {
        // 10.0.0.4 is 0x0a000004. Modulo 2^32, 0x61c88647 x 4 = 0x8722191c and 0x61c88647 x 0x0a000000 =
        // (0x47 x 0x0a mod 0x100) << 24 = 0xc6000000; the sum is 0x4d22191c, whose upper byte is 0x4d.
        assert_eq!(slot(0x0a00_0004), 0x4d);
    }
}
