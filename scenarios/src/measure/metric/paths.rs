//! Which way do requests go, and how many on each?
//!
//! Counts of requests from bundle to bundle: from clients to load balancer nodes, from there to nodes, from nodes to pods. The
//! bundles are few (see [`Bundles`]), so a cluster of thousands of nodes costs as little as one of four.

use sim_core::SimDuration;
use sim_models::observe::Observation;
use sim_models::request::{Hop, Request};

use crate::measure::bundle::{Bundles, Layer};
use crate::measure::layout::Layout;
use crate::measure::quantity::Definition;
use crate::measure::reading::{Merge, Reading};

use super::Metric;

/// How far a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Reach {
    /// On one node, or from the clients.
    Here,
    /// Between two machines of one zone.
    Zone,
    /// From one zone to another.
    CrossZone,
}

impl Reach {
    const ALL: [Self; 3] = [Self::Here, Self::Zone, Self::CrossZone];
}

/// Requests that took one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The layer that it leaves; it leads to the next one.
    pub from_layer: Layer,
    /// The bundle that it leaves.
    pub from: usize,
    /// The bundle of the next layer that it leads to.
    pub to: usize,
    /// How far it goes.
    pub reach: Reach,
    /// How many requests took it.
    pub requests: u64,
}

/// Requests on each step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// For each of the three pairs of neighbouring layers: from, to, reach.
    tables: [Vec<u64>; 3],
}

impl Paths {
    /// Every step that some request took, layer by layer.
    pub fn steps(&self, bundles: &Bundles) -> Vec<Step> {
        let mut steps = Vec::new();
        for (table, pair) in self.tables.iter().zip(Layer::ALL.windows(2)) {
            let width = bundles.in_layer(pair[1]).len() * Reach::ALL.len();
            for (index, &requests) in table.iter().enumerate().filter(|(_, count)| **count > 0) {
                steps.push(Step {
                    from_layer: pair[0],
                    from: index / width,
                    to: index % width / Reach::ALL.len(),
                    reach: Reach::ALL[index % Reach::ALL.len()],
                    requests,
                });
            }
        }
        steps
    }

    #[inline]
    fn add(&mut self, from_layer: Layer, width: usize, from: usize, to: usize, reach: Reach) {
        let index = (from * width + to) * Reach::ALL.len() + reach as usize;
        self.tables[from_layer as usize][index] += 1;
    }

    #[inline]
    fn finished(&mut self, layout: &Layout, request: &Request) {
        let bundles = layout.bundles();
        let width = |layer| bundles.in_layer(layer).len();
        let balancer = bundles.load_balancer_node(request.load_balancer_node);
        let clients = bundles.population(request.population);
        let balancers = width(Layer::LoadBalancerNodes);
        self.add(Layer::Clients, balancers, clients, balancer, Reach::Here);
        let Some(node) = request.node.or(request.pod.map(|pod| layout.pod_node(pod))) else {
            return;
        };
        let from_zone = layout.load_balancer_zone(request.load_balancer_node);
        let reach = if from_zone == layout.node_zone(node) {
            Reach::Zone
        } else {
            Reach::CrossZone
        };
        let nodes = width(Layer::Nodes);
        let (layer, from) = (Layer::LoadBalancerNodes, bundles.node(node));
        self.add(layer, nodes, balancer, from, reach);
        let Some(pod) = request.pod else { return };
        let reach = if !request.second_hop {
            Reach::Here
        } else if layout.node_zone(layout.pod_node(pod)) == layout.node_zone(node) {
            Reach::Zone
        } else {
            Reach::CrossZone
        };
        let pods = width(Layer::Pods);
        self.add(Layer::Nodes, pods, from, bundles.pod(pod), reach);
    }
}

impl Metric for Paths {
    const QUESTION: &'static str = "Which way do requests go?";

    const QUANTITIES: &'static [Definition<Self>] = &[];

    fn new(layout: &Layout) -> Self {
        let count = |layer| layout.bundles().in_layer(layer).len();
        let table = |from, to| vec![0; count(from) * count(to) * Reach::ALL.len()];
        Self {
            tables: [
                table(Layer::Clients, Layer::LoadBalancerNodes),
                table(Layer::LoadBalancerNodes, Layer::Nodes),
                table(Layer::Nodes, Layer::Pods),
            ],
        }
    }

    #[inline]
    fn see(&mut self, layout: &Layout, _: SimDuration, seen: &Observation<'_>) {
        if let Observation::Finished(request) = seen
            && request.at(Hop::LoadBalancer) > sim_core::SimTime::ZERO
        {
            self.finished(layout, request);
        }
    }

    /// Nothing: the steps are written with the picture that shows them.
    fn read<'a>(&'a self, _: &'a Layout) -> Vec<Reading<'a>> {
        Vec::new()
    }
}

impl Merge for Paths {
    fn merge(&mut self, other: &Self) {
        self.tables.merge(&other.tables);
    }
}

#[cfg(test)]
mod tests {
    use sim_core::SimTime;

    use super::*;
    use crate::measure::testing::{after, answered, layout, refused, web_pod};

    #[test]
    fn every_request_leaves_its_steps() {
        // The load balancer node and the first node stand in zone a, the third pod on the second node in zone b.
        let requests = [
            answered(SimTime::from_secs(1), web_pod(0)),
            answered(SimTime::from_secs(2), web_pod(2)),
            answered(SimTime::from_secs(3), web_pod(2)),
            refused(SimTime::from_secs(4)),
        ];
        let layout = layout();
        let steps = after(&requests).paths.steps(layout.bundles());
        let step = |from_layer, from, to, reach, requests| Step {
            from_layer,
            from,
            to,
            reach,
            requests,
        };
        assert_eq!(
            steps,
            [
                step(Layer::Clients, 0, 0, Reach::Here, 4),
                step(Layer::LoadBalancerNodes, 0, 0, Reach::Zone, 3),
                step(Layer::Nodes, 0, 0, Reach::Here, 1),
                step(Layer::Nodes, 0, 2, Reach::CrossZone, 2),
            ]
        );
    }
}
