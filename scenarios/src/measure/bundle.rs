//! Which things are shown as one, where there are too many to show each?
//!
//! A picture of ways through a cluster can hold a dozen nodes and two dozen pods. Of more nodes, those of a zone are one; of more
//! pods, those of a Deployment on a node, then in a zone, then all of the Deployment.

use std::collections::BTreeMap;

use sim_models::id::{Id, LoadBalancerNodeId, NodeId, PodId, PopulationId, ZoneId};
use sim_models::world::Blueprint;

/// So many of a kind are shown one by one.
const MOST: [usize; 4] = [6, 8, 12, 24];

/// The four layers of things that requests pass, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Layer {
    /// Populations of clients.
    Clients,
    /// Load balancer nodes.
    LoadBalancerNodes,
    /// Worker nodes: where a connection arrives or, with `ip` targets, where its pod is.
    Nodes,
    /// Pods of Services that somebody asks for.
    Pods,
}

impl Layer {
    /// All layers, in the order of the way.
    pub const ALL: [Self; 4] = [
        Self::Clients,
        Self::LoadBalancerNodes,
        Self::Nodes,
        Self::Pods,
    ];

    /// What its things are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::LoadBalancerNodes => "load balancer nodes",
            Self::Nodes => "nodes",
            Self::Pods => "pods",
        }
    }
}

/// Things that are shown as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What it is called: its thing's name, where there is only one.
    pub name: String,
    /// How many things are in it; of pods that may be created during the run, how many places there are for them.
    pub things: usize,
    /// Of pods, the bundle of the node or nodes that they run on, where it is one.
    pub home: Option<usize>,
    /// The first thing in it, by its id.
    pub first: usize,
}

/// The bundles of one layer, and which of them each thing is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bundled {
    of: Vec<u32>,
    bundles: Vec<Bundle>,
}

/// All bundles of a blueprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundles {
    layers: [Bundled; 4],
}

impl Bundles {
    /// The bundles of a blueprint.
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Self {
        let populations = blueprint.populations.iter();
        let names: Vec<String> = populations.map(|one| one.name.clone()).collect();
        let clients = Bundled::each_or(Layer::Clients, &names, |_| (0, "all clients".to_owned()));
        let zone = |zone: ZoneId| (zone.index(), blueprint.zones[zone].clone());
        let balancers = blueprint.load_balancer.nodes.as_slice();
        let names: Vec<String> = (0..balancers.len())
            .map(|id| format!("LB node {id}"))
            .collect();
        let balancers =
            Bundled::each_or(Layer::LoadBalancerNodes, &names, |id| zone(balancers[id]));
        let names: Vec<String> = blueprint.nodes.iter().map(|it| it.name.clone()).collect();
        let nodes = Bundled::each_or(Layer::Nodes, &names, |id| {
            zone(blueprint.nodes[NodeId::from_index(id)].zone)
        });
        let pods = pods(blueprint, &nodes);
        Self {
            layers: [clients, balancers, nodes, pods],
        }
    }

    /// The bundles of a layer.
    #[must_use]
    pub fn in_layer(&self, layer: Layer) -> &[Bundle] {
        &self.layers[layer as usize].bundles
    }

    /// The bundle of a population.
    #[inline]
    #[must_use]
    pub fn population(&self, id: PopulationId) -> usize {
        self.bundle(Layer::Clients, id.index())
    }

    /// The bundle of a load balancer node.
    #[inline]
    #[must_use]
    pub fn load_balancer_node(&self, id: LoadBalancerNodeId) -> usize {
        self.bundle(Layer::LoadBalancerNodes, id.index())
    }

    /// The bundle of a node.
    #[inline]
    #[must_use]
    pub fn node(&self, id: NodeId) -> usize {
        self.bundle(Layer::Nodes, id.index())
    }

    /// The bundle of a pod of a Service that somebody asks for.
    #[inline]
    #[must_use]
    pub fn pod(&self, id: PodId) -> usize {
        self.bundle(Layer::Pods, id.index())
    }

    #[inline]
    fn bundle(&self, layer: Layer, thing: usize) -> usize {
        self.layers[layer as usize].of[thing] as usize
    }
}

/// What a thing is shown as: things with one key are one.
struct Entry {
    key: (usize, usize),
    home: Option<usize>,
    name: String,
}

impl Bundled {
    /// Puts things with one key together, in the order of their first ones; `entry` has nothing to say to a thing that is not shown.
    fn of(things: usize, entry: impl Fn(usize) -> Option<Entry>) -> Self {
        let mut bundled = Self {
            of: vec![0; things],
            bundles: Vec::new(),
        };
        let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for thing in 0..things {
            let Some(Entry { key, home, name }) = entry(thing) else {
                continue;
            };
            let next = bundled.bundles.len();
            let bundle = *known.entry(key).or_insert(next);
            if bundle == next {
                bundled.bundles.push(Bundle {
                    name,
                    things: 0,
                    home,
                    first: thing,
                });
            }
            bundled.bundles[bundle].things += 1;
            bundled.of[thing] = bundle as u32;
        }
        bundled
    }

    /// Each thing by itself or, if there are too many, those together that `group` gives one number and name.
    fn each_or(layer: Layer, names: &[String], group: impl Fn(usize) -> (usize, String)) -> Self {
        let single = names.len() <= MOST[layer as usize];
        Self::of(names.len(), |thing| {
            let (key, name) = if single {
                (thing, names[thing].clone())
            } else {
                group(thing)
            };
            Some(Entry {
                key: (key, 0),
                home: None,
                name,
            })
        })
    }
}

/// Pods of Deployments behind Services that somebody asks for.
fn pods(blueprint: &Blueprint, nodes: &Bundled) -> Bundled {
    let shown = shown(blueprint);
    let places = blueprint.places();
    let entry = |depth: usize, id: usize| {
        let pod = &places[PodId::from_index(id)];
        let kind = pod.deployment.index();
        let deployment = &blueprint.deployments[pod.deployment].name;
        let home = nodes.of[pod.node.index()] as usize;
        let zone = blueprint.nodes[pod.node].zone;
        let (key, home, name) = match depth {
            // Where a pod goes that is created during the run is not known before.
            _ if id >= blueprint.pods.len() => {
                ((kind, usize::MAX), None, format!("{deployment}, new"))
            }
            0 => ((id, 0), Some(home), pod.name.clone()),
            1 => ((kind, home), Some(home), deployment.clone()),
            2 => {
                let name = format!("{deployment}, {}", blueprint.zones[zone]);
                ((kind, zone.index()), None, name)
            }
            _ => ((kind, 0), None, deployment.clone()),
        };
        shown[kind].then_some(Entry { key, home, name })
    };
    let most = MOST[Layer::Pods as usize];
    // Those that may be created are one for each Deployment anyway.
    let there = blueprint.pods.iter();
    let count = there.filter(|pod| shown[pod.deployment.index()]);
    let first = usize::from(count.count() > most);
    (first..3)
        .map(|depth| Bundled::of(places.len(), |id| entry(depth, id)))
        .find(|bundled| bundled.bundles.len() <= most)
        .unwrap_or_else(|| Bundled::of(places.len(), |id| entry(3, id)))
}

/// Which Deployments stand behind a Service that some population asks for.
fn shown(blueprint: &Blueprint) -> Vec<bool> {
    let mut shown = vec![false; blueprint.deployments.len()];
    let populations = blueprint.populations.iter();
    let classes = populations.flat_map(|population| &population.classes);
    for group in classes.filter_map(|class| class.target_group) {
        let service = blueprint.target_groups[group].service;
        shown[blueprint.services[service].selects.index()] = true;
    }
    shown
}

#[cfg(test)]
mod tests {
    use sim_models::id::DeploymentId;
    use sim_models::world::blueprint::Health;

    use super::*;
    use crate::measure::testing::blueprint;

    fn names(bundles: &Bundles, layer: Layer) -> Vec<&str> {
        let bundles = bundles.in_layer(layer).iter();
        bundles.map(|bundle| bundle.name.as_str()).collect()
    }

    #[test]
    fn few_things_stand_for_themselves_and_pods_that_nobody_asks_for_for_nothing() {
        let bundles = Bundles::of(&blueprint());
        assert_eq!(names(&bundles, Layer::Clients), ["users"]);
        assert_eq!(
            names(&bundles, Layer::LoadBalancerNodes),
            ["LB node 0", "LB node 1"]
        );
        assert_eq!(names(&bundles, Layer::Nodes), ["workers-0", "workers-1"]);
        assert_eq!(names(&bundles, Layer::Pods), ["web-0", "web-1", "web-2"]);
        let homes = bundles.in_layer(Layer::Pods).iter().map(|pod| pod.home);
        assert_eq!(homes.collect::<Vec<_>>(), [Some(0), Some(0), Some(1)]);
    }

    #[test]
    fn places_for_new_pods_are_one_and_leave_the_others_alone() {
        // Three pods and thirty places for "web": more than 24, but only three are there to be shown one by one.
        let mut scaled = blueprint();
        let mut health = Health::new(scaled.deployments.len(), scaled.target_groups.len());
        health.spares = vec![DeploymentId(0); 30];
        scaled.health = Some(Box::new(health));
        let bundles = Bundles::of(&scaled);
        assert_eq!(
            names(&bundles, Layer::Pods),
            ["web-0", "web-1", "web-2", "web, new"]
        );
    }

    #[test]
    fn many_pods_are_one_for_each_node_and_many_nodes_one_for_each_zone() {
        let mut crowded = blueprint();
        for _ in 0..30 {
            let pod = crowded.pods[PodId(0)].clone();
            crowded.pods.push(pod);
        }
        let bundles = Bundles::of(&crowded);
        let pods = bundles.in_layer(Layer::Pods);
        // 2 + 30 pods of "web" on the first node, one on the second.
        assert_eq!(
            pods.iter().map(|pod| pod.things).collect::<Vec<_>>(),
            [32, 1]
        );
        for _ in 0..11 {
            let node = crowded.nodes[NodeId(1)].clone();
            crowded.nodes.push(node);
        }
        let bundles = Bundles::of(&crowded);
        let nodes = bundles.in_layer(Layer::Nodes);
        assert_eq!(names(&bundles, Layer::Nodes), ["a", "b"]);
        assert_eq!(
            nodes.iter().map(|node| node.things).collect::<Vec<_>>(),
            [1, 12]
        );
        assert_eq!(bundles.node(NodeId(12)), 1);
    }
}
