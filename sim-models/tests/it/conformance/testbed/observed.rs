//! What a run shows, recorded or simulated: the same counts, and the same figures from them.

use rayon::prelude::*;
use sim_core::{SimDuration, SimTime};
use sim_models::id::Id;
use sim_models::observe::{Observation, Recorder};
use sim_models::request::{Outcome, Request};
use sim_models::world::Blueprint;

use crate::support;

/// Simulated runs of each configuration that is judged.
pub(super) const SEEDS: u64 = 200;
const SEED: u64 = 1909;

/// The counts of one run.
#[derive(Clone, Default)]
pub(super) struct Observed {
    pub(super) requests: u64,
    /// Good answers.
    pub(super) answered: u64,
    /// Good answers by pod.
    pub(super) pods: Vec<u64>,
    /// Good answers by the node of the pod.
    pub(super) nodes: Vec<u64>,
    /// Good answers by the node that the load balancer chose; `None` where it chose no node.
    pub(super) ingress: Option<Vec<u64>>,
    /// Connections that pods accepted.
    pub(super) connections: u64,
    /// Share of the answers from a pod on another node than the one that the load balancer chose.
    pub(super) cross_node: Option<f64>,
    /// Median latency of good answers.
    pub(super) median_ms: f64,
    /// Most connections to pods open at once; simulated runs only.
    pub(super) peak_connections: u64,
}

impl Observed {
    fn mean_per_pod(&self) -> f64 {
        self.answered as f64 / self.pods.len() as f64
    }

    /// Coefficient of variation of the answers over the pods, all pods being the population.
    pub(super) fn variation(&self) -> f64 {
        let mean = self.mean_per_pod();
        let squares: f64 = self
            .pods
            .iter()
            .map(|&n| (n as f64 / mean - 1.0).powi(2))
            .sum();
        (squares / self.pods.len() as f64).sqrt()
    }

    pub(super) fn max_over_mean(&self) -> f64 {
        self.pods.iter().copied().max().unwrap_or(0) as f64 / self.mean_per_pod()
    }

    pub(super) fn pods_without_request(&self) -> f64 {
        self.pods.iter().filter(|&&n| n == 0).count() as f64
    }

    pub(super) fn error_share(&self) -> f64 {
        1.0 - self.answered as f64 / self.requests as f64
    }

    pub(super) fn connections_per_request(&self) -> f64 {
        self.connections as f64 / self.requests as f64
    }
}

/// Runs a world with the first seeds.
pub(super) fn some_seeds(blueprint: &Blueprint, seeds: u64) -> Vec<Observed> {
    let replication = |r: u64| {
        let watch = Watch::new(blueprint);
        support::run(blueprint, SEED, r, watch).recorder.observed()
    };
    (0..seeds).into_par_iter().map(replication).collect()
}

/// Counts what the testbed counts.
struct Watch {
    node_of_pod: Vec<usize>,
    counts: Observed,
    ingress: Vec<u64>,
    second_hops: u64,
    open_connections: u64,
    latencies: Vec<SimDuration>,
}

impl Watch {
    fn new(blueprint: &Blueprint) -> Self {
        Self {
            node_of_pod: blueprint.pods.iter().map(|pod| pod.node.index()).collect(),
            counts: Observed {
                pods: vec![0; blueprint.pods.len()],
                nodes: vec![0; blueprint.nodes.len()],
                ..Observed::default()
            },
            ingress: vec![0; blueprint.nodes.len()],
            second_hops: 0,
            open_connections: 0,
            latencies: Vec::new(),
        }
    }

    fn finished(&mut self, request: &Request) {
        self.counts.requests += 1;
        if request.outcome != Outcome::Ok {
            return;
        }
        let pod = request.pod.expect("an answer comes from a pod").index();
        let elapsed = request.elapsed();
        self.counts.answered += 1;
        self.counts.pods[pod] += 1;
        self.counts.nodes[self.node_of_pod[pod]] += 1;
        self.second_hops += u64::from(request.second_hop);
        self.latencies.push(elapsed);
        if let Some(node) = request.node {
            self.ingress[node.index()] += 1;
        }
    }

    fn observed(mut self) -> Observed {
        let middle = self.latencies.len() / 2;
        let (_, median, _) = self.latencies.select_nth_unstable(middle);
        let over_nodes = self.ingress.iter().any(|&n| n > 0);
        Observed {
            median_ms: median.as_millis_f64(),
            cross_node: over_nodes.then(|| self.second_hops as f64 / self.counts.answered as f64),
            ingress: over_nodes.then_some(self.ingress),
            ..self.counts
        }
    }
}

impl Recorder for Watch {
    fn see(&mut self, _: SimTime, seen: Observation<'_>) {
        match seen {
            Observation::Finished(request) => self.finished(request),
            Observation::Opened { .. } => {
                self.counts.connections += 1;
                self.open_connections += 1;
                self.counts.peak_connections =
                    self.counts.peak_connections.max(self.open_connections);
            }
            Observation::Closed { .. } => self.open_connections -= 1,
            _ => {}
        }
    }
}
