//! Health checks at work: each load balancer node asks each target, on the path of the users' requests.

use std::collections::VecDeque;

use sim_core::{Agenda, SimTime, Streams};

use super::agents::AgentAnswer;
use super::{GroupSettings, drawn, plan, share};
use crate::health::health_check::{Cadence, Port};
use crate::health::target_group::{TargetState, TargetView};
use crate::id::{LoadBalancerNodeId, PodId, RequestId, TargetGroupId, TargetId, ViewId};
use crate::observe::Recorder;
use crate::request::{Asker, Hop, Outcome};
use crate::streams::{CHECK_PHASE, CHECKS};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// One load balancer node's view of one target, with the grid of its checks.
#[derive(Debug)]
pub(super) struct View {
    pub(super) group: TargetGroupId,
    pub(super) position: u32,
    pub(super) load_balancer_node: LoadBalancerNodeId,
    pub(super) view: TargetView,
    pub(super) next_check: SimTime,
    began: SimTime,
    open: Option<RequestId>,
    checks: u64,
    /// Registrations and deregistrations that it has not heard of yet, in order.
    pub(super) pending: VecDeque<bool>,
    pub(super) changes: u64,
    pub(super) drains_at: SimTime,
}

impl View {
    /// A view of a target that has been healthy for long, or of one that is not registered yet.
    pub(super) fn new(
        known: bool,
        (group, position, load_balancer_node): (TargetGroupId, u32, LoadBalancerNodeId),
        number: usize,
        settings: &GroupSettings,
        streams: &Streams,
    ) -> Self {
        let phase = match &settings.phase {
            Some(phase) => drawn(phase, streams, CHECK_PHASE, number as u64, 0),
            None => {
                let interval = settings.config.health_check.interval;
                share(streams, CHECK_PHASE, number as u64, 0, interval)
            }
        };
        Self {
            group,
            position,
            load_balancer_node,
            view: TargetView::new(if known {
                TargetState::Healthy
            } else {
                TargetState::Unused
            }),
            next_check: SimTime::ZERO + phase,
            began: SimTime::ZERO,
            open: None,
            checks: 0,
            pending: VecDeque::new(),
            changes: 0,
            drains_at: SimTime::ZERO,
        }
    }
}

impl<R: Recorder> World<R> {
    /// A load balancer node checks a target.
    pub(super) fn on_check(&mut self, id: ViewId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let front = self.front.as_deref();
        let is_lost = |node| front.is_some_and(|front| front.is_lost(node, now));
        let health = self.health.as_deref_mut();
        let health = health.expect("only a world with a health signal has checks");
        let it = &mut health.views[id];
        if now != it.next_check || !it.view.is_checked() {
            return;
        }
        let check = &health.settings.groups[it.group].config.health_check;
        if is_lost(it.load_balancer_node) {
            it.next_check = now + check.interval;
            return plan(agenda, it.next_check, HealthEvent::Check(id));
        }
        let deadline = now + check.timeout;
        let port = check.port;
        it.began = now;
        it.next_check = now + check.interval;
        if check.cadence == Cadence::Begin {
            plan(agenda, it.next_check, HealthEvent::Check(id));
        }
        plan(agenda, deadline, HealthEvent::CheckDeadline(id));
        let attempt = it.checks;
        it.checks += 1;
        let (group, position) = (it.group, it.position);
        let load_balancer_node = it.load_balancer_node;
        let any = PodId(0);
        let draws = self.streams.block(CHECKS, u64::from(id.0), attempt);
        let mut request = self.small_request(Asker::HealthCheck(id), attempt, any, draws);
        request.load_balancer_node = load_balancer_node;
        request.target_group = Some(group);
        request.service = Some(self.groups[group].service);
        request.target = Some(TargetId(self.groups[group].first_target + position));
        request.stamp(Hop::LoadBalancer, now);
        request.stamp(Hop::Sent, now);
        let request = self.requests.insert(request);
        let health = self.health_mut();
        health.asked += 1;
        health.views[id].open = Some(request);
        match port {
            Port::TrafficPort => self.knock(request, agenda),
            Port::HealthCheckNodePort => self.ask_node(request, group, position, agenda),
        }
    }

    /// A check of the node's own answer: whether it has a ready pod of the Service.
    fn ask_node(
        &mut self,
        request: RequestId,
        group: TargetGroupId,
        position: u32,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let node = self.health().target(group, position).node();
        if !self.health().nodes[node].reachable() {
            return self.hold(request, agenda);
        }
        let way = self.to_node(self.requests[request].load_balancer_node, node);
        let serves = self.health().settings.health_check_node_port;
        match self.health().nodes[node].agent() {
            AgentAnswer::Answers if serves => {}
            AgentAnswer::Answers | AgentAnswer::Refuses => {
                return self.fail(request, Outcome::NodeRefused, now + way * 2, agenda);
            }
            AgentAnswer::Hangs => return self.hold(request, agenda),
        }
        let service = self.groups[group].service;
        let ready = self.active_on(service, node, now) > 0;
        let outcome = if ready {
            Outcome::Ok
        } else {
            Outcome::PodError(503)
        };
        // Handshake, question and answer.
        self.fail(request, outcome, now + way * 4, agenda);
    }

    /// The answer to a check, or its failure, is back.
    pub(super) fn on_check_answered(
        &mut self,
        id: ViewId,
        request: RequestId,
        outcome: Outcome,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let health = self.health.as_deref_mut();
        let health = health.expect("only a world with a health signal has checks");
        let it = &mut health.views[id];
        if it.open == Some(request) {
            it.open = None;
            let group = it.group;
            let check = &health.settings.groups[group].config.health_check;
            let success = check.passes(self.groups[group].spoken(), outcome);
            self.judge_check(id, success, agenda);
        }
    }

    /// A check has waited long enough.
    pub(super) fn on_check_deadline(&mut self, id: ViewId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        let it = &mut health.views[id];
        let timeout = health.settings.groups[it.group].config.health_check.timeout;
        if it.open.is_some() && it.began + timeout == agenda.now() {
            it.open = None;
            self.judge_check(id, false, agenda);
        }
    }

    fn judge_check(&mut self, id: ViewId, success: bool, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let health = self.health_mut();
        let it = &mut health.views[id];
        let check = &health.settings.groups[it.group].config.health_check;
        if check.cadence == Cadence::End {
            it.next_check = now + check.interval;
            plan(agenda, it.next_check, HealthEvent::Check(id));
        }
        if it.view.checked(success, check) {
            self.view_changed(id, now);
        }
    }
}
