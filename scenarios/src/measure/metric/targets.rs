//! How many targets are registered?

use sim_core::SimDuration;
use sim_models::id::{Id, PodId, TargetId};
use sim_models::observe::Observation;

use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Better, Definition, Unit};
use crate::measure::reading::{Merge, Reading};

use super::Metric;

/// Entries of target groups: nodes with `instance`, pods with `ip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    there: Presence,
}

impl Targets {
    /// Entries that there were.
    fn registered(&self, layout: &Layout, targets: impl Iterator<Item = TargetId>) -> f64 {
        targets
            .filter(|&target| layout.was_target(target, &self.there))
            .count() as f64
    }

    /// Pods that were there.
    fn pods(&self, pods: impl Iterator<Item = PodId>) -> f64 {
        pods.filter(|&pod| self.there.was_there(pod)).count() as f64
    }
}

impl Metric for Targets {
    const QUESTION: &'static str = "How many targets are registered?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "target count",
                Unit::Count,
                Better::Neither,
                "Entries of the target groups: every node with instance targets, every pod of the Service that was there with ip targets.",
            )
            .alias("HealthyHostCount (while all are healthy)"),
            value: |metric, focus| {
                Ok(match focus.scope {
                    Scope::Overall => {
                        let all = (0..focus.layout.target_places()).map(TargetId::from_index);
                        metric.registered(focus.layout, all)
                    }
                    Scope::Service(service) => {
                        let targets = &focus.layout.service(service).targets;
                        metric.registered(focus.layout, targets.iter().copied())
                    }
                })
            },
        },
        Definition {
            about: About::new(
                "pod count",
                Unit::Count,
                Better::Neither,
                "Pods of the Service, or of the cluster, that were there at some time: those of the beginning, and those that became ready.",
            ),
            value: |metric, focus| {
                Ok(match focus.scope {
                    Scope::Overall => metric.pods((0..focus.layout.pod_places()).map(PodId::from_index)),
                    Scope::Service(service) => metric.pods(focus.layout.service(service).pods.iter().copied()),
                })
            },
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self {
            there: Presence::new(layout.pod_places()),
        }
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, _: &Observation<'_>) {}

    fn close(&mut self, there: &Presence) {
        self.there.merge(there);
    }

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        Vec::new()
    }
}

impl Merge for Targets {
    fn merge(&mut self, other: &Self) {
        self.there.merge(&other.there);
    }
}

#[cfg(test)]
mod tests {
    use crate::measure::layout::Scope;
    use crate::measure::testing::{after, of_web, value};

    #[test]
    fn an_instance_target_group_lists_the_nodes() {
        // Three pods on two nodes; a second target group of two nodes behind the idle Service.
        let readings = after(&[]);
        assert_eq!(of_web(&readings, "target count"), Ok(2.0));
        assert_eq!(of_web(&readings, "pod count"), Ok(3.0));
        assert_eq!(value(&readings, "target count", Scope::Overall), Ok(4.0));
    }
}
