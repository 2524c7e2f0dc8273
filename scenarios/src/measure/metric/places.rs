//! How evenly are targets and nodes used?

use std::borrow::Cow;

use sim_core::SimDuration;
use sim_models::id::{Id, ServiceId, TargetId};
use sim_models::observe::Observation;

use crate::measure::chance;
use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Absent, Better, Definition, Unit};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Finished requests by target, by the node on whose NodePort they arrived, and by the node of their pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    targets: Vec<u64>,
    arrived: Vec<u64>,
    served: Vec<u64>,
    there: Presence,
}

impl Places {
    /// Requests that were sent to each target of a Service that was registered, in the order of
    /// [`super::super::layout::ServiceLayout::targets`].
    #[must_use]
    pub fn targets_of(&self, layout: &Layout, service: ServiceId) -> Vec<u64> {
        self.registered(layout, layout.service(service).targets.iter().copied())
    }

    /// Requests that were sent to each of these targets that was registered, or got requests although its pod was deleted before.
    fn registered(&self, layout: &Layout, targets: impl Iterator<Item = TargetId>) -> Vec<u64> {
        let requests = |target: &TargetId| self.targets[target.index()];
        let were = targets
            .filter(|target| layout.was_target(*target, &self.there) || requests(target) > 0);
        were.map(|target| requests(&target)).collect()
    }

    /// Requests that arrived at each node's NodePort; zero with `ip` targets.
    #[must_use]
    pub fn arrived(&self) -> &[u64] {
        &self.arrived
    }

    /// Requests that pods on each node got.
    #[must_use]
    pub fn served(&self) -> &[u64] {
        &self.served
    }
}

impl Metric for Places {
    const QUESTION: &'static str = "How evenly are targets and nodes used?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "target imbalance",
                Unit::Ratio,
                Better::Lower,
                "Requests of the busiest target over those of the least busy one, which counts as one request at least, of those that were registered.",
            )
            .services_only(),
            value: |metric, focus| match focus.scope {
                Scope::Overall => Err(Absent::Nothing),
                Scope::Service(service) => chance::max_over_min(&metric.targets_of(focus.layout, service)),
            },
        },
        Definition {
            about: About::new(
                "node imbalance",
                Unit::Ratio,
                Better::Lower,
                "Requests that pods on the busiest node got over those on the least busy one, which counts as one request at least.",
            )
            .overall_only(),
            value: |metric, _| chance::max_over_min(&metric.served),
        },
    ];

    fn new(layout: &Layout) -> Self {
        let nodes = layout.node_count();
        Self {
            targets: vec![0; layout.target_places()],
            arrived: vec![0; nodes],
            served: vec![0; nodes],
            there: Presence::new(layout.pod_places()),
        }
    }

    #[inline]
    fn see(&mut self, layout: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen {
            if let Some(target) = request.target {
                self.targets[target.index()] += 1;
            }
            if let Some(node) = request.node {
                self.arrived[node.index()] += 1;
            }
            if let Some(pod) = request.pod {
                self.served[layout.pod_node(pod).index()] += 1;
            }
        }
    }

    fn close(&mut self, there: &Presence) {
        self.there.merge(there);
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let each = |name, thing, counts| Reading {
            name,
            scope: Scope::Overall,
            content: Content::Each(thing, Unit::Count, counts),
        };
        let targets = (0..layout.target_places()).map(TargetId::from_index);
        let targets = self.registered(layout, targets);
        vec![
            each("requests per target", Thing::Target, Cow::Owned(targets)),
            each(
                "requests arrived per node",
                Thing::Node,
                Cow::Borrowed(&self.arrived),
            ),
            each(
                "requests served per node",
                Thing::Node,
                Cow::Borrowed(&self.served),
            ),
        ]
    }
}

impl Merge for Places {
    fn merge(&mut self, other: &Self) {
        self.targets.merge(&other.targets);
        self.arrived.merge(&other.arrived);
        self.served.merge(&other.served);
        self.there.merge(&other.there);
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use super::*;
    use crate::measure::testing::{after, answered, layout, of_web, service, value, web_pod};

    #[test]
    fn arrival_and_service_are_told_apart() {
        // All arrive at the first node; two are served there, one by the pod on the second node.
        let readings = after(&[0, 1, 2].map(|rank| answered(SimTime::ZERO, web_pod(rank))));
        assert_eq!(readings.places.arrived(), [3, 0]);
        assert_eq!(readings.places.served(), [2, 1]);
        assert_eq!(
            readings.places.targets_of(&layout(), service("web")),
            [3, 0]
        );
        assert_eq!(of_web(&readings, "target imbalance"), Ok(3.0));
        assert_eq!(value(&readings, "node imbalance", Scope::Overall), Ok(2.0));
    }
}
