//! How many requests came, and through which load balancer node?

use std::borrow::Cow;

use sim_core::SimDuration;
use sim_models::id::Id;
use sim_models::observe::Observation;

use crate::measure::chance;
use crate::measure::layout::{Layout, Scope};
use crate::measure::quantity::{About, Better, Definition, Unit};
use crate::measure::reading::{Content, Merge, Reading, Thing};

use super::Metric;

/// Requests born, and requests finished at each load balancer node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    issued: u64,
    load_balancer_nodes: Vec<u64>,
}

impl Requests {
    /// Requests that clients issued.
    #[must_use]
    pub const fn issued(&self) -> u64 {
        self.issued
    }

    /// Requests finished at each load balancer node.
    #[must_use]
    pub fn load_balancer_nodes(&self) -> &[u64] {
        &self.load_balancer_nodes
    }
}

impl Metric for Requests {
    const QUESTION: &'static str = "How many requests came, and through which load balancer node?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new("requests issued", Unit::Count, Better::Neither, "Requests that clients issued.").overall_only(),
            value: |metric, _| Ok(metric.issued as f64),
        },
        Definition {
            about: About::new(
                "load balancer node imbalance",
                Unit::Ratio,
                Better::Lower,
                "Requests of the busiest load balancer node over those of the least busy one, which counts as one request at least.",
            )
            .overall_only(),
            value: |metric, _| chance::max_over_min(&metric.load_balancer_nodes),
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self {
            issued: 0,
            load_balancer_nodes: vec![0; layout.load_balancer_node_count()],
        }
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, seen: &Observation<'_>) {
        match seen {
            Observation::Issued(_) => self.issued += 1,
            Observation::Finished(request) => {
                self.load_balancer_nodes[request.load_balancer_node.index()] += 1
            }
            _ => {}
        }
    }

    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        let each = |name, thing, counts| Reading {
            name,
            scope: Scope::Overall,
            content: Content::Each(thing, Unit::Count, counts),
        };
        vec![
            each("requests issued", Thing::One, Cow::Owned(vec![self.issued])),
            each(
                "requests per load balancer node",
                Thing::LoadBalancerNode,
                Cow::Borrowed(&self.load_balancer_nodes),
            ),
        ]
    }
}

impl Merge for Requests {
    fn merge(&mut self, other: &Self) {
        self.issued.merge(&other.issued);
        self.load_balancer_nodes.merge(&other.load_balancer_nodes);
    }
}
