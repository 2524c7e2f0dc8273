//! What does a rolling update do to the spread? New pods are placed while old ones are still there to be counted.
//!
//! The pure decisions of the two controllers behind a Deployment: how many pods to create or delete now, and which ones to
//! delete. [`Rollout::roll`] plays a whole update with them, wave after wave, as if all pods of a wave became ready
//! together.
//!
//! Source: Kubernetes 1.34 `controller/deployment/rolling.go`, `controller/deployment/util`,
//! `controller/controller_utils.go` (`ActivePodsWithRanks`).

use std::collections::BTreeMap;

use crate::id::NodeId;

use super::explain::Unschedulable;
use super::scheduler::Scheduler;
use super::snapshot::TemplateId;

/// How far a rolling update may leave the number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Pods wanted.
    pub replicas: u32,
    /// Pods there may be more than wanted.
    pub surge: u32,
    /// Pods that may be unavailable.
    pub unavailable: u32,
}

/// What the Deployment controller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creates that many new pods.
    Create(u32),
    /// Deletes that many old pods.
    Delete(u32),
    /// Waits for new pods to become available.
    Wait,
}

/// How a rolling update ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolled {
    /// The nodes of the new pods.
    pub new: Vec<NodeId>,
    /// The nodes of the old pods that are left, because the update came to rest before its end.
    pub old: Vec<NodeId>,
    /// How many new pods found no node, and why, if that is what stopped it.
    pub stuck: Option<(u32, Unschedulable)>,
}

impl Rollout {
    /// The limits from percentages: the surge is rounded up, the unavailable down, and not both may be 0.
    ///
    /// The API's default is 25 % each.
    pub fn from_percent(replicas: u32, surge: u32, unavailable: u32) -> Self {
        let surge = (replicas * surge).div_ceil(100);
        let unavailable = replicas * unavailable / 100;
        let unavailable = if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable.min(replicas)
        };
        Self {
            replicas,
            surge,
            unavailable,
        }
    }

    /// The next step with that many old and new pods, all old and `available` new ones available.
    pub fn next_step(&self, old: u32, new: u32, available: u32) -> Step {
        let room = (self.replicas + self.surge).saturating_sub(old + new);
        let create = room.min(self.replicas.saturating_sub(new));
        let spare =
            (old + available).saturating_sub(self.replicas - self.unavailable.min(self.replicas));
        match (create, spare.min(old)) {
            (0, 0) => Step::Wait,
            (0, delete) => Step::Delete(delete),
            (create, _) => Step::Create(create),
        }
    }

    /// Replaces the pods of `from` on the nodes `old` by pods of `to`.
    ///
    /// Deleted pods hold their place until the next wave has become ready. `draw(n)` gives a number in `0..n`, for ties
    /// of the scheduler and of the order of deletion.
    pub fn roll(
        &self,
        scheduler: &mut Scheduler,
        (from, old): (TemplateId, Vec<NodeId>),
        to: TemplateId,
        mut draw: impl FnMut(u32) -> u32,
    ) -> Rolled {
        let mut rolled = Rolled {
            new: Vec::new(),
            old,
            stuck: None,
        };
        let mut available = 0;
        let mut terminating = Vec::new();
        while rolled.stuck.is_none() {
            match self.next_step(rolled.old.len() as u32, rolled.new.len() as u32, available) {
                Step::Create(pods) => {
                    let placed = scheduler.place(to, pods, |_, choices| draw(choices));
                    rolled.new.extend(placed.nodes);
                    rolled.stuck = placed.pending;
                }
                Step::Delete(pods) => {
                    for node in first_to_go(&mut rolled.old, &rolled.new, pods, &mut draw) {
                        scheduler.cluster_mut().terminate(from, node);
                        terminating.push(node);
                    }
                }
                Step::Wait if available == rolled.new.len() as u32 => break,
                Step::Wait => {
                    available = rolled.new.len() as u32;
                    for node in terminating.drain(..) {
                        scheduler.cluster_mut().remove(from, node);
                    }
                }
            }
        }
        for node in terminating {
            scheduler.cluster_mut().remove(from, node);
        }
        rolled
    }
}

/// Takes the old pods that a ReplicaSet deletes first: those with the most pods of the Deployment on their node.
///
/// The pods are counted once, before the first is deleted. Equals are drawn, as their uids would decide.
fn first_to_go(
    old: &mut Vec<NodeId>,
    new: &[NodeId],
    pods: u32,
    draw: &mut impl FnMut(u32) -> u32,
) -> Vec<NodeId> {
    let mut neighbours: BTreeMap<NodeId, u32> = BTreeMap::new();
    for &node in old.iter().chain(new) {
        *neighbours.entry(node).or_default() += 1;
    }
    let mut crowds: Vec<u32> = old.iter().map(|node| neighbours[node]).collect();
    let mut gone = Vec::new();
    for _ in 0..pods {
        let Some(&most) = crowds.iter().max() else {
            break;
        };
        let equals: Vec<usize> = (0..old.len()).filter(|&pod| crowds[pod] == most).collect();
        let choices = u32::try_from(equals.len()).expect("pods are counted in 32 bits");
        let chosen = equals[draw(choices) as usize];
        crowds.swap_remove(chosen);
        gone.push(old.swap_remove(chosen));
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Old and new pods after every step that changes them.
    fn trace(rollout: Rollout) -> Vec<(u32, u32)> {
        let (mut old, mut new, mut available) = (rollout.replicas, 0, 0);
        let mut seen = vec![(old, new)];
        loop {
            match rollout.next_step(old, new, available) {
                Step::Create(pods) => new += pods,
                Step::Delete(pods) => old -= pods,
                Step::Wait if available == new => return seen,
                Step::Wait => {
                    available = new;
                    continue;
                }
            }
            seen.push((old, new));
        }
    }

    #[test]
    fn ten_replicas_are_replaced_in_two_waits() {
        // Surge ceil(2.5) = 3, unavailable floor(2.5) = 2.
        let rollout = Rollout::from_percent(10, 25, 25);
        assert_eq!((rollout.surge, rollout.unavailable), (3, 2));
        assert_eq!(
            trace(rollout),
            [(10, 0), (10, 3), (8, 3), (8, 5), (3, 5), (3, 10), (0, 10)]
        );
    }

    #[test]
    fn small_deployments_surge_by_one() {
        let limits = |replicas| {
            let Rollout {
                surge, unavailable, ..
            } = Rollout::from_percent(replicas, 25, 25);
            (surge, unavailable)
        };
        assert_eq!([4, 3, 1].map(limits), [(1, 1), (1, 0), (1, 0)]);
        assert_eq!(Rollout::from_percent(4, 0, 10).unavailable, 1);
    }

    #[test]
    fn new_pods_that_never_become_ready_leave_eight_of_ten_old_ones() {
        let rollout = Rollout::from_percent(10, 25, 25);
        assert_eq!(rollout.next_step(8, 5, 0), Step::Wait);
    }

    #[test]
    fn crowded_nodes_go_first() {
        let [a, b] = [0, 1].map(NodeId);
        let mut old = vec![a, b, b];
        assert_eq!(first_to_go(&mut old, &[a, a], 1, &mut |_| 0), [a]);
        assert_eq!(old, [b, b]);
    }
}
