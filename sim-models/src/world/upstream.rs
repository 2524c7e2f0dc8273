//! The life of an upstream connection: it opens, carries requests, waits in its pool, and is closed.

use sim_core::{Agenda, SimDuration, SimTime};

use super::build::World;
use super::event::Event;
use crate::id::{RequestId, UpstreamId};
use crate::observe::{Observation, Recorder};
use crate::request::pool::{Path, PoolScope, Upstream, UpstreamState};
use crate::request::{Asker, Hop, Outcome};

impl<R: Recorder> World<R> {
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
        let is_encrypted = self.groups[path.group].is_encrypted;
        if is_encrypted && self.health.is_some() && self.never_greets(id, &path, dialled, agenda) {
            return;
        }
        let Some(lost) = self.lost_handshakes(id, path.second_hop) else {
            let end = (dialled + self.connect_timeout).max(agenda.now());
            return self.fail(id, Outcome::ConnectTimeout, end, agenda);
        };
        let dialled = dialled + lost;
        let connection = self.pools.open(path, dialled);
        let one_way = self.one_way(id, connection);
        let back = if self.returns_directly {
            self.jittered_back(id, connection)
        } else {
            one_way
        };
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
        request.connected = dialled;
        request.seen_at_pod = upstream.seen_at_pod;
        request.second_hop = upstream.second_hop;
        request.cross_zone = upstream.cross_zone;
        // From here on attempts are those to get into a full server.
        request.attempts = 0;
        let handshakes = if is_encrypted { 2 } else { 1 };
        let established = dialled + (one_way + back) * handshakes;
        request.stamp(Hop::Sent, established);
        if request.asker == Asker::Client {
            let seen = Observation::Opened {
                load_balancer_node,
                target,
                pod,
                there: dialled + one_way,
                request,
            };
            self.recorder.see(agenda.now(), seen);
        }
        let mut there = established + one_way;
        if self.wire.is_some() {
            there += self.lost_questions(id, path.second_hop);
        }
        agenda.at(there, Event::AtServer(id));
        if self.tracking.is_some() {
            self.touch(connection, established);
        }
        if self.channels.is_some() {
            self.share(id, connection, established, agenda);
        }
    }

    /// Writes a request to a pooled connection.
    pub(super) fn send(
        &mut self,
        id: RequestId,
        connection: UpstreamId,
        sent: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let mut there = sent + self.one_way(id, connection);
        if self.wire.is_some() {
            there += self.lost_questions(id, self.pools.get(connection).second_hop);
        }
        let request = &mut self.requests[id];
        let upstream = self.pools.get_mut(connection);
        upstream.requests += 1;
        request.stamp(Hop::Sent, sent);
        request.connection = Some(connection);
        request.node = upstream.node;
        request.pod = Some(upstream.pod);
        request.reused = true;
        request.connected = upstream.opened_at;
        request.seen_at_pod = upstream.seen_at_pod;
        request.second_hop = upstream.second_hop;
        request.cross_zone = upstream.cross_zone;
        if there >= upstream.server_closes_at {
            // The server closed while the request was on its way: its host answers with a reset.
            let back = there + (there - sent);
            return self.fail(id, Outcome::StaleConnection, back, agenda);
        }
        if self.health.is_some() && !self.carries(id, connection, there, agenda) {
            return;
        }
        if (self.removes_unready || self.tracking.is_some()) && !self.still_leads(id, connection) {
            return self.mislead(id, there, agenda);
        }
        let upstream = self.pools.get(connection);
        if let (Some(affinity), Some(node)) = (&mut self.affinity, upstream.node) {
            let service = self.groups[upstream.group].service;
            affinity.request(sent, node, service, upstream.load_balancer_node);
        }
        agenda.at(there, Event::AtServer(id));
    }

    /// A connection has carried its request: back to the pool, or closed.
    pub(super) fn release(
        &mut self,
        id: UpstreamId,
        outcome: Outcome,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        if self.tracking.is_some() {
            self.touch(id, now);
        }
        let upstream = self.pools.get(id);
        if upstream.state == UpstreamState::Shared {
            return self.leave(id, outcome, agenda);
        }
        let (group, node) = (&self.groups[upstream.group], upstream.load_balancer_node);
        let deployment = &self.deployments[self.pods[upstream.pod].deployment];
        let broken = !matches!(
            outcome,
            Outcome::Ok | Outcome::Overloaded(_) | Outcome::PodError(_)
        );
        let at_once = deployment.closes_idle_after == Some(SimDuration::ZERO);
        let capacity = group.upstream.pool_max_idle;
        if broken || at_once || self.is_worn(id, now) || capacity == Some(0) {
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

    /// Whether a connection has reached its limit of requests or of age, or its pod got SIGTERM: the answer is its last one.
    pub(super) fn is_worn(&self, id: UpstreamId, now: SimTime) -> bool {
        let upstream = self.pools.get(id);
        let config = &self.groups[upstream.group].upstream;
        let deployment = &self.deployments[self.pods[upstream.pod].deployment];
        let limit = config
            .pool_max_requests
            .map_or(u64::MAX, |limit| limit.get());
        let is_old = |age| now.saturating_since(upstream.opened_at) >= age;
        let health = self.health.as_deref();
        upstream.requests >= limit.min(deployment.closes_after_requests)
            || config.pool_max_age.is_some_and(is_old)
            || health.is_some_and(|it| it.is_leaving(upstream.pod))
    }

    /// Notes when an idle connection leaves its pool, and plans a look at it then.
    pub(super) fn plan_expiry(&mut self, id: UpstreamId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let back = self.legs_back(self.pools.get(id));
        let upstream = self.pools.get_mut(id);
        let closed_by_server = match upstream.server_closes_at {
            SimTime::MAX => SimTime::MAX,
            // The server's FIN needs its way to the load balancer.
            closes_at => closes_at + back,
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
        if !self.is_idle(id) {
            return;
        }
        let upstream = self.pools.get_mut(id);
        if upstream.leaves_pool_at <= now {
            self.forget(id);
            self.close(id, now);
        } else {
            upstream.checked = true;
            agenda.at(upstream.leaves_pool_at, Event::Expire(id));
        }
    }

    /// Closes what carries no request among the connections for which something holds; HTTP/2 connections that carry
    /// some take no further one.
    pub(super) fn close_idle_where(&mut self, holds: impl Fn(&Upstream) -> bool, now: SimTime) {
        for id in self.pools.idle_where(&holds) {
            self.close(id, now);
        }
        self.retire_where(holds, now);
    }

    /// Closes a connection.
    pub(super) fn close(&mut self, id: UpstreamId, now: SimTime) {
        let upstream = self.pools.get(id);
        if let Some(node) = upstream.node {
            let service = self.groups[upstream.group].service;
            self.selector.closed(node, service, upstream.pod, now);
        }
        if self.tracking.is_some() {
            self.untrack(id, now);
        }
        let upstream = self.pools.get(id);
        let seen = Observation::Closed {
            load_balancer_node: upstream.load_balancer_node,
            target: upstream.target,
            pod: upstream.pod,
        };
        self.pools.close(id);
        self.recorder.see(now, seen);
    }
}
