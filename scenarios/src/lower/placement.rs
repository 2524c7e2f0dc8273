//! Which pod runs on which node: by hand where the file says so, else as kube-scheduler places it.

use sim_core::Streams;
use sim_models::cluster::topology::Node as ClusterNode;
use sim_models::id::{Arena, Id, NodeId};
use sim_models::placement::pod::{Owner, OwnerKind};
use sim_models::placement::snapshot::{Allocatable, Service, Workload};
use sim_models::placement::{Config, Container, Node, PodTemplate, Scheduler, TemplateId};
use sim_models::streams::PLACEMENT;

use crate::scenario::Scenario;

/// The nodes of each deployment's pods, deployment after deployment.
///
/// The scheduler sees nodes that never fill up, because resources are not modelled yet; what remains is how it spreads. Ties
/// are drawn from the scenario's seed, so a placement is the same in every replication and in every alternative that does not
/// change what the scheduler sees.
pub(super) fn place(scenario: &Scenario, nodes: &Arena<NodeId, ClusterNode>) -> Vec<Vec<NodeId>> {
    let streams = Streams::new(scenario.seed, 0);
    let mut scheduler = scheduler(scenario, nodes);
    let mut placed = Vec::with_capacity(scenario.deployments.len());
    for (index, (name, deployment)) in scenario.deployments.iter().enumerate() {
        let template = template(scenario, name, &mut scheduler);
        let on: Vec<NodeId> = match &deployment.placement {
            Some(counts) => {
                let by_hand = counts.iter().enumerate();
                by_hand
                    .flat_map(|(node, &pods)| (0..pods).map(move |_| NodeId::from_index(node)))
                    .collect()
            }
            None => {
                let tie = |replica: u32, choices: u32| {
                    streams
                        .nth(PLACEMENT, index as u64, u64::from(replica))
                        .below(choices)
                };
                let placed = scheduler.place(template, deployment.replicas.get(), tie);
                assert!(
                    placed.pending.is_none(),
                    "nodes without limits take every pod"
                );
                placed.nodes
            }
        };
        if deployment.placement.is_some() {
            for &node in &on {
                scheduler.cluster_mut().bind(template, node);
            }
        }
        placed.push(on);
    }
    placed
}

/// A scheduler that sees the nodes with their zones and names.
fn scheduler(scenario: &Scenario, nodes: &Arena<NodeId, ClusterNode>) -> Scheduler {
    let mut scheduler = Scheduler::new(Config::default());
    for node in nodes.iter() {
        let zone = scenario.cluster.zones[node.zone.index()].clone();
        let labels = [
            ("kubernetes.io/hostname", node.name.clone()),
            ("topology.kubernetes.io/zone", zone),
        ];
        scheduler.cluster_mut().add_node(Node {
            name: node.name.clone(),
            allocatable: Allocatable {
                cpu: 1 << 40,
                memory: 1 << 50,
                pods: u32::MAX,
            },
            labels: labels
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            ..Node::default()
        });
    }
    scheduler
}

/// The pods of a deployment as the scheduler sees them: a ReplicaSet's, and behind every Service that selects them.
fn template(scenario: &Scenario, name: &str, scheduler: &mut Scheduler) -> TemplateId {
    let labels = || [("app".to_owned(), name.to_owned())].into_iter().collect();
    let owner = Owner {
        kind: OwnerKind::ReplicaSet,
        name: name.to_owned(),
    };
    let cluster = scheduler.cluster_mut();
    cluster.add_workload(Workload {
        namespace: "default".to_owned(),
        owner: owner.clone(),
        match_labels: labels(),
    });
    if scenario
        .services
        .values()
        .any(|service| service.selects == name)
    {
        cluster.add_service(Service {
            namespace: "default".to_owned(),
            selector: labels(),
        });
    }
    cluster.add_template(PodTemplate {
        namespace: "default".to_owned(),
        labels: labels(),
        owner: Some(owner),
        containers: vec![Container::default()],
        ..PodTemplate::default()
    })
}
