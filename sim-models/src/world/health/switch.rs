//! An Ingress that changes while requests flow: rules that forward elsewhere, target groups that come and go.
//!
//! The controller deploys in a fixed order: it creates the new group, turns the rules to it, creates the new binding, and then deletes the old
//! binding and the old group. Creating a binding waits for nothing, so the rules point at an empty group until its first targets are registered.
//!
//! Source: AWS Load Balancer Controller, `pkg/deploy/stack_deployer.go`, `pkg/deploy/elbv2/target_group_synthesizer.go`,
//! `target_group_binding_manager.go`.

use sim_core::{Agenda, SimTime};

use super::targets::Life;
use super::{drawn, plan};
use crate::fault::What;
use crate::id::{FaultId, LoadBalancerNodeId, PodId, TargetGroupId};
use crate::observe::Recorder;
use crate::request::load_balancer::TargetType;
use crate::request::rules::{Action, Rules};
use crate::streams::{CONTROLLER_WATCH, RULE_PROPAGATION};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

impl<R: Recorder> World<R> {
    /// An Ingress changes: the controller hears of it, and makes its calls one after the other.
    pub(super) fn change_ingress(&mut self, fault: FaultId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health();
        let settings = &health.settings;
        let entity = 1 << 32 | u64::from(fault.0);
        let watch = drawn(&settings.watch, &self.streams, CONTROLLER_WATCH, entity, 0);
        let queue = &settings.controller_watch;
        let queue = drawn(queue, &self.streams, CONTROLLER_WATCH, entity, 1);
        let calls = match &health.faults[fault].what {
            // One creates the group, the others change the rules.
            What::Replace { old, .. } => 1 + self.rules().forwarding_to(*old),
            _ => 1,
        };
        let begins = (agenda.now() + watch + queue).max(health.leaderless_until);
        let controller = &settings.controller;
        let (mut at, takes) = (begins + controller.reconcile, controller.api.modify);
        let modifies = &mut self.health_mut().modifies;
        for _ in 0..calls {
            at = modifies.take(at) + takes;
        }
        plan(agenda, at, HealthEvent::RulesChanged(fault));
    }

    /// The calls are answered: each load balancer node will apply the new rules in its own time.
    pub(super) fn on_rules_changed(&mut self, fault: FaultId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        if now < self.health().leaderless_until {
            // The calls were not made: the next leader makes them.
            return self.change_ingress(fault, agenda);
        }
        match self.health().faults[fault].what.clone() {
            What::Forward(priority, action) => {
                let group = action.first().map(|&(group, _)| group);
                let group = group.expect("an action names at least one group");
                let change = |actions: &mut Vec<Action>| actions[priority as usize] = action;
                self.change_rules(fault, group, now, change);
            }
            What::Replace { old, new } => {
                self.change_rules(fault, new, now, |actions| {
                    let groups = actions.iter_mut().flatten();
                    for (group, _) in groups.filter(|(group, _)| *group == old) {
                        *group = new;
                    }
                });
                self.create_binding(new, agenda);
                self.delete_binding(old, agenda);
            }
            _ => unreachable!("no other fault changes rules"),
        }
    }

    fn change_rules(
        &mut self,
        fault: FaultId,
        group: TargetGroupId,
        now: SimTime,
        change: impl FnOnce(&mut Vec<Action>),
    ) {
        let health = self.health.as_deref();
        let health = health.expect("faults are part of the health signal");
        let way = &health.settings.groups[group].rule;
        let streams = &self.streams;
        let shown_at = |node: LoadBalancerNodeId| {
            let (entity, draw) = (u64::from(fault.0), u64::from(node.0));
            now + drawn(way, streams, RULE_PROPAGATION, entity, draw)
        };
        let rules = self.rules.as_deref_mut();
        let rules = rules.expect("a world in which rules change keeps them");
        rules.change(change, shown_at);
    }

    /// A binding is created: the controller hears of it, and registers what belongs to the group.
    ///
    /// Pods that run already get no readiness gate for it.
    fn create_binding(&mut self, group: TargetGroupId, agenda: &mut Agenda<'_, Event>) {
        let deployment = self.services[self.groups[group].service].selects;
        let is_ip = self.groups[group].target_type == TargetType::Ip;
        let health = self.health_mut();
        health.groups[group].life = Life::There;
        if is_ip && health.settings.controller.readiness_gate {
            health.gates_of[deployment].push(group);
        }
        self.wake_controller(group, agenda);
    }

    /// A binding is deleted: its finaliser deregisters all targets, and the group goes without waiting for their deregistration delay.
    fn delete_binding(&mut self, group: TargetGroupId, agenda: &mut Agenda<'_, Event>) {
        let rules = self.rules();
        let nodes = (0..self.load_balancer_nodes).map(LoadBalancerNodeId);
        let shown_at: Vec<SimTime> = nodes.map(|node| rules.shown_at(node)).collect();
        let pods: Vec<PodId> = self.pods.ids().collect();
        let health = self.health_mut();
        health.groups[group].life = Life::Deleted;
        for groups in health.gates_of.iter_mut() {
            groups.retain(|&other| other != group);
        }
        let own = health.groups[group].shown_at.iter_mut();
        for (own, rules) in own.zip(shown_at) {
            // A load balancer node hears of the calls in their order: of the rules first.
            *own = (*own).max(rules);
        }
        for pod in pods {
            self.set_gate(pod, group, true, agenda);
        }
        self.wake_controller(group, agenda);
    }

    /// The controller's leader is lost: nothing is written until another one leads, and looks at everything.
    pub(super) fn lose_leader(&mut self, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        let until = agenda.now() + health.settings.controller.leader_failover;
        health.leaderless_until = health.leaderless_until.max(until);
        let until = health.leaderless_until;
        for group in health.groups.ids() {
            plan(agenda, until, HealthEvent::Reconcile(group));
        }
    }

    fn rules(&self) -> &Rules {
        let rules = self.rules.as_deref();
        rules.expect("a world in which rules change keeps them")
    }
}
