//! Which HTTP/2 connection to a target carries the request?
//!
//! A connection carries many requests at once, so few connections suffice, and each of them is one choice of a pod
//! where a node chooses. Requests that come while a connection is being opened wait for it instead of opening more.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::SimTime;

use crate::id::{Id, LoadBalancerNodeId, RequestId, TargetId, UpstreamId};

/// HTTP/2 connections from a load balancer node to a target; read with `protocol_version: Http2` and `Grpc` only.
///
/// `pool_pick`, `pool_scope` and `pool_max_idle` are for HTTP/1.1; the limits on age and requests hold for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Connections over which the requests of a load balancer node to a target are spread: while fewer are open, a
    /// request that finds all of them in use opens one.
    ///
    /// Range: 1 and up; plausible 1 to 8. Default: 1.
    /// Assumption: not published.
    pub connections: NonZeroU32,

    /// Requests at once on a connection; where all are full another is opened.
    ///
    /// Range: 1 and up; plausible 100 to 1000. Default: 128.
    /// Assumption: not published; the ALB's limit on the connections of clients.
    pub max_streams: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: NonZeroU32::MIN,
            max_streams: NonZeroU32::new(128).expect("128 is above 0"),
        }
    }
}

/// How a request gets to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boarding {
    /// As a stream of an open connection.
    Ride {
        /// The connection.
        connection: UpstreamId,
        /// When its handshake is done.
        ready_at: SimTime,
        /// Streams that it carries already.
        others: u32,
    },
    /// As a stream of a connection that another request is opening.
    Wait,
    /// On a connection of its own making, on which others may follow.
    Dial,
}

/// What is left of a connection after a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Other streams.
    Streams,
    /// Nothing, for now.
    Idle,
    /// Nothing, and nothing will follow: it is to be closed.
    Spent,
}

/// The HTTP/2 connections of all load balancer nodes to their targets.
#[derive(Debug)]
pub struct Channels {
    channels: Vec<Channel>,
    targets: usize,
}

/// The HTTP/2 connections of one load balancer node to one target, open ones and those to come.
#[derive(Clone, Debug, Default)]
struct Channel {
    carriers: Vec<Carrier>,
    dials: Vec<Dial>,
}

/// An open connection.
#[derive(Clone, Copy, Debug)]
struct Carrier {
    connection: UpstreamId,
    ready_at: SimTime,
    streams: u32,
    /// Takes no further stream.
    retired: bool,
}

/// A connection that is being opened.
#[derive(Clone, Debug)]
struct Dial {
    leader: RequestId,
    followers: Vec<RequestId>,
}

/// From whom and to where a connection goes.
pub type Ends = (LoadBalancerNodeId, TargetId);

impl Channels {
    /// No connection of so many load balancer nodes to so many targets (of all groups).
    pub fn new(load_balancer_nodes: usize, targets: usize) -> Self {
        Self {
            channels: vec![Channel::default(); load_balancer_nodes * targets],
            targets,
        }
    }

    /// Finds a place for a request: where the fewest others are, the oldest connection first.
    pub fn board(&mut self, ends: Ends, request: RequestId, config: &Config) -> Boarding {
        let Channel { carriers, dials } = self.channel(ends);
        let most = config.max_streams.get();
        let usable = carriers.iter().filter(|it| !it.retired).count() + dials.len();
        let may_open = usable < config.connections.get() as usize;
        let free = carriers
            .iter_mut()
            .filter(|it| !it.retired && it.streams < most);
        let carrier = free.min_by_key(|it| it.streams);
        let free = dials.iter_mut().filter(|it| it.waiting() < most);
        let dial = free.min_by_key(|it| it.waiting());
        match (carrier, dial) {
            (Some(carrier), ref dial)
                if (carrier.streams == 0 || !may_open)
                    && dial
                        .as_ref()
                        .is_none_or(|dial| carrier.streams <= dial.waiting()) =>
            {
                carrier.streams += 1;
                Boarding::Ride {
                    connection: carrier.connection,
                    ready_at: carrier.ready_at,
                    others: carrier.streams - 1,
                }
            }
            (_, Some(dial)) if !may_open => {
                dial.followers.push(request);
                Boarding::Wait
            }
            (_, _) => {
                dials.push(Dial {
                    leader: request,
                    followers: Vec::new(),
                });
                Boarding::Dial
            }
        }
    }

    /// A connection that a request dialled is open, with so many streams besides the request's own. Returns who waited for it.
    pub fn opened(
        &mut self,
        ends: Ends,
        leader: RequestId,
        connection: UpstreamId,
        ready_at: SimTime,
    ) -> Vec<RequestId> {
        let followers = self.ended(ends, leader);
        self.channel(ends).carriers.push(Carrier {
            connection,
            ready_at,
            streams: 1 + followers.len() as u32,
            retired: false,
        });
        followers
    }

    /// What a request dialled has come to its end. Returns who waited for it; nobody where the request did not dial.
    pub fn ended(&mut self, ends: Ends, leader: RequestId) -> Vec<RequestId> {
        let dials = &mut self.channel(ends).dials;
        let own = dials.iter().position(|it| it.leader == leader);
        own.map_or_else(Vec::new, |own| dials.remove(own).followers)
    }

    /// Whoever dialled has gone: the first that waits dials on in its place.
    pub fn heir(&mut self, ends: Ends, leader: RequestId) -> Option<RequestId> {
        let dials = &mut self.channel(ends).dials;
        let own = dials.iter().position(|it| it.leader == leader)?;
        if dials[own].followers.is_empty() {
            dials.remove(own);
            return None;
        }
        let heir = dials[own].followers.remove(0);
        dials[own].leader = heir;
        Some(heir)
    }

    /// A stream has ended; with `retires` the connection takes no further one.
    pub fn leave(&mut self, ends: Ends, connection: UpstreamId, retires: bool) -> Left {
        let carriers = &mut self.channel(ends).carriers;
        let own = position(carriers, connection);
        let carrier = &mut carriers[own];
        carrier.streams -= 1;
        carrier.retired |= retires;
        match (carrier.streams, carrier.retired) {
            (0, true) => {
                carriers.remove(own);
                Left::Spent
            }
            (0, false) => Left::Idle,
            _ => Left::Streams,
        }
    }

    /// A connection takes no further stream. Returns what it carries; an idle one is forgotten, to be closed.
    pub fn retire(&mut self, ends: Ends, connection: UpstreamId) -> Left {
        let carriers = &mut self.channel(ends).carriers;
        let own = position(carriers, connection);
        if carriers[own].streams == 0 {
            carriers.remove(own);
            return Left::Spent;
        }
        carriers[own].retired = true;
        Left::Streams
    }

    /// Whether a connection carries nothing.
    pub fn is_idle(&self, ends: Ends, connection: UpstreamId) -> bool {
        let carriers = &self.channels[self.place(ends)].carriers;
        carriers[position(carriers, connection)].streams == 0
    }

    /// All open connections.
    pub fn iter(&self) -> impl Iterator<Item = UpstreamId> {
        let carriers = self.channels.iter().flat_map(|it| &it.carriers);
        carriers.map(|it| it.connection)
    }

    fn place(&self, (node, target): Ends) -> usize {
        node.index() * self.targets + target.index()
    }

    fn channel(&mut self, ends: Ends) -> &mut Channel {
        let place = self.place(ends);
        &mut self.channels[place]
    }
}

impl Dial {
    /// Requests that will be streams of the connection.
    fn waiting(&self) -> u32 {
        1 + self.followers.len() as u32
    }
}

fn position(carriers: &[Carrier], connection: UpstreamId) -> usize {
    let own = carriers.iter().position(|it| it.connection == connection);
    own.expect("an open connection has its place")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Ends = (LoadBalancerNodeId(0), TargetId(0));

    fn config(connections: u32, max_streams: u32) -> Config {
        let some = |n| NonZeroU32::new(n).expect("above 0");
        Config {
            connections: some(connections),
            max_streams: some(max_streams),
        }
    }

    /// What the requests 0, 1, ... do, one after the other, without any of them ending.
    fn boarded(channels: &mut Channels, config: Config, requests: u32) -> Vec<Boarding> {
        let board = |request| channels.board(ENDS, RequestId(request), &config);
        (0..requests).map(board).collect()
    }

    #[test]
    fn the_first_request_dials_and_the_others_wait_up_to_the_stream_limit() {
        use Boarding::{Dial, Wait};
        let mut channels = Channels::new(1, 1);
        let found = boarded(&mut channels, config(1, 3), 7);
        assert_eq!(found, [Dial, Wait, Wait, Dial, Wait, Wait, Dial]);
        let waited = channels.opened(ENDS, RequestId(0), UpstreamId(9), SimTime::ZERO);
        assert_eq!(waited, [RequestId(1), RequestId(2)]);
    }

    #[test]
    fn with_several_connections_each_gets_a_stream_before_one_gets_two() {
        use Boarding::{Dial, Wait};
        let mut channels = Channels::new(1, 1);
        let found = boarded(&mut channels, config(2, 100), 4);
        assert_eq!(found, [Dial, Dial, Wait, Wait]);
        for (leader, connection) in [(0, 10), (1, 11)] {
            let waited = channels.opened(
                ENDS,
                RequestId(leader),
                UpstreamId(connection),
                SimTime::ZERO,
            );
            assert_eq!(waited.len(), 1);
        }
        // Two streams on each; one on the second ends: the next request goes there.
        assert_eq!(channels.leave(ENDS, UpstreamId(11), false), Left::Streams);
        let ride = channels.board(ENDS, RequestId(9), &config(2, 100));
        assert!(
            matches!(ride, Boarding::Ride { connection, others: 1, .. } if connection == UpstreamId(11))
        );
    }

    #[test]
    fn a_retired_connection_ends_with_its_last_stream() {
        let mut channels = Channels::new(1, 1);
        boarded(&mut channels, config(1, 100), 2);
        channels.opened(ENDS, RequestId(0), UpstreamId(3), SimTime::ZERO);
        assert_eq!(channels.retire(ENDS, UpstreamId(3)), Left::Streams);
        assert_eq!(
            channels.board(ENDS, RequestId(5), &config(1, 100)),
            Boarding::Dial
        );
        assert_eq!(channels.leave(ENDS, UpstreamId(3), false), Left::Streams);
        assert_eq!(channels.leave(ENDS, UpstreamId(3), false), Left::Spent);
    }

    #[test]
    fn who_waits_dials_on_when_whoever_dialled_has_gone() {
        let mut channels = Channels::new(1, 1);
        boarded(&mut channels, config(1, 100), 2);
        assert_eq!(channels.heir(ENDS, RequestId(0)), Some(RequestId(1)));
        assert_eq!(channels.heir(ENDS, RequestId(1)), None);
        assert_eq!(channels.ended(ENDS, RequestId(1)), []);
    }
}
