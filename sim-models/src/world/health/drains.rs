//! Nodes that are drained: evictions that their budgets allow, and those that are tried again.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::{Agenda, SimTime};

use super::pod::Pod;
use super::{Health, plan};
use crate::control::disruption::{Budget, Candidate, Drain};
use crate::id::{Arena, DeploymentId, NodeId, PodId};
use crate::observe::{self, DrainState, Recorder};
use crate::world::blueprint::{self, Blueprint};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// PodDisruptionBudgets, and the drains under way.
#[derive(Debug)]
pub(super) struct Disruptions {
    budgets: Arena<DeploymentId, Option<Budget>>,
    /// Budgets that their controller is about to look at.
    queued: BTreeSet<DeploymentId>,
    drains: BTreeMap<NodeId, Draining>,
}

/// A drain under way.
#[derive(Debug)]
struct Draining {
    how: Drain,
    gives_up_at: Option<SimTime>,
    /// Pods that have not left yet.
    left: BTreeSet<PodId>,
}

impl Disruptions {
    /// Budgets at time zero, and no drain.
    pub(super) fn new(
        blueprint: &Blueprint,
        config: &blueprint::Health,
        pods: &Arena<PodId, Pod>,
    ) -> Self {
        let places = blueprint.places();
        let healthy = |id| {
            let own = places.enumerate().filter(|(_, it)| it.deployment == id);
            own.filter(|&(pod, _)| pods[pod].api.ready).count() as u32
        };
        let budgets = config.workloads.enumerate().map(|(id, workload)| {
            let replicas = blueprint.deployments[id].replicas;
            let budget = workload.pod_disruption_budget;
            budget.map(|it| Budget::new(it, replicas, healthy(id)))
        });
        Self {
            budgets: budgets.collect(),
            queued: BTreeSet::new(),
            drains: BTreeMap::new(),
        }
    }
}

impl Health {
    /// A pod as the eviction API sees it.
    fn candidate(&self, pod: PodId) -> Candidate {
        let it = &self.pods[pod];
        Candidate {
            pod,
            is_pending: it.is_pending(),
            is_ready: it.api.ready,
        }
    }
}

impl<R: Recorder> World<R> {
    /// A node is cordoned, and its pods are evicted.
    pub(super) fn drain(&mut self, node: NodeId, how: Drain, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        self.tell_scheduler(agenda, |scheduler, _| scheduler.cordon(node));
        let pods = self.pods_on(node);
        let gives_up_at = how.timeout.map(|timeout| now + timeout);
        if let Some(at) = gives_up_at {
            plan(agenda, at, HealthEvent::DrainTimeout(node));
        }
        let draining = Draining {
            how,
            gives_up_at,
            left: pods.iter().copied().collect(),
        };
        self.health_mut().disruptions.drains.insert(node, draining);
        self.tell_drain(node, DrainState::Began, now);
        for pod in pods {
            self.evict(pod, agenda);
        }
        self.look_at_drain(node, now);
    }

    /// Somebody who drains a node asks the eviction API for a pod, and asks again later where its budget does not allow it.
    pub(super) fn evict(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let (node, deployment) = (self.pods[pod].node, self.pods[pod].deployment);
        let health = self.health_mut();
        let Some(draining) = health.disruptions.drains.get(&node) else {
            return;
        };
        let again = now + draining.how.retry;
        if !draining.left.contains(&pod) || health.pods[pod].api.terminating {
            return;
        }
        let candidate = health.candidate(pod);
        let budget = &mut health.disruptions.budgets[deployment];
        match budget.as_mut().map(|budget| budget.evict(candidate, now)) {
            None | Some(Ok(())) => self.on_delete(pod, agenda),
            Some(Err(status)) => {
                plan(agenda, again, HealthEvent::EvictPod(pod));
                let seen = observe::Health::EvictionRefused { pod, node, status };
                self.tell(now, seen);
            }
        }
    }

    /// A pod has left its node: perhaps it was the last one that somebody waited for.
    pub(super) fn leaves_drain(&mut self, pod: PodId, node: NodeId, now: SimTime) {
        if let Some(draining) = self.health_mut().disruptions.drains.get_mut(&node) {
            draining.left.remove(&pod);
            self.look_at_drain(node, now);
        }
    }

    fn look_at_drain(&mut self, node: NodeId, now: SimTime) {
        let drains = &mut self.health_mut().disruptions.drains;
        if drains.get(&node).is_some_and(|it| it.left.is_empty()) {
            drains.remove(&node);
            self.tell_drain(node, DrainState::Complete, now);
        }
    }

    /// Whoever drains a node has waited long enough.
    pub(super) fn on_drain_timeout(&mut self, node: NodeId, now: SimTime) {
        let drains = &mut self.health_mut().disruptions.drains;
        if drains.get(&node).and_then(|it| it.gives_up_at) == Some(now) {
            drains.remove(&node);
            self.tell_drain(node, DrainState::TimedOut, now);
        }
    }

    /// The disruption controller has heard of a pod: it looks at the budget soon.
    pub(super) fn wake_budget(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        let disruptions = &mut health.disruptions;
        if disruptions.budgets[id].is_some() && disruptions.queued.insert(id) {
            let at = agenda.now() + health.workloads[id].config.pace.workload_sync;
            plan(agenda, at, HealthEvent::SyncBudget(id));
        }
    }

    /// The disruption controller looks at a budget.
    pub(super) fn on_sync_budget(&mut self, id: DeploymentId, now: SimTime) {
        let own = self.pods.enumerate();
        let own = own.filter(|(_, pod)| pod.deployment == id);
        let health = self.health();
        let sound = own.filter(|&(pod, _)| {
            let seen = health.pods[pod].seen;
            seen.ready && !seen.terminating
        });
        let healthy: Vec<PodId> = sound.map(|(pod, _)| pod).collect();
        let health = self.health_mut();
        health.disruptions.queued.remove(&id);
        let replicas = health.replica_sets[id].limits.replicas;
        let pods = &health.pods;
        let leaves = |pod: PodId| pods[pod].seen.terminating || !pods[pod].exists();
        if let Some(budget) = &mut health.disruptions.budgets[id] {
            budget.sync(replicas, &healthy, leaves, now);
        }
    }

    fn tell_drain(&mut self, node: NodeId, state: DrainState, now: SimTime) {
        self.tell(now, observe::Health::Drain { node, state });
    }
}
