//! What does one node's data plane believe at time t?
//!
//! Every node watches the API server and writes its own service map. Its belief is a function of the
//! writes of EndpointSlices and of its own delays, so a change costs no event on any node: whoever asks
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

    /// So many events end the wait early. A written EndpointSlice is an event.
    ///
    /// Range: 1 and up. Default: 500.
    /// Source: Cilium 1.19 `pkg/loadbalancer/reflectors`.
    pub buffer_size: NonZeroU32,

    /// Writing the maps of one frontend; the Services of a batch are written one after the other.
    ///
    /// Range: 0 and up; plausible 1 to 10 ms. Default: "5ms".
    /// Assumption: no source below the reflector's wait.
    pub reconcile: Dist,

    /// Building the Maglev table of a Service anew, for each 1,000 slots of the table and each backend; on top of `reconcile`.
    ///
    /// Range: 0 and up; plausible 8 to 60 us. Default: "10us".
    /// Source: one rebuild of 16,381 slots measured on a server with 2 cores: 1.7 ms with 10 backends, 13 ms with 100, 26 ms with 200.
    pub maglev_rebuild: SimDuration,

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
            buffer_size: NonZeroU32::new(500).expect("500 is not 0"),
            reconcile: Dist::Constant(SimDuration::from_millis(5)),
            maglev_rebuild: SimDuration::from_micros(10),
            liveness: Liveness::default(),
        }
    }
}

/// How far one node has followed the writes of EndpointSlices, of all Services together: they come over one watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last write that its service map holds; 0 is the state at the start.
    pub number: u32,
    /// Since when.
    pub since: SimTime,
    /// When the last write it heard of arrived: updates of one watch arrive in order.
    arrived: SimTime,
    /// When a pass may begin without a pause again, where several may: the allowance is full then.
    allowance_full_at: SimTime,
}

/// How a node gathers changes before it writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the first change of a batch until it is written; later ones go along.
    pub wait: SimDuration,
    /// So many changes end the wait early.
    pub buffer: u32,
    /// From the end of one pass until the next may begin; changes of the meantime go along.
    pub pause: SimDuration,
    /// Passes that may follow each other without a pause.
    pub burst: u32,
}

impl Default for Pace {
    /// Each change is written as it comes.
    fn default() -> Self {
        Self {
            wait: SimDuration::ZERO,
            buffer: u32::MAX,
            pause: SimDuration::ZERO,
            burst: 1,
        }
    }
}

impl Pace {
    /// When a batch is written whose first change arrived at an instant, after the last pass; and when the allowance is full after that.
    ///
    /// Source: Kubernetes 1.33 `pkg/util/async/bounded_frequency_runner.go`: a pass that finds a token begins at once, another one a pause after
    /// the end of the last; from 1.34 on there is one token.
    fn flush(self, arrived: SimTime, last: &Cursor) -> (SimTime, SimTime) {
        let flush = arrived + self.wait;
        if self.pause.is_zero() || last.number == 0 {
            return (flush, flush + self.pause);
        }
        let begins = flush.max(last.since);
        let full_at = last.allowance_full_at.max(begins) + self.pause;
        if self.burst > 1 && full_at <= begins + self.pause * u64::from(self.burst) {
            return (begins, full_at);
        }
        let begins = flush.max(last.since + self.pause);
        (begins, last.allowance_full_at.max(begins) + self.pause)
    }
}

/// What a node needs to know of the writes and of itself.
pub trait History {
    /// When a write was committed; `None` where there is no such write yet.
    fn published(&self, number: u32) -> Option<SimTime>;

    /// From the commit of a write to its arrival at the node.
    fn watch_delay(&self, number: u32) -> SimDuration;

    /// How long the node takes to write what it gathered, from this write to that.
    fn writing(&self, first: u32, last: u32) -> SimDuration;
}

impl Cursor {
    /// What the node holds at `now`.
    ///
    /// The delays of (node, write) are addressed draws, so this is a function of the history alone;
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

    /// When the node holds this write or a later one; `None` where it is not committed yet.
    pub fn knows_at(mut self, history: &impl History, pace: Pace, number: u32) -> Option<SimTime> {
        while self.number < number {
            self = self.next(history, pace)?;
        }
        Some(self.since)
    }

    /// The agent is back and lists everything: what it has not learnt yet arrives now, all at once.
    pub fn lists_anew(&mut self, now: SimTime) {
        self.arrived = self.arrived.max(now);
    }

    /// The next batch: the writes that arrive before the node begins with it.
    fn next(self, history: &impl History, pace: Pace) -> Option<Self> {
        let first = self.number + 1;
        let arrival = |number: u32, after: SimTime| {
            let published = history.published(number)?;
            Some(after.max(published + history.watch_delay(number)))
        };
        let mut arrived = arrival(first, self.arrived)?;
        let (mut flush, allowance_full_at) = pace.flush(arrived, &self);
        let mut number = first;
        while number - self.number < pace.buffer
            && let Some(at) = arrival(number + 1, arrived)
            && at <= flush
        {
            arrived = at;
            number += 1;
        }
        if number - self.number == pace.buffer {
            flush = arrived;
        }
        Some(Self {
            number,
            since: self.since.max(flush) + history.writing(first, number),
            arrived,
            allowance_full_at,
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
        fn published(&self, number: u32) -> Option<SimTime> {
            self.published.get(number as usize).map(|&ms| at(ms))
        }

        fn watch_delay(&self, number: u32) -> SimDuration {
            SimDuration::from_millis(self.watch[number as usize])
        }

        fn writing(&self, _: u32, _: u32) -> SimDuration {
            SimDuration::from_millis(5)
        }
    }

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(millis)
    }

    const WAIT: Pace = Pace {
        wait: SimDuration::from_millis(500),
        buffer: 500,
        pause: SimDuration::ZERO,
        burst: 1,
    };

    #[test]
    fn an_isolated_change_costs_the_full_wait() {
        // Published at 1 s, 10 ms on the way, 500 ms of wait, 5 ms of writing.
        let history = Fixed {
            published: vec![0, 1_000],
            watch: vec![0, 10],
        };
        let number = |now| Cursor::default().advance(&history, WAIT, at(now)).number;
        assert_eq!([number(1_514), number(1_515)], [0, 1]);
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
            pause: SimDuration::from_secs(1),
            ..Pace::default()
        };
        let knows = |number| Cursor::default().knows_at(&history, pace, number);
        assert_eq!(knows(1), Some(at(1_015)));
        assert_eq!((knows(2), knows(3)), (Some(at(2_020)), Some(at(2_020))));
        assert_eq!(knows(4), Some(at(4_015)));
    }

    #[test]
    fn a_second_pass_may_follow_at_once_where_two_may() {
        // Changes arrive at 1.01, 1.11, 1.21, 1.31 and 4.01 s; a pass takes 5 ms. Two passes go at once. The third waits until a second after the end of
        // the second, at 2.115 s, and takes the fourth change along. By 4 s the allowance is full again.
        let history = Fixed {
            published: vec![0, 1_000, 1_100, 1_200, 1_300, 4_000, 4_100],
            watch: vec![0, 10, 10, 10, 10, 10, 10],
        };
        let pace = Pace {
            pause: SimDuration::from_secs(1),
            burst: 2,
            ..Pace::default()
        };
        let knows = |number| Cursor::default().knows_at(&history, pace, number);
        assert_eq!((knows(1), knows(2)), (Some(at(1_015)), Some(at(1_115))));
        assert_eq!((knows(3), knows(4)), (Some(at(2_120)), Some(at(2_120))));
        assert_eq!((knows(5), knows(6)), (Some(at(4_015)), Some(at(4_115))));
    }

    #[test]
    fn a_full_buffer_ends_the_wait() {
        // Three changes fill the buffer with the arrival of the third at 1.03 s: all are written by 1.035 s. The fourth waits for 500 ms of its own.
        let history = Fixed {
            published: vec![0, 1_000, 1_010, 1_020, 1_030],
            watch: vec![0, 10, 10, 10, 10],
        };
        let pace = Pace { buffer: 3, ..WAIT };
        let knows = |number| Cursor::default().knows_at(&history, pace, number);
        assert_eq!((knows(1), knows(3)), (Some(at(1_035)), Some(at(1_035))));
        assert_eq!(knows(4), Some(at(1_545)));
    }

    #[test]
    fn updates_of_one_watch_arrive_in_order() {
        // The first is on the way for 900 ms: the second, published later, cannot overtake it.
        let history = Fixed {
            published: vec![0, 1_000, 1_100],
            watch: vec![0, 900, 10],
        };
        let knows = |number| Cursor::default().knows_at(&history, Pace::default(), number);
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
        let number = |now| cursor.advance(&history, WAIT, at(now)).number;
        assert_eq!([number(10_504), number(10_505)], [0, 2]);
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
        assert_eq!(often.number, 5);
    }
}
