//! What the scheduler of a run knows: the cluster as the API shows it, the pods that wait for a node, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_core::{SimTime, Streams};

use super::pod::Pod;
use crate::cluster::capacity::Allocatable;
use crate::cluster::condition::PodCondition;
use crate::control::bucket::Bucket;
use crate::id::{Arena, DeploymentId, Id, NodeId, PodId};
use crate::placement::queue::{Queue, Waiting};
use crate::placement::requeue::Happened;
use crate::placement::selector::Labels;
use crate::placement::snapshot::{Node, Service, Snapshot};
use crate::placement::spread::{HOSTNAME, ZONE};
use crate::placement::taint::{Taint, TaintEffect, UNREACHABLE};
use crate::placement::{
    self, Container, PodTemplate, Revisions, Scheduler, TemplateId, Unschedulable,
};
use crate::streams::NODE_TIE;
use crate::world::blueprint::{Blueprint, Scheduled};

/// The scheduler, its queue, and what each pod is to it.
#[derive(Debug)]
pub(super) struct Placing {
    scheduler: Scheduler,
    pub(super) queue: Queue<PodId>,
    bindings: Bucket,
    deployments: Arena<DeploymentId, Deployment>,
    tickets: Arena<PodId, Ticket>,
    refusals: BTreeMap<PodId, Arc<Unschedulable>>,
    /// The instant at which the scheduler was last asked to look.
    pub(super) woken_at: Option<SimTime>,
    /// When it looks although nothing happens.
    pub(super) flushes_at: Option<SimTime>,
}

/// A Deployment as the scheduler tells its revisions apart.
#[derive(Debug)]
struct Deployment {
    revisions: Revisions,
    /// The revision of the pods of generation 0.
    first: usize,
}

/// A pod as the scheduler sees it.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    deployment: DeploymentId,
    template: TemplateId,
    /// How many pods of its Deployment were created in this run before it, itself included; 0 for those of time zero.
    serial: u64,
}

impl Placing {
    /// The scheduler at time zero; `None` where no pods are created. Pods that fit nowhere at time zero get their places.
    pub(super) fn new(blueprint: &Blueprint, pods: &mut Arena<PodId, Pod>) -> Option<Self> {
        let health = blueprint.health.as_ref()?;
        if health.spares.is_empty() {
            return None;
        }
        let config = &health.scheduler;
        let scheduled = match &health.scheduled {
            Some(scheduled) => (**scheduled).clone(),
            None => alike(blueprint, config),
        };
        let deployments = scheduled.revisions.enumerate();
        let deployments = deployments.map(|(id, revisions)| Deployment {
            first: first_revision(blueprint, &scheduled, id),
            revisions: revisions.clone(),
        });
        let mut placing = Self {
            deployments: deployments.collect(),
            queue: Queue::new(config),
            bindings: Bucket::new(config.qps, config.burst.get()),
            tickets: tickets(blueprint, &scheduled),
            refusals: BTreeMap::new(),
            woken_at: None,
            flushes_at: None,
            scheduler: scheduled.scheduler,
        };
        for (pod, &template) in scheduled.pods.enumerate() {
            let it = &placing.deployments[blueprint.pods[pod].deployment];
            let of = |generation: usize| it.revisions.template(it.first + generation);
            pods[pod].generation = u32::from(template != of(0));
        }
        for (id, &pending) in scheduled.pending.enumerate() {
            placing.begin_pending(id, pending, pods);
        }
        Some(placing)
    }

    /// Pods that fit nowhere at time zero take places, and wait.
    fn begin_pending(&mut self, id: DeploymentId, pending: u32, pods: &mut Arena<PodId, Pod>) {
        let free = self
            .tickets
            .enumerate()
            .filter(|&(pod, ticket)| ticket.deployment == id && !pods[pod].exists());
        let places: Vec<PodId> = free.map(|(pod, _)| pod).take(pending as usize).collect();
        let generation = self.generations(id) - 1;
        for pod in places {
            pods[pod].begin(generation, PodCondition::Serving, SimTime::ZERO);
            self.add(pod, generation, 0, SimTime::ZERO);
        }
    }

    /// How many generations of a Deployment's pods there are.
    pub(super) fn generations(&self, id: DeploymentId) -> u32 {
        let it = &self.deployments[id];
        (it.revisions.count() - it.first) as u32
    }

    /// Another revision of a Deployment.
    pub(super) fn roll_out(&mut self, id: DeploymentId) {
        let cluster = self.scheduler.cluster_mut();
        self.deployments[id].revisions.add(cluster);
    }

    /// A pod was created: it waits for a node.
    pub(super) fn add(&mut self, pod: PodId, generation: u32, serial: u64, now: SimTime) {
        let ticket = &mut self.tickets[pod];
        let of = &self.deployments[ticket.deployment];
        ticket.template = of.revisions.template(of.first + generation as usize);
        ticket.serial = serial;
        let template = self.scheduler.cluster().template(ticket.template);
        self.queue.add(pod, template.pod.priority, now);
    }

    /// One scheduling cycle: the pod's node, or why there is none. A new reason is to be told.
    pub(super) fn try_pod(
        &mut self,
        waiting: Waiting<PodId>,
        streams: &Streams,
        now: SimTime,
    ) -> Tried {
        let pod = waiting.pod;
        let Ticket {
            deployment,
            template,
            serial,
        } = self.tickets[pod];
        let entity = u64::from(deployment.0);
        let draw = |choices| streams.nth(NODE_TIE, entity, serial).below(choices);
        match self.scheduler.place_one(template, draw) {
            Ok(node) => {
                self.refusals.remove(&pod);
                self.happened(Happened::PodPlaced, now);
                Tried::Placed(node)
            }
            Err(why) => {
                self.queue.failed(waiting, now);
                let before = self.refusals.insert(pod, Arc::clone(&why));
                match before {
                    Some(before) if before == why => Tried::Again,
                    _ => Tried::Refused(why),
                }
            }
        }
    }

    /// When the scheduler's client sends the next binding.
    pub(super) fn binds_at(&mut self, now: SimTime) -> SimTime {
        self.bindings.take(now)
    }

    /// How many pods of its Deployment were created in this run before a pod, itself included.
    pub(super) fn serial(&self, pod: PodId) -> u64 {
        self.tickets[pod].serial
    }

    /// A pod that waited is deleted.
    pub(super) fn forget(&mut self, pod: PodId) {
        self.queue.forget(pod);
        self.refusals.remove(&pod);
    }

    /// A pod on a node is being deleted: it holds its room, and spreading does not count it.
    pub(super) fn terminates(&mut self, pod: PodId, node: NodeId) {
        let template = self.tickets[pod].template;
        self.scheduler.cluster_mut().terminate(template, node);
    }

    /// A pod has left its node.
    pub(super) fn is_gone(&mut self, pod: PodId, node: NodeId, now: SimTime) {
        let template = self.tickets[pod].template;
        self.scheduler.cluster_mut().remove(template, node);
        self.happened(Happened::PodGone, now);
    }

    /// A node accepts no new pods.
    pub(super) fn cordon(&mut self, node: NodeId) {
        self.scheduler.cluster_mut().cordon(node);
    }

    /// A node is given up.
    ///
    /// The taint with the effect `NoExecute` is left out: admission makes every pod tolerate it.
    /// Source: Kubernetes 1.34 `pkg/controller/nodelifecycle`; admission plugin `DefaultTolerationSeconds`.
    pub(super) fn is_unreachable(&mut self, node: NodeId, now: SimTime) {
        let cluster = self.scheduler.cluster_mut();
        cluster.change_node(node, |node| node.taints.push(unreachable()));
        self.happened(Happened::TaintsChanged, now);
    }

    /// A node that was given up is back.
    pub(super) fn is_back(&mut self, node: NodeId, now: SimTime) {
        let cluster = self.scheduler.cluster_mut();
        cluster.change_node(node, |node| {
            let taint = unreachable();
            if let Some(at) = node.taints.iter().position(|other| *other == taint) {
                node.taints.remove(at);
            }
        });
        self.happened(Happened::TaintsChanged, now);
    }

    /// Moves the pods on to which something that happened may be of help.
    fn happened(&mut self, what: Happened, now: SimTime) {
        let refusals = &self.refusals;
        let helps = |pod| refusals.get(&pod).is_none_or(|why| what.may_help(why));
        self.queue.happened(now, helps);
    }
}

/// What came of a scheduling cycle.
pub(super) enum Tried {
    /// The pod has a node.
    Placed(NodeId),
    /// The pod fits nowhere, for a reason that is new.
    Refused(Arc<Unschedulable>),
    /// The pod fits nowhere, as before.
    Again,
}

fn unreachable() -> Taint {
    Taint {
        key: UNREACHABLE.to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    }
}

/// The revision that counts as generation 0: the latest, or the one before where pods of it are left.
fn first_revision(blueprint: &Blueprint, scheduled: &Scheduled, id: DeploymentId) -> usize {
    let revisions = &scheduled.revisions[id];
    let mut pods = scheduled.pods.enumerate();
    let has_old = pods.any(|(pod, &template)| {
        blueprint.pods[pod].deployment == id && template != revisions.latest()
    });
    revisions.count() - 1 - usize::from(has_old)
}

/// What the pods of all places are; a place without a pod has the latest template.
fn tickets(blueprint: &Blueprint, scheduled: &Scheduled) -> Arena<PodId, Ticket> {
    let places = blueprint.places();
    let pods = places.enumerate();
    pods.map(|(pod, place)| Ticket {
        deployment: place.deployment,
        template: match scheduled.pods.as_slice().get(pod.index()) {
            Some(&template) => template,
            None => scheduled.revisions[place.deployment].latest(),
        },
        serial: 0,
    })
    .collect()
}

/// A cluster of nodes that are alike, with room for everything, and pods that ask for nothing.
fn alike(blueprint: &Blueprint, config: &placement::Config) -> Scheduled {
    let mut scheduler = Scheduler::new(config.clone());
    let cluster = scheduler.cluster_mut();
    for node in blueprint.nodes.iter() {
        let zone = blueprint.zones[node.zone].clone();
        let labels = [(HOSTNAME, node.name.clone()), (ZONE, zone)];
        cluster.add_node(Node {
            name: node.name.clone(),
            allocatable: Allocatable::UNLIMITED,
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
            ..Node::default()
        });
    }
    for service in blueprint.services.iter() {
        cluster.add_service(Service {
            namespace: "default".to_owned(),
            selector: own_labels(&blueprint.deployments[service.selects].name),
        });
    }
    let deployments = blueprint.deployments.iter();
    let revisions: Arena<DeploymentId, Revisions> = deployments
        .map(|deployment| only_revision(&deployment.name, cluster))
        .collect();
    let pods = blueprint.pods.iter();
    let templates: Arena<PodId, TemplateId> =
        pods.map(|pod| revisions[pod.deployment].latest()).collect();
    for (pod, &template) in blueprint.pods.iter().zip(templates.iter()) {
        cluster.bind(template, pod.node);
    }
    Scheduled {
        scheduler,
        pending: revisions.iter().map(|_| 0).collect(),
        revisions,
        pods: templates,
    }
}

fn only_revision(name: &str, cluster: &mut Snapshot) -> Revisions {
    let pod = PodTemplate {
        namespace: "default".to_owned(),
        labels: own_labels(name),
        containers: vec![Container::default()],
        ..PodTemplate::default()
    };
    Revisions::first(name, pod, own_labels(name), cluster)
}

fn own_labels(name: &str) -> Labels {
    Labels::from([("app".to_owned(), name.to_owned())])
}
