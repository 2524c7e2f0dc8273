//! What a request meets at a thing that is not well.

use sim_core::{Agenda, SimTime};

use super::pod::Process;
use crate::cluster::condition::PodCondition;
use crate::cluster::service::TrafficPolicy;
use crate::id::{NodeId, PodId, RequestId, TargetGroupId, UpstreamId};
use crate::observe::Recorder;
use crate::request::icmp::RateLimit;
use crate::request::load_balancer::{IcmpUnreachable, TargetType};
use crate::request::node_port::{GonePodAddress, NoBackendResponse};
use crate::request::pool::Path;
use crate::request::word;
use crate::request::{Asker, Hop, Outcome, Request};
use crate::streams::FAULT_SHARE;
use crate::world::build::World;
use crate::world::event::Event;

/// What the first packet of a connection meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Welcome {
    /// Somebody accepts.
    Accepted,
    /// A reset, or an ICMP unreachable.
    Reset,
    /// Nothing.
    Silence,
}

impl<R: Recorder> World<R> {
    /// What the first packet of a connection to a pod meets; `local` where it comes from the pod's own node.
    pub(super) fn welcome(&self, pod: PodId, local: bool, now: SimTime) -> Welcome {
        let it = &self.health().pods[pod];
        if self.is_cut_off(pod, local) {
            return Welcome::Silence;
        }
        match it.process {
            Process::Gone => match self.proxy.gone_pod_address() {
                GonePodAddress::Silence => Welcome::Silence,
                GonePodAddress::Unreachable => Welcome::Reset,
            },
            Process::Exited { .. } => Welcome::Reset,
            Process::Running { answers_from, .. } if now < answers_from => Welcome::Reset,
            Process::Running { .. } if !it.listening => Welcome::Reset,
            Process::Running { .. } => match it.condition() {
                PodCondition::Refusing => Welcome::Reset,
                PodCondition::Serving
                | PodCondition::Erroring(_)
                | PodCondition::Hanging
                | PodCondition::Slow(_) => Welcome::Accepted,
            },
        }
    }

    /// Whether packets to a pod are lost; those from its own node are as long as the node lives.
    fn is_cut_off(&self, pod: PodId, local: bool) -> bool {
        let node = &self.health().nodes[self.pods[pod].node];
        !node.reachable() && (!local || node.condition().dead)
    }

    /// Whether a request comes from the pod's own node.
    fn is_local(&self, id: RequestId) -> bool {
        matches!(self.requests[id].asker, Asker::Probe(_))
    }

    /// A connection is dialled, or dialled again: to the pod itself, or to the NodePort of a node.
    pub(in crate::world) fn knock(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let request = &self.requests[id];
        let (Some(group), Some(target)) = (request.target_group, request.target) else {
            unreachable!("only requests to a target dial");
        };
        let now = agenda.now();
        let sent = request.at(Hop::Sent).max(now);
        let key = self.health().target(group, self.position(group, target));
        match self.groups[group].target_type {
            TargetType::Ip => {
                let pod = key.pod();
                match self.welcome(pod, false, now) {
                    Welcome::Accepted => {
                        let path = self.path_to_pod(id, group, self.pods[pod].node, pod);
                        self.establish(id, path, sent, agenda);
                    }
                    Welcome::Reset => {
                        let home = self.pods[pod].node;
                        let way = self.to_node(self.requests[id].load_balancer_node, home)
                            + self.links.inside_node();
                        self.fail(id, Outcome::PodRefused, sent + way + way, agenda);
                    }
                    Welcome::Silence => self.dial_again(id, agenda),
                }
            }
            TargetType::Instance => {
                let node = key.node();
                let request = &mut self.requests[id];
                request.node = Some(node);
                let from = request.load_balancer_node;
                let draw = request.draws.unit32(word::FIRST_LEG);
                let leg = self.to_node(from, node);
                agenda.at(sent + self.links.jittered(leg, draw), Event::AtNode(id));
            }
        }
    }

    /// The first packet of a connection reaches a node: its service map of this moment chooses the pod.
    pub(in crate::world) fn knock_at_node(
        &mut self,
        id: RequestId,
        group: TargetGroupId,
        node: NodeId,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        if !self.health().nodes[node].reachable() {
            return self.dial_again(id, agenda);
        }
        let service = self.groups[group].service;
        let sent = self.requests[id].at(Hop::Sent);
        let Some(backend) = self.backend(id, node, service, now) else {
            let load_balancer_node = self.requests[id].load_balancer_node;
            let version = self.believed(service, node, now);
            let all = self
                .health()
                .backends(service, version, node, TrafficPolicy::Cluster);
            let elsewhere = !all.is_empty();
            let is_refused = self.proxy.no_backend_response(elsewhere) == NoBackendResponse::Reject
                && self.icmp_unreachable == IcmpUnreachable::Refuse;
            let sends = |limit: &mut RateLimit| limit.allows(now, node, load_balancer_node);
            if is_refused && self.icmp_limit.as_mut().is_none_or(sends) {
                let back = now + self.to_node(load_balancer_node, node);
                return self.fail(id, Outcome::NodeRefused, back, agenda);
            }
            return self.dial_again(id, agenda);
        };
        let Some(port) = self.track(id, node, service, backend, now) else {
            return self.dial_again(id, agenda);
        };
        let pod = backend.1;
        match self.welcome(pod, false, now) {
            Welcome::Accepted => {
                let path = self.path_over_node(id, group, node, port, backend);
                let dialled = if self.requests[id].attempts == 0 {
                    sent
                } else {
                    now
                };
                self.requests[id].attempts = 0;
                self.establish(id, path, dialled, agenda);
            }
            Welcome::Reset => {
                let path = self.path_over_node(id, group, node, port, backend);
                let back = now + path.second_leg + path.second_leg + path.first_leg;
                self.requests[id].pod = Some(pod);
                self.fail(id, Outcome::PodRefused, back, agenda);
            }
            Welcome::Silence => {
                self.requests[id].pod = Some(pod);
                self.dial_again(id, agenda);
            }
        }
    }

    /// A pod's kernel accepts a connection and its process does not answer the TLS handshake.
    pub(in crate::world) fn never_greets(
        &mut self,
        id: RequestId,
        path: &Path,
        dialled: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) -> bool {
        let hangs = self.health().pods[path.pod].condition() == PodCondition::Hanging;
        if hangs {
            let way = path.first_leg + path.second_leg;
            let end = dialled + way + way + self.tls_handshake_timeout;
            self.requests[id].pod = Some(path.pod);
            self.fail(id, Outcome::HandshakeTimeout, end, agenda);
        }
        hangs
    }

    /// Nobody answered the first packet: it is sent again, until the load balancer gives up.
    fn dial_again(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &mut self.requests[id];
        let first = request.at(Hop::Sent);
        let again = self.syn_retransmits.iter();
        let again = again.map(|&after| first + after).find(|&at| at > now);
        request.attempts = request.attempts.saturating_add(1);
        match again {
            Some(at) if at < first + self.connect_timeout => agenda.at(at, Event::Redial(id)),
            _ => {
                let end = (first + self.connect_timeout).max(now);
                self.fail(id, Outcome::ConnectTimeout, end, agenda);
            }
        }
    }

    /// Whether packets on a connection are lost: some node on its way does not answer.
    fn is_lost_on(&self, connection: UpstreamId) -> bool {
        let upstream = self.pools.get(connection);
        let nodes = &self.health().nodes;
        let lost = |node: NodeId| !nodes[node].reachable();
        upstream.node.is_some_and(lost) || lost(self.pods[upstream.pod].node)
    }

    /// Whether a reused connection carries a request to its pod, where it would arrive `there`.
    ///
    /// A packet of a connection that nodes do not track any more is translated anew. The pod that it goes to, even if it is the same
    /// one, knows no connection from that address and port, and resets it.
    pub(in crate::world) fn carries(
        &mut self,
        id: RequestId,
        connection: UpstreamId,
        there: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) -> bool {
        if self.is_lost_on(connection) {
            self.hold(id, agenda);
            return false;
        }
        let upstream = self.pools.get(connection);
        let (Some(node), true) = (upstream.node, self.is_untracked(connection)) else {
            return true;
        };
        let service = self.groups[upstream.group].service;
        let believed = self.believed(service, node, there);
        let policy = self.services[service].policy;
        let sent = self.requests[id].at(Hop::Sent);
        if self
            .health()
            .backends(service, believed, node, policy)
            .is_empty()
        {
            self.hold(id, agenda);
        } else {
            self.fail(id, Outcome::Forgotten, there + (there - sent), agenda);
        }
        false
    }

    /// Whether the nodes have lost their entries of a connection since it was opened.
    fn is_untracked(&self, connection: UpstreamId) -> bool {
        let upstream = self.pools.get(connection);
        upstream.node.is_some()
            && upstream.opened_at < self.health().pods[upstream.pod].untracked_at
    }

    /// Nobody will answer a request: whoever sent it gives up after a silence of its own length.
    pub(in crate::world) fn hold(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let request = &self.requests[id];
        let patience = match request.asker {
            Asker::Probe(prober) => self.health().probers[prober].timeout,
            Asker::HealthCheck(view) => {
                let health = self.health();
                let group = health.views[view].group;
                health.settings.groups[group].config.health_check.timeout
            }
            Asker::Client => self.response_timeout,
        };
        // Without a limit it waits for ever.
        if let Some(end) = request.at(Hop::Sent).checked_add(patience) {
            self.fail(id, Outcome::ResponseTimeout, end.max(agenda.now()), agenda);
        }
    }

    /// A request has reached a pod: whether the pod's server gets it, and how much work it is there.
    pub(in crate::world) fn admit(
        &mut self,
        id: RequestId,
        pod: PodId,
        agenda: &mut Agenda<'_, Event>,
    ) -> bool {
        let now = agenda.now();
        self.note_work(pod, now);
        if self.is_cut_off(pod, self.is_local(id)) {
            self.hold(id, agenda);
            return false;
        }
        let by_client = self.requests[id].asker == Asker::Client;
        let it = &mut self.health_mut().pods[pod];
        it.asked += u64::from(by_client);
        let answers = match it.process {
            Process::Running { answers_from, .. } => now >= answers_from,
            Process::Exited { .. } | Process::Gone => false,
        };
        if !answers {
            self.reset(id, agenda);
            return false;
        }
        let fresh_since = match it.process {
            Process::Running { answers_from, .. } if answers_from > SimTime::ZERO => {
                Some(answers_from)
            }
            _ => None,
        };
        let condition = it.condition();
        let slow_start = self.deployments[self.pods[pod].deployment].slow_start;
        if let (Some(slow), Some(since)) = (slow_start, fresh_since) {
            let request = &mut self.requests[id];
            request.demand = slow.stretch(request.demand, now - since);
        }
        match condition {
            PodCondition::Serving => {}
            PodCondition::Hanging => {
                self.hold(id, agenda);
                return false;
            }
            PodCondition::Refusing => {
                self.reset(id, agenda);
                return false;
            }
            PodCondition::Erroring(error) => {
                let checked = self.requests[id].asker != Asker::Client;
                if (error.checks || !checked) && self.meets(id, error.share) {
                    let request = &mut self.requests[id];
                    request.outcome = Outcome::PodError(error.status);
                    request.demand = error.delay;
                }
            }
            PodCondition::Slow(slow) => {
                if self.meets(id, slow.share) {
                    let request = &mut self.requests[id];
                    request.demand = slow.stretch(request.demand);
                }
            }
        }
        true
    }

    /// Whether a request is one of the share that a condition meets.
    fn meets(&self, id: RequestId, share: f64) -> bool {
        let request = &self.requests[id];
        self.is_among(share, request.drawer(), request.serial)
    }

    /// Whether something that draws for itself is one of the share that a condition meets.
    pub(super) fn is_among(&self, share: f64, drawer: u64, serial: u64) -> bool {
        let draw = || self.streams.nth(FAULT_SHARE, drawer, serial).unit();
        share >= 1.0 || share > 0.0 && draw().get() < share
    }

    /// The connection of a request is reset: the answer is a RST.
    fn reset(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let back = agenda.now() + self.way_back(id);
        self.fail(id, Outcome::PodReset, back, agenda);
    }

    /// A worker is done: whether the pod is still there, and willing, to send the answer.
    pub(in crate::world) fn can_answer(
        &mut self,
        id: RequestId,
        pod: PodId,
        agenda: &mut Agenda<'_, Event>,
    ) -> bool {
        self.note_work(pod, agenda.now());
        let health = self.health();
        let it = &health.pods[pod];
        let started = self.requests[id].at(Hop::Started);
        let same_process = match it.process {
            Process::Running { since, .. } => started >= since,
            Process::Exited { .. } | Process::Gone => false,
        };
        let reachable = !self.is_cut_off(pod, self.is_local(id));
        let condition = it.condition();
        if same_process {
            match condition {
                PodCondition::Hanging | PodCondition::Refusing => {
                    self.servers[pod].release();
                }
                PodCondition::Serving | PodCondition::Erroring(_) | PodCondition::Slow(_) => {
                    if !reachable {
                        self.servers[pod].release();
                    } else if self.is_answer_lost(id) {
                        self.begin_next(pod, agenda);
                        self.hold(id, agenda);
                        return false;
                    } else {
                        return true;
                    }
                }
            }
        }
        if !reachable || (same_process && condition == PodCondition::Hanging) {
            self.hold(id, agenda);
        } else {
            self.reset(id, agenda);
        }
        false
    }

    /// Whether the nodes have lost the entry by which they would translate the answer back.
    fn is_answer_lost(&self, id: RequestId) -> bool {
        let connection = self.requests[id].connection;
        connection.is_some_and(|connection| self.is_untracked(connection))
    }

    /// A worker is done and begins what waits.
    fn begin_next(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        if let Some(next) = self.servers[pod].release() {
            let request = &mut self.requests[next];
            request.stamp(Hop::Started, agenda.now());
            agenda.after(request.demand, Event::Served(next));
        }
    }

    /// The process in a pod no longer takes part: what waited in its queue is held or reset.
    pub(super) fn empty_queue(&mut self, pod: PodId, dead: bool, agenda: &mut Agenda<'_, Event>) {
        self.note_work(pod, agenda.now());
        let server = &mut self.servers[pod];
        let waiting = if dead {
            server.clear()
        } else {
            server.drop_waiting()
        };
        let hangs = !dead && self.health().pods[pod].condition() == PodCondition::Hanging;
        for id in waiting {
            if hangs || self.is_cut_off(pod, self.is_local(id)) {
                self.hold(id, agenda);
            } else {
                self.reset(id, agenda);
            }
        }
    }

    /// The kernel closes the connections of a process that has died, or closes them itself: requests in work are reset at once.
    ///
    /// The worker's own event finds a request that nobody waits for.
    pub(super) fn reset_work(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        if self.servers[pod].sharing().is_some() {
            // There all requests have left the server already.
            return;
        }
        let in_work = |request: &Request| {
            request.pod == Some(pod)
                && request.asker == Asker::Client
                // A request whose place is free is finished.
                && !request.finished
                && request.at(Hop::Started) > SimTime::ZERO
                && request.at(Hop::Served) == SimTime::ZERO
                && matches!(request.outcome, Outcome::Ok | Outcome::PodError(_))
        };
        let places = self.requests.places().filter(|(_, it)| in_work(it));
        for id in places.map(|(id, _)| id).collect::<Vec<_>>() {
            let left = &mut self.requests[id];
            let request = left.clone();
            left.abandoned = true;
            left.finished = true;
            left.connection = None;
            left.target = None;
            self.abandoned += 1;
            let request = self.requests.insert(request);
            self.move_deadlines(id, request);
            if self.is_cut_off(pod, false) {
                self.hold(request, agenda);
            } else {
                self.reset(request, agenda);
            }
        }
    }

    /// Idle connections to a pod are closed by its end.
    pub(super) fn close_connections(&mut self, pod: PodId, now: SimTime) {
        self.close_idle_where(|upstream| upstream.pod == pod, now);
    }
}
