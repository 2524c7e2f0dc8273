//! Readiness gates: a pod waits until the load balancer calls its target healthy.
//!
//! The controller's webhook gives a pod a gate for each `ip` group that will hold it. The controller opens the gate when the API calls the
//! target healthy; the kubelet hears of it and calls the pod ready.
//!
//! Source: AWS Load Balancer Controller, "Pod readiness gate"; `pkg/targetgroupbinding/resource_manager.go`.

use sim_core::Agenda;

use super::targets::{Key, Seen};
use super::{Health, plan};
use crate::health::target_group::TargetState;
use crate::id::{DeploymentId, PodId, ServiceId, TargetGroupId};
use crate::observe::Recorder;
use crate::request::load_balancer::TargetType;
use crate::world::blueprint::Blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// The readiness gates of a pod.
#[derive(Debug)]
pub(super) struct Gates {
    /// One for each group that will hold the pod, and whether it is open.
    gates: Vec<(TargetGroupId, bool)>,
    /// Whether all were open when the kubelet last heard of them.
    pub(super) pass: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            gates: Vec::new(),
            pass: true,
        }
    }
}

impl Gates {
    fn new(groups: &[TargetGroupId], open: bool) -> Self {
        Self {
            gates: groups.iter().map(|&group| (group, open)).collect(),
            pass: open || groups.is_empty(),
        }
    }

    /// Whether the gate of a group is there, and closed.
    fn is_closed(&self, group: TargetGroupId) -> bool {
        self.gates.contains(&(group, false))
    }

    fn all_open(&self) -> bool {
        self.gates.iter().all(|&(_, open)| open)
    }

    /// Opens or closes the gate of a group, where there is one. Returns whether that changes anything.
    fn set(&mut self, group: TargetGroupId, open: bool) -> bool {
        let gate = self.gates.iter_mut().find(|(of, _)| *of == group);
        gate.is_some_and(|(_, was)| std::mem::replace(was, open) != open)
    }
}

impl Health {
    /// Pods of time zero have passed their gates; those that are Pending have not.
    pub(super) fn pass_gates(&mut self, blueprint: &Blueprint) {
        if !self.settings.controller.readiness_gate {
            return;
        }
        for (id, group) in blueprint.target_groups.enumerate() {
            if group.target_type == TargetType::Ip {
                let deployment = blueprint.services[group.service].selects;
                self.gates_of[deployment].push(id);
            }
        }
        for (pod, place) in blueprint.places().enumerate() {
            let it = &mut self.pods[pod];
            it.gates = Gates::new(&self.gates_of[place.deployment], it.noticed);
        }
    }

    /// A new pod of a Deployment gets its gates.
    pub(super) fn give_gates(&mut self, pod: PodId, deployment: DeploymentId) {
        self.pods[pod].gates = Gates::new(&self.gates_of[deployment], false);
    }

    /// A pass looks at the pods behind closed gates. Returns whether any of them is registered: then it asks for their targets' health.
    pub(super) fn look_at_gates(&mut self, group: TargetGroupId, service: ServiceId) -> bool {
        let closed: Vec<PodId> = self.waiting(group, service).collect();
        let registered = |pod: &PodId| self.position_of(group, *pod).is_some();
        let asks = closed.iter().any(registered);
        let healthy = closed.into_iter().filter(|&pod| {
            let position = self.position_of(group, pod);
            position.is_some_and(|position| self.is_healthy_in_api(group, position))
        });
        self.groups[group].seen.healthy = healthy.collect();
        asks
    }

    /// A pass has registered targets.
    pub(super) fn note_registered(&mut self, group: TargetGroupId, positions: &[usize]) {
        if !self.settings.controller.readiness_gate {
            return;
        }
        let it = &mut self.groups[group];
        let keys = positions.iter().map(|&position| it.targets[position].key);
        let pods = keys.filter_map(|key| match key {
            Key::Pod(pod) => Some(pod),
            Key::Node(_) => None,
        });
        it.seen.registered.extend(pods);
    }

    /// The endpoints of a Service that wait for the gate of a group.
    fn waiting(
        &self,
        group: TargetGroupId,
        service: ServiceId,
    ) -> impl Iterator<Item = PodId> + '_ {
        let endpoints = &self.services[service].latest().endpoints;
        let pods = endpoints.iter().map(|endpoint| endpoint.pod);
        pods.filter(move |&pod| {
            let it = &self.pods[pod];
            it.gates.is_closed(group) && it.exists() && !it.api.terminating
        })
    }

    /// Where a pod is registered in a group.
    fn position_of(&self, group: TargetGroupId, pod: PodId) -> Option<usize> {
        let mut targets = self.groups[group].targets.iter();
        targets.position(|it| it.registered && it.key == Key::Pod(pod))
    }

    /// Whether the API calls a target healthy.
    fn is_healthy_in_api(&self, group: TargetGroupId, position: usize) -> bool {
        let views = self.views_of(group, position);
        let healthy = views.filter(|&view| self.views[view].view.state == TargetState::Healthy);
        let merge = self.settings.groups[group].config.health_check.api_merge;
        merge.is_healthy(healthy.count(), self.load_balancer_nodes as usize)
    }
}

impl<R: Recorder> World<R> {
    /// The containers of a pod with gates became ready or unready: the controller will look at the groups that gate it.
    ///
    /// Source: AWS Load Balancer Controller 3.4 and later: it watches pods with readiness gates.
    pub(super) fn wake_gatekeepers(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let gates = self.health().pods[pod].gates.gates.iter();
        for group in gates.map(|&(group, _)| group).collect::<Vec<_>>() {
            self.wake_controller(group, agenda);
        }
    }

    /// A pass ends: gates of healthy targets open, those of new targets are closed; while one is closed the pass will be repeated.
    ///
    /// A gate does not close again when its target turns unhealthy: the controller trusts the targets that it has seen healthy.
    pub(super) fn move_gates(&mut self, group: TargetGroupId, agenda: &mut Agenda<'_, Event>) {
        if !self.health().settings.controller.readiness_gate {
            return;
        }
        let Seen {
            healthy,
            registered,
        } = std::mem::take(&mut self.health_mut().groups[group].seen);
        for pod in healthy {
            self.set_gate(pod, group, true, agenda);
        }
        for pod in registered {
            self.set_gate(pod, group, false, agenda);
        }
        let service = self.groups[group].service;
        let health = self.health();
        let waits = health.waiting(group, service).next().is_some();
        if waits {
            let at = agenda.now() + health.settings.controller.requeue;
            self.repeat(group, at, agenda);
        }
    }

    /// A condition of a pod is patched: its kubelet will hear of it.
    pub(super) fn set_gate(
        &mut self,
        pod: PodId,
        group: TargetGroupId,
        open: bool,
        agenda: &mut Agenda<'_, Event>,
    ) {
        if self.health_mut().pods[pod].gates.set(group, open) {
            self.health_mut().pods[pod].changes += 1;
            let heard = agenda.now() + self.watch_of(pod, agenda.now());
            plan(agenda, heard, HealthEvent::GateSeen(pod));
        }
    }

    /// A kubelet hears that a readiness gate of a pod has opened or closed.
    pub(super) fn on_gate_seen(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let node = self.pods[pod].node;
        let health = self.health_mut();
        let reports = health.nodes[node].condition().reports();
        let it = &mut health.pods[pod];
        let pass = it.gates.all_open();
        if it.exists() && reports && it.gates.pass != pass {
            it.gates.pass = pass;
            self.update_status(pod, agenda);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_passes_when_all_its_gates_are_open() {
        let groups = [TargetGroupId(0), TargetGroupId(2)];
        let mut gates = Gates::new(&groups, false);
        assert!(!gates.pass && gates.is_closed(groups[0]));
        assert!(gates.set(groups[0], true));
        assert!(!gates.set(groups[0], true), "it is open already");
        assert!(!gates.all_open());
        assert!(gates.set(groups[1], true));
        assert!(gates.all_open());
        assert!(!gates.set(TargetGroupId(1), true), "it has no such gate");
        assert!(
            Gates::new(&[], false).pass,
            "a pod without gates waits for nothing"
        );
    }
}
