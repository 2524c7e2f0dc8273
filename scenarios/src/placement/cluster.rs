//! What does the scheduler see of a scenario? Nodes, what occupies them, Services, and a template for each deployment.

use sim_models::cluster::capacity::{Allocatable, InstanceType, TypeName};
use sim_models::cluster::topology::Node as ClusterNode;
use sim_models::id::{Arena, Id, NodeId};
use sim_models::placement::filter;
use sim_models::placement::pod::{ResourceList, ResourceRequirements};
use sim_models::placement::quantity::{Cpu, Memory};
use sim_models::placement::score::image_locality::full_name;
use sim_models::placement::selector::Labels;
use sim_models::placement::snapshot::{Service, Snapshot};
use sim_models::placement::spread::{HOSTNAME, ZONE};
use sim_models::placement::taint::{TaintEffect, Toleration, TolerationOperator};
use sim_models::placement::{Container, Node, PodTemplate, Revisions, Scheduler, TemplateId};

use crate::lower;
use crate::named::Named;
use crate::scenario::{Deployment, Lost, NodeGroup, Scenario};

/// A scenario as the scheduler sees it before the first deployment is there.
#[derive(Clone, Debug)]
pub struct Cluster<'a> {
    pub(super) deployments: &'a Named<Deployment>,
    pub(super) seed: u64,
    /// The pods of each deployment: their first revision.
    pub(super) revisions: Vec<Revisions>,
    /// The nodes, with base load and DaemonSets on them.
    pub(super) scheduler: Scheduler,
    /// The nodes that were lost after the pods had been placed.
    pub(super) lost: Vec<(NodeId, Lost)>,
}

impl<'a> Cluster<'a> {
    /// The cluster of a scenario in which no rule found an error.
    pub fn of(scenario: &'a Scenario) -> Self {
        let mut scheduler = scheduler(scenario, &lower::nodes(scenario));
        describe(scenario, &mut scheduler);
        occupy(scenario, &mut scheduler);
        add_services(scenario, &mut scheduler);
        let deployments = &scenario.deployments;
        let revisions = deployments
            .iter()
            .map(|(name, deployment)| revisions(name, deployment, scheduler.cluster_mut()))
            .collect();
        Self {
            deployments,
            seed: scenario.seed,
            revisions,
            scheduler,
            lost: lost(scenario),
        }
    }

    /// The deployments, in the order of the file.
    pub fn deployments(&self) -> &'a Named<Deployment> {
        self.deployments
    }

    /// The scheduler before the first deployment is there.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    /// The pods of a deployment, by its position in the file.
    ///
    /// # Panics
    ///
    /// When there are not so many deployments.
    pub fn template(&self, deployment: usize) -> TemplateId {
        self.revisions[deployment].latest()
    }

    /// The nodes that pods of a deployment could go to if they were empty, by taints, node selector and node affinity. Lost nodes
    /// are not among them.
    ///
    /// # Panics
    ///
    /// When there are not so many deployments.
    pub fn admitting(&self, deployment: usize) -> Vec<NodeId> {
        let cluster = self.scheduler.cluster();
        let pod = cluster.template(self.template(deployment));
        let lost = |node: NodeId| self.lost.iter().any(|&(other, _)| other == node);
        let admits =
            |&node: &NodeId| !lost(node) && filter::check_node(pod, cluster.node(node)).is_ok();
        (0..cluster.all_nodes().len())
            .map(NodeId::from_index)
            .filter(admits)
            .collect()
    }
}

/// The nodes of groups that were lost.
fn lost(scenario: &Scenario) -> Vec<(NodeId, Lost)> {
    let groups = scenario.cluster.node_groups.values();
    let of_node = groups.flat_map(|group| (0..group.count.get()).map(move |_| group.lost));
    let nodes = of_node
        .enumerate()
        .map(|(node, lost)| Some((NodeId::from_index(node), lost?)));
    nodes.flatten().collect()
}

/// A scheduler that sees the nodes.
fn scheduler(scenario: &Scenario, nodes: &Arena<NodeId, ClusterNode>) -> Scheduler {
    let mut scheduler = Scheduler::new(scenario.cluster.scheduler.clone());
    let groups = scenario.cluster.node_groups.values();
    let group_of = groups.flat_map(|group| (0..group.count.get()).map(move |_| group));
    for (node, group) in nodes.iter().zip(group_of) {
        let mut labels = group.labels.clone();
        labels.insert(HOSTNAME.to_owned(), node.name.clone());
        if group.zone_label {
            let zone = scenario.cluster.zones[node.zone.index()].clone();
            labels.insert(ZONE.to_owned(), zone);
        }
        scheduler.cluster_mut().add_node(Node {
            name: node.name.clone(),
            allocatable: allocatable(group),
            labels,
            taints: group.taints.clone(),
            images: group.images.iter().map(|image| full_name(image)).collect(),
            ..Node::default()
        });
    }
    scheduler
}

/// Says what images weigh and which labels namespaces carry.
fn describe(scenario: &Scenario, scheduler: &mut Scheduler) {
    let cluster = scheduler.cluster_mut();
    for (name, size) in &scenario.cluster.images {
        cluster.set_image(&full_name(name), size.as_bytes());
    }
    for (name, labels) in &scenario.cluster.namespaces {
        cluster.set_namespace(name, labels.clone());
    }
}

/// Puts what is there before the first deployment on the nodes: base load and DaemonSets.
fn occupy(scenario: &Scenario, scheduler: &mut Scheduler) {
    let cluster = scheduler.cluster_mut();
    let nodes: Vec<NodeId> = (0..cluster.all_nodes().len())
        .map(NodeId::from_index)
        .collect();
    let mut first = 0;
    for group in scenario.cluster.node_groups.values() {
        for (load, &node) in group.base_load.iter().zip(&nodes[first..]) {
            let template = cluster.add_template(occupier(exactly(load)));
            cluster.bind(template, node);
        }
        first += group.count.get() as usize;
    }
    for set in scenario.cluster.daemon_sets.values() {
        let template = cluster.add_template(PodTemplate {
            node_selector: set.node_selector.clone(),
            tolerations: set
                .tolerations
                .iter()
                .cloned()
                .chain(daemon_tolerations())
                .collect(),
            ..occupier(set.resources)
        });
        for &node in &nodes {
            let (pod, state) = (cluster.template(template), cluster.node(node));
            let admitted = filter::check_node(pod, state).is_ok();
            if admitted && filter::check_room(cluster, pod, state).is_ok() {
                cluster.bind(template, node);
            }
        }
    }
}

/// A pod that only takes room.
fn occupier(resources: ResourceRequirements) -> PodTemplate {
    PodTemplate {
        containers: vec![Container {
            resources,
            ..Container::default()
        }],
        ..PodTemplate::default()
    }
}

/// Requests of exactly this: what is not mentioned is 0, and no score assumes anything for it.
fn exactly(load: &ResourceList) -> ResourceRequirements {
    ResourceRequirements {
        requests: ResourceList {
            cpu: Some(load.cpu.unwrap_or_default()),
            memory: Some(load.memory.unwrap_or_default()),
        },
        ..ResourceRequirements::default()
    }
}

/// What every DaemonSet accepts.
///
/// Source: Kubernetes 1.34 `controller/daemon/util`, `AddOrUpdateDaemonPodTolerations`.
fn daemon_tolerations() -> impl Iterator<Item = Toleration> {
    let accepts = |(key, effect): (&str, TaintEffect)| Toleration {
        key: format!("node.kubernetes.io/{key}"),
        operator: TolerationOperator::Exists,
        effect: Some(effect),
        ..Toleration::default()
    };
    [
        ("not-ready", TaintEffect::NoExecute),
        ("unreachable", TaintEffect::NoExecute),
        ("disk-pressure", TaintEffect::NoSchedule),
        ("memory-pressure", TaintEffect::NoSchedule),
        ("pid-pressure", TaintEffect::NoSchedule),
        ("unschedulable", TaintEffect::NoSchedule),
    ]
    .into_iter()
    .map(accepts)
}

/// What pods may use of each node of a group: what the file says, else what the instance type has.
fn allocatable(group: &NodeGroup) -> Allocatable {
    let max_pods = group.max_pods.map(std::num::NonZeroU32::get);
    let of_type =
        |known: &InstanceType| known.allocatable_for(max_pods.unwrap_or(known.max_pods()));
    let known = group.instance_type.as_ref().map(TypeName::instance_type);
    let room = known.map_or(Allocatable::UNLIMITED, of_type);
    Allocatable {
        cpu: group.cpu.map_or(room.cpu, Cpu::as_millis),
        memory: group.memory.map_or(room.memory, Memory::as_bytes),
        pods: max_pods.unwrap_or(room.pods),
    }
}

/// The labels that a Service selects the pods of a deployment by.
fn own_labels(name: &str) -> Labels {
    Labels::from([("app".to_owned(), name.to_owned())])
}

/// Every Service, in the namespace of the deployment that it selects.
fn add_services(scenario: &Scenario, scheduler: &mut Scheduler) {
    for service in scenario.services.values() {
        let selected = scenario.deployments.get(&service.selects);
        let namespace = selected.map(|deployment| deployment.namespace.clone());
        scheduler.cluster_mut().add_service(Service {
            namespace: namespace.expect("the rule on dangling names saw this deployment"),
            selector: own_labels(&service.selects),
        });
    }
}

/// The pods of a deployment, in their first revision.
fn revisions(name: &str, deployment: &Deployment, cluster: &mut Snapshot) -> Revisions {
    let own = own_labels(name);
    let mut labels = deployment.labels.clone();
    labels.extend(own.clone());
    let constraints = deployment.topology_spread_constraints.iter().cloned();
    let pod = PodTemplate {
        namespace: deployment.namespace.clone(),
        labels,
        owner: None,
        containers: vec![Container {
            image: deployment.image.clone(),
            resources: deployment.resources,
            host_ports: deployment.host_ports.clone(),
        }],
        init_containers: deployment.init_containers.clone(),
        node_name: None,
        node_selector: deployment.node_selector.clone(),
        tolerations: deployment.tolerations.clone(),
        affinity: deployment.affinity.clone(),
        topology_spread_constraints: constraints.map(|one| one.counting_own(&own)).collect(),
        priority: deployment.priority,
    };
    Revisions::first(name, pod, own, cluster)
}
