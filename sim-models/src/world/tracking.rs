//! What nodes remember of connections, and what happens where one forgets, or has no room or no port left.
//!
//! A world without `conntrack` or `snat` has none of it: connections are remembered for as long as they are open.

use sim_core::{Agenda, SimTime};

use super::blueprint::Blueprint;
use super::build::World;
use super::event::Event;
use crate::cluster::address;
use crate::id::{Arena, NodeId, PodId, RequestId, ServiceId, UpstreamId};
use crate::observe::Recorder;
use crate::request::conntrack::{Table, Tuple};
use crate::request::node_port::SeenAtPod;
use crate::request::pool::Upstream;
use crate::request::snat::{Ports, Search};
use crate::request::{Hop, Outcome, word};
use crate::streams::{RESELECTION, SNAT_PORT};

/// The connection tables of all nodes.
#[derive(Debug)]
pub(super) struct Tracking {
    tables: Arena<NodeId, Table>,
    ports: Ports,
    /// Searches for a port so far.
    searches: u64,
}

impl Tracking {
    /// Empty tables, where the blueprint says how large they are.
    pub(super) fn new(blueprint: &Blueprint) -> Option<Self> {
        let config = blueprint.tracking.as_ref()?;
        let tables = config.capacity.iter();
        Some(Self {
            tables: tables.map(|&it| Table::new(config.rules, it)).collect(),
            ports: config.ports,
            searches: 0,
        })
    }
}

impl<R: Recorder> World<R> {
    /// The backend that a node remembers for the source port of a new connection.
    pub(super) fn remembered(
        &mut self,
        id: RequestId,
        node: NodeId,
        service: ServiceId,
        now: SimTime,
    ) -> Option<PodId> {
        let tuple = self.tuple(id, node, service, now)?;
        let tracking = self.tracking.as_deref_mut()?;
        tracking.tables[node].kept(tuple, now)
    }

    /// Notes a new connection at a node. Returns the port that it comes from; `None` when the node drops its first packet.
    pub(super) fn track(
        &mut self,
        id: RequestId,
        node: NodeId,
        service: ServiceId,
        (home, pod): (NodeId, PodId),
        now: SimTime,
    ) -> Option<u16> {
        let Some(tuple) = self.tuple(id, node, service, now) else {
            return Some(0);
        };
        let policy = self.services[service].policy;
        let seen = self.proxy.seen_at_pod(policy, node != home);
        let translated = seen == SeenAtPod::Node;
        let streams = self.streams;
        let Tracking {
            tables,
            ports,
            searches,
        } = self.tracking.as_deref_mut()?;
        let table = &mut tables[node];
        if translated {
            let draw = || streams.nth(SNAT_PORT, u64::from(node.0), *searches).unit();
            let search = ports.search(table.ports(pod), draw);
            *searches += 1;
            if search != Search::Soon {
                table.collect_now(now);
            }
            if search == Search::Never {
                return None;
            }
        }
        let has_room = table.open(tuple, pod, translated, now);
        has_room.then_some(tuple.port)
    }

    /// A packet of an open connection passes a node at `at`, which may have forgotten it.
    pub(super) fn touch(&mut self, connection: UpstreamId, at: SimTime) -> bool {
        let Some((node, tuple)) = self.tracked(connection) else {
            return true;
        };
        let tracking = self.tracking.as_deref_mut();
        tracking.is_none_or(|it| it.tables[node].packet(tuple, at).is_some())
    }

    /// A connection is closed.
    pub(super) fn untrack(&mut self, connection: UpstreamId, now: SimTime) {
        if let Some((node, tuple)) = self.tracked(connection)
            && let Some(tracking) = self.tracking.as_deref_mut()
        {
            tracking.tables[node].close(tuple, now);
        }
    }

    /// Whether a node still leads a connection to its pod when a request is sent on it.
    ///
    /// Where the node has forgotten it, or no longer knows the pod, it chooses anew, also for a packet in the middle.
    pub(super) fn still_leads(&mut self, id: RequestId, connection: UpstreamId) -> bool {
        let sent = self.requests[id].at(Hop::Sent);
        let &Upstream {
            node: Some(node),
            group,
            pod,
            port,
            ..
        } = self.pools.get(connection)
        else {
            return true;
        };
        let service = self.groups[group].service;
        let known = !self.removes_unready || self.knows(service, node, pod, sent);
        if known && self.touch(connection, sent) {
            return true;
        }
        let request = &self.requests[id];
        let (population, serial) = (u64::from(request.population.0), request.serial);
        let draw = self.streams.nth(RESELECTION, population, serial).unit();
        let drawn = (draw.get() * 4_294_967_296.0) as u32;
        let word = self.selector.word_of(service, port, drawn);
        let believed = match self.health {
            Some(_) => self.believed(service, node, sent),
            None => 0,
        };
        let from = self.requests[id].load_balancer_node;
        let chosen = self.select(from, node, service, (word, believed), sent);
        if let (Some(chosen), Some((_, tuple))) = (chosen, self.tracked(connection)) {
            let translated = self.pools.get(connection).seen_at_pod == SeenAtPod::Node;
            if let Some(tracking) = self.tracking.as_deref_mut() {
                tracking.tables[node].open(tuple, chosen.1, translated, sent);
            }
        }
        chosen.is_some_and(|chosen| chosen.1 == pod)
    }

    /// A request met a node that leads its connection to another pod, which knows nothing of it: a reset.
    pub(super) fn mislead(
        &mut self,
        id: RequestId,
        there: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let sent = self.requests[id].at(Hop::Sent);
        self.fail(id, Outcome::Forgotten, there + (there - sent), agenda);
    }

    /// The connection of a request that dials, as the node sees it.
    fn tuple(
        &mut self,
        id: RequestId,
        node: NodeId,
        service: ServiceId,
        now: SimTime,
    ) -> Option<Tuple> {
        let request = &self.requests[id];
        let wanted = Tuple {
            service,
            from: request.load_balancer_node,
            port: address::upstream_port(request.draws.word(word::BACKEND)),
        };
        let is_first = request.attempts == 0;
        let table = &mut self.tracking.as_deref_mut()?.tables[node];
        // A packet that is sent again comes from the same port.
        let port = if is_first {
            table.free_port(wanted, now)
        } else {
            wanted.port
        };
        Some(Tuple { port, ..wanted })
    }

    /// An open connection as its node sees it.
    fn tracked(&self, connection: UpstreamId) -> Option<(NodeId, Tuple)> {
        self.tracking.as_ref()?;
        let upstream = self.pools.get(connection);
        let tuple = Tuple {
            service: self.groups[upstream.group].service,
            from: upstream.load_balancer_node,
            port: upstream.port,
        };
        Some((upstream.node?, tuple))
    }
}
