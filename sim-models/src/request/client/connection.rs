//! How long does a client keep a connection, and which one carries the next request?

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{SimDuration, SimTime, Unit};

use crate::id::LoadBalancerNodeId;

/// How long a client keeps a connection to the load balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionConfig {
    /// Requests that one client connection carries.
    ///
    /// Default: Always. A curl loop never reuses.
    /// Assumption: HTTP clients of services and browsers keep connections alive.
    pub reuse: Reuse,

    /// A client closes a connection that was idle for this long. The load balancer's `idle_timeout` may come first.
    ///
    /// Range: above 0. Default: "90s".
    /// Source: Go `net/http.DefaultTransport.IdleConnTimeout`.
    pub idle_timeout: SimDuration,

    /// A client uses no connection that is older than this. The load balancer's `client_keep_alive` may come first.
    ///
    /// Range: above 0. Default: no limit.
    pub max_age: Option<SimDuration>,
}

/// Requests that one client connection carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Reuse {
    /// One request, then close.
    Never,
    /// A geometric number of requests with this mean.
    Geometric {
        /// Mean requests per connection. Range: 1 and up.
        mean: f64,
    },
    /// As many as come.
    #[default]
    Always,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            reuse: Reuse::default(),
            idle_timeout: SimDuration::from_secs(90),
            max_age: None,
        }
    }
}

impl Reuse {
    /// Requests that a new connection will carry.
    pub fn requests(self, draw: Unit) -> u64 {
        match self {
            Self::Never => 1,
            Self::Always => u64::MAX,
            Self::Geometric { mean } if mean <= 1.0 => 1,
            Self::Geometric { mean } => {
                // P(N > n) = (1 - 1/mean)^n, inverted.
                1 + (libm::log(draw.get()) / libm::log1p(-1.0 / mean)) as u64
            }
        }
    }
}

/// A connection from a client to a load balancer node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it ends.
    pub load_balancer_node: LoadBalancerNodeId,
    /// The how-manieth of its address.
    pub number: u32,
    /// When it was dialled.
    pub opened_at: SimTime,
    /// Requests that it may still carry.
    pub remaining: u64,
    /// When the last answer on it reached the client.
    pub free_since: SimTime,
}

/// The connections of one client address that are not busy.
///
/// A connection is handed back as soon as it is known when its answer will reach the client; until then
/// it waits among the returning ones. So the answer's arrival needs no event of its own.
///
/// Most addresses use one connection again and again: the latest lies here, those behind it on the heap.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    /// The one that is free last.
    latest: Option<Connection>,
    /// None of the others is free later than this.
    others_until: SimTime,
    others: Option<Box<Others>>,
}

/// All free connections of an address but the latest.
#[derive(Clone, Debug, Default)]
struct Others {
    returning: VecDeque<Connection>,
    idle: Vec<Connection>,
}

impl Connections {
    /// Takes the connection that was used last, unless it was idle for `idle_timeout` or longer.
    #[inline(always)]
    pub fn take(&mut self, now: SimTime, idle_timeout: SimDuration) -> Option<Connection> {
        let is_free = |it: &mut Connection| it.free_since <= now;
        let last = match self.latest.take_if(is_free) {
            Some(latest) => latest,
            None => self.others.as_mut()?.take(now)?,
        };
        if now - last.free_since < idle_timeout {
            return Some(last);
        }
        // The others were used before this one, so they are closed too.
        if let Some(others) = &mut self.others {
            others.close_idle(now);
        }
        None
    }

    /// Drops those that are idle at `now` and for which something holds: the load balancer has closed them.
    pub fn close_idle_where(&mut self, now: SimTime, holds: impl Fn(&Connection) -> bool) {
        self.latest.take_if(|it| it.free_since <= now && holds(it));
        if let Some(others) = &mut self.others {
            others.settle(now);
            others.idle.retain(|it| !holds(it));
        }
    }

    /// Hands a connection back; `free_since` may lie ahead.
    #[inline(always)]
    pub fn put_back(&mut self, connection: Connection) {
        let until = self.latest.map_or(self.others_until, |it| it.free_since);
        if connection.free_since < until {
            self.others.get_or_insert_default().put_back(connection);
        } else if let Some(before) = self.latest.replace(connection) {
            self.others_until = before.free_since;
            self.others.get_or_insert_default().put_back(before);
        }
    }
}

impl Others {
    fn settle(&mut self, now: SimTime) {
        let is_free = |it: &Connection| it.free_since <= now;
        while self.returning.front().is_some_and(is_free) {
            self.idle.extend(self.returning.pop_front());
        }
    }

    fn take(&mut self, now: SimTime) -> Option<Connection> {
        self.settle(now);
        self.idle.pop()
    }

    fn close_idle(&mut self, now: SimTime) {
        self.settle(now);
        self.idle.clear();
    }

    fn put_back(&mut self, connection: Connection) {
        let later = |other: &Connection| other.free_since <= connection.free_since;
        match self.returning.back() {
            Some(back) if !later(back) => {
                let at = self.returning.partition_point(later);
                self.returning.insert(at, connection);
            }
            _ => self.returning.push_back(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn connection(free_since: u64) -> Connection {
        Connection {
            load_balancer_node: LoadBalancerNodeId(0),
            number: 0,
            opened_at: SimTime::ZERO,
            remaining: 9,
            free_since: SimTime::from_nanos(free_since),
        }
    }

    fn taken(connections: &mut Connections, now: u64) -> Option<u64> {
        let taken = connections.take(SimTime::from_nanos(now), SimDuration::from_nanos(100));
        taken.map(|connection| connection.free_since.as_nanos())
    }

    #[test]
    fn a_connection_is_busy_until_its_answer_has_come() {
        let mut connections = Connections::default();
        connections.put_back(connection(50));
        assert_eq!(taken(&mut connections, 49), None);
        assert_eq!(taken(&mut connections, 50), Some(50));
    }

    #[test]
    fn the_last_used_connection_is_taken_first() {
        let mut connections = Connections::default();
        for free_since in [10, 30, 20] {
            connections.put_back(connection(free_since));
        }
        assert_eq!(taken(&mut connections, 40), Some(30));
        assert_eq!(taken(&mut connections, 40), Some(20));
    }

    #[test]
    fn an_idle_connection_times_out() {
        let mut connections = Connections::default();
        connections.put_back(connection(10));
        connections.put_back(connection(20));
        assert_eq!(taken(&mut connections, 120), None);
        assert_eq!(taken(&mut connections, 121), None);
    }

    #[test]
    fn the_load_balancer_closes_what_is_idle_and_leaves_what_is_busy() {
        let mut connections = Connections::default();
        for free_since in [10, 20, 30, 50] {
            connections.put_back(connection(free_since));
        }
        let even = |it: &Connection| it.free_since.as_nanos().is_multiple_of(20);
        connections.close_idle_where(SimTime::from_nanos(40), even);
        connections.close_idle_where(SimTime::from_nanos(40), |it| it.free_since.as_nanos() == 50);
        assert_eq!(taken(&mut connections, 40), Some(30));
        assert_eq!(taken(&mut connections, 40), Some(10));
        assert_eq!(taken(&mut connections, 40), None);
        assert_eq!(taken(&mut connections, 50), Some(50));
    }

    /// The same rules without the short cuts: all connections in one list, in the order in which they are free.
    #[derive(Default)]
    struct Plain(Vec<Connection>);

    impl Plain {
        fn take(&mut self, now: SimTime, idle_timeout: SimDuration) -> Option<Connection> {
            let last = self.0.iter().rposition(|it| it.free_since <= now)?;
            if now - self.0[last].free_since < idle_timeout {
                return Some(self.0.remove(last));
            }
            self.0.drain(..=last);
            None
        }

        fn put_back(&mut self, connection: Connection) {
            let at = |it: &Connection| it.free_since <= connection.free_since;
            let at = self.0.partition_point(at);
            self.0.insert(at, connection);
        }
    }

    proptest! {
        #[test]
        fn the_short_cuts_change_nothing(
            steps in prop::collection::vec((0..30u64, any::<bool>(), 0..60u64), 0..200)
        ) {
            let (mut short, mut plain) = (Connections::default(), Plain::default());
            let mut now = 0;
            for (number, (passes, takes, returns_in)) in steps.into_iter().enumerate() {
                now += passes;
                if takes {
                    let (now, timeout) = (SimTime::from_nanos(now), SimDuration::from_nanos(100));
                    prop_assert_eq!(short.take(now, timeout), plain.take(now, timeout));
                } else {
                    let connection = Connection {
                        number: number as u32,
                        ..connection(now + returns_in)
                    };
                    short.put_back(connection);
                    plain.put_back(connection);
                }
            }
        }
    }

    #[test]
    fn geometric_reuse_has_its_mean() {
        // The mean over 10,000 evenly spaced draws is close to the mean of the distribution, 20, from
        // below by less than the mass of the last cell: 1 / 10,000 x (20 ln 10,000) = 0.02.
        let draws =
            (0..10_000).map(|k| Unit::new((f64::from(k) + 0.5) / 10_000.0).expect("inside (0, 1)"));
        let total: u64 = draws
            .map(|draw| Reuse::Geometric { mean: 20.0 }.requests(draw))
            .sum();
        assert!((total as f64 / 10_000.0 - 20.0).abs() < 0.05);
    }
}
