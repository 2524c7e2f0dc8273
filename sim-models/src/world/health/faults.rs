//! Faults at work: conditions begin and end.

use std::cmp::Reverse;

use sim_core::{Agenda, SimTime};

use super::plan;
use crate::cluster::condition::PodCondition;
use crate::fault::{Busiest, NodeTrouble, What};
use crate::id::{FaultId, PodId};
use crate::observe::{self, Recorder};
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

impl<R: Recorder> World<R> {
    /// A fault begins or ends.
    pub(super) fn on_fault(&mut self, id: FaultId, begins: bool, agenda: &mut Agenda<'_, Event>) {
        let fault = self.health().faults[id].clone();
        if let (What::Node(node, NodeTrouble::AgentHung), false) = (&fault.what, begins)
            && !self.health().nodes[*node].suffers(id)
        {
            // Its kubelet has restarted it already.
            return;
        }
        self.tell(agenda.now(), observe::Health::Fault { fault: id, begins });
        match fault.what {
            What::Pods(pods, condition) => {
                for pod in pods {
                    self.afflict(pod, id, begins.then_some(condition), agenda);
                }
            }
            What::Exit(pods) if begins => {
                for pod in pods {
                    let until = fault.until.unwrap_or(SimTime::ZERO);
                    self.health_mut().pods[pod].down_until = until;
                    self.on_exit(pod, agenda);
                }
            }
            What::CrashLoop(pods, lifetime) => {
                for pod in pods {
                    self.health_mut().pods[pod].lifetime = begins.then_some(lifetime);
                    if begins {
                        self.on_exit(pod, agenda);
                    }
                }
            }
            What::Delete(pods, apart) if begins => {
                for (nth, pod) in pods.into_iter().enumerate() {
                    let at = agenda.now() + apart * nth as u64;
                    plan(agenda, at, HealthEvent::Delete(pod));
                }
            }
            What::Node(node, NodeTrouble::KubeletRestart) if begins => {
                if self.health().settings.kubelet.restart_flips_ready {
                    let pods = self.pods_on(node);
                    self.restart_kubelet(&pods, agenda);
                }
            }
            What::Node(node, NodeTrouble::Drain(how)) if begins => self.drain(node, how, agenda),
            What::RollOut(deployment, condition) if begins => {
                self.roll_out(deployment, condition, agenda);
            }
            What::Node(_, NodeTrouble::Drain(_) | NodeTrouble::KubeletRestart) => {}
            What::Node(node, trouble) => self.on_node_trouble(id, node, trouble, begins, agenda),
            What::Overload(by) => self.on_overload(id, by, begins, agenda.now()),
            What::ControlPlane(outage) => self.on_outage(outage, begins, agenda),
            What::Unselect(pods) if begins => {
                for pod in pods {
                    self.health_mut().pods[pod].unselect();
                    self.pod_changed(pod, agenda);
                }
            }
            What::Untrack(pods) if begins => {
                for pod in pods {
                    self.health_mut().pods[pod].untracked_at = agenda.now();
                }
            }
            What::Replace { .. } | What::Forward(..) => self.change_ingress(id, agenda),
            What::LoadBalancer(nodes, trouble) => {
                self.on_load_balancer_trouble(&nodes, trouble, begins, agenda);
            }
            What::LeaderChange => self.lose_leader(agenda),
            What::Throttle(rate) => self.throttle(id, rate, begins),
            What::ToBusiest(..) => unreachable!("the pod is chosen before the fault begins"),
            What::Exit(_)
            | What::Delete(..)
            | What::Unselect(_)
            | What::Untrack(_)
            | What::RollOut(..) => {}
        }
    }

    /// The pods among which a fault will choose the busiest are counted from now on.
    pub(super) fn on_count(&mut self, id: FaultId) {
        let counts = self.counts(id);
        self.health_mut().counted.insert(id, counts);
    }

    /// A fault chooses the pod that was asked most since the count began.
    pub(super) fn on_choose(&mut self, id: FaultId, now: SimTime) {
        let before = self.health_mut().counted.remove(&id).unwrap_or_default();
        let after = self.counts(id).into_iter();
        // A new pod in an old one's place counts from nothing.
        let asked = after.zip(before);
        let asked =
            asked.map(|((pod, after), (_, before))| (after.saturating_sub(before), Reverse(pod)));
        let there = asked.filter(|(_, Reverse(pod))| self.health().pods[*pod].exists());
        let busiest = there.max().map(|(_, Reverse(pod))| pod);
        let fault = &mut self.health_mut().faults[id];
        if let What::ToBusiest(_, effect) = fault.what {
            let what = effect.on(busiest.into_iter().collect());
            fault.what = what.expect("only what happens to pods happens to the busiest");
        }
        if let Some(pod) = busiest {
            self.tell(now, observe::Health::Chosen { fault: id, pod });
        }
    }

    /// How often clients asked each pod that a fault chooses from.
    fn counts(&self, id: FaultId) -> Vec<(PodId, u64)> {
        let health = self.health();
        let What::ToBusiest(Busiest { deployment, .. }, _) = health.faults[id].what else {
            return Vec::new();
        };
        let pods = self.pods.enumerate();
        let own = pods.filter(|(_, pod)| pod.deployment == deployment);
        own.map(|(id, _)| (id, health.pods[id].asked)).collect()
    }

    /// A pod's condition begins, or ends.
    fn afflict(
        &mut self,
        pod: PodId,
        fault: FaultId,
        condition: Option<PodCondition>,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let it = &mut self.health_mut().pods[pod];
        match condition {
            Some(condition) => it.afflict(Some(fault), condition),
            None => it.relieve(fault),
        }
        match condition {
            Some(PodCondition::Hanging) => self.empty_queue(pod, false, agenda),
            Some(PodCondition::Refusing) => {
                self.empty_queue(pod, false, agenda);
                self.reset_work(pod, agenda);
                self.close_connections(pod, now);
            }
            Some(PodCondition::Serving | PodCondition::Erroring(_) | PodCondition::Slow(_))
            | None => {}
        }
    }
}
