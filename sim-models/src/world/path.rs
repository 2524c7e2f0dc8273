//! Which way does a connection take, and how long is it?

use sim_core::SimDuration;

use super::build::World;
use crate::id::{LoadBalancerNodeId, NodeId, PodId, RequestId, TargetGroupId, UpstreamId};
use crate::observe::Recorder;
use crate::request::node_port::SeenAtPod;
use crate::request::pool::{Path, Upstream};
use crate::request::word;

impl<R: Recorder> World<R> {
    /// The path to a pod that is a target itself.
    pub(super) fn path_to_pod(
        &self,
        id: RequestId,
        group: TargetGroupId,
        home: NodeId,
        pod: PodId,
    ) -> Path {
        let request = &self.requests[id];
        let from = request.load_balancer_node;
        Path {
            load_balancer_node: from,
            group,
            target: request.target.expect("a dialling request has a target"),
            node: None,
            pod,
            port: 0,
            seen_at_pod: SeenAtPod::LoadBalancerNode,
            second_hop: false,
            cross_zone: self.zone_of_load_balancer_node[from] != self.nodes[home].zone,
            first_leg: self.to_node(from, home),
            second_leg: self.links.inside_node(),
        }
    }

    /// The path over the NodePort of `node` to a pod on `home`.
    pub(super) fn path_over_node(
        &self,
        id: RequestId,
        group: TargetGroupId,
        node: NodeId,
        port: u16,
        (home, pod): (NodeId, PodId),
    ) -> Path {
        let request = &self.requests[id];
        let from = request.load_balancer_node;
        let zone = self.nodes[node].zone;
        let second_hop = node != home;
        let policy = self.services[self.groups[group].service].policy;
        let hop = if second_hop {
            self.links.between_zones(zone, self.nodes[home].zone)
                + self.encapsulation
                + self.links.lookup
        } else {
            SimDuration::ZERO
        };
        Path {
            load_balancer_node: from,
            group,
            target: request.target.expect("a dialling request has a target"),
            node: Some(node),
            pod,
            port,
            seen_at_pod: self.proxy.seen_at_pod(policy, second_hop),
            second_hop,
            cross_zone: self.zone_of_load_balancer_node[from] != zone
                || self.nodes[home].zone != zone,
            first_leg: self.to_node(from, node) + self.links.lookup,
            second_leg: hop + self.links.inside_node(),
        }
    }

    /// One way from a load balancer node to a node's interface.
    pub(super) fn to_node(&self, from: LoadBalancerNodeId, to: NodeId) -> SimDuration {
        self.links
            .between_zones(self.zone_of_load_balancer_node[from], self.nodes[to].zone)
    }

    /// One way from the load balancer node to the pod, with this request's jitter.
    #[inline(always)]
    pub(super) fn one_way(&self, id: RequestId, connection: UpstreamId) -> SimDuration {
        let upstream = self.pools.get(connection);
        let draws = &self.requests[id].draws;
        let first = self
            .links
            .jittered(upstream.first_leg, draws.unit32(word::FIRST_LEG));
        first
            + self
                .links
                .jittered(upstream.second_leg, draws.unit32(word::SECOND_LEG))
    }

    /// One way from the pod to the load balancer node, without jitter: as it came, or straight from the pod's node.
    #[inline(always)]
    pub(super) fn legs_back(&self, upstream: &Upstream) -> SimDuration {
        if self.returns_directly && upstream.second_hop {
            return self.straight_back(upstream);
        }
        upstream.first_leg + upstream.second_leg
    }

    #[cold]
    fn straight_back(&self, upstream: &Upstream) -> SimDuration {
        let home = self.pods[upstream.pod].node;
        self.to_node(upstream.load_balancer_node, home)
            + self.links.lookup
            + self.links.inside_node()
    }

    /// One way from the pod to the load balancer node, with this request's jitter.
    #[inline(always)]
    pub(super) fn way_back(&self, id: RequestId) -> SimDuration {
        let request = &self.requests[id];
        let Some(connection) = request.connection else {
            // A probe comes from the pod's own node, on a connection of its own.
            return self.links.inside_node();
        };
        self.jittered_back(id, connection)
    }

    /// One way from the pod to the load balancer node on a connection, with this request's jitter.
    #[inline(always)]
    pub(super) fn jittered_back(&self, id: RequestId, connection: UpstreamId) -> SimDuration {
        let legs = self.legs_back(self.pools.get(connection));
        let draw = self.requests[id].draws.unit32(word::WAY_BACK);
        self.links.jittered(legs, draw)
    }
}
