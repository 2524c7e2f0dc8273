//! Deployments at work: rollouts, and pods that replace those that are gone.
//!
//! A new pod takes a free place: one that no pod has yet, or that a pod has left. So the tables of a run
//! have a fixed size, however often pods are replaced.

use std::collections::VecDeque;

use sim_core::{Agenda, SimTime};

use super::plan;
use super::pod::Pod;
use super::rollouts::Rollout;
use crate::cluster::condition::PodCondition;
use crate::control::deployment::{BURST_REPLICAS, Counts, Limits, SlowStart, step};
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
    /// What the old and the new ReplicaSet have asked for and not yet seen: until then they ask for nothing else.
    expects: [Expected; 2],
    /// The revisions of the pods that are to come, in their order.
    coming: VecDeque<u32>,
    created: u64,
    /// The rollout under way.
    pub(super) rollout: Option<Rollout>,
}

/// What a ReplicaSet has asked for and not yet seen.
///
/// Source: Kubernetes 1.34 `pkg/controller/controller_utils.go`, `ControllerExpectations`.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// Pods that are to come in later batches.
    later: SlowStart,
    /// Pods of this batch that are not there yet.
    coming: u32,
    /// Pods that are not marked yet.
    leaving: u32,
}

impl Expected {
    fn is_met(&self) -> bool {
        self.coming == 0 && self.leaving == 0
    }

    /// The new ReplicaSet becomes an old one: what it has asked for comes, and it asks for no more.
    fn retire(&mut self, new: Self) {
        self.coming += new.coming;
        self.leaving += new.leaving;
    }
}

impl ReplicaSets {
    /// The revision of the pods that the old or the new ReplicaSet creates.
    fn generation_of(&self, new: bool) -> u32 {
        self.generation.saturating_sub(u32::from(!new))
    }

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
                expects: Default::default(),
                coming: VecDeque::new(),
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
        let [old, new] = &mut it.expects;
        old.retire(std::mem::take(new));
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
        let at = agenda.now() + health.workloads[id].config.pace.workload_sync;
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
        self.sync_replica_set(id, false, &old, next.0, &all, agenda);
        self.sync_replica_set(id, true, &new, next.1, &all, agenda);
        if changed {
            self.wake_deployment(id, agenda);
        }
        self.look_at_rollout(id, agenda);
    }

    /// One sync of the old or the new ReplicaSet: it asks for pods that are missing, or gives up those that it has too many, `all` being those of
    /// the whole Deployment.
    fn sync_replica_set(
        &mut self,
        id: DeploymentId,
        new: bool,
        pods: &[PodId],
        wanted: u32,
        all: &[PodId],
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        if !self.health().replica_sets[id].expects[usize::from(new)].is_met() {
            return;
        }
        let missing = wanted.saturating_sub(pods.len() as u32);
        if missing > 0 {
            let room = self.free_places(id).count() as u32;
            let expected = &mut self.health_mut().replica_sets[id].expects[usize::from(new)];
            expected.later = SlowStart::new(missing.min(room));
            return self.create_batch(id, new, agenda);
        }
        let mut leaving = self.surplus(pods, wanted, all, now);
        leaving.truncate(BURST_REPLICAS as usize);
        let health = self.health_mut();
        health.replica_sets[id].expects[usize::from(new)].leaving = leaving.len() as u32;
        let takes = health.workloads[id].config.pace.delete_pod;
        for pod in leaving {
            let at = health.writes.take(now) + takes;
            plan(agenda, at, HealthEvent::ScaleDown(pod));
        }
    }

    /// A ReplicaSet asks for the next batch of its new pods, all at once as far as the controllers may send requests.
    fn create_batch(&mut self, id: DeploymentId, new: bool, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        let it = &mut health.replica_sets[id];
        let generation = it.generation_of(new);
        let expected = &mut it.expects[usize::from(new)];
        expected.coming = expected.later.next_batch();
        let takes = health.workloads[id].config.pace.create_pod;
        for _ in 0..expected.coming {
            it.coming.push_back(generation);
            let at = health.writes.take(agenda.now()) + takes;
            plan(agenda, at, HealthEvent::Create(id));
        }
    }

    /// A pod that a ReplicaSet asked for is there. After the last of a batch comes the next batch, and after the last batch another look.
    pub(super) fn on_create(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let it = &mut self.health_mut().replica_sets[id];
        let asked = it.coming.pop_front();
        let generation = asked.expect("a pod comes for each that was asked for");
        let new = generation == it.generation;
        self.create_pod(id, generation, agenda);
        let expected = &mut self.health_mut().replica_sets[id].expects[usize::from(new)];
        expected.coming -= 1;
        if expected.coming == 0 {
            self.create_batch(id, new, agenda);
        }
        if self.health().replica_sets[id].expects[usize::from(new)].is_met() {
            self.wake_deployment(id, agenda);
        }
    }

    /// A pod that a ReplicaSet has too many is marked for deletion.
    pub(super) fn on_scale_down(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let id = self.pods[pod].deployment;
        self.on_delete(pod, agenda);
        let health = self.health_mut();
        let it = &mut health.replica_sets[id];
        let new = health.pods[pod].generation == it.generation;
        let expected = &mut it.expects[usize::from(new)];
        expected.leaving = expected.leaving.saturating_sub(1);
        self.wake_deployment(id, agenda);
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
    fn create_pod(&mut self, id: DeploymentId, generation: u32, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let health = self.health();
        let longest = self
            .free_places(id)
            .min_by_key(|&pod| (health.pods[pod].left_at, pod));
        let Some(pod) = longest else {
            return;
        };
        let health = self.health_mut();
        let it = &mut health.replica_sets[id];
        it.created += 1;
        let serial = it.created;
        let condition = match generation == it.generation {
            true => it.condition,
            false => PodCondition::Serving,
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

    /// The places that no pod holds.
    fn free_places(&self, id: DeploymentId) -> impl Iterator<Item = PodId> {
        let health = self.health();
        let pods = self.pods.enumerate();
        let free = pods.filter(move |&(pod, it)| it.deployment == id && !health.pods[pod].exists());
        free.map(|(pod, _)| pod)
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
