//! Rolling updates under watch: which pods are available, and whether an update still makes progress.

use sim_core::{Agenda, SimTime};

use super::plan;
use crate::control::deployment::{Condition, Progress, Status, available_from};
use crate::id::{DeploymentId, PodId};
use crate::observe::{self, Recorder, RolloutState};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// A rolling update under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rollout {
    progress: Progress,
    /// When the controller looks whether it is late.
    looks_at: SimTime,
}

impl<R: Recorder> World<R> {
    /// A pod is ready: after `min_ready` it is available, and its Deployment's controllers look again.
    pub(super) fn await_available(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health();
        let min_ready = health.workloads[self.pods[pod].deployment].config.min_ready;
        if let (false, Some(since)) = (min_ready.is_zero(), health.pods[pod].ready_changed) {
            let at = available_from(since, min_ready).max(agenda.now());
            plan(agenda, at, HealthEvent::Available(pod));
        }
    }

    /// A rolling update begins: from now on it has to make progress.
    pub(super) fn begin_rollout(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let progress = Progress::begin(self.status(id, now), now);
        let health = self.health_mut();
        let looks_at = progress.late_from(health.workloads[id].config.progress_deadline);
        health.replica_sets[id].rollout = Some(Rollout { progress, looks_at });
        plan(agenda, looks_at, HealthEvent::ProgressDeadline(id));
        self.tell_rollout(id, RolloutState::Began, now);
    }

    /// The Deployment controller looks at the progress of a rolling update.
    pub(super) fn look_at_rollout(&mut self, id: DeploymentId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let health = self.health();
        let deadline = health.workloads[id].config.progress_deadline;
        let it = &health.replica_sets[id];
        let Some(mut rollout) = it.rollout else {
            return;
        };
        let (status, replicas) = (self.status(id, now), it.limits.replicas);
        let state = match rollout.progress.look(status, replicas, deadline, now) {
            Condition::Same => None,
            Condition::Resumed => Some(RolloutState::Resumed),
            Condition::DeadlineExceeded => Some(RolloutState::DeadlineExceeded),
            Condition::Complete => Some(RolloutState::Complete),
        };
        // The look that was planned finds that the deadline has moved, and plans the next one.
        let goes_on = state != Some(RolloutState::Complete);
        if goes_on && !rollout.progress.is_late() && rollout.looks_at <= now {
            rollout.looks_at = rollout.progress.late_from(deadline);
            plan(agenda, rollout.looks_at, HealthEvent::ProgressDeadline(id));
        }
        self.health_mut().replica_sets[id].rollout = goes_on.then_some(rollout);
        if let Some(state) = state {
            self.tell_rollout(id, state, now);
        }
    }

    /// What the controller counts of a Deployment's pods.
    fn status(&self, id: DeploymentId, now: SimTime) -> Status {
        let (old, new) = self.active(id);
        let health = self.health();
        let min_ready = health.workloads[id].config.min_ready;
        let both = || old.iter().chain(&new).map(|&pod| &health.pods[pod]);
        Status {
            updated: new.len() as u32,
            old: old.len() as u32,
            ready: both().filter(|pod| pod.seen.ready).count() as u32,
            available: both()
                .filter(|pod| pod.is_available(min_ready, now))
                .count() as u32,
        }
    }

    fn tell_rollout(&mut self, deployment: DeploymentId, state: RolloutState, now: SimTime) {
        self.tell(now, observe::Health::Rollout { deployment, state });
    }
}
