//! What does the scheduler see? Nodes with the pods on them, templates, Services, workloads, namespaces and images.
//!
//! Pods of one template on one node are a count, not a list: a hundred thousand pods cost a few megabytes, and to ask
//! which of them a selector means takes one question per template.

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use crate::cluster::capacity::Allocatable;
use crate::id::{Id, NodeId};

use super::journal::{Change, Journal};
use super::node_tree::NodeTree;
use super::pod::{Amount, Owner, PodTemplate};
use super::selector::{Labels, Selector};
use super::spread::TopologySpreadConstraint;
use super::taint::{Taint, TaintEffect, UNSCHEDULABLE};
use super::template::Template;

/// A pod template of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u32);

/// A node as it registers itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name, unique in the cluster.
    pub name: String,
    /// What pods may use of it.
    pub allocatable: Allocatable,
    /// Its labels; zone and host name are ordinary labels.
    pub labels: Labels,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Cordoned: `spec.unschedulable`.
    pub unschedulable: bool,
    /// The images it holds already, by full name.
    pub images: Vec<String>,
}

/// A node with what lies on it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeState {
    /// The node itself.
    pub node: Node,
    /// The pods on it, terminating ones included, by template.
    pub held: Vec<Held>,
    /// Sum of the pods' requests.
    pub requested: Amount,
    /// Sum of the pods' requests with missing ones assumed.
    pub assumed: Amount,
    /// How many pods lie on it.
    pub pods: u32,
    /// False once the node has left the cluster.
    pub alive: bool,
}

/// Pods of one template on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Their template.
    pub template: TemplateId,
    /// How many that nobody has deleted.
    pub running: u32,
    /// How many that are being deleted: they hold resources and keep company, but spreading does not count them.
    pub terminating: u32,
}

impl Held {
    /// Running and terminating ones.
    pub fn all(&self) -> u32 {
        self.running + self.terminating
    }
}

/// A Service, as far as spreading is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// The labels it selects pods by; empty selects none.
    pub selector: Labels,
}

/// A ReplicaSet or StatefulSet, as far as spreading is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its kind and name.
    pub owner: Owner,
    /// The labels it selects its pods by, `pod-template-hash` included for a ReplicaSet of a Deployment.
    pub match_labels: Labels,
}

/// Everything the scheduler looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    nodes: Vec<NodeState>,
    tree: NodeTree,
    order: Order,
    templates: Vec<Template>,
    services: Vec<Service>,
    workloads: Vec<Workload>,
    namespaces: BTreeMap<String, Labels>,
    image_bytes: BTreeMap<String, i64>,
    image_nodes: BTreeMap<String, u32>,
    default_constraints: Option<Vec<TopologySpreadConstraint>>,
    epoch: u64,
    journal: Journal,
}

/// The nodes in the order of examination, listed from the tree when it is asked for: two lists differ only where two trees do.
#[derive(Clone, Debug, Default)]
struct Order(OnceLock<Vec<NodeId>>);

impl PartialEq for Order {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Snapshot {
    /// An empty cluster with the namespace `default`.
    ///
    /// `default_constraints` are what pods without constraints get instead of the scheduler's own.
    pub fn new(default_constraints: Option<Vec<TopologySpreadConstraint>>) -> Self {
        let mut snapshot = Self {
            nodes: Vec::new(),
            tree: NodeTree::default(),
            order: Order::default(),
            templates: Vec::new(),
            services: Vec::new(),
            workloads: Vec::new(),
            namespaces: BTreeMap::new(),
            image_bytes: BTreeMap::new(),
            image_nodes: BTreeMap::new(),
            default_constraints,
            epoch: 0,
            journal: Journal::default(),
        };
        snapshot.set_namespace("default", Labels::new());
        snapshot
    }

    /// Adds a node. Its position in the order of examination follows from its zone.
    pub fn add_node(&mut self, node: Node) -> NodeId {
        let index = NodeId::from_index(self.nodes.len());
        for image in &node.images {
            *self.image_nodes.entry(image.clone()).or_default() += 1;
        }
        self.tree.add(&node.labels, index);
        let (requested, assumed) = (Amount::default(), Amount::default());
        self.nodes.push(NodeState {
            node,
            held: Vec::new(),
            requested,
            assumed,
            pods: 0,
            alive: true,
        });
        self.order.0.take();
        self.epoch += 1;
        index
    }

    /// Takes a node out of the cluster, with the pods on it.
    pub fn remove_node(&mut self, index: NodeId) {
        let state = &mut self.nodes[index.index()];
        if !state.alive {
            return;
        }
        state.alive = false;
        (state.held, state.pods) = (Vec::new(), 0);
        (state.requested, state.assumed) = (Amount::default(), Amount::default());
        for image in &state.node.images {
            *self
                .image_nodes
                .get_mut(image)
                .expect("counted when the node was added") -= 1;
        }
        self.tree.remove(index);
        self.order.0.take();
        self.epoch += 1;
    }

    /// Changes a node's taints, labels' values or cordon. The zone and region labels and the images stay as they are.
    pub fn change_node(&mut self, index: NodeId, change: impl FnOnce(&mut Node)) {
        change(&mut self.nodes[index.index()].node);
        self.epoch += 1;
    }

    /// Cordons a node, as `kubectl cordon` and the node controller do: no new pods, and the taint that says so.
    pub fn cordon(&mut self, index: NodeId) {
        self.change_node(index, |node| {
            let tainted = node.taints.iter().any(|taint| taint.key == UNSCHEDULABLE);
            node.unschedulable = true;
            if !tainted {
                let (key, value) = (UNSCHEDULABLE.to_owned(), String::new());
                node.taints.push(Taint {
                    key,
                    value,
                    effect: TaintEffect::NoSchedule,
                });
            }
        });
    }

    /// Takes the cordon back.
    pub fn uncordon(&mut self, index: NodeId) {
        self.change_node(index, |node| {
            node.unschedulable = false;
            node.taints.retain(|taint| taint.key != UNSCHEDULABLE);
        });
    }

    /// Makes a template known. Giving the same one twice makes two, which behave alike.
    pub fn add_template(&mut self, pod: PodTemplate) -> TemplateId {
        let id =
            TemplateId(u32::try_from(self.templates.len()).expect("fewer than 2^32 templates"));
        self.templates.push(Template::new(pod));
        id
    }

    /// Adds a Service.
    pub fn add_service(&mut self, service: Service) {
        self.services.push(service);
        self.epoch += 1;
    }

    /// Adds a ReplicaSet or StatefulSet.
    pub fn add_workload(&mut self, workload: Workload) {
        self.workloads.push(workload);
        self.epoch += 1;
    }

    /// Names a namespace and its labels; the label with its name is added, as the API server does.
    pub fn set_namespace(&mut self, name: &str, mut labels: Labels) {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
        self.namespaces.insert(name.to_owned(), labels);
        self.epoch += 1;
    }

    /// Says how large an image is, in bytes.
    pub fn set_image(&mut self, name: &str, bytes: i64) {
        self.image_bytes.insert(name.to_owned(), bytes);
        self.epoch += 1;
    }

    /// Puts a pod on a node, whether it fits or not.
    pub fn bind(&mut self, template: TemplateId, node: NodeId) {
        self.held(template, node).running += 1;
        self.account(template, node, 1);
        self.journal.enter(Change {
            template,
            node,
            running: 1,
            all: 1,
        });
    }

    /// Begins the deletion of a running pod.
    ///
    /// # Panics
    ///
    /// When no pod of the template runs there.
    pub fn terminate(&mut self, template: TemplateId, node: NodeId) {
        let held = self.held(template, node);
        assert!(held.running > 0, "a pod that terminates was running");
        held.running -= 1;
        held.terminating += 1;
        self.journal.enter(Change {
            template,
            node,
            running: -1,
            all: 0,
        });
    }

    /// Removes a pod, a terminating one if there is one. Says whether it was terminating.
    ///
    /// # Panics
    ///
    /// When no pod of the template lies there.
    pub fn remove(&mut self, template: TemplateId, node: NodeId) -> bool {
        let held = self.held(template, node);
        assert!(held.all() > 0, "a pod that is removed was there");
        let terminating = held.terminating > 0;
        let count = if terminating {
            &mut held.terminating
        } else {
            &mut held.running
        };
        *count -= 1;
        self.account(template, node, -1);
        self.journal.enter(Change {
            template,
            node,
            running: if terminating { 0 } else { -1 },
            all: -1,
        });
        self.nodes[node.index()].held.retain(|held| held.all() > 0);
        terminating
    }

    fn held(&mut self, template: TemplateId, node: NodeId) -> &mut Held {
        let state = &mut self.nodes[node.index()];
        assert!(state.alive, "pods lie on nodes of the cluster");
        let held = &mut state.held;
        let at = held
            .iter()
            .position(|held| held.template == template)
            .unwrap_or_else(|| {
                held.push(Held {
                    template,
                    running: 0,
                    terminating: 0,
                });
                held.len() - 1
            });
        &mut held[at]
    }

    fn account(&mut self, template: TemplateId, node: NodeId, count: i64) {
        let template = &self.templates[template.0 as usize];
        let state = &mut self.nodes[node.index()];
        state.requested += template.requests.times(count);
        state.assumed += template.assumed.times(count);
        state.pods = state
            .pods
            .checked_add_signed(count as i32)
            .expect("pods removed were added");
    }

    /// The node at this index, with what lies on it.
    pub fn node(&self, index: NodeId) -> &NodeState {
        &self.nodes[index.index()]
    }

    /// All nodes ever added, those that have left included, by index.
    pub fn all_nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    /// The nodes of the cluster in the order in which the scheduler examines them.
    pub fn order(&self) -> &[NodeId] {
        self.order.0.get_or_init(|| self.tree.list())
    }

    /// The nodes of the cluster with their indices, in the order in which the scheduler examines them.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeState)> {
        self.order().iter().map(|&index| (index, self.node(index)))
    }

    /// The template of this id.
    pub fn template(&self, id: TemplateId) -> &Template {
        &self.templates[id.0 as usize]
    }

    /// All templates, by id.
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The labels of a namespace; none when nobody named it.
    pub fn namespace_labels(&self, name: &str) -> &Labels {
        static NONE: Labels = Labels::new();
        self.namespaces.get(name).unwrap_or(&NONE)
    }

    /// An image's size in bytes and the number of nodes that hold it, by full name.
    pub fn image(&self, name: &str) -> (i64, u32) {
        let count = |map: &BTreeMap<String, u32>| map.get(name).copied().unwrap_or(0);
        (
            self.image_bytes.get(name).copied().unwrap_or(0),
            count(&self.image_nodes),
        )
    }

    /// What pods without constraints get instead of the scheduler's own constraints.
    pub fn default_constraints(&self) -> Option<&[TopologySpreadConstraint]> {
        self.default_constraints.as_deref()
    }

    /// Rises with every change but those of pods: whatever was derived from nodes, Services or workloads is then stale.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Which pods came and went lately.
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The selector of the built-in spread constraints: the labels of all Services that select the pod, and the
    /// selector of the workload that owns it.
    ///
    /// Source: kube-scheduler 1.34 `plugins/helper/spread.go`, `DefaultSelector`.
    pub fn default_selector(&self, pod: &PodTemplate) -> Selector {
        let mut selector = Selector::All(Vec::new());
        let mut merged = Labels::new();
        let selects = |service: &&Service| {
            let carried = |(key, value)| pod.labels.get(key) == Some(value);
            service.namespace == pod.namespace && service.selector.iter().all(carried)
        };
        for service in self.services.iter().filter(selects) {
            merged.extend(service.selector.clone());
        }
        selector.and_labels(&merged);
        let owns = |workload: &&Workload| {
            workload.namespace == pod.namespace && Some(&workload.owner) == pod.owner.as_ref()
        };
        if let Some(workload) = self.workloads.iter().find(owns) {
            selector.and_labels(&workload.match_labels);
        }
        selector
    }
}
