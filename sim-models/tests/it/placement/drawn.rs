//! Clusters, pods and what happens to them, drawn at random.
//!
//! They are small and contradictory on purpose: few label values, so that selectors meet, and little room, so that pods
//! do not fit.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use sim_models::id::NodeId;
use sim_models::placement::affinity::{
    Affinity, NodeAffinity, PodAffinity, PodAffinityTerm, PreferredSchedulingTerm,
    WeightedPodAffinityTerm,
};
use sim_models::placement::pod::{
    HostPort, InitContainer, Owner, OwnerKind, Protocol, ResourceList, ResourceRequirements,
};
use sim_models::placement::quantity::{Cpu, Memory};
use sim_models::placement::selector::{
    LabelRequirement, LabelSelector, Labels, NodeSelector, NodeSelectorTerm, Operator,
};
use sim_models::placement::snapshot::{Allocatable, Service, Workload};
use sim_models::placement::spread::{HOSTNAME, NodeInclusionPolicy, WhenUnsatisfiable, ZONE};
use sim_models::placement::taint::{
    Taint, TaintEffect, Toleration, TolerationOperator, UNREACHABLE,
};
use sim_models::placement::{
    Config, Container, Node, PodTemplate, Scheduler, Snapshot, TemplateId, TopologySpreadConstraint,
};

const IMAGES: [&str; 2] = ["web:v1", "db:latest"];
const TOPOLOGY_KEYS: [&str; 3] = [HOSTNAME, ZONE, "rack"];

/// A cluster to begin with.
#[derive(Clone, Debug)]
pub(super) struct World {
    nodes: Vec<Node>,
    pub(super) templates: Vec<PodTemplate>,
    services: Vec<Service>,
    workloads: Vec<Workload>,
    own_defaults: Option<Vec<TopologySpreadConstraint>>,
}

impl World {
    pub(super) fn scheduler(&self) -> Scheduler {
        Scheduler::with_cluster(Config::default(), self.cluster())
    }

    pub(super) fn cluster(&self) -> Snapshot {
        let mut cluster = Snapshot::new(self.own_defaults.clone());
        cluster.set_namespace("other", labels(&[("team", "a")]));
        cluster.set_image(IMAGES[0], 700 << 20);
        cluster.set_image(IMAGES[1], 200 << 20);
        self.services
            .iter()
            .for_each(|service| cluster.add_service(service.clone()));
        self.workloads
            .iter()
            .for_each(|workload| cluster.add_workload(workload.clone()));
        for template in &self.templates {
            cluster.add_template(template.clone());
        }
        for (at, node) in self.nodes.iter().enumerate() {
            cluster.add_node(named(node.clone(), at));
        }
        cluster
    }
}

fn named(mut node: Node, at: usize) -> Node {
    node.name = format!("node-{at}");
    if node.labels.contains_key(HOSTNAME) {
        node.labels.insert(HOSTNAME.to_owned(), node.name.clone());
    }
    node
}

/// Something that happens to a cluster.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Place { template: u32, count: u32, tie: u32 },
    Terminate(u32),
    Remove(u32),
    Cordon(u32),
    Uncordon(u32),
    GiveUp(u32),
    TakeBack(u32),
    Lose(u32),
    Join(Node),
}

impl Happening {
    pub(super) fn apply(&self, scheduler: &mut Scheduler) {
        let alive = scheduler.cluster().order().to_vec();
        let some_node = |draw: u32| alive.get(draw as usize % alive.len().max(1)).copied();
        match *self {
            Self::Place {
                template,
                count,
                tie,
            } => {
                let template = TemplateId(template % scheduler.cluster().templates().len() as u32);
                scheduler.place(template, count, |replica, choices| {
                    (tie % choices + replica) % choices
                });
            }
            Self::Terminate(draw) => {
                if let Some((template, node)) = some_pod(scheduler.cluster(), draw, true) {
                    scheduler.cluster_mut().terminate(template, node);
                }
            }
            Self::Remove(draw) => {
                if let Some((template, node)) = some_pod(scheduler.cluster(), draw, false) {
                    scheduler.cluster_mut().remove(template, node);
                }
            }
            Self::Cordon(draw) => some_node(draw)
                .into_iter()
                .for_each(|node| scheduler.cluster_mut().cordon(node)),
            Self::Uncordon(draw) => some_node(draw)
                .into_iter()
                .for_each(|node| scheduler.cluster_mut().uncordon(node)),
            Self::GiveUp(draw) => some_node(draw).into_iter().for_each(|node| {
                let taint = unreachable();
                let cluster = scheduler.cluster_mut();
                cluster.change_node(node, |node| node.taints.push(taint));
            }),
            Self::TakeBack(draw) => some_node(draw).into_iter().for_each(|node| {
                let cluster = scheduler.cluster_mut();
                cluster.change_node(node, |node| node.taints.retain(|it| *it != unreachable()));
            }),
            Self::Lose(draw) => some_node(draw)
                .into_iter()
                .for_each(|node| scheduler.cluster_mut().remove_node(node)),
            Self::Join(ref node) => {
                let at = scheduler.cluster().all_nodes().len();
                scheduler.cluster_mut().add_node(named(node.clone(), at));
            }
        }
    }
}

/// What the node lifecycle controller puts on a silent node.
fn unreachable() -> Taint {
    Taint {
        key: UNREACHABLE.to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    }
}

fn some_pod(cluster: &Snapshot, draw: u32, running: bool) -> Option<(TemplateId, NodeId)> {
    let held = cluster
        .nodes()
        .flat_map(|(index, node)| node.held.iter().map(move |held| (index, held)));
    let pods: Vec<_> = held
        .filter(|(_, held)| !running || held.running > 0)
        .collect();
    let (node, held) = pods.get(draw as usize % pods.len().max(1))?;
    Some((held.template, *node))
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (any::<u32>(), 1_u32..6, any::<u32>())
            .prop_map(|(template, count, tie)| Happening::Place { template, count, tie }),
        2 => any::<u32>().prop_map(Happening::Terminate),
        3 => any::<u32>().prop_map(Happening::Remove),
        1 => any::<u32>().prop_map(Happening::Cordon),
        1 => any::<u32>().prop_map(Happening::Uncordon),
        1 => any::<u32>().prop_map(Happening::GiveUp),
        1 => any::<u32>().prop_map(Happening::TakeBack),
        1 => any::<u32>().prop_map(Happening::Lose),
        1 => node().prop_map(Happening::Join),
    ]
}

pub(super) fn world() -> impl Strategy<Value = World> {
    let defaults = option::weighted(0.1, vec(constraint(), 1..3));
    (
        vec(node(), 1..9),
        vec(template(), 1..5),
        vec(service(), 0..3),
        vec(workload(), 0..3),
        defaults,
    )
        .prop_map(
            |(nodes, templates, services, workloads, own_defaults)| World {
                nodes,
                templates,
                services,
                workloads,
                own_defaults,
            },
        )
}

fn node() -> impl Strategy<Value = Node> {
    let capacity = (
        prop::sample::select(vec![0_i64, 1000, 2000]),
        0_i64..4,
        1_u32..9,
    );
    let place = (
        any::<bool>(),
        option::weighted(0.8, "[ab]"),
        option::of("[xy]"),
        some_labels(),
    );
    let images = prop::sample::subsequence(IMAGES.to_vec(), 0..=2);
    (capacity, place, vec(taint(), 0..2), any::<bool>(), images).prop_map(
        |((cpu, gib, pods), (host, zone, rack, mut labels), taints, cordoned, images)| {
            labels.extend(host.then(|| (HOSTNAME.to_owned(), String::new())));
            labels.extend(zone.map(|zone| (ZONE.to_owned(), zone)));
            labels.extend(rack.map(|rack| ("rack".to_owned(), rack)));
            Node {
                name: String::new(),
                allocatable: Allocatable {
                    cpu,
                    memory: gib << 30,
                    pods,
                },
                labels,
                unschedulable: cordoned && taints.len() == 1,
                taints,
                images: images.into_iter().map(str::to_owned).collect(),
            }
        },
    )
}

fn taint() -> impl Strategy<Value = Taint> {
    let effects = vec![
        TaintEffect::NoSchedule,
        TaintEffect::PreferNoSchedule,
        TaintEffect::NoExecute,
    ];
    ("[kl]", "[vw]", prop::sample::select(effects)).prop_map(|(key, value, effect)| Taint {
        key,
        value,
        effect,
    })
}

fn toleration() -> impl Strategy<Value = Toleration> {
    let operator =
        prop::sample::select(vec![TolerationOperator::Equal, TolerationOperator::Exists]);
    ("[kl]?", operator, "[vw]").prop_map(|(key, operator, value)| Toleration {
        key,
        operator,
        value,
        ..Toleration::default()
    })
}

fn some_labels() -> impl Strategy<Value = Labels> {
    btree_map("app|tier|hash", "[pq]", 0..3)
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn namespace() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["default", "default", "default", "other"]).prop_map(str::to_owned)
}

fn service() -> impl Strategy<Value = Service> {
    (namespace(), some_labels()).prop_map(|(namespace, selector)| Service {
        namespace,
        selector,
    })
}

fn owner() -> impl Strategy<Value = Owner> {
    prop::sample::select(vec![OwnerKind::ReplicaSet, OwnerKind::StatefulSet]).prop_map(|kind| {
        Owner {
            kind,
            name: "web".to_owned(),
        }
    })
}

fn workload() -> impl Strategy<Value = Workload> {
    (namespace(), owner(), some_labels()).prop_map(|(namespace, owner, match_labels)| Workload {
        namespace,
        owner,
        match_labels,
    })
}

fn template() -> impl Strategy<Value = PodTemplate> {
    let identity = (namespace(), pod_labels(), option::of(owner()));
    let contents = (vec(container(), 1..3), vec(init_container(), 0..2));
    let places = (
        option::weighted(0.1, some_labels()),
        vec(toleration(), 0..3),
        affinity(),
        vec(constraint(), 0..3),
    );
    (identity, contents, places).prop_map(
        |(
            (namespace, labels, owner),
            (containers, init_containers),
            (selector, tolerations, affinity, spread),
        )| {
            PodTemplate {
                namespace,
                labels,
                owner,
                containers,
                init_containers,
                node_selector: selector.unwrap_or_default(),
                tolerations,
                affinity,
                topology_spread_constraints: spread,
                ..PodTemplate::default()
            }
        },
    )
}

pub(super) fn asks(cpu: Option<i64>, mebibytes: Option<i64>) -> ResourceRequirements {
    let requests = ResourceList {
        cpu: cpu.map(Cpu::millis),
        memory: mebibytes.map(Memory::mebibytes),
    };
    ResourceRequirements {
        requests,
        ..ResourceRequirements::default()
    }
}

fn resources() -> impl Strategy<Value = ResourceRequirements> {
    (option::of(0_i64..400), option::of(0_i64..600)).prop_map(|(cpu, memory)| asks(cpu, memory))
}

fn host_ports() -> impl Strategy<Value = Vec<HostPort>> {
    let port = (80_u16..82).prop_map(|port| HostPort {
        port,
        protocol: Protocol::Tcp,
        host_ip: String::new(),
    });
    vec(port, 0..2).prop_map(|ports| if ports.len() == 1 { ports } else { Vec::new() })
}

fn container() -> impl Strategy<Value = Container> {
    let image = option::of(prop::sample::select(vec!["web:v1", "db"]).prop_map(str::to_owned));
    (image, resources(), option::weighted(0.1, host_ports())).prop_map(
        |(image, resources, ports)| Container {
            image,
            resources,
            host_ports: ports.unwrap_or_default(),
        },
    )
}

fn init_container() -> impl Strategy<Value = InitContainer> {
    (container(), any::<bool>()).prop_map(|(container, sidecar)| InitContainer {
        image: container.image,
        resources: container.resources,
        host_ports: container.host_ports,
        sidecar,
    })
}

/// Mostly one label, so that it often selects somebody.
fn label_selector() -> impl Strategy<Value = LabelSelector> {
    let by_app = "[pq]".prop_map(|app| LabelSelector {
        match_labels: labels(&[("app", &app)]),
        ..LabelSelector::default()
    });
    let any =
        (some_labels(), vec(requirement(), 0..2)).prop_map(|(match_labels, match_expressions)| {
            LabelSelector {
                match_labels,
                match_expressions,
            }
        });
    prop_oneof![3 => by_app, 1 => any]
}

fn pod_labels() -> impl Strategy<Value = Labels> {
    (some_labels(), option::weighted(0.8, "[pq]")).prop_map(|(mut labels, app)| {
        labels.extend(app.map(|app| ("app".to_owned(), app)));
        labels
    })
}

fn requirement() -> impl Strategy<Value = LabelRequirement> {
    let operators = vec![
        Operator::In,
        Operator::NotIn,
        Operator::Exists,
        Operator::DoesNotExist,
    ];
    (
        "app|tier|hash|rack",
        prop::sample::select(operators),
        "[pqxy]",
    )
        .prop_map(|(key, operator, value)| {
            let valued = matches!(operator, Operator::In | Operator::NotIn);
            LabelRequirement {
                key,
                operator,
                values: if valued { vec![value] } else { Vec::new() },
            }
        })
}

fn topology_key() -> impl Strategy<Value = String> {
    prop::sample::select(TOPOLOGY_KEYS.to_vec()).prop_map(str::to_owned)
}

fn constraint() -> impl Strategy<Value = TopologySpreadConstraint> {
    let when = prop::sample::select(vec![
        WhenUnsatisfiable::DoNotSchedule,
        WhenUnsatisfiable::ScheduleAnyway,
    ]);
    let policy = || {
        prop::sample::select(vec![
            NodeInclusionPolicy::Honor,
            NodeInclusionPolicy::Ignore,
        ])
    };
    let keys = prop::sample::subsequence(vec!["app".to_owned(), "absent".to_owned()], 0..=2);
    let selector = option::weighted(0.9, label_selector());
    (
        1_i64..4,
        topology_key(),
        when,
        selector,
        option::of(1_i64..4),
        policy(),
        policy(),
        keys,
    )
        .prop_map(
            |(
                max_skew,
                topology_key,
                when_unsatisfiable,
                label_selector,
                min_domains,
                affinity,
                taints,
                keys,
            )| {
                TopologySpreadConstraint {
                    max_skew,
                    topology_key,
                    when_unsatisfiable,
                    label_selector,
                    min_domains,
                    node_affinity_policy: affinity,
                    node_taints_policy: taints,
                    match_label_keys: keys,
                }
            },
        )
}

fn affinity() -> impl Strategy<Value = Affinity> {
    let rare = || option::weighted(0.2, pod_affinity());
    (option::weighted(0.2, node_affinity()), rare(), rare()).prop_map(
        |(node, affinity, anti_affinity)| Affinity {
            node_affinity: node.unwrap_or_default(),
            pod_affinity: affinity.unwrap_or_default(),
            pod_anti_affinity: anti_affinity.unwrap_or_default(),
        },
    )
}

fn node_affinity() -> impl Strategy<Value = NodeAffinity> {
    let required = vec(node_term(), 1..3).prop_map(|node_selector_terms| NodeSelector {
        node_selector_terms,
    });
    let preferred = (1_i64..101, node_term())
        .prop_map(|(weight, preference)| PreferredSchedulingTerm { weight, preference });
    (option::of(required), vec(preferred, 0..3)).prop_map(|(required, preferred)| NodeAffinity {
        required_during_scheduling_ignored_during_execution: required,
        preferred_during_scheduling_ignored_during_execution: preferred,
    })
}

fn node_term() -> impl Strategy<Value = NodeSelectorTerm> {
    let name = "node-[0-6]".prop_map(|name| LabelRequirement {
        key: "metadata.name".to_owned(),
        operator: Operator::In,
        values: vec![name],
    });
    prop_oneof![
        4 => vec(requirement(), 1..3)
            .prop_map(|match_expressions| NodeSelectorTerm { match_expressions, ..NodeSelectorTerm::default() }),
        1 => vec(name, 1..2)
            .prop_map(|match_fields| NodeSelectorTerm { match_fields, ..NodeSelectorTerm::default() }),
    ]
}

fn pod_affinity() -> impl Strategy<Value = PodAffinity> {
    let preferred =
        (1_i64..101, pod_term()).prop_map(|(weight, pod_affinity_term)| WeightedPodAffinityTerm {
            weight,
            pod_affinity_term,
        });
    (vec(pod_term(), 0..3), vec(preferred, 0..3)).prop_map(|(required, preferred)| PodAffinity {
        required_during_scheduling_ignored_during_execution: required,
        preferred_during_scheduling_ignored_during_execution: preferred,
    })
}

fn pod_term() -> impl Strategy<Value = PodAffinityTerm> {
    let namespaces =
        prop::sample::subsequence(vec!["default".to_owned(), "other".to_owned()], 0..=2);
    let team = LabelSelector {
        match_labels: labels(&[("team", "a")]),
        ..LabelSelector::default()
    };
    let selectors = option::weighted(
        0.2,
        prop::sample::select(vec![team, LabelSelector::default()]),
    );
    let keys = || prop::sample::subsequence(vec!["hash".to_owned()], 0..=1);
    (
        option::weighted(0.9, label_selector()),
        topology_key(),
        namespaces,
        selectors,
        keys(),
        keys(),
    )
        .prop_map(
            |(
                label_selector,
                topology_key,
                namespaces,
                namespace_selector,
                match_label_keys,
                mismatch_label_keys,
            )| {
                PodAffinityTerm {
                    label_selector,
                    topology_key,
                    namespaces,
                    namespace_selector,
                    match_label_keys,
                    mismatch_label_keys,
                }
            },
        )
}
