//! What does a listener rule do with a request, when its action changes during a run?
//!
//! A change is one API call. Each load balancer node applies it in its own time, and changes one after the other. A world whose rules stay as
//! they are has none of this: there a request's target group is known when it is born.

use sim_core::SimTime;

use crate::id::{Id, LoadBalancerNodeId, TargetGroupId};

/// What a rule does: the target groups that it forwards to, each with its weight.
pub type Action = Vec<(TargetGroupId, u16)>;

/// The actions of all rules, as each load balancer node applies them.
#[derive(Clone, Debug)]
pub struct Rules {
    /// From the first to the last that was called for.
    versions: Vec<Version>,
    load_balancer_nodes: usize,
}

#[derive(Clone, Debug)]
struct Version {
    /// The default action, then those of the rules in the order of their priority.
    actions: Vec<Action>,
    /// Since when, by load balancer node.
    shown_at: Vec<SimTime>,
}

impl Rules {
    /// Rules that all load balancer nodes know: the default action, then those of the rules.
    pub fn new(actions: Vec<Action>, load_balancer_nodes: usize) -> Self {
        let shown_at = vec![SimTime::ZERO; load_balancer_nodes];
        Self {
            versions: vec![Version { actions, shown_at }],
            load_balancer_nodes,
        }
    }

    /// Another version, which a load balancer node would apply at `shown_at` of it; not before it has applied the version before.
    ///
    /// Source: as for targets, changes reach a load balancer node in the order of the API calls (an assumption).
    pub fn change(
        &mut self,
        change: impl FnOnce(&mut Vec<Action>),
        shown_at: impl Fn(LoadBalancerNodeId) -> SimTime,
    ) {
        let last = self.versions.last().expect("there is a first version");
        let mut actions = last.actions.clone();
        change(&mut actions);
        let nodes = (0..self.load_balancer_nodes).map(LoadBalancerNodeId::from_index);
        let shown_at = nodes.map(|node| shown_at(node).max(last.shown_at[node.index()]));
        self.versions.push(Version {
            actions,
            shown_at: shown_at.collect(),
        });
    }

    /// How many rules forward to a group.
    pub fn forwarding_to(&self, group: TargetGroupId) -> u64 {
        let last = self.versions.last().expect("there is a first version");
        let names = |action: &&Action| action.iter().any(|&(other, _)| other == group);
        last.actions.iter().filter(names).count() as u64
    }

    /// When a load balancer node applies the last version.
    pub fn shown_at(&self, node: LoadBalancerNodeId) -> SimTime {
        let last = self.versions.last().expect("there is a first version");
        last.shown_at[node.index()]
    }

    /// The target group that a load balancer node sends a request to; `None` where all weights are 0. `priority` is 0 for the default action,
    /// `share` uniform in [0, 1).
    pub fn target_group(
        &self,
        node: LoadBalancerNodeId,
        priority: u32,
        share: f64,
        now: SimTime,
    ) -> Option<TargetGroupId> {
        let versions = self.versions.iter().rev();
        let mut applied = versions.filter(|version| version.shown_at[node.index()] <= now);
        let version = applied.next().expect("the first version is shown at once");
        pick(&version.actions[priority as usize], share)
    }
}

/// The group that a uniform share falls on.
fn pick(action: &Action, share: f64) -> Option<TargetGroupId> {
    let total: u32 = action.iter().map(|&(_, weight)| u32::from(weight)).sum();
    let at = (share * f64::from(total)) as u32;
    let mut sum = 0;
    let mut groups = action.iter();
    let chosen = groups.find(|&&(_, weight)| {
        sum += u32::from(weight);
        at < sum
    });
    chosen.map(|&(group, _)| group)
}

#[cfg(test)]
mod tests {
    use sim_core::SimDuration;

    use super::*;

    const NODE: [LoadBalancerNodeId; 2] = [LoadBalancerNodeId(0), LoadBalancerNodeId(1)];

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    fn group(id: u32) -> Option<TargetGroupId> {
        Some(TargetGroupId(id))
    }

    #[test]
    fn each_load_balancer_node_applies_a_change_in_its_own_time() {
        let mut rules = Rules::new(vec![vec![(TargetGroupId(0), 1)]], 2);
        let change = |actions: &mut Vec<Action>| actions[0] = vec![(TargetGroupId(1), 1)];
        rules.change(change, |node| at(10 + u64::from(node.0)));
        let at_nodes = |seconds| NODE.map(|node| rules.target_group(node, 0, 0.5, at(seconds)));
        assert_eq!(at_nodes(9), [group(0), group(0)]);
        assert_eq!(at_nodes(10), [group(1), group(0)]);
        assert_eq!(at_nodes(11), [group(1), group(1)]);
    }

    #[test]
    fn a_later_change_does_not_overtake_an_earlier_one() {
        let mut rules = Rules::new(vec![vec![(TargetGroupId(0), 1)]], 1);
        for (to, shown) in [(1, 20), (2, 15)] {
            let change = |actions: &mut Vec<Action>| actions[0] = vec![(TargetGroupId(to), 1)];
            rules.change(change, |_| at(shown));
        }
        assert_eq!(rules.shown_at(NODE[0]), at(20));
        assert_eq!(rules.target_group(NODE[0], 0, 0.0, at(19)), group(0));
        assert_eq!(rules.target_group(NODE[0], 0, 0.0, at(20)), group(2));
    }

    #[test]
    fn weights_are_shares() {
        // 3, 0 and 1 of 4: the first three quarters, nothing, the last quarter.
        let action = vec![
            (TargetGroupId(0), 3),
            (TargetGroupId(1), 0),
            (TargetGroupId(2), 1),
        ];
        let picks = [0.0, 0.7499, 0.75, 0.9999].map(|share| pick(&action, share));
        assert_eq!(picks, [group(0), group(0), group(2), group(2)]);
        assert_eq!(pick(&vec![(TargetGroupId(0), 0)], 0.5), None);
    }
}
