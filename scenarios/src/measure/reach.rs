//! What can requests reach, and whose loss leaves them without a way?
//!
//! A graph for each Service: clients, load balancer nodes, worker nodes, pods, and the answer at the end. An edge leads from a load
//! balancer node to each node that it may send to, and from a node to each pod that it may choose:
//!
//! | | to nodes | to pods |
//! |---|---|---|
//! | `instance`, `Cluster` | those that are registered | all of the Service |
//! | `instance`, `Local` | those that are registered | those on the node itself |
//! | `ip` | those that the pods run on | those on the node itself |
//!
//! Without cross-zone load balancing a load balancer node sends to its own zone alone. A thing that lies on every way from clients
//! to the answer, a dominator of it, is a single point of failure. Of a zone all things are taken out at once. This is about ways,
//! not about what they can carry: what is left may be too small.
//!
//! Source: T. Lengauer and R. E. Tarjan, "A fast algorithm for finding dominators in a flowgraph", for the idea; the algorithm is
//! `petgraph`'s, after Cooper, Harvey and Kennedy.

use std::collections::BTreeMap;

use petgraph::algo::dominators;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Bfs, NodeFiltered};
use sim_models::cluster::service::TrafficPolicy;
use sim_models::id::{LoadBalancerNodeId, NodeId, PodId, ServiceId, ZoneId};
use sim_models::request::load_balancer::TargetType;
use sim_models::world::Blueprint;
use sim_models::world::blueprint::TargetGroup;

/// Something on the way of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Those who ask.
    Clients,
    /// A load balancer node.
    LoadBalancerNode(LoadBalancerNodeId),
    /// A worker node, with its NodePort and its pods.
    Node(NodeId),
    /// The choice among all pods of a Service; not a thing that could be lost.
    Choice,
    /// A pod.
    Pod(PodId),
    /// The end of the way.
    Answer,
    /// A zone, with all that is in it; never a vertex.
    Zone(ZoneId),
}

/// The ways to the pods of one Service.
#[derive(Clone, Debug)]
pub struct Ways<'a> {
    blueprint: &'a Blueprint,
    graph: DiGraph<Place, ()>,
    vertices: BTreeMap<Place, NodeIndex>,
}

impl<'a> Ways<'a> {
    /// The ways to a Service in a cluster in which everything works.
    #[must_use]
    pub fn to(blueprint: &'a Blueprint, service: ServiceId) -> Self {
        let mut ways = Self {
            blueprint,
            graph: DiGraph::new(),
            vertices: BTreeMap::new(),
        };
        let policy = blueprint.services[service].external_traffic_policy;
        let pods: Vec<PodId> = blueprint.endpoints(service).collect();
        for &pod in &pods {
            let home = Place::Node(blueprint.pods[pod].node);
            ways.edge(home, Place::Pod(pod));
            ways.edge(Place::Pod(pod), Place::Answer);
            ways.edge(Place::Choice, home);
        }
        for balancer in blueprint.load_balancer.nodes.ids() {
            ways.edge(Place::Clients, Place::LoadBalancerNode(balancer));
        }
        let groups = blueprint.target_groups.iter();
        for group in groups.filter(|group| group.service == service) {
            ways.add(group, policy, &pods);
        }
        ways
    }

    /// The ways through a target group.
    fn add(&mut self, group: &TargetGroup, policy: TrafficPolicy, pods: &[PodId]) {
        let blueprint = self.blueprint;
        let targets: Vec<NodeId> = match (group.target_type, &group.nodes) {
            (TargetType::Ip, _) => pods.iter().map(|&pod| blueprint.pods[pod].node).collect(),
            (TargetType::Instance, Some(nodes)) => nodes.clone(),
            (TargetType::Instance, None) => blueprint.nodes.ids().collect(),
        };
        let chooses = group.target_type == TargetType::Instance && policy == TrafficPolicy::Cluster;
        for &node in &targets {
            if chooses {
                self.edge(Place::Node(node), Place::Choice);
            }
            for (balancer, &zone) in blueprint.load_balancer.nodes.enumerate() {
                if group.cross_zone || zone == blueprint.nodes[node].zone {
                    self.edge(Place::LoadBalancerNode(balancer), Place::Node(node));
                }
            }
        }
    }

    fn vertex(&mut self, place: Place) -> NodeIndex {
        let graph = &mut self.graph;
        *self
            .vertices
            .entry(place)
            .or_insert_with(|| graph.add_node(place))
    }

    fn edge(&mut self, from: Place, to: Place) {
        let (from, to) = (self.vertex(from), self.vertex(to));
        self.graph.update_edge(from, to, ());
    }

    /// How many pods requests can reach that came to this load balancer node.
    #[must_use]
    pub fn pods_from(&self, balancer: LoadBalancerNodeId) -> usize {
        let Some(&start) = self.vertices.get(&Place::LoadBalancerNode(balancer)) else {
            return 0;
        };
        let mut search = Bfs::new(&self.graph, start);
        let reached = std::iter::from_fn(|| search.next(&self.graph));
        reached
            .filter(|&vertex| matches!(self.graph[vertex], Place::Pod(_)))
            .count()
    }

    /// Whether some way leads from clients to an answer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open_without(|_| false)
    }

    /// The same where some things are lost.
    fn is_open_without(&self, lost: impl Fn(Place) -> bool) -> bool {
        let ends = [Place::Clients, Place::Answer].map(|place| self.vertices.get(&place));
        let [Some(&from), Some(&to)] = ends else {
            return false;
        };
        let rest = NodeFiltered::from_fn(&self.graph, |vertex| !lost(self.graph[vertex]));
        petgraph::algo::has_path_connecting(&rest, from, to, None)
    }

    /// Things whose loss leaves no way, in the order of the way, and zones in which there is more than one of them; none where no
    /// way is open at all.
    #[must_use]
    pub fn single_points(&self) -> Vec<Place> {
        if !self.is_open() {
            return Vec::new();
        }
        let (from, to) = (
            self.vertices[&Place::Clients],
            self.vertices[&Place::Answer],
        );
        let dominators = dominators::simple_fast(&self.graph, from);
        let mut points: Vec<Place> = dominators
            .strict_dominators(to)
            .into_iter()
            .flatten()
            .map(|vertex| self.graph[vertex])
            .filter(|place| !matches!(place, Place::Clients | Place::Choice))
            .collect();
        points.reverse();
        let zones = self.blueprint.zones.ids();
        let fatal = |&zone: &ZoneId| {
            // What a single thing in it takes along needs no second word.
            !points.iter().any(|&place| self.zone(place) == Some(zone))
                && !self.is_open_without(|place| self.zone(place) == Some(zone))
        };
        let zones: Vec<Place> = zones.filter(fatal).map(Place::Zone).collect();
        points.extend(zones);
        points
    }

    /// The zone that a thing stands in.
    fn zone(&self, place: Place) -> Option<ZoneId> {
        match place {
            Place::LoadBalancerNode(id) => Some(self.blueprint.load_balancer.nodes[id]),
            Place::Node(id) => Some(self.blueprint.nodes[id].zone),
            Place::Pod(id) => Some(self.blueprint.nodes[self.blueprint.pods[id].node].zone),
            Place::Zone(id) => Some(id),
            Place::Clients | Place::Choice | Place::Answer => None,
        }
    }
}

impl Place {
    /// What a person calls it.
    #[must_use]
    pub fn name(self, blueprint: &Blueprint) -> String {
        match self {
            Self::Clients => "clients".to_owned(),
            Self::LoadBalancerNode(id) => format!("load balancer node {id}"),
            Self::Node(id) => format!("node {}", blueprint.nodes[id].name),
            Self::Choice => "the Service".to_owned(),
            Self::Pod(id) => format!("pod {}", blueprint.pods[id].name),
            Self::Answer => "the answer".to_owned(),
            Self::Zone(id) => match blueprint.zones[id].as_str() {
                name if name.starts_with("zone") => name.to_owned(),
                name => format!("zone {name}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::testing::{blueprint, service};

    const FIRST: LoadBalancerNodeId = LoadBalancerNodeId(0);
    const SECOND: LoadBalancerNodeId = LoadBalancerNodeId(1);

    /// Two nodes in two zones with a load balancer node each; pods of "web" on the first, first and second node.
    fn web(change: impl Fn(&mut Blueprint)) -> (Blueprint, ServiceId) {
        let mut blueprint = blueprint();
        change(&mut blueprint);
        (blueprint, service("web"))
    }

    fn group(blueprint: &mut Blueprint) -> &mut TargetGroup {
        let web = service("web");
        let mut groups = blueprint.target_groups.iter_mut();
        groups
            .find(|group| group.service == web)
            .expect("a target group of web")
    }

    #[test]
    fn two_of_everything_have_no_single_point() {
        let (blueprint, web) = web(|_| {});
        let ways = Ways::to(&blueprint, web);
        assert!(ways.is_open());
        assert_eq!((ways.pods_from(FIRST), ways.pods_from(SECOND)), (3, 3));
        assert_eq!(ways.single_points(), []);
    }

    #[test]
    fn without_cross_zone_a_load_balancer_node_reaches_its_zone_under_local_and_all_under_cluster()
    {
        let (blueprint, service) = web(|blueprint| group(blueprint).cross_zone = false);
        let ways = Ways::to(&blueprint, service);
        assert_eq!((ways.pods_from(FIRST), ways.pods_from(SECOND)), (3, 3));
        let (blueprint, service) = web(|blueprint| {
            group(blueprint).cross_zone = false;
            for service in blueprint.services.iter_mut() {
                service.external_traffic_policy = TrafficPolicy::Local;
            }
        });
        let ways = Ways::to(&blueprint, service);
        assert_eq!((ways.pods_from(FIRST), ways.pods_from(SECOND)), (2, 1));
        let (blueprint, service) = web(|blueprint| {
            group(blueprint).cross_zone = false;
            group(blueprint).target_type = TargetType::Ip;
        });
        let ways = Ways::to(&blueprint, service);
        assert_eq!((ways.pods_from(FIRST), ways.pods_from(SECOND)), (2, 1));
    }

    #[test]
    fn what_all_ways_pass_is_a_single_point_and_a_zone_with_several_such_things_too() {
        // All pods on the second node: it is on every way, its zone says nothing more.
        let (blueprint, service) = web(|blueprint| {
            for pod in blueprint.pods.iter_mut() {
                pod.node = NodeId(1);
            }
        });
        let points = Ways::to(&blueprint, service).single_points();
        assert_eq!(points, [Place::Node(NodeId(1))]);
        assert_eq!(points[0].name(&blueprint), "node workers-1");
        // Two nodes and two load balancer nodes in one zone: neither is single, the zone is.
        let (blueprint, service) = web(|blueprint| {
            for node in blueprint.nodes.iter_mut() {
                node.zone = ZoneId(1);
            }
        });
        let ways = Ways::to(&blueprint, service);
        assert_eq!(ways.single_points(), [Place::Zone(ZoneId(1))]);
        // One load balancer node, and nothing else of which there is one.
        let (blueprint, service) = web(|blueprint| {
            blueprint.load_balancer.nodes = [ZoneId(0)].into_iter().collect();
        });
        let ways = Ways::to(&blueprint, service);
        assert_eq!(ways.single_points(), [Place::LoadBalancerNode(FIRST)]);
    }

    #[test]
    fn without_a_way_nothing_is_a_single_point_of_it() {
        let (blueprint, service) = web(|blueprint| blueprint.pods = Default::default());
        let ways = Ways::to(&blueprint, service);
        assert!(!ways.is_open());
        assert_eq!(
            (ways.pods_from(FIRST), ways.single_points()),
            (0, Vec::new())
        );
    }
}
