//! How many targets are registered?

use sim_core::SimDuration;
use sim_models::observe::Observation;

use crate::measure::layout::{Layout, Scope};
use crate::measure::quantity::{About, Better, Definition, Unit};
use crate::measure::reading::{Merge, Reading};

use super::Metric;

/// Entries of target groups: nodes with `instance`, pods with `ip`. They do not change during a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets;

impl Metric for Targets {
    const QUESTION: &'static str = "How many targets are registered?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "target count",
                Unit::Count,
                Better::Neither,
                "Entries of the target groups: every node with instance targets, every pod of the Service with ip targets.",
            )
            .alias("HealthyHostCount (while all are healthy)"),
            value: |_, focus| {
                Ok(match focus.scope {
                    Scope::Overall => focus.layout.target_count(),
                    Scope::Service(service) => focus.layout.service(service).targets.len(),
                } as f64)
            },
        },
        Definition {
            about: About::new("pod count", Unit::Count, Better::Neither, "Pods of the Service, or of the cluster."),
            value: |_, focus| {
                Ok(match focus.scope {
                    Scope::Overall => focus.layout.pod_count(),
                    Scope::Service(service) => focus.layout.service(service).pods.len(),
                } as f64)
            },
        },
    ];

    fn new(_: &Layout) -> Self {
        Self
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, _: &Observation<'_>) {}

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        Vec::new()
    }
}

impl Merge for Targets {
    fn merge(&mut self, _: &Self) {}
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
