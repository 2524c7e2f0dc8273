//! The journey of a request, hop by hop: read a view, ask the stage, write what changed, plan what follows.

use sim_core::{Agenda, SimTime};

use super::build::World;
use super::event::Event;
use crate::id::{Id, PodId, RequestId, TargetGroupId, TargetId};
use crate::observe::Recorder;
use crate::request::balance::View;
use crate::request::server::{Reception, WhenFull};
use crate::request::{Asker, Hop, Outcome, Request, word};

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
            return self.bury(id, agenda);
        }
        if self.front.is_some() && !self.is_received(id, agenda) {
            return;
        }
        let request = &mut self.requests[id];
        request.stamp(Hop::LoadBalancer, now);
        if self.rules.is_some() {
            self.route(id, now);
        }
        let request = &self.requests[id];
        let Some(group_id) = request.target_group else {
            return self.fail(id, Outcome::NoRule, now, agenda);
        };
        let speaks = self.populations[request.population].protocol();
        if !speaks.is_served_by(self.groups[group_id].protocol_version) {
            return self.fail(id, Outcome::WrongProtocol, now, agenda);
        }
        let draws = request.draws;
        match self.choose_target(id, group_id) {
            Some(position) => {
                let sent = now + self.proxy_latency.sample(draws.unit32(word::PROXY));
                self.send_to(id, group_id, position, sent, agenda);
            }
            None => self.fail(id, Outcome::NoTarget, now, agenda),
        }
    }

    /// The target of a request, by position in its group; not the one that it has tried.
    #[inline(always)]
    fn choose_target(&mut self, id: RequestId, group_id: TargetGroupId) -> Option<u32> {
        let (request, group) = (&self.requests[id], &self.groups[group_id]);
        let all_alike = group.in_sight.is_none() && group.stickiness.is_none();
        if !all_alike || self.health.is_some() || request.target.is_some() {
            return self.choose_among(id, group_id);
        }
        let node = request.load_balancer_node;
        let view = View {
            count: group.targets,
            outstanding: self.outstanding[group_id].seen_by(node),
            tie: group.tie,
            word: request.draws.word(word::TARGET),
        };
        let cursor = node.index() * self.groups.len() + group_id.index();
        group.algorithm.pick(&mut self.cursors[cursor], view)
    }

    /// The same where targets differ: by health, by zone, by a cookie, or because one was tried.
    fn choose_among(&mut self, id: RequestId, group_id: TargetGroupId) -> Option<u32> {
        let request = &self.requests[id];
        let node = request.load_balancer_node;
        let now = request.at(Hop::LoadBalancer);
        let word = request.draws.word(word::TARGET);
        let health = self.health.as_mut();
        let by_weight = health.and_then(|it| it.next_by_weight(group_id, node, word, now));
        let group = &self.groups[group_id];
        let tried = request.target.map(|target| target.0 - group.first_target);
        let cursor = node.index() * self.groups.len() + group_id.index();
        let view = View {
            count: group.targets,
            outstanding: self.outstanding[group_id].seen_by(node),
            tie: group.tie,
            word,
        };
        let cursor = &mut self.cursors[cursor];
        let eligible = self.health.as_ref().map(|it| it.eligible(group_id, node));
        // Eligible targets are in sight.
        let in_sight = group.in_sight.as_ref().filter(|_| eligible.is_none());
        let in_sight = in_sight.map(|it| it[node.index()].as_slice());
        let may_choose = |position: u32| {
            let among = |list: &[u32]| list.binary_search(&position).is_ok();
            eligible.is_none_or(among) && in_sight.is_none_or(among) && tried != Some(position)
        };
        let mut choose = || match (in_sight, eligible, tried) {
            _ if by_weight.is_some_and(may_choose) => {
                by_weight.inspect(|&position| cursor.served(position))
            }
            (None, None, None) => group.algorithm.pick(cursor, view),
            (Some(positions), None, None) | (None, Some(positions), None) => {
                group.algorithm.pick_among(cursor, view, positions)
            }
            _ => {
                let positions: Vec<u32> = (0..group.targets).filter(|&it| may_choose(it)).collect();
                group.algorithm.pick_among(cursor, view, &positions)
            }
        };
        match group.stickiness {
            None => choose(),
            Some(_) => {
                let jar = self.populations[request.population].jar(request);
                jar.and_then(|jar| jar.target(group_id, now))
                    .filter(|&position| may_choose(position))
                    .or_else(choose)
            }
        }
    }

    /// Sends a request to a target, on a connection from the pool or a new one.
    fn send_to(
        &mut self,
        id: RequestId,
        group_id: TargetGroupId,
        position: u32,
        sent: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let group = &self.groups[group_id];
        let request = &mut self.requests[id];
        let node = request.load_balancer_node;
        self.outstanding[group_id].begin(node, position);
        let target = TargetId(group.first_target + position);
        request.target = Some(target);
        if group.protocol_version.multiplexes() {
            return self.board(id, group_id, position, sent, agenda);
        }
        let pooled = self.pools.take(
            node,
            target,
            group.upstream.pool_pick,
            request.draws.word(word::POOL),
        );
        match pooled {
            Some(connection) => self.send(id, connection, sent, agenda),
            None => self.dial(id, group_id, position, sent, agenda),
        }
    }

    /// A connection failed: whether the request goes to another target instead of back to its client.
    fn goes_elsewhere(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) -> bool {
        let request = &self.requests[id];
        let (Some(group), Some(target)) = (request.target_group, request.target) else {
            return false;
        };
        if request.abandoned || !self.retry.goes_on(request.outcome, request.retargeted) {
            return false;
        }
        let (connection, outcome) = (request.connection, request.outcome);
        let node = request.load_balancer_node;
        if outcome == Outcome::StaleConnection {
            // Nothing is wrong with the target.
            self.requests[id].target = None;
        }
        let Some(position) = self.choose_target(id, group) else {
            self.requests[id].target = Some(target);
            return false;
        };
        if let Some(connection) = connection {
            self.release(connection, outcome, agenda);
        }
        let tried = target.0 - self.groups[group].first_target;
        self.outstanding[group].end(node, tried);
        let request = &mut self.requests[id];
        request.outcome = Outcome::Ok;
        request.retargeted += 1;
        request.attempts = 0;
        (request.node, request.pod, request.connection) = (None, None, None);
        (request.reused, request.second_hop, request.cross_zone) = (false, false, false);
        self.send_to(id, group, position, agenda.now(), agenda);
        true
    }

    /// A request reaches its pod.
    pub(super) fn on_request_at_server(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &mut self.requests[id];
        if request.abandoned {
            return self.bury(id, agenda);
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
            Reception::Share => {
                request.stamp(Hop::Started, now);
                let work = request.demand;
                if let Some(sharing) = server.sharing() {
                    sharing.begin(id, work, now);
                }
                self.look_at_sharing(pod, agenda);
                self.await_target(id, agenda);
            }
            Reception::Full => {
                let when_full = deployment.when_full;
                return self.turn_away(id, when_full, agenda);
            }
        }
        let server = &self.servers[pod];
        self.recorder
            .load(now, pod, server.busy(), server.waiting());
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
                let again = self.syn_retransmits.get(usize::from(request.attempts));
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

    /// A request may be done in a pod whose requests share the workers.
    pub(super) fn on_shared(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let Some(sharing) = self.servers[pod].sharing() else {
            unreachable!("only a server with processor sharing is looked at");
        };
        if !sharing.is_looked_at(now) {
            // Somebody came or went in between, and with it came another look.
            return;
        }
        self.note_work(pod, now);
        while let Some(id) = self.servers[pod].sharing().and_then(|it| it.finished(now)) {
            self.on_served(id, agenda);
        }
        self.look_at_sharing(pod, agenda);
    }

    /// Plans a look at a pod for when its next request is done.
    fn look_at_sharing(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let sharing = self.servers[pod].sharing();
        if let Some(at) = sharing.and_then(|it| it.next_look(now)) {
            agenda.at(at, Event::Shared(pod));
        }
    }

    /// A worker is done: the answer sets off, and the next request begins.
    pub(super) fn on_served(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &self.requests[id];
        let pod = request.pod.expect("a served request has a pod");
        let mut back = now + self.way_back(id);
        if self.wire.is_some() {
            back += self.delay_of_answer(id, pod, now);
        }
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
        self.recorder
            .load(now, pod, server.busy(), server.waiting());
    }

    /// An answer, or a failure, reaches the load balancer node: the request is finished.
    pub(super) fn on_returned(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &mut self.requests[id];
        if request.asker != Asker::Client {
            return self.on_checked(id, agenda);
        }
        let Request {
            connection,
            outcome,
            abandoned,
            ..
        } = *request;
        if connection.is_none() && self.channels.is_some() {
            self.disappoint(id, outcome, agenda);
        }
        if abandoned {
            return self.bury(id, agenda);
        }
        if outcome != Outcome::Ok && self.goes_elsewhere(id, agenda) {
            return;
        }
        let request = &mut self.requests[id];
        request.stamp(Hop::Returned, now);
        let answered = now + request.client_one_way;
        let then = self.finish(id, Some(answered), agenda);
        if let Some(connection) = connection {
            self.release(connection, outcome, agenda);
        }
        self.requests.remove(id);
        self.go_on(then, agenda);
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
}
