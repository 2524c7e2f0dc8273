//! What each node makes of the EndpointSlices: the service map that its agent writes.

use sim_core::{Sampler, SimDuration, SimTime, Streams};

use super::api::ApiServer;
use super::nodes::Node;
use super::{Health, Settings, drawn, pair};
use crate::health::service_map::{Cursor, History};
use crate::id::{Arena, NodeId, PodId, ServiceId};
use crate::observe::Recorder;
use crate::request::node_port::Proxy;
use crate::streams::AGENT;
use crate::world::blueprint::Blueprint;
use crate::world::build::World;

/// Everything that the API says of endpoints, in the order in which it was written, and how far each node has followed.
#[derive(Debug)]
pub(super) struct Maps {
    /// The first one has number 1.
    writes: Vec<SliceWrite>,
    cursors: Arena<NodeId, Cursor>,
}

/// A committed write of a slice.
#[derive(Clone, Copy, Debug)]
struct SliceWrite {
    at: SimTime,
    service: ServiceId,
    /// The version of the Service that it makes.
    version: u32,
    /// Ready endpoints of that version.
    backends: u32,
}

impl Maps {
    /// The maps of nodes that know everything.
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            writes: Vec::new(),
            cursors: (0..nodes).map(|_| Cursor::default()).collect(),
        }
    }

    /// A write is committed. Returns its number.
    pub(super) fn wrote(
        &mut self,
        at: SimTime,
        service: ServiceId,
        version: u32,
        backends: usize,
    ) -> u32 {
        self.writes.push(SliceWrite {
            at,
            service,
            version,
            backends: backends as u32,
        });
        self.writes.len() as u32
    }

    /// A node's agent lists all slices anew.
    pub(super) fn lists_anew(&mut self, node: NodeId, now: SimTime) {
        self.cursors[node].lists_anew(now);
    }
}

/// The writes as one node's agent receives them.
struct Received<'a> {
    node: &'a Node,
    id: NodeId,
    writes: &'a [SliceWrite],
    watch: &'a Sampler,
    reconcile: &'a Sampler,
    map: &'a MapWriting,
    streams: &'a Streams,
    api: &'a ApiServer,
}

/// What takes time when a node writes its map.
#[derive(Clone, Debug)]
pub(super) struct MapWriting {
    /// Whether all Services are written in one pass, as kube-proxy does, or one after the other.
    pub(super) in_one_pass: bool,
    /// For each backend of a Service whose table is built anew; zero where there are no tables.
    pub(super) rebuild: Arena<ServiceId, SimDuration>,
}

impl MapWriting {
    /// How the nodes of a blueprint write their maps; a Maglev table takes `rebuild` for each 1,000 slots and backend.
    pub(super) fn new(blueprint: &Blueprint, rebuild: SimDuration) -> Self {
        let slots = |own| u64::from(blueprint.proxy.table_slots(own));
        let of = |own| SimDuration::from_nanos(rebuild.as_nanos() * slots(own) / 1_000);
        Self {
            in_one_pass: matches!(blueprint.proxy, Proxy::KubeProxy { .. }),
            rebuild: blueprint
                .services
                .iter()
                .map(|it| of(it.lb_algorithm))
                .collect(),
        }
    }
}

impl Received<'_> {
    fn write(&self, number: u32) -> Option<&SliceWrite> {
        self.writes.get(number as usize - 1)
    }

    fn entity(&self, write: &SliceWrite) -> u64 {
        pair(write.service, self.id)
    }

    /// Writing the maps of one Service.
    fn of_service(&self, write: &SliceWrite) -> SimDuration {
        let draw = 2 * u64::from(write.version) + 1;
        let written = drawn(
            self.reconcile,
            self.streams,
            AGENT,
            self.entity(write),
            draw,
        );
        written + self.map.rebuild[write.service] * u64::from(write.backends)
    }
}

impl History for Received<'_> {
    fn published(&self, number: u32) -> Option<SimTime> {
        self.write(number).map(|it| it.at)
    }

    fn watch_delay(&self, number: u32) -> SimDuration {
        let Some(write) = self.write(number) else {
            return SimDuration::ZERO;
        };
        let draw = 2 * u64::from(write.version);
        let delay = drawn(self.watch, self.streams, AGENT, self.entity(write), draw);
        if self.node.lags.is_empty() && !self.node.deafness.ever() && !self.api.was_overloaded() {
            return delay;
        }
        let lag = self.node.lag(write.at) + self.api.lag(write.at);
        self.node.deafness.heard_at(write.at + delay + lag) - write.at
    }

    fn writing(&self, first: u32, last: u32) -> SimDuration {
        let batch = &self.writes[first as usize - 1..last as usize];
        let Some(earliest) = batch.first() else {
            return SimDuration::ZERO;
        };
        if self.map.in_one_pass || batch.iter().all(|it| it.service == earliest.service) {
            return self.of_service(earliest);
        }
        let mut batch: Vec<&SliceWrite> = batch.iter().collect();
        batch.sort_by_key(|it| it.service);
        batch.dedup_by_key(|it| it.service);
        let services = batch.into_iter();
        services.fold(SimDuration::ZERO, |sum, it| sum + self.of_service(it))
    }
}

impl Health {
    fn received<'a>(&'a self, node: NodeId, streams: &'a Streams) -> Received<'a> {
        let Settings {
            watch,
            reconcile,
            map,
            ..
        } = &self.settings;
        Received {
            node: &self.nodes[node],
            id: node,
            writes: &self.maps.writes,
            watch,
            reconcile,
            map,
            streams,
            api: &self.api,
        }
    }

    /// What a node's service map follows by now.
    pub(super) fn follow(&mut self, node: NodeId, streams: &Streams, now: SimTime) -> u32 {
        let cursor = self.maps.cursors[node];
        if (cursor.number as usize) < self.maps.writes.len() && self.nodes[node].learns() {
            let received = self.received(node, streams);
            self.maps.cursors[node] = cursor.advance(&received, self.settings.pace, now);
        }
        self.maps.cursors[node].number
    }

    /// When each node's service map follows a write, as far as it is known now: the end of time where its agent has stopped.
    pub(super) fn shown_at(&self, number: u32, streams: &Streams) -> Vec<SimTime> {
        let follows = |(node, cursor): (NodeId, &Cursor)| {
            if !self.nodes[node].learns() {
                return SimTime::MAX;
            }
            let received = self.received(node, streams);
            let at = cursor.knows_at(&received, self.settings.pace, number);
            at.expect("the write is committed")
        };
        self.maps.cursors.enumerate().map(follows).collect()
    }
}

impl<R: Recorder> World<R> {
    /// The version of a Service's endpoints that a node's service map holds now.
    pub(in crate::world) fn believed(
        &mut self,
        service: ServiceId,
        node: NodeId,
        now: SimTime,
    ) -> usize {
        let streams = self.streams;
        let health = self.health_mut();
        let number = health.follow(node, &streams, now);
        health.services[service].held_by(node, number)
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
        self.health().services[service]
            .version(believed)
            .serves(pod)
    }

    /// Ready endpoints of a Service on a node, as the node's own agent knows them.
    pub(super) fn active_on(&mut self, service: ServiceId, node: NodeId, now: SimTime) -> usize {
        let version = self.believed(service, node, now);
        self.health().services[service]
            .version(version)
            .active_on(node)
    }
}
