//! How evenly do the pods of a Service lie, and how many found no node?
//!
//! Nothing is seen here: the layout knows where pods lie, and follows those that are created and deleted. It differs between
//! replications, because the scheduler draws its ties.

use sim_core::SimDuration;
use sim_models::id::{Id, ServiceId};
use sim_models::observe::Observation;

use crate::measure::layout::{Focus, Layout, Scope};
use crate::measure::quantity::{About, Absent, Better, Definition, Unit};
use crate::measure::reading::{Merge, Reading};

use super::Metric;

/// Where pods lie; the layout knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement;

impl Metric for Placement {
    const QUESTION: &'static str = "How evenly do pods lie?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "pod skew",
                Unit::Count,
                Better::Lower,
                "Pods on the node with most of the Service's pods less those on the node with fewest, of all nodes of the cluster, when the observation ends.",
            )
            .services_only(),
            value: |_, focus| Ok(skew(focus.layout, service(focus)?)),
        },
        Definition {
            about: About::new(
                "pending pods",
                Unit::Count,
                Better::Lower,
                "Pods of the Service that wait for a node when the observation ends.",
            )
            .services_only(),
            value: |_, focus| Ok(f64::from(focus.layout.pending_pods(service(focus)?))),
        },
    ];

    fn new(_: &Layout) -> Self {
        Self
    }

    fn see(&mut self, _: &Layout, _: SimDuration, _: &Observation<'_>) {}

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        Vec::new()
    }
}

impl Merge for Placement {
    fn merge(&mut self, _: &Self) {}
}

fn service(focus: &Focus<'_>) -> Result<ServiceId, Absent> {
    match focus.scope {
        Scope::Overall => Err(Absent::Nothing),
        Scope::Service(service) => Ok(service),
    }
}

fn skew(layout: &Layout, service: ServiceId) -> f64 {
    let mut pods = vec![0_u32; layout.node_count()];
    for pod in layout.placed_pods(service) {
        pods[layout.pod_node(pod).index()] += 1;
    }
    let (most, least) = (pods.iter().max(), pods.iter().min());
    most.zip(least)
        .map_or(0.0, |(most, least)| f64::from(most - least))
}

#[cfg(test)]
mod tests {
    use crate::measure::testing::{after, of_web};

    #[test]
    fn skew_counts_pods_and_not_requests() {
        // Two pods of "web" on the first node, one on the second; three are wanted.
        let readings = after(&[]);
        assert_eq!(of_web(&readings, "pod skew"), Ok(1.0));
        assert_eq!(of_web(&readings, "pending pods"), Ok(0.0));
    }
}
