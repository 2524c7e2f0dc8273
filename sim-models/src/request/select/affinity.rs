//! Session affinity: which backend did this source get last time?
//!
//! `sessionAffinity: ClientIP` keeps a memory on every node, by source address. Behind an ALB the source is the
//! load balancer node, so all users behind one load balancer node and one node share a pod.

use std::collections::BTreeMap;

use sim_core::{SimDuration, SimTime};

use super::Arrival;
use crate::id::{LoadBalancerNodeId, NodeId, PodId, ServiceId};

/// What keeps a memory fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshedBy {
    /// Every packet: Cilium.
    ///
    /// Source: Cilium `bpf/lib/lb.h`, affinity map.
    Request,
    /// The first packet of each connection: kube-proxy.
    ///
    /// Source: iptables-extensions, `recent`; only the first packet of a connection walks the rules.
    Connection,
}

/// The affinity tables of all nodes.
///
/// Each has room for all load balancer nodes of an ALB, so nothing is ever pushed out.
#[derive(Debug)]
pub struct Affinity {
    refreshed_by: RefreshedBy,
    entries: BTreeMap<(NodeId, ServiceId, LoadBalancerNodeId), Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    pod: PodId,
    last: SimTime,
}

impl Affinity {
    /// Nobody has come yet.
    pub fn new(refreshed_by: RefreshedBy) -> Self {
        Self {
            refreshed_by,
            entries: BTreeMap::new(),
        }
    }

    /// The position of the backend that the source got last time, if that is still eligible and not `timeout` ago.
    pub fn recall(&self, arrival: &Arrival<'_>, timeout: SimDuration) -> Option<u32> {
        let entry = self.entries.get(&key(arrival))?;
        if arrival.now.saturating_since(entry.last) >= timeout {
            return None;
        }
        let position = arrival
            .eligible
            .iter()
            .position(|(_, pod)| *pod == entry.pod);
        position.map(|position| position as u32)
    }

    /// The source got a backend.
    pub fn remember(&mut self, arrival: &Arrival<'_>, pod: PodId) {
        let last = arrival.now;
        self.entries.insert(key(arrival), Entry { pod, last });
    }

    /// A request comes on a connection that was open already.
    ///
    /// It may be told when the request sets off, before others arrive that pass the node earlier: time goes forth only.
    pub fn request(
        &mut self,
        now: SimTime,
        node: NodeId,
        service: ServiceId,
        from: LoadBalancerNodeId,
    ) {
        if self.refreshed_by == RefreshedBy::Request
            && let Some(entry) = self.entries.get_mut(&(node, service, from))
        {
            entry.last = entry.last.max(now);
        }
    }
}

fn key(arrival: &Arrival<'_>) -> (NodeId, ServiceId, LoadBalancerNodeId) {
    (arrival.node, arrival.service, arrival.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::service::TrafficPolicy;

    const TIMEOUT: SimDuration = SimDuration::from_secs(10);

    fn arrival(seconds: u64, eligible: &[(NodeId, PodId)]) -> Arrival<'_> {
        Arrival {
            now: SimTime::ZERO + SimDuration::from_secs(seconds),
            node: NodeId(0),
            service: ServiceId(0),
            policy: TrafficPolicy::Cluster,
            version: 0,
            affinity: true,
            eligible,
            from: LoadBalancerNodeId(0),
            word: 0,
        }
    }

    #[test]
    fn a_memory_lasts_for_its_timeout_and_no_longer() {
        let eligible = [(NodeId(0), PodId(3)), (NodeId(1), PodId(5))];
        let mut affinity = Affinity::new(RefreshedBy::Connection);
        assert_eq!(affinity.recall(&arrival(0, &eligible), TIMEOUT), None);
        affinity.remember(&arrival(0, &eligible), PodId(5));
        assert_eq!(affinity.recall(&arrival(9, &eligible), TIMEOUT), Some(1));
        assert_eq!(affinity.recall(&arrival(10, &eligible), TIMEOUT), None);
    }

    #[test]
    fn a_backend_that_is_gone_is_not_recalled() {
        let eligible = [(NodeId(0), PodId(3)), (NodeId(1), PodId(5))];
        let mut affinity = Affinity::new(RefreshedBy::Connection);
        affinity.remember(&arrival(0, &eligible), PodId(5));
        assert_eq!(affinity.recall(&arrival(1, &eligible[..1]), TIMEOUT), None);
    }

    #[test]
    fn a_request_under_way_does_not_end_a_memory() {
        // Told at 8 s that it will pass the node at 9 s; another connection comes at 8.5 s, and one request at 7 s was slow.
        let eligible = [(NodeId(0), PodId(3))];
        let mut affinity = Affinity::new(RefreshedBy::Request);
        affinity.remember(&arrival(0, &eligible), PodId(3));
        for seconds in [9, 7] {
            let now = arrival(seconds, &eligible).now;
            affinity.request(now, NodeId(0), ServiceId(0), LoadBalancerNodeId(0));
        }
        assert_eq!(affinity.recall(&arrival(8, &eligible), TIMEOUT), Some(0));
        assert_eq!(affinity.recall(&arrival(18, &eligible), TIMEOUT), Some(0));
        assert_eq!(affinity.recall(&arrival(19, &eligible), TIMEOUT), None);
    }

    #[test]
    fn requests_on_open_connections_refresh_it_in_cilium_only() {
        let eligible = [(NodeId(0), PodId(3))];
        for (refreshed_by, recalled) in [
            (RefreshedBy::Request, Some(0)),
            (RefreshedBy::Connection, None),
        ] {
            let mut affinity = Affinity::new(refreshed_by);
            affinity.remember(&arrival(0, &eligible), PodId(3));
            let now = arrival(9, &eligible).now;
            affinity.request(now, NodeId(0), ServiceId(0), LoadBalancerNodeId(0));
            assert_eq!(affinity.recall(&arrival(12, &eligible), TIMEOUT), recalled);
        }
    }
}
