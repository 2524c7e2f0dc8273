//! Which pod runs on which node: by hand where the file says so, else as kube-scheduler places it.
//!
//! [`Cluster`] is a scenario as the scheduler sees it, and places its deployments as often as one likes, each time with the ties
//! of another replication. [`survey`](survey::survey) does so many times, and says how often which placement comes out.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use sim_core::Streams;
use sim_models::control::deployment::Limits;
use sim_models::id::{Id, NodeId};
use sim_models::placement::rollout::Rollout;
use sim_models::placement::taint::{Taint, TaintEffect, UNREACHABLE};
use sim_models::placement::{Revisions, Scheduler, TemplateId, Unschedulable};
use sim_models::streams::{PLACEMENT, ROLLOUT};
use sim_models::world::blueprint::Scheduled;

use crate::named::Named;
use crate::scenario::{Deployment, Lost};

mod cluster;
pub mod spread;
pub mod survey;
#[cfg(test)]
mod tests;

pub use cluster::Cluster;

/// Where the pods of one deployment land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The nodes of the pods that were placed, in the order of the pods.
    pub on: Vec<NodeId>,
    /// How many pods stay Pending, and why; `None` when all were placed.
    pub pending: Option<(u32, Unschedulable)>,
}

/// All deployments, placed once.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// Where the pods of each deployment lie, in the order of the file.
    pub placements: Vec<Placement>,
    /// For each deployment, why its last rolling update came to rest before its end, if it did. Old and new pods then lie side by
    /// side, and no further update begins.
    pub stuck: Vec<Option<Unschedulable>>,
    /// The scheduler, with the pods in its view of the cluster.
    pub scheduler: Scheduler,
    deployments: &'a Named<Deployment>,
    revisions: Vec<Revisions>,
    /// The revision of each pod, beside its node in the placement of its deployment.
    templates: Vec<Vec<TemplateId>>,
    streams: Streams,
}

impl<'a> Cluster<'a> {
    /// Places deployment after deployment: higher priorities first, equal ones in the order of the file. Then come the rolling
    /// updates that went before.
    ///
    /// Ties are drawn at addresses made of the deployment and the replica. So a replication has the same placement in every
    /// alternative that does not change what the scheduler sees, and two replications may differ.
    pub fn place(&self, streams: Streams) -> Placed<'a> {
        let mut scheduler = self.scheduler.clone();
        let mut placements: Vec<Option<Placement>> = vec![None; self.deployments.len()];
        let mut order: Vec<(usize, &Deployment)> = self.deployments.values().enumerate().collect();
        order.sort_by_key(|(_, deployment)| Reverse(deployment.priority));
        for &(index, deployment) in &order {
            let template = self.template(index);
            placements[index] = Some(match &deployment.placement {
                Some(pods) => by_hand(pods, template, &mut scheduler),
                None => scheduled(index, deployment, template, &mut scheduler, streams),
            });
        }
        let placements: Vec<Placement> = placements.into_iter().flatten().collect();
        let pods = placements.iter().zip(&self.revisions);
        let mut placed = Placed {
            stuck: vec![None; placements.len()],
            templates: pods
                .map(|(placement, revisions)| vec![revisions.latest(); placement.on.len()])
                .collect(),
            placements,
            scheduler,
            deployments: self.deployments,
            revisions: self.revisions.clone(),
            streams,
        };
        for (index, deployment) in self.deployments.values().enumerate() {
            (0..deployment.earlier_rollouts).for_each(|_| placed.update(index));
        }
        if !self.lost.is_empty() {
            placed.lose(&self.lost);
            order
                .into_iter()
                .for_each(|(index, _)| placed.place_again(index));
        }
        placed
    }
}

impl<'a> Cluster<'a> {
    /// Places the deployments as the first replication finds them.
    pub fn place_first(&self) -> Placed<'a> {
        self.place(Streams::new(self.seed, 0))
    }
}

impl Placed<'_> {
    /// The names of the deployments, in the order of the file.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.deployments.names()
    }

    /// Takes nodes away, with the pods on them.
    ///
    /// Pods of an unreachable node stay there for ever, being deleted: nobody is left to confirm it.
    /// Source: Kubernetes, "Nodes: Node controller"; the pods' default toleration of 300 s is over.
    fn lose(&mut self, lost: &[(NodeId, Lost)]) {
        let gone: BTreeSet<NodeId> = lost.iter().map(|&(node, _)| node).collect();
        for (placement, templates) in self.placements.iter_mut().zip(&mut self.templates) {
            let pods = placement.on.iter().copied().zip(templates.iter().copied());
            (placement.on, *templates) = pods.filter(|(node, _)| !gone.contains(node)).unzip();
        }
        let cluster = self.scheduler.cluster_mut();
        for &(node, lost) in lost {
            if lost == Lost::Deleted {
                cluster.remove_node(node);
                continue;
            }
            for held in cluster.node(node).held.clone() {
                (0..held.running).for_each(|_| cluster.terminate(held.template, node));
            }
            cluster.change_node(node, |node| node.taints.extend(unreachable()));
        }
    }

    /// Places the pods of a deployment that are missing.
    fn place_again(&mut self, index: usize) {
        let named = self.deployments.values().nth(index);
        let replicas = named.expect("a deployment of the file").replicas.get();
        let placement = &mut self.placements[index];
        let there = u32::try_from(placement.on.len()).expect("pods are counted in 32 bits");
        let streams = self.streams;
        let tie = |again: u32, choices: u32| {
            let replica = u64::from(replicas) + u64::from(again);
            streams.nth(PLACEMENT, index as u64, replica).below(choices)
        };
        let pods = self.revisions[index].latest();
        let placed = self
            .scheduler
            .place(pods, replicas.saturating_sub(there), tie);
        self.templates[index].extend(placed.nodes.iter().map(|_| pods));
        placement.on.extend(placed.nodes);
        placement.pending = placed.pending;
    }

    /// Rolls a deployment over to its next revision, wave after wave, as the Deployment controller does.
    ///
    /// All pods of a wave become ready together. Does nothing where an earlier update came to rest before its end.
    ///
    /// # Panics
    ///
    /// When there are not so many deployments.
    pub fn update(&mut self, index: usize) {
        if self.stuck[index].is_some() {
            return;
        }
        let named = self.deployments.values().nth(index);
        let deployment = named.expect("a deployment of the file");
        let revisions = &mut self.revisions[index];
        let from = revisions.latest();
        let to = revisions.add(self.scheduler.cluster_mut());
        let mut draws = self
            .streams
            .nth(ROLLOUT, index as u64, revisions.count() as u64);
        let old = std::mem::take(&mut self.placements[index].on);
        let draw = |choices: u32| draws.below(choices);
        let rolled = rollout_of(deployment).roll(&mut self.scheduler, (from, old), to, draw);
        self.stuck[index] = rolled.stuck.as_ref().map(|(_, why)| why.clone());
        let of = |pods: &[NodeId], revision| vec![revision; pods.len()];
        self.templates[index] = [of(&rolled.new, to), of(&rolled.old, from)].concat();
        self.placements[index] = Placement {
            on: rolled.new.into_iter().chain(rolled.old).collect(),
            pending: rolled.stuck,
        };
    }

    /// The same as a run sees it at time zero; the pods lie there in the order of the placements.
    pub fn scheduled(self) -> Scheduled {
        let pending =
            |placement: &Placement| placement.pending.as_ref().map_or(0, |&(pods, _)| pods);
        Scheduled {
            pending: self.placements.iter().map(pending).collect(),
            pods: self.templates.into_iter().flatten().collect(),
            revisions: self.revisions.into_iter().collect(),
            scheduler: self.scheduler,
        }
    }
}

/// How far a rolling update of a deployment may leave the number of its replicas.
///
/// Source: Kubernetes API apps/v1, `RollingUpdateDeployment`.
fn rollout_of(deployment: &Deployment) -> Rollout {
    let limits = deployment.strategy.rolling_update;
    let Limits {
        replicas,
        surge,
        unavailable,
    } = limits.limits(deployment.replicas.get());
    Rollout {
        replicas,
        surge,
        unavailable,
    }
}

/// What the node controller puts on a node whose kubelet is silent.
fn unreachable() -> impl Iterator<Item = Taint> {
    let taint = |effect| Taint {
        key: UNREACHABLE.to_owned(),
        value: String::new(),
        effect,
    };
    [TaintEffect::NoSchedule, TaintEffect::NoExecute]
        .into_iter()
        .map(taint)
}

fn scheduled(
    index: usize,
    deployment: &Deployment,
    template: TemplateId,
    scheduler: &mut Scheduler,
    streams: Streams,
) -> Placement {
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

/// Puts the pods where the file says, whether they fit or not.
fn by_hand(pods: &[u32], template: TemplateId, scheduler: &mut Scheduler) -> Placement {
    let on_node = |(node, &pods): (usize, &u32)| (0..pods).map(move |_| NodeId::from_index(node));
    let on: Vec<NodeId> = pods.iter().enumerate().flat_map(on_node).collect();
    for &node in &on {
        scheduler.cluster_mut().bind(template, node);
    }
    Placement { on, pending: None }
}
