//! What does one node's data plane believe at time t?
//!
//! Every node watches the API server and writes its own service map. Its belief is a function of the
//! published versions and of its own delays, so a change costs no event on any node: whoever asks
//! computes what the node knows by then.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::{Dist, SimDuration, SimTime};

/// The agent on each node that writes the service map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Wait after the first event of a batch; later events that arrive before its end go along.
    ///
    /// Range: 0 and up; plausible 10 ms to 2 s. Default: "500ms".
    /// Source: Cilium 1.18 and 1.19 `pkg/loadbalancer/reflectors`; 0.42 to 0.56 s observed (cilium/cilium#48271).
    pub reflector_wait: SimDuration,

    /// Writing the maps of one frontend.
    ///
    /// Range: 0 and up; plausible 1 to 10 ms. Default: "5ms".
    /// Assumption: no source below the reflector's wait.
    pub reconcile: Dist,

    /// The probe by which the kubelet notices that the agent hangs, and restarts it.
    pub liveness: Liveness,
}

/// The liveness probe of the agent itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Liveness {
    /// Time between two probes.
    ///
    /// Range: above 0. Default: "30s".
    /// Source: Cilium 1.19, Helm chart, `livenessProbe.periodSeconds`.
    pub period: SimDuration,

    /// Failures in a row after which the agent is restarted.
    ///
    /// Range: 1 and up. Default: 10.
    /// Source: Cilium 1.19, Helm chart, `livenessProbe.failureThreshold`.
    pub failure_threshold: NonZeroU32,

    /// Silence that counts as a failure.
    ///
    /// Range: above 0. Default: "5s".
    /// Source: Cilium 1.19, Helm chart, the agent's DaemonSet.
    pub timeout: SimDuration,
}

impl Liveness {
    /// From the first probe that fails until the agent is restarted.
    pub fn after_first(&self) -> SimDuration {
        self.period * u64::from(self.failure_threshold.get() - 1) + self.timeout
    }
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            period: SimDuration::from_secs(30),
            failure_threshold: NonZeroU32::new(10).expect("10 is not 0"),
            timeout: SimDuration::from_secs(5),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reflector_wait: SimDuration::from_millis(500),
            reconcile: Dist::Constant(SimDuration::from_millis(5)),
            liveness: Liveness::default(),
        }
    }
}

/// How far one node has followed the history of one Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The version that it believes, from 0.
    pub version: u32,
    /// Since when.
    pub since: SimTime,
    /// When the last version it heard of arrived: updates of one watch arrive in order.
    arrived: SimTime,
}

/// How a node gathers changes before it writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// From the first change of a batch until it is written; later ones go along.
    pub wait: SimDuration,
    /// From the end of one writing until the next may begin; changes of the meantime go along.
    pub pause: SimDuration,
}

impl Pace {
    /// When a batch is written whose first change arrived at an instant, after the last writing.
    fn flush(self, arrived: SimTime, last: &Cursor) -> SimTime {
        let flush = arrived + self.wait;
        if self.pause.is_zero() || last.version == 0 {
            return flush;
        }
        flush.max(last.since + self.pause)
    }
}

/// What a node needs to know of the history and of itself.
pub trait History {
    /// When a version was committed; `None` where there is no such version yet.
    fn published(&self, version: u32) -> Option<SimTime>;

    /// From the commit of a version to its arrival at the node.
    fn watch_delay(&self, version: u32) -> SimDuration;

    /// From the end of the wait to the written map, for the batch that begins with this version.
    fn reconcile(&self, version: u32) -> SimDuration;
}

impl Cursor {
    /// The version that the node holds at `now`.
    ///
    /// The delays of (node, version) are addressed draws, so this is a function of the history alone;
    /// the cursor only remembers how far an earlier call had looked.
    pub fn advance(mut self, history: &impl History, pace: Pace, now: SimTime) -> Self {
        while let Some(next) = self.next(history, pace) {
            if now < next.since {
                break;
            }
            self = next;
        }
        self
    }

    /// When the node holds this version or a later one; `None` where the version is not published yet.
    pub fn knows_at(mut self, history: &impl History, pace: Pace, version: u32) -> Option<SimTime> {
        while self.version < version {
            self = self.next(history, pace)?;
        }
        Some(self.since)
    }

    /// The agent is back and lists everything: what it has not learnt yet arrives now, all at once.
    pub fn lists_anew(&mut self, now: SimTime) {
        self.arrived = self.arrived.max(now);
    }

    /// The next batch: the versions that arrive before it is written.
    fn next(self, history: &impl History, pace: Pace) -> Option<Self> {
        let first = self.version + 1;
        let arrival = |version: u32, after: SimTime| {
            let published = history.published(version)?;
            Some(after.max(published + history.watch_delay(version)))
        };
        let mut arrived = arrival(first, self.arrived)?;
        let flush = pace.flush(arrived, &self);
        let mut version = first;
        while let Some(at) = arrival(version + 1, arrived)
            && at <= flush
        {
            arrived = at;
            version += 1;
        }
        Some(Self {
            version,
            since: self.since.max(flush + history.reconcile(first)),
            arrived,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed {
        published: Vec<u64>,
        watch: Vec<u64>,
    }

    impl History for Fixed {
        fn published(&self, version: u32) -> Option<SimTime> {
            self.published.get(version as usize).map(|&ms| at(ms))
        }

        fn watch_delay(&self, version: u32) -> SimDuration {
            SimDuration::from_millis(self.watch[version as usize])
        }

        fn reconcile(&self, _: u32) -> SimDuration {
            SimDuration::from_millis(5)
        }
    }

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(millis)
    }

    const WAIT: Pace = Pace {
        wait: SimDuration::from_millis(500),
        pause: SimDuration::ZERO,
    };

    #[test]
    fn an_isolated_change_costs_the_full_wait() {
        // Published at 1 s, 10 ms on the way, 500 ms of wait, 5 ms of writing.
        let history = Fixed {
            published: vec![0, 1_000],
            watch: vec![0, 10],
        };
        let version = |now| Cursor::default().advance(&history, WAIT, at(now)).version;
        assert_eq!([version(1_514), version(1_515)], [0, 1]);
    }

    #[test]
    fn a_later_change_rides_with_an_earlier_one() {
        // The second arrives at 1.41 s, before the flush of the first at 1.51 s; the third after it.
        let history = Fixed {
            published: vec![0, 1_000, 1_400, 1_600],
            watch: vec![0, 10, 10, 10],
        };
        let cursor = Cursor::default();
        assert_eq!(cursor.knows_at(&history, WAIT, 1), Some(at(1_515)));
        assert_eq!(cursor.knows_at(&history, WAIT, 2), Some(at(1_515)));
        assert_eq!(cursor.knows_at(&history, WAIT, 3), Some(at(2_115)));
        assert_eq!(cursor.knows_at(&history, WAIT, 4), None);
    }

    #[test]
    fn a_pause_gathers_what_comes_meanwhile() {
        // The first change is written at once, 5 ms after it came at 1.01 s. The second and third, of 1.21 and 1.51 s, wait until a second after
        // that; the fourth, of 4.01 s, finds no pause.
        let history = Fixed {
            published: vec![0, 1_000, 1_200, 1_500, 4_000],
            watch: vec![0, 10, 10, 10, 10],
        };
        let pace = Pace {
            wait: SimDuration::ZERO,
            pause: SimDuration::from_secs(1),
        };
        let knows = |version| Cursor::default().knows_at(&history, pace, version);
        assert_eq!(knows(1), Some(at(1_015)));
        assert_eq!((knows(2), knows(3)), (Some(at(2_020)), Some(at(2_020))));
        assert_eq!(knows(4), Some(at(4_015)));
    }

    #[test]
    fn updates_of_one_watch_arrive_in_order() {
        // The first is on the way for 900 ms: the second, published later, cannot overtake it.
        let history = Fixed {
            published: vec![0, 1_000, 1_100],
            watch: vec![0, 900, 10],
        };
        let knows = |version| Cursor::default().knows_at(&history, Pace::default(), version);
        assert_eq!((knows(1), knows(2)), (Some(at(1_905)), Some(at(1_905))));
    }

    #[test]
    fn an_agent_that_lists_anew_learns_everything_at_once() {
        // Versions of 1 s and 3 s were published while it was away. It is back at 10 s, waits 500 ms and writes for 5 ms.
        let history = Fixed {
            published: vec![0, 1_000, 3_000],
            watch: vec![0, 10, 10],
        };
        let mut cursor = Cursor::default();
        cursor.lists_anew(at(10_000));
        let version = |now| cursor.advance(&history, WAIT, at(now)).version;
        assert_eq!([version(10_504), version(10_505)], [0, 2]);
    }

    #[test]
    fn looking_often_or_once_is_the_same() {
        let history = Fixed {
            published: vec![0, 100, 300, 350, 900, 2_000],
            watch: vec![0, 50, 5, 5, 700, 1],
        };
        let mut often = Cursor::default();
        for now in (0..4_000).step_by(7) {
            often = often.advance(&history, WAIT, at(now));
            assert_eq!(often, Cursor::default().advance(&history, WAIT, at(now)));
        }
        assert_eq!(often.version, 5);
    }
}
