//! Which pod runs on which node: by hand where the file says so, else as kube-scheduler places it.

use sim_core::Streams;
use sim_models::cluster::capacity::{Allocatable, InstanceType, TypeName};
use sim_models::cluster::topology::Node as ClusterNode;
use sim_models::id::{Arena, Id, NodeId};
use sim_models::placement::filter;
use sim_models::placement::pod::{Owner, OwnerKind, ResourceList, ResourceRequirements};
use sim_models::placement::quantity::{Cpu, Memory};
use sim_models::placement::selector::Labels;
use sim_models::placement::snapshot::{Service, Workload};
use sim_models::placement::spread::{HOSTNAME, ZONE};
use sim_models::placement::taint::{TaintEffect, Toleration, TolerationOperator};
use sim_models::placement::{Container, Node, PodTemplate, Scheduler, TemplateId, Unschedulable};
use sim_models::streams::PLACEMENT;

use crate::scenario::{Deployment, NodeGroup, Scenario};

/// Where the pods of one deployment land.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    /// The nodes of the pods that were placed, in the order of the pods.
    pub(crate) on: Vec<NodeId>,
    /// How many pods stay Pending, and why.
    pub(crate) pending: Option<(u32, Unschedulable)>,
}

/// Places deployment after deployment, in the order of the file.
///
/// Ties are drawn from the scenario's seed, so a placement is the same in every replication and in every alternative that does
/// not change what the scheduler sees.
pub(super) fn place(scenario: &Scenario, nodes: &Arena<NodeId, ClusterNode>) -> Vec<Placement> {
    let streams = Streams::new(scenario.seed, 0);
    let mut scheduler = scheduler(scenario, nodes);
    occupy(scenario, &mut scheduler);
    let mut placements = Vec::with_capacity(scenario.deployments.len());
    for (index, (name, deployment)) in scenario.deployments.iter().enumerate() {
        let template = template(scenario, name, deployment, &mut scheduler);
        placements.push(match &deployment.placement {
            Some(pods) => by_hand(pods, template, &mut scheduler),
            None => {
                let tie = |replica: u32, choices: u32| {
                    streams
                        .nth(PLACEMENT, index as u64, u64::from(replica))
                        .below(choices)
                };
                let placed = scheduler.place(template, deployment.replicas.get(), tie);
                Placement {
                    on: placed.nodes,
                    pending: placed.pending,
                }
            }
        });
    }
    placements
}

/// Puts the pods where the file says, whether they fit or not.
fn by_hand(pods: &[u32], template: TemplateId, scheduler: &mut Scheduler) -> Placement {
    let on_node = |(node, &pods): (usize, &u32)| (0..pods).map(move |_| NodeId::from_index(node));
    let on: Vec<NodeId> = pods.iter().enumerate().flat_map(on_node).collect();
    for &node in &on {
        scheduler.cluster_mut().bind(template, node);
    }
    Placement { on, pending: None }
}

/// A scheduler that sees the nodes.
fn scheduler(scenario: &Scenario, nodes: &Arena<NodeId, ClusterNode>) -> Scheduler {
    let mut scheduler = Scheduler::new(scenario.cluster.scheduler.clone());
    let groups = scenario.cluster.node_groups.values();
    let group_of = groups.flat_map(|group| (0..group.count.get()).map(move |_| group));
    for (node, group) in nodes.iter().zip(group_of) {
        let mut labels = group.labels.clone();
        labels.insert(HOSTNAME.to_owned(), node.name.clone());
        let zone = scenario.cluster.zones[node.zone.index()].clone();
        labels.insert(ZONE.to_owned(), zone);
        scheduler.cluster_mut().add_node(Node {
            name: node.name.clone(),
            allocatable: allocatable(group),
            labels,
            taints: group.taints.clone(),
            ..Node::default()
        });
    }
    scheduler
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

/// Room for everything: more than any pods can ask for, and few enough bits that scores can be computed.
const UNLIMITED: Allocatable = Allocatable {
    cpu: 1 << 40,
    memory: 1 << 50,
    pods: u32::MAX,
};

/// What pods may use of each node of a group: what the file says, else what the instance type has.
fn allocatable(group: &NodeGroup) -> Allocatable {
    let max_pods = group.max_pods.map(std::num::NonZeroU32::get);
    let of_type =
        |known: &InstanceType| known.allocatable_for(max_pods.unwrap_or(known.max_pods()));
    let known = group.instance_type.as_ref().map(TypeName::instance_type);
    let room = known.map_or(UNLIMITED, of_type);
    Allocatable {
        cpu: group.cpu.map_or(room.cpu, Cpu::as_millis),
        memory: group.memory.map_or(room.memory, Memory::as_bytes),
        pods: max_pods.unwrap_or(room.pods),
    }
}

/// The pods of a deployment as the scheduler sees them: a ReplicaSet's, and behind every Service that selects them.
fn template(
    scenario: &Scenario,
    name: &str,
    deployment: &Deployment,
    scheduler: &mut Scheduler,
) -> TemplateId {
    let namespace = || "default".to_owned();
    let own = Labels::from([("app".to_owned(), name.to_owned())]);
    let mut labels = own.clone();
    labels.insert("pod-template-hash".to_owned(), "1".to_owned());
    let owner = Owner {
        kind: OwnerKind::ReplicaSet,
        name: name.to_owned(),
    };
    let cluster = scheduler.cluster_mut();
    cluster.add_workload(Workload {
        namespace: namespace(),
        owner: owner.clone(),
        match_labels: labels.clone(),
    });
    let mut services = scenario.services.values();
    if services.any(|service| service.selects == name) {
        cluster.add_service(Service {
            namespace: namespace(),
            selector: own.clone(),
        });
    }
    let constraints = deployment.topology_spread_constraints.iter().cloned();
    cluster.add_template(PodTemplate {
        namespace: namespace(),
        labels,
        owner: Some(owner),
        containers: vec![Container {
            resources: deployment.resources,
            ..Container::default()
        }],
        node_selector: deployment.node_selector.clone(),
        tolerations: deployment.tolerations.clone(),
        affinity: deployment.affinity.clone(),
        topology_spread_constraints: constraints.map(|one| one.counting_own(&own)).collect(),
        ..PodTemplate::default()
    })
}
