//! Probe workers of kubelets: when they ask, by which handler, and what follows from the answer.

use sim_core::{Agenda, SimDuration, SimTime};

use super::pod::{Process, Question, Workers};
use super::trouble::Welcome;
use super::{plan, share};
use crate::health::probe::{Attempt, Handler, Kind};
use crate::id::{LoadBalancerNodeId, PodId, PopulationId, ProberId, RequestId};
use crate::observe::{self, Recorder};
use crate::request::client::Connection;
use crate::request::server::WhenFull;
use crate::request::{Asker, Hop, Outcome, Request};
use crate::streams::{PROBE_PHASE, PROBES};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

impl<R: Recorder> World<R> {
    /// A tick of a prober's grid.
    pub(super) fn on_probe(&mut self, id: ProberId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let probe = &mut self.health_mut().probers[id];
        if now != probe.next_tick || probe.ended {
            return;
        }
        probe.next_tick = now + probe.prober.period();
        plan(agenda, probe.next_tick, HealthEvent::Probe(id));
        self.probe(id, agenda);
    }

    /// Something makes a prober try at once; its grid starts anew where `manual_probe_moves_grid` says so.
    pub(super) fn trigger(&mut self, id: ProberId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health();
        if !health.settings.kubelet.manual_probe_moves_grid && !health.probers[id].ended {
            return self.probe(id, agenda);
        }
        let probe = &mut self.health_mut().probers[id];
        probe.next_tick = agenda.now();
        plan(agenda, probe.next_tick, HealthEvent::Probe(id));
    }

    /// A prober tries, unless its last question is still open: then it tries as soon as that is over.
    fn probe(&mut self, id: ProberId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let health = self.health_mut();
        let probe = &mut health.probers[id];
        if probe.open.is_some() {
            probe.late = true;
            return;
        }
        let pod = probe.pod;
        if health.pods[pod].process == Process::Gone {
            probe.ended = true;
            return;
        }
        let sight = health.pods[pod].sight(health.has_started(pod));
        let home = self.pods[pod].node;
        if !self.health().nodes[home].condition().probes() {
            return;
        }
        let probe = &mut self.health_mut().probers[id];
        match probe.prober.attempt(sight, now) {
            Attempt::Skip => {}
            Attempt::End => probe.ended = true,
            Attempt::Fail => {
                let changed = probe.prober.not_running();
                self.on_verdict(id, changed, agenda);
            }
            Attempt::Ask => self.ask_pod(id, pod, agenda),
        }
    }

    /// A probe sets off from the pod's own node.
    fn ask_pod(&mut self, id: ProberId, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let probe = &mut self.health_mut().probers[id];
        let attempt = probe.prober.attempts;
        probe.prober.attempts += 1;
        probe.began = now;
        let handler = probe.handler;
        if handler == Handler::Exec && !self.runs_commands(pod) {
            // The handler itself fails, and four times over: the attempt counts as nothing.
            return;
        }
        let deadline = now + self.health().probers[id].timeout;
        match handler {
            Handler::HttpGet => self.get(id, pod, attempt, agenda),
            Handler::TcpSocket => self.dial_pod(id, pod, agenda),
            Handler::Exec => self.run_command(id, pod, attempt, agenda),
        }
        plan(agenda, deadline, HealthEvent::ProbeDeadline(id));
    }

    /// An HTTP probe is a small request.
    fn get(&mut self, id: ProberId, pod: PodId, attempt: u64, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let draws = self.streams.block(PROBES, u64::from(id.0), attempt);
        let mut request = self.small_request(Asker::Probe(id), attempt, pod, draws);
        request.pod = Some(pod);
        request.stamp(Hop::Sent, now);
        let request = self.requests.insert(request);
        let health = self.health_mut();
        health.asked += 1;
        health.probers[id].open = Some(Question::Request(request));
        let way = self.links.inside_node();
        match self.welcome(pod, true, now) {
            // A handshake and the request itself: three ways.
            Welcome::Accepted => agenda.at(now + way * 3, Event::AtServer(request)),
            Welcome::Reset => self.fail(request, Outcome::PodRefused, now + way * 2, agenda),
            Welcome::Silence => self.hold(request, agenda),
        }
    }

    /// A TCP probe opens a connection, which the pod's kernel accepts for its process. Without an answer it tries again, until its deadline.
    fn dial_pod(&mut self, id: ProberId, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let answer = now + self.links.inside_node() * 2;
        let (question, next) = match self.listener(pod, now) {
            Welcome::Accepted => (Question::answered(true, answer), Some(answer)),
            Welcome::Reset => (Question::answered(false, answer), Some(answer)),
            Welcome::Silence => {
                let began = self.health().probers[id].began;
                let again = self.syn_retransmits.iter().map(|&after| began + after);
                (Question::Dialled, again.into_iter().find(|&at| at > now))
            }
        };
        self.health_mut().probers[id].open = Some(question);
        if let Some(at) = next {
            plan(agenda, at, HealthEvent::ProbeGoesOn(id));
        }
    }

    /// What a new connection meets from the pod's own node, its queue of connections included.
    fn listener(&self, pod: PodId, now: SimTime) -> Welcome {
        let welcome = self.welcome(pod, true, now);
        let deployment = &self.deployments[self.pods[pod].deployment];
        let is_full = self.servers[pod].is_full(deployment.workers, deployment.queue);
        match (welcome, deployment.when_full) {
            (Welcome::Accepted, WhenFull::Drop) if is_full => Welcome::Silence,
            (Welcome::Accepted, WhenFull::Refuse) if is_full => Welcome::Reset,
            (welcome, _) => welcome,
        }
    }

    /// Whether the container runtime of a pod's node can run a command in its container.
    fn runs_commands(&self, pod: PodId) -> bool {
        let health = self.health();
        let runs = matches!(health.pods[pod].process, Process::Running { .. });
        runs && !health.nodes[self.pods[pod].node].condition().runtime_hung
    }

    /// An `exec` probe runs its command in the container.
    fn run_command(
        &mut self,
        id: ProberId,
        pod: PodId,
        attempt: u64,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let drawer = Asker::Probe(id).drawer(PopulationId(u32::MAX));
        let health = self.health();
        let failing = health.pods[pod].condition().failing_commands();
        let passed = !self.is_among(failing, drawer, attempt);
        let ends = agenda.now() + health.workloads[self.pods[pod].deployment].check_time;
        self.health_mut().probers[id].open = Some(Question::answered(passed, ends));
        plan(agenda, ends, HealthEvent::ProbeGoesOn(id));
    }

    /// A TCP or `exec` probe has its answer, or knocks again.
    pub(super) fn on_probe_goes_on(&mut self, id: ProberId, agenda: &mut Agenda<'_, Event>) {
        let probe = &mut self.health_mut().probers[id];
        match probe.open {
            Some(Question::Answered { at, passed }) if at == agenda.now() => {
                probe.open = None;
                self.on_probed(id, passed, agenda);
            }
            Some(Question::Dialled) => {
                let pod = probe.pod;
                self.dial_pod(id, pod, agenda);
            }
            Some(Question::Answered { .. } | Question::Request(_)) | None => {}
        }
    }

    /// A probe or a health check as a request: little work, nobody's client.
    pub(super) fn small_request(
        &self,
        asker: Asker,
        serial: u64,
        pod_or_any: PodId,
        draws: sim_core::Block,
    ) -> Request {
        let deployment = self.pods[pod_or_any].deployment;
        let load_balancer_node = LoadBalancerNodeId(0);
        Request {
            population: PopulationId(u32::MAX),
            serial,
            class: 0,
            address: 0,
            target_group: None,
            service: None,
            load_balancer_node,
            target: None,
            node: None,
            pod: None,
            connection: None,
            connected: SimTime::ZERO,
            reused: false,
            seen_at_pod: crate::request::node_port::SeenAtPod::LoadBalancerNode,
            second_hop: false,
            cross_zone: false,
            attempt: 0,
            asked: SimTime::ZERO,
            retried: false,
            finished: false,
            abandoned: false,
            attempts: 0,
            retargeted: 0,
            demand: self.health().workloads[deployment].check_time,
            stamps: [SimTime::ZERO; Hop::COUNT],
            outcome: Outcome::Ok,
            draws,
            client_one_way: SimDuration::ZERO,
            client_connection: Connection {
                number: 0,
                load_balancer_node,
                remaining: 0,
                free_since: SimTime::ZERO,
                opened_at: SimTime::ZERO,
            },
            user: None,
            asker,
        }
    }

    /// The answer to a probe or a health check, or its failure, is back.
    pub(in crate::world) fn on_checked(&mut self, id: RequestId, agenda: &mut Agenda<'_, Event>) {
        let Request {
            asker,
            connection,
            outcome,
            ..
        } = self.requests[id];
        if let Some(connection) = connection {
            let upstream = self.pools.get(connection);
            if let Some(node) = upstream.node {
                let service = self.groups[upstream.group].service;
                self.selector
                    .closed(node, service, upstream.pod, agenda.now());
            }
            self.untrack(connection, agenda.now());
            self.pools.close(connection);
        }
        self.requests.remove(id);
        self.health_mut().asked -= 1;
        match asker {
            Asker::Client => unreachable!("a client's answer goes to the client"),
            Asker::Probe(prober) => {
                let probe = &mut self.health_mut().probers[prober];
                if probe.open == Some(Question::Request(id)) {
                    probe.open = None;
                    self.on_probed(prober, (200..400).contains(&outcome.status()), agenda);
                }
            }
            Asker::HealthCheck(view) => self.on_check_answered(view, id, outcome, agenda),
        }
    }

    /// A probe has waited long enough.
    pub(super) fn on_probe_deadline(&mut self, id: ProberId, agenda: &mut Agenda<'_, Event>) {
        let probe = &mut self.health_mut().probers[id];
        if probe.open.is_some() && probe.began + probe.timeout == agenda.now() {
            probe.open = None;
            self.on_probed(id, false, agenda);
        }
    }

    /// A probe has its result.
    fn on_probed(&mut self, id: ProberId, success: bool, agenda: &mut Agenda<'_, Event>) {
        let probe = &mut self.health_mut().probers[id];
        let late = std::mem::take(&mut probe.late);
        let pod = probe.pod;
        let changed = probe.prober.judge(success);
        let seen = observe::Health::Probed {
            pod,
            passed: success,
        };
        self.tell(agenda.now(), seen);
        self.on_verdict(id, changed, agenda);
        if late {
            self.probe(id, agenda);
        }
    }

    /// A prober's verdict may have changed. A kubelet whose runtime hangs hears of it when the runtime answers again.
    pub(super) fn on_verdict(
        &mut self,
        id: ProberId,
        changed: Option<bool>,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let Some(verdict) = changed else { return };
        let pod = self.health().probers[id].pod;
        let home = self.pods[pod].node;
        let node = &mut self.health_mut().nodes[home];
        if node.condition().runtime_hung {
            node.unheard.push((id, verdict));
            return;
        }
        let probe = &self.health().probers[id];
        match probe.prober.kind {
            Kind::Readiness => {
                self.update_status(pod, agenda);
                if !verdict && self.health().pods[pod].noticed {
                    // The sync that follows finds the container started and not ready: it probes at once.
                    self.trigger_after_hop(id, agenda);
                }
            }
            Kind::Startup if verdict => {
                self.update_status(pod, agenda);
                // The sync that follows finds the container started and not ready: it probes at once.
                if let Some(readiness) = self.health().pods[pod].workers.readiness {
                    self.trigger_after_hop(readiness, agenda);
                }
            }
            // A container that has exited by itself is not there to be killed.
            Kind::Liveness | Kind::Startup => {
                if !verdict && self.health().pods[pod].noticed {
                    let grace = probe.grace;
                    self.kill(pod, grace, agenda);
                }
            }
        }
    }

    /// A pod sync comes a hop of the main loop later and triggers the prober.
    fn trigger_after_hop(&mut self, id: ProberId, agenda: &mut Agenda<'_, Event>) {
        let pod = self.health().probers[id].pod;
        let hop = self.hop(pod);
        let probe = &mut self.health_mut().probers[id];
        probe.next_tick = agenda.now() + hop;
        plan(agenda, probe.next_tick, HealthEvent::Probe(id));
    }

    /// The probers of a new pod begin; until its container runs they have nothing to ask.
    pub(super) fn renew_probers(
        &mut self,
        pod: PodId,
        now: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        for id in self.health().pods[pod].workers.all() {
            let probe = &mut self.health_mut().probers[id];
            probe.ended = false;
            probe.open = None;
            probe.prober.renew();
            probe.next_tick = now + probe.prober.period();
            plan(agenda, probe.next_tick, HealthEvent::Probe(id));
        }
    }

    /// A kubelet restarts: probed pods are unready until their first success.
    pub(super) fn restart_kubelet(&mut self, pods: &[PodId], agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        for &pod in pods {
            // What has started stays started: the API says so.
            let Workers {
                readiness,
                liveness,
                ..
            } = self.health().pods[pod].workers;
            for id in readiness.into_iter().chain(liveness) {
                let probe = &mut self.health_mut().probers[id];
                probe.prober.renew();
                let (entity, draw) = (u64::from(id.0), 1 + probe.prober.attempts);
                let jitter = share(&streams, PROBE_PHASE, entity, draw, probe.prober.period());
                probe.next_tick = now + jitter;
                plan(agenda, probe.next_tick, HealthEvent::Probe(id));
            }
            self.update_status(pod, agenda);
        }
    }
}
