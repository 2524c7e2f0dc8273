//! Nodes that fall silent, and the controller that gives them up.

use std::collections::BTreeMap;

use sim_core::{Agenda, SimDuration, SimTime, Streams};

use super::agents::Lag;
use super::deafness::Deafness;
use super::{drawn, plan, share};
use crate::cluster::condition::NodeCondition;
use crate::control::aws_controller::NodeReady;
use crate::control::bucket::Bucket;
use crate::control::node_lifecycle::{self, Patience};
use crate::fault::NodeTrouble;
use crate::id::{Arena, DeploymentId, FaultId, NodeId, PodId, ProberId, ZoneId};
use crate::observe::{self, Recorder};
use crate::streams::{LEASE, NODE_MONITOR, RELIST_PHASE};
use crate::world::blueprint::{self, Blueprint};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// A node's health, and what the API says of it.
#[derive(Debug)]
pub(super) struct Node {
    troubles: Vec<(FaultId, NodeTrouble)>,
    /// The Ready condition in the API.
    pub(super) ready: NodeReady,
    /// When the kubelet's writer of statuses is free.
    pub(super) writer_free_at: SimTime,
    /// What its kubelet may send to the API server.
    pub(super) kube_api: Bucket,
    /// Images that are there, or will be: whose, of which revision, and from when on.
    pub(super) images: BTreeMap<(DeploymentId, u32), SimTime>,
    pub(super) relist_phase: SimDuration,
    /// When the lifecycle controller will give it up, if it stays silent.
    given_up_at: Option<SimTime>,
    back_at: Option<SimTime>,
    /// When it gets, or got, the taint with the effect NoExecute.
    taint_at: Option<SimTime>,
    evicts_at: Option<SimTime>,
    silences: u64,
    /// When its kubelet will say that it is not ready, because the runtime hangs.
    pub(super) not_ready_at: Option<SimTime>,
    /// How often its runtime hung.
    pub(super) hangs: u64,
    /// Verdicts of probes that its kubelet does not hear of while the runtime hangs.
    pub(super) unheard: Vec<(ProberId, bool)>,
    /// When its agent was slow.
    pub(super) lags: Vec<Lag>,
    /// When its agent heard nothing of the API server.
    pub(super) deafness: Deafness,
}

/// The node lifecycle controller at work.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: SimDuration,
    /// When it has marked the last pod of the nodes that it gave up.
    marks_until: SimTime,
    /// What the controller may write.
    writes: Bucket,
    /// When the last NoExecute taint was set in each zone.
    tainted_at: Arena<ZoneId, Option<SimTime>>,
    /// No zone has a node that is ready: nothing is evicted.
    is_halted: bool,
}

/// Nodes that have been in order for long.
pub(super) fn in_order(
    blueprint: &Blueprint,
    config: &blueprint::Health,
    streams: &Streams,
) -> Arena<NodeId, Node> {
    let period = config.kubelet.relist_period;
    let nodes = blueprint.nodes.ids();
    nodes
        .map(|id| Node {
            troubles: Vec::new(),
            ready: NodeReady::True,
            writer_free_at: SimTime::ZERO,
            kube_api: config.kubelet.kube_api.bucket(),
            images: BTreeMap::new(),
            relist_phase: share(streams, RELIST_PHASE, u64::from(id.0), 0, period),
            given_up_at: None,
            back_at: None,
            taint_at: None,
            evicts_at: None,
            silences: 0,
            not_ready_at: None,
            hangs: 0,
            unheard: Vec::new(),
            lags: Vec::new(),
            deafness: Deafness::default(),
        })
        .collect()
}

impl Lifecycle {
    pub(super) fn new(
        blueprint: &Blueprint,
        config: &node_lifecycle::Config,
        writes: Bucket,
        streams: &Streams,
    ) -> Self {
        Self {
            phase: share(streams, NODE_MONITOR, 0, 0, config.cycle()),
            marks_until: SimTime::ZERO,
            writes,
            tainted_at: blueprint.zones.iter().map(|_| None).collect(),
            is_halted: false,
        }
    }

    /// When the controller's first pass of the run is.
    pub(super) fn phase(&self) -> SimDuration {
        self.phase
    }
}

impl Node {
    /// The condition in force: all its troubles together.
    pub(super) fn condition(&self) -> NodeCondition {
        let mut condition = NodeCondition::default();
        for &(_, trouble) in &self.troubles {
            match trouble {
                NodeTrouble::Crash => condition.dead = true,
                NodeTrouble::Partition => {
                    condition.unreachable = true;
                    condition.cut_off = true;
                }
                NodeTrouble::CutOff => condition.cut_off = true,
                NodeTrouble::KubeletHung => condition.kubelet_hung = true,
                NodeTrouble::RuntimeHung => condition.runtime_hung = true,
                NodeTrouble::KubeletRestart
                | NodeTrouble::Drain(_)
                | NodeTrouble::AgentDown
                | NodeTrouble::AgentHung
                | NodeTrouble::AgentSlow(_)
                | NodeTrouble::ToBeDeleted => {}
            }
        }
        condition
    }

    /// What is wrong with it.
    pub(super) fn troubles(&self) -> impl Iterator<Item = NodeTrouble> + '_ {
        self.troubles.iter().map(|&(_, trouble)| trouble)
    }

    /// Whether it carries the taint of a node that is about to be deleted.
    pub(super) fn to_be_deleted(&self) -> bool {
        self.troubles().any(|it| it == NodeTrouble::ToBeDeleted)
    }

    /// Whether a fault is in force on it.
    pub(super) fn suffers(&self, fault: FaultId) -> bool {
        self.troubles.iter().any(|&(by, _)| by == fault)
    }

    /// What was due while the controllers were away is due now.
    pub(super) fn is_due(&mut self, event: HealthEvent, now: SimTime) {
        let due = match event {
            HealthEvent::NodeUnknown(_) => &mut self.given_up_at,
            HealthEvent::NodeBack(_) => &mut self.back_at,
            HealthEvent::Evict(_) => &mut self.evicts_at,
            _ => return,
        };
        if due.is_some_and(|at| at < now) {
            *due = Some(now);
        }
    }

    /// Whether its pods are to be deleted at this instant.
    pub(super) fn evicts_at(&self, now: SimTime) -> bool {
        self.evicts_at == Some(now)
    }

    /// Whether packets reach the node.
    #[inline]
    pub(super) fn reachable(&self) -> bool {
        self.troubles.is_empty() || self.condition().reachable()
    }
}

impl<R: Recorder> World<R> {
    /// The pods on a node, in the order of their places.
    pub(super) fn pods_on(&self, node: NodeId) -> Vec<PodId> {
        let pods = self.pods.enumerate();
        let health = self.health();
        let here = pods.filter(|&(id, pod)| {
            let it = &health.pods[id];
            pod.node == node && it.exists() && it.bound
        });
        here.map(|(id, _)| id).collect()
    }

    /// A node's trouble begins or ends.
    pub(super) fn on_node_trouble(
        &mut self,
        fault: FaultId,
        node: NodeId,
        trouble: NodeTrouble,
        begins: bool,
        agenda: &mut Agenda<'_, Event>,
    ) {
        if begins && matches!(trouble, NodeTrouble::AgentDown | NodeTrouble::AgentHung) {
            self.freeze_map(node, agenda.now());
        }
        let before = self.health().nodes[node].condition();
        let troubles = &mut self.health_mut().nodes[node].troubles;
        if begins {
            troubles.push((fault, trouble));
        } else {
            troubles.retain(|&(by, _)| by != fault);
        }
        match trouble {
            NodeTrouble::AgentDown | NodeTrouble::AgentHung | NodeTrouble::AgentSlow(_) => {
                return self.on_agent_trouble(fault, node, trouble, begins, agenda);
            }
            NodeTrouble::ToBeDeleted => return self.nodes_changed(agenda),
            _ => {}
        }
        let after = self.health().nodes[node].condition();
        self.hear_or_not(node, before.cut_off, after.cut_off, agenda.now());
        if before.reports() && !after.reports() {
            self.falls_silent(node, agenda);
        }
        if !before.reports() && after.reports() {
            self.speaks_again(node, agenda);
        }
        match (before.runtime_hung, after.runtime_hung) {
            (false, true) => self.runtime_hangs(node, agenda),
            (true, false) => self.runtime_answers(node, agenda),
            _ => {}
        }
        if after.dead && !before.dead {
            // Nobody on the node answers any more, and nobody resets.
            for pod in self.pods_on(node) {
                self.empty_queue(pod, true, agenda);
                self.health_mut().pods[pod].dies(agenda.now());
            }
        }
        if after.unreachable && !before.unreachable {
            for pod in self.pods_on(node) {
                self.empty_queue(pod, false, agenda);
            }
        }
        if before.dead && !after.dead {
            self.boots(node, agenda);
        }
    }

    /// A node's lease is no longer renewed: the pass that will give it up is known already.
    fn falls_silent(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.nodes[node];
        it.silences += 1;
        it.back_at = None;
        let mut draws = streams.nth(LEASE, u64::from(node.0), 2 * it.silences);
        let interval = health.settings.kubelet.lease_renewal().as_nanos() as f64;
        let age = interval * (1.0 + 0.04 * draws.unit().get()) * draws.unit().get();
        let age = SimDuration::from_nanos(age as u64);
        let config = &health.settings.lifecycle;
        let at = config.unknown_at(now, age, health.lifecycle.phase);
        it.given_up_at = Some(at);
        plan(agenda, at, HealthEvent::NodeUnknown(node));
    }

    /// Another controller manager leads: it has heard of no node before now.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`: a node that is seen for the first time has just
    /// reported.
    pub(super) fn restart_node_clocks(&mut self, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let nodes: Vec<NodeId> = self.nodes.ids().collect();
        let health = self.health_mut();
        let config = &health.settings.lifecycle;
        let at = config.unknown_at(now, SimDuration::ZERO, health.lifecycle.phase);
        for node in nodes {
            let it = &mut health.nodes[node];
            if it.given_up_at.is_some() {
                it.given_up_at = Some(at);
                plan(agenda, at, HealthEvent::NodeUnknown(node));
            }
        }
    }

    /// The node lifecycle controller finds a node silent for too long: its pods are marked one by one.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`.
    pub(super) fn on_node_unknown(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let pods = self.pods_on(node);
        let health = self.health_mut();
        let it = &mut health.nodes[node];
        if it.given_up_at != Some(now) {
            return;
        }
        it.given_up_at = None;
        it.ready = NodeReady::Unknown;
        let config = &health.settings.lifecycle;
        let mut at = health.lifecycle.marks_until.max(now);
        for pod in pods {
            if health.pods[pod].api.ready && health.pods[pod].exists() {
                at = health.lifecycle.writes.take(at) + config.mark_pod;
                plan(agenda, at, HealthEvent::MarkNotReady(pod));
            }
        }
        health.lifecycle.marks_until = at;
        self.set_taints(agenda);
        let ready = NodeReady::Unknown;
        self.tell(now, observe::Health::Node { node, ready });
        self.nodes_changed(agenda);
        self.tell_scheduler(agenda, |scheduler, now| scheduler.is_unreachable(node, now));
    }

    /// Some node became ready or ceased to be: which lost nodes get the taint with the effect NoExecute, and when.
    ///
    /// Each zone sets them one after the other, at a pace that depends on how many of its nodes are ready. Where no node of any zone is
    /// ready all those taints go: then it is the controller that has lost the nodes.
    ///
    /// Source: Kubernetes 1.34 `pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `handleDisruption`.
    pub(super) fn set_taints(&mut self, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let zones: Vec<ZoneId> = self.health().lifecycle.tainted_at.ids().collect();
        let sizes: Vec<(u32, u32)> = zones.iter().map(|&zone| self.nodes_in(zone)).collect();
        let halted = sizes.iter().all(|&(ready, _)| ready == 0);
        let lifecycle = &mut self.health_mut().lifecycle;
        let was_halted = std::mem::replace(&mut lifecycle.is_halted, halted);
        for (zone, (ready, lost)) in zones.into_iter().zip(sizes) {
            let config = &self.health().settings.lifecycle;
            let state = config.zone_state(ready, lost);
            let pause = config.taint_pause(state, ready + lost);
            self.set_taints_in(zone, pause.filter(|_| !halted), agenda);
        }
        if halted && !was_halted {
            for it in self.health_mut().nodes.iter_mut() {
                (it.taint_at, it.evicts_at) = (None, None);
            }
        }
        if halted != was_halted {
            self.tell(now, observe::Health::Evicting { halted });
        }
    }

    /// How many nodes of a zone are ready, and how many are not.
    fn nodes_in(&self, zone: ZoneId) -> (u32, u32) {
        let nodes = self.nodes.enumerate().filter(|(_, it)| it.zone == zone);
        let ready = |&(id, _): &(NodeId, _)| self.health().nodes[id].ready == NodeReady::True;
        let (ready, lost): (Vec<_>, Vec<_>) = nodes.partition(ready);
        (ready.len() as u32, lost.len() as u32)
    }

    /// The taints of a zone that are not set yet are planned anew: one after the other, so far apart.
    fn set_taints_in(
        &mut self,
        zone: ZoneId,
        pause: Option<SimDuration>,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let nodes = self.nodes.enumerate().filter(|(_, it)| it.zone == zone);
        let ids: Vec<NodeId> = nodes.map(|(id, _)| id).collect();
        let health = self.health_mut();
        let set = ids.iter().filter_map(|&id| health.nodes[id].taint_at);
        let set = set.filter(|&at| at <= now).max();
        let last = &mut health.lifecycle.tainted_at[zone];
        *last = (*last).max(set);
        let last = *last;
        let is_waiting = |id: &NodeId| {
            let it = &health.nodes[*id];
            it.ready != NodeReady::True && it.taint_at.is_none_or(|at| at > now)
        };
        let mut waiting: Vec<NodeId> = ids.into_iter().filter(is_waiting).collect();
        // Those that had their turn planned keep their order; a new one comes last.
        waiting.sort_by_key(|&id| health.nodes[id].taint_at.unwrap_or(SimTime::MAX));
        let mut next = pause.map(|pause| last.map_or(now, |last| (last + pause).max(now)));
        for id in waiting {
            self.plan_taint(id, next, agenda);
            next = next.zip(pause).map(|(at, pause)| at + pause);
        }
    }

    /// A lost node gets its taint then, and pods are deleted when they have tolerated it long enough.
    fn plan_taint(&mut self, node: NodeId, at: Option<SimTime>, agenda: &mut Agenda<'_, Event>) {
        let health = self.health_mut();
        let default = health.settings.default_toleration;
        let it = &mut health.nodes[node];
        if it.taint_at == at {
            return;
        }
        it.taint_at = at;
        it.evicts_at = at.map(|at| at + default);
        let Some(at) = at else { return };
        plan(agenda, at + default, HealthEvent::Evict(node));
        for pod in self.pods_on(node) {
            if let Patience::For(patience) = self.patience(pod) {
                plan(agenda, at + patience, HealthEvent::EvictTainted(pod));
            }
        }
    }

    /// How long a pod stays on a lost node.
    pub(super) fn patience(&self, pod: PodId) -> Patience {
        self.health().workloads[self.pods[pod].deployment]
            .config
            .patience
    }

    /// A pod with a toleration of its own has tolerated a lost node long enough.
    pub(super) fn on_evict_tainted(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let health = self.health();
        let tainted = health.nodes[self.pods[pod].node].taint_at;
        if let (Some(at), Patience::For(patience)) = (tainted, self.patience(pod))
            && at + patience == agenda.now()
            && health.pods[pod].bound
        {
            self.on_delete(pod, agenda);
        }
    }

    /// The node lifecycle controller marks a pod of a lost node.
    pub(super) fn on_mark_not_ready(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let node = self.pods[pod].node;
        let health = self.health();
        let lost = health.nodes[node].ready == NodeReady::Unknown;
        if lost && health.pods[pod].api.ready {
            self.commit_ready(pod, false, agenda);
        }
    }

    /// A silent node speaks again: some time later it is ready, and so are its pods.
    pub(super) fn speaks_again(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.nodes[node];
        it.given_up_at = None;
        let (entity, draw) = (u64::from(node.0), 2 * it.silences + 1);
        let back = &health.settings.node_recovery;
        let at = now + drawn(back, &streams, LEASE, entity, draw);
        it.back_at = Some(at);
        plan(agenda, at, HealthEvent::NodeBack(node));
    }

    /// A node that was lost is ready again; its kubelet writes the statuses that differ.
    pub(super) fn on_node_back(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let it = &mut self.health_mut().nodes[node];
        if it.back_at != Some(now) {
            return;
        }
        it.back_at = None;
        it.evicts_at = None;
        it.taint_at = None;
        let was = std::mem::replace(&mut it.ready, NodeReady::True);
        for pod in self.pods_on(node) {
            self.on_gate_seen(pod, agenda);
            self.write_status(pod, agenda);
            if self.health().pods[pod].api.terminating {
                plan(agenda, now, HealthEvent::Terminate(pod));
            }
        }
        if was != NodeReady::True {
            self.set_taints(agenda);
            let ready = NodeReady::True;
            self.tell(now, observe::Health::Node { node, ready });
            self.nodes_changed(agenda);
            self.tell_scheduler(agenda, |scheduler, now| scheduler.is_back(node, now));
        }
        self.hear_of_pods(node, agenda);
    }

    /// A dead node is up again: its containers start.
    fn boots(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        for pod in self.pods_on(node) {
            if self.health().pods[pod].is_known() {
                plan(agenda, agenda.now(), HealthEvent::Relist(pod));
            }
        }
    }
}
