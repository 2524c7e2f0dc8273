//! The journey of a request, hop by hop: read a view, ask the stage, write what changed, plan what follows.

use sim_core::{Agenda, SimTime};

use super::build::World;
use super::event::Event;
use crate::id::{Id, RequestId, TargetId};
use crate::observe::{Observation, Recorder};
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
        request.stamp(Hop::LoadBalancer, now);
        let (node, draws) = (request.load_balancer_node, request.draws);
        let Some(group_id) = request.target_group else {
            return self.fail(id, Outcome::NoRule, now, agenda);
        };
        let group = &self.groups[group_id];
        let speaks = self.populations[request.population].protocol();
        if !speaks.is_served_by(group.protocol_version) {
            return self.fail(id, Outcome::WrongProtocol, now, agenda);
        }
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
        if group.protocol_version.multiplexes() {
            return self.board(id, group_id, position, sent, agenda);
        }
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
