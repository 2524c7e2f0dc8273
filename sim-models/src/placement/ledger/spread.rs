//! What the spread constraints of one template count, kept up to date.

use crate::placement::filter::pod_topology_spread::global_minimum;
use crate::placement::pod::PodTemplate;
use crate::placement::score::pod_topology_spread::{normalise, penalty, weight};
use crate::placement::snapshot::Snapshot;
use crate::placement::spread::WhenUnsatisfiable;
use crate::placement::spreading::{Applied, Spreading};
use crate::placement::template::Template;

use super::topology::Topology;

/// The hard constraints.
#[derive(Clone, Debug)]
pub(super) struct Hard(Vec<HardCount>);

#[derive(Clone, Debug)]
struct HardCount {
    constraint: Spreading,
    matches_itself: bool,
    topology: Topology,
    included: Vec<bool>,
    domains: Domains,
}

/// How many pods may lie in a domain already, per constraint, at the moment of one decision.
pub(super) struct Limits<'a>(Vec<(&'a HardCount, i64)>);

impl Hard {
    pub(super) fn new(cluster: &Snapshot, pod: &Template) -> Self {
        let applied = Applied::to(&pod.pod, cluster, WhenUnsatisfiable::DoNotSchedule);
        let applied = Applied {
            all_keys_required: true,
            ..applied
        };
        let count = |constraint: &Spreading| {
            let topology = Topology::new(cluster, &constraint.topology_key);
            let included = included(cluster, pod, &applied, constraint);
            let mut domains = Domains::new(topology.len());
            for at in (0..included.len()).filter(|&at| included[at]) {
                domains.exists(
                    topology
                        .domain(at)
                        .expect("a node that is looked at carries the key"),
                );
            }
            let matches_itself = constraint.selector.matches(&pod.pod.labels);
            HardCount {
                constraint: constraint.clone(),
                matches_itself,
                topology,
                included,
                domains,
            }
        };
        Self(applied.constraints.iter().map(count).collect())
    }

    /// The constraints that count the other pod.
    pub(super) fn counting(&self, pod: &PodTemplate, other: &PodTemplate) -> Vec<usize> {
        (0..self.0.len())
            .filter(|&one| self.0[one].constraint.counts(pod, other))
            .collect()
    }

    pub(super) fn count(&mut self, constraints: &[usize], at: usize, running: i64) {
        for &one in constraints {
            let HardCount {
                topology,
                included,
                domains,
                ..
            } = &mut self.0[one];
            if let Some(domain) = topology.domain(at).filter(|_| included[at]) {
                domains.add(domain, running);
            }
        }
    }

    pub(super) fn limits(&self) -> Limits<'_> {
        let limit = |count: &HardCount| {
            let Domains {
                existing, fewest, ..
            } = count.domains;
            let fewest = (existing > 0).then_some(fewest);
            let fewest = global_minimum(fewest, existing, count.constraint.min_domains);
            count.constraint.max_skew + fewest - i64::from(count.matches_itself)
        };
        Limits(self.0.iter().map(|count| (count, limit(count))).collect())
    }
}

impl Limits<'_> {
    /// Whether there are no hard constraints.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every constraint would hold with one more pod on the node at this position.
    pub(super) fn hold(&self, at: usize) -> bool {
        let below = |(count, limit): &(&HardCount, i64)| {
            count
                .topology
                .domain(at)
                .is_some_and(|domain| count.domains.pods[domain] <= *limit)
        };
        self.0.iter().all(below)
    }
}

/// Pods per domain, with the smallest count known at any time.
#[derive(Clone, Debug)]
struct Domains {
    pods: Vec<i64>,
    exists: Vec<bool>,
    existing: usize,
    fewest: i64,
    /// How many existing domains hold this many pods.
    holding: Vec<u32>,
}

impl Domains {
    fn new(domains: usize) -> Self {
        Self {
            pods: vec![0; domains],
            exists: vec![false; domains],
            existing: 0,
            fewest: 0,
            holding: vec![0],
        }
    }

    /// Makes a domain one that the minimum is taken over. It must be empty yet.
    fn exists(&mut self, domain: usize) {
        if !std::mem::replace(&mut self.exists[domain], true) {
            self.existing += 1;
            self.holding[0] += 1;
        }
    }

    /// Enters pods that came, or, with a negative count, left.
    fn add(&mut self, domain: usize, count: i64) {
        let before = self.pods[domain];
        let after = before + count;
        self.pods[domain] = after;
        if self.holding.len() <= after as usize {
            self.holding.resize(after as usize + 1, 0);
        }
        self.holding[before as usize] -= 1;
        self.holding[after as usize] += 1;
        self.fewest = self.fewest.min(after);
        while self.holding[self.fewest as usize] == 0 {
            self.fewest += 1;
        }
    }
}

/// The soft constraints.
#[derive(Clone, Debug)]
pub(super) struct Soft {
    counts: Vec<SoftCount>,
    /// By position; empty when all nodes are looked at.
    looked_at: Vec<bool>,
    work: Work,
}

#[derive(Clone, Debug)]
struct SoftCount {
    constraint: Spreading,
    topology: Topology,
    included: Vec<bool>,
    /// By position where every node is a domain, else by domain, the nodes without the label last.
    pods: Vec<i64>,
    /// By domain: what a node in it adds to its raw score. Made anew for every decision.
    penalties: Vec<f64>,
}

/// Lists reused from decision to decision.
#[derive(Clone, Debug, Default)]
struct Work {
    candidates: Vec<u32>,
    penalties: Vec<f64>,
    raw: Vec<i64>,
    scores: Vec<i64>,
}

impl Soft {
    pub(super) fn new(cluster: &Snapshot, pod: &Template) -> Self {
        let applied = Applied::to(&pod.pod, cluster, WhenUnsatisfiable::ScheduleAnyway);
        let count = |constraint: &Spreading| {
            let topology = Topology::new(cluster, &constraint.topology_key);
            let included = included(cluster, pod, &applied, constraint);
            let domains = if constraint.is_per_node() {
                included.len()
            } else {
                topology.len() + 1
            };
            let (pods, penalties) = (vec![0; domains], vec![0.0; domains]);
            SoftCount {
                constraint: constraint.clone(),
                topology,
                included,
                pods,
                penalties,
            }
        };
        let mut looked_at: Vec<bool> = cluster
            .nodes()
            .map(|(_, node)| applied.looks_at(node))
            .collect();
        if looked_at.iter().all(|&looked_at| looked_at) {
            looked_at.clear();
        }
        Self {
            counts: applied.constraints.iter().map(count).collect(),
            looked_at,
            work: Work::default(),
        }
    }

    /// The constraints that count the other pod.
    pub(super) fn counting(&self, pod: &PodTemplate, other: &PodTemplate) -> Vec<usize> {
        (0..self.counts.len())
            .filter(|&one| self.counts[one].constraint.counts(pod, other))
            .collect()
    }

    pub(super) fn count(&mut self, constraints: &[usize], at: usize, running: i64) {
        for &one in constraints {
            let SoftCount {
                constraint,
                topology,
                included,
                pods,
                ..
            } = &mut self.counts[one];
            if constraint.is_per_node() {
                pods[at] += running;
            } else if included[at] {
                pods[topology.domain_or_rest(at)] += running;
            }
        }
    }

    /// Adds the weighted scores of the feasible nodes to their totals, unless the plugin skips.
    pub(super) fn add_scores(&mut self, feasible: &[u32], totals: &mut [i64], factor: i64) {
        if self.counts.is_empty() {
            return;
        }
        let Self {
            counts,
            looked_at,
            work,
        } = self;
        let Work {
            candidates,
            penalties,
            raw,
            scores,
        } = work;
        let is_candidate = |at: u32| looked_at.is_empty() || looked_at[at as usize];
        candidates.clear();
        candidates.extend(feasible.iter().copied().filter(|&at| is_candidate(at)));
        penalties.clear();
        penalties.resize(candidates.len(), 0.0);
        for count in counts {
            count.add_penalties(candidates, penalties);
        }
        raw.clear();
        raw.extend(penalties.iter().map(|&penalty| rounded(penalty)));
        let (Some(&lowest), Some(&highest)) = (raw.iter().min(), raw.iter().max()) else {
            return;
        };
        score_table(scores, lowest, highest, raw.len());
        let score = |raw: i64| match scores.get((raw - lowest) as usize) {
            Some(score) => factor * score,
            None => factor * normalise(raw, lowest, highest),
        };
        let scored = feasible
            .iter()
            .zip(totals)
            .filter(|&(&at, _)| is_candidate(at));
        for ((_, total), &raw) in scored.zip(raw.iter()) {
            *total += score(raw);
        }
    }
}

/// Lists the scores of the raw values from `lowest` on, at most `limit` of them: a look is cheaper than a division.
fn score_table(scores: &mut Vec<i64>, lowest: i64, highest: i64, limit: usize) {
    scores.clear();
    scores.extend(
        (lowest..=highest)
            .take(limit)
            .map(|raw| normalise(raw, lowest, highest)),
    );
}

impl SoftCount {
    /// Adds what the constraint adds to the raw score of each candidate.
    fn add_penalties(&mut self, candidates: &[u32], penalties: &mut [f64]) {
        if self.constraint.is_per_node() {
            self.add_by_node(candidates, penalties);
        } else {
            self.add_by_domain(candidates, penalties);
        }
    }

    fn add_by_node(&self, candidates: &[u32], penalties: &mut [f64]) {
        let weight = weight(candidates.len());
        for (sum, &at) in penalties.iter_mut().zip(candidates) {
            if self.topology.domain(at as usize).is_some() {
                *sum += penalty(self.pods[at as usize], weight, self.constraint.max_skew);
            }
        }
    }

    fn add_by_domain(&mut self, candidates: &[u32], penalties: &mut [f64]) {
        let domain_of = |at: u32| self.topology.domain_or_rest(at as usize);
        // A domain without a candidate keeps its mark; the others are counted as they are met.
        self.penalties.fill(f64::NAN);
        let mut domains = 0;
        for &at in candidates {
            let penalty = &mut self.penalties[domain_of(at)];
            domains += usize::from(penalty.is_nan());
            *penalty = 0.0;
        }
        let weight = weight(domains);
        for (domain, value) in self
            .penalties
            .iter_mut()
            .enumerate()
            .take(self.topology.len())
        {
            *value = penalty(self.pods[domain], weight, self.constraint.max_skew);
        }
        for (sum, &at) in penalties.iter_mut().zip(candidates) {
            *sum += self.penalties[domain_of(at)];
        }
    }
}

/// Half away from zero, as `f64::round`, for what is not negative, without a call into the C library.
fn rounded(penalty: f64) -> i64 {
    let whole = penalty as i64;
    whole + i64::from(penalty - whole as f64 >= 0.5)
}

/// For each position, whether the constraint counts the node's pods.
fn included(
    cluster: &Snapshot,
    pod: &Template,
    applied: &Applied,
    constraint: &Spreading,
) -> Vec<bool> {
    cluster
        .nodes()
        .map(|(_, node)| applied.looks_at(node) && constraint.includes(&pod.pod, node))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_count_is_known_as_pods_come_and_go() {
        let mut domains = Domains::new(3);
        domains.exists(0);
        domains.exists(1);
        // The third domain does not exist for the constraint: it stays empty and does not make the minimum 0.
        for (domain, count, fewest) in [
            (0, 1, 0),
            (1, 2, 1),
            (0, 3, 2),
            (1, -1, 1),
            (1, 3, 4),
            (0, -4, 0),
        ] {
            domains.add(domain, count);
            assert_eq!(domains.fewest, fewest);
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for value in [
            0.0,
            0.49999999999999994,
            0.5,
            1.5,
            2.4999,
            11.49,
            1e15 + 0.5,
        ] {
            assert_eq!(rounded(value), value.round() as i64, "{value}");
        }
    }
}
