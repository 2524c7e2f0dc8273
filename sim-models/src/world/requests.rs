//! The journey of a request, hop by hop: read a view, ask the stage, write what changed, plan what follows.

use sim_core::{Agenda, SimDuration, SimTime};

use super::build::World;
use super::event::Event;
use crate::id::{
    Id, LoadBalancerNodeId, NodeId, PodId, RequestId, ServiceId, TargetGroupId, TargetId,
    UpstreamId,
};
use crate::observe::{Observation, Recorder};
use crate::request::balance::View;
use crate::request::icmp::RateLimit;
use crate::request::load_balancer::{IcmpUnreachable, TargetType};
use crate::request::node_port::{NoBackendResponse, SeenAtPod};
use crate::request::pool::{Path, PoolScope, UpstreamState};
use crate::request::select::Arrival;
use crate::request::server::{Reception, WhenFull};
use crate::request::{Asker, Hop, Outcome, Request, word};

/// When a SYN that nobody answered is sent again, counted from the first.
///
/// Source: RFC 6298: initial time-out 1 s, doubling.
const SYN_RETRANSMITS: [SimDuration; 3] = [
    SimDuration::from_secs(1),
    SimDuration::from_secs(3),
    SimDuration::from_secs(7),
];

/// When the SYN of an attempt set off, counted from the first.
fn syn_offset(attempts: u8) -> SimDuration {
    match attempts {
        0 => SimDuration::ZERO,
        again => SYN_RETRANSMITS[usize::from(again) - 1],
    }
}

impl<R: Recorder> World<R> {
    /// A request reaches its load balancer node: which target, and on which connection?
    pub(super) fn on_request_at_load_balancer(
        &mut self,
        id: RequestId,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let request = &mut self.requests[id];
        if request.abandoned {
            return self.bury(id, now);
        }
        request.stamp(Hop::LoadBalancer, now);
        let (node, draws) = (request.load_balancer_node, request.draws);
        let Some(group_id) = request.target_group else {
            return self.fail(id, Outcome::NoRule, now, agenda);
        };
        let group = &self.groups[group_id];
        let cursor = node.index() * self.groups.len() + group_id.index();
        let outstanding = &mut self.outstanding[group_id];
        let view = View {
            count: group.targets,
            outstanding: outstanding.seen_by(node),
            tie: group.tie,
            word: draws.word(word::TARGET),
        };
        let cursor = &mut self.cursors[cursor];
        let eligible = self.health.as_ref().map(|it| it.eligible(group_id, node));
        let in_sight = group.in_sight.as_ref().map(|it| &it[node.index()]);
        let may_choose = |position: u32| {
            let among = |list: &[u32]| list.binary_search(&position).is_ok();
            eligible.is_none_or(among)
        };
        let mut choose = || match (in_sight, eligible) {
            (None, None) => group.algorithm.pick(cursor, view),
            (Some(positions), None) => group.algorithm.pick_among(cursor, view, positions),
            (None, Some(positions)) => group.algorithm.pick_among(cursor, view, positions),
            (Some(near), Some(_)) => {
                let both = near.iter().copied().filter(|&it| may_choose(it));
                let both: Vec<u32> = both.collect();
                group.algorithm.pick_among(cursor, view, &both)
            }
        };
        let picked = match group.stickiness {
            None => choose(),
            Some(_) => {
                let jar = self.populations[request.population].jar(request);
                jar.and_then(|jar| jar.target(group_id, now))
                    .filter(|&position| may_choose(position))
                    .or_else(choose)
            }
        };
        let Some(position) = picked else {
            return self.fail(id, Outcome::NoTarget, now, agenda);
        };
        outstanding.begin(node, position);
        let target = TargetId(group.first_target + position);
        request.target = Some(target);
        let sent = now + self.proxy_latency.sample(draws.unit32(word::PROXY));
        let pooled = self.pools.take(
            node,
            target,
            group.upstream.pool_pick,
            draws.word(word::POOL),
        );
        match pooled {
            Some(connection) => self.send(id, connection, sent, agenda),
            None => self.dial(id, group_id, position, sent, agenda),
        }
    }

    /// Writes a request to a pooled connection.
    fn send(
        &mut self,
        id: RequestId,
        connection: UpstreamId,
        sent: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let there = sent + self.one_way(id, connection);
        let request = &mut self.requests[id];
        let upstream = self.pools.get_mut(connection);
        upstream.requests += 1;
        request.stamp(Hop::Sent, sent);
        request.connection = Some(connection);
        request.node = upstream.node;
        request.pod = Some(upstream.pod);
        request.reused = true;
        request.seen_at_pod = upstream.seen_at_pod;
        request.second_hop = upstream.second_hop;
        request.cross_zone = upstream.cross_zone;
        if there >= upstream.server_closes_at {
            // The server closed while the request was on its way: its host answers with a reset.
            let back = there + (there - sent);
            return self.fail(id, Outcome::StaleConnection, back, agenda);
        }
        if self.health.is_some() && self.is_lost_on(connection) {
            return self.hold(id, agenda);
        }
        let upstream = self.pools.get(connection);
        if let (Some(affinity), Some(node)) = (&mut self.affinity, upstream.node) {
            let service = self.groups[upstream.group].service;
            affinity.request(sent, node, service, upstream.load_balancer_node);
        }
        agenda.at(there, Event::AtServer(id));
    }

    /// Opens a connection for a request: to the pod itself, or to the NodePort of a node.
    fn dial(
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
        let request = &self.requests[id];
        if request.abandoned {
            return self.bury(id, agenda.now());
        }
        let (Some(node), Some(group)) = (request.node, request.target_group) else {
            unreachable!("only requests to instance targets dial a node");
        };
        if self.health.is_some() {
            return self.knock_at_node(id, group, node, agenda);
        }
        match self.backend(id, node, self.groups[group].service, agenda.now()) {
            Some((home, pod)) => {
                let sent = self.requests[id].at(Hop::Sent);
                let path = self.path_over_node(id, group, node, home, pod);
                self.establish(id, path, sent, agenda);
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
        if let Some(before) = request.pod
            && let Some(&kept) = eligible.iter().find(|backend| backend.1 == before)
        {
            return Some(kept);
        }
        let arrival = Arrival {
            now,
            node,
            service: service_id,
            policy: service.policy,
            version: believed as u32,
            affinity: service.affinity.is_some(),
            eligible,
            from: request.load_balancer_node,
            word: request.draws.word(word::BACKEND),
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
        let request = &mut self.requests[id];
        let dialled = request.at(Hop::Sent);
        let elsewhere = !self.services[service].endpoints.all().is_empty();
        let is_refused = self.proxy.no_backend_response(elsewhere) == NoBackendResponse::Reject
            && self.icmp_unreachable == IcmpUnreachable::Refuse;
        let sends = |limit: &mut RateLimit| limit.allows(now, node, request.load_balancer_node);
        if is_refused && self.icmp_limit.as_mut().is_none_or(sends) {
            let syn = dialled + syn_offset(request.attempts);
            return self.fail(id, Outcome::NodeRefused, now + (now - syn), agenda);
        }
        match SYN_RETRANSMITS.get(usize::from(request.attempts)) {
            // The next packet may find the limit on refusals open.
            Some(&again) if is_refused => {
                let one_way = now - (dialled + syn_offset(request.attempts));
                request.attempts += 1;
                agenda.at(dialled + again + one_way, Event::AtNode(id));
            }
            _ => self.fail(
                id,
                Outcome::ConnectTimeout,
                dialled + self.connect_timeout,
                agenda,
            ),
        }
    }

    /// A connection opens: handshake, then the request. `dialled` is when the first packet left.
    pub(super) fn establish(
        &mut self,
        id: RequestId,
        path: Path,
        dialled: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let Path {
            load_balancer_node,
            target,
            pod,
            ..
        } = path;
        let connection = self.pools.open(path, dialled);
        let one_way = self.one_way(id, connection);
        if let (Some(node), Some(group)) = (path.node, self.requests[id].target_group) {
            let service = self.groups[group].service;
            self.selector.opened(node, service, pod);
        }
        let upstream = self.pools.get_mut(connection);
        upstream.requests = 1;
        let request = &mut self.requests[id];
        request.connection = Some(connection);
        request.node = upstream.node;
        request.pod = Some(pod);
        request.seen_at_pod = upstream.seen_at_pod;
        request.second_hop = upstream.second_hop;
        request.cross_zone = upstream.cross_zone;
        // From here on attempts are those to get into a full server.
        request.attempts = 0;
        let established = dialled + one_way + one_way;
        request.stamp(Hop::Sent, established);
        if request.asker == Asker::Client {
            let seen = Observation::Opened {
                load_balancer_node,
                target,
                pod,
            };
            self.recorder.see(agenda.now(), seen);
        }
        agenda.at(established + one_way, Event::AtServer(id));
    }

    /// A request reaches its pod.
    pub(super) fn on_request_at_server(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &mut self.requests[id];
        if request.abandoned {
            return self.bury(id, now);
        }
        if request.attempts == 0 {
            request.stamp(Hop::Server, now);
        }
        let pod = request.pod.expect("a request at a server has a pod");
        if self.health.is_some() && !self.admit(id, pod, agenda) {
            return;
        }
        let request = &mut self.requests[id];
        let deployment = &self.deployments[self.pods[pod].deployment];
        let server = &mut self.servers[pod];
        match server.receive(id, deployment.workers, deployment.queue) {
            Reception::Start => {
                request.stamp(Hop::Started, now);
                let (sent, done) = (request.at(Hop::Sent), now + request.demand);
                agenda.at(done, Event::Served(id));
                // With half of the patience left for the way back nobody has to watch.
                if done - sent > self.response_timeout / 2 {
                    self.await_target(id, agenda);
                }
            }
            Reception::Wait => self.await_target(id, agenda),
            Reception::Full => {
                let when_full = deployment.when_full;
                return self.turn_away(id, when_full, agenda);
            }
        }
        let server = &self.servers[pod];
        let load = Observation::Load {
            pod,
            busy: server.busy(),
            waiting: server.waiting(),
        };
        self.recorder.see(now, load);
    }

    /// A request found all workers busy and the queue full.
    fn turn_away(&mut self, id: RequestId, when_full: WhenFull, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let back = now + self.way_back(id);
        let request = &mut self.requests[id];
        match when_full {
            WhenFull::Status(status) => self.fail(id, Outcome::Overloaded(status), back, agenda),
            WhenFull::Refuse => self.fail(id, Outcome::PodRefused, back, agenda),
            WhenFull::Drop => {
                let first = request.at(Hop::Server);
                let again = SYN_RETRANSMITS.get(usize::from(request.attempts));
                request.attempts += 1;
                match again {
                    Some(&after) => agenda.at(first + after, Event::AtServer(id)),
                    None => {
                        let end = (request.at(Hop::Sent) + self.connect_timeout).max(now);
                        self.fail(id, Outcome::ConnectTimeout, end, agenda);
                    }
                }
            }
        }
    }

    /// A worker is done: the answer sets off, and the next request begins.
    pub(super) fn on_served(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let back = now + self.way_back(id);
        let request = &mut self.requests[id];
        let pod = request.pod.expect("a served request has a pod");
        if self.health.is_some() && !self.can_answer(id, pod, agenda) {
            return;
        }
        let request = &mut self.requests[id];
        request.stamp(Hop::Served, now);
        if !request.finished && !matches!(request.outcome, Outcome::PodError(_)) {
            request.outcome = Outcome::Ok;
        }
        let deployment = &self.deployments[self.pods[pod].deployment];
        if let (Some(connection), Some(timeout)) =
            (request.connection, deployment.closes_idle_after)
        {
            self.pools.get_mut(connection).server_closes_at = now + timeout;
        }
        agenda.at(back, Event::Returned(id));
        let server = &mut self.servers[pod];
        if let Some(next) = server.release() {
            let next_request = &mut self.requests[next];
            next_request.stamp(Hop::Started, now);
            agenda.after(next_request.demand, Event::Served(next));
        }
        let load = Observation::Load {
            pod,
            busy: server.busy(),
            waiting: server.waiting(),
        };
        self.recorder.see(now, load);
    }

    /// An answer, or a failure, reaches the load balancer node: the request is finished.
    pub(super) fn on_returned(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &mut self.requests[id];
        if request.asker != Asker::Client {
            return self.on_checked(id, agenda);
        }
        if request.abandoned {
            return self.bury(id, now);
        }
        request.stamp(Hop::Returned, now);
        let answered = now + request.client_one_way;
        let Request {
            connection,
            outcome,
            ..
        } = *request;
        let then = self.finish(id, Some(answered), agenda);
        if let Some(connection) = connection {
            self.release(connection, outcome, agenda);
        }
        self.requests.remove(id);
        self.go_on(then, agenda);
    }

    /// A connection has carried its request: back to the pool, or closed.
    fn release(&mut self, id: UpstreamId, outcome: Outcome, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let upstream = self.pools.get(id);
        let (group, node) = (&self.groups[upstream.group], upstream.load_balancer_node);
        let deployment = &self.deployments[self.pods[upstream.pod].deployment];
        let limit = group
            .upstream
            .pool_max_requests
            .map_or(u64::MAX, |limit| limit.get());
        let limit = limit.min(deployment.closes_after_requests);
        let broken = !matches!(
            outcome,
            Outcome::Ok | Outcome::Overloaded(_) | Outcome::PodError(_)
        );
        let at_once = deployment.closes_idle_after == Some(SimDuration::ZERO);
        let capacity = group.upstream.pool_max_idle;
        let is_old = |age| now - upstream.opened_at >= age;
        let aged = group.upstream.pool_max_age.is_some_and(is_old);
        if broken || at_once || aged || upstream.requests >= limit || capacity == Some(0) {
            return self.close(id, now);
        }
        if let Some(capacity) = capacity {
            let longest = match group.upstream.pool_scope {
                PoolScope::Target => self
                    .pools
                    .longest_idle(node, std::iter::once(upstream.target)),
                PoolScope::Group => self.pools.longest_idle(node, group.all()),
            };
            if let (count, Some(longest)) = longest
                && count >= capacity
            {
                self.close(longest, now);
            }
        }
        self.pools.put_back(id);
        self.plan_expiry(id, agenda);
    }

    /// Notes when an idle connection leaves its pool, and plans a look at it then.
    fn plan_expiry(&mut self, id: UpstreamId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let upstream = self.pools.get_mut(id);
        let closed_by_server = match upstream.server_closes_at {
            SimTime::MAX => SimTime::MAX,
            // The server's FIN needs its way to the load balancer.
            closes_at => closes_at + upstream.first_leg + upstream.second_leg,
        };
        let group = &self.groups[upstream.group];
        let (idle_timeout, max_age) = (group.idle_timeout, group.upstream.pool_max_age);
        let leaves = now.checked_add(idle_timeout).unwrap_or(SimTime::MAX);
        let aged = max_age.and_then(|age| upstream.opened_at.checked_add(age));
        let leaves = leaves.min(aged.unwrap_or(SimTime::MAX));
        upstream.leaves_pool_at = leaves.min(closed_by_server);
        if !upstream.checked && upstream.leaves_pool_at < SimTime::MAX {
            upstream.checked = true;
            agenda.at(upstream.leaves_pool_at, Event::Expire(id));
        }
    }

    /// A connection may have been idle long enough. The check outlives requests that came in between.
    pub(super) fn on_expiry_check(&mut self, id: UpstreamId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        if !self.pools.check_came(id) {
            return;
        }
        let upstream = self.pools.get_mut(id);
        if upstream.state != UpstreamState::Idle {
            return;
        }
        if upstream.leaves_pool_at <= now {
            self.close(id, now);
        } else {
            upstream.checked = true;
            agenda.at(upstream.leaves_pool_at, Event::Expire(id));
        }
    }

    pub(super) fn close(&mut self, id: UpstreamId, now: SimTime) {
        let upstream = self.pools.get(id);
        if let Some(node) = upstream.node {
            let service = self.groups[upstream.group].service;
            self.selector.closed(node, service, upstream.pod, now);
        }
        let seen = Observation::Closed {
            load_balancer_node: upstream.load_balancer_node,
            target: upstream.target,
            pod: upstream.pod,
        };
        self.pools.close(id);
        self.recorder.see(now, seen);
    }

    /// The request's outcome stands; the load balancer node will know at `at`.
    pub(super) fn fail(
        &mut self,
        id: RequestId,
        outcome: Outcome,
        at: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        self.requests[id].outcome = outcome;
        agenda.at(at, Event::Returned(id));
    }

    /// One way from the load balancer node to the pod, with this request's jitter.
    #[inline]
    fn one_way(&self, id: RequestId, connection: UpstreamId) -> SimDuration {
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

    /// One way from the pod to the load balancer node, with this request's jitter.
    #[inline]
    pub(super) fn way_back(&self, id: RequestId) -> SimDuration {
        let request = &self.requests[id];
        let Some(connection) = request.connection else {
            // A probe comes from the pod's own node, on a connection of its own.
            return self.links.inside_node();
        };
        let upstream = self.pools.get(connection);
        let legs = upstream.first_leg + upstream.second_leg;
        self.links
            .jittered(legs, request.draws.unit32(word::WAY_BACK))
    }

    /// One way from a load balancer node to a node's interface.
    pub(super) fn to_node(&self, from: LoadBalancerNodeId, to: NodeId) -> SimDuration {
        self.links
            .between_zones(self.zone_of_load_balancer_node[from], self.nodes[to].zone)
    }

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
        home: NodeId,
        pod: PodId,
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
            seen_at_pod: self.proxy.seen_at_pod(policy, second_hop),
            second_hop,
            cross_zone: self.zone_of_load_balancer_node[from] != zone
                || self.nodes[home].zone != zone,
            first_leg: self.to_node(from, node) + self.links.lookup,
            second_leg: hop + self.links.inside_node(),
        }
    }
}
