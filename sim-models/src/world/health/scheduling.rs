//! The scheduler at work: pods that are created during a run find a node, or wait for one.
//!
//! The scheduler decides about a pod at the instant of its creation; what passes until the node's kubelet knows is its `latency`. So it
//! is never busy, and never waits for the end of a back-off: a pod that backs off is only tried after those that do not.

use sim_core::{Agenda, SimTime};

use super::api::Call;
use super::placing::{Placing, Tried};
use super::{Health, drawn, pair, plan};
use crate::id::{NodeId, PodId};
use crate::observe::{self, Recorder};
use crate::streams::{IMAGE_PULL, SCHEDULING};
use crate::world::blueprint::Blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

impl Health {
    /// Nodes have the images of the pods that run on them at time zero.
    pub(super) fn have_images(&mut self, blueprint: &Blueprint) {
        if self.settings.image_pull.is_none() {
            return;
        }
        let places = blueprint.places();
        let places = places.iter().zip(self.pods.iter());
        for (place, pod) in places.filter(|(_, pod)| pod.exists() && !pod.is_pending()) {
            let image = (place.deployment, pod.generation);
            self.nodes[pod.home].images.insert(image, SimTime::ZERO);
        }
    }
}

impl<R: Recorder> World<R> {
    /// The scheduler looks at the pods that wait for a node.
    pub(super) fn on_schedule(&mut self, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        if let Some(placing) = self.placing_mut() {
            // What happens from now on, even at this instant, is for another look.
            placing.woken_at = None;
        }
        while let Some(placing) = self.placing_mut()
            && let Some(waiting) = placing.queue.pop(now)
        {
            let pod = waiting.pod;
            match placing.try_pod(waiting, &streams, now) {
                Tried::Placed(node) => self.bind(pod, node, agenda),
                Tried::Refused(why) => {
                    self.tell(now, observe::Health::Unschedulable { pod, why: &why });
                }
                Tried::Again => {}
            }
        }
        if let Some(placing) = self.placing_mut()
            && let Some(at) = placing.queue.next_wake()
            && placing
                .flushes_at
                .is_none_or(|planned| planned <= now || at < planned)
        {
            placing.flushes_at = Some(at);
            plan(agenda, at, HealthEvent::Schedule);
        }
    }

    /// A pod gets a node: some time later the node's kubelet will know.
    fn bind(&mut self, pod: PodId, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let deployment = self.pods[pod].deployment;
        self.pods[pod].node = node;
        let health = self.health_mut();
        let placing = health.placing.as_mut().expect("only a scheduler binds");
        let bound_at = placing.binds_at(now);
        let (entity, draw) = (u64::from(deployment.0), 2 * placing.serial(pod));
        let latency = &health.settings.scheduling;
        let latency = drawn(latency, &streams, SCHEDULING, entity, draw);
        let call = Call::Binding(deployment, placing.serial(pod));
        let bind = health.api.takes(call, bound_at, &streams);
        // The binding waits for the API server, and the kubelet hears of it as late as everybody else.
        let heard_at = bound_at + latency + bind + health.api.lag(bound_at + bind);
        health.pods[pod].assign(node, heard_at);
        self.tell(now, observe::Health::Placed { pod, node });
        plan(agenda, heard_at, HealthEvent::Assigned(pod));
    }

    /// A kubelet hears of a pod that was bound to its node, and starts it. One that does not report does not hear either, and without the
    /// agent that gives the pod its network it cannot start it.
    pub(super) fn on_assigned(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let deployment = self.pods[pod].deployment;
        let health = self.health_mut();
        let it = &mut health.pods[pod];
        let home = &health.nodes[it.home];
        let wires = !health.settings.agent_wires_pods || home.learns();
        if !it.awaits_kubelet(now) || !home.condition().starts() || !wires {
            return;
        }
        it.is_heard_of();
        let serial = health.placing.as_ref().map_or(0, |it| it.serial(pod));
        let (entity, draw) = (u64::from(deployment.0), 2 * serial + 1);
        let start = &health.settings.start_container;
        let start = drawn(start, &streams, SCHEDULING, entity, draw);
        let image = self.image_of(pod, now);
        plan(agenda, image + start, HealthEvent::Run(pod));
        self.renew_probers(pod, now, agenda);
    }

    /// When a new pod's image is on its node: it is pulled, unless it is there or on its way for another pod.
    fn image_of(&mut self, pod: PodId, now: SimTime) -> SimTime {
        let streams = self.streams;
        let deployment = self.pods[pod].deployment;
        let health = self.health_mut();
        let Some(pull) = &health.settings.image_pull else {
            return now;
        };
        let (home, revision) = (health.pods[pod].home, health.pods[pod].generation);
        let entity = pair(home, deployment);
        let pulled = now + drawn(pull, &streams, IMAGE_PULL, entity, u64::from(revision));
        let images = &mut health.nodes[home].images;
        now.max(*images.entry((deployment, revision)).or_insert(pulled))
    }

    /// A node's kubelet reports again: it hears of the pods that were bound to its node meanwhile.
    pub(super) fn hear_of_pods(&mut self, node: NodeId, agenda: &mut Agenda<'_, Event>) {
        for pod in self.pods_on(node) {
            self.on_assigned(pod, agenda);
        }
    }

    /// Something happened to a pod or a node: the scheduler hears of it, and looks at the pods that wait.
    pub(super) fn tell_scheduler(
        &mut self,
        agenda: &mut Agenda<'_, Event>,
        happens: impl FnOnce(&mut Placing, SimTime),
    ) {
        let now = agenda.now();
        let Some(placing) = self.placing_mut() else {
            return;
        };
        happens(placing, now);
        if !placing.queue.is_idle() && placing.woken_at.replace(now) != Some(now) {
            plan(agenda, now, HealthEvent::Schedule);
        }
    }

    fn placing_mut(&mut self) -> Option<&mut Placing> {
        self.health_mut().placing.as_mut()
    }
}
