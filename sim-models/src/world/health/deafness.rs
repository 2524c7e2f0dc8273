//! Agents that hear nothing of the API server: because it does not answer, or because their node is cut off from it.
//!
//! A watch over which nothing comes looks like one without news. What was published meanwhile is heard later; until then the node goes by the
//! service map that it has.
//!
//! Source: Kubernetes 1.34 apimachinery `util/net/http.go`; client-go `tools/cache/reflector.go`; RFC 6298.

use sim_core::{SimDuration, SimTime};

use super::drawn;
use crate::id::NodeId;
use crate::observe::Recorder;
use crate::streams::OUTAGE;
use crate::world::build::World;

/// Why an agent hears nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The API server does not answer.
    Outage,
    /// The node does not reach it.
    CutOff,
}

/// When an agent heard nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Deafness {
    times: Vec<Silence>,
}

#[derive(Clone, Copy, Debug)]
struct Silence {
    cause: Cause,
    from: SimTime,
    until: SimTime,
}

/// Longer than any run, and short enough to add delays to.
const NOT_KNOWN_YET: SimDuration = SimDuration::from_secs(100 * 366 * 86_400);

impl Deafness {
    /// Whether it ever missed anything.
    pub(super) fn ever(&self) -> bool {
        !self.times.is_empty()
    }

    /// It hears nothing from now on.
    pub(super) fn begins(&mut self, cause: Cause, now: SimTime) {
        self.times.push(Silence {
            cause,
            from: now,
            until: now + NOT_KNOWN_YET,
        });
    }

    /// It will hear again then.
    pub(super) fn ends(&mut self, cause: Cause, hears: SimTime) {
        if let Some(silence) = self.last_mut(cause) {
            silence.until = hears;
        }
    }

    /// When something arrives that would arrive at `at`.
    pub(super) fn heard_at(&self, mut at: SimTime) -> SimTime {
        let during = |at| self.times.iter().find(|it| it.from <= at && at < it.until);
        while let Some(silence) = during(at) {
            at = silence.until;
        }
        at
    }

    fn last_mut(&mut self, cause: Cause) -> Option<&mut Silence> {
        self.times.iter_mut().rev().find(|it| it.cause == cause)
    }
}

/// When a connection that was silent from one time to another carries again: with the next repeat of a lost packet, each after twice the
/// time of the one before.
fn carries_again(from: SimTime, until: SimTime, first_time_out: SimDuration) -> SimTime {
    let (mut at, mut time_out) = (from + first_time_out, first_time_out);
    while at < until {
        time_out = time_out * 2;
        at += time_out;
    }
    at
}

impl<R: Recorder> World<R> {
    /// A node is cut off from the API server, or reaches it again.
    ///
    /// Assumption: the first packet of its watch is lost at once; a busy cluster always has news.
    pub(super) fn hear_or_not(&mut self, node: NodeId, was_cut: bool, is_cut: bool, now: SimTime) {
        let streams = self.streams;
        let health = self.health_mut();
        let settings = &health.settings;
        let it = &mut health.nodes[node].deafness;
        match (was_cut, is_cut) {
            (false, true) => it.begins(Cause::CutOff, now),
            (true, false) => {
                let draw = 1 << 32 | it.times.len() as u64;
                let Some(silence) = it.last_mut(Cause::CutOff) else {
                    return;
                };
                let noticed = silence.from + settings.dead_connection;
                silence.until = if now < noticed {
                    carries_again(silence.from, now, settings.min_rto).min(noticed)
                } else {
                    let entity = 1 + u64::from(node.0);
                    let agents = &settings.reconnect_agents;
                    now + drawn(agents, &streams, OUTAGE, entity, draw)
                };
            }
            (false, false) | (true, true) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs_f64(seconds)
    }

    #[test]
    fn who_was_deaf_hears_when_he_is_back() {
        // From 10 to 20 s, and from 40 to 50 s with an outage from 45 to 60 s within.
        let mut it = Deafness::default();
        for (cause, from, until) in [
            (Cause::CutOff, 10.0, 20.0),
            (Cause::CutOff, 40.0, 50.0),
            (Cause::Outage, 45.0, 60.0),
        ] {
            it.begins(cause, at(from));
            it.ends(cause, at(until));
        }
        let heard = [5.0, 10.0, 19.0, 20.0, 45.0, 40.0, 60.0].map(|time| it.heard_at(at(time)));
        assert_eq!(heard, [5.0, 20.0, 20.0, 20.0, 60.0, 60.0, 60.0].map(at));
    }

    #[test]
    fn lost_packets_are_repeated_at_growing_distances() {
        // 200 ms, then 400, 800 .. later: 0.2, 0.6, 1.4, 3.0, 6.2, 12.6, 25.4 s after the first loss.
        let first = SimDuration::from_millis(200);
        let again = |silence| carries_again(at(0.0), at(silence), first);
        let repeats = [0.1, 0.2, 0.5, 2.0, 10.0, 20.0].map(again);
        assert_eq!(repeats, [0.2, 0.2, 0.6, 3.0, 12.6, 25.4].map(at));
    }
}
