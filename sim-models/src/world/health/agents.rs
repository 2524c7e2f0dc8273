//! Agents that stop, hang or lag: their node keeps the service map that it has.
//!
//! The map is pinned in the kernel and goes on forwarding. Nothing is learnt until the agent is back: it lists everything anew, and
//! then follows as before. With kube-proxy it is the same: its rules stay.
//!
//! Source: Cilium, pinned maps and programs; `pkg/loadbalancer/reconciler` waits for the first full list.

use sim_core::{Agenda, SimDuration, SimTime, Streams};

use super::nodes::Node;
use super::{Health, plan, share};
use crate::fault::NodeTrouble;
use crate::id::{FaultId, NodeId};
use crate::observe::Recorder;
use crate::streams::AGENT_LIVENESS;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// What is committed during this time is heard of late: by the agent of one node, or by all who watch an overloaded API server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lag {
    pub(super) fault: FaultId,
    pub(super) from: SimTime,
    pub(super) until: SimTime,
    pub(super) by: SimDuration,
}

/// How a node's agent answers who asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AgentAnswer {
    /// As it should.
    Answers,
    /// Its ports are closed.
    Refuses,
    /// Not at all.
    Hangs,
}

impl Node {
    /// How the node's agent answers.
    pub(super) fn agent(&self) -> AgentAnswer {
        let has = |wanted| self.troubles().any(|it| it == wanted);
        if has(NodeTrouble::AgentDown) {
            AgentAnswer::Refuses
        } else if has(NodeTrouble::AgentHung) {
            AgentAnswer::Hangs
        } else {
            AgentAnswer::Answers
        }
    }

    /// Whether the node's agent learns of changes.
    pub(super) fn learns(&self) -> bool {
        self.troubles().next().is_none() || self.agent() == AgentAnswer::Answers
    }

    /// How much longer a version takes that is published at some time.
    pub(super) fn lag(&self, published: SimTime) -> SimDuration {
        let lags = self.lags.iter();
        let late = lags.filter(|lag| (lag.from..lag.until).contains(&published));
        late.fold(SimDuration::ZERO, |sum, lag| sum + lag.by)
    }
}

impl Health {
    /// When the kubelet will have restarted an agent that hangs from now on.
    pub(super) fn restarts_agent_at(
        &self,
        node: NodeId,
        now: SimTime,
        streams: &Streams,
    ) -> SimTime {
        let liveness = &self.settings.liveness;
        let entity = u64::from(node.0);
        let draw = now.as_nanos();
        now + share(streams, AGENT_LIVENESS, entity, draw, liveness.period) + liveness.after_first()
    }
}

impl<R: Recorder> World<R> {
    /// The trouble of a node's agent begins or ends; the node knows it already.
    pub(super) fn on_agent_trouble(
        &mut self,
        fault: FaultId,
        node: NodeId,
        trouble: NodeTrouble,
        begins: bool,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let learns = self.health().nodes[node].learns();
        match trouble {
            NodeTrouble::AgentSlow(by) if begins => {
                self.health_mut().nodes[node].lags.push(Lag {
                    fault,
                    from: now,
                    until: SimTime::MAX,
                    by,
                });
            }
            NodeTrouble::AgentSlow(_) => {
                let lags = self.health_mut().nodes[node].lags.iter_mut();
                let ends = lags.filter(|lag| lag.fault == fault);
                ends.for_each(|lag| lag.until = now);
            }
            NodeTrouble::AgentHung if begins => {
                let at = self.health().restarts_agent_at(node, now, &self.streams);
                plan(agenda, at, HealthEvent::FaultEnds(fault));
            }
            _ if learns => self.agent_starts(node, agenda),
            _ => {}
        }
    }

    /// What a node's agent has learnt by now is all that it will know until it is back.
    pub(super) fn freeze_map(&mut self, node: NodeId, now: SimTime) {
        let streams = self.streams;
        self.health_mut().follow(node, &streams, now);
    }

    /// An agent starts: it lists everything, and pods that waited for their network get it.
    fn agent_starts(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        self.health_mut().maps.lists_anew(node, now);
        self.hear_of_pods(node, agenda);
    }
}
