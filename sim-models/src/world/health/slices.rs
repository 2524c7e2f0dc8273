//! The EndpointSlice controller at work, and what each node makes of its versions.

use sim_core::{Agenda, Sampler, SimDuration, SimTime, Streams};

use super::api::{ApiServer, Call};
use super::nodes::Node;
use super::outages::heard_at;
use super::{drawn, pair, plan};
use crate::health::endpoint_slice::{Endpoint, PodStatus, Syncer, Version, Wake};
use crate::health::service_map::{Cursor, History};
use crate::id::{Arena, NodeId, PodId, ServiceId};
use crate::observe::{self, Recorder};
use crate::streams::{AGENT, SLICE_SYNC, WATCH};
use crate::world::blueprint::Blueprint;
use crate::world::build::World;
use crate::world::event::{Event, HealthEvent};

/// The endpoints of a Service: all versions, and how far each node has followed them.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) versions: Vec<Version>,
    cursors: Arena<NodeId, Cursor>,
    syncer: Syncer,
    /// Whether the controller looks at this instant.
    queued: bool,
    /// What the sync under way will publish.
    pub(super) next: Vec<Endpoint>,
    syncs: u64,
    began: SimTime,
}

/// Services whose endpoints everybody knows.
pub(super) fn published(blueprint: &Blueprint) -> Arena<ServiceId, Service> {
    let services = blueprint.endpoints_by_service();
    services
        .iter()
        .map(|pods| {
            let endpoints = pods.iter().map(|&pod| Endpoint {
                pod,
                node: blueprint.pods[pod].node,
                conditions: PodStatus::READY.conditions(),
            });
            Service {
                versions: vec![Version::new(SimTime::ZERO, endpoints.collect())],
                cursors: blueprint.nodes.ids().map(|_| Cursor::default()).collect(),
                syncer: Syncer::default(),
                queued: false,
                next: Vec::new(),
                syncs: 0,
                began: SimTime::ZERO,
            }
        })
        .collect()
}

impl Service {
    /// A node's agent lists the endpoints anew.
    pub(super) fn lists_anew(&mut self, node: NodeId, now: SimTime) {
        self.cursors[node].lists_anew(now);
    }
}

/// The history of a Service as one node's agent receives it.
struct Received<'a> {
    node: &'a Node,
    versions: &'a [Version],
    watch: &'a Sampler,
    reconcile: &'a Sampler,
    streams: &'a Streams,
    entity: u64,
    /// From when until when the agent heard nothing.
    deaf: &'a [(SimTime, SimTime)],
    api: &'a ApiServer,
}

impl History for Received<'_> {
    fn published(&self, version: u32) -> Option<SimTime> {
        self.versions.get(version as usize).map(|it| it.at)
    }

    fn watch_delay(&self, version: u32) -> SimDuration {
        let draw = 2 * u64::from(version);
        let delay = drawn(self.watch, self.streams, AGENT, self.entity, draw);
        match self.published(version) {
            Some(published)
                if !self.node.lags.is_empty()
                    || !self.deaf.is_empty()
                    || self.api.was_overloaded() =>
            {
                let lag = self.node.lag(published) + self.api.lag(published);
                heard_at(self.deaf, published + delay + lag) - published
            }
            _ => delay,
        }
    }

    fn reconcile(&self, version: u32) -> SimDuration {
        let draw = 2 * u64::from(version) + 1;
        drawn(self.reconcile, self.streams, AGENT, self.entity, draw)
    }
}

impl<R: Recorder> World<R> {
    /// The version that a node's service map holds now.
    pub(in crate::world) fn believed(
        &mut self,
        service: ServiceId,
        node: NodeId,
        now: SimTime,
    ) -> usize {
        let streams = self.streams;
        let health = self.health_mut();
        let pace = health.settings.pace;
        let it = &mut health.services[service];
        let cursor = it.cursors[node];
        let at = &health.nodes[node];
        if cursor.version as usize + 1 < it.versions.len() && at.learns() {
            let received = Received {
                node: at,
                versions: &it.versions,
                watch: &health.settings.watch,
                reconcile: &health.settings.reconcile,
                streams: &streams,
                entity: pair(service, node),
                deaf: health.outages.as_ref().map_or(&[], |it| it.deaf(node)),
                api: &health.api,
            };
            it.cursors[node] = cursor.advance(&received, pace, now);
        }
        it.cursors[node].version as usize
    }

    /// Whether a node's service map has an entry for a pod that is not ready, where it keeps none for those.
    pub(in crate::world) fn knows(
        &mut self,
        service: ServiceId,
        node: NodeId,
        pod: PodId,
        now: SimTime,
    ) -> bool {
        let believed = self.believed(service, node, now);
        self.health().services[service].versions[believed].serves(pod)
    }

    /// When each node's service map follows a version, as far as it is known now: the end of time where its agent has stopped.
    fn shown_at(&self, service: ServiceId, version: u32) -> Vec<SimTime> {
        let health = self.health();
        let it = &health.services[service];
        let follows = |(node, cursor): (NodeId, &Cursor)| {
            if !health.nodes[node].learns() {
                return SimTime::MAX;
            }
            let received = Received {
                node: &health.nodes[node],
                versions: &it.versions,
                watch: &health.settings.watch,
                reconcile: &health.settings.reconcile,
                streams: &self.streams,
                entity: pair(service, node),
                deaf: health.outages.as_ref().map_or(&[], |it| it.deaf(node)),
                api: &health.api,
            };
            let at = cursor.knows_at(&received, health.settings.pace, version);
            at.expect("the version is published")
        };
        it.cursors.enumerate().map(follows).collect()
    }

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

    /// The EndpointSlice controller looks at a Service.
    pub(super) fn on_sync(&mut self, service: ServiceId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let retry = health.settings.slices.stale_retry;
        health.services[service].queued = false;
        match health.services[service].syncer.wake(now, retry) {
            Wake::Nothing => {}
            Wake::RetryAt(at) => plan(agenda, at, HealthEvent::Sync(service)),
            Wake::Sync => {
                let it = &mut health.services[service];
                it.syncs += 1;
                it.began = now;
                let (entity, draw) = (u64::from(service.0), it.syncs);
                let takes = drawn(&health.settings.sync, &streams, SLICE_SYNC, entity, draw);
                let call = Call::Slice(service, draw);
                let takes = takes + health.api.takes(call, now, &streams);
                let next = self.endpoints_seen(service);
                self.health_mut().services[service].next = next;
                plan(agenda, now + takes, HealthEvent::Synced(service));
            }
        }
    }

    /// The endpoints of a Service as the controller sees its pods.
    pub(super) fn endpoints_seen(&self, service: ServiceId) -> Vec<Endpoint> {
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

    /// A sync ends: what changed is committed.
    pub(super) fn on_synced(&mut self, service: ServiceId, agenda: &mut Agenda<'_, Event>) {
        let now = agenda.now();
        let streams = self.streams;
        let health = self.health_mut();
        let it = &mut health.services[service];
        let next = std::mem::take(&mut it.next);
        let last = it.versions.last().expect("there is a first version");
        let changed = last.endpoints != next;
        // The controller sees its own write as late as any other watcher.
        let (entity, draw) = (1 << 32 | u64::from(service.0), it.syncs);
        let watch = drawn(&health.settings.watch, &streams, WATCH, entity, draw);
        let visible = now + watch + health.api.lag(now);
        let again = it.syncer.done(changed.then_some(visible));
        if changed {
            it.versions.push(Version::new(now, next));
            let number = it.versions.len() - 1;
            let shown_at = self.shown_at(service, number as u32);
            let health = self
                .health
                .as_deref()
                .expect("a version is part of the health signal");
            let seen = observe::Health::Published {
                service,
                version: &health.services[service].versions[number],
                shown_at: &shown_at,
            };
            self.recorder.see(now, observe::Observation::Health(seen));
            self.slices_changed(service, agenda);
        }
        if again {
            self.on_sync(service, agenda);
        }
    }

    /// Ready endpoints of a Service on a node, as the node's own agent knows them.
    pub(super) fn active_on(&mut self, service: ServiceId, node: NodeId, now: SimTime) -> usize {
        let version = self.believed(service, node, now);
        self.health().services[service].versions[version].active_on(node)
    }
}
