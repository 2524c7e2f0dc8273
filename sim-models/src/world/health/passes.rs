//! Passes of the load balancer controller: who has a worker, which calls are made, and what becomes of those that fail.
//!
//! A pass compares, deregisters what is too many, and registers what is missing, one call for each [chunk](aws_controller::Config::chunk).
//! A call waits for its token. One that fails ends its pass, which is tried again later.
//!
//! Source: AWS Load Balancer Controller, `pkg/targetgroupbinding/resource_manager.go`, `pkg/aws/throttle`.

use sim_core::{Agenda, SimTime};

use super::{Health, plan};
use crate::id::{FaultId, TargetGroupId};
use crate::observe::Recorder;
use crate::quantity::Rate;
use crate::request::load_balancer::TargetType;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};
use crate::world::health::targets::Life;

/// A call of the load balancing API: these targets, by position.
#[derive(Clone, Copy, Debug)]
struct Call<'a> {
    positions: &'a [usize],
    registers: bool,
}

impl Health {
    /// Whether AWS has a token for a call, and takes it. Without a fault it always has.
    fn is_admitted(&mut self, at: SimTime) -> bool {
        let mut throttles = self.throttles.iter_mut();
        throttles.all(|(_, bucket)| bucket.admit(at))
    }

    /// Whether so many more targets of a group would exceed a quota. Targets that drain do not count.
    fn exceeds_quota(&self, group: TargetGroupId, more: usize) -> bool {
        let quotas = self.settings.quotas;
        let count = |group: TargetGroupId| {
            let targets = self.groups[group].targets.iter();
            targets.filter(|it| it.registered).count() as u64
        };
        let all: u64 = self.groups.ids().map(count).sum();
        count(group) + more as u64 > quotas.targets_per_group || all + more as u64 > quotas.targets
    }

    /// What is too many in a group and what is missing, by position.
    ///
    /// Source: AWS Load Balancer Controller, flag `max-targets-per-target-group`: what is beyond it is not registered.
    fn differences(&self, group: TargetGroupId, wanted: &[super::targets::Key]) -> [Vec<usize>; 2] {
        let (mut leaves, mut joins, mut stay) = (Vec::new(), Vec::new(), 0);
        for (position, target) in self.groups[group].targets.iter().enumerate() {
            match (target.registered, wanted.contains(&target.key)) {
                (true, false) => leaves.push(position),
                (false, true) => joins.push(position),
                (true, true) => stay += 1,
                (false, false) => {}
            }
        }
        let most = self.settings.controller.max_targets_per_target_group as usize;
        if most > 0 {
            joins.truncate(most.saturating_sub(stay));
        }
        [leaves, joins]
    }
}

impl<R: Recorder> World<R> {
    /// The controller is to look at a target group: it does when a worker is free.
    pub(super) fn on_reconcile(&mut self, group: TargetGroupId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        let it = &mut health.groups[group];
        if it.life == Life::Absent {
            return;
        }
        // It may be this event that was planned: a pass under way plans the next one then.
        it.repeats_at = it.repeats_at.filter(|&at| at > agenda.now());
        health.queue.add(group);
        self.work(agenda);
    }

    /// Free workers take what waits. Without a leader nobody works: the next one will look at everything.
    fn work(&mut self, agenda: &mut Agenda<'_, Event>) {
        if agenda.now() < self.health().leaderless_until {
            return self.health_mut().queue.clear();
        }
        while let Some(group) = self.health_mut().queue.take() {
            self.pass(group, agenda);
        }
    }

    /// A worker looks at a target group: it compares, deregisters, registers.
    fn pass(&mut self, group: TargetGroupId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let service = self.groups[group].service;
        let is_ip = self.groups[group].target_type == TargetType::Ip;
        let wanted = self.health().wanted(group, service, &self.nodes);
        let health = self.health_mut();
        let [leaves, joins] = health.differences(group, &wanted);
        let asks = health.look_at_gates(group, service);
        let controller = &health.settings.controller;
        let chunk = controller.chunk.get() as usize;
        let mut at = now + controller.reconcile;
        let mut goes_on = true;
        if asks {
            let takes = controller.api.describe;
            at = health.describes.take(at) + takes;
            goes_on = health.is_admitted(at);
        }
        if !joins.is_empty() && is_ip {
            at += self.health().settings.controller.security_group_reconcile;
        }
        let calls = [(&leaves, false), (&joins, true)];
        let calls = calls.into_iter().flat_map(|(positions, registers)| {
            let chunks = positions.chunks(chunk);
            chunks.map(move |positions| Call {
                positions,
                registers,
            })
        });
        for call in calls {
            if goes_on {
                (at, goes_on) = self.call(group, call, at, agenda);
            }
        }
        self.health_mut().groups[group].failed = !goes_on;
        plan(agenda, at, HealthEvent::Reconciled(group));
    }

    /// Makes a call when there is a token: returns when it is answered, and whether it succeeds.
    fn call(
        &mut self,
        group: TargetGroupId,
        call: Call<'_>,
        at: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) -> (SimTime, bool) {
        let health = self.health_mut();
        let api = &health.settings.controller.api;
        let takes = match call.registers {
            true => api.register,
            false => api.deregister,
        };
        let sent = health.bucket.take(at);
        let answered = sent + takes;
        let refused = call.registers && health.exceeds_quota(group, call.positions.len());
        if !health.is_admitted(sent) || refused {
            return (answered, false);
        }
        self.tell_load_balancer(group, call.positions, call.registers, answered, agenda);
        if call.registers {
            self.health_mut().note_registered(group, call.positions);
        }
        (answered, true)
    }

    /// A pass ends. One that has failed is tried again, later each time; the gates of its pods wait for one that succeeds.
    pub(super) fn on_reconciled(&mut self, group: TargetGroupId, agenda: &mut Agenda<'_, Event>) {
        if std::mem::take(&mut self.health_mut().groups[group].failed) {
            let health = self.health_mut();
            let failures = &mut health.groups[group].failures;
            let wait = health.settings.controller.retry.after(*failures);
            *failures += 1;
            self.repeat(group, agenda.now() + wait, agenda);
        } else {
            self.health_mut().groups[group].failures = 0;
            self.move_gates(group, agenda);
        }
        self.health_mut().queue.done(group);
        self.work(agenda);
    }

    /// A pass will be repeated at some time, or is to be sooner.
    pub(super) fn repeat(
        &mut self,
        group: TargetGroupId,
        at: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let repeats_at = &mut self.health_mut().groups[group].repeats_at;
        if repeats_at.is_none_or(|planned| at < planned) {
            *repeats_at = Some(at);
            plan(agenda, at, HealthEvent::Reconcile(group));
        }
    }

    /// AWS begins to refuse calls beyond a rate, or stops to.
    pub(super) fn throttle(&mut self, fault: FaultId, rate: Rate, begins: bool) {
        let throttles = &mut self.health_mut().throttles;
        if begins {
            throttles.push((fault, super::Bucket::new(rate, 1)));
        } else {
            throttles.retain(|&(it, _)| it != fault);
        }
    }
}
