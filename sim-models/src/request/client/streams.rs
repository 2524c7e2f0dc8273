//! Which HTTP/2 connection of a client carries the next request?
//!
//! A client keeps one connection open and puts all its requests on it. It opens another where the load balancer
//! allows no more streams. Requests that come while a connection is being opened wait for it.

use std::collections::VecDeque;

use sim_core::{SimDuration, SimTime};

use super::Connection;

/// When an HTTP/2 connection takes no further request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams at once.
    pub max_streams: u32,
    /// The connection is closed after this long without a stream.
    pub idle_timeout: SimDuration,
    /// The client uses no connection that is as old as this.
    pub max_age: SimDuration,
    /// A connection as old as this takes one more request.
    pub keep_alive: SimDuration,
}

/// The HTTP/2 connections of one client address, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    open: Vec<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    connection: Connection,
    /// When its handshake is done.
    ready_at: SimTime,
    /// Streams without an answer, or with an answer that is on its way.
    streams: u32,
    /// When answers that are on their way will have come, in order.
    returning: VecDeque<SimTime>,
    /// When the client knows that nobody is at the other end any more, and whether a request that nobody acknowledged is to tell it.
    dies_at: SimTime,
    repeats: bool,
}

impl Streams {
    /// The oldest connection that takes a request at `now`, and when its handshake is done.
    pub fn take(&mut self, now: SimTime, limits: &Limits) -> Option<(Connection, SimTime)> {
        self.settle(now, limits);
        let takes = |it: &&mut Open| it.takes(now, limits);
        let open = self.open.iter_mut().find(takes)?;
        open.streams += 1;
        open.connection.remaining -= 1;
        if now.saturating_since(open.connection.opened_at) >= limits.keep_alive {
            open.connection.remaining = 0;
        }
        Some((open.connection, open.ready_at))
    }

    /// A new connection with its first request.
    pub fn opened(&mut self, connection: Connection, ready_at: SimTime) {
        self.open.push(Open {
            connection,
            ready_at,
            streams: 1,
            returning: VecDeque::new(),
            dies_at: SimTime::MAX,
            repeats: false,
        });
    }

    /// The client will know at `at` that nobody is at the other end of a connection; until then it uses it. `repeats` where what tells
    /// it is a request that it sends again and again. Returns when it will know: TCP has one clock for all that a connection carries, and
    /// no keep-alive probe goes out while it repeats something.
    pub fn dies(&mut self, number: u32, at: SimTime, repeats: bool) -> SimTime {
        let own = |it: &&mut Open| it.connection.number == number;
        let Some(open) = self.open.iter_mut().find(own) else {
            return at;
        };
        if !open.repeats {
            (open.dies_at, open.repeats) = (at, repeats);
        }
        open.dies_at
    }

    /// Drops connections that carry no stream and for which something holds: the load balancer has closed them.
    pub fn close_idle_where(&mut self, now: SimTime, holds: impl Fn(&Connection) -> bool) {
        self.end_streams(now);
        self.open
            .retain(|it| it.streams > 0 || !holds(&it.connection));
    }

    /// The answer to a request on a connection will have come at `at`.
    pub fn hand_back(&mut self, number: u32, at: SimTime) {
        let own = |it: &&mut Open| it.connection.number == number;
        let open = self.open.iter_mut().find(own);
        let open = open.expect("a connection with a stream is open");
        let place = open.returning.partition_point(|&other| other <= at);
        open.returning.insert(place, at);
    }

    /// Ends the streams whose answers have come.
    fn end_streams(&mut self, now: SimTime) {
        for open in &mut self.open {
            while let Some(&at) = open.returning.front()
                && at <= now
            {
                open.returning.pop_front();
                open.streams -= 1;
                open.connection.free_since = at;
            }
        }
    }

    /// Ends the streams whose answers have come, and drops what is closed.
    fn settle(&mut self, now: SimTime, limits: &Limits) {
        self.end_streams(now);
        self.open
            .retain(|it| it.streams > 0 || it.takes(now, limits));
    }
}

impl Open {
    fn takes(&self, now: SimTime, limits: &Limits) -> bool {
        let age = now.saturating_since(self.connection.opened_at);
        let idle = now.saturating_since(self.connection.free_since);
        self.connection.remaining > 0
            && now < self.dies_at
            && age < limits.max_age
            && self.streams < limits.max_streams
            && (self.streams > 0 || idle < limits.idle_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::LoadBalancerNodeId;

    const LIMITS: Limits = Limits {
        max_streams: 2,
        idle_timeout: SimDuration::from_nanos(100),
        max_age: SimDuration::MAX,
        keep_alive: SimDuration::MAX,
    };

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    /// A connection that may carry so many further requests; it was opened at 0 and is ready at 30.
    fn opened(streams: &mut Streams, number: u32, remaining: u64) {
        let connection = Connection {
            load_balancer_node: LoadBalancerNodeId(0),
            number,
            opened_at: at(0),
            remaining,
            free_since: at(0),
        };
        streams.opened(connection, at(30));
    }

    fn taken(streams: &mut Streams, now: u64, limits: &Limits) -> Option<(u32, u64)> {
        let (connection, ready_at) = streams.take(at(now), limits)?;
        Some((connection.number, ready_at.as_nanos()))
    }

    #[test]
    fn requests_share_a_connection_up_to_the_stream_limit() {
        let mut streams = Streams::default();
        opened(&mut streams, 7, 9);
        assert_eq!(taken(&mut streams, 10, &LIMITS), Some((7, 30)));
        assert_eq!(taken(&mut streams, 10, &LIMITS), None);
        streams.hand_back(7, at(50));
        assert_eq!(taken(&mut streams, 49, &LIMITS), None);
        assert_eq!(taken(&mut streams, 50, &LIMITS), Some((7, 30)));
    }

    #[test]
    fn a_connection_carries_as_many_requests_as_it_may_in_all() {
        let mut streams = Streams::default();
        opened(&mut streams, 0, 1);
        streams.hand_back(0, at(40));
        assert_eq!(taken(&mut streams, 40, &LIMITS), Some((0, 30)));
        streams.hand_back(0, at(50));
        assert_eq!(taken(&mut streams, 60, &LIMITS), None);
    }

    #[test]
    fn a_connection_without_streams_times_out() {
        let mut streams = Streams::default();
        opened(&mut streams, 0, 9);
        streams.hand_back(0, at(40));
        assert_eq!(taken(&mut streams.clone(), 139, &LIMITS), Some((0, 30)));
        assert_eq!(taken(&mut streams, 140, &LIMITS), None);
    }

    #[test]
    fn past_the_age_limit_of_the_load_balancer_one_request_follows() {
        let limits = Limits {
            keep_alive: SimDuration::from_nanos(45),
            ..LIMITS
        };
        let mut streams = Streams::default();
        opened(&mut streams, 0, 9);
        streams.hand_back(0, at(40));
        assert_eq!(taken(&mut streams, 45, &limits), Some((0, 30)));
        assert_eq!(taken(&mut streams, 46, &limits), None);
    }
}
