//! Which pods does a service map show, and since when?
//!
//! A service map draws what it has seen in flows: an edge from each source address to each pod, and no pod that nobody talked
//! to. One line of comma-separated values for each edge, when its first connection was opened:
//!
//! | column | what it holds |
//! |---|---|
//! | `time_s` | when the first packet of the first connection reached the pod, in seconds from the begin of the run |
//! | `service` | the Service |
//! | `connections`, `requests` | connections opened to pods of the Service so far, this one included; requests finished before |
//! | `source`, `source_of` | the address that the pod sees, and whose it is |
//! | `pod`, `workload`, `node` | the pod at the end of the edge, its Deployment, and the node that it runs on |
//! | `pods_seen`, `pods` | pods of the Service on the map now, and pods that it has |
//! | `pods_by_chance` | pods that this many connections would reach on average if each drew a pod evenly, N (1 - (1 - 1/N)^k) |
//!
//! Source: Hubble documentation: the service map shows endpoints of the flows it received; Hubble keeps no inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::Ipv4Addr;

use sim_core::SimTime;
use sim_models::id::{Id, PodId};
use sim_models::request::Request;
use sim_models::request::node_port::SeenAtPod;

use super::flows;
use super::scene::Scene;
use crate::render::csv;

const COLUMNS: [&str; 12] = [
    "time_s",
    "service",
    "connections",
    "requests",
    "source",
    "source_of",
    "pod",
    "workload",
    "node",
    "pods_seen",
    "pods",
    "pods_by_chance",
];

/// Writes the lines.
pub(super) struct Writer<W> {
    to: W,
    maps: Vec<Map>,
}

/// The part of the map that is about one Service.
#[derive(Default)]
struct Map {
    pods: usize,
    connections: u64,
    requests: u64,
    /// The sources of each pod that was seen.
    seen: BTreeMap<PodId, BTreeSet<Ipv4Addr>>,
}

impl<W: Write> Writer<W> {
    /// Begins with the names of the columns.
    pub(super) fn new(mut to: W, scene: &Scene<'_>) -> io::Result<Self> {
        to.write_all(csv::line(COLUMNS.map(str::to_owned)).as_bytes())?;
        let map = |service| Map {
            pods: scene.blueprint.endpoints(service).count(),
            ..Map::default()
        };
        let maps = scene.blueprint.services.ids().map(map).collect();
        Ok(Self { to, maps })
    }

    pub(super) fn finished(&mut self, request: &Request) {
        if let Some(service) = request.service
            && request.pod.is_some()
        {
            self.maps[service.index()].requests += 1;
        }
    }

    pub(super) fn opened(
        &mut self,
        scene: &Scene<'_>,
        there: SimTime,
        request: &Request,
    ) -> io::Result<()> {
        let (Some(service), Some(pod)) = (request.service, request.pod) else {
            unreachable!("a connection that a request opened leads to a pod of a Service");
        };
        let map = &mut self.maps[service.index()];
        map.connections += 1;
        let source = flows::source(scene, request);
        if !map.seen.entry(pod).or_default().insert(*source.ip()) {
            return Ok(());
        }
        let line = map.line(scene, there, request, *source.ip());
        let service = scene.blueprint.services[service].name.clone();
        let [time, rest @ ..] = line;
        let fields = [time, service].into_iter().chain(rest);
        self.to.write_all(csv::line(fields).as_bytes())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Map {
    /// The fields of a new edge, without the Service.
    fn line(
        &self,
        scene: &Scene<'_>,
        there: SimTime,
        request: &Request,
        source: Ipv4Addr,
    ) -> [String; 11] {
        let pod = request.pod.expect("an open connection has a pod behind it");
        let source_of = match (request.seen_at_pod, request.node) {
            (SeenAtPod::Node, Some(node)) => scene.layout.node_name(node).to_owned(),
            _ => format!("load balancer node {}", request.load_balancer_node),
        };
        let deployment = scene.deployment(pod);
        [
            csv::real(there.as_secs_f64()),
            self.connections.to_string(),
            self.requests.to_string(),
            source.to_string(),
            source_of,
            scene.layout.pod_name(pod).to_owned(),
            scene.blueprint.deployments[deployment].name.clone(),
            scene.layout.node_name(scene.home(pod)).to_owned(),
            self.seen.len().to_string(),
            self.pods.to_string(),
            csv::real(by_chance(self.pods, self.connections)),
        ]
    }
}

/// How many of `pods` are reached on average by so many connections, if each draws one evenly; to three digits after the point.
fn by_chance(pods: usize, connections: u64) -> f64 {
    let pods = pods as f64;
    let missed = libm::pow(1.0 - 1.0 / pods, connections as f64);
    libm::round(1_000.0 * pods * (1.0 - missed)) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_connections_reach_few_pods() {
        // 10 (1 - 0.9^k): 1, 4.095, 6.513, 9.576.
        let reached = [1, 5, 10, 30].map(|connections| by_chance(10, connections));
        assert_eq!(reached, [1.0, 4.095, 6.513, 9.576]);
        assert_eq!(by_chance(1, 1), 1.0);
    }
}
