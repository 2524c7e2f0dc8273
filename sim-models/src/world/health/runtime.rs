//! A node whose container runtime does not answer: its kubelet goes on, and knows less and less.
//!
//! Probes go on without consequences, except those whose command the runtime would have to run; exits are not noticed, nothing starts and nothing is stopped, but the lease is renewed. Some time after the
//! last relist that worked the kubelet says itself that the node is not ready. Its pods stay endpoints all the same: only a node that falls
//! silent has its pods marked.
//!
//! Source: Kubernetes 1.34 `pkg/kubelet/pleg/generic.go`, `pkg/kubelet/kubelet.go` (`syncLoop`, `updateNodeStatus`),
//! `pkg/controller/nodelifecycle/node_lifecycle_controller.go`.

use sim_core::{Agenda, SimDuration};

use super::{drawn, plan};
use crate::control::aws_controller::NodeReady;
use crate::control::kubelet::next_tick;
use crate::id::NodeId;
use crate::observe::{self, Recorder};
use crate::streams::NODE_STATUS;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

impl<R: Recorder> World<R> {
    /// The runtime of a node hangs: when its kubelet will say that the node is not ready is known already.
    pub(super) fn runtime_hangs(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let kubelet = &health.settings.kubelet;
        let it = &mut health.nodes[node];
        it.hangs += 1;
        let relist = next_tick(now, it.relist_phase, kubelet.relist_period);
        let since_last = kubelet.relist_period.saturating_sub(relist - now);
        let unhealthy = now + kubelet.pleg_unhealthy_after.saturating_sub(since_last);
        // The next status of the node: intervals are up to 4 % longer than said, and one of them is under way.
        let mut draws = streams.nth(NODE_STATUS, u64::from(node.0), it.hangs);
        let interval = kubelet.status_period.as_nanos() as f64;
        let left = interval * (1.0 + 0.04 * draws.unit().get()) * draws.unit().get();
        let write = health.settings.status_write.sample(draws.unit());
        let at = unhealthy + SimDuration::from_nanos(left as u64) + write;
        it.not_ready_at = Some(at);
        plan(agenda, at, HealthEvent::NodeNotReady(node));
    }

    /// A kubelet says that its node is not ready.
    pub(super) fn on_node_not_ready(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.nodes[node];
        if it.not_ready_at != Some(now) {
            return;
        }
        it.not_ready_at = None;
        if !it.condition().reports() || it.ready != NodeReady::True {
            return;
        }
        it.ready = NodeReady::False;
        let draw = 1 << 32 | it.hangs;
        let watch = drawn(
            &health.settings.watch,
            &streams,
            NODE_STATUS,
            u64::from(node.0),
            draw,
        );
        let seen = now + watch + health.api.lag(now);
        let pass = health
            .settings
            .lifecycle
            .pass_after(seen, health.lifecycle.phase());
        plan(agenda, pass, HealthEvent::NodeSeenNotReady(node));
        let ready = NodeReady::False;
        self.tell(now, observe::Health::Node { node, ready });
        self.nodes_changed(agenda);
        self.tell_scheduler(agenda, |scheduler, now| scheduler.is_unreachable(node, now));
    }

    /// A pass of the node lifecycle controller finds a node that says that it is not ready: it gets its taint, and its pods stay Ready.
    pub(super) fn on_node_seen_not_ready(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        if self.health().nodes[node].ready == NodeReady::False {
            self.set_taints(agenda);
        }
    }

    /// The runtime of a node answers again: what waited for it is done.
    pub(super) fn runtime_answers(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let it = &mut self.health_mut().nodes[node];
        it.not_ready_at = None;
        let reports = it.condition().reports();
        for (prober, verdict) in std::mem::take(&mut it.unheard) {
            // One that has changed its mind has nothing to say.
            if self.health().probers[prober].prober.verdict() == Some(verdict) {
                self.on_verdict(prober, Some(verdict), agenda);
            }
        }
        if !reports {
            return;
        }
        if self.health().nodes[node].ready != NodeReady::True {
            self.speaks_again(node, agenda);
        }
        for pod in self.pods_on(node) {
            let it = &self.health().pods[pod];
            if it.api.terminating {
                plan(agenda, now, HealthEvent::Terminate(pod));
            }
            if it.is_known() {
                plan(agenda, now, HealthEvent::Relist(pod));
            }
        }
        self.hear_of_pods(node, agenda);
    }
}
