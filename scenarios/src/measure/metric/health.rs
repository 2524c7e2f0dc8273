//! Who notices a fault, and when?
//!
//! Every time counts from the begin of the first fault after the warm-up, and ends when a layer acts for the first time
//! afterwards: a kubelet's verdict, a published EndpointSlice, the last node's service map, a load balancer node's own check. Only
//! the last ready pod is the last.

use std::borrow::Cow;

use sim_core::{SimDuration, SimTime};
use sim_models::health::target_group::TargetState;
use sim_models::observe::{Health as Seen, Observation};

use crate::measure::layout::{Layout, Scope};
use crate::measure::quantity::{About, Absent, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// When each layer noticed the first fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When the first fault of this run began; nothing that merges.
    began: Option<SimDuration>,
    noticed: Times,
    verdict: Times,
    published: Times,
    converged: Times,
    ejected: Times,
    out: Times,
    last_ready: Times,
    ejections: u64,
}

/// The first time of each run, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    runs: u64,
    nanos: u64,
}

impl Times {
    /// The first time counts.
    fn note(&mut self, began: Option<SimDuration>, since: SimDuration) {
        if let (Some(began), 0) = (began, self.runs) {
            self.runs = 1;
            self.nanos = (since - began).as_nanos();
        }
    }

    /// The last time counts.
    fn note_again(&mut self, began: Option<SimDuration>, since: SimDuration) {
        self.runs = 0;
        self.note(began, since);
    }

    fn seconds(&self) -> Result<f64, Absent> {
        ratio(self.nanos as f64 / 1e9, self.runs as f64)
    }
}

impl Merge for Times {
    fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.nanos += other.nanos;
    }
}

const fn time(name: &'static str, meaning: &'static str) -> About {
    About::new(name, Unit::Seconds, Better::Lower, meaning).overall_only()
}

impl Metric for Health {
    const QUESTION: &'static str = "Who notices a fault, and when?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: time(
                "detection time",
                "From the begin of the first fault until anybody notices: a kubelet calls a pod unready or a load balancer node calls a target unhealthy.",
            ),
            value: |metric, _| metric.noticed.seconds(),
        },
        Definition {
            about: time(
                "readiness detection time",
                "From the begin of the first fault until a kubelet calls a pod unready.",
            ),
            value: |metric, _| metric.verdict.seconds(),
        },
        Definition {
            about: time(
                "endpoint removal time",
                "From the begin of the first fault until the next version of an EndpointSlice is published.",
            ),
            value: |metric, _| metric.published.seconds(),
        },
        Definition {
            about: time(
                "convergence time",
                "From the begin of the first fault until the last node's service map follows the next version of an EndpointSlice.",
            ),
            value: |metric, _| metric.converged.seconds(),
        },
        Definition {
            about: time(
                "health check detection time",
                "From the begin of the first fault until a load balancer node calls a target unhealthy by its own checks.",
            ),
            value: |metric, _| metric.ejected.seconds(),
        },
        Definition {
            about: time(
                "target removal time",
                "From the begin of the first fault until a load balancer node stops to choose a target: by its checks, or because the target was deregistered.",
            ),
            value: |metric, _| metric.out.seconds(),
        },
        Definition {
            about: time(
                "last ready time",
                "From the begin of the first fault until a pod becomes ready in the API for the last time. In a rolling update that is its length.",
            ),
            value: |metric, _| metric.last_ready.seconds(),
        },
        Definition {
            about: About::new(
                "health check ejections",
                Unit::Count,
                Better::Lower,
                "How often a load balancer node called a target unhealthy.",
            )
            .overall_only(),
            value: |metric, _| Ok(metric.ejections as f64),
        },
    ];

    fn new(_: &Layout) -> Self {
        Self::default()
    }

    #[inline]
    fn see(&mut self, _: &Layout, since: SimDuration, seen: &Observation<'_>) {
        if let Observation::Health(seen) = seen {
            self.hear(since, seen);
        }
    }

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        vec![Reading {
            name: "health check ejections",
            scope: Scope::Overall,
            content: Content::Each(Thing::One, Unit::Count, Cow::Owned(vec![self.ejections])),
        }]
    }
}

impl Health {
    fn hear(&mut self, since: SimDuration, seen: &Seen<'_>) {
        let began = self.began;
        match *seen {
            Seen::Fault { begins: true, .. } => {
                self.began.get_or_insert(since);
            }
            Seen::Verdict { ready: false, .. } => {
                self.verdict.note(began, since);
                self.noticed.note(began, since);
            }
            Seen::Published {
                version, shown_at, ..
            } => {
                self.published.note(began, since);
                // A node whose agent has stopped does not follow.
                if let Some(&last) = shown_at.iter().max().filter(|&&last| last < SimTime::MAX) {
                    self.converged.note(began, since + (last - version.at));
                }
            }
            Seen::Ready { ready: true, .. } => self.last_ready.note_again(began, since),
            Seen::Target { state, .. } => self.see_target(since, state),
            _ => {}
        }
    }

    fn see_target(&mut self, since: SimDuration, state: TargetState) {
        match state {
            TargetState::Unhealthy => {
                self.ejections += 1;
                self.ejected.note(self.began, since);
                self.noticed.note(self.began, since);
                self.out.note(self.began, since);
            }
            TargetState::Draining => self.out.note(self.began, since),
            TargetState::Initial | TargetState::Healthy | TargetState::Unused => {}
        }
    }
}

impl Merge for Health {
    fn merge(&mut self, other: &Self) {
        let mine = [
            &mut self.noticed,
            &mut self.verdict,
            &mut self.published,
            &mut self.converged,
            &mut self.ejected,
            &mut self.out,
            &mut self.last_ready,
        ];
        let theirs = [
            &other.noticed,
            &other.verdict,
            &other.published,
            &other.converged,
            &other.ejected,
            &other.out,
            &other.last_ready,
        ];
        mine.into_iter()
            .zip(theirs)
            .for_each(|(mine, theirs)| mine.merge(theirs));
        self.ejections += other.ejections;
    }
}

#[cfg(test)]
mod tests {
    use sim_models::id::{FaultId, LoadBalancerNodeId, PodId, TargetGroupId, TargetId};

    use super::*;

    fn seconds(value: u64) -> SimDuration {
        SimDuration::from_secs(value)
    }

    #[test]
    fn the_first_notice_after_the_first_fault_counts() {
        // Begins at 10 s; an unready pod at 18 s and again at 30 s; a target unhealthy at 37 s.
        let mut health = Health::default();
        let fault = Seen::Fault {
            fault: FaultId(0),
            begins: true,
        };
        let verdict = Seen::Verdict {
            pod: PodId(0),
            ready: false,
        };
        let ready = Seen::Ready {
            pod: PodId(0),
            ready: true,
        };
        let unhealthy = Seen::Target {
            group: TargetGroupId(0),
            target: TargetId(0),
            load_balancer_node: LoadBalancerNodeId(0),
            state: TargetState::Unhealthy,
        };
        health.hear(seconds(5), &verdict);
        health.hear(seconds(10), &fault);
        health.hear(seconds(18), &verdict);
        health.hear(seconds(30), &verdict);
        health.hear(seconds(37), &unhealthy);
        assert_eq!(health.last_ready.seconds(), Err(Absent::Nothing));
        health.hear(seconds(40), &ready);
        health.hear(seconds(55), &ready);
        assert_eq!(health.last_ready.seconds(), Ok(45.0));
        assert_eq!(health.noticed.seconds(), Ok(8.0));
        assert_eq!(health.verdict.seconds(), Ok(8.0));
        assert_eq!(health.ejected.seconds(), Ok(27.0));
        assert_eq!(health.converged.seconds(), Err(Absent::Nothing));
        let mut twice = health.clone();
        twice.merge(&health);
        assert_eq!((twice.noticed.seconds(), twice.ejections), (Ok(8.0), 2));
    }
}
