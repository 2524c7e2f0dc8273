//! Requests that share a connection to their target: who opens it, who waits for it, and when it takes nobody any more.
//!
//! A world in which every target group speaks HTTP/1.1 has no channels and never comes here.

use sim_core::{Agenda, SimTime};

use super::build::World;
use super::event::Event;
use crate::id::{RequestId, TargetGroupId, UpstreamId};
use crate::observe::Recorder;
use crate::request::multiplex::{Boarding, Channels, Ends, Left};
use crate::request::pool::{Upstream, UpstreamState};
use crate::request::{Asker, Hop, Outcome};

impl<R: Recorder> World<R> {
    /// A request for a target that speaks HTTP/2 becomes a stream of a connection, open or to be opened.
    pub(super) fn board(
        &mut self,
        id: RequestId,
        group: TargetGroupId,
        position: u32,
        sent: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let ends = self.ends(id);
        let config = self.groups[group].upstream.http2;
        match self.channels_mut().board(ends, id, &config) {
            Boarding::Ride {
                connection,
                ready_at,
                others,
            } => {
                if others > 0 {
                    // The server does not close what carries requests.
                    self.pools.get_mut(connection).server_closes_at = SimTime::MAX;
                }
                self.send(id, connection, sent.max(ready_at), agenda);
                self.retire_worn(connection, agenda.now());
            }
            Boarding::Wait => self.requests[id].stamp(Hop::Sent, sent),
            Boarding::Dial => self.dial(id, group, position, sent, agenda),
        }
    }

    /// A connection that a request opened is there for all that waited for it.
    pub(super) fn share(
        &mut self,
        id: RequestId,
        connection: UpstreamId,
        ready_at: SimTime,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let request = &self.requests[id];
        let group = self.pools.get(connection).group;
        let shares = self.groups[group].protocol_version.multiplexes();
        if !shares || request.asker != Asker::Client {
            // A health check has its connection to itself.
            return;
        }
        self.pools.get_mut(connection).state = UpstreamState::Shared;
        let ends = self.ends(id);
        let channels = self.channels_mut();
        let waited = channels.opened(ends, id, connection, ready_at);
        for id in waited {
            self.requests[id].connection = Some(connection);
            if self.requests[id].abandoned {
                self.bury(id, agenda);
            } else {
                let sent = self.requests[id].at(Hop::Sent).max(ready_at);
                self.send(id, connection, sent, agenda);
            }
        }
        self.retire_worn(connection, agenda.now());
    }

    /// What a request dialled has failed, and with it all that waited for it.
    pub(super) fn disappoint(
        &mut self,
        id: RequestId,
        outcome: Outcome,
        agenda: &mut Agenda<'_, Event>,
    ) {
        if self.requests[id].target.is_none() {
            return;
        }
        let ends = self.ends(id);
        for waited in self.channels_mut().ended(ends, id) {
            if !self.requests[waited].finished {
                self.requests[waited].outcome = outcome;
            }
            self.on_returned(waited, agenda);
        }
    }

    /// The client of the request that dialled has gone: who dials on for the others that wait?
    pub(super) fn heir(
        &mut self,
        id: RequestId,
        agenda: &mut Agenda<'_, Event>,
    ) -> Option<RequestId> {
        self.channels.as_ref()?;
        let ends = self.ends(id);
        let mut gone = id;
        loop {
            let heir = self.channels_mut().heir(ends, gone);
            if gone != id {
                self.bury(gone, agenda);
            }
            let heir = heir?;
            let before = &self.requests[id];
            let (dialled, attempts) = (before.at(Hop::Sent), before.attempts);
            let (node, pod) = (before.node, before.pod);
            if !self.requests[heir].abandoned {
                self.bury(id, agenda);
                let request = &mut self.requests[heir];
                request.stamp(Hop::Sent, dialled);
                request.attempts = attempts;
                (request.node, request.pod) = (node, pod);
                return Some(heir);
            }
            gone = heir;
        }
    }

    /// A stream has ended.
    pub(super) fn leave(
        &mut self,
        connection: UpstreamId,
        outcome: Outcome,
        agenda: &mut Agenda<'_, Event>,
    ) {
        let now = agenda.now();
        let retires = breaks_connection(outcome) || self.is_worn(connection, now);
        let ends = ends_of(self.pools.get(connection));
        match self.channels_mut().leave(ends, connection, retires) {
            Left::Streams => {}
            Left::Idle => self.plan_expiry(connection, agenda),
            Left::Spent => self.close(connection, now),
        }
    }

    /// A connection at its limit of requests or of age takes no further one.
    fn retire_worn(&mut self, connection: UpstreamId, now: SimTime) {
        if self.is_worn(connection, now) {
            let ends = ends_of(self.pools.get(connection));
            self.channels_mut().retire(ends, connection);
        }
    }

    /// Connections for which something holds take no further request; those without one are closed.
    pub(super) fn retire_where(&mut self, holds: impl Fn(&Upstream) -> bool, now: SimTime) {
        let Some(channels) = &self.channels else {
            return;
        };
        let concerned = channels.iter().filter(|&id| holds(self.pools.get(id)));
        for id in concerned.collect::<Vec<_>>() {
            let ends = ends_of(self.pools.get(id));
            if self.channels_mut().retire(ends, id) == Left::Spent {
                self.close(id, now);
            }
        }
    }

    /// Whether a connection is open and carries no request.
    pub(super) fn is_idle(&self, id: UpstreamId) -> bool {
        let upstream = self.pools.get(id);
        match (upstream.state, &self.channels) {
            (UpstreamState::Idle, _) => true,
            (UpstreamState::Shared, Some(channels)) => channels.is_idle(ends_of(upstream), id),
            _ => false,
        }
    }

    /// An idle connection is about to be closed: no request may find it any more.
    pub(super) fn forget(&mut self, id: UpstreamId) {
        if self.pools.get(id).state == UpstreamState::Shared {
            let ends = ends_of(self.pools.get(id));
            self.channels_mut().retire(ends, id);
        }
    }

    fn ends(&self, id: RequestId) -> Ends {
        let request = &self.requests[id];
        let target = request.target.expect("a request that dials has a target");
        (request.load_balancer_node, target)
    }

    fn channels_mut(&mut self) -> &mut Channels {
        let channels = self.channels.as_deref_mut();
        channels.expect("only a world with HTTP/2 targets has shared connections")
    }
}

fn ends_of(upstream: &Upstream) -> Ends {
    (upstream.load_balancer_node, upstream.target)
}

/// Whether what ended a stream ended its connection too, or makes the load balancer give it up.
///
/// Assumption: a connection that was silent for the idle timeout is given up.
fn breaks_connection(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Ok
        | Outcome::Overloaded(_)
        | Outcome::PodError(_)
        | Outcome::NoRule
        | Outcome::WrongProtocol
        | Outcome::NoTarget
        | Outcome::NoConnection
        | Outcome::ClientTimeout => false,
        Outcome::NodeRefused
        | Outcome::ConnectTimeout
        | Outcome::PodRefused
        | Outcome::StaleConnection
        | Outcome::PodReset
        | Outcome::Forgotten
        | Outcome::HandshakeTimeout
        | Outcome::ResponseTimeout
        | Outcome::ConnectionLost
        | Outcome::Drained => true,
    }
}
