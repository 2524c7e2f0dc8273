//! Client connections: which one a request rides on, and when a new one is open.

use sim_core::{Block, SimDuration, SimTime, Streams};

use super::State;
use crate::id::{Id, LoadBalancerNodeId, RequestId};
use crate::observe::Recorder;
use crate::request::client::{Connection, Connections, Reuse};
use crate::request::{Hop, dns, word};
use crate::world::build::World;
use crate::world::front::Front;

/// A client address: its idle connections and how often it dialled.
#[derive(Debug, Default)]
pub(super) struct Address {
    connections: Connections,
    dials: u32,
}

/// What an address has to do with when it dials.
#[derive(Clone, Copy)]
pub(super) struct Outside<'a> {
    pub(super) streams: &'a Streams,
    /// Load balancer nodes.
    pub(super) nodes: u32,
    /// When they are there, where they are not always.
    pub(super) front: Option<&'a Front>,
}

impl State {
    /// The connection that a request of an address rides on, and when its handshake is done: one round trip after dialling.
    #[inline(always)]
    pub(super) fn connection(
        &mut self,
        address: u32,
        draws: &Block,
        (now, rtt): (SimTime, SimDuration),
        outside: Outside<'_>,
    ) -> (Connection, SimTime) {
        let kept = match (self.protocol.multiplexes(), self.reuse) {
            (true, _) => self.streams[address as usize].take(now, &self.limits),
            (false, Reuse::Never) => None,
            (false, _) => self.kept(address, now).map(|it| (it, now)),
        };
        kept.unwrap_or_else(|| self.dial(address, draws, (now, rtt), outside))
    }

    /// A connection that an address keeps and may use again.
    #[inline(always)]
    fn kept(&mut self, address: u32, now: SimTime) -> Option<Connection> {
        let limits = &self.limits;
        let connections = &mut self.addresses[address as usize].connections;
        while let Some(mut connection) = connections.take(now, limits.idle_timeout) {
            let age = now - connection.opened_at;
            if age >= limits.max_age {
                continue;
            }
            // Past its age limit the load balancer closes with the next answer.
            let is_last = age >= limits.keep_alive;
            connection.remaining = if is_last { 0 } else { connection.remaining - 1 };
            return Some(connection);
        }
        None
    }

    /// When an address asked for the answer that it uses now: it keeps one for its life.
    fn asked(&mut self, address: usize, now: SimTime) -> SimTime {
        let dns::Config { pick, honours_ttl } = self.dns;
        let ttl = self.dns_ttl;
        if pick == dns::Pick::First {
            // Its answers are drawn on a grid.
            let age = now.as_nanos() % ttl.as_nanos();
            return SimTime::from_nanos(if honours_ttl { now.as_nanos() - age } else { 0 });
        }
        let is_kept = |asked: &SimTime| !honours_ttl || now - *asked < ttl;
        let asked = self.asked[address].filter(is_kept).unwrap_or(now);
        self.asked[address] = Some(asked);
        asked
    }

    /// An address opens a connection to a load balancer node that DNS names. The instant is the end of time where nobody answers.
    #[inline(never)]
    fn dial(
        &mut self,
        address: u32,
        draws: &Block,
        (now, rtt): (SimTime, SimDuration),
        outside: Outside<'_>,
    ) -> (Connection, SimTime) {
        let number = self.first_address + u64::from(address);
        let at = address as usize;
        let front = outside.front;
        let named = front.map(|front| front.named(self.asked(at, now)));
        let address = &mut self.addresses[at];
        let picked: LoadBalancerNodeId = dns::pick(
            self.dns,
            self.dns_ttl,
            outside.streams,
            number,
            address.dials,
            now,
            draws.word(word::DNS),
            named.map_or(outside.nodes, |named| named.len() as u32),
        );
        let node = named.map_or(picked, |named| named[picked.index()]);
        let timeout = self.connect_timeout;
        // When the SYN leaves that is answered.
        let after = match front {
            None => (rtt <= timeout).then_some(SimDuration::ZERO),
            Some(front) => front.connects(node, now, rtt, timeout),
        };
        let dialled = now + after.unwrap_or_default();
        let mut connection = Connection {
            load_balancer_node: node,
            number: address.dials,
            opened_at: dialled,
            remaining: self.reuse.requests(draws.unit32(word::REUSE)) - 1,
            free_since: now,
        };
        address.dials += 1;
        let ready_at = after.map_or(SimTime::MAX, |after| now + after + rtt);
        if self.protocol.multiplexes() {
            connection.remaining = connection.remaining.min(self.request_cap - 1);
            self.streams[at].opened(connection, ready_at);
        }
        (connection, ready_at)
    }

    /// Load balancer nodes close the connections of these clients that are idle.
    pub(in crate::world) fn close_idle(&mut self, nodes: &[LoadBalancerNodeId], now: SimTime) {
        let concerned = |it: &Connection| nodes.contains(&it.load_balancer_node);
        for address in &mut self.addresses {
            address.connections.close_idle_where(now, concerned);
        }
        for streams in &mut self.streams {
            streams.close_idle_where(now, concerned);
        }
    }
}

impl<R: Recorder> World<R> {
    /// Hands a client connection back, to be free when the answer has come. A client that gave up closes it, unless it
    /// speaks HTTP/2: then it resets the stream.
    #[inline]
    pub(in crate::world) fn hand_back(&mut self, id: RequestId, in_time: bool) {
        let request = &self.requests[id];
        let connection = request.client_connection;
        let free_since = request.at(Hop::Answered);
        let population = &mut self.populations[request.population];
        let address = request.address as usize;
        if population.protocol.multiplexes() {
            population.streams[address].hand_back(connection.number, free_since);
        } else if in_time && connection.remaining > 0 {
            population.addresses[address]
                .connections
                .put_back(Connection {
                    free_since,
                    ..connection
                });
        }
    }
}
