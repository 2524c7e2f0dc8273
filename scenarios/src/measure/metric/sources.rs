//! Whose address does a pod see?
//!
//! The load balancer is a proxy: it opens connections of its own, and the client's address travels in `X-Forwarded-For`. A node that
//! translates the source of a connection puts its own address in the place of the load balancer's.

use std::borrow::Cow;

use sim_core::SimDuration;
use sim_models::observe::Observation;
use sim_models::request::node_port::SeenAtPod;

use crate::measure::layout::{Layout, Scope};
use crate::measure::presence::Presence;
use crate::measure::quantity::{About, Better, Definition, Unit, ratio};
use crate::measure::reading::{ByService, Content, Merge, Reading, Thing};

use super::Metric;

/// Source addresses of the requests that reached a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(ByService<Counts>);

/// The counts of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that reached a pod.
    pub arrived: u64,
    /// Of these, requests whose pod saw the address of a load balancer node.
    pub load_balancer: u64,
    /// Of these, requests whose pod saw the address of a node.
    pub node: u64,
}

impl Counts {
    /// Requests whose pod saw the address of the client: neither a load balancer node's nor a node's.
    #[must_use]
    pub const fn client(&self) -> u64 {
        self.arrived - self.load_balancer - self.node
    }
}

impl Sources {
    /// The counts of a scope.
    #[must_use]
    pub fn of(&self, scope: Scope) -> &Counts {
        self.0.of(scope)
    }
}

impl Metric for Sources {
    const QUESTION: &'static str = "Whose address do pods see?";

    const QUANTITIES: &'static [Definition<Self>] = &[
        Definition {
            about: About::new(
                "client address share",
                Unit::Share,
                Better::Higher,
                "Share of requests whose pod sees the client's own address as the source of their packets.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.client() as f64, counts.arrived as f64)
            },
        },
        Definition {
            about: About::new(
                "load balancer address share",
                Unit::Share,
                Better::Neither,
                "Share of requests whose pod sees the address of a load balancer node; the client's stands in X-Forwarded-For.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.load_balancer as f64, counts.arrived as f64)
            },
        },
        Definition {
            about: About::new(
                "node address share",
                Unit::Share,
                Better::Neither,
                "Share of requests whose pod sees an address of the node on whose NodePort they arrived, because the node translated the source.",
            ),
            value: |metric, focus| {
                let counts = metric.of(focus.scope);
                ratio(counts.node as f64, counts.arrived as f64)
            },
        },
    ];

    fn new(layout: &Layout) -> Self {
        Self(ByService::new(layout))
    }

    #[inline]
    fn see(&mut self, _: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen
            && request.connection.is_some()
        {
            let counts = self.0.part(request.service);
            counts.arrived += 1;
            match request.seen_at_pod {
                SeenAtPod::LoadBalancerNode => counts.load_balancer += 1,
                SeenAtPod::Node => counts.node += 1,
            }
        }
    }

    fn close(&mut self, _: &Presence) {
        self.0.close();
    }

    fn read<'a>(&'a self, layout: &'a Layout) -> Vec<Reading<'a>> {
        let one = |name, scope, count| Reading {
            name,
            scope,
            content: Content::Each(Thing::One, Unit::Count, Cow::Owned(vec![count])),
        };
        let of_scope = |scope| {
            let counts = self.of(scope);
            [
                one("requests from the client's address", scope, counts.client()),
                one(
                    "requests from a load balancer node's address",
                    scope,
                    counts.load_balancer,
                ),
                one("requests from a node's address", scope, counts.node),
            ]
        };
        layout.scopes().flat_map(of_scope).collect()
    }
}

impl Merge for Sources {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

impl Merge for Counts {
    fn merge(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.load_balancer += other.load_balancer;
        self.node += other.node;
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use super::*;
    use crate::measure::testing::{after, answered, of_web, refused, web_pod};

    #[test]
    fn no_pod_behind_a_proxy_sees_the_client() {
        // Three of four were translated; a request without a pod counts for nobody.
        let mut requests = vec![answered(SimTime::ZERO, web_pod(0)); 4];
        requests[0].seen_at_pod = SeenAtPod::LoadBalancerNode;
        for request in &mut requests[1..] {
            request.seen_at_pod = SeenAtPod::Node;
        }
        requests.push(refused(SimTime::ZERO));
        let readings = after(&requests);
        assert_eq!(of_web(&readings, "node address share"), Ok(0.75));
        assert_eq!(of_web(&readings, "load balancer address share"), Ok(0.25));
        assert_eq!(of_web(&readings, "client address share"), Ok(0.0));
    }
}
