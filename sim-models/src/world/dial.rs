//! A connection to a target is dialled: where its first packet goes, who chooses the pod behind it, and what nobody answers.

use sim_core::{Agenda, SimDuration, SimTime};

use super::build::World;
use super::event::Event;
use crate::id::{LoadBalancerNodeId, NodeId, PodId, RequestId, ServiceId, TargetGroupId};
use crate::observe::Recorder;
use crate::request::icmp::RateLimit;
use crate::request::load_balancer::{IcmpUnreachable, TargetType};
use crate::request::node_port::NoBackendResponse;
use crate::request::select::Arrival;
use crate::request::{Hop, Outcome, word};

impl<R: Recorder> World<R> {
    /// Opens a connection for a request: to the pod itself, or to the NodePort of a node.
    pub(super) fn dial(
        &mut self,
        id: RequestId,
        group: TargetGroupId,
        position: u32,
        sent: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let request = &mut self.requests[id];
        request.stamp(Hop::Sent, sent);
        if self.health.is_some() {
            return self.knock(id, agenda);
        }
        let load_balancer_node = request.load_balancer_node;
        let service = self.groups[group].service;
        match self.groups[group].target_type {
            TargetType::Ip => {
                let (node, pod) = self.services[service].endpoints.all()[position as usize];
                let path = self.path_to_pod(id, group, node, pod);
                self.establish(id, path, sent, agenda);
            }
            TargetType::Instance => {
                let node = self.groups[group].node(position);
                request.node = Some(node);
                let draw = request.draws.unit32(word::FIRST_LEG);
                let leg = self.to_node(load_balancer_node, node);
                agenda.at(sent + self.links.jittered(leg, draw), Event::AtNode(id));
            }
        }
    }

    /// The first packet of a new connection reaches a node, which chooses the pod behind it.
    pub(super) fn on_connection_at_node(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let id = match self.requests[id].abandoned {
            false => id,
            true => match self.heir(id, agenda) {
                Some(heir) => heir,
                None => return self.bury(id, agenda),
            },
        };
        let request = &self.requests[id];
        let (Some(node), Some(group)) = (request.node, request.target_group) else {
            unreachable!("only requests to instance targets dial a node");
        };
        if self.health.is_some() {
            return self.knock_at_node(id, group, node, agenda);
        }
        match self.backend(id, node, self.groups[group].service, agenda.now()) {
            Some(backend) => {
                let request = &self.requests[id];
                let dialled = request.at(Hop::Sent) + self.syn_offset(request.attempts);
                let service = self.groups[group].service;
                match self.track(id, node, service, backend, agenda.now()) {
                    Some(port) => {
                        let path = self.path_over_node(id, group, node, port, backend);
                        self.establish(id, path, dialled, agenda);
                    }
                    None => self.syn_again(id, agenda),
                }
            }
            None => self.turn_back(id, node, self.groups[group].service, agenda),
        }
    }

    /// The backend that a node chooses for a new connection: by affinity, where the Service has it, else by selection.
    pub(super) fn backend(
        &mut self,
        id: RequestId,
        node: NodeId,
        service_id: ServiceId,
        now: SimTime,
    ) -> Option<(NodeId, PodId)> {
        let remembered = match self.tracking {
            Some(_) => self.remembered(id, node, service_id, now),
            None => None,
        };
        let believed = match self.health {
            Some(_) => self.believed(service_id, node, now),
            None => 0,
        };
        let request = &self.requests[id];
        let service = &self.services[service_id];
        let eligible = match &self.health {
            Some(health) => health.backends(service_id, believed, node, service.policy),
            None => service.endpoints.eligible(node, service.policy),
        };
        // A tracked connection keeps its backend for as long as the map has it.
        if let Some(before) = request.pod.or(remembered)
            && let Some(&kept) = eligible.iter().find(|backend| backend.1 == before)
        {
            return Some(kept);
        }
        let (from, word) = (
            request.load_balancer_node,
            request.draws.word(word::BACKEND),
        );
        self.select(from, node, service_id, (word, believed), now)
    }

    /// The backend that a node chooses for a connection that it does not know.
    pub(super) fn select(
        &mut self,
        from: LoadBalancerNodeId,
        node: NodeId,
        service_id: ServiceId,
        (word, believed): (u32, usize),
        now: SimTime,
    ) -> Option<(NodeId, PodId)> {
        let service = &self.services[service_id];
        let eligible = match &self.health {
            Some(health) => health.backends(service_id, believed, node, service.policy),
            None => service.endpoints.eligible(node, service.policy),
        };
        let arrival = Arrival {
            now,
            node,
            service: service_id,
            policy: service.policy,
            version: believed as u32,
            affinity: service.affinity.is_some(),
            eligible,
            from,
            word,
        };
        let (Some(affinity), Some(timeout)) = (&mut self.affinity, service.affinity) else {
            let position = self.selector.pick(&arrival)?;
            return Some(arrival.eligible[position as usize]);
        };
        let recalled = affinity.recall(&arrival, timeout);
        let position = recalled.or_else(|| self.selector.pick(&arrival))?;
        let backend = arrival.eligible[position as usize];
        affinity.remember(&arrival, backend.1);
        Some(backend)
    }

    /// A node has no backend for a connection: the load balancer hears of it at once, or not at all.
    fn turn_back(
        &mut self,
        id: RequestId,
        node: NodeId,
        service: ServiceId,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let request = &self.requests[id];
        let dialled = request.at(Hop::Sent);
        let syn = dialled + self.syn_offset(request.attempts);
        let elsewhere = !self.services[service].endpoints.all().is_empty();
        let is_refused = self.proxy.no_backend_response(elsewhere) == NoBackendResponse::Reject
            && self.icmp_unreachable == IcmpUnreachable::Refuse;
        let sends = |limit: &mut RateLimit| limit.allows(now, node, request.load_balancer_node);
        if is_refused && self.icmp_limit.as_mut().is_none_or(sends) {
            return self.fail(id, Outcome::NodeRefused, now + (now - syn), agenda);
        }
        if is_refused {
            // The next packet may find the limit on refusals open.
            return self.syn_again(id, agenda);
        }
        let end = (dialled + self.connect_timeout).max(now);
        self.fail(id, Outcome::ConnectTimeout, end, agenda);
    }

    /// Nobody answered the first packet of a connection at a node: it is sent again, until the load balancer gives up.
    fn syn_again(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &self.requests[id];
        let dialled = request.at(Hop::Sent);
        let one_way = now.saturating_since(dialled + self.syn_offset(request.attempts));
        match self.syn_retransmits.get(usize::from(request.attempts)) {
            Some(&again) if again < self.connect_timeout => {
                self.requests[id].attempts += 1;
                agenda.at(dialled + again + one_way, Event::AtNode(id));
            }
            _ => {
                let end = (dialled + self.connect_timeout).max(now);
                self.fail(id, Outcome::ConnectTimeout, end, agenda);
            }
        }
    }

    /// When the SYN of an attempt set off, counted from the first.
    fn syn_offset(&self, attempts: u8) -> SimDuration {
        match usize::from(attempts) {
            0 => SimDuration::ZERO,
            again => self.syn_retransmits[again - 1],
        }
    }
}
