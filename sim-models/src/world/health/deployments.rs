//! Deployments at work: rollouts, and pods that replace those that are gone.
//!
//! A new pod takes a free place: one that no pod has yet, or that a pod has left. So the tables of a run
//! have a fixed size, however often pods are replaced.

use sim_core::{Agenda, SimTime};

use super::plan;
use super::pod::Pod;
use super::rollouts::Rollout;
use crate::cluster::condition::PodCondition;
use crate::control::deployment::{Counts, Limits, step};
use crate::id::{Arena, DeploymentId, NodeId, PodId};
use crate::observe::{self, Recorder};
use crate::streams::POD_UID;
use crate::world::blueprint::Blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// A Deployment's ReplicaSets.
#[derive(Debug)]
pub(super) struct ReplicaSets {
    pub(super) limits: Limits,
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
    /// The rollout under way.
    pub(super) rollout: Option<Rollout>,
}

/// What the ReplicaSet controller asks of the API server.
#[derive(Clone, Copy, Debug)]
enum Write {
    Delete(PodId),
    Create { new: bool },
}

impl ReplicaSets {
    /// Another number of replicas is wanted.
    pub(super) fn resize(&mut self, limits: Limits) {
        let replicas = limits.replicas;
        self.limits = limits;
        self.new = match self.old {
            0 => replicas,
            _ => self.new.min(replicas),
        };
    }
}

/// Deployments whose pods are all there, as far as they fit; where a rolling update stands still there are two generations of them.
pub(super) fn at_rest(
    blueprint: &Blueprint,
    pods: &Arena<PodId, Pod>,
) -> Arena<DeploymentId, ReplicaSets> {
    let health = blueprint.health.as_ref();
    let places = blueprint.places();
    let deployments = blueprint.deployments.enumerate();
    deployments
        .map(|(id, deployment)| {
            let own = || {
                let here = places.enumerate().zip(pods.iter());
                let own =
                    here.filter(move |((_, place), pod)| place.deployment == id && pod.exists());
                own.map(|(_, pod)| pod.generation)
            };
            let generation = own().max().unwrap_or(0);
            let old = own().filter(|&other| other < generation).count() as u32;
            let workload = health.map(|health| &health.workloads[id]);
            let strategy = workload.map(|it| it.strategy).unwrap_or_default();
            ReplicaSets {
                limits: strategy.rolling_update.limits(deployment.replicas),
                old,
                new: own().count() as u32 - old,
                generation,
                condition: PodCondition::Serving,
                syncs_at: None,
                created: 0,
                rollout: None,
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
        let health = self.health_mut();
        let it = &mut health.replica_sets[id];
        it.generation += 1;
        it.old += std::mem::take(&mut it.new);
        it.condition = condition;
        if let Some(placing) = &mut health.placing {
            placing.roll_out(id);
        }
        self.begin_rollout(id, agenda);
        self.wake_deployment(id, agenda);
    }

    /// Something about a Deployment's pods changed: its controllers will look.
    pub(super) fn wake_deployment(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        if health.placing.is_none() {
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
        let now = agenda.now();
        let health = self.health();
        let min_ready = health.workloads[id].config.min_ready;
        let available = |pods: &[PodId]| {
            let available = pods.iter();
            let available = available.filter(|&&pod| health.pods[pod].is_available(min_ready, now));
            available.count() as u32
        };
        let it = &health.replica_sets[id];
        let counts = Counts {
            old: it.old,
            new: it.new,
            old_available: available(&old),
            new_available: available(&new),
        };
        let next = if it.old > 0 || it.new < it.limits.replicas {
            step(counts, it.limits)
        } else {
            (it.old, it.new)
        };
        let it = &mut self.health_mut().replica_sets[id];
        let changed = next != (it.old, it.new);
        (it.old, it.new) = next;
        let all: Vec<PodId> = old.iter().chain(&new).copied().collect();
        let mut leaving = self.surplus(&old, next.0, &all, now);
        leaving.extend(self.surplus(&new, next.1, &all, now));
        let (missing_new, missing_old) = (
            next.1.saturating_sub(new.len() as u32),
            next.0.saturating_sub(old.len() as u32),
        );
        let writes = leaving.into_iter().map(Write::Delete);
        let writes = writes.chain((0..missing_new).map(|_| Write::Create { new: true }));
        let writes = writes.chain((0..missing_old).map(|_| Write::Create { new: false }));
        for write in writes {
            if !self.may_write(id, agenda) {
                break;
            }
            match write {
                Write::Delete(pod) => self.on_delete(pod, agenda),
                Write::Create { new } => self.create_pod(id, new, agenda),
            }
        }
        if changed {
            self.wake_deployment(id, agenda);
        }
        self.look_at_rollout(id, agenda);
    }

    /// Whether the ReplicaSet controller may send a request now. If not, it goes on as soon as it may.
    fn may_write(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) -> bool {
        let now = agenda.now();
        let health = self.health_mut();
        let at = health.writes.next(now);
        if at <= now {
            health.writes.take(now);
            return true;
        }
        health.replica_sets[id].syncs_at = Some(at);
        plan(agenda, at, HealthEvent::SyncDeployment(id));
        false
    }

    /// The pods of the old and of the new ReplicaSet that are not being deleted.
    pub(super) fn active(&self, id: DeploymentId) -> (Vec<PodId>, Vec<PodId>) {
        let health = self.health();
        let generation = health.replica_sets[id].generation;
        let pods = self.pods.enumerate();
        let own = pods.filter(|&(pod, it)| {
            it.deployment == id && health.pods[pod].exists() && !health.pods[pod].api.terminating
        });
        own.map(|(pod, _)| pod)
            .partition(|&pod| health.pods[pod].generation < generation)
    }

    /// The pods of a ReplicaSet above a number, in the order in which it deletes; `all` are those of the whole Deployment.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/controller_utils.go`, `ActivePodsWithRanks`: those without a node first, then those
    /// that are not ready, those with more fellows of the Deployment on their node, those that have been ready for less long (by powers of
    /// two), and then by unique name.
    fn surplus(&self, pods: &[PodId], keep: u32, all: &[PodId], now: SimTime) -> Vec<PodId> {
        let excess = pods.len().saturating_sub(keep as usize);
        if excess == 0 {
            return Vec::new();
        }
        let health = self.health();
        let fellows = self.counted(all);
        let serial = |pod| health.placing.as_ref().map_or(0, |it| it.serial(pod));
        let mut order: Vec<PodId> = pods.to_vec();
        order.sort_by_cached_key(|&pod| {
            let it = &health.pods[pod];
            let more = std::cmp::Reverse(fellows[self.pods[pod].node]);
            let ready_since = it.ready_changed.unwrap_or(SimTime::ZERO);
            let age = now.saturating_since(ready_since).as_nanos().max(1).ilog2();
            let uid = self
                .streams
                .nth(POD_UID, u64::from(pod.0), serial(pod))
                .u64();
            (it.bound, it.api.ready, more, age, uid)
        });
        order.truncate(excess);
        order
    }

    /// A pod is created, and waits for a node.
    fn create_pod(&mut self, id: DeploymentId, new: bool, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let Some(pod) = self.free_place(id) else {
            return;
        };
        let health = self.health_mut();
        let it = &mut health.replica_sets[id];
        it.created += 1;
        let serial = it.created;
        let generation = it.generation - u32::from(!new && it.generation > 0);
        let condition = if new {
            it.condition
        } else {
            PodCondition::Serving
        };
        health.pods[pod].begin(generation, condition, now);
        health.give_gates(pod, id);
        self.servers[pod].clear();
        self.renew_meter(pod, now);
        self.tell(now, observe::Health::Created { pod });
        self.tell_scheduler(agenda, |scheduler, now| {
            scheduler.add(pod, generation, serial, now);
        });
    }

    /// A place that no pod holds: the one that has been free for longest.
    fn free_place(&self, id: DeploymentId) -> Option<PodId> {
        let health = self.health();
        let pods = self.pods.enumerate();
        let free = pods.filter(|&(pod, it)| it.deployment == id && !health.pods[pod].exists());
        free.map(|(pod, _)| pod)
            .min_by_key(|&pod| (health.pods[pod].left_at, pod))
    }

    /// How many of some pods lie on each node.
    fn counted(&self, pods: &[PodId]) -> Arena<NodeId, u32> {
        let mut counts: Arena<NodeId, u32> = self.nodes.iter().map(|_| 0).collect();
        let health = self.health();
        for &pod in pods.iter().filter(|&&pod| health.pods[pod].bound) {
            counts[self.pods[pod].node] += 1;
        }
        counts
    }
}
