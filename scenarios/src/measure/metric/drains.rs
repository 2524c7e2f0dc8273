//! How do drains go, and what holds them up?
//!
//! Counted are those that begin after the warm-up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sim_core::SimDuration;
use sim_models::control::disruption::Status;
use sim_models::id::{NodeId, PodId};
use sim_models::observe::{DrainState, Health, Observation};

use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Drains that came to their end, those that did not, and evictions that were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drains {
    /// Those under way in this run; nothing that merges.
    under_way: BTreeMap<NodeId, SimDuration>,
    /// Pods of this run whose eviction was refused and that are still there; nothing that merges.
    blocked: BTreeMap<PodId, (NodeId, Status)>,
    complete: u64,
    nanos: u64,
    unfinished: u64,
    refused: u64,
}

impl Metric for Drains {
    const QUESTION: &'static str = "How do drains go?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "drain time",
                Unit::Seconds,
                Better::Lower,
                "From the begin of a node's drain until its last pod has left, over those that came to their end.",
            )
            .overall_only(),
            value: |metric, _| ratio(metric.nanos as f64 / 1e9, metric.complete as f64),
        },
        Definition {
            about: About::new(
                "unfinished drains",
                Unit::Count,
                Better::Lower,
                "Drains that were given up, or that wait for pods when the observation ends.",
            )
            .overall_only(),
            value: |metric, _| Ok((metric.unfinished + metric.under_way.len() as u64) as f64),
        },
        Definition {
            about: About::new(
                "refused evictions",
                Unit::Count,
                Better::Lower,
                "How often the eviction API answered 429, because a PodDisruptionBudget allowed no eviction.",
            )
            .overall_only(),
            value: |metric, _| Ok(metric.refused as f64),
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

    fn close(&mut self, _: &Presence) {
        self.unfinished += std::mem::take(&mut self.under_way).len() as u64;
    }

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        let one = |name, count| Reading {
            name,
            scope: Scope::Overall,
            content: Content::Each(Thing::One, Unit::Count, Cow::Owned(vec![count])),
        };
        vec![
            one("unfinished drains", self.unfinished),
            one("refused evictions", self.refused),
        ]
    }
}

impl Drains {
    /// Pods whose eviction was refused and that are still there at the end of a run, with their node and what their budget said.
    pub fn blocked(&self) -> impl Iterator<Item = (PodId, NodeId, Status)> {
        let blocked = self.blocked.iter();
        blocked.map(|(&pod, &(node, status))| (pod, node, status))
    }

    fn hear(&mut self, since: SimDuration, seen: &Health<'_>) {
        match *seen {
            Health::Drain { node, state } => match (state, self.under_way.remove(&node)) {
                (DrainState::Began, _) => {
                    self.under_way.insert(node, since);
                }
                (DrainState::Complete, Some(began)) => {
                    self.complete += 1;
                    self.nanos += (since - began).as_nanos();
                }
                (DrainState::TimedOut, Some(_)) => self.unfinished += 1,
                (DrainState::Complete | DrainState::TimedOut, None) => {}
            },
            Health::EvictionRefused { pod, node, status } => {
                self.refused += 1;
                self.blocked.insert(pod, (node, status));
            }
            Health::Deleted { pod } => {
                self.blocked.remove(&pod);
            }
            _ => {}
        }
    }
}

impl Merge for Drains {
    fn merge(&mut self, other: &Self) {
        self.complete += other.complete;
        self.nanos += other.nanos;
        self.unfinished += other.unfinished;
        self.refused += other.refused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_that_is_given_up_has_no_time_and_tells_what_holds_it() {
        // Node 0 is empty after 40 s. Of node 1, one pod goes at its second try and another is never let go.
        let mut drains = Drains::default();
        let status = Status {
            desired_healthy: 3,
            current_healthy: 3,
            disruptions_allowed: 0,
        };
        let drain = |node, state| Health::Drain {
            node: NodeId(node),
            state,
        };
        let refused = |pod| Health::EvictionRefused {
            pod: PodId(pod),
            node: NodeId(1),
            status,
        };
        let gone = Health::Deleted { pod: PodId(7) };
        for (seconds, seen) in [
            (10, drain(0, DrainState::Began)),
            (20, drain(1, DrainState::Began)),
            (20, refused(7)),
            (20, refused(8)),
            (25, gone),
            (25, refused(8)),
            (50, drain(0, DrainState::Complete)),
            (80, drain(1, DrainState::TimedOut)),
        ] {
            drains.hear(SimDuration::from_secs(seconds), &seen);
        }
        drains.close(&Presence::new(0));
        assert_eq!((drains.complete, drains.nanos), (1, 40_000_000_000));
        assert_eq!((drains.unfinished, drains.refused), (1, 3));
        let blocked: Vec<_> = drains.blocked().collect();
        assert_eq!(blocked, [(PodId(8), NodeId(1), status)]);
    }
}
