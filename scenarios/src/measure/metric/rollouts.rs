//! How do rolling updates go?
//!
//! Counted are those that begin after the warm-up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sim_core::SimDuration;
use sim_models::id::DeploymentId;
use sim_models::observe::{Health, Observation, RolloutState};

use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Better, Definition, Unit, ratio};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Rolling updates that came to their end, and those that did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollouts {
    /// Those under way in this run; nothing that merges.
    under_way: BTreeMap<DeploymentId, SimDuration>,
    complete: u64,
    nanos: u64,
    unfinished: u64,
    late: u64,
}

impl Metric for Rollouts {
    const QUESTION: &'static str = "How do rolling updates go?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "rollout time",
                Unit::Seconds,
                Better::Lower,
                "From the begin of a rolling update until all its pods are available and no old one is left, over those that came to their end.",
            )
            .overall_only(),
            value: |metric, _| ratio(metric.nanos as f64 / 1e9, metric.complete as f64),
        },
        Definition {
            about: About::new(
                "unfinished rollouts",
                Unit::Count,
                Better::Lower,
                "Rolling updates that have begun and not come to their end.",
            )
            .overall_only(),
            value: |metric, _| Ok((metric.unfinished + metric.under_way.len() as u64) as f64),
        },
        Definition {
            about: About::new(
                "late rollouts",
                Unit::Count,
                Better::Lower,
                "How often a rolling update made no progress for its deadline: Progressing=False, reason ProgressDeadlineExceeded.",
            )
            .overall_only(),
            value: |metric, _| Ok(metric.late as f64),
        },
    ];

    fn new(_: &Layout) -> Self {
        Self::default()
    }

    #[inline]
    fn see(&mut self, _: &Layout, since: SimDuration, seen: &Observation<'_>) {
        if let Observation::Health(Health::Rollout { deployment, state }) = *seen {
            self.hear(since, deployment, state);
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
            one("unfinished rollouts", self.unfinished),
            one("late rollouts", self.late),
        ]
    }
}

impl Rollouts {
    fn hear(&mut self, since: SimDuration, deployment: DeploymentId, state: RolloutState) {
        match state {
            // One that replaces another under way goes on with its time.
            RolloutState::Began => {
                self.under_way.entry(deployment).or_insert(since);
            }
            RolloutState::DeadlineExceeded => self.late += 1,
            RolloutState::Resumed => {}
            RolloutState::Complete => {
                if let Some(began) = self.under_way.remove(&deployment) {
                    self.complete += 1;
                    self.nanos += (since - began).as_nanos();
                }
            }
        }
    }
}

impl Merge for Rollouts {
    fn merge(&mut self, other: &Self) {
        self.complete += other.complete;
        self.nanos += other.nanos;
        self.unfinished += other.unfinished;
        self.late += other.late;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_ends_has_a_time_and_one_that_does_not_is_counted() {
        // One takes from 10 s to 25 s; another is late at 630 s and is never done.
        let mut rollouts = Rollouts::default();
        let mut hear = |seconds, deployment, state| {
            rollouts.hear(
                SimDuration::from_secs(seconds),
                DeploymentId(deployment),
                state,
            );
        };
        hear(10, 0, RolloutState::Began);
        hear(20, 1, RolloutState::Began);
        hear(25, 0, RolloutState::Complete);
        hear(630, 1, RolloutState::DeadlineExceeded);
        rollouts.close(&Presence::new(0));
        assert_eq!((rollouts.complete, rollouts.nanos), (1, 15_000_000_000));
        assert_eq!((rollouts.unfinished, rollouts.late), (1, 1));
    }
}
