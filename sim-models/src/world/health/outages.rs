//! Outages of the control plane: who waits for whom, and what happens when they are back.
//!
//! What somebody who is away would have done is kept, and done when they are back. Probes, restarts, health checks and data planes go on
//! meanwhile with what they know.
//!
//! Source: client-go `tools/cache/reflector.go`, k8s.io/component-base/config; Amazon EKS best practices, "Control plane".

use sim_core::{Agenda, Dist, Sampler, SimDuration, SimTime, Streams};

use super::deafness::Cause;
use super::{drawn, plan, sampler};
use crate::control::plane;
use crate::fault::{Outage, What};
use crate::id::NodeId;
use crate::observe::Recorder;
use crate::streams::OUTAGE;
use crate::world::RunError;
use crate::world::blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// The control plane in a run in which part of it goes away.
#[derive(Debug)]
pub(super) struct Outages {
    controllers: Sampler,
    kubelets: Sampler,
    takeover: Sampler,
    renew_deadline: SimDuration,
    /// Faults in force on the API server, and since when.
    api: u32,
    api_since: SimTime,
    /// Faults in force on the controllers.
    stopped: u32,
    /// From when on the controllers work again.
    back_at: SimTime,
    /// Whether those that come back are others than those that went.
    is_successor: bool,
    /// What those who are away would have done.
    kept: Vec<HealthEvent>,
    draws: u64,
}

/// Without whom an event does not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nobody,
    ApiServer,
    Controllers,
}

impl Needs {
    fn of(event: &HealthEvent) -> Self {
        match event {
            HealthEvent::PodSeen(_)
            | HealthEvent::NodeSeenNotReady(_)
            | HealthEvent::Sync(_)
            | HealthEvent::Synced(_)
            | HealthEvent::NodeUnknown(_)
            | HealthEvent::MarkNotReady(_)
            | HealthEvent::NodeBack(_)
            | HealthEvent::Evict(_)
            | HealthEvent::EvictTainted(_)
            | HealthEvent::SyncDeployment(_)
            | HealthEvent::Create(_)
            | HealthEvent::ScaleDown(_)
            | HealthEvent::Available(_)
            | HealthEvent::ProgressDeadline(_)
            | HealthEvent::SyncBudget(_)
            | HealthEvent::Autoscale(_)
            | HealthEvent::Schedule => Self::Controllers,
            HealthEvent::EvictPod(_)
            | HealthEvent::Delete(_)
            | HealthEvent::Terminate(_)
            | HealthEvent::Assigned(_)
            | HealthEvent::ReadMetrics(_)
            | HealthEvent::GateSeen(_)
            | HealthEvent::Reconcile(_) => Self::ApiServer,
            _ => Self::Nobody,
        }
    }
}

impl Outages {
    /// The control plane of a world at time zero; `None` where nothing happens to it.
    pub(super) fn new(config: &blueprint::Health) -> Result<Option<Self>, RunError> {
        let mut faults = config.faults.iter();
        if !faults.any(|fault| matches!(fault.what, What::ControlPlane(_))) {
            return Ok(None);
        }
        let plane::Reconnect {
            agents: _,
            controllers,
        } = &config.reconnect;
        let at = |name: &str| format!("cluster.api_server.reconnect.{name}");
        let manager = &config.controller_manager;
        // Each kubelet's passes have a phase of their own.
        let pass = Dist::Uniform {
            low: SimDuration::ZERO,
            high: config.kubelet.status_reconcile,
        };
        Ok(Some(Self {
            controllers: sampler(controllers, &at("controllers"))?,
            kubelets: sampler(&pass, "cluster.kubelet.status_reconcile")?,
            takeover: sampler(&manager.takeover, "cluster.controller_manager.takeover")?,
            renew_deadline: manager.renew_deadline,
            api: 0,
            api_since: SimTime::ZERO,
            stopped: 0,
            back_at: SimTime::ZERO,
            is_successor: false,
            kept: Vec::new(),
            draws: 0,
        }))
    }

    /// Whether somebody whom an event needs is away.
    fn lacks(&self, needs: Needs, now: SimTime) -> bool {
        match needs {
            Needs::Nobody => false,
            Needs::ApiServer => self.api > 0,
            Needs::Controllers => self.api > 0 || self.stopped > 0 || now < self.back_at,
        }
    }

    /// Whether nothing can be written.
    pub(super) fn is_down(&self) -> bool {
        self.api > 0
    }
}

impl<R: Recorder> World<R> {
    /// Whether an event waits for somebody who is away; it is kept then.
    #[inline]
    pub(super) fn waits(&mut self, event: HealthEvent, now: SimTime) -> bool {
        let Some(outages) = &mut self.health_mut().outages else {
            return false;
        };
        let waits = outages.lacks(Needs::of(&event), now);
        if waits {
            outages.kept.push(event);
        }
        waits
    }

    /// Part of the control plane goes away, or comes back.
    pub(super) fn on_outage(
        &mut self,
        outage: Outage,
        begins: bool,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let streams = self.streams;
        let Some(outages) = &mut self.health_mut().outages else {
            return;
        };
        match (outage, begins) {
            (Outage::ApiServer, true) => {
                outages.api += 1;
                if outages.api == 1 {
                    outages.api_since = now;
                    for node in self.health_mut().nodes.iter_mut() {
                        node.deafness.begins(Cause::Outage, now);
                    }
                }
            }
            (Outage::ApiServer, false) => {
                outages.api -= 1;
                if outages.api == 0 {
                    self.api_answers(agenda);
                }
            }
            (Outage::Controllers, true) => {
                outages.stopped += 1;
                outages.is_successor = true;
            }
            (Outage::Controllers, false) => {
                outages.stopped -= 1;
                let wait = outages.draw(|it| &it.controllers, 0, &streams);
                self.expect_controllers(now + wait, agenda);
            }
            (Outage::Leader, _) => {
                outages.is_successor = true;
                let wait = outages.draw(|it| &it.takeover, 0, &streams);
                self.expect_controllers(now + wait, agenda);
            }
        }
    }

    /// The API server answers again: each one who waited finds that out in its own time.
    fn api_answers(&mut self, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let nodes: Vec<NodeId> = self.nodes.ids().collect();
        let health = self.health_mut();
        let Some(outages) = &mut health.outages else {
            return;
        };
        let exited = now - outages.api_since >= outages.renew_deadline;
        outages.is_successor |= exited;
        let wait = match exited {
            true => outages.draw(|it| &it.takeover, 0, &streams),
            false => outages.draw(|it| &it.controllers, 0, &streams),
        };
        for node in nodes {
            let entity = 1 + u64::from(node.0);
            outages.draws += 1;
            let draw = outages.draws;
            let writes = now + outages.draw(|it| &it.kubelets, entity, &streams);
            plan(agenda, writes, HealthEvent::WriteStatuses(node));
            let agents = &health.settings.reconnect_agents;
            let hears = now + drawn(agents, &streams, OUTAGE, entity, draw);
            health.nodes[node].deafness.ends(Cause::Outage, hears);
        }
        self.expect_controllers(now + wait, agenda);
        self.resume(agenda);
    }

    /// The controllers will be back then, unless something else keeps them away.
    fn expect_controllers(&mut self, at: SimTime, agenda: &mut Agenda<'_, Event>) {
        if let Some(outages) = &mut self.health_mut().outages {
            outages.back_at = outages.back_at.max(at);
            plan(agenda, outages.back_at, HealthEvent::ControllersBack);
        }
    }

    /// The controllers are back: a successor starts the clocks of all silent nodes anew.
    pub(super) fn on_controllers_back(&mut self, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let Some(outages) = &mut self.health_mut().outages else {
            return;
        };
        if outages.lacks(Needs::Controllers, now) {
            return;
        }
        if std::mem::take(&mut outages.is_successor) {
            self.restart_node_clocks(agenda);
        }
        self.resume(agenda);
    }

    /// What waited for those who are back happens now, in its order.
    fn resume(&mut self, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let Some(outages) = &mut self.health_mut().outages else {
            return;
        };
        for event in std::mem::take(&mut outages.kept) {
            self.is_due_now(event, now);
            self.on_health(event, agenda);
        }
    }

    /// What was due while somebody was away is due now.
    fn is_due_now(&mut self, event: HealthEvent, now: SimTime) {
        match event {
            HealthEvent::NodeUnknown(node)
            | HealthEvent::NodeBack(node)
            | HealthEvent::Evict(node) => self.health_mut().nodes[node].is_due(event, now),
            HealthEvent::Synced(service) => {
                // What was to be written is out of date.
                self.look_at_pods(service);
            }
            _ => {}
        }
    }

    /// A kubelet writes the statuses that differ from those in the API.
    pub(super) fn on_write_statuses(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        for pod in self.pods_on(node) {
            let it = &self.health().pods[pod];
            if it.ready != it.api.ready
                || it.written != it.containers
                || it.noticed && !it.api.listed
            {
                self.write_status(pod, agenda);
            }
        }
    }

    /// Tells whether the API server takes a write; one that it does not take is tried again when it answers.
    pub(super) fn takes_writes(&self) -> bool {
        let outages = self.health().outages.as_ref();
        outages.is_none_or(|it| !it.is_down())
    }
}

impl Outages {
    fn draw(
        &mut self,
        which: impl Fn(&Self) -> &Sampler,
        entity: u64,
        streams: &Streams,
    ) -> SimDuration {
        self.draws += 1;
        drawn(which(self), streams, OUTAGE, entity, self.draws)
    }
}
