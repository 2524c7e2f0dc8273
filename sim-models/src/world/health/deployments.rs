//! Deployments at work: rollouts, and pods that replace those that are gone.
//!
//! A new pod takes a free place: one that no pod has yet, or that a pod has left. So the tables of a run
//! have a fixed size, however often pods are replaced.

use sim_core::{Agenda, SimTime};

use super::{drawn, plan};
use crate::cluster::condition::PodCondition;
use crate::control::aws_controller::NodeReady;
use crate::control::deployment::{Counts, Limits, step};
use crate::id::{Arena, DeploymentId, NodeId, PodId};
use crate::observe::{self, Recorder};
use crate::streams::SCHEDULING;
use crate::world::blueprint::Blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// A Deployment's ReplicaSets.
#[derive(Debug)]
pub(super) struct ReplicaSets {
    limits: Limits,
    /// Replicas that the old and the new ReplicaSet shall have.
    old: u32,
    new: u32,
    /// The pod template's version; pods of an earlier one are old.
    generation: u32,
    /// What becomes of new pods.
    condition: PodCondition,
    /// When the controller looks next.
    syncs_at: Option<SimTime>,
    created: u64,
}

/// Deployments whose pods are all there.
pub(super) fn complete(blueprint: &Blueprint) -> Arena<DeploymentId, ReplicaSets> {
    let health = blueprint.health.as_ref();
    let deployments = blueprint.deployments.ids();
    deployments
        .map(|id| {
            let pods = blueprint.pods.iter().filter(|pod| pod.deployment == id);
            let replicas = pods.count() as u32;
            let workload = health.map(|health| &health.workloads[id]);
            let strategy = workload.map(|it| it.strategy).unwrap_or_default();
            ReplicaSets {
                limits: strategy.rolling_update.limits(replicas),
                old: 0,
                new: replicas,
                generation: 0,
                condition: PodCondition::Serving,
                syncs_at: None,
                created: 0,
            }
        })
        .collect()
}

impl<R: Recorder> World<R> {
    /// The pod template changes: the new ReplicaSet has no pods yet.
    pub(super) fn roll_out(
        &mut self,
        id: DeploymentId,
        condition: PodCondition,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let it = &mut self.health_mut().replica_sets[id];
        it.generation += 1;
        it.old += std::mem::take(&mut it.new);
        it.condition = condition;
        self.wake_deployment(id, agenda);
    }

    /// Something about a Deployment's pods changed: its controllers will look.
    pub(super) fn wake_deployment(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        if !health.has_spares {
            return;
        }
        let at = agenda.now() + health.settings.workload_sync;
        let it = &mut health.replica_sets[id];
        if it.syncs_at.is_none() {
            it.syncs_at = Some(at);
            plan(agenda, at, HealthEvent::SyncDeployment(id));
        }
    }

    /// The controllers of a Deployment look at its pods: one step of a rollout, and pods that are missing.
    pub(super) fn on_sync_deployment(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        self.health_mut().replica_sets[id].syncs_at = None;
        let (old, new) = self.active(id);
        let health = self.health();
        let available = |pods: &[PodId]| {
            let ready = pods.iter().filter(|&&pod| health.pods[pod].seen.ready);
            ready.count() as u32
        };
        let it = &health.replica_sets[id];
        let counts = Counts {
            old: it.old,
            new: it.new,
            old_available: available(&old),
            new_available: available(&new),
        };
        let next = if it.old > 0 {
            step(counts, it.limits)
        } else {
            (it.old, it.new)
        };
        let it = &mut self.health_mut().replica_sets[id];
        let changed = next != (it.old, it.new);
        (it.old, it.new) = next;
        for pod in self.surplus(&old, next.0) {
            self.on_delete(pod, agenda);
        }
        for pod in self.surplus(&new, next.1) {
            self.on_delete(pod, agenda);
        }
        for _ in new.len() as u32..next.1 {
            self.create_pod(id, true, agenda);
        }
        for _ in old.len() as u32..next.0 {
            self.create_pod(id, false, agenda);
        }
        if changed {
            self.wake_deployment(id, agenda);
        }
    }

    /// The pods of the old and of the new ReplicaSet that are not being deleted.
    fn active(&self, id: DeploymentId) -> (Vec<PodId>, Vec<PodId>) {
        let health = self.health();
        let generation = health.replica_sets[id].generation;
        let pods = self.pods.enumerate();
        let own = pods.filter(|&(pod, it)| {
            it.deployment == id && health.pods[pod].exists() && !health.pods[pod].api.terminating
        });
        own.map(|(pod, _)| pod)
            .partition(|&pod| health.pods[pod].generation < generation)
    }

    /// The pods above a number, in the order in which a ReplicaSet deletes.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/controller_utils.go`, `ActivePodsWithRanks`: those that are
    /// not ready first, then those with more fellows on their node.
    fn surplus(&self, pods: &[PodId], keep: u32) -> Vec<PodId> {
        let excess = pods.len().saturating_sub(keep as usize);
        if excess == 0 {
            return Vec::new();
        }
        let health = self.health();
        let fellows = self.counted(pods);
        let mut order: Vec<PodId> = pods.to_vec();
        order.sort_by_key(|&pod| {
            let more = std::cmp::Reverse(fellows[self.pods[pod].node]);
            (health.pods[pod].api.ready, more, std::cmp::Reverse(pod))
        });
        order.truncate(excess);
        order
    }

    /// A pod is created, bound to a node, and started there.
    fn create_pod(&mut self, id: DeploymentId, new: bool, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let Some(node) = self.schedule(id) else {
            return;
        };
        let Some(pod) = self.free_place(id) else {
            return;
        };
        self.pods[pod].node = node;
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.replica_sets[id];
        it.created += 1;
        let generation = it.generation - u32::from(!new && it.generation > 0);
        let condition = if new {
            it.condition
        } else {
            PodCondition::Serving
        };
        let (entity, draw) = (u64::from(id.0), 2 * it.created);
        let bound = drawn(
            &health.settings.scheduling,
            &streams,
            SCHEDULING,
            entity,
            draw,
        );
        let start = &health.settings.start_container;
        let start = drawn(start, &streams, SCHEDULING, entity, draw + 1);
        health.pods[pod].begin(node, generation, condition, now);
        self.servers[pod].clear();
        self.tell(now, observe::Health::Created { pod, node });
        plan(agenda, now + bound + start, HealthEvent::Run(pod));
        self.renew_probers(pod, now, agenda);
    }

    /// A place that no pod holds: the one that has been free for longest.
    fn free_place(&self, id: DeploymentId) -> Option<PodId> {
        let health = self.health();
        let pods = self.pods.enumerate();
        let free = pods.filter(|&(pod, it)| it.deployment == id && !health.pods[pod].exists());
        free.map(|(pod, _)| pod)
            .min_by_key(|&pod| (health.pods[pod].left_at, pod))
    }

    /// The node of a new pod: one that is ready and not cordoned, with the fewest pods of the newest template.
    ///
    /// This is what kube-scheduler's default spreading over host names does on nodes that are alike.
    fn schedule(&self, id: DeploymentId) -> Option<NodeId> {
        let health = self.health();
        let generation = health.replica_sets[id].generation;
        let (old, new) = self.active(id);
        let (old, new) = (self.counted(&old), self.counted(&new));
        let fits = |&node: &NodeId| {
            let it = &health.nodes[node];
            it.ready == NodeReady::True && !it.cordoned
        };
        let fewest = |&node: &NodeId| match generation {
            0 => (old[node] + new[node], 0, node),
            _ => (new[node], old[node], node),
        };
        self.nodes.ids().filter(fits).min_by_key(fewest)
    }

    /// How many of some pods lie on each node.
    fn counted(&self, pods: &[PodId]) -> Arena<NodeId, u32> {
        let mut counts: Arena<NodeId, u32> = self.nodes.iter().map(|_| 0).collect();
        for &pod in pods {
            counts[self.pods[pod].node] += 1;
        }
        counts
    }

    /// A node is cordoned, and its pods are evicted.
    pub(super) fn drain(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        self.health_mut().nodes[node].cordoned = true;
        for pod in self.pods_on(node) {
            self.on_delete(pod, agenda);
        }
    }
}
