//! The format of the recordings, and how it becomes the model's.
//!
//! Parts in Kubernetes API form are read into the model's own types: these bear Kubernetes' names in snake case, so the
//! keys are rewritten from camel case and the rest is the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sim_models::placement::affinity::Affinity;
use sim_models::placement::pod::{
    HostPort, InitContainer, Owner, OwnerKind, Protocol, ResourceList, ResourceRequirements,
};
use sim_models::placement::quantity::{Cpu, Memory};
use sim_models::placement::score::Weights;
use sim_models::placement::selector::Labels;
use sim_models::placement::snapshot::{self, Allocatable};
use sim_models::placement::taint::{Taint, Toleration};
use sim_models::placement::{Config, Container, PodTemplate, Tie, TopologySpreadConstraint};

#[derive(Deserialize)]
pub(super) struct Header {
    weights: BTreeMap<String, u32>,
    config: String,
}

impl Header {
    /// The configuration that the file states.
    pub(super) fn config(&self) -> Config {
        let weight = |plugin: &str| self.weights[plugin];
        let percentage = self
            .config
            .split_once("percentageOfNodesToScore=")
            .map_or("0", |(_, rest)| rest);
        let digits = percentage
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or("0");
        Config {
            percentage_of_nodes_to_score: digits.parse().expect("a percentage"),
            weights: Weights {
                taint_toleration: weight("TaintToleration"),
                node_affinity: weight("NodeAffinity"),
                pod_topology_spread: weight("PodTopologySpread"),
                inter_pod_affinity: weight("InterPodAffinity"),
                node_resources_fit: weight("NodeResourcesFit"),
                node_resources_balanced_allocation: weight("NodeResourcesBalancedAllocation"),
                image_locality: weight("ImageLocality"),
            },
            ..Config::default()
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Steps {
    #[serde(flatten)]
    pub(super) header: Header,
    pub(super) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(super) struct Sequences {
    #[serde(flatten)]
    pub(super) header: Header,
    pub(super) sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) cluster: Cluster,
    pub(super) pod: String,
    pub(super) expect: Expected,
}

#[derive(Deserialize)]
pub(super) struct Sequence {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) cluster: Cluster,
    #[serde(rename = "pickRule")]
    pub(super) pick_rule: PickRule,
    pub(super) steps: Vec<Step>,
    pub(super) pending: u32,
    #[serde(rename = "final")]
    pub(super) outcome: BTreeMap<String, BTreeMap<String, u32>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PickRule {
    First,
    Last,
}

impl PickRule {
    pub(super) fn to_model(self) -> Tie {
        match self {
            Self::First => Tie::First,
            Self::Last => Tie::Last,
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub(super) enum Step {
    Schedule {
        template: String,
        expect: Expected,
        pick: Option<String>,
    },
    Delete {
        template: String,
        node: String,
    },
    Terminate {
        template: String,
        node: String,
    },
    Cordon {
        node: String,
    },
    Uncordon {
        node: String,
    },
}

#[derive(Deserialize)]
pub(super) struct Expected {
    pub(super) feasible: BTreeSet<String>,
    #[serde(default)]
    pub(super) rejected: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) plugins: Vec<String>,
    #[serde(default)]
    pub(super) scores: BTreeMap<String, Vec<i64>>,
    pub(super) argmax: BTreeSet<String>,
}

#[derive(Deserialize)]
pub(super) struct Cluster {
    #[serde(default)]
    pub(super) namespaces: BTreeMap<String, Labels>,
    #[serde(default)]
    pub(super) images: BTreeMap<String, i64>,
    pub(super) nodes: Vec<Node>,
    #[serde(default)]
    pub(super) services: Vec<Service>,
    #[serde(default)]
    pub(super) workloads: Vec<Workload>,
    pub(super) templates: BTreeMap<String, Template>,
    #[serde(default)]
    pub(super) existing: Vec<Existing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    pub(super) name: String,
    cpu: i64,
    mem: i64,
    pods: u32,
    #[serde(default)]
    labels: Labels,
    #[serde(default, deserialize_with = "kubernetes")]
    taints: Vec<Taint>,
    #[serde(default)]
    unschedulable: bool,
    #[serde(default)]
    images: Vec<String>,
}

impl Node {
    pub(super) fn to_model(&self) -> snapshot::Node {
        snapshot::Node {
            name: self.name.clone(),
            allocatable: Allocatable {
                cpu: self.cpu,
                memory: self.mem,
                pods: self.pods,
            },
            labels: self.labels.clone(),
            taints: self.taints.clone(),
            unschedulable: self.unschedulable,
            images: self.images.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    namespace: String,
    #[serde(rename = "name")]
    _name: String,
    #[serde(default)]
    selector: Labels,
}

impl Service {
    pub(super) fn to_model(&self) -> snapshot::Service {
        snapshot::Service {
            namespace: self.namespace.clone(),
            selector: self.selector.clone(),
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
enum Kind {
    ReplicaSet,
    StatefulSet,
}

impl Kind {
    fn to_model(self) -> OwnerKind {
        match self {
            Self::ReplicaSet => OwnerKind::ReplicaSet,
            Self::StatefulSet => OwnerKind::StatefulSet,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Workload {
    kind: Kind,
    namespace: String,
    name: String,
    #[serde(default)]
    match_labels: Labels,
}

impl Workload {
    pub(super) fn to_model(&self) -> snapshot::Workload {
        snapshot::Workload {
            namespace: self.namespace.clone(),
            owner: Owner {
                kind: self.kind.to_model(),
                name: self.name.clone(),
            },
            match_labels: self.match_labels.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Existing {
    pub(super) template: String,
    pub(super) node: String,
    #[serde(default = "one")]
    pub(super) count: u32,
    #[serde(default)]
    pub(super) terminating: bool,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Template {
    namespace: String,
    #[serde(default)]
    labels: Labels,
    owner: Option<OwnerReference>,
    #[serde(default)]
    containers: Vec<RecordedContainer>,
    #[serde(default)]
    init_containers: Vec<RecordedContainer>,
    #[serde(default)]
    node_selector: Labels,
    #[serde(default, deserialize_with = "kubernetes")]
    tolerations: Vec<Toleration>,
    #[serde(default, deserialize_with = "kubernetes")]
    affinity: Affinity,
    #[serde(default, deserialize_with = "kubernetes")]
    topology_spread_constraints: Vec<TopologySpreadConstraint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnerReference {
    kind: Kind,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RecordedContainer {
    cpu: Option<i64>,
    mem: Option<i64>,
    image: Option<String>,
    #[serde(default)]
    host_ports: Vec<u16>,
    #[serde(default)]
    sidecar: bool,
}

impl RecordedContainer {
    fn resources(&self) -> ResourceRequirements {
        let requests = ResourceList {
            cpu: self.cpu.map(Cpu::millis),
            memory: self.mem.map(Memory::bytes),
        };
        ResourceRequirements {
            requests,
            ..ResourceRequirements::default()
        }
    }

    fn host_ports(&self) -> Vec<HostPort> {
        let taken = |&port| HostPort {
            port,
            protocol: Protocol::Tcp,
            host_ip: String::new(),
        };
        self.host_ports.iter().map(taken).collect()
    }

    fn to_container(&self) -> Container {
        Container {
            image: self.image.clone(),
            resources: self.resources(),
            host_ports: self.host_ports(),
        }
    }

    fn to_init_container(&self) -> InitContainer {
        let Container {
            image,
            resources,
            host_ports,
        } = self.to_container();
        InitContainer {
            image,
            resources,
            host_ports,
            sidecar: self.sidecar,
        }
    }
}

impl Template {
    pub(super) fn to_model(&self) -> PodTemplate {
        let owner = |owner: &OwnerReference| Owner {
            kind: owner.kind.to_model(),
            name: owner.name.clone(),
        };
        PodTemplate {
            namespace: self.namespace.clone(),
            labels: self.labels.clone(),
            owner: self.owner.as_ref().map(owner),
            containers: self
                .containers
                .iter()
                .map(RecordedContainer::to_container)
                .collect(),
            init_containers: self
                .init_containers
                .iter()
                .map(RecordedContainer::to_init_container)
                .collect(),
            node_selector: self.node_selector.clone(),
            tolerations: self.tolerations.clone(),
            affinity: self.affinity.clone(),
            topology_spread_constraints: self.topology_spread_constraints.clone(),
            ..PodTemplate::default()
        }
    }
}

/// Reads a part in Kubernetes API form.
fn kubernetes<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    let mut value = Value::deserialize(deserializer)?;
    snake_case(&mut value);
    serde_json::from_value(value).map_err(serde::de::Error::custom)
}

/// Rewrites the keys of fields; those of label maps are the user's own.
fn snake_case(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(snake_case),
        Value::Object(fields) => {
            for (key, mut inner) in std::mem::take(fields) {
                if key != "matchLabels" {
                    snake_case(&mut inner);
                }
                fields.insert(snake(&key), inner);
            }
        }
        _ => {}
    }
}

fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
