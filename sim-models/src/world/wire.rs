//! Messages on links that lose packets and through interfaces that carry so much and no more.

use sim_core::{SimDuration, SimTime};

use super::build::World;
use crate::id::{PodId, RequestId, UpstreamId};
use crate::observe::Recorder;
use crate::request::Asker;
use crate::streams::LOSS;

/// Which message of a request is lost.
#[derive(Clone, Copy, Debug)]
enum Leg {
    Handshake = 0,
    Question = 1,
    Answer = 2,
}

impl<R: Recorder> World<R> {
    /// What lost packets of a handshake cost; `None` when all of them are lost.
    pub(super) fn lost_handshakes(&self, id: RequestId, second_hop: bool) -> Option<SimDuration> {
        let Some(wire) = self.wire.as_ref().filter(|it| it.is_lossy()) else {
            return Some(SimDuration::ZERO);
        };
        // A SYN and its answer.
        let chance = wire.chance_of_loss(2, links(second_hop));
        let mut draws = self.loss_draws(id, Leg::Handshake);
        let first = std::iter::once(SimDuration::ZERO);
        let mut tries = first.chain(self.syn_retransmits.iter().copied());
        tries.find(|_| draws.unit().get() >= chance)
    }

    /// What lost packets of a request cost.
    pub(super) fn lost_questions(&self, id: RequestId, second_hop: bool) -> SimDuration {
        match self.wire.as_ref().filter(|it| it.is_lossy()) {
            None => SimDuration::ZERO,
            Some(wire) => {
                let request = &self.requests[id];
                let packets = match request.asker {
                    Asker::Client => self.populations[request.population].packets(request),
                    Asker::HealthCheck(_) | Asker::Probe(_) => 1,
                };
                let mut draws = self.loss_draws(id, Leg::Question);
                wire.repeats(packets, links(second_hop), || draws.unit())
            }
        }
    }

    /// What an answer waits for on its way: interfaces that are busy, and packets that are lost.
    ///
    /// It leaves by the interface of the pod's node, and by that of the node that it goes back through.
    pub(super) fn delay_of_answer(
        &mut self,
        id: RequestId,
        pod: PodId,
        now: SimTime,
    ) -> SimDuration {
        let request = &self.requests[id];
        let through = request.connection.and_then(|it| self.node_between(it));
        let is_probe = matches!(request.asker, Asker::Probe(_));
        let Some(wire) = self.wire.as_deref_mut().filter(|_| !is_probe) else {
            return SimDuration::ZERO;
        };
        let (home, deployment) = (self.pods[pod].node, self.pods[pod].deployment);
        let answer = wire.answer(deployment);
        let mut sent = wire.sent(home, answer.bytes, now);
        if let Some(node) = through {
            sent = wire.sent(node, answer.bytes, sent);
        }
        let repeats = match &self.wire {
            Some(wire) if wire.is_lossy() => {
                let mut draws = self.loss_draws(id, Leg::Answer);
                wire.repeats(answer.packets, links(through.is_some()), || draws.unit())
            }
            _ => SimDuration::ZERO,
        };
        (sent - now) + repeats
    }

    /// The node that answers on a connection come back through, where it is not the pod's own.
    fn node_between(&self, connection: UpstreamId) -> Option<crate::id::NodeId> {
        let upstream = self.pools.get(connection);
        let returns = upstream.second_hop && !self.returns_directly;
        upstream.node.filter(|_| returns)
    }

    fn loss_draws(&self, id: RequestId, leg: Leg) -> sim_core::Stream {
        let request = &self.requests[id];
        let attempt = 16 * request.serial + u64::from(request.attempt.min(15));
        self.streams
            .nth(LOSS, request.drawer(), 4 * attempt + leg as u64)
    }
}

/// Links between machines on the way to a pod.
fn links(second_hop: bool) -> u64 {
    if second_hop { 2 } else { 1 }
}
