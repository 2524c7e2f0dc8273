//! The same decisions, remembered: what one template's next pod needs to know, kept up to date pod by pod.
//!
//! The real scheduler counts everything anew for every pod. A ledger counts once, and then follows the snapshot's
//! journal of pods that came and went: a change touches one node and the domains it lies in. What is left per decision
//! is a walk over the candidates' numbers. Nodes, Services and workloads change rarely; then the ledger starts afresh.
//!
//! It answers only which nodes are best. It must always answer as [`cycle::decide`](super::cycle::decide) does, which
//! tests compare on random clusters.

use super::config::Config;
use super::filter;
use super::journal::Change;
use super::node_tree::feasible_nodes_to_find;
use super::score::{
    Scorer, Weights, image_locality, node_affinity, node_resources_balanced_allocation,
    node_resources_fit, scale_down, scale_up, taint_toleration,
};
use super::snapshot::{NodeIndex, NodeState, Snapshot, TemplateId};
use super::template::Template;

use company::Company;
use spread::{Hard, Soft};

mod company;
mod spread;
mod topology;

/// What is remembered for one template.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    template: TemplateId,
    epoch: u64,
    seen: u64,
    seats: Vec<Seat>,
    seat_of: Vec<u32>,
    /// Where the nodes are that the pod's affinity names, if it names any.
    named: Option<Vec<usize>>,
    hard: Hard,
    soft: Soft,
    company: Company,
    effects: Vec<Option<Effect>>,
    work: Work,
}

/// A node, at its place in the order of examination.
#[derive(Clone, Debug)]
struct Seat {
    node: NodeIndex,
    /// Passes the filters that ask only what the node is.
    admitted: bool,
    /// Passes the filters that ask what is left of it, too.
    open: bool,
    /// Weighted scores of the plugins that look at this node alone.
    own: i64,
    image: i64,
    taints: i64,
    wishes: i64,
}

/// What a pod of some template changes for the ledger's template, wherever it lies.
#[derive(Clone, Debug)]
struct Effect {
    hard: Vec<usize>,
    soft: Vec<usize>,
    company: company::Effect,
}

/// Lists reused from decision to decision.
#[derive(Clone, Debug, Default)]
struct Work {
    feasible: Vec<u32>,
    raw: Vec<i64>,
    totals: Vec<i64>,
    best: Vec<NodeIndex>,
}

impl Ledger {
    /// Counts everything once.
    pub(super) fn open(cluster: &Snapshot, config: &Config, template: TemplateId) -> Self {
        let pod = cluster.template(template);
        let mut ledger = Self {
            template,
            epoch: cluster.epoch(),
            seen: cluster.journal().end(),
            seats: seats(cluster, pod),
            seat_of: vec![u32::MAX; cluster.all_nodes().len()],
            named: named_positions(cluster, pod),
            hard: Hard::new(cluster, pod),
            soft: Soft::new(cluster, pod),
            company: Company::new(cluster, pod),
            effects: vec![None; cluster.templates().len()],
            work: Work::default(),
        };
        for (at, (index, node)) in cluster.nodes().enumerate() {
            ledger.seat_of[index.position()] = at as u32;
            for held in &node.held {
                ledger.count(
                    cluster,
                    held.template,
                    at,
                    i64::from(held.running),
                    i64::from(held.all()),
                );
            }
            ledger.refresh(cluster, &config.weights, at);
        }
        ledger
    }

    /// The template it is about.
    pub(super) fn template(&self) -> TemplateId {
        self.template
    }

    /// Follows the journal to its end, or starts afresh when that is not enough.
    pub(super) fn catch_up(&mut self, cluster: &Snapshot, config: &Config) {
        let missed = cluster
            .journal()
            .since(self.seen)
            .filter(|_| self.epoch == cluster.epoch());
        let Some(missed) = missed else {
            *self = Self::open(cluster, config, self.template);
            return;
        };
        for &Change {
            template,
            node,
            running,
            all,
        } in missed
        {
            let at = self.seat_of[node.position()] as usize;
            self.count(cluster, template, at, i64::from(running), i64::from(all));
            self.refresh(cluster, &config.weights, at);
        }
        self.seen = cluster.journal().end();
    }

    /// The best nodes for one more pod, and how many nodes were examined, from position `start` of the order on.
    pub(super) fn best(&mut self, config: &Config, start: usize) -> (&[NodeIndex], usize) {
        let examined = self.find_feasible(config.percentage_of_nodes_to_score, start);
        self.work.best.clear();
        if self.work.feasible.len() < 2 {
            self.work.best.extend(
                self.work
                    .feasible
                    .iter()
                    .map(|&at| self.seats[at as usize].node),
            );
        } else {
            self.add_up(&config.weights);
            self.keep_highest();
        }
        (&self.work.best, examined)
    }

    /// Lists the feasible nodes until there are enough of them.
    fn find_feasible(&mut self, percentage: u8, start: usize) -> usize {
        match self.named.take() {
            Some(named) => {
                let start = start % named.len().max(1);
                let rotated = named[start..].iter().chain(&named[..start]);
                let examined = self.examine(
                    rotated.copied(),
                    feasible_nodes_to_find(named.len(), percentage),
                );
                self.named = Some(named);
                examined
            }
            None => {
                let seats = self.seats.len();
                self.examine(
                    (start..seats).chain(0..start),
                    feasible_nodes_to_find(seats, percentage),
                )
            }
        }
    }

    fn examine(&mut self, positions: impl Iterator<Item = usize>, wanted: usize) -> usize {
        let Self {
            seats,
            hard,
            company,
            work,
            ..
        } = self;
        let hard = hard.limits();
        work.feasible.clear();
        let mut examined = 0;
        for at in positions {
            if work.feasible.len() >= wanted {
                break;
            }
            examined += 1;
            if seats[at].open && hard.hold(at) && company.admits(at) {
                work.feasible.push(at as u32);
            }
        }
        examined
    }

    /// Sums the weighted scores of the feasible nodes. What is the same for all of them is left out.
    fn add_up(&mut self, weights: &Weights) {
        let Self {
            seats,
            soft,
            company,
            work,
            ..
        } = self;
        let Work {
            feasible,
            raw,
            totals,
            ..
        } = work;
        let seat = |at: &u32| &seats[*at as usize];
        totals.clear();
        totals.extend(feasible.iter().map(|at| seat(at).own));
        soft.add_scores(feasible, raw, totals, weights.of(Scorer::PodTopologySpread));
        company.add_scores(feasible, raw, totals, weights.of(Scorer::InterPodAffinity));
        let mut add = |of: fn(&Seat) -> i64, scale: fn(i64, i64) -> i64, scorer| {
            let highest = feasible.iter().map(|at| of(seat(at))).max().unwrap_or(0);
            if highest > 0 {
                for (total, at) in totals.iter_mut().zip(feasible.iter()) {
                    *total += weights.of(scorer) * scale(of(seat(at)), highest);
                }
            }
        };
        add(|seat| seat.taints, scale_down, Scorer::TaintToleration);
        add(|seat| seat.wishes, scale_up, Scorer::NodeAffinity);
    }

    fn keep_highest(&mut self) {
        let Work {
            feasible,
            totals,
            best,
            ..
        } = &mut self.work;
        let highest = totals.iter().copied().max();
        let tied = feasible
            .iter()
            .zip(totals.iter())
            .filter(|&(_, &total)| Some(total) == highest);
        best.extend(tied.map(|(&at, _)| self.seats[at as usize].node));
    }

    /// Enters pods of a template that came to a node, or, with negative counts, left it.
    fn count(&mut self, cluster: &Snapshot, other: TemplateId, at: usize, running: i64, all: i64) {
        let slot = other.0 as usize;
        if slot >= self.effects.len() {
            self.effects.resize(slot + 1, None);
        }
        if self.effects[slot].is_none() {
            let effect = self.effect_of(cluster, cluster.template(other));
            self.effects[slot] = Some(effect);
        }
        let effect = self.effects[slot].as_ref().expect("made above");
        self.hard.count(&effect.hard, at, running);
        self.soft.count(&effect.soft, at, running);
        self.company.count(&effect.company, at, all);
    }

    fn effect_of(&mut self, cluster: &Snapshot, other: &Template) -> Effect {
        let pod = cluster.template(self.template);
        Effect {
            hard: self.hard.counting(&pod.pod, &other.pod),
            soft: self.soft.counting(&pod.pod, &other.pod),
            company: self.company.effect_of(cluster, pod, other),
        }
    }

    /// Looks anew at what is left of a node.
    fn refresh(&mut self, cluster: &Snapshot, weights: &Weights, at: usize) {
        let pod = cluster.template(self.template);
        let seat = &mut self.seats[at];
        let node = cluster.node(seat.node);
        seat.open = seat.admitted && filter::check_room(cluster, pod, node).is_ok();
        seat.own = own_score(pod, node, weights) + weights.of(Scorer::ImageLocality) * seat.image;
    }
}

fn own_score(pod: &Template, node: &NodeState, weights: &Weights) -> i64 {
    let left =
        weights.of(Scorer::NodeResourcesFit) * node_resources_fit::least_allocated(pod, node);
    if !node_resources_balanced_allocation::has_requests(pod) {
        return left;
    }
    let weight = weights.of(Scorer::NodeResourcesBalancedAllocation);
    left + weight * node_resources_balanced_allocation::balance(pod, node)
}

fn seats(cluster: &Snapshot, pod: &Template) -> Vec<Seat> {
    let seat = |(index, node): (NodeIndex, &NodeState)| Seat {
        node: index,
        admitted: filter::check_node(pod, node).is_ok(),
        open: false,
        own: 0,
        image: image_locality::locality(cluster, pod, node),
        taints: taint_toleration::raw(pod, node),
        wishes: node_affinity::raw(pod, node),
    };
    cluster.nodes().map(seat).collect()
}

/// Where the nodes are that the pod's affinity names, if it names any.
fn named_positions(cluster: &Snapshot, pod: &Template) -> Option<Vec<usize>> {
    let named = filter::node_affinity::named_nodes(&pod.pod)?;
    let is_named = |at: &usize| {
        filter::node_affinity::check_name(Some(&named), cluster.node(cluster.order()[*at])).is_ok()
    };
    Some((0..cluster.order().len()).filter(is_named).collect())
}
