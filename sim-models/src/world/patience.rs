//! Who gives up waiting for an answer, and what happens to the request then?
//!
//! A client with a `timeout` gives up; a load balancer node answers 504 when a target is silent for its
//! `idle_timeout`. Whoever worked for the request goes on: the pod does not know that nobody waits.
//!
//! Deadlines that never come are the rule. So none is an event of its own: they wait in a lane in the order of
//! time, the front of the lane is planned, and what is finished leaves it unseen.

use std::collections::VecDeque;

use sim_core::{Agenda, SimTime};

use super::build::World;
use super::event::{Event, LaneId, UserId};
use super::population::Call;
use crate::id::{CallId, Id, LoadBalancerNodeId, PopulationId, RequestId, TargetId};
use crate::observe::{Observation, Recorder};
use crate::request::pool::UpstreamState;
use crate::request::{Asker, Hop, Outcome, Request};

/// Deadlines in the order of time.
#[derive(Debug, Default)]
pub(super) struct Lane {
    deadlines: VecDeque<Deadline>,
    /// When somebody looks at the front next.
    look_at: Option<SimTime>,
}

/// When somebody gives up on a request.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: SimTime,
    request: RequestId,
    /// Places of requests are used again; these say which one was meant.
    population: PopulationId,
    serial: u64,
    attempt: u8,
}

/// What follows when a request is finished for its client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Nobody does anything.
    Nothing,
    /// A closed-loop user has the answer, or has given up, at this time.
    Ask(UserId, SimTime),
    /// The client knows at this time that it has to try again.
    Retry(CallId, SimTime),
}

impl Deadline {
    /// Whether the request that it was set for is still open.
    fn is_open(&self, request: &Request) -> bool {
        let meant = (self.population, self.serial, self.attempt);
        !request.finished && meant == (request.population, request.serial, request.attempt)
    }
}

impl<R: Recorder> World<R> {
    /// A request sets off; its client gives up at `at`.
    pub(super) fn await_answer(
        &mut self,
        id: RequestId,
        at: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let lane = LaneId(self.requests[id].population.0);
        self.set_deadline(lane, id, at, agenda);
    }

    /// A request reached its pod and may stay there for longer than the load balancer waits.
    pub(super) fn await_target(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let request = &self.requests[id];
        if request.asker != Asker::Client {
            // Probes and health checks have time-outs of their own.
            return;
        }
        if let Some(at) = request.at(Hop::Sent).checked_add(self.response_timeout) {
            let lane = LaneId(self.populations.len() as u32);
            self.set_deadline(lane, id, at.max(agenda.now()), agenda);
        }
    }

    /// Puts a deadline in its place, nearly always the last one, and drops what is finished at the front.
    fn set_deadline(
        &mut self,
        id: LaneId,
        request: RequestId,
        at: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let lane = &mut self.lanes[id.0 as usize];
        while let Some(front) = lane.deadlines.front()
            && !front.is_open(&self.requests[front.request])
        {
            lane.deadlines.pop_front();
        }
        let later = lane.deadlines.iter().rev().take_while(|it| it.at > at);
        let place = lane.deadlines.len() - later.count();
        let Request {
            population,
            serial,
            attempt,
            ..
        } = self.requests[request];
        let deadline = Deadline {
            at,
            request,
            population,
            serial,
            attempt,
        };
        lane.deadlines.insert(place, deadline);
        if lane.look_at.is_none_or(|look_at| at < look_at) {
            lane.look_at = Some(at);
            agenda.at(at, Event::Deadline(id));
        }
    }

    /// The front of a lane may be due.
    pub(super) fn on_deadline(&mut self, id: LaneId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        if self.lanes[id.0 as usize].look_at != Some(now) {
            // An earlier deadline came in between, and with it another look.
            return;
        }
        self.lanes[id.0 as usize].look_at = None;
        while let Some(&front) = self.lanes[id.0 as usize].deadlines.front() {
            let is_open = front.is_open(&self.requests[front.request]);
            if is_open && front.at > now {
                self.lanes[id.0 as usize].look_at = Some(front.at);
                return agenda.at(front.at, Event::Deadline(id));
            }
            self.lanes[id.0 as usize].deadlines.pop_front();
            if is_open {
                self.give_up(front.request, id, agenda);
            }
        }
    }

    /// The deregistration delay of a target is over: requests that it has not answered are answered in its place.
    ///
    /// Source: AWS, "Troubleshoot your Application Load Balancers", HTTP 502.
    pub(super) fn cut_off(
        &mut self,
        node: LoadBalancerNodeId,
        target: TargetId,
        agenda: &mut Agenda<'_, Event>,
    ) {
        // A request whose place is free is finished.
        let waits = |request: &Request| {
            !request.finished
                && request.asker == Asker::Client
                && (request.load_balancer_node, request.target) == (node, Some(target))
        };
        let places = self.requests.places().filter(|(_, it)| waits(it));
        for id in places.map(|(id, _)| id).collect::<Vec<_>>() {
            self.abandon(id, Some(Outcome::Drained), agenda);
        }
    }

    /// A request has another place from now on: whoever may give up on it looks there.
    pub(super) fn move_deadlines(&mut self, from: RequestId, to: RequestId) {
        let Request {
            population,
            serial,
            attempt,
            ..
        } = self.requests[to];
        let meant = (population, serial, attempt);
        let deadlines = self.lanes.iter_mut().flat_map(|lane| &mut lane.deadlines);
        for deadline in deadlines {
            let of = (deadline.population, deadline.serial, deadline.attempt);
            if deadline.request == from && of == meant {
                deadline.request = to;
            }
        }
    }

    /// A client waits for another request from now on: so does its patience, and not that of the load balancer.
    pub(super) fn move_patience(&mut self, from: RequestId, to: RequestId) {
        let Request {
            population,
            serial,
            attempt,
            ..
        } = self.requests[to];
        let lane = &mut self.lanes[population.index()];
        let meant = |it: &&mut Deadline| {
            it.request == from
                && (it.population, it.serial, it.attempt) == (population, serial, attempt)
        };
        for deadline in lane.deadlines.iter_mut().filter(meant) {
            deadline.request = to;
        }
    }

    /// The client has waited long enough, or the load balancer node has and answers in the target's place.
    fn give_up(&mut self, id: RequestId, lane: LaneId, agenda: &mut Agenda<'_, Event>) {
        let by_client = (lane.0 as usize) < self.populations.len();
        let outcome = (!by_client).then_some(Outcome::ResponseTimeout);
        self.abandon(id, outcome, agenda);
    }

    /// Nobody waits for a request any more: the load balancer has answered with this outcome, or the client has gone.
    fn abandon(&mut self, id: RequestId, outcome: Option<Outcome>, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let request = &mut self.requests[id];
        request.abandoned = true;
        self.abandoned += 1;
        let answered = outcome.map(|outcome| {
            request.outcome = outcome;
            request.stamp(Hop::Returned, now);
            now + request.client_one_way
        });
        let then = self.finish(id, answered, agenda);
        self.go_on(then, agenda);
    }

    /// A request is finished for its client, who would have the answer at `answered`.
    pub(super) fn finish(
        &mut self,
        id: RequestId,
        answered: Option<SimTime>,
        agenda: &Agenda<'_, Event>,
    ) -> Then {
        let request = &mut self.requests[id];
        let deadline = self.populations[request.population].deadline(request.at(Hop::Client));
        let in_time = answered.filter(|&answered| answered <= deadline);
        if in_time.is_none() {
            request.outcome = Outcome::ClientTimeout;
        }
        request.stamp(Hop::Answered, in_time.unwrap_or(deadline));
        request.finished = true;
        if let (Some(group), Some(target)) = (request.target_group, request.target) {
            let position = target.0 - self.groups[group].first_target;
            self.outstanding[group].end(request.load_balancer_node, position);
            if self.mitigates
                && let Some(health) = &mut self.health
            {
                health.note_answer(request, position, agenda.now());
            }
            if let (Some(duration), Some(answered)) = (self.groups[group].stickiness, in_time)
                && let Some(jar) = self.populations[request.population].jar_mut(request)
            {
                jar.keep(group, position, answered + duration);
            }
        }
        let then = self.what_then(id);
        self.recorder
            .see(agenda.now(), Observation::Finished(&self.requests[id]));
        self.hand_back(id, in_time.is_some());
        then
    }

    /// Whether the client tries again.
    #[inline]
    fn what_then(&mut self, id: RequestId) -> Then {
        let request = &mut self.requests[id];
        let known_at = request.at(Hop::Answered);
        if !request.outcome.is_success()
            && self.populations[request.population].pays_for_retry(request.attempt)
        {
            request.retried = true;
            return Then::Retry(self.calls.insert(Call::again(request)), known_at);
        }
        request
            .user
            .map_or(Then::Nothing, |user| Then::Ask(user, known_at))
    }

    /// Plans what follows.
    #[inline(always)]
    pub(super) fn go_on(&mut self, then: Then, agenda: &mut Agenda<'_, Event>) {
        match then {
            Then::Nothing => {}
            Then::Ask(user, at) => self.answered(user, at, agenda),
            Then::Retry(call, at) => {
                let wait = self.wait_before_retry(&self.calls[call]);
                agenda.at(at + wait, Event::Retry(call));
            }
        }
    }

    /// A request that nobody waits for any more has come to its end.
    pub(super) fn bury(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        self.abandoned -= 1;
        let request = &self.requests[id];
        if let Some(connection) = request.connection {
            match self.pools.get(connection).state {
                UpstreamState::Shared => self.leave(connection, request.outcome, agenda),
                UpstreamState::Busy | UpstreamState::Idle | UpstreamState::Closed => {
                    self.close(connection, agenda.now());
                }
            }
        }
        self.requests.remove(id);
    }
}
