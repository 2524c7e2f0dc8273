//! The EndpointSlice controller at work.
//!
//! A few workers sync Services, one at a time each. A sync compares what the controller has heard of the pods with what the slices say, and
//! writes each slice that differs.

use std::collections::VecDeque;

use sim_core::{Agenda, SimTime};

use super::api::Call;
use super::{drawn, plan};
use crate::control::bucket::Bucket;
use crate::health::endpoint_slice::{Endpoint, PodStatus, Syncer, Version, Wake};
use crate::health::packing::{Packing, Write};
use crate::id::{Arena, NodeId, PodId, ServiceId};
use crate::observe::{self, Recorder};
use crate::streams::{SLICE_SYNC, WATCH};
use crate::world::blueprint::Blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// The endpoints of a Service: what its slices have said, and which of it each node holds.
#[derive(Debug)]
pub(super) struct Service {
    slices: Packing,
    /// The versions that some node may still hold, each with the number of the write that made it.
    versions: VecDeque<(u32, Version)>,
    /// Versions before these, which nobody holds any more.
    forgotten: usize,
    /// The version that each node was last seen to hold.
    held: Arena<NodeId, usize>,
    syncer: Syncer,
    /// Whether the controller looks at this instant.
    queued: bool,
    /// What the sync under way will write, in this order.
    writes: VecDeque<Write>,
    syncs: u64,
}

/// The controller's own means.
#[derive(Debug)]
pub(super) struct Controller {
    idle_workers: u32,
    /// Services that wait for a worker.
    waiting: VecDeque<ServiceId>,
    requests: Bucket,
}

impl Controller {
    /// A controller with nothing to do.
    pub(super) fn new(workers: u32, requests: Bucket) -> Self {
        Self {
            idle_workers: workers,
            waiting: VecDeque::new(),
            requests,
        }
    }
}

/// Services whose endpoints everybody knows.
pub(super) fn published(blueprint: &Blueprint, at_most: usize) -> Arena<ServiceId, Service> {
    let services = blueprint.endpoints_by_service();
    services
        .iter()
        .map(|pods| {
            let endpoints = pods.iter().map(|&pod| Endpoint {
                pod,
                node: blueprint.pods[pod].node,
                conditions: PodStatus::READY.conditions(),
            });
            let endpoints: Vec<Endpoint> = endpoints.collect();
            Service {
                slices: Packing::new(&endpoints, at_most),
                versions: VecDeque::from([(0, Version::new(SimTime::ZERO, endpoints))]),
                forgotten: 0,
                held: blueprint.nodes.ids().map(|_| 0).collect(),
                syncer: Syncer::default(),
                queued: false,
                writes: VecDeque::new(),
                syncs: 0,
            }
        })
        .collect()
}

impl Service {
    /// What the slices say now.
    pub(super) fn latest(&self) -> &Version {
        let (_, version) = self.versions.back().expect("there is a last version");
        version
    }

    /// A version that some node holds, by its number from 0.
    pub(super) fn version(&self, version: usize) -> &Version {
        &self.versions[version - self.forgotten].1
    }

    /// The version that a node holds whose service map follows the writes up to this one.
    pub(super) fn held_by(&mut self, node: NodeId, write: u32) -> usize {
        let held = &mut self.held[node];
        let next = |held: usize| self.versions.get(held + 1 - self.forgotten);
        while next(*held).is_some_and(|(number, _)| *number <= write) {
            *held += 1;
        }
        *held
    }

    /// Forgets the versions that no node holds any more.
    fn forget(&mut self) {
        let oldest = self.held.iter().copied().min().unwrap_or(0);
        while self.forgotten < oldest {
            self.versions.pop_front();
            self.forgotten += 1;
        }
    }
}

impl<R: Recorder> World<R> {
    /// The EndpointSlice controller hears of a pod.
    pub(super) fn on_pod_seen(&mut self, pod: PodId, agenda: &mut Agenda<'_, Event>) {
        let it = &mut self.health_mut().pods[pod];
        let before = std::mem::replace(&mut it.seen, it.api);
        if it.seen.ready && !before.ready {
            self.await_available(pod, agenda);
        }
        let deployment = self.pods[pod].deployment;
        self.wake_deployment(deployment, agenda);
        self.wake_budget(deployment, agenda);
        for service in self.services.ids().collect::<Vec<_>>() {
            if self.services[service].selects == deployment {
                self.wake_slices(service, agenda);
            }
        }
    }

    fn wake_slices(&mut self, service: ServiceId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let health = self.health_mut();
        let period = health.settings.slices.updates_batch_period;
        if period.is_zero() {
            // The changes of one instant go together.
            if !std::mem::replace(&mut health.services[service].queued, true) {
                plan(agenda, now, HealthEvent::Sync(service));
            }
            return;
        }
        if let Some(at) = health.services[service].syncer.gather(now, period) {
            plan(agenda, at, HealthEvent::Sync(service));
        }
    }

    /// The controller looks at a Service, as soon as one of its workers is idle.
    pub(super) fn on_sync(&mut self, service: ServiceId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let health = self.health_mut();
        let it = &mut health.services[service];
        it.queued = false;
        let controller = &mut health.slice_controller;
        if !it.syncer.is_running() && controller.idle_workers == 0 {
            if !controller.waiting.contains(&service) {
                controller.waiting.push_back(service);
            }
            return;
        }
        match it.syncer.wake(now, health.settings.slices.stale_retry) {
            Wake::Nothing => {}
            Wake::RetryAt(at) => plan(agenda, at, HealthEvent::Sync(service)),
            Wake::Sync => {
                controller.idle_workers -= 1;
                self.look_at_pods(service);
                self.send_write(service, agenda);
            }
        }
    }

    /// A sync compares the slices with the pods that the controller has heard of.
    pub(super) fn look_at_pods(&mut self, service: ServiceId) {
        let seen = self.endpoints_seen(service);
        let health = self.health_mut();
        let at_most = health.settings.slices.max_endpoints_per_slice.get() as usize;
        let it = &mut health.services[service];
        it.writes = it.slices.plan(&seen, at_most).into();
    }

    /// The endpoints of a Service as the controller sees its pods.
    fn endpoints_seen(&self, service: ServiceId) -> Vec<Endpoint> {
        let deployment = self.services[service].selects;
        let health = self.health();
        let pods = self.pods.enumerate();
        pods.filter(|&(id, pod)| pod.deployment == deployment && health.pods[id].seen.listed)
            .map(|(id, pod)| Endpoint {
                pod: id,
                node: pod.node,
                conditions: health.pods[id].seen.conditions(),
            })
            .collect()
    }

    /// The next slice of a sync is on its way to the API server, where the sync has found one to write.
    fn send_write(&mut self, service: ServiceId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.services[service];
        it.syncs += 1;
        let (entity, draw) = (u64::from(service.0), it.syncs);
        let sent = match it.writes.is_empty() {
            true => now,
            false => health.slice_controller.requests.take(now),
        };
        let takes = drawn(&health.settings.sync, &streams, SLICE_SYNC, entity, draw);
        let takes = takes + health.api.takes(Call::Slice(service, draw), now, &streams);
        plan(agenda, sent + takes, HealthEvent::Synced(service));
    }

    /// A slice is committed; with the last one the sync ends.
    pub(super) fn on_synced(&mut self, service: ServiceId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.services[service];
        let write = it.writes.pop_front();
        // The controller sees its own write as late as any other watcher.
        let (entity, draw) = (1 << 32 | u64::from(service.0), it.syncs);
        let watch = drawn(&health.settings.watch, &streams, WATCH, entity, draw);
        let visible = now + watch + health.api.lag(now);
        let changed = write.is_some();
        let is_last = it.writes.is_empty();
        let again = is_last && it.syncer.done(changed.then_some(visible));
        if let Some(write) = write {
            self.publish(service, write, agenda);
        }
        if !is_last {
            return self.send_write(service, agenda);
        }
        let controller = &mut self.health_mut().slice_controller;
        controller.idle_workers += 1;
        if again && !controller.waiting.contains(&service) {
            controller.waiting.push_back(service);
        }
        while self.health().slice_controller.idle_workers > 0 {
            let next = self.health_mut().slice_controller.waiting.pop_front();
            let Some(next) = next else { break };
            self.on_sync(next, agenda);
        }
    }

    /// A slice says something else: its watchers will hear of it.
    fn publish(&mut self, service: ServiceId, write: Write, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        for node in self.nodes.ids().collect::<Vec<_>>() {
            self.believed(service, node, now);
        }
        let health = self.health_mut();
        let it = &mut health.services[service];
        it.forget();
        it.slices.apply(write);
        let version = Version::new(now, it.slices.endpoints());
        let nth = it.forgotten + it.versions.len();
        let backends = version.ready();
        let number = health.maps.wrote(now, service, nth as u32, backends);
        it.versions.push_back((number, version));
        let shown_at = health.shown_at(number, &streams);
        let health = self.health.as_deref();
        let health = health.expect("a version is part of the health signal");
        let seen = observe::Health::Published {
            service,
            version: health.services[service].latest(),
            shown_at: &shown_at,
        };
        self.recorder.see(now, observe::Observation::Health(seen));
        self.slices_changed(service, agenda);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(nodes: usize) -> Service {
        Service {
            slices: Packing::default(),
            versions: VecDeque::from([(0, Version::new(SimTime::ZERO, Vec::new()))]),
            forgotten: 0,
            held: (0..nodes).map(|_| 0).collect(),
            syncer: Syncer::default(),
            queued: false,
            writes: VecDeque::new(),
            syncs: 0,
        }
    }

    #[test]
    fn a_version_is_forgotten_when_no_node_holds_it() {
        // Versions 1, 2 and 3 of this Service were writes 2, 5 and 9 of all.
        let mut it = service(2);
        for number in [2, 5, 9] {
            it.versions
                .push_back((number, Version::new(SimTime::ZERO, Vec::new())));
        }
        let (early, late) = (NodeId(0), NodeId(1));
        assert_eq!((it.held_by(early, 8), it.held_by(late, 1)), (2, 0));
        it.forget();
        assert_eq!((it.forgotten, it.versions.len()), (0, 4));
        assert_eq!((it.held_by(early, 9), it.held_by(late, 5)), (3, 2));
        it.forget();
        assert_eq!((it.forgotten, it.versions.len()), (2, 2));
        assert_eq!((it.held_by(early, 9), it.held_by(late, 9)), (3, 3));
    }
}
