//! Least outstanding requests: the target with the fewest requests in progress.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Id, LoadBalancerNodeId};
use crate::request::select::random;

/// Details of the choice by least outstanding requests; read with `algorithm: LeastOutstandingRequests` only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whose requests in progress are counted.
    ///
    /// Default: LoadBalancerNode.
    /// Assumption: AWS does not say; a load balancer node knows its own requests without asking others.
    pub scope: Scope,

    /// Which target gets the request among those with equally few in progress.
    ///
    /// Default: RoundRobin.
    /// Assumption: not published.
    pub tie: Tie,
}

/// Whose requests in progress are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// Those of the load balancer node that chooses.
    #[default]
    LoadBalancerNode,
    /// Those of all load balancer nodes, known to each of them at once.
    Global,
}

/// Which of several equally loaded targets gets the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Tie {
    /// The next one in the order of registration, after the target served last.
    #[default]
    RoundRobin,
    /// Any of them, drawn evenly.
    Random,
}

/// Picks a target with the fewest requests in progress; `None` when there is none.
///
/// `last` is the position of the target served last, `word` a 32-bit uniform number.
///
/// Source: AWS, "Edit target group attributes for your Application Load Balancer",
/// `least_outstanding_requests`.
pub fn pick(counts: &Counts, tie: Tie, last: u32, word: u32) -> Option<u32> {
    let Fewest { targets, .. } = counts.fewest()?;
    let nth = match tie {
        Tie::Random => random::pick(targets, word)?,
        Tie::RoundRobin => match counts.fewest_before(last + 1) {
            before if before < targets => before,
            _ => 0,
        },
    };
    Some(counts.nth_fewest(nth))
}

/// Requests in progress at each target of one group, in a tournament tree.
///
/// A knot holds the fewest below it and how many targets have so few. So a request that comes or goes
/// costs one way from leaf to root, and the choice one way back: ten steps among a thousand targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    targets: u32,
    /// Knot 1 is the root, knots 2n and 2n + 1 lie below n, the targets are the last ones.
    knots: Vec<Fewest>,
}

/// The fewest requests in progress among some targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fewest {
    /// Requests in progress.
    pub requests: u32,
    /// Targets that have so few.
    pub targets: u32,
}

impl Fewest {
    /// Of no target at all.
    const NONE: Self = Self {
        requests: u32::MAX,
        targets: 0,
    };

    fn of(left: Self, right: Self) -> Self {
        match left.requests.cmp(&right.requests) {
            std::cmp::Ordering::Less => left,
            std::cmp::Ordering::Greater => right,
            std::cmp::Ordering::Equal => Self {
                requests: left.requests,
                targets: left.targets + right.targets,
            },
        }
    }
}

impl Counts {
    /// Nothing in progress at so many targets.
    pub fn new(targets: u32) -> Self {
        let leaves = (targets as usize).next_power_of_two();
        let mut knots = vec![Fewest::NONE; 2 * leaves];
        for leaf in &mut knots[leaves..leaves + targets as usize] {
            *leaf = Fewest {
                requests: 0,
                targets: 1,
            };
        }
        for knot in (1..leaves).rev() {
            knots[knot] = Fewest::of(knots[2 * knot], knots[2 * knot + 1]);
        }
        Self { targets, knots }
    }

    /// A request to the target begins.
    pub fn begin(&mut self, target: u32) {
        let leaf = self.leaf(target);
        self.knots[leaf].requests += 1;
        self.play(leaf);
    }

    /// A request to the target is over.
    ///
    /// # Panics
    ///
    /// When none is in progress there.
    pub fn end(&mut self, target: u32) {
        let leaf = self.leaf(target);
        let requests = &mut self.knots[leaf].requests;
        *requests = requests
            .checked_sub(1)
            .expect("a request that is over was in progress");
        self.play(leaf);
    }

    /// Requests in progress at a target.
    pub fn outstanding(&self, target: u32) -> u32 {
        self.knots[self.leaf(target)].requests
    }

    /// The fewest, and how many targets have so few; `None` when there is no target.
    pub fn fewest(&self) -> Option<Fewest> {
        (self.targets > 0).then(|| self.knots[1])
    }

    /// How many of the first `count` targets have the fewest.
    fn fewest_before(&self, count: u32) -> u32 {
        if count >= self.targets {
            return self.knots[1].targets;
        }
        let mut knot = self.leaf(count);
        let mut before = 0;
        while knot > 1 {
            if knot % 2 == 1 {
                before += self.with_fewest(knot - 1);
            }
            knot /= 2;
        }
        before
    }

    /// The target that is the `nth` of those with the fewest, from 0.
    fn nth_fewest(&self, mut nth: u32) -> u32 {
        let leaves = self.knots.len() / 2;
        let mut knot = 1;
        while knot < leaves {
            knot *= 2;
            let left = self.with_fewest(knot);
            if nth >= left {
                nth -= left;
                knot += 1;
            }
        }
        (knot - leaves) as u32
    }

    /// Targets below a knot that have the fewest of all.
    fn with_fewest(&self, knot: usize) -> u32 {
        let Fewest { requests, targets } = self.knots[knot];
        if requests == self.knots[1].requests {
            targets
        } else {
            0
        }
    }

    fn leaf(&self, target: u32) -> usize {
        debug_assert!(target < self.targets, "the target is one of the group");
        self.knots.len() / 2 + target as usize
    }

    /// Plays all matches again between a leaf and the root.
    fn play(&mut self, leaf: usize) {
        let mut knot = leaf / 2;
        while knot > 0 {
            self.knots[knot] = Fewest::of(self.knots[2 * knot], self.knots[2 * knot + 1]);
            knot /= 2;
        }
    }
}

/// What the load balancer nodes know of the requests in progress to one group.
///
/// Empty, and without any cost, where the group's algorithm does not ask.
#[derive(Clone, Debug, Default)]
pub struct Outstanding {
    /// One for each load balancer node, or one for all of them.
    seen: Vec<Counts>,
}

impl Outstanding {
    /// Counts for so many load balancer nodes and targets.
    pub fn new(scope: Scope, load_balancer_nodes: usize, targets: u32) -> Self {
        let views = match scope {
            Scope::LoadBalancerNode => load_balancer_nodes,
            Scope::Global => 1,
        };
        Self {
            seen: vec![Counts::new(targets); views],
        }
    }

    /// What a load balancer node sees; `None` where nothing is counted.
    #[inline]
    pub fn seen_by(&self, node: LoadBalancerNodeId) -> Option<&Counts> {
        self.seen.get(self.view(node))
    }

    /// A load balancer node sends a request to a target.
    #[inline]
    pub fn begin(&mut self, node: LoadBalancerNodeId, target: u32) {
        let view = self.view(node);
        if let Some(counts) = self.seen.get_mut(view) {
            counts.begin(target);
        }
    }

    /// A request that a load balancer node sent to a target is over.
    #[inline]
    pub fn end(&mut self, node: LoadBalancerNodeId, target: u32) {
        let view = self.view(node);
        if let Some(counts) = self.seen.get_mut(view) {
            counts.end(target);
        }
    }

    #[inline]
    fn view(&self, node: LoadBalancerNodeId) -> usize {
        if self.seen.len() == 1 {
            0
        } else {
            node.index()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: &[u32]) -> Counts {
        let mut counts = Counts::new(requests.len() as u32);
        for (target, &many) in requests.iter().enumerate() {
            (0..many).for_each(|_| counts.begin(target as u32));
        }
        counts
    }

    #[test]
    fn the_least_loaded_target_gets_the_request() {
        for tie in [Tie::RoundRobin, Tie::Random] {
            assert_eq!(pick(&counts(&[2, 1, 0, 3, 1]), tie, 4, 9), Some(2));
        }
    }

    #[test]
    fn a_tie_goes_to_the_next_in_turn() {
        // Targets 1, 3 and 4 are equally free.
        let counts = counts(&[1, 0, 2, 0, 0]);
        let after = |last| pick(&counts, Tie::RoundRobin, last, 0);
        assert_eq!([0, 1, 2, 3, 4].map(after), [1, 3, 3, 4, 1].map(Some));
    }

    #[test]
    fn a_random_tie_is_drawn_evenly() {
        // Thirds of 2^32 for the targets 1, 3 and 4.
        let counts = counts(&[1, 0, 2, 0, 0]);
        let third = u32::MAX / 3;
        let drawn = |word| pick(&counts, Tie::Random, 0, word);
        let words = [0, third, third + 2, 2 * third, u32::MAX];
        assert_eq!(words.map(drawn), [1, 1, 3, 3, 4].map(Some));
    }

    #[test]
    fn the_tree_agrees_with_a_plain_search() {
        // Requests come and go in a fixed jumble; after each, every view of the tree is compared.
        for targets in [1_u32, 2, 3, 7, 8, 33] {
            let mut tree = Counts::new(targets);
            let mut plain = vec![0_u32; targets as usize];
            for step in 0..500_u32 {
                let target = step.wrapping_mul(2_654_435_761) % targets;
                if step % 3 == 2 && plain[target as usize] > 0 {
                    plain[target as usize] -= 1;
                    tree.end(target);
                } else {
                    plain[target as usize] += 1;
                    tree.begin(target);
                }
                let fewest = *plain.iter().min().expect("there are targets");
                let free: Vec<u32> = (0..targets)
                    .filter(|&t| plain[t as usize] == fewest)
                    .collect();
                let last = step % targets;
                let next = free.iter().find(|&&t| t > last).or(free.first()).copied();
                assert_eq!(pick(&tree, Tie::RoundRobin, last, step), next);
                assert_eq!(tree.fewest().map(|it| it.targets), Some(free.len() as u32));
                assert_eq!(tree.outstanding(target), plain[target as usize]);
            }
        }
    }

    #[test]
    fn a_load_balancer_node_sees_its_own_requests_or_all() {
        let [here, there] = [LoadBalancerNodeId(0), LoadBalancerNodeId(1)];
        let seen = |scope| {
            let mut outstanding = Outstanding::new(scope, 2, 3);
            outstanding.begin(there, 1);
            outstanding
                .seen_by(here)
                .map(|counts| counts.outstanding(1))
        };
        assert_eq!(seen(Scope::LoadBalancerNode), Some(0));
        assert_eq!(seen(Scope::Global), Some(1));
        assert_eq!(Outstanding::default().seen_by(here), None);
    }
}
