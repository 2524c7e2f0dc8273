//! Nodes that fall silent, and the controller that gives them up.

use sim_core::{Agenda, SimDuration, SimTime, Streams};

use super::agents::Lag;
use super::{drawn, plan, share};
use crate::cluster::condition::NodeCondition;
use crate::control::aws_controller::NodeReady;
use crate::control::node_lifecycle;
use crate::fault::NodeTrouble;
use crate::id::{Arena, FaultId, NodeId, PodId};
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
    pub(super) relist_phase: SimDuration,
    /// When the lifecycle controller will give it up, if it stays silent.
    given_up_at: Option<SimTime>,
    back_at: Option<SimTime>,
    evicts_at: Option<SimTime>,
    silences: u64,
    /// When its agent was slow.
    pub(super) lags: Vec<Lag>,
}

/// The node lifecycle controller at work.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: SimDuration,
    /// When it has marked the last pod of the nodes that it gave up.
    marks_until: SimTime,
    /// When the next NoExecute taint may be set.
    taint_free_at: SimTime,
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
            relist_phase: share(streams, RELIST_PHASE, u64::from(id.0), 0, period),
            given_up_at: None,
            back_at: None,
            evicts_at: None,
            silences: 0,
            lags: Vec::new(),
        })
        .collect()
}

impl Lifecycle {
    pub(super) fn new(config: &node_lifecycle::Config, streams: &Streams) -> Self {
        Self {
            phase: share(streams, NODE_MONITOR, 0, 0, config.cycle()),
            marks_until: SimTime::ZERO,
            taint_free_at: SimTime::ZERO,
        }
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
                NodeTrouble::KubeletRestart
                | NodeTrouble::Drain
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
        if before.reports() && !after.reports() {
            self.falls_silent(node, agenda);
        }
        if !before.reports() && after.reports() {
            self.speaks_again(node, agenda);
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
        let interval = health.settings.kubelet.lease_renew.as_nanos() as f64;
        let age = interval * (1.0 + 0.04 * draws.unit().get()) * draws.unit().get();
        let age = SimDuration::from_nanos(age as u64);
        let config = &health.settings.lifecycle;
        let at = config.unknown_at(now, age, health.lifecycle.phase);
        it.given_up_at = Some(at);
        plan(agenda, at, HealthEvent::NodeUnknown(node));
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
                at += config.mark_pod;
                plan(agenda, at, HealthEvent::MarkNotReady(pod));
            }
        }
        health.lifecycle.marks_until = at;
        let taint_at = health.lifecycle.taint_free_at.max(now);
        let pause = SimDuration::from_secs_f64(1.0 / config.eviction_rate.as_per_second());
        health.lifecycle.taint_free_at = taint_at + pause;
        let evicts_at = taint_at + health.settings.default_toleration;
        health.nodes[node].evicts_at = Some(evicts_at);
        plan(agenda, evicts_at, HealthEvent::Evict(node));
        let ready = NodeReady::Unknown;
        self.tell(now, observe::Health::Node { node, ready });
        self.nodes_changed(agenda);
        self.tell_scheduler(agenda, |scheduler, now| scheduler.is_unreachable(node, now));
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
    fn speaks_again(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
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
        let was = std::mem::replace(&mut it.ready, NodeReady::True);
        for pod in self.pods_on(node) {
            self.on_gate_seen(pod, agenda);
            self.write_status(pod, agenda);
            if self.health().pods[pod].api.terminating {
                plan(agenda, now, HealthEvent::Terminate(pod));
            }
        }
        if was != NodeReady::True {
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
