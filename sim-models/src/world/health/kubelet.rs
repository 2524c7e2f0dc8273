//! Kubelets at work: statuses, and containers that exit and start.

use sim_core::{Agenda, SimDuration, SimTime};

use super::api::Call;
use super::pod::Process;
use super::{Health, drawn, plan};
use crate::cluster::condition::PodCondition;
use crate::control::kubelet::next_tick;
use crate::id::{PodId, ProberId};
use crate::observe::{self, Recorder};
use crate::streams::{CONTAINER_START, POD_STATUS, RETRY_POLL, SANDBOX_STOP, WATCH};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

impl Health {
    /// Whether a pod's containers are ready, as its kubelet sees them.
    fn are_containers_ready(&self, pod: PodId) -> bool {
        let it = &self.pods[pod];
        it.noticed && self.has_started(pod) && self.passes(it.workers.readiness)
    }

    /// Whether a pod's startup probe, if it has one, has passed.
    pub(super) fn has_started(&self, pod: PodId) -> bool {
        self.passes(self.pods[pod].workers.startup)
    }

    fn passes(&self, worker: Option<ProberId>) -> bool {
        worker.is_none_or(|prober| self.probers[prober].prober.passes())
    }
}

impl<R: Recorder> World<R> {
    /// One hop of a kubelet's main loop, for the next status of a pod.
    pub(super) fn hop(&self, pod: PodId) -> SimDuration {
        let health = self.health();
        let writes = health.pods[pod].writes;
        let hop = &health.settings.loop_hop;
        drawn(hop, &self.streams, POD_STATUS, u64::from(pod.0), 2 * writes)
    }

    /// The kubelet recomputes a pod's Ready condition and, if it changed, queues its write.
    pub(super) fn update_status(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let containers = self.health().are_containers_ready(pod);
        let it = &mut self.health_mut().pods[pod];
        let ready = containers && it.gates.pass;
        let was_ready = std::mem::replace(&mut it.ready, ready);
        let had_containers = std::mem::replace(&mut it.containers, containers);
        if was_ready != ready {
            self.tell(agenda.now(), observe::Health::Verdict { pod, ready });
        }
        if was_ready != ready || had_containers != containers {
            self.write_status(pod, agenda);
        }
    }

    /// Queues the write of a pod's status: one at a time on a node.
    pub(super) fn write_status(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let node = self.pods[pod].node;
        let hop = self.hop(pod);
        let streams = self.streams;
        let health = self.health_mut();
        if health.pods[pod].writing || !health.nodes[node].condition().reports() {
            return;
        }
        let it = &mut health.pods[pod];
        it.writing = true;
        it.writes += 1;
        let draw = 2 * it.writes - 1;
        let write = &health.settings.status_write;
        let write = drawn(write, &streams, POD_STATUS, u64::from(pod.0), draw);
        // A GET and a PATCH, once the writes before it are done.
        let begins = (agenda.now() + hop).max(health.nodes[node].writer_free_at);
        let api = |nth| {
            health
                .api
                .takes(Call::Status(pod, draw + nth), begins, &streams)
        };
        let takes = write + api(0) + api(1);
        let home = &mut health.nodes[node];
        // The PATCH may go when there is a token for it, and so for the GET.
        home.kube_api.take(begins);
        let done = home.kube_api.take(begins) + takes;
        home.writer_free_at = done;
        plan(agenda, done, HealthEvent::StatusWritten(pod));
    }

    /// A pod's status is in the API.
    pub(super) fn on_status_written(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let it = &mut self.health_mut().pods[pod];
        it.writing = false;
        if !self.takes_writes() {
            return;
        }
        let it = &mut self.health_mut().pods[pod];
        let ready = it.ready;
        let is_news = std::mem::replace(&mut it.written, it.containers) != it.containers;
        // The first status of a pod carries its address, and makes it an endpoint.
        let addressed = it.noticed && it.present && it.selected && !it.api.listed;
        it.api.listed |= addressed;
        if it.api.ready != ready {
            self.commit_ready(pod, ready, agenda);
        } else if addressed {
            self.pod_changed(pod, agenda);
        }
        if is_news {
            self.wake_gatekeepers(pod, agenda);
        }
    }

    /// A pod's Ready condition changes in the API.
    pub(super) fn commit_ready(&mut self, pod: PodId, ready: bool, agenda: &mut Agenda<'_, Event>) {
        let it = &mut self.health_mut().pods[pod];
        it.api.ready = ready;
        it.ready_changed = Some(agenda.now());
        self.tell(agenda.now(), observe::Health::Ready { pod, ready });
        self.pod_changed(pod, agenda);
    }

    /// A pod changed in the API: the EndpointSlice controller will hear of it.
    pub(super) fn pod_changed(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.pods[pod];
        it.changes += 1;
        let (entity, draw) = (u64::from(pod.0), it.changes);
        let delay = drawn(&health.settings.watch, &streams, WATCH, entity, draw);
        let heard = agenda.now() + delay + health.api.lag(agenda.now());
        plan(agenda, heard, HealthEvent::PodSeen(pod));
    }

    /// From a change of a pod in the API until its kubelet hears of it.
    pub(super) fn watch_of(&self, pod: PodId, now: SimTime) -> SimDuration {
        let health = self.health();
        let draw = 1 << 32 | health.pods[pod].changes;
        let watch = &health.settings.watch;
        drawn(watch, &self.streams, WATCH, u64::from(pod.0), draw) + health.api.lag(now)
    }

    /// A container exits: its connections are reset, and a relist will show it. A deleted pod goes with it.
    pub(super) fn on_exit(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let it = &mut self.health_mut().pods[pod];
        if let Process::Running { .. } = it.process {
            it.process = Process::Exited { at: now };
            let closes = it.api.terminating && std::mem::replace(&mut it.listening, false);
            if closes {
                self.tell(now, observe::Health::Closed { pod });
            }
            let seen = observe::Health::Process {
                pod,
                answers: false,
            };
            self.tell(now, seen);
            self.empty_queue(pod, true, agenda);
            self.reset_work(pod, agenda);
            self.close_connections(pod, now);
            self.plan_relist(pod, agenda);
        }
        let health = self.health();
        let it = &health.pods[pod];
        if it.exists() && it.api.terminating {
            let (entity, draw) = (u64::from(pod.0), it.writes);
            let stop = &health.settings.sandbox_stop;
            let stop = drawn(stop, &self.streams, SANDBOX_STOP, entity, draw);
            plan(agenda, now + stop, HealthEvent::Gone(pod));
        }
    }

    /// The next relist of a pod's node will show what changed.
    fn plan_relist(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health();
        let phase = health.nodes[self.pods[pod].node].relist_phase;
        let at = next_tick(agenda.now(), phase, health.settings.kubelet.relist_period);
        let planned = self.health_mut().pods[pod].relist_at.replace(at);
        if planned != Some(at) {
            plan(agenda, at, HealthEvent::Relist(pod));
        }
    }

    /// A relist shows a pod's container as it is now.
    pub(super) fn on_relist(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let node = self.pods[pod].node;
        let health = self.health_mut();
        if !health.nodes[node].condition().notices() {
            return;
        }
        let it = &mut health.pods[pod];
        it.relist_at = None;
        let running = match it.process {
            Process::Running { .. } => true,
            Process::Exited { .. } => false,
            Process::Gone => return,
        };
        it.noticed = running;
        self.tell(agenda.now(), observe::Health::Noticed { pod, running });
        if running {
            let health = self.health();
            if let Some(prober) = health.pods[pod].workers.readiness
                && health.has_started(pod)
            {
                self.trigger(prober, agenda);
            }
            if !self.health().pods[pod].api.listed {
                self.write_status(pod, agenda);
            }
        } else {
            self.consider_start(pod, agenda);
        }
        self.update_status(pod, agenda);
    }

    /// The kubelet looks at an exited container: it starts now, or has to wait.
    fn consider_start(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let crash_loop = health.settings.kubelet.crash_loop;
        let it = &mut health.pods[pod];
        let Process::Exited { at } = it.process else {
            return;
        };
        if it.api.terminating {
            return;
        }
        it.looks_at = None;
        match it.back_off.start(at, now, &crash_loop) {
            Ok(()) => {
                it.starts += 1;
                let (entity, draw) = (u64::from(pod.0), it.starts);
                let start = &health.settings.start_container;
                let start = drawn(start, &streams, CONTAINER_START, entity, 2 * draw);
                let at = (now + start).max(health.pods[pod].down_until);
                if at < SimTime::MAX {
                    plan(agenda, at, HealthEvent::Run(pod));
                }
            }
            Err(left) => {
                it.polls += 1;
                let draw = streams.nth(RETRY_POLL, u64::from(pod.0), it.polls).unit();
                let wait = crash_loop.retry_poll.next(left, draw);
                it.looks_at = Some(now + wait);
                plan(agenda, now + wait, HealthEvent::Start(pod));
            }
        }
    }

    /// The kubelet looks again at a container in back-off.
    pub(super) fn on_start(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        if self.health().pods[pod].looks_at == Some(agenda.now()) {
            self.consider_start(pod, agenda);
        }
    }

    /// A container's process runs: probers begin anew, and a relist will show it.
    pub(super) fn on_run(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let deployment = self.pods[pod].deployment;
        let health = self.health_mut();
        let it = &mut health.pods[pod];
        if !matches!(it.process, Process::Exited { .. }) {
            return;
        }
        let (entity, draw) = (u64::from(pod.0), 2 * it.starts + 1);
        let boot = &health.workloads[deployment].startup_time;
        let answers_from = now + drawn(boot, &streams, CONTAINER_START, entity, draw);
        it.process = Process::Running {
            since: now,
            answers_from,
        };
        it.listening = true;
        it.announces_close = false;
        it.started = now;
        let lifetime = it.lifetime;
        for prober in it.workers.all() {
            health.probers[prober].prober.renew();
        }
        self.tell(now, observe::Health::Started { pod });
        plan(agenda, answers_from, HealthEvent::Answer(pod));
        if let Some(lifetime) = lifetime {
            plan(agenda, now + lifetime, HealthEvent::Exit(pod));
        }
        if self.health().settings.kubelet.relist_on_sync {
            self.health_mut().pods[pod].relist_at = Some(now);
            return plan(agenda, now, HealthEvent::Relist(pod));
        }
        self.plan_relist(pod, agenda);
    }

    /// A process is ready to answer.
    pub(super) fn on_answer(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        if self.welcome(pod, true, agenda.now()) == super::trouble::Welcome::Accepted {
            self.tell(
                agenda.now(),
                observe::Health::Process { pod, answers: true },
            );
        }
    }

    /// Liveness or startup failed: the container is killed, within the probe's grace period if it has one, else the pod's.
    pub(super) fn kill(
        &mut self,
        pod: PodId,
        grace: Option<SimDuration>,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let health = self.health();
        let workload = &health.workloads[self.pods[pod].deployment].config;
        let it = &health.pods[pod];
        if !matches!(it.process, Process::Running { .. }) {
            return;
        }
        let grace = grace.unwrap_or(workload.termination_grace_period);
        let stop = health.settings.kubelet.stop(workload.pre_stop, grace);
        // A process in order obeys SIGTERM after its preStop hook; a hung one waits for SIGKILL.
        let delay = match it.condition() {
            PodCondition::Hanging => stop.before_sigterm + stop.before_sigkill,
            PodCondition::Serving
            | PodCondition::Erroring(_)
            | PodCondition::Refusing
            | PodCondition::Slow(_) => stop.before_sigterm,
        };
        let hop = self.hop(pod);
        plan(agenda, agenda.now() + hop + delay, HealthEvent::Exit(pod));
    }
}
