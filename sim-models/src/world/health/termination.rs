//! Pods that are deleted: two branches run in parallel, and nothing orders them.
//!
//! The EndpointSlice controller takes the pod out of rotation; the kubelet runs the preStop hook, sends
//! SIGTERM and, when the grace period is over, SIGKILL.
//!
//! Source: Kubernetes, "Pod Lifecycle", termination of pods.

use sim_core::Agenda;

use super::plan;
use super::pod::Process;
use crate::cluster::condition::PodCondition;
use crate::control::node_lifecycle::Patience;
use crate::id::{NodeId, PodId};
use crate::observe::{self, Recorder};
use crate::request::server::OnSigterm;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

impl<R: Recorder> World<R> {
    /// Pods of a lost node have tolerated it long enough: they are deleted.
    pub(super) fn on_evict(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        if !self.health().nodes[node].evicts_at(agenda.now()) {
            return;
        }
        for pod in self.pods_on(node) {
            if self.patience(pod) == Patience::Default {
                self.on_delete(pod, agenda);
            }
        }
    }

    /// A pod is deleted in the API.
    pub(super) fn on_delete(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let it = &mut self.health_mut().pods[pod];
        if it.api.terminating || !it.exists() {
            return;
        }
        if !it.bound {
            return self.withdraw(pod, agenda);
        }
        it.api.terminating = true;
        self.tell(now, observe::Health::Deleted { pod });
        let node = self.pods[pod].node;
        self.tell_scheduler(agenda, |scheduler, _| scheduler.terminates(pod, node));
        self.pod_changed(pod, agenda);
        self.wake_deployment(self.pods[pod].deployment, agenda);
        let heard = now + self.watch_of(pod, now);
        plan(agenda, heard, HealthEvent::Terminate(pod));
    }

    /// A pod without a node is deleted: nobody has to confirm it.
    fn withdraw(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        self.health_mut().pods[pod].leave(now);
        self.tell(now, observe::Health::Deleted { pod });
        self.tell_scheduler(agenda, |scheduler, _| scheduler.forget(pod));
        self.wake_deployment(self.pods[pod].deployment, agenda);
    }

    /// A kubelet hears that a pod is deleted: preStop first.
    pub(super) fn on_terminate(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health();
        let condition = health.nodes[self.pods[pod].node].condition();
        if !condition.reports() || condition.runtime_hung {
            // Nobody is there to hear it, or to stop a container; the object stays in state Terminating.
            return;
        }
        let workload = &health.workloads[self.pods[pod].deployment].config;
        let grace = workload.termination_grace_period;
        let stop = health.settings.kubelet.stop(workload.pre_stop, grace);
        let at = agenda.now() + self.hop(pod) + stop.before_sigterm;
        plan(agenda, at, HealthEvent::Sigterm(pod));
    }

    /// A pod's process gets SIGTERM. An orderly server closes its listener, and ends when its requests are done.
    pub(super) fn on_sigterm(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let deployment = self.pods[pod].deployment;
        let health = self.health_mut();
        let it = &mut health.pods[pod];
        if it.process == Process::Gone {
            return;
        }
        let hangs = it.condition() == PodCondition::Hanging;
        let how = health.workloads[deployment].on_sigterm;
        let workload = &health.workloads[deployment].config;
        let grace = workload.termination_grace_period;
        let stop = health.settings.kubelet.stop(workload.pre_stop, grace);
        let left = stop.before_sigkill;
        match how {
            OnSigterm::CloseListenerDrain => {}
            OnSigterm::CloseAll if !hangs => return plan(agenda, now, HealthEvent::Exit(pod)),
            // A process that hangs does not come to its handler.
            OnSigterm::CloseAll | OnSigterm::KeepServing => {
                return plan(agenda, now + left, HealthEvent::Exit(pod));
            }
            OnSigterm::AnnounceClose => {
                self.health_mut().pods[pod].announces_close = true;
                return plan(agenda, now + left, HealthEvent::Exit(pod));
            }
        }
        self.health_mut().pods[pod].listening = false;
        self.tell(now, observe::Health::Closed { pod });
        // An orderly server closes its idle connections at once, and the others after their answer.
        self.close_connections(pod, now);
        let idle = self.servers[pod].busy() == 0 && self.servers[pod].waiting() == 0;
        let end = if idle && !hangs { now } else { now + left };
        plan(agenda, end, HealthEvent::Exit(pod));
    }

    /// A deleted pod's last process has ended, and its sandbox with it.
    pub(super) fn on_gone(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let it = &mut self.health_mut().pods[pod];
        if it.exists() {
            it.leave(agenda.now());
            self.pod_changed(pod, agenda);
            let node = self.pods[pod].node;
            self.tell_scheduler(agenda, |scheduler, now| scheduler.is_gone(pod, node, now));
            self.leaves_drain(pod, node, agenda.now());
        }
    }
}
